package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
)

// flaky is a ledger that cannot be reached now and then.
type flaky struct {
	*memledger.Store
	away bool
}

func (f *flaky) Raise(ctx context.Context, alerts []ledger.Alert) error {
	if f.away {
		return errors.New("connection refused")
	}
	return f.Store.Raise(ctx, alerts)
}

// A connector that fails is told of once, and so is that it runs again, by whichever process sees it; a restart that helps is not.
func TestAConnectorThatFailsIsTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	store := &flaky{Store: memledger.New()}
	watch := func() *failing {
		return &failing{outlets: map[string]outlet{"crm": store}, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}
	}
	f := watch()
	enter := func(state connector.State, why string) {
		f.StateChanged(connector.Status{Name: "crm-source", Class: "cdc.PostgresSource", State: state, Error: why})
	}
	told := func(pass time.Duration, want ...string) {
		t.Helper()
		for end := now.Add(pass); now.Before(end); now = now.Add(5 * time.Second) {
			_, _ = f.RunOnce(t.Context())
		}
		all, err := store.Outbox(t.Context(), "crm", 100)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, a := range all {
			kinds = append(kinds, a.Kind)
			if !a.Critical || !strings.Contains(a.Summary, "crm-source") {
				t.Errorf("%+v", a)
			}
		}
		if strings.Join(kinds, " ") != strings.Join(want, " ") {
			t.Fatalf("told %v, want %v", kinds, want)
		}
	}
	const down, up = ledger.AlertConnector, ledger.AlertRecovered
	enter(connector.Running, "")
	told(2 * time.Minute)
	enter(connector.Restarting, "connection refused")
	told(10 * time.Second)
	enter(connector.Running, "")
	told(3 * time.Minute)
	// Up for a moment, again and again: it does not hold.
	for range 4 {
		enter(connector.Restarting, "connection refused")
		enter(connector.Running, "")
		now = now.Add(20 * time.Second)
	}
	enter(connector.Restarting, "connection refused")
	store.away = true
	told(time.Minute)
	store.away = false
	told(10*time.Second, down)
	told(10*time.Minute, down)
	// Another process takes its place, and it holds.
	f = watch()
	enter(connector.Running, "")
	told(2*time.Minute, down, up)
	enter(connector.Failed, "wal_level is replica")
	told(10*time.Second, down, up, down)
	enter(connector.Paused, "")
	told(10*time.Second, down, up, down, up)
}
