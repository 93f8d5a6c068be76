package cdc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/cdc/spill"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

const (
	// waitTick is how often the reader looks up from waiting, for the server or for Kafka.
	waitTick = time.Second

	// controlTimeout is how long the catalog may take to answer: nothing is read meanwhile, and the server waits for us to say that we live.
	controlTimeout = 20 * time.Second

	// flightEventsMax cuts long transactions, so that a restart repeats at most what was in flight, and not all of one.
	flightEventsMax = 1000

	// silenceFactor times the status interval is how long the server may be silent although it was asked to answer.
	silenceFactor = 4
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// reader follows the stream. Only its goroutine uses the replication connection.
type reader struct {
	*session
	life     context.Context // of the stream: what a message waits for may outlast the tick in which it came
	decoder  pgoutput.Decoder
	visible  *visibility // transactions that the snapshot saw; nil: none that will be sent
	skip     bool        // the open transaction is one of them
	flight   *flight     // of the open transaction; nil between transactions
	events   int         // of the flight
	broken   bool        // a message was left in the middle
	reported change.LSN  // what PostgreSQL was told
	nextTell time.Time   // when it is told again, whether or not there is news
	heard    time.Time   // when it last said something
	watch    watch

	beaten    time.Time // when the last heartbeat was written, exactly once
	concluded time.Time // when the last Kafka transaction was committed

	spill    *spill.Store       // transactions that have not ended
	prepared map[uint32]*flight // … of these, the prepared ones
	seen     change.LSN         // commit of the transaction that the control connection is known to see

	aside     incrementalRun
	fromTable [][]byte // signals of the open transaction
}

// follow streams until ctx ends (nil) or something fails.
func (s *session) follow(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	s.tracker.failed = func(err error) { cancel(err) }
	s.confirmed.Store(uint64(s.stored.LSN))
	if s.tx != nil { // whoever is thrown out by us finds our name
		if err := s.transact(ctx, *s.stored); err != nil {
			return err
		}
	}
	s.emitter.rotate, s.emitter.group = nil, group{}
	r := &reader{session: s, life: ctx, visible: s.stored.Visible, heard: time.Now()}
	r.spill = spill.New(spill.Config{Dir: s.config.SpillDir, Max: s.config.SpillBytesMax, Gauge: &s.spilled, File: s.config.spillFile})
	defer r.spill.Close()
	s.emitter.waiting = func() error { return r.tell(false) }
	r.decoder = s.newDecoder()
	if err := r.begin(ctx); err != nil {
		return err
	}
	r.beginIncremental()
	defer r.endIncremental()
	s.log.Info("streaming", "from", s.stored.LSN.String(), "slot", s.config.Slot)
	s.ready()
	s.streaming()
	var group errgroup.Group
	if s.tx == nil {
		group.Go(func() error { s.keepOffset(ctx); return nil })
	}
	group.Go(func() error { s.actOnBeat(ctx); return nil })
	err := r.loop(ctx)
	r.pause()
	failed := s.tracker.err() // what fails from here on fails because we end
	r.finish(parent.Err() == nil || failed != nil)
	cancel(nil)
	_ = group.Wait() // it has no error: what it cannot store now is stored later
	switch {
	case failed != nil:
		return fmt.Errorf("write a change: %w", failed)
	case parent.Err() != nil:
		return nil
	}
	return err
}

// begin starts replication at the stored position. The server sends whole transactions that end behind it.
func (r *reader) begin(ctx context.Context) error {
	arguments := append(r.config.protocol(), "publication_names '"+r.config.Publication+"'")
	more, err := streamParams(r.config.SlotOptions.StreamParams)
	if err != nil {
		return err
	}
	arguments = append(append(arguments, more...), "messages 'true'") // also where none is written: one may be an origin
	err = pglogrepl.StartReplication(ctx, r.stream, r.config.Slot, pglogrepl.LSN(r.stored.LSN),
		pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: arguments})
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) && server.Code == "55006" {
		return &HeldError{Slot: r.config.Slot}
	}
	if err != nil {
		return postgres.Explain(fmt.Errorf("start replication: %w", err))
	}
	return nil
}

