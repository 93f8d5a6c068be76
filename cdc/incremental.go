package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

const (
	// incrementalTick is how often the stream's reader looks at what goes on beside it, while something does.
	incrementalTick = 10 * time.Millisecond

	// askAgain is how often the server is asked how far it has sent, while a chunk waits for that.
	askAgain = 20 * time.Millisecond

	// watermarkPrefix is that of our own logical messages, which are never published. They carry nothing: what they do is to come by.
	watermarkPrefix = "tandem.snapshot"

	// recentMax is how many of the newest transactions are remembered of which it is not known that other sessions see them.
	recentMax = 1 << 16

	// failuresMax is how often a chunk may fail for reasons that are the table's or the filter's, before the table is given up.
	failuresMax = 5
)

// incrementalRun reads tables while the stream goes on. It belongs to the stream's goroutine; only a chunk's rows are read on another, one chunk at a time. See [window] for
// what makes that right, and docs/adr/0006 for why it is done so.
type incrementalRun struct {
	state   *incremental
	conn    *pgx.Conn // of chunks; the reading goroutine's while there is one
	opening chan opened
	reading chan chunk // nil: nothing is read
	window  *window    // nil: changes need not be looked at
	held    chunk      // what the window's rows came with
	shows   *visibility
	until   change.LSN // the stream has to pass this before the window's rows are written
	passed  change.LSN // all that committed before this was sent
	recent  []uint32   // transactions that were sent, and that sessions may not see yet
	spoiled bool       // the chunk is of no use: read it again
	tries   int        // … and failed, because something was replayed
	block   *approach  // a blocking snapshot was taken, and the stream is on its way to it; nil: none

	began    time.Time // the chunk that is read
	retry    time.Time
	failures int
	asked    time.Time
	mute     bool // messages are refused, or of no use
	stop     context.CancelFunc
	wait     sync.WaitGroup
	orders   chan order // signals that were read
}

type opened struct {
	conn *pgx.Conn
	err  error
}

// busy reports that the reader should look up often.
func (x *incrementalRun) busy() bool {
	return x.opening != nil || x.reading != nil || x.window != nil || x.active() || x.blocks()
}

func (x *incrementalRun) active() bool {
	return x.state != nil && len(x.state.Tables) > 0 && !x.state.Paused
}

// pass is told how far the stream has come, between transactions.
func (x *incrementalRun) pass(at change.LSN) { x.passed = max(x.passed, at) }

// sent remembers a transaction that the stream has sent: a snapshot that does not see it yet comes too early.
func (x *incrementalRun) sent(id int64) {
	if len(x.recent) >= recentMax {
		x.recent = slices.Delete(x.recent, 0, recentMax/2)
	}
	x.recent = append(x.recent, uint32(id))
}

// beginIncremental takes up what the offset says.
func (r *reader) beginIncremental() {
	var ctx context.Context
	ctx, r.aside.stop = context.WithCancel(context.WithoutCancel(r.life))
	r.aside.orders = make(chan order)
	r.aside.state, r.aside.recent = r.stored.Incremental, r.unseen
	r.incremental.Store(r.aside.state)
	for name, channel := range r.channels {
		position := ""
		if r.aside.state != nil {
			position = r.aside.state.Signals[name]
		}
		r.aside.wait.Go(func() { r.listen(ctx, name, channel, position) })
	}
}

// endIncremental returns when nothing is read any more. The chunk that was being read is read again at the next start.
func (r *reader) endIncremental() {
	x := &r.aside
	if x.stop == nil {
		return
	}
	x.stop()
	x.wait.Wait()
	r.unseen = x.recent
	if x.opening != nil {
		if o := <-x.opening; o.conn != nil {
			x.conn = o.conn
		}
	}
	if x.conn != nil {
		closeSoon(r.life, x.conn)
	}
}

// turn does what is due between two transactions.
func (r *reader) turn(now time.Time) error {
	x := &r.aside
	if err := r.obey(now); err != nil {
		return err
	}
	if x.reading != nil {
		select {
		case c := <-x.reading:
			r.install(c, now)
		default:
		}
	}
	if x.window != nil && x.window.ready && !x.wants(x.held.table) {
		x.window, x.held = nil, chunk{}
	}
	if x.window != nil && x.window.ready {
		if x.passed < x.until {
			return r.nudge(now)
		}
		if err := r.flushWindow(now); err != nil {
			return err
		}
	}
	switch {
	case x.reading != nil:
		return nil
	case x.block != nil:
		return r.nears(now)
	case now.Before(x.retry):
		return nil
	case x.blocks():
		return r.approachBlocking(now)
	case x.active():
		return r.readNext(now)
	}
	return nil
}

