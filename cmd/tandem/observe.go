package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/telemetry"
	"github.com/tandem-sync/tandem/sink"
)

// observer turns what sinks tell into metrics.
type observer struct {
	metrics  *telemetry.Metrics
	entities map[string]*sink.Entity
}

var _ sink.Observer = observer{}

// Reconciled implements sink.Observer.
func (o observer) Reconciled(entity string, side ledger.Side, outcome string) {
	o.metrics.Reconciled(entity, string(side), outcome)
}

// Conflict implements sink.Observer.
func (o observer) Conflict(entity, field string, winner ledger.Side, undecidable bool) {
	o.metrics.Conflict(entity, field, string(winner), undecidable, o.critical(entity, field))
}

func (o observer) critical(entity, field string) bool {
	e, ok := o.entities[entity]
	if !ok {
		return false
	}
	f, ok := e.Mapping.Field(field)
	if !ok {
		f, _ = e.Mapping.CustomField(field, mapping.TypeText) // of whatever type
	}
	return f.Critical
}

// Parked implements sink.Observer.
func (o observer) Parked(entity string, side ledger.Side) { o.metrics.Parked(entity, string(side)) }

// Window implements sink.Observer.
func (o observer) Window(entity string, length time.Duration) { o.metrics.Window(entity, length) }

// Latency implements sink.Observer.
func (o observer) Latency(entity string, side ledger.Side, lane ledger.Lane, length time.Duration) {
	o.metrics.Latency(entity, string(side), string(lane), length)
}

// outcomeOf names what became of an attempt, for metrics.
func outcomeOf(at notionapi.Attempt) string {
	switch {
	case at.Status == http.StatusOK:
		return "ok"
	case at.Status == http.StatusTooManyRequests || at.Status == 529:
		return "throttled"
	case at.Outcome == notionapi.OutcomeUnknown:
		return "unknown"
	case at.Status == 0:
		return "failed"
	}
	return "not_applied"
}

// attempted counts one attempt of a request to Notion.
func (a *app) attempted(at notionapi.Attempt) {
	outcome := outcomeOf(at)
	a.metrics.Request(at.Method+" "+at.Endpoint, outcome, at.Duration)
	a.metrics.Reachable("notion", at.Status != 0)
	if outcome == "throttled" {
		a.metrics.Throttled(strconv.Itoa(at.Status), at.RetryAfter)
	}
}

// timedBudget measures how long requests wait for the budget that all processes share.
type timedBudget struct {
	notionapi.Budget

	metrics *telemetry.Metrics
}

// Take implements notionapi.Budget.
func (b timedBudget) Take(ctx context.Context, lane notionapi.Lane) error {
	began := time.Now()
	err := b.Budget.Take(ctx, lane)
	b.metrics.BudgetWaited(time.Since(began))
	return err
}

// watchBudget shows the shared budget of a token, of which only the hash is known here.
func (a *app) watchBudget(name, token string, rate int, store *pgledger.Store, p *parts) {
	a.metrics.WatchBudget("budget of "+name, func(ctx context.Context) ([]telemetry.Budget, error) {
		booked, paused, err := store.Budget(ctx, token)
		return []telemetry.Budget{{Connector: name, Token: token[:8], PerMinute: float64(rate), Booked: max(0, time.Until(booked)), PausedFor: max(0, time.Until(paused))}}, err
	})
	p.onClose(func() { a.metrics.Unwatch("budget of " + name) })
}

// kafkaObserver turns what Kafka's clients tell into metrics.
type kafkaObserver struct{ metrics *telemetry.Metrics }

var _ kafka.Observer = kafkaObserver{}

// Observe implements kafka.Observer.
func (o kafkaObserver) Observe(e kafka.Event) {
	switch e := e.(type) {
	case kafka.Reachability:
		o.metrics.Reachable("kafka", e.Reachable)
	case kafka.DeadLettered:
		o.metrics.DeadLettered(e.Topic, string(e.Stage))
	}
}

