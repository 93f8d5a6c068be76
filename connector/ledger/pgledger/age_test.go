package pgledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// The database is restored under a process that runs. Between that and the next look at its age, no write is let through.
func TestNothingIsWrittenInADatabaseThatIsBehind(t *testing.T) {
	t.Parallel()
	d := migrated(t)
	now := time.Now()
	first, err := d.store.Aging(t.Context(), "acme", ledger.Age{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Aging(t.Context(), "acme", first.Age, now); err != nil {
		t.Fatal(err)
	}
	reason := ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: "7", Lane: ledger.LaneLive, Why: "cdc"}
	if err := d.store.Add(t.Context(), now, []ledger.Reason{reason}); err != nil {
		t.Fatal(err)
	}
	items, err := d.store.Take(t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 1, Holder: "w", Lease: time.Minute, Now: now})
	if err != nil || len(items) != 1 {
		t.Fatalf("%v %v", items, err)
	}
	write := ledger.Commit{Link: items[0].Link.ID, Epoch: items[0].Link.Epoch, Now: now, Writes: []ledger.Write{{Side: ledger.Notion, Op: "create", New: change.Image{"name": change.TextValue("x")}}}}
	if _, err := d.pool.Exec(t.Context(), `UPDATE tandem.age SET count = 1`); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Commit(t.Context(), write); !errors.Is(err, ledger.ErrPaused) {
		t.Errorf("a write in a database that is behind: %v", err)
	}
	if _, err := d.pool.Exec(t.Context(), `DELETE FROM tandem.age`); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Commit(t.Context(), write); !errors.Is(err, ledger.ErrPaused) {
		t.Errorf("a write in a database without an age: %v", err)
	}
	var audited int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM tandem.write`).Scan(&audited); err != nil || audited != 0 {
		t.Errorf("%d writes recorded, %v", audited, err)
	}
}
