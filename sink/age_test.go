package sink_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/sink"
)

// outside is what Kafka knows; it may be away.
type outside struct {
	age  ledger.Age
	away error
}

func (o *outside) Load(context.Context) (ledger.Age, error) { return o.age, o.away }
func (o *outside) Save(_ context.Context, a ledger.Age) error {
	if o.away == nil {
		o.age = a
	}
	return o.away
}

func TestARestoredLedgerIsKnownByItsAge(t *testing.T) {
	t.Parallel()
	store, kafka, swept := memledger.New(), &outside{}, 0
	process := func() *sink.Aging {
		return &sink.Aging{Sync: "acme", Ledger: store, Outside: kafka, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Sweep: func(context.Context, string) error { swept++; return nil }}
	}
	step := func(a *sink.Aging, want error) {
		t.Helper()
		if _, err := a.RunOnce(t.Context()); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	paused := func(want int) {
		t.Helper()
		pauses, err := store.Pauses(t.Context(), "acme")
		if err != nil || len(pauses) != want {
			t.Fatalf("%d pauses, want %d: %+v %v", len(pauses), want, pauses, err)
		}
	}
	one, other := process(), process()
	step(one, nil)
	backup := store.Snapshot()
	step(other, nil)
	step(one, nil)
	paused(0)
	// Kafka goes away: no step is taken twice ahead of it, and a process that starts meanwhile does not start.
	away := errors.New("kafka is away")
	kafka.away = away
	step(one, away)
	step(one, away)
	step(process(), away)
	if age, err := store.Age(t.Context(), "acme"); err != nil || age.Count != kafka.age.Count+1 {
		t.Fatalf("the database is at %d, Kafka at %d", age.Count, kafka.age.Count)
	}
	kafka.away = nil
	step(process(), nil)
	step(one, nil)
	paused(0)
	// Restored under processes that run: the first that looks says so, the others agree, and so does who starts later.
	store.Restore(backup)
	step(other, nil)
	paused(1)
	step(one, nil)
	step(process(), nil)
	paused(1)
	// Told of and resumed, the same backup once more is another restore.
	pauses, _ := store.Pauses(t.Context(), "acme")
	if _, err := store.Resume(t.Context(), []int64{pauses[0].ID}); err != nil {
		t.Fatal(err)
	}
	step(one, nil)
	paused(0)
	store.Restore(backup)
	step(process(), nil)
	paused(1)
	// A database that moved, whole, is looked at and goes on.
	if swept != 0 {
		t.Errorf("swept %d times", swept)
	}
	kafka.age.Timeline--
	pauses, _ = store.Pauses(t.Context(), "acme")
	if _, err := store.Resume(t.Context(), []int64{pauses[0].ID}); err != nil {
		t.Fatal(err)
	}
	step(process(), nil)
	paused(0)
	if swept != 1 {
		t.Errorf("swept %d times", swept)
	}
}
