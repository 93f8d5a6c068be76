package cdc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// blockingRequest is what a signal of type BLOCKING asked for: tables that are read as at the start, all under one snapshot, while the stream stands still.
type blockingRequest struct {
	Seq    int64              `json:"seq"` // tells requests apart
	Tables []incrementalTable `json:"tables"`
}

// holdTick is how often the reader looks up while the stream stands still.
const holdTick = 50 * time.Millisecond

// errStopped ends a blocking snapshot that a signal stopped.
var errStopped = errors.New("stopped by a signal")

// ask queues a request.
func (s *incremental) ask(tables []incrementalTable) {
	s.Requests++
	s.Blocking = append(s.Blocking, blockingRequest{Seq: s.Requests, Tables: tables})
}

// drop takes tables out of the requests; those that ask for nothing then are gone.
func (s *incremental) drop(which func(blockingRequest, incrementalTable) bool, why string, now time.Time) {
	for i := range s.Blocking {
		request := s.Blocking[i]
		s.Blocking[i].Tables = slices.DeleteFunc(slices.Clone(request.Tables), func(t incrementalTable) bool {
			gone := which(request, t)
			if gone {
				s.became(t, why, now)
			}
			return gone
		})
	}
	s.Blocking = slices.DeleteFunc(s.Blocking, func(b blockingRequest) bool { return len(b.Tables) == 0 })
}

// blocks reports that tables are to be read while the stream stands still.
func (x *incrementalRun) blocks() bool { return x.state != nil && len(x.state.Blocking) > 0 }

// blockedBy reports that a request is still what is to be read: a signal may have stopped it.
func (x *incrementalRun) blockedBy(request int64) bool {
	return x.blocks() && x.state.Blocking[0].Seq == request
}

// stoppedBlocking takes the tables that a signal names out of the requests; all, if it names none. Of what is being read it is all or nothing.
func (r *reader) stoppedBlocking(signal Signal, now time.Time) (*incremental, error) {
	named := func(_ blockingRequest, t incrementalTable) bool {
		return len(signal.Data.Collections) == 0 || slices.ContainsFunc(signal.Data.Collections, func(pattern string) bool {
			p, err := tablePattern(pattern)
			return err == nil && p.MatchString(t.Table)
		})
	}
	some, all := false, true
	if state := r.aside.state; state != nil {
		for i, b := range state.Blocking {
			for _, t := range b.Tables {
				some = some || named(b, t)
				all = all && (i > 0 || named(b, t))
			}
		}
		if reads := slices.ContainsFunc(state.Blocking[:min(len(state.Blocking), 1)], blockingRequest.begun); some && !all && reads {
			return nil, errors.New("it names some of the tables that are being read, all under one snapshot: name all of them, or none")
		}
	}
	if !some {
		return nil, errors.New("none of the tables that it names is being read by a blocking snapshot or waits to be")
	}
	return r.aside.state.with(func(s *incremental) { s.drop(named, "stopped by a signal", now) }), nil
}

func (b blockingRequest) begun() bool {
	return slices.ContainsFunc(b.Tables, func(t incrementalTable) bool { return t.Begun })
}

// readBlocking reads the tables of the first request, while the stream stands still. It returns when Kafka has their rows, or when it cannot be done now; an error ends the session.
func (r *reader) readBlocking(now time.Time) error {
	x := &r.aside
	request := x.state.Blocking[0]
	if err := r.prepareBlocking(request); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(r.life)
	defer cancel(nil)
	taken := r.blockingSnapshot(request, cancel)
	r.taken.Store(taken)
	r.log.Info("reading tables; the stream stands still meanwhile", "tables", strings.Join(request.names(), ","), "signal", request.Tables[0].Signal, "lsn", taken.at.String(), "again", request.begun())
	done := make(chan error, 1)
	go func() { done <- taken.takeAside(ctx) }()
	err := r.standStill(request, taken, cancel, done)
	r.heard = time.Now() // nobody listened
	r.leaveAside()
	switch cause := context.Cause(ctx); {
	case r.life.Err() != nil:
		return context.Cause(r.life)
	case errors.Is(cause, errStopped):
		r.log.Info("a blocking snapshot was stopped by a signal; the stream goes on", "rows", taken.rows.Load())
		return nil
	case cause != nil:
		return cause
	case err != nil && !ofTheTables(err):
		return err
	case err != nil:
		r.failedBlocking(err, time.Now())
		return nil
	}
	return r.endBlocking(request, taken, now)
}

