package main

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
)

// The share of the budget that we may use is said once, in a number that makes sense.
func TestTheShareOfTheBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		share string
		rate  int
		wrong bool
	}{{"", 180, false}, {"0.5", 90, false}, {"1", 180, false}, {".001", 1, false}, {"0", 0, true}, {"0.0", 0, true}, {"1.5", 0, true}, {"half", 0, true}, {"-0.5", 0, true}} {
		m := config.Map{"notion.token": "ntn_x"}
		if c.share != "" {
			m["notion.budget.share"] = c.share
		}
		k := &notionKeys{}
		err := config.Decode(m, config.Resolver{}, k).Err()
		if (err != nil) != c.wrong || err == nil && k.rate() != c.rate {
			t.Errorf("%q: %d a minute, %v", c.share, k.rate(), err)
		}
	}
}

// Notion may ask for an hour's rest: people who wonder why nothing moves are told.
func TestStatusTellsThatNotionAskedToWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	pool, err := pgxpool.New(t.Context(), w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	store := pgledger.New(pool)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := config.Map{"notion.token": worldToken}
	k := &notionKeys{}
	if err := config.Decode(m, config.Resolver{}, k).Err(); err != nil {
		t.Fatal(err)
	}
	status := func() string { return w.command(exitOK, "status", "--config", w.files[1]) }
	if out := status(); strings.Contains(out, "left alone") {
		t.Errorf("nobody asked for anything: %s", out)
	}
	if err := store.Pause(t.Context(), k.budgetName(), time.Now().Add(time.Hour+30*time.Second)); err != nil {
		t.Fatal(err)
	}
	if out := status(); !strings.Contains(out, "Notion asked to be left alone until ") || !strings.Contains(out, ", for 1 h 0 min from now") {
		t.Errorf("Retry-After of an hour: %s", out)
	}
}