// nudge makes the server say how far it has sent: an idle one would not. A message in the WAL makes it look up; where that is refused, or nothing is to be written, it is only asked.
func (r *reader) nudge(now time.Time) error {
	x := &r.aside
	if now.Sub(x.asked) < askAgain {
		return nil
	}
	first := x.asked.Before(x.began)
	x.asked = now
	if first && !x.mute && !r.config.ReadOnly && !r.facts.standby {
		ctx, cancel := context.WithTimeout(r.life, controlTimeout)
		defer cancel()
		// With a transaction id of its own, the commit is written to disk at once, and the message with it. It must not wait for a synchronous standby: we would.
		_, err := r.control.Exec(ctx, "SELECT set_config('synchronous_commit', 'local', true), pg_logical_emit_message(false, '"+watermarkPrefix+"', ''), pg_current_xact_id()")
		if server := (*pgconn.PgError)(nil); errors.As(err, &server) {
			r.log.Info("messages in the WAL are refused; the incremental snapshot asks the server how far it is instead", "err", server.Message)
			x.mute = true
		} else if err != nil {
			return postgres.Explain(fmt.Errorf("write a watermark: %w", err))
		}
	}
	err := pglogrepl.SendStandbyStatusUpdate(r.life, r.stream, pglogrepl.StandbyStatusUpdate{WALWritePosition: pglogrepl.LSN(r.reported), ReplyRequested: true})
	if err != nil {
		return postgres.Explain(fmt.Errorf("ask how far the server has sent: %w", err))
	}
	return nil
}

// readNext takes a snapshot that sees all that was sent, and has the next rows read under it.
func (r *reader) readNext(now time.Time) error {
	x := &r.aside
	if fresh, err := r.freshAside(now, r.failed); !fresh || err != nil {
		return err
	}
	t := x.state.Tables[0]
	x.window, x.spoiled, x.began = nil, false, now
	if t.Begun {
		x.window = newWindow(tableNameOf(r.facts.tables, t.Table), t.Key)
	}
	x.reading = make(chan chunk, 1)
	c := &chunkReader{session: r.session, conn: x.conn, types: r.types}
	reading := x.reading
	life, stop := context.WithCancel(context.WithoutCancel(r.life))
	stopped := context.AfterFunc(r.life, stop)
	x.wait.Go(func() {
		defer stop()
		defer stopped()
		read, err := c.read(life, t)
		if _, ended := c.conn.Exec(life, "ROLLBACK"); err == nil {
			err = ended
		}
		if err != nil {
			read = chunk{table: t, failed: err}
		}
		reading <- read
	})
	return nil
}

// tableNameOf finds the parts of a name; schemas and tables may have dots.
func tableNameOf(tables []table, name string) tableName {
	for i := range tables {
		if tables[i].String() == name {
			return tables[i].tableName
		}
	}
	schema, rest, _ := strings.Cut(name, ".")
	return tableName{schema, rest}
}

// sees reports that the chunk's snapshot saw the open transaction.
func (x *incrementalRun) sees(tx *pgoutput.Transaction, standby bool) bool {
	if standby {
		return tx.Commit < x.shows.Until
	}
	return x.shows.contains(tx.ID, tx.Commit)
}

// failed puts the next try off, and gives the table up when trying does not help.
func (r *reader) failed(err error, now time.Time) {
	x := &r.aside
	x.window, x.reading, x.held = nil, nil, chunk{}
	x.retry = now.Add(time.Second)
	refused, server, altered := (*refusedError)(nil), (*pgconn.PgError)(nil), (*alteredError)(nil)
	switch {
	case errors.As(err, &altered):
		x.retry = now.Add(incrementalTick)
		return
	case errors.As(err, &refused):
		x.failures = failuresMax
	case errors.As(err, &server) && (server.Code == "57014" || slices.Contains([]string{"0A", "22", "25", "42", "54"}, server.Code[:2])):
		x.retry = now.Add(10 * incrementalTick)
		x.failures++
	}
	if x.failures < failuresMax || len(x.state.Tables) == 0 {
		r.log.Warn("a chunk of an incremental snapshot could not be read; it is tried again", "err", err)
		return
	}
	x.failures = 0
	t := x.state.Tables[0]
	why := err.Error()
	if server != nil {
		why = server.Message
	}
	r.log.Error("a table cannot be read; its incremental snapshot is given up", "table", t.Table, "signal", t.Signal, "filter", t.Filter, "why", why)
	r.refusals.Add(1)
	r.record(x.state.with(func(s *incremental) { s.end(t.Table, why, now) }), nil)
}

