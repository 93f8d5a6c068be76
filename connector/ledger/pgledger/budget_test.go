package pgledger_test

import (
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// A process whose clock is fast or slow gets what the others get, and no more: the budget runs by the database's clock.
func TestClocksThatDifferShareOneBudget(t *testing.T) {
	t.Parallel()
	p := pool(t, pgtest.Database(t))
	if err := pgledger.New(p).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	type process struct {
		*pgledger.Store
		off time.Duration
	}
	var processes []process
	for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
		s := pgledger.New(p)
		s.SetClock(func() time.Time { return time.Now().Add(off) })
		processes = append(processes, process{s, off})
	}
	ask := func(of process) (int, time.Duration) {
		t.Helper()
		n, wait, err := of.Grant(t.Context(), "ntn_shared", ledger.LaneLive, 1, 1, time.Now().Add(of.off)) // one request a minute
		if err != nil {
			t.Fatal(err)
		}
		return n, wait
	}
	if n, _ := ask(processes[1]); n != 1 {
		t.Fatal("nothing is granted")
	}
	for _, of := range processes {
		if n, wait := ask(of); n != 0 || wait > time.Minute+time.Second {
			t.Errorf("a clock that is off by %v: %d granted within the minute, or to wait for %v", of.off, n, wait)
		}
	}
	if err := processes[2].Pause(t.Context(), "ntn_shared", time.Now().Add(processes[2].off+10*time.Minute)); err != nil { // Retry-After: 600
		t.Fatal(err)
	}
	for _, of := range processes {
		if n, wait := ask(of); n != 0 || wait < 9*time.Minute || wait > 10*time.Minute {
			t.Errorf("a clock that is off by %v: %d granted, and %v to wait, where Notion asked for ten minutes", of.off, n, wait)
		}
	}
}