// states turns changes of connectors' states into metrics.
type states struct{ metrics *telemetry.Metrics }

var _ connector.Observer = states{}

// StateChanged implements connector.Observer.
func (s states) StateChanged(status connector.Status) {
	s.metrics.StateChanged(status.Name, status.Class, string(status.State))
	if status.State == connector.Restarting {
		s.metrics.Restarted(status.Name)
	}
}

// kafka gives a connector's way to Kafka.
func (a *app) kafka(k *kafkaKeys, name string) kafka.Config {
	c := k.config(name)
	c.Logger, c.Observer = a.log.With("connector", name), kafkaObserver{a.metrics}
	return c
}

// sinkKafka gives a sink's way to Kafka, with Kafka's own settings as its file has them.
func (a *app) sinkKafka(k *sinkKeys) kafka.Config {
	c := a.kafka(&k.Kafka, k.Name)
	c.ConsumerOverrides, c.ProducerOverrides = k.Topics.ConsumerOverrides, k.Topics.DeadLetterProducerKeys
	return c
}

// tallies is one look at the work table, kept for a moment: probes and scrapes come often, and it reads all work.
type tallies struct {
	store *pgledger.Store
	sync  string
	side  ledger.Side

	mu   sync.Mutex
	at   time.Time
	last []ledger.Tally
}

const talliesFresh = 3 * time.Second

func (t *tallies) read(ctx context.Context) ([]ledger.Tally, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.at) < talliesFresh {
		return t.last, nil
	}
	all, err := t.store.Tallies(ctx, t.sync, time.Now())
	if err != nil {
		return nil, err
	}
	t.at, t.last = time.Now(), nil
	for _, tally := range all {
		if tally.Side == t.side {
			t.last = append(t.last, tally)
		}
	}
	return t.last, nil
}

// watchWork shows what waits for a sink: as gauges, and to those who ask for the process's health, which is not well while a live change that
// nobody has looked at is older than stale. Work that waits for its time, for a relation or after a failure does not count; nor does backfill, which may
// take hours.
func (a *app) watchWork(name, sync string, side ledger.Side, store *pgledger.Store, stale time.Duration, p *parts) {
	t := &tallies{store: store, sync: sync, side: side}
	a.metrics.WatchWork(name, func(ctx context.Context) ([]telemetry.Work, error) {
		found, err := t.read(ctx)
		var out []telemetry.Work
		for _, f := range found {
			row := telemetry.Work{Sync: sync, Entity: f.Entity, Side: string(f.Side), Lane: string(f.Lane), State: "pending", Items: f.Due}
			if !f.Oldest.IsZero() {
				row.Oldest = time.Since(f.Oldest)
			}
			parked := row
			parked.State, parked.Items, parked.Oldest = "parked", f.Parked, 0
			out = append(out, row, parked)
		}
		return out, err
	})
	a.health.Check("work of "+name, func(ctx context.Context) error {
		found, err := t.read(ctx)
		if err != nil {
			return fmt.Errorf("the ledger cannot be asked: %w", err)
		}
		for _, f := range found {
			if age := time.Since(f.Oldest); f.Lane == ledger.LaneLive && f.Due > f.Later && age > stale {
				return fmt.Errorf("the oldest change of %s that waits for the %s side is %s old", f.Entity, f.Side, age.Round(time.Second))
			}
		}
		return nil
	})
	p.onClose(func() { a.metrics.Unwatch(name); a.health.Forget("work of " + name) })
}

// watchStates makes the process well only while its connectors are.
func (a *app) watchStates(runtime *connector.Runtime, name string) {
	a.health.Check("connector "+name, func(context.Context) error {
		s, err := runtime.StatusOf(name)
		if err != nil {
			return err
		}
		switch s.State {
		case connector.Running, connector.Paused, connector.Stopped:
			return nil
		case connector.Unassigned:
			return fmt.Errorf("it is starting")
		case connector.Failed, connector.Restarting:
		}
		return fmt.Errorf("%s: %s", s.State, s.Error)
	})
}
