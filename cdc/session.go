package cdc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// phase is where a session stands. It only moves forward; after a failure a new session begins at phaseConnecting.
type phase int

const (
	phaseConnecting phase = iota // connections, the lock, checks
	phaseSlot                    // publication and slot are made or adopted
	phaseSnapshot                // tables are read
	phaseStreaming               // changes are read
	phaseDraining                // nothing is read; acknowledgements are awaited
	phaseCompleted               // snapshot.mode=initial_only: the tables are read, and nothing is left to do until we are stopped
	phaseStopped
)

func (p phase) String() string {
	return [...]string{"connecting", "slot", "snapshot", "streaming", "draining", "completed", "stopped"}[p]
}

// closeTimeout bounds the good-bye to the server.
const closeTimeout = 5 * time.Second

// session is one life of the connections. It belongs to the service's goroutine.
type session struct {
	*Source
	at       phase
	stage    func(phase) // told of each phase
	filter   filter
	columns  *columnRules
	control  *pgx.Conn      // holds the lock, reads the catalog and the tables
	stream   *pgconn.PgConn // speaks the replication protocol
	facts    *facts
	warnings config.Problems // of the last look
	types    *postgres.Types
	system   string
	started  string // when the server was

	timeline int32  // the server's; 0: it may change, on a standby
	promoted string // what happened to the server since the position was stored; "": nothing

	walEnd  change.LSN // where the server was when the session began
	stored  *offset    // what is in Kafka
	plan    plan
	made    pglogrepl.CreateReplicationSlotResult // of a slot that was just made
	tracker *tracker
	emitter *emitter
}

// run goes through the phases until ctx ends or something fails. However it ends, the connections are closed.
func (s *session) run(ctx context.Context) error {
	defer s.close(context.WithoutCancel(ctx))
	for s.at != phaseStopped {
		s.stage(s.at)
		var next phase
		var err error
		switch s.at {
		case phaseConnecting:
			next, err = phaseSlot, s.connect(ctx)
		case phaseSlot:
			next, err = phaseSnapshot, s.prepareSlot(ctx)
		case phaseSnapshot:
			next, err = phaseStreaming, s.takeSnapshot(ctx)
			if s.plan.ends {
				next = phaseCompleted
			}
		case phaseStreaming:
			next, err = phaseDraining, s.follow(ctx)
		case phaseDraining:
			next, err = phaseStopped, s.drain(ctx)
		case phaseCompleted:
			next, err = phaseStopped, s.rest(ctx)
		case phaseStopped:
			return nil
		default:
			panic(fmt.Sprintf("cdc: impossible phase %d", s.at))
		}
		if err != nil {
			if s.at == phaseStreaming && ctx.Err() != nil {
				s.at = phaseStopped // before the stream had begun: as orderly as any stop
			}
			return err
		}
		s.at = next
	}
	return nil
}

func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if s.stream != nil {
		_ = s.stream.Close(ctx) // the server notices one way or the other
	}
	if s.control == nil {
		return
	}
	if s.at == phaseStopped { // let go before Stop returns, so that who starts next need not wait
		s.awaitRelease(ctx)
		s.leave(ctx)
	}
	_ = s.control.Close(ctx)
}