func (b blockingRequest) names() (names []string) {
	for _, t := range b.Tables {
		names = append(names, t.Table)
	}
	return names
}

// prepareBlocking commits what was written before, with its position: rows are committed without one.
func (r *reader) prepareBlocking(request blockingRequest) error {
	if r.tx != nil {
		if err := r.conclude(); err != nil {
			return err
		}
	}
	if r.catalog == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.life, controlTimeout)
	defer cancel()
	for _, t := range request.Tables {
		if err := r.catalog.load(ctx, r.control, tableNameOf(r.facts.tables, t.Table), r.types, nil); err != nil {
			return err
		}
	}
	return nil
}

// blockingSnapshot is the snapshot of a request, in the transaction that is open beside the stream.
func (r *reader) blockingSnapshot(request blockingRequest, fail context.CancelCauseFunc) *snapshot {
	base := r.emitter.fork()
	base.group, base.waiting, base.rotate = group{}, nil, nil // only the reader talks to the server of the stream
	if r.tx != nil {
		base.rotate = r.flushRows
	}
	taken := &snapshot{
		session: r.session, conn: r.aside.conn, asked: map[string]string{}, types: r.types, emitter: base, at: r.aside.passed, source: r.sourceBlock(), life: r.life, fail: fail,
	}
	taken.source.LastCommit = r.decoder.Last()
	for _, t := range request.Tables {
		taken.asked[t.Table] = t.Filter
	}
	return taken
}

// takeAside reads the tables that were asked for. It runs beside the reader, which waits for it.
func (s *snapshot) takeAside(ctx context.Context) error {
	for _, captured := range s.filter.inOrder(s.facts.tables) {
		name := captured.String()
		if _, asked := s.asked[name]; !asked {
			continue
		}
		c := &chunkReader{session: s.session, conn: s.conn, types: s.types, out: incrementalTable{Table: name}}
		if err := c.look(ctx); err != nil {
			return &tableError{name, explain(err)}
		}
		s.wanted, s.types = append(s.wanted, c.table), c.types
	}
	if err := s.settle(ctx); err != nil {
		return postgres.Explain(fmt.Errorf("begin the snapshot: %w", err))
	}
	if err := s.cut(ctx); err != nil {
		return err
	}
	if _, err := s.conn.Exec(ctx, "SET LOCAL lock_timeout = 0"); err != nil { // what is left to wait for is the filters'
		return err
	}
	return s.readAll(ctx)
}

var selects = regexp.MustCompile(`(?i)^select\b`)

// asSelect gives a filter that is a whole SELECT, as Debezium has it in signals of type BLOCKING; "" for a condition.
func asSelect(filter string) string {
	if selects.MatchString(filter) {
		return filter
	}
	return ""
}

// narrow has only those rows of t read for which the signal's condition is true. PostgreSQL looks at what will be asked of it before anything is read: first without the condition, since the catalog
// that the snapshot shows may be behind the table.
func (s *snapshot) narrow(ctx context.Context, t *tableRead) error {
	if err := s.plans(ctx, t); err != nil && !t.overridden {
		return alteredOr(err)
	} else if err != nil {
		return err
	}
	switch filter := s.asked[t.String()]; {
	case filter == "" || t.overridden:
	case t.filter == "":
		t.filter = filter
	default:
		t.filter = "(" + t.filter + ") AND (" + filter + ")"
	}
	return s.plans(ctx, t)
}

// plans has PostgreSQL look at what will be asked of it.
func (s *snapshot) plans(ctx context.Context, t *tableRead) error {
	return s.conn.PgConn().ExecParams(ctx, "EXPLAIN "+t.sql+where(t.filter), nil, nil, nil, nil).Read().Err
}

// standStill waits for the tables. The server is told that we live, Kafka's transaction is not let grow old, and signals are obeyed.
func (r *reader) standStill(request blockingRequest, taken *snapshot, cancel context.CancelCauseFunc, done <-chan error) error {
	tick := time.NewTicker(holdTick)
	defer tick.Stop()
	every := r.config.OffsetInterval
	if r.tx != nil {
		every = min(every, r.tx.Timeout()/3)
	}
	told, shown, noted, began := time.Now(), time.Now(), time.Time{}, time.Now()
	for {
		var now time.Time
		select {
		case err := <-done:
			return err
		case now = <-tick.C:
		}
		err := r.obey(now)
		if err == nil && now.Sub(told) >= min(waitTick, r.config.StatusInterval) {
			told, err = now, r.tell(now.After(r.nextTell))
		}
		if err == nil && now.Sub(noted) >= every && r.aside.blockedBy(request.Seq) {
			noted, err = now, r.noteBlocking(taken, now.Sub(began))
		}
		if now.Sub(shown) >= progressInterval {
			shown = now
			taken.tell()
		}
		r.beat(now)
		if err == nil && !r.aside.blockedBy(request.Seq) {
			err = errStopped
		}
		if err != nil {
			cancel(err)
			return <-done
		}
	}
}

