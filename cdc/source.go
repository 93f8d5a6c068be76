package cdc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tandem-sync/tandem/cdc/spill"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/converter"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// Pauses between sessions while the server or Kafka is away.
const (
	pauseFirst = 200 * time.Millisecond
	pauseMax   = 15 * time.Second
)

// Source captures the changes of one database: class cdc.PostgresSource. See the package comment.
type Source struct {
	lifecycle.Runner
	config  Config
	sink    Sink
	tx      Transactions // the sink, where changes are written exactly once; else nil
	offsets Offsets
	log     *slog.Logger

	converter *converter.Converter // nil: JSON without schemas, which needs no catalog either
	catalog   *catalog

	phase       atomic.Int32
	confirmed   atomic.Uint64            // the LSN that is stored in Kafka, and that PostgreSQL is told
	serverEnd   atomic.Uint64            // how far the server has sent
	committed   atomic.Int64             // commit time of the newest change that was written, in microseconds; 0: none yet
	tally       tally                    // events by table
	records     atomic.Uint64            // handed to Kafka since the program started
	taken       atomic.Pointer[snapshot] // the newest snapshot, also when it has ended
	faults      faults
	sizes       sizeLimits
	signalsCame atomic.Uint64
	refusals    atomic.Uint64 // signals and tables: see Refusals

	channels    map[string]Signals
	incremental atomic.Pointer[incremental]
	wake        chan struct{} // capacity 1: store the position now

	spilled spill.Gauge // of transactions that have not ended

	// Of the current run; set by its loop before the first session.
	ready     func()
	streaming func()
	runID     string
	proven    bool                  // it has streamed in this run
	named     map[uint32][][]string // see session.keys
	unseen    []uint32              // see incrementalRun.recent
	warned    map[string]bool       // see session.warn
}

// New checks the configuration. Nothing is connected before Start.
func New(c Config, sink Sink, offsets Offsets, log *slog.Logger) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configure the PostgreSQL source: %w", err)
	}
	s := &Source{config: c, sink: sink, offsets: offsets, log: log, wake: make(chan struct{}, 1)}
	if err := s.useConverters(); err != nil {
		return nil, err
	}
	if !c.ExactlyOnce() {
		return s, nil
	}
	var ok bool
	if s.tx, ok = sink.(Transactions); !ok {
		return nil, fmt.Errorf("configure the PostgreSQL source: exactly.once.support is %s, and records go to a %T, which has no transactions", c.ExactlyOnceSupport, sink)
	}
	return s, nil
}

// Start returns when tables or changes are being read, when another copy has the slot and this one waits its turn, or when
// the server is away and this one waits for it. It fails where waiting would not help.
func (s *Source) Start(ctx context.Context) error { return s.RunReady(ctx, s.loop) }

// Status is where a source stands.
type Status struct {
	Phase      string
	Confirmed  change.LSN // PostgreSQL may forget up to here
	ServerEnd  change.LSN // how far the server has sent; the difference is what waits for Kafka, or for the next report
	Committed  time.Time  // when the newest change that was written was committed; zero: none was
	Records    uint64     // handed to Kafka since the program started
	Aside      uint64     // of these, changes that went to the dead letters
	Cut        uint64     // of these, changes that lost columns to the placeholder (record.bytes.max)
	SpillBytes int64      // kept on disk of transactions that have not ended
	SpillFiles int64
	AsText     uint64 // columns that were described with a type that nobody could tell us of: they are text
}

// Status may be asked from any goroutine, at any time.
func (s *Source) Status() Status {
	status := Status{
		Phase: phase(s.phase.Load()).String(), Confirmed: change.LSN(s.confirmed.Load()), ServerEnd: change.LSN(s.serverEnd.Load()), Records: s.records.Load(),
		Aside: s.faults.aside.Load(), Cut: s.faults.cut.Load(), AsText: s.faults.asText.Load(), SpillBytes: s.spilled.Bytes.Load(), SpillFiles: s.spilled.Files.Load(),
	}
	if micros := s.committed.Load(); micros != 0 {
		status.Committed = time.UnixMicro(micros).UTC()
	}
	return status
}

// loop runs session after session until ctx ends or a failure will not go away.
func (s *Source) loop(ctx context.Context, ready func()) error {
	s.ready, s.runID, s.proven, s.warned = ready, rand.Text(), false, map[string]bool{}
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(pauseFirst), backoff.WithMaxInterval(pauseMax), backoff.WithMaxElapsedTime(0))
	said, looks := nothing, 0
	s.streaming = func() { pauses.Reset(); said, looks, s.proven = nothing, 0, true }
	defer s.phase.Store(int32(phaseStopped))
	for {
		err := s.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if !retryable(err) || lacksTopic(err) {
			return s.usurped(ctx, err)
		}
		pause := pauses.NextBackOff()
		held := (*HeldError)(nil)
		if errors.As(err, &held) {
			pause = s.config.SlotRetryDelay
			if looks++; s.config.SlotOptions.RetriesMax >= 0 && looks > s.config.SlotOptions.RetriesMax {
				return fmt.Errorf("%w; it was looked at %d times (slot.max.retries=%d): end the other, or give this one another slot.name", err, looks, s.config.SlotOptions.RetriesMax)
			}
		} else {
			looks = 0
		}
		now := interrupted
		if held != nil {
			now = waiting
		}
		if now != said {
			said = now
			s.say(err)
		}
		ready() // waiting is what it is ready for
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// trouble is what was said last, so that it is said once and not at every try.
type trouble int

const (
	nothing trouble = iota
	waiting
	interrupted
)

// say tells once of each kind of trouble.
func (s *Source) say(err error) {
	if held := (*HeldError)(nil); errors.As(err, &held) {
		s.log.Info("waiting for the replication slot", "slot", s.config.Slot, "why", err)
		return
	}
	s.log.Warn("the stream is interrupted; it is tried again until it works", "err", err)
}

func (s *Source) session(ctx context.Context) error {
	one := &session{Source: s, stage: func(p phase) { s.phase.Store(int32(p)) }}
	return one.run(ctx)
}

func (s *Source) partition() map[string]any { return map[string]any{"server": s.config.TopicPrefix} }