// loop receives until ctx ends. Each tick it looks whether PostgreSQL should be told something.
func (r *reader) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		err := r.receive(ctx, r.until(time.Now()))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		now := time.Now()
		if silence := now.Sub(r.heard); silence > max(silenceFactor*r.config.StatusInterval, 30*time.Second) {
			return &silentError{silence}
		}
		if r.flight == nil {
			if err := r.turn(now); err != nil {
				return err
			}
		}
		if err := r.settle(now); err != nil {
			return err
		}
		if err := r.lookAt(ctx); err != nil {
			return err
		}
		if now.After(r.nextTell) || change.LSN(r.confirmed.Load()) > r.reported {
			if err := r.tell(now.After(r.nextTell)); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// silentError is a connection that died without a word: a firewall, a machine switched off.
type silentError struct{ silence time.Duration }

func (e *silentError) Error() string {
	return fmt.Sprintf("the server has said nothing for %s", e.silence.Round(time.Second))
}
func (e *silentError) Retryable() bool { return true }

// receive handles messages until the time has come, or ctx ends. The connection's deadline says so, once for all of them: a context that is
// watched costs more than a change does.
func (r *reader) receive(ctx context.Context, until time.Time) error {
	conn := r.stream.Conn()
	if err := conn.SetReadDeadline(until); err != nil {
		return postgres.Explain(fmt.Errorf("read the stream: %w", err))
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(longAgo) })()
	for {
		message, err := r.stream.ReceiveMessage(context.Background())
		if err != nil && pgconn.Timeout(err) && (ctx.Err() != nil || !time.Now().Before(until)) { // not the network's own, which comes when it likes
			return nil
		}
		if err != nil {
			return postgres.Explain(fmt.Errorf("read the stream: %w", err))
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			err := r.copyData(m.Data)
			if err != nil {
				r.broken = !errors.Is(err, errBetween)
				return err
			}
			r.heard = time.Now() // now, not before: what it says may have waited long for Kafka, and the server was not silent then
			if r.flight == nil && r.aside.busy() {
				if err := r.turn(r.heard); err != nil {
					return err
				}
			}
			if r.between() {
				return nil
			}
		case *pgproto3.ErrorResponse:
			return r.refused(pgconn.ErrorResponseToPgError(m))
		case *pgproto3.CopyDone, *pgproto3.CommandComplete:
			return &endedError{}
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		default:
			return fmt.Errorf("read the stream: unexpected message %T", message)
		}
	}
}

// refused explains the one error that needs more than PostgreSQL's words.
func (r *reader) refused(err *pgconn.PgError) error {
	if err.Code == "42704" {
		return fmt.Errorf("read the stream: %w: the publication was dropped, or made after changes that the slot still has to send, so those cannot be had any more; "+
			"drop the slot (SELECT pg_drop_replication_slot('%s')) and start with snapshot.mode=when_needed, which reads the tables again", err, r.config.Slot)
	}
	return postgres.Explain(fmt.Errorf("read the stream: %w", err))
}

// endedError is the server's orderly end of a stream, when it shuts down.
type endedError struct{}

func (*endedError) Error() string   { return "the server ended the stream" }
func (*endedError) Retryable() bool { return true }

// copyData handles one replication message. data belongs to the connection until the next is received.
func (r *reader) copyData(data []byte) error {
	if len(data) == 0 {
		return errors.New("read the stream: empty message")
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		m, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return fmt.Errorf("read a keepalive: %w", err)
		}
		r.serverEnd.Store(uint64(m.ServerWALEnd))
		switch {
		case r.flight != nil:
		case r.aside.block.waits(): // what was sent before is not written yet
			r.aside.block.passed = change.LSN(m.ServerWALEnd)
		default:
			r.tracker.keepalive(change.LSN(m.ServerWALEnd))
			r.aside.pass(change.LSN(m.ServerWALEnd))
		}
		if m.ReplyRequested { // it may be shutting down, and waits until we have all: do not let the position wait either
			r.wakeOffset()
			return r.tell(false)
		}
		return nil
	case pglogrepl.XLogDataByteID:
		m, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			return fmt.Errorf("read WAL data: %w", err)
		}
		r.serverEnd.Store(max(r.serverEnd.Load(), uint64(m.ServerWALEnd)))
		if waits, err := r.arrives(m.WALData, change.LSN(m.WALStart)); waits || err != nil {
			return err
		}
		return r.message(m.WALData, change.LSN(m.WALStart))
	}
	return fmt.Errorf("read the stream: unknown message %q", data[0])
}

