package crm

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
	sink.Outbox
	mapping.Registry
}

// Config is what a Sink is made of. All fields are required.
type Config struct {
	Name     string // the connector's
	Entities []*mapping.Entity
	Ledger   Ledger
	Worker   *sink.Worker
	Relay    *sink.Relay
	Kafka    kafka.Config
	Consumer kafka.ConsumerConfig // Name, Group, topics and error policy; OnGap is the sink's
	// Gap is called when records of notion.* topics were lost before they were read: the pages have to be swept.
	Gap  func(ctx context.Context, why string) error
	Idle time.Duration
	Log  *slog.Logger
}

// Sink is the sink.PostgresSink: the row says what the page says, by compare-and-set, in one transaction with the ledger. It needs no
// token for Notion.
type Sink struct {
	lifecycle.Group

	work *sink.Loop
}

var _ lifecycle.Service = (*Sink)(nil)

// New puts the sink together; nothing runs and nothing is asked before Start.
func New(c Config) (*Sink, error) {
	s := &Sink{}
	agreed := func(ctx context.Context) error { return mapping.Agree(ctx, c.Ledger, c.Entities) }
	s.work = sink.NewLoop(c.Name+" work", agreed, c.Worker.RunOnce, c.Idle, c.Log)
	handler := sink.Waking{Loops: []*sink.Loop{s.work}, Handler: &sink.PageChanges{Entities: c.Entities, Ledger: c.Ledger, Now: c.Worker.Now}}
	c.Consumer.OnGap = func(ctx context.Context, gap kafka.Gap) error { return c.Gap(ctx, gap.String()) }
	consumer, err := kafka.NewConsumer(c.Kafka, c.Consumer, handler)
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", c.Name, err)
	}
	s.Add("work", s.work)
	s.Add("consumer", consumer)
	s.Add("alerts", sink.NewLoop(c.Name+" alerts", nil, c.Relay.RunOnce, relayIdle, c.Log))
	return s, nil
}

// relayIdle is how often the outbox is looked at.
const relayIdle = time.Second

// Wake makes the sink look for work now.
func (s *Sink) Wake() { s.work.Wake() }