// wants reports that t, of which a chunk was read, is still what is to be read: a signal may have stopped it meanwhile, or asked for the table anew.
func (x *incrementalRun) wants(t incrementalTable) bool {
	if len(x.state.Tables) == 0 {
		return false
	}
	now := &x.state.Tables[0]
	return now.Table == t.Table && now.Since == t.Since && now.Signal == t.Signal
}

// install gives the window its rows.
func (r *reader) install(c chunk, now time.Time) {
	x := &r.aside
	x.reading = nil
	switch {
	case !x.wants(c.table):
		x.window = nil
	case errors.Is(c.failed, errReshaped):
		r.log.Info("an incremental snapshot begins again, since the table is another than it was", "table", c.table.Table)
		x.window = nil
		r.record(x.state.with(func(s *incremental) { s.Tables[0].restart() }), nil)
	case c.failed != nil:
		r.failed(c.failed, now)
	case x.window == nil: // it was begun
		x.failures = 0
		r.advanceTo(c, now, nil)
	default:
		x.failures = 0
		x.held = c
		x.window.fill(c.rows)
		x.held.rows = nil
	}
}

// before writes the rows that have to come right before a change.
func (r *reader) before(e *change.Event) error {
	x := &r.aside
	if x.window == nil || e.Source.Table != x.window.table.name || e.Source.Schema != x.window.table.schema {
		return nil
	}
	seen := x.sees(r.decoder.Transaction(), r.facts.standby)
	if e.Position.Compare(r.emitter.resume) < 0 {
		x.spoiled = x.spoiled || !seen // Kafka has it from before we started, and nothing can come before it any more
		return nil
	}
	written := !slices.Contains(r.config.Skipped, string(e.Op))
	if x.window.needsRows(e, seen, written) {
		if err := r.awaitChunk(); err != nil || x.window == nil {
			return err
		}
	}
	return r.writeRows(x.window.change(e, seen, written), r.flight)
}

// awaitChunk waits for the chunk that is being read, because a change cannot be written before it.
func (r *reader) awaitChunk() error {
	x := &r.aside
	tick := time.NewTicker(waitTick)
	defer tick.Stop()
	for {
		select {
		case c := <-x.reading:
			r.install(c, time.Now())
			return nil
		case <-r.life.Done():
			return context.Cause(r.life)
		case <-tick.C:
			if err := r.tell(false); err != nil {
				return err
			}
		}
	}
}

func (r *reader) writeRows(rows []change.Event, f *flight) error {
	for i := range rows {
		e := &rows[i]
		e.Source.Time = time.Now().Truncate(time.Microsecond)
		e.Source.LastCommit, e.Source.LSN = r.decoder.Last(), r.aside.passed
		if err := r.emitter.emit(r.life, e, f); err != nil {
			return err
		}
		r.aside.held.table.Rows++
	}
	return nil
}

// flushWindow writes what is left of the window, and notes how far the table is read.
func (r *reader) flushWindow(now time.Time) error {
	x := &r.aside
	w, c := x.window, x.held
	x.window = nil
	if x.spoiled {
		x.held = chunk{}
		return nil
	}
	f := r.tracker.begin()
	rest := w.rest()
	if err := r.writeRows(rest, f); err != nil {
		return err
	}
	c.table.Rows = x.held.table.Rows
	x.held = chunk{}
	r.advanceTo(c, now, f)
	return nil
}

// advanceTo notes that a chunk was written as part of f.
func (r *reader) advanceTo(c chunk, now time.Time, f *flight) {
	x := &r.aside
	c.table.Took += max(now.Sub(x.began).Milliseconds(), 1)
	r.record(x.state.with(func(s *incremental) {
		s.Tables[0] = c.table
		if c.done {
			s.end(c.table.Table, "", now)
		}
	}), f)
	if c.done {
		r.log.Info("an incremental snapshot of a table is complete", "table", c.table.Table, "rows", c.table.Rows,
			"took", (time.Duration(c.table.Took) * time.Millisecond).Round(time.Millisecond), "tables left", len(x.state.Tables))
	}
}

// record makes a state the stored one, once all that was sent before is acknowledged.
func (r *reader) record(s *incremental, f *flight) {
	if f == nil {
		f = r.tracker.begin()
	}
	f.seal(progress{incremental: s})
	r.aside.state = s
	r.incremental.Store(s)
}