// awaitRelease waits until the server has seen that we are gone. It is a courtesy: the next one waits for itself.
func (s *session) awaitRelease(ctx context.Context) {
	for ctx.Err() == nil {
		held, err := loadSlot(ctx, s.control, s.config.Slot)
		if err != nil || held == nil || held.activePID == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	_, _ = s.control.Exec(ctx, "SELECT pg_advisory_unlock_all()")
}

// connect takes the lock before it looks at anything that the other copy may be changing.
func (s *session) connect(ctx context.Context) error {
	var err error
	if s.filter, err = newFilter(&s.config, s.config.captured()); err != nil {
		return err
	}
	if s.columns, err = newColumnRules(&s.config.Columns); err != nil {
		return err
	}
	if s.control, err = postgres.Connect(ctx, s.config.Database); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	// The lock is held for as long as the stream runs, without a word.
	if _, err := s.control.Exec(ctx, "SET idle_session_timeout = 0"); err != nil {
		return postgres.Explain(fmt.Errorf("prepare the connection: %w", err))
	}
	if err := takeLock(ctx, s.control, s.config.Slot); err != nil {
		return err
	}
	if err := s.setIdentities(ctx); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil { // again: the other copy may have made the slot
		return err
	}
	s.warn()
	if s.facts.slot != nil && s.facts.slot.activePID != 0 {
		return &HeldError{Slot: s.config.Slot, PID: s.facts.slot.activePID}
	}
	if s.types, err = postgres.LoadTypes(ctx, s.control); err != nil {
		return err
	}
	if s.stream, err = postgres.ConnectReplication(ctx, s.config.Database); err != nil {
		return err
	}
	return s.oneServer(ctx)
}

// look checks everything. What is found at the first start is for people to mend; what is found later, when it worked before,
// may be a switch-over or our own old connection that the server has not noticed to be gone.
func (s *session) look(ctx context.Context) error {
	f, problems, err := examine(ctx, s.control, s.config, s.filter)
	if err != nil {
		return err
	}
	s.facts, s.warnings = f, problems.Warnings()
	if err := problems.Err(); err != nil {
		return &CheckError{err: fmt.Errorf("check the database: %w", err), retry: s.proven}
	}
	return nil
}

// warn says what works, but perhaps not as meant. Each sentence once in a run: sessions come and go.
func (s *session) warn() {
	for _, p := range s.warnings {
		if said := p.String(); !s.warned[said] {
			s.warned[said] = true
			s.log.Warn(p.Path + ": " + p.Summary)
		}
	}
}

// CheckError is returned when the database is not as the connector needs it. It holds every problem.
type CheckError struct {
	err   error
	retry bool
}

func (e *CheckError) Error() string { return e.err.Error() }

// Unwrap gives the [config.Problems].
func (e *CheckError) Unwrap() error { return e.err }

// Retryable reports that it worked before in this run.
func (e *CheckError) Retryable() bool { return e.retry }

func (s *session) prepareSlot(ctx context.Context) error {
	identified, err := pglogrepl.IdentifySystem(ctx, s.stream)
	if err != nil {
		return postgres.Explain(fmt.Errorf("identify the server: %w", err))
	}
	s.system = identified.SystemID
	if err := s.fence(ctx); err != nil {
		return err
	}
	fields, err := s.offsets.Load(ctx, s.partition())
	if err != nil {
		return fmt.Errorf("load the stored offset: %w", err)
	}
	if s.stored, err = decodeOffset(fields); err != nil {
		return err
	}
	if err := s.looksBack(ctx, identified); err != nil {
		return err
	}
	var moved string
	if s.stored, moved = s.config.Mismatch.settle(s.stored, s.facts.slot); moved != "" {
		s.log.Warn(moved)
	}
	if s.plan, err = decide(s.stored, s.facts.slot, s.config.SnapshotMode, s.system, change.LSN(identified.XLogPos)); err != nil {
		return s.explainLoss(err)
	}
	s.walEnd = change.LSN(identified.XLogPos)
	if s.plan.lost != "" {
		s.log.Warn("changes were lost; the tables are read again", "why", s.plan.lost)
	}
	if !s.plan.ends { // else there is nothing to publish for
		if err := s.facts.publish(ctx, s.control, s.config); err != nil {
			return err
		}
	}
	if err := s.adoptSlot(ctx); err != nil {
		return err
	}
	if s.plan.resume || !s.plan.snapshot && s.plan.ends {
		return nil
	}
	if s.plan.snapshot && !s.plan.proceed { // said before the slot is made: a crash in between must not look like a finished snapshot
		if err := s.save(ctx, offset{Snapshot: snapshotRunning, System: s.system, SlotCreated: s.plan.createSlot, Incremental: s.incrementalStored()}); err != nil {
			return err
		}
	}
	return s.makeSlot(ctx)
}

// makeSlot drops and creates as planned. The publication must be there before: decoding sees it as it was at each change.
func (s *session) makeSlot(ctx context.Context) error {
	if s.plan.dropSlot && s.facts.slot != nil {
		err := pglogrepl.DropReplicationSlot(ctx, s.stream, s.config.Slot, pglogrepl.DropReplicationSlotOptions{})
		if err != nil {
			return postgres.Explain(fmt.Errorf("drop the replication slot: %w", err))
		}
	}
	if !s.plan.createSlot {
		return nil
	}
	var err error
	told := s.tellOfWaiting(ctx)
	s.made, err = s.createSlot(ctx)
	told()
	if err != nil {
		return postgres.Explain(fmt.Errorf("create the replication slot: %w", err))
	}
	s.log.Info("created the replication slot", "slot", s.config.Slot, "lsn", s.made.ConsistentPoint)
	return nil
}

// slotPatience is how long the creation of a slot may take before it is said what it waits for.
const slotPatience = 3 * time.Second

// tellOfWaiting says which sessions the creation of the slot waits for: PostgreSQL lets every transaction end that was open before, and one
// that somebody forgot would hold us up for ever without a word. The control connection is its own until the returned function was called.
func (s *session) tellOfWaiting(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(slotPatience):
		}
		var pids []int32
		_ = s.control.QueryRow(context.WithoutCancel(ctx), "SELECT pg_blocking_pids($1)", s.stream.PID()).Scan(&pids) // without them the line still helps
		if s.facts.standby {
			s.log.Warn("waiting to make the replication slot: a standby learns of open transactions from its primary; run SELECT pg_log_standby_snapshot() there")
		} else {
			s.log.Warn("waiting to make the replication slot: transactions that are open must end first; "+
				"one that nobody needs any more is ended with SELECT pg_terminate_backend(pid)", "pids", pids)
		}
		s.ready() // waiting is what it is ready for
	})
	return func() { cancel(); watch.Wait() }
}

