package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// alertsTopic is where the sinks publish alerts.
const alertsTopic = "tandem.alerts"

// alerts reads the alerts topic, as somebody's own consumer would. The consumer calls Handle, others ask.
type alerts struct {
	mu    sync.Mutex
	known map[string]bool // an alert comes at least once
	list  []ledger.Alert
	tell  func(ledger.Alert) // nil is nobody; called for new ones
	news  chan struct{}      // closed and replaced with every new alert
}

func newAlerts() *alerts { return &alerts{known: map[string]bool{}, news: make(chan struct{})} }

// consumer makes the consumer of the alerts; the caller starts and stops it.
func (a *alerts) consumer(bootstrap string, log *slog.Logger) (*kafka.Consumer, error) {
	return kafka.NewConsumer(
		kafka.Config{BootstrapServers: []string{bootstrap}, ClientID: "demo", Logger: log},
		kafka.ConsumerConfig{Group: "demo", Topics: []string{alertsTopic}, PollWait: 200 * time.Millisecond,
			OnGap: func(context.Context, kafka.Gap) error { return nil }},
		a)
}

// Handle implements kafka.Handler.
func (a *alerts) Handle(_ context.Context, batch []kafka.Record) error {
	for _, record := range batch {
		var alert ledger.Alert
		if err := json.Unmarshal(record.Value, &alert); err != nil {
			return fmt.Errorf("read an alert: %w", err)
		}
		a.add(alert)
	}
	return nil
}

func (a *alerts) add(alert ledger.Alert) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[alert.ID] {
		return
	}
	a.known[alert.ID] = true
	a.list = append(a.list, alert)
	if a.tell != nil {
		a.tell(alert)
	}
	close(a.news)
	a.news = make(chan struct{})
}

// await waits for an alert that is meant, at most so long.
func (a *alerts) await(ctx context.Context, most time.Duration, meant func(ledger.Alert) bool) (ledger.Alert, bool) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		a.mu.Lock()
		news := a.news
		for _, alert := range a.list {
			if meant(alert) {
				a.mu.Unlock()
				return alert, true
			}
		}
		a.mu.Unlock()
		select {
		case <-ctx.Done():
			return ledger.Alert{}, false
		case <-news:
		}
	}
}

// follow tells of every alert that comes from now on.
func (a *alerts) follow(tell func(ledger.Alert)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tell = tell
}
