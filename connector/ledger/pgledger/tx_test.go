package pgledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
)

var now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// crm is a database with a table of the CRM and the ledger beside it, with one leased link.
func crm(t *testing.T) (*pgxpool.Pool, *pgledger.Store, ledger.Item) {
	t.Helper()
	d := migrated(t)
	p, s := d.pool, d.store
	if _, err := p.Exec(t.Context(), `CREATE TABLE public.contact (id int PRIMARY KEY, name text)`); err != nil {
		t.Fatal(err)
	}
	return p, s, leased(t, s, "7")
}

func leased(t *testing.T, s *pgledger.Store, key string) ledger.Item {
	t.Helper()
	r := ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.CRM, Key: key, Why: "poll"}
	if err := s.Add(t.Context(), now, []ledger.Reason{r}); err != nil {
		t.Fatal(err)
	}
	items, err := s.Take(t.Context(), ledger.Claim{Sync: "acme", Side: ledger.CRM, Max: 1, Holder: "w", Lease: time.Minute, Now: now})
	if err != nil || len(items) != 1 {
		t.Fatalf("took %v, %v", items, err)
	}
	return items[0]
}

func writing(it ledger.Item) ledger.Commit {
	return ledger.Commit{
		Link: it.Link.ID, Epoch: it.Link.Epoch, Now: now, Release: true,
		Base:   map[string]ledger.FieldBase{"name": {Value: change.TextValue("Ann"), Rule: "r"}},
		Writes: []ledger.Write{{Side: ledger.CRM, Op: "update", New: change.Image{"name": change.TextValue("Ann")}}},
		Finish: &ledger.Finish{Side: ledger.CRM, Version: it.Works[0].Version},
	}
}

func count(t *testing.T, p *pgxpool.Pool, query string) (n int) {
	t.Helper()
	if err := p.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRowAndLedgerCommitTogether(t *testing.T) {
	t.Parallel()
	p, s, it := crm(t)
	write := func(c ledger.Commit, fail error) error {
		return pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `INSERT INTO public.contact VALUES (7, 'Ann')`); err != nil {
				return err
			}
			if err := s.CommitTx(t.Context(), tx, c); err != nil {
				return err
			}
			return fail
		})
	}
	crash := errors.New("crash")
	if err := write(writing(it), crash); !errors.Is(err, crash) {
		t.Fatal(err)
	}
	const both = `SELECT (SELECT count(*) FROM public.contact) + (SELECT count(*) FROM tandem.write) + (SELECT count(*) FROM tandem.link WHERE base <> '{}')`
	if n := count(t, p, both); n != 0 {
		t.Fatalf("a rolled back transaction left %d things behind", n)
	}
	fenced := writing(it)
	fenced.Epoch--
	if err := write(fenced, nil); !errors.Is(err, ledger.ErrFenced) {
		t.Fatal(err)
	}
	if n := count(t, p, both); n != 0 {
		t.Fatalf("a fenced commit left %d things behind", n)
	}
	if err := write(writing(it), nil); err != nil {
		t.Fatal(err)
	}
	if n := count(t, p, both); n != 3 {
		t.Fatalf("%d of row, write and base are there", n)
	}
	if n := count(t, p, `SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM public.contact UNION ALL SELECT xmin FROM tandem.link UNION ALL SELECT xmin FROM tandem.write) x`); n > 2 {
		t.Errorf("%d transactions wrote", n)
	}
}

func TestRefusedCommitLeavesTheTransactionUsable(t *testing.T) {
	t.Parallel()
	p, s, it := crm(t)
	other := leased(t, s, "8")
	err := pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
		c := writing(it)
		c.Key = &other.Link.Key
		if err := s.CommitTx(t.Context(), tx, c); !errors.Is(err, ledger.ErrTaken) {
			t.Errorf("got %v", err)
		}
		return s.CommitTx(t.Context(), tx, writing(it))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCommitTxWantsReadCommitted(t *testing.T) {
	t.Parallel()
	p, s, it := crm(t)
	err := pgx.BeginTxFunc(t.Context(), p, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		return s.CommitTx(t.Context(), tx, writing(it))
	})
	if err == nil {
		t.Fatal("a brake would count with an old snapshot")
	}
}

// While one transaction holds a brake's lock, the next one waits for what it will have written.
func TestBrakeWaitsForOpenTransactions(t *testing.T) {
	t.Parallel()
	p, s, first := crm(t)
	second := leased(t, s, "8")
	braked := func(it ledger.Item) ledger.Commit {
		c := writing(it)
		m := ledger.Meter{Side: ledger.CRM, Op: ledger.OpUpdate, Field: "name"}
		c.Counts, c.Brakes = []ledger.Meter{m}, []ledger.Brake{{Meter: m, Max: 1, Window: time.Hour}}
		return c
	}
	tx, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CommitTx(t.Context(), tx, braked(first)); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- s.Commit(t.Context(), braked(second)) }()
	waitFor(t, p, `SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND NOT granted`)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !errors.Is(err, ledger.ErrBraked) {
		t.Fatalf("got %v", err)
	}
}

// waitFor polls the server, which has no other way to tell, until a count is one.
func waitFor(t *testing.T, p *pgxpool.Pool, query string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for count(t, p, query) == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("still nothing: %s", query)
		}
	}
}

func TestTokensAreNotStored(t *testing.T) {
	t.Parallel()
	p, s, _ := crm(t)
	if _, _, err := s.Grant(t.Context(), "ntn_secret", ledger.LaneLive, 1, 180, now); err != nil {
		t.Fatal(err)
	}
	if n := count(t, p, `SELECT count(*) FROM tandem.budget WHERE length(token) = 64 AND token NOT LIKE '%ntn%'`); n != 1 {
		t.Fatalf("%d rows", n)
	}
}
