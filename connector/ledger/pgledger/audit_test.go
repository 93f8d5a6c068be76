package pgledger_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// audited gives a ledger of its own.
func audited(t *testing.T) (*pgledger.Store, *pgxpool.Pool) {
	t.Helper()
	p := pool(t, pgtest.Database(t))
	s := pgledger.New(p)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, p
}

// record stores one write of a row's link, as a sink would.
func record(t *testing.T, s *pgledger.Store, key string, at time.Time, writes ...ledger.Write) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	reason := ledger.Reason{Sync: "s", Entity: "contact", Side: ledger.CRM, Key: key, Why: "poll"}
	if err := s.Add(ctx, at, []ledger.Reason{reason}); err != nil {
		t.Fatal(err)
	}
	found, err := s.ByKey(ctx, "s", "contact", []string{key})
	if err != nil {
		t.Fatal(err)
	}
	items, err := s.Take(ctx, ledger.Claim{Sync: "s", Side: ledger.CRM, Holder: "test", Lease: time.Minute, Now: at, Link: found[key].ID})
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	l := items[0].Link
	conflict := ledger.Conflict{ID: fmt.Sprintf("c-%d-%d", l.ID, l.Epoch), Field: "phone", Base: text("1"), CRM: text("2"), Notion: text("3"), Winner: ledger.Notion, Rule: "tie", At: at}
	err = s.Commit(ctx, ledger.Commit{Link: l.ID, Epoch: l.Epoch, Now: at, Writes: writes, Conflicts: []ledger.Conflict{conflict}, Release: true})
	if err != nil {
		t.Fatal(err)
	}
}

func text(s string) change.Value { return change.TextValue(s) }

func phone(old, new string) ledger.Write {
	return ledger.Write{Side: ledger.CRM, Op: "update", Old: change.Image{"phone": text(old)}, New: change.Image{"phone": text(new), "name": change.NullValue()}, Why: "poll", Run: "run-1", By: "Notion user ann"}
}

// What was written reads back as it was, and so does a conflict, though history rows hold none of the values.
func TestHistoryNamesValuesThatStandElsewhere(t *testing.T) {
	t.Parallel()
	s, p := audited(t)
	record(t, s, "7", noon, phone("+49 1\x00", "+49 2"))
	if n := count(t, p, `SELECT count(*) FROM tandem.write WHERE to_jsonb(old)::text LIKE '%+49%' OR new::text LIKE '%+49%'`); n != 0 {
		t.Error("a history row holds a value")
	}
	got, err := s.Audit(t.Context(), pgledger.AuditFilter{Sync: "s", Key: "7", Field: "phone", By: "ANN"})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	want := pgledger.AuditRow{N: got[0].N, Link: got[0].Link, At: noon, Entity: "contact", Key: "7", Side: "crm", Op: "update", Field: "phone",
		Was: text("+49 1\x00"), Became: text("+49 2"), Why: "poll", By: "Notion user ann", Run: "run-1"}
	if d := cmp.Diff(want, got[0], cmp.Comparer(change.Equal)); d != "" {
		t.Error(d)
	}
	conflicts, err := s.Conflicts(t.Context(), "s", 0, 10)
	if err != nil || len(conflicts) != 1 || !conflicts[0].Base.Equal(text("1")) || !conflicts[0].CRM.Equal(text("2")) || !conflicts[0].Notion.Equal(text("3")) {
		t.Error(conflicts, err)
	}
}

// Nobody changes or removes history by an ordinary statement, the owner neither.
func TestHistoryIsAppendOnly(t *testing.T) {
	t.Parallel()
	s, p := audited(t)
	record(t, s, "7", noon, phone("a", "b"))
	for _, sql := range []string{
		`UPDATE tandem.write SET why = 'nothing happened'`, `UPDATE tandem.write SET old = NULL, position = 1, hash = 'x'`, `DELETE FROM tandem.write`, `TRUNCATE tandem.write`,
		`UPDATE tandem.value SET data = '"c"'`, `DELETE FROM tandem.value`, `TRUNCATE tandem.value`,
	} {
		if _, err := p.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// Whoever gets past the database's refusal is found out: a changed row, a changed value, a missing row, an end that was cut off.
func TestTheChainShowsWhatWasChanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql, want string }{
		{"nothing", ``, ""},
		{"a row", `UPDATE tandem.write SET author = 'Bob' WHERE position = 2`, "at place 2, was changed"},
		{"a hash", `UPDATE tandem.write SET hash = sha256('x') WHERE position = 2`, "at place 2, was changed"},
		{"a row gone", `DELETE FROM tandem.write WHERE position = 2`, "1 writes are missing"},
		{"the end gone", `DELETE FROM tandem.write WHERE position = 3`, "ends at place 2, and was 3 long"},
		{"a value", `UPDATE tandem.value SET data = '"+1"' WHERE data::text = '"b"'`, "2 values were changed"},
		{"a value gone", `DELETE FROM tandem.value WHERE data::text = '"b"'`, "2 values that writes name are missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, p := audited(t)
			for i := range 3 {
				record(t, s, "7", noon.Add(time.Duration(i)*time.Second), phone(string(rune('a'+i)), string(rune('b'+i))+map[bool]string{true: "", false: "!"}[i == 0]))
			}
			if n, err := s.Chain(t.Context(), "s", 100); err != nil || n != 3 {
				t.Fatal(n, err)
			}
			if _, err := p.Exec(t.Context(), `SET LOCAL session_replication_role = 'replica';`+c.sql); err != nil { // a superuser can
				t.Fatal(err)
			}
			report, err := s.CheckChain(t.Context(), "s")
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(report.Problems, "; "); !strings.Contains(all, c.want) || c.want == "" && (all != "" || report.Rows != 3 || len(report.Head) != 64) {
				t.Errorf("%+v, want %q", report, c.want)
			}
		})
	}
}

