package crm

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
	"github.com/tandem-sync/tandem/sink"
)

// world is a CRM as Doctrine makes it, with the example mappings, and a ledger that counts commits in a table of its own.
type world struct {
	t        *testing.T
	pool     *pgxpool.Pool
	entities map[string]*mapping.Entity
}

type tableLedger struct{}

func (tableLedger) CommitTx(ctx context.Context, tx pgx.Tx, c ledger.Commit) error {
	_, err := tx.Exec(ctx, "INSERT INTO public.committed VALUES ($1)", c.Link)
	return err
}

func newWorld(t *testing.T, docs ...string) *world {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	w := &world{t: t, pool: pool, entities: map[string]*mapping.Entity{}}
	w.exec(string(read(t, "../../deploy/examples/crm.sql")))
	w.exec(`CREATE TABLE public.committed (link bigint);
		INSERT INTO company VALUES (1, 'Acme'), (2, 'Société Générale');
		INSERT INTO tag VALUES (1, 'VIP'), (2, 'Partner');
		INSERT INTO contact (id, company_id, full_name, email, phone, birthday, notes, custom_fields, password_hash, created_at, updated_at) VALUES
		  (1, 1, 'Zoë 李', 'zoe@example.com', '+33612345678', '1980-02-29', 'E''s 🙂 note', '{"vip_level": 3, "huge": 12345678901234567890.123, "active": true, "city": "Lyon", "nested": {"a": 1}}', 'secret', '2026-01-10 12:00:00', '2026-01-10 12:00:00'),
		  (2, NULL, 'Bo', NULL, NULL, NULL, NULL, '[]', 'secret', '2026-07-10 12:00:00', '2026-07-10 12:00:00'),
		  (3, NULL, 'Gone', 'gone@example.com', NULL, NULL, NULL, NULL, 'secret', '2026-07-10 12:00:00', '2026-07-10 12:00:00');
		UPDATE contact SET deleted_at = '2026-08-01 00:00:00' WHERE id = 3;
		SELECT setval('contact_id_seq', 10);
		INSERT INTO contact_tag VALUES (1, 1);
		INSERT INTO opportunity (id, contact_id, name, stage, amount, created_at, updated_at) VALUES (1, 1, 'Big deal', 'proposal', 1234.50, now(), now());
		INSERT INTO opportunity_contact VALUES (1, 1), (1, 2);
		INSERT INTO opportunity_attribute VALUES (1, 1, 'budget', 'number', '1000'), (2, 1, 'nda', 'boolean', '1'), (3, 1, 'region', 'text', 'South'), (4, 1, 'empty', 'text', NULL);
		SELECT setval('opportunity_id_seq', 10), setval('opportunity_attribute_id_seq', 10), setval('company_id_seq', 10), setval('tag_id_seq', 10);`)
	var parsed []mapping.Document
	if len(docs) == 0 {
		for _, name := range []string{"contact", "opportunity", "task"} {
			docs = append(docs, string(read(t, "../../deploy/examples/mappings/"+name+".json")))
		}
	}
	for _, text := range docs {
		d, ds := mapping.Parse([]byte(text))
		if ds.HasErrors() {
			t.Fatal(ds.Err())
		}
		parsed = append(parsed, d)
	}
	entities, ds := mapping.Compile(parsed)
	if ds.HasErrors() {
		t.Fatal(ds.Err())
	}
	for _, e := range entities {
		w.entities[e.Name] = e
	}
	return w
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func scalar[T any](w *world, sql string, args ...any) T {
	w.t.Helper()
	var v T
	if err := w.pool.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func (w *world) rows(entity string) *Rows {
	w.t.Helper()
	r, err := NewRows(RowsConfig{Entity: w.entities[entity], Pool: w.pool, Ledger: tableLedger{}})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// write does one write and gives its result; the ledger's commit must have happened with it.
func (w *world) write(r *Rows, req sink.RowWrite) (sink.RowResult, error) {
	w.t.Helper()
	before := scalar[int](w, "SELECT count(*) FROM committed")
	var got sink.RowResult
	err := r.Write(w.t.Context(), req, func(res sink.RowResult) (ledger.Commit, error) {
		got = res
		return ledger.Commit{Link: 1}, nil
	})
	after := scalar[int](w, "SELECT count(*) FROM committed")
	if want := map[bool]int{true: 1, false: 0}[err == nil]; after-before != want {
		w.t.Errorf("%d ledger commits came with the write (error %v), want %d", after-before, err, want)
	}
	return got, err
}

// mustWrite is write without an error.
func (w *world) mustWrite(r *Rows, req sink.RowWrite) sink.RowResult {
	w.t.Helper()
	res, err := w.write(r, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) image(r *Rows, key string) sink.Row {
	w.t.Helper()
	snap, err := r.Read(w.t.Context(), []string{key})
	if err != nil {
		w.t.Fatal(err)
	}
	return snap.Rows[key]
}

func text(s string) change.Value { return change.TextValue(s) }
func null() change.Value         { return change.NullValue() }
func dec(s string) change.Value  { return change.DecimalValue(s) }