// start is where the stream begins when no offset says it.
func (s *session) start() (change.LSN, error) {
	if s.plan.proceed {
		return s.stored.LSN, nil
	}
	if s.plan.ends {
		return s.walEnd, nil
	}
	if s.plan.createSlot {
		return change.ParseLSN(s.made.ConsistentPoint)
	}
	return s.facts.slot.confirmed, nil
}

// takeSnapshot reads the tables if it was planned, and stores where the stream begins.
func (s *session) takeSnapshot(ctx context.Context) error {
	s.tracker = &tracker{}
	s.emitter = newEmitter(&s.config, s.sink, s.runID, &s.records, s.log)
	s.emitter.tells, s.emitter.shaper = s.filter.tells, newShaper(s.columns)
	s.emitter.tally = &s.tally
	s.emitter.converter = s.converter
	if err := s.learnTables(ctx); err != nil {
		return err
	}
	s.emitter.faults, s.emitter.sizes = &s.faults, &s.sizes
	if s.tx != nil {
		s.emitter.rotate = s.flushRows
	}
	if s.plan.resume {
		s.tracker.progress = progress{lsn: s.stored.LSN, next: s.stored.next(), txID: s.stored.TxID, incremental: s.stored.Incremental}
		s.emitter.resume = s.stored.next()
		return nil
	}
	if !s.plan.snapshot && s.plan.ends {
		return nil
	}
	at, err := s.start()
	if err != nil {
		return err
	}
	done := offset{System: s.system, SnapshotCompleted: true, Incremental: s.incrementalStored()}
	if s.plan.snapshot {
		if done.Visible, err = s.readTables(ctx, at); err != nil {
			return err
		}
	}
	s.tracker.progress = progress{lsn: at, next: change.Position{Commit: at}, incremental: done.Incremental}
	return s.save(ctx, done.at(s.tracker.progress))
}

// rest waits to be stopped, without a connection.
func (s *session) rest(ctx context.Context) error {
	s.close(context.WithoutCancel(ctx))
	s.stream, s.control = nil, nil
	s.log.Info("the tables are read; nothing is left to do (snapshot.mode=initial_only)")
	s.ready()
	<-ctx.Done()
	return nil
}

// readTables returns when Kafka has every row, with what the stream must leave out.
func (s *session) readTables(parent context.Context, at change.LSN) (*visibility, error) {
	s.ready()
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	taken := &snapshot{
		session: s, conn: s.control, adopts: s.made.SnapshotName, earlier: s.stored.Reading, types: s.types, emitter: s.emitter, at: at, source: s.sourceBlock(), life: parent, fail: cancel,
	}
	for _, t := range s.filter.inOrder(s.facts.tables) {
		if s.asksFor(t.tableName) && s.filter.reads(t.tableName) { // else it is the signal table, or not one of snapshot.include.collection.list
			taken.wanted = append(taken.wanted, t)
		}
	}
	s.taken.Store(taken)
	s.log.Info("reading the tables", "tables", len(taken.wanted), "lsn", at.String(), "goes on", s.plan.proceed)
	began := time.Now()
	err := taken.run(ctx)
	if failed := context.Cause(ctx); failed != nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("read the tables", "rows", taken.rows.Load(), "took", time.Since(began).Round(time.Millisecond))
	return taken.begunWith(), nil
}

func (s *session) sourceBlock() change.Source {
	return change.Source{Version: s.config.Version, Connector: connectorType, Name: s.config.TopicPrefix, DB: s.facts.database, Snapshot: change.NoSnapshot}
}

// save stores o, with what was sent before where that waits for it, and remembers it.
func (s *session) save(ctx context.Context, o offset) error {
	if s.tx != nil {
		return s.transact(ctx, o)
	}
	o.Timeline = s.timeline
	fields, err := o.encode()
	if err != nil {
		return err
	}
	if err := s.offsets.Save(ctx, s.partition(), fields); err != nil {
		return fmt.Errorf("store the offset: %w", err)
	}
	s.stored = &o
	return nil
}

// lacksTopic reports that a topic is not there: it was deleted, or a table is new. Waiting does not help; whoever starts the
// connector again makes its topics first.
func lacksTopic(err error) bool {
	var asked interface{ TopicMissing() bool }
	return errors.As(err, &asked) && asked.TopicMissing()
}

// retryable reports that a new session may do better: the failure goes away by itself, or it is Kafka's, whose client has
// its own opinion on what is final.
func retryable(err error) bool {
	var asked interface{ Retryable() bool }
	if errors.As(err, &asked) && asked.Retryable() {
		return true
	}
	var open interface{ Unknown() bool } // whether Kafka has it: Fence settles that, or it is sent again
	return errors.As(err, &open) && open.Unknown()
}
