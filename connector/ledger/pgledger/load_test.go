package pgledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
)

// backlog fills the ledger with contacts that all wait.
func backlog(tb testing.TB, n int) (*pgxpool.Pool, *pgledger.Store) {
	tb.Helper()
	d := migrated(tb)
	for _, sql := range []string{
		`INSERT INTO tandem.link (id, sync, entity, key, external, state, work_version)
			SELECT i, 'acme', CASE WHEN i % 10 = 0 THEN 'task' ELSE 'contact' END, i, 'x' || i, 'half', 1
			FROM generate_series(1, ` + fmt.Sprint(n) + `) i`,
		`SELECT setval(pg_get_serial_sequence('tandem.link', 'id'), ` + fmt.Sprint(n) + `)`,
		`INSERT INTO tandem.work SELECT id, 'notion', sync, entity, 'backfill', 0, 'snapshot', '2026-11-22 09:00Z', NULL, 0, '', false,
			'2026-11-22 09:00Z', 0, 1, '' FROM tandem.link`,
	} {
		if _, err := d.pool.Exec(tb.Context(), sql); err != nil {
			tb.Fatal(err)
		}
	}
	return d.pool, d.store
}

func claim(most int) ledger.Claim {
	return ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: most, Holder: "w", Lease: time.Minute, Now: now}
}

// Taking a little of much must read a little: what is read is counted by PostgreSQL, which is steadier than a clock. A queue
// may grow before statistics of it are gathered.
func TestTakeReadsWhatItTakes(t *testing.T) {
	t.Parallel()
	p, _ := backlog(t, 20_000)
	for _, before := range []string{`SELECT 1`, `ANALYZE tandem.link, tandem.work`} {
		if _, err := p.Exec(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		for _, entities := range [][]string{{}, {"task"}, {"contact", "task"}} {
			for _, lane := range []ledger.Lane{"", ledger.LaneLive, ledger.LaneBackfill} {
				var text string
				err := p.QueryRow(t.Context(), `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) `+pgledger.TakeDueOf(lane),
					"acme", "notion", entities, now, 20, "w", now.Add(time.Minute), []string{}, []string{}, []string{}).Scan(&text)
				if err != nil {
					t.Fatal(err)
				}
				if rows := mostRows(t, text); rows > 500 {
					t.Errorf("after %s, entities %v, lane %q: a step of the plan read %v rows to take 20:\n%s", before, entities, lane, rows, text)
				}
			}
		}
	}
}

// mostRows is the largest number of rows that any node of a plan read or threw away.
func mostRows(t *testing.T, plan string) (most float64) {
	t.Helper()
	var nodes any
	if err := json.Unmarshal([]byte(plan), &nodes); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				if n, ok := e.(float64); ok && (name == "Actual Rows" || strings.HasPrefix(name, "Rows Removed")) {
					most = max(most, n)
				}
				walk(e)
			}
		}
	}
	walk(nodes)
	return most
}

func BenchmarkTake(b *testing.B) {
	_, s := backlog(b, 250_000)
	for b.Loop() {
		items, err := s.Take(b.Context(), claim(100))
		if err != nil || len(items) != 100 {
			b.Fatal(len(items), err)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	_, s := backlog(b, 250_000)
	var items []ledger.Item
	for b.Loop() {
		if len(items) == 0 {
			var err error
			if items, err = s.Take(b.Context(), claim(500)); err != nil {
				b.Fatal(err)
			}
		}
		it := items[0]
		items = items[1:]
		c := ledger.Commit{
			Link: it.Link.ID, Epoch: it.Link.Epoch, Now: now, Release: true, Finish: &ledger.Finish{Side: ledger.Notion, Version: 1},
			Base:    map[string]ledger.FieldBase{"name": {Value: change.TextValue("Ann")}},
			Writes:  []ledger.Write{{Side: ledger.Notion, Op: "update", New: change.Image{"name": change.TextValue("Ann")}}},
			Reasons: []ledger.Reason{{Link: it.Link.ID, Side: ledger.CRM, Why: "sync"}},
		}
		if err := s.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	_, s := backlog(b, 250_000)
	const size = 2000
	n := 0
	for b.Loop() {
		reasons := make([]ledger.Reason, size)
		for i := range reasons { // half of them for links that are new
			n++
			reasons[i] = ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: fmt.Sprint(n * 2), Lane: ledger.LaneLive, Why: "cdc"}
		}
		if err := s.Add(b.Context(), now, reasons); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/reason")
}

// With 100,000 writes in its window a brake reads what its limit asks for, and no more.
func TestABrakeReadsWhatItsLimitAsks(t *testing.T) {
	t.Parallel()
	const links = 100_000
	p, s := backlog(t, links)
	for _, sql := range []string{
		`INSERT INTO tandem.touch (link, side, op, field, sync, entity, at) SELECT id, 'notion', 'update', 'phone', sync, entity, '2026-11-22 09:00Z' FROM tandem.link`,
		`ANALYZE tandem.touch, tandem.link`,
	} {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	m := ledger.Meter{Side: ledger.Notion, Op: ledger.OpUpdate, Field: "phone"}
	since := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	for _, most := range []int{500, 2000, 90_000} {
		began := time.Now()
		const tries = 20
		for range tries {
			n, err := s.Touched(t.Context(), "acme", "contact", 1, since, most, []ledger.Meter{m})
			if err != nil || n[0] != min(most, links*9/10-1) {
				t.Fatalf("counted %v, %v", n, err)
			}
		}
		t.Logf("a count of up to %d of 100,000: %s", most, time.Since(began)/tries)
	}
	items, err := s.Take(t.Context(), claim(1))
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	for _, limit := range []int{500, 200_000} {
		began := time.Now()
		c := ledger.Commit{Link: items[0].Link.ID, Epoch: items[0].Link.Epoch, Now: now, Counts: []ledger.Meter{m},
			Brakes: []ledger.Brake{{Meter: m, Max: limit, Window: 24 * time.Hour}}, Writes: []ledger.Write{{Side: ledger.Notion, Op: "update"}}}
		err := s.Commit(t.Context(), c)
		if braked := errors.Is(err, ledger.ErrBraked); braked != (limit == 500) || err != nil && !braked {
			t.Errorf("limit %d: %v", limit, err)
		}
		t.Logf("a commit under a limit of %d: %s", limit, time.Since(began))
	}
	var text string
	err = p.QueryRow(t.Context(), `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM (SELECT FROM tandem.touch t WHERE t.sync = 'acme' AND t.entity = 'contact'
		AND t.side = 'notion' AND t.op = 'update' AND t.field = 'phone' AND t.at > $1 AND t.link <> 1 LIMIT 500) AS found`, since).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	if rows := mostRows(t, text); rows > 600 {
		t.Errorf("a step of the plan read %v rows to count 500:\n%s", rows, text)
	}
}