// Rows that become visible out of order are chained all the same, and no commit waits for the chain.
func TestChainingWhileMany(t *testing.T) {
	t.Parallel()
	s, p := audited(t)
	slow, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback(context.WithoutCancel(t.Context()))
	if _, err := slow.Exec(t.Context(), `INSERT INTO tandem.write (link, sync, entity, side, op, why, at) VALUES (1, 's', 'contact', 'crm', 'update', 'late', now())`); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 10 {
				record(t, s, fmt.Sprint(w), noon, phone("a", fmt.Sprint(i)))
			}
		})
	}
	total := 0
	for chained := 0; total < 40 && !t.Failed(); total += chained {
		if chained, err = s.Chain(t.Context(), "s", 7); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Chain(t.Context(), "s", 7); err != nil || n != 1 {
		t.Fatal("the late one: ", n, err)
	}
	if report, err := s.CheckChain(t.Context(), "s"); err != nil || report.Rows != 41 || len(report.Problems) != 0 {
		t.Fatal(report, err)
	}
}

// Retention takes the beginning of the chain with its values; what is left still proves itself.
func TestRetentionCutsTheBeginning(t *testing.T) {
	t.Parallel()
	s, p := audited(t)
	for i := range 4 {
		record(t, s, "7", noon.Add(time.Duration(i)*24*time.Hour), phone("a", "b"))
	}
	if _, err := s.Chain(t.Context(), "s", 100); err != nil {
		t.Fatal(err)
	}
	now := noon.Add(4 * 24 * time.Hour)
	if n, err := s.Retain(t.Context(), "s", noon.Add(36*time.Hour), now); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	report, err := s.CheckChain(t.Context(), "s")
	if err != nil || report.Rows != 2 || report.Cut != 2 || len(report.Problems) != 0 {
		t.Fatal(report, err)
	}
	if n := count(t, p, `SELECT count(*) FROM tandem.value`); n != 2*(3+3) {
		t.Errorf("%d values are left", n)
	}
	if n, err := s.Retain(t.Context(), "s", now, now); err != nil || n != 1 {
		t.Errorf("the last day was taken too: %d %v", n, err)
	}
}

// A ledger from before the audit keeps its history: values move, and read as they did.
func TestOldHistoryMoves(t *testing.T) {
	t.Parallel()
	p := pool(t, pgtest.Database(t))
	if _, err := p.Exec(t.Context(), `CREATE SCHEMA tandem; CREATE TABLE tandem.schema_version (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		if strings.HasSuffix(f.Name(), "_audit.sql") {
			break
		}
		sql, err := os.ReadFile("migrations/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Exec(t.Context(), string(sql)+fmt.Sprintf(`; INSERT INTO tandem.schema_version VALUES (%d)`, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	const old = `INSERT INTO tandem.write (link, sync, entity, key, side, op, old, new, why, at)
			VALUES (1, 's', 'contact', '7', 'crm', 'update', NULL, '{"phone":"+49\u0000","n":{"int":"3"},"nil":null}', 'poll', now());
		INSERT INTO tandem.conflict (id, link, sync, entity, at, detail) VALUES ('x', 1, 's', 'contact', now(), '{"id":"x","field":"phone","crm":"A","notion":null,"winner":"crm"}')`
	if _, err := p.Exec(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	s := pgledger.New(p)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Writes(t.Context(), 1, time.Time{}, 10)
	want := change.Image{"phone": text("+49\ufffd"), "n": change.IntValue(3), "nil": change.NullValue()}
	if err != nil || len(got) != 1 || !cmp.Equal(want, got[0].New, cmp.Comparer(change.Equal)) || len(got[0].Old) != 0 {
		t.Errorf("%+v %v", got, err)
	}
	conflicts, err := s.Conflicts(t.Context(), "s", 1, 10)
	if err != nil || len(conflicts) != 1 || conflicts[0].Winner != "crm" || !conflicts[0].CRM.Equal(text("A")) || !conflicts[0].Notion.IsNull() || !conflicts[0].Base.IsAbsent() {
		t.Errorf("%+v %v", conflicts, err)
	}
	if _, err := s.Chain(t.Context(), "s", 10); err != nil {
		t.Fatal(err)
	}
	if report, err := s.CheckChain(t.Context(), "s"); err != nil || len(report.Problems) != 0 || report.Rows != 1 {
		t.Errorf("%+v %v", report, err)
	}
}
