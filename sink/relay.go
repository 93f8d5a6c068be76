package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Outbox is the ledger's list of alerts that nobody has been told of yet.
type Outbox interface {
	Outbox(ctx context.Context, max int) ([]ledger.Alert, error)
	Delivered(ctx context.Context, ids []string, at time.Time) error
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
}

// Publisher puts records into Kafka and returns when they are acknowledged.
type Publisher interface {
	SendBatch(ctx context.Context, records []kafka.Record) error
}

// Relay publishes the outbox: each alert as a log line and a record on the alerts topic, at least once, under one id. Every sink has one;
// a lease says whose turn it is, so that an alert comes twice only after a crash.
type Relay struct {
	Holder    string // names this process in the lease
	Outbox    Outbox
	Publisher Publisher
	Topic     string
	Now       func() time.Time
	Log       *slog.Logger
}

// Limits of the relay.
const (
	relayMax  = 100              // alerts in one step
	relayLead = 15 * time.Second // how long after a relay's death another takes over; longer than a step, which Kafka may hold up
)

// RunOnce publishes what stands in the outbox; it reports how many alerts that were.
func (r *Relay) RunOnce(ctx context.Context) (int, error) {
	if some, err := r.Outbox.Outbox(ctx, 1); err != nil || len(some) == 0 {
		return 0, err // the lease is a write: it is asked for when there is cause
	}
	if _, ok, err := r.Outbox.Lead(ctx, "alerts", r.Holder, r.Now(), relayLead); err != nil || !ok {
		return 0, err
	}
	alerts, err := r.Outbox.Outbox(ctx, relayMax)
	if err != nil || len(alerts) == 0 {
		return 0, err
	}
	records, ids := make([]kafka.Record, len(alerts)), make([]string, len(alerts))
	for i, a := range alerts {
		value, err := json.Marshal(a)
		if err != nil {
			return 0, fmt.Errorf("write alert %s: %w", a.ID, err)
		}
		records[i], ids[i] = kafka.Record{Topic: r.Topic, Key: []byte(a.ID), Value: value, Time: a.At}, a.ID
	}
	if err := r.Publisher.SendBatch(ctx, records); err != nil {
		return 0, fmt.Errorf("publish alerts: %w", err)
	}
	for _, a := range alerts {
		// The summary may hold a person's data: it goes to the topic; the log names the record.
		r.Log.WarnContext(ctx, "alert", "id", a.ID, "kind", a.Kind, "entity", a.Entity, "key", a.Key, "page", a.Page, "field", a.Field, "critical", a.Critical)
	}
	if err := r.Outbox.Delivered(ctx, ids, r.Now()); err != nil {
		return 0, fmt.Errorf("mark alerts as delivered: %w", err)
	}
	return len(alerts), nil
}