// noteBlocking stores how far the reading is, for those who ask, and commits the rows so far.
func (r *reader) noteBlocking(taken *snapshot, took time.Duration) error {
	r.record(r.aside.state.with(func(s *incremental) { s.noteBlocking(taken, took) }), nil)
	if r.tx == nil {
		r.wakeOffset()
		return nil
	}
	return r.conclude()
}

func (s *incremental) noteBlocking(taken *snapshot, took time.Duration) {
	tables := slices.Clone(s.Blocking[0].Tables)
	for i := range tables {
		t := &tables[i]
		t.Begun, t.Took = true, max(took.Milliseconds(), 1)
		if !taken.planned.Load() {
			continue
		}
		for _, read := range taken.tables {
			if read.String() == t.Table {
				t.Rows, t.Page, t.Pages = read.rows.Load(), read.passed.Load(), read.pages
			}
		}
	}
	s.Blocking[0].Tables = tables
}

// endBlocking notes that the first request is done.
func (r *reader) endBlocking(request blockingRequest, taken *snapshot, began time.Time) error {
	took := time.Since(began)
	r.aside.failures = 0
	r.record(r.aside.state.with(func(s *incremental) {
		s.noteBlocking(taken, took)
		s.drop(func(b blockingRequest, _ incrementalTable) bool { return b.Seq == request.Seq }, "", time.Now())
	}), nil)
	r.wakeOffset()
	r.log.Info("a blocking snapshot is complete; the stream goes on", "tables", strings.Join(request.names(), ","), "rows", taken.rows.Load(), "took", took.Round(time.Millisecond))
	if r.tx == nil {
		return nil
	}
	return r.conclude()
}

// ofTheTables reports that what failed is the tables' or the filters': the stream can go on.
func ofTheTables(err error) bool {
	refused, unfit, server, altered := (*refusedError)(nil), (*unfitError)(nil), (*pgconn.PgError)(nil), (*alteredError)(nil)
	return errors.Is(err, pgx.ErrNoRows) || errors.As(err, &unfit) || errors.As(err, &refused) || errors.As(err, &server) || errors.As(err, &altered)
}

// failedBlocking puts the next try off, and gives the table up that it failed for, when trying does not help. The other tables are read from their beginning.
func (r *reader) failedBlocking(err error, now time.Time) {
	x := &r.aside
	r.leaveAside()
	x.retry = now.Add(time.Second)
	of, unfit, server, altered := (*tableError)(nil), (*unfitError)(nil), (*pgconn.PgError)(nil), (*alteredError)(nil)
	said := errors.As(err, &server)
	switch {
	case errors.As(err, &altered):
		x.retry = now.Add(10 * incrementalTick)
		x.failures++
	case errors.Is(err, pgx.ErrNoRows): // see session.published
		err, x.failures = fmt.Errorf("the publication %s does not send it: %w", r.config.Publication, err), failuresMax
	case permanent(err) || errors.As(err, &unfit):
		x.failures = failuresMax
	case said && (server.Code == "57014" || server.Code == "40001"): // cancelled by somebody, or by a standby's recovery
		x.failures++
	}
	if !errors.As(err, &of) || x.failures < failuresMax || !x.blocks() {
		r.log.Warn("a blocking snapshot could not be taken; it is tried again, and the stream goes on", "err", err)
		return
	}
	x.failures, x.retry = 0, now
	first := x.state.Blocking[0]
	why := of.err.Error()
	if said {
		why = server.Message
	}
	r.log.Error("a table cannot be read; its blocking snapshot is given up", "table", of.table, "filter", filterIn(first, of.table), "why", why)
	r.refusals.Add(1)
	r.record(x.state.with(func(s *incremental) {
		s.drop(func(b blockingRequest, t incrementalTable) bool { return b.Seq == first.Seq && t.Table == of.table }, why, now)
	}), nil)
}

func filterIn(b blockingRequest, table string) string {
	i := slices.IndexFunc(b.Tables, func(t incrementalTable) bool { return t.Table == table })
	return b.Tables[max(i, 0)].Filter
}
