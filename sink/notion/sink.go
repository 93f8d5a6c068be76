package notion

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
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
}

// Config is what a Sink is made of. All fields are required.
type Config struct {
	Name     string // the connector's
	Sync     string
	Entities []*mapping.Entity
	Ledger   Ledger
	Schema   *Schema
	Worker   *sink.Worker
	Sweep    *sink.RowSweep
	Relay    *sink.Relay
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
	work   *sink.Loop
}

// New puts the sink together; nothing runs and nothing is asked before Start.
func New(c Config) (*Sink, error) {
	s := &Sink{config: c}
	s.work = sink.NewLoop(c.Name+" work", s.prepare, c.Worker.RunOnce, c.Idle, c.Log)
	handler := sink.Waking{Loop: s.work, Handler: &sink.RowChanges{
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
	s.Add("work", s.work)
	s.Add("consumer", consumer)
	s.Add("sweep", sink.NewLoop(c.Name+" sweep", s.begun, c.Sweep.RunOnce, sweepIdle, c.Log))
	s.Add("alerts", sink.NewLoop(c.Name+" alerts", nil, c.Relay.RunOnce, relayIdle, c.Log))
	return s, nil
}

// How often what has nothing to do looks again.
const (
	sweepIdle = 5 * time.Second
	relayIdle = time.Second
)

// prepare makes sure of Notion's side and puts the mapping in force. It is repeated until it succeeds.
func (s *Sink) prepare(ctx context.Context) error {
	if err := s.config.Schema.Ensure(ctx); err != nil {
		return err
	}
	for _, e := range s.config.Entities {
		if err := s.config.Ledger.SetMapping(ctx, s.config.Sync, e.Name, e.Hash); err != nil {
			return fmt.Errorf("put the mapping of %s in force: %w", e.Name, err)
		}
	}
	return nil
}

// begun waits until the databases are known: a sweep before that would only pile up work.
func (s *Sink) begun(ctx context.Context) error {
	for _, e := range s.config.Entities {
		if _, ok, err := s.config.Ledger.Schema(ctx, s.config.Sync, e.Name); err != nil {
			return err
		} else if !ok {
			return sink.ErrNoSchema
		}
	}
	return nil
}

// Wake makes the sink look for work now.
func (s *Sink) Wake() { s.work.Wake() }

var _ lifecycle.Service = (*Sink)(nil)