// message decodes one message of pgoutput and writes what it says.
func (r *reader) message(data []byte, at change.LSN) error {
	if err := r.learnKey(data); err != nil {
		return err
	}
	if err := r.learnDefinitions(data); err != nil {
		return err
	}
	step, err := r.decoder.Decode(data, at)
	if unknown := (*pgoutput.UnknownTypeError)(nil); err != nil && errors.As(err, &unknown) {
		if err := r.learnTypes(); err != nil {
			return err
		}
		r.decoder.Lenient = true
		step, err = r.decoder.Decode(data, at)
		r.decoder.Lenient = false
	}
	if err != nil {
		return err
	}
	switch step.Kind {
	case pgoutput.Nothing:
	case pgoutput.Begin:
		return r.open()
	case pgoutput.Events:
		return r.write(step.Events)
	case pgoutput.Commit:
		return r.commit(step.End)
	case pgoutput.Loose:
		if err := r.open(); err != nil {
			return err
		}
		if err := r.write(step.Events); err != nil {
			return err
		}
		r.aside.pass(step.End)
		r.seal(progress{lsn: step.End, next: change.Position{Commit: step.End}, txID: r.tracker.safe().txID})
	default:
		return r.hold(step, at)
	}
	return nil
}

// open begins a transaction: its flight is open before anything of it is written.
func (r *reader) open() error {
	r.flight, r.events = r.tracker.begin(), 0
	r.skip = r.decoder.Transaction().Open && r.visible.contains(r.decoder.Transaction().ID, r.decoder.Transaction().Commit)
	if r.skip {
		return nil
	}
	return r.emitter.begin(r.life, r.decoder.Transaction(), r.flight)
}

func (r *reader) write(events []change.Event) error {
	if r.skip {
		return nil
	}
	for i := range events {
		if isWatermark(&events[i]) || !r.signalled(&events[i]) {
			continue
		}
		if r.config.wantsReselect(&events[i]) {
			if err := r.reselect(&events[i]); err != nil {
				return err
			}
		}
		if err := r.before(&events[i]); err != nil {
			return err
		}
		if err := r.emitter.emit(r.life, &events[i], r.flight); err != nil {
			return err
		}
	}
	if r.events += len(events); r.events >= flightEventsMax && r.decoder.Transaction().Open {
		full := r.flight
		r.flight, r.events = r.tracker.begin(), 0
		full.seal(progress{next: r.decoder.Transaction().Next()})
		return r.split()
	}
	return nil
}

// pause settles where reading ended when it ended between two messages: what Kafka has of an open transaction is not sent
// again. After a failure in a message nobody knows how much of it was written.
func (r *reader) pause() {
	if r.tx == nil && r.flight != nil && !r.broken && r.decoder.Transaction().Open {
		r.seal(progress{next: r.decoder.Transaction().Next()})
	}
}

func (r *reader) commit(end change.LSN) error {
	if !r.skip {
		if err := r.emitter.closes(r.life, r.flight); err != nil {
			return err
		}
		r.committed.Store(r.decoder.Ended().Time.UnixMicro())
	}
	r.aside.pass(end)
	r.aside.sent(r.decoder.Ended().ID)
	r.seal(progress{lsn: end, next: change.Position{Commit: end}, txID: r.decoder.Ended().ID, time: r.decoder.Ended().Time, incremental: r.obeyTable()})
	return nil
}

func (r *reader) seal(end progress) {
	r.flight.seal(end)
	r.flight = nil
}

// tell reports to PostgreSQL how far it may forget: what is stored in Kafka as our position, which is at most what Kafka has
// acknowledged. Every report by the clock asks for an answer, so that a dead connection is noticed.
func (r *reader) tell(byClock bool) error {
	lsn := change.LSN(r.confirmed.Load())
	err := pglogrepl.SendStandbyStatusUpdate(r.life, r.stream, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(lsn), ReplyRequested: byClock,
	})
	if err != nil {
		return postgres.Explain(fmt.Errorf("report the position: %w", err))
	}
	r.reported = lsn
	if byClock {
		r.nextTell = time.Now().Add(r.config.StatusInterval)
	}
	return nil
}

// drain waits for what is in flight, stores the position and tells PostgreSQL. What cannot be done in time is done again
// after the next start: nothing is lost by hurrying.
func (s *session) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	var err error
	if s.tx == nil {
		err = errors.Join(s.emitter.flush(ctx), s.storeProgress(ctx))
	}
	if err != nil {
		s.log.Warn("stopped before Kafka had everything; the rest is sent again at the next start", "err", err)
	}
	r := &reader{session: s, life: ctx}
	if err := r.tell(false); err != nil {
		s.log.Debug("the last report did not reach the server", "err", err)
	}
	return nil
}
