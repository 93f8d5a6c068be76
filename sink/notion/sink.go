package notion

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// Ledger is what the sink asks of the ledger.
type Ledger interface {
	sink.Ledger
	sink.Adder
	sink.SweepLedger
	sink.Outbox
	SchemaLedger
	SetMapping(ctx context.Context, sync, entity, hash string) error
	Mapping(ctx context.Context, sync, entity string) (hash string, err error)
	Pauses(ctx context.Context, sync string) ([]ledger.Pausing, error)
}

// Config is what a Sink is made of. All fields but Comments and States are required.
type Config struct {
	Name     string // the connector's
	Sync     string
	Entities []*mapping.Entity
	Ledger   Ledger
	Schema   *Schema
	Worker   *sink.Worker
	Sweep    *sink.RowSweep
	Relay    *sink.Relay
	Comments *Commenter // nil: no mapping asks for comments
	States   *Stater    // nil: no mapping names a status property
	Kafka    kafka.Config
	Consumer kafka.ConsumerConfig // Name, Group, topics and error policy; OnGap is the sink's
	Settle   time.Duration
	Idle     time.Duration
	Log      *slog.Logger
}

// Sink is the connector: a service of services.
type Sink struct {
	lifecycle.Group

	config Config
	work   []*sink.Loop
	ready  chan struct{} // closed when Notion's side has been made sure of
	once   sync.Once
}

// New puts the sink together; nothing runs and nothing is asked before Start.
func New(c Config) (*Sink, error) {
	s := &Sink{config: c, ready: make(chan struct{})}
	s.work = sink.WorkLoops(c.Name, c.Worker, s.prepare, s.prepared, c.Idle, c.Log)
	handler := sink.Waking{Loops: s.work, Handler: &sink.RowChanges{
		Entities: c.Entities, Ledger: c.Ledger, Now: c.Worker.Now, Settle: c.Settle,
		Truncated: func(ctx context.Context, e *mapping.Entity) error {
			return c.Sweep.Request(ctx, "table of "+e.Name+" was emptied")
		},
	}}
	c.Consumer.OnGap = func(ctx context.Context, gap kafka.Gap) error { return c.Sweep.Request(ctx, gap.String()) }
	consumer, err := kafka.NewConsumer(c.Kafka, c.Consumer, handler)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", c.Name, err)
	}
	for _, l := range s.work {
		s.Add(l.Name, l)
	}
	s.Add("consumer", consumer)
	s.Add("sweep", sink.NewLoop(c.Name+" sweep", s.begun, c.Sweep.RunOnce, sweepIdle, c.Log))
	s.Add("schema", sink.NewLoop(c.Name+" schema", s.prepared, c.Schema.RunOnce, schemaLoopIdle, c.Log))
	if c.Comments != nil {
		s.Add("comments", sink.NewLoop(c.Name+" comments", nil, c.Comments.RunOnce, commentIdle, c.Log))
	}
	if c.States != nil {
		s.Add("states", sink.NewLoop(c.Name+" states", s.prepared, c.States.RunOnce, stateIdle, c.Log))
	}
	s.Add("alerts", sink.NewLoop(c.Name+" alerts", nil, c.Relay.RunOnce, relayIdle, c.Log))
	return s, nil
}

// How often what has nothing to do looks again.
const (
	sweepIdle   = 5 * time.Second
	relayIdle   = time.Second
	commentIdle = 5 * time.Second
	stateIdle   = 5 * time.Second
)

// prepare makes sure of Notion's side and puts the mapping in force. It is repeated until it succeeds.
func (s *Sink) prepare(ctx context.Context) error {
	if err := s.paused(ctx); err != nil {
		return err
	}
	if err := s.config.Schema.Ensure(ctx); err != nil {
		return err
	}
	for _, e := range s.config.Entities {
		was, err := s.config.Ledger.Mapping(ctx, s.config.Sync, e.Name)
		if err != nil {
			return fmt.Errorf("read the mapping in force: %w", err)
		}
		if was != "" && was != e.Hash { // what the former one could not do, this one may
			if err := sink.RetryParked(ctx, s.config.Ledger, e, s.config.Worker.Now()); err != nil {
				return err
			}
		}
		if err := s.config.Ledger.SetMapping(ctx, s.config.Sync, e.Name, e.Hash); err != nil {
			return fmt.Errorf("put the mapping of %s in force: %w", e.Name, err)
		}
	}
	s.once.Do(func() { close(s.ready) })
	return nil
}

// paused keeps databases and properties from being made or changed while everything on the way to Notion is paused.
func (s *Sink) paused(ctx context.Context) error {
	pauses, err := s.config.Ledger.Pauses(ctx, s.config.Sync)
	if err != nil {
		return err
	}
	way := ledger.Way{Sync: s.config.Sync, Side: ledger.Notion, Connector: s.config.Name}
	for _, p := range pauses {
		if p.On(way) && p.All("") {
			return &pausedError{p}
		}
	}
	return nil
}

// pausedError says who paused it.
type pausedError struct{ ledger.Pausing }

func (e *pausedError) Error() string {
	return "paused by " + e.By + " since " + e.Since.Format(time.RFC3339) + " (tandem resume lets it go on)"
}

// Waiting reports that nothing is wrong: a person wants it so.
func (e *pausedError) Waiting() bool { return true }

// prepared waits until the first loop has prepared everything for all of them.
func (s *Sink) prepared(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begun waits until the databases are known: a sweep before that would only pile up work.
func (s *Sink) begun(ctx context.Context) error {
	for _, e := range s.config.Entities {
		if _, ok, err := s.config.Ledger.Schema(ctx, s.config.Sync, e.Name); err != nil {
			return err
		} else if !ok && e.WriteNotion {
			return sink.ErrNoSchema
		}
	}
	return nil
}

// Wake makes the sink look for work now.
func (s *Sink) Wake() {
	for _, l := range s.work {
		l.Wake()
	}
}

var _ lifecycle.Service = (*Sink)(nil)
