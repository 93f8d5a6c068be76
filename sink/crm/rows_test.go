package crm

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

func date(s string) change.Value {
	v, err := change.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return v
}

func instant(s string) change.Value {
	v, err := change.ParseTimestampTZ(s)
	if err != nil {
		panic(err)
	}
	return v
}

func TestReadGivesWhatPostgresSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	snap, err := w.rows("contact").Read(t.Context(), []string{"1", "2", "3", "99", "no number", "99999999999999999999", ""})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]sink.Row{
		"1": {Key: "1", Exists: true, InScope: true, Image: change.Image{
			"name": text("Zoë 李"), "email": text("zoe@example.com"), "phone": text("+33612345678"), "job_title": null(), "company": text("Acme"),
			"tags": change.TextSet("VIP"), "website": null(), "birthday": date("1980-02-29"), "newsletter": change.BoolValue(false),
			"notes": text("E's 🙂 note"), "created": instant("2026-01-10T11:00:00Z"), // winter in Paris
			"custom.vip_level": dec("3"), "custom.huge": dec("12345678901234567890.123"), "custom.active": change.BoolValue(true),
			"custom.city": text("Lyon"), "custom.nested": change.JSONValue(`{"a": 1}`),
		}},
		"2": {Key: "2", Exists: true, InScope: true, Image: change.Image{
			"name": text("Bo"), "email": null(), "phone": null(), "job_title": null(), "company": null(), "tags": change.SetValue(), "website": null(),
			"birthday": null(), "newsletter": change.BoolValue(false), "notes": null(), "created": instant("2026-07-10T10:00:00Z"), // summer
		}},
		"99": {Key: "99"}, "no number": {Key: "no number"}, "99999999999999999999": {Key: "99999999999999999999"}, "": {},
	}
	gone := snap.Rows["3"]
	if gone.Exists || !gone.Soft {
		t.Errorf("the soft-deleted row reads as Exists %v Soft %v", gone.Exists, gone.Soft)
	}
	delete(snap.Rows, "3")
	if diff := cmp.Diff(want, snap.Rows); diff != "" {
		t.Error(diff)
	}
	if time.Since(snap.At).Abs() > time.Minute {
		t.Errorf("the snapshot was taken at %v", snap.At)
	}
}

func TestReadRelationsAndAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`INSERT INTO opportunity_attribute VALUES (5, 1, 'broken', 'number', 'many')`)
	row := w.image(w.rows("opportunity"), "1")
	want := change.Image{
		"name": text("Big deal"), "stage": text("proposal"), "amount": dec("1234.50"), "probability": null(), "expected_close": null(),
		"contact": change.TextSet("1"), "stakeholders": change.TextSet("1", "2"), "description": null(),
		"custom.budget": dec("1000"), "custom.nda": change.BoolValue(true), "custom.region": text("South"), "custom.empty": null(),
	}
	if diff := cmp.Diff(want, row.Image); diff != "" {
		t.Error(diff)
	}
	if reason := row.Problems["custom.broken"]; !strings.Contains(reason, "no number") {
		t.Errorf("the broken number is told as %q", reason)
	}
}

// A commit reaches the slot before other sessions see it: the snapshot must tell.
func TestSnapshotKnowsWhichTransactionsItShows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var xid uint32
	if err := tx.QueryRow(t.Context(), "WITH u AS (UPDATE contact SET notes = 'x' WHERE id = 2 RETURNING 1) SELECT txid_current()::bigint FROM u").Scan(&xid); err != nil {
		t.Fatal(err)
	}
	r := w.rows("contact")
	running, err := r.Read(t.Context(), []string{"2"})
	if err != nil {
		t.Fatal(err)
	}
	if running.Visible(xid) {
		t.Error("a running transaction counts as seen")
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := r.Read(t.Context(), []string{"2"})
	if err != nil {
		t.Fatal(err)
	}
	if !after.Visible(xid) || !after.Visible(0) {
		t.Error("a committed transaction counts as not seen")
	}
	if running.Visible(xid) {
		t.Error("the old snapshot changed its mind")
	}
}

func TestUpdateIsCompareAndSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("contact")
	res := w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1",
		Expect: change.Image{"email": text(" ZOE@example.com "), "job_title": null()},
		Set:    change.Image{"email": text("new@example.com"), "job_title": text("CEO"), "birthday": date("1981-03-01"), "newsletter": change.BoolValue(true)}})
	if res.Stale || !res.Image["email"].Equal(text("new@example.com")) || !res.Image["birthday"].Equal(date("1981-03-01")) {
		t.Fatalf("the write answered %+v", res)
	}
	if n := scalar[int](w, "SELECT count(*) FROM contact WHERE id = 1 AND email = 'new@example.com' AND newsletter AND updated_at > now() - interval '1 day' AND password_hash = 'secret'"); n != 1 {
		t.Error("the row does not hold what was written")
	}
	res = w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Expect: change.Image{"email": text("zoe@example.com")}, Set: change.Image{"email": text("late@example.com")}})
	if !res.Stale || !res.Image["email"].Equal(text("new@example.com")) {
		t.Errorf("a write on a stale image answered %+v", res)
	}
	for _, gone := range []string{"3", "99"} {
		if res = w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: gone, Set: change.Image{"notes": text("x")}}); !res.Stale {
			t.Errorf("a write to the deleted row %s was done", gone)
		}
	}
}

func TestEqualValuesAreNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustWrite(w.rows("contact"), sink.RowWrite{Op: sink.RowUpdate, Key: "1",
		Set: change.Image{"email": text("Zoe@Example.com"), "tags": change.TextSet("VIP"), "custom.vip_level": dec("3"), "custom.none": null()}})
	if n := scalar[int](w, "SELECT count(*) FROM contact WHERE id = 1 AND updated_at = '2026-01-10 12:00:00' AND email = 'zoe@example.com'"); n != 1 {
		t.Error("a write that changes nothing touched the row")
	}
}

func TestWriteShowsWhatTriggersDid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.full_name := upper(NEW.full_name); RETURN NEW; END $$;
		CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON contact FOR EACH ROW EXECUTE FUNCTION shout()`)
	res := w.mustWrite(w.rows("contact"), sink.RowWrite{Op: sink.RowUpdate, Key: "2", Set: change.Image{"name": text("bob")}})
	if !res.Image["name"].Equal(text("BOB")) {
		t.Errorf("the answer shows %v, the database holds what its trigger made of it", res.Image["name"])
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("contact")
	res := w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "2", Set: change.Image{"company": text("société générale"), "tags": change.TextSet("Partner", "New tag")}})
	if !res.Image["company"].Equal(text("Société Générale")) || !res.Image["tags"].Equal(change.TextSet("New tag", "Partner")) {
		t.Errorf("lookups hold %v", res.Image)
	}
	res = w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"company": text("Brand new"), "tags": change.SetValue()}})
	if !res.Image["company"].Equal(text("Brand new")) || !res.Image["tags"].Equal(change.SetValue()) {
		t.Errorf("lookups hold %v", res.Image)
	}
	if n := scalar[int](w, "SELECT count(*) FROM company"); n != 3 {
		t.Errorf("%d companies, want the two and the new one", n)
	}
	w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"company": null()}})
	if n := scalar[int](w, "SELECT count(*) FROM contact WHERE id = 1 AND company_id IS NULL"); n != 1 {
		t.Error("an emptied company stayed")
	}
}

func TestUnknownAndAmbiguousLabelsAreRefused(t *testing.T) {
	t.Parallel()
	doc := strings.ReplaceAll(string(read(t, "../../deploy/examples/mappings/contact.json")), `"unknown": "create"`, `"unknown": "park"`)
	w := newWorld(t, doc)
	w.exec(`DROP INDEX UNIQ_4FBF094F5E237E06; INSERT INTO company VALUES (3, 'acme '), (4, 'ACME'), (5, 'Twin'), (6, 'Twin')`)
	r := w.rows("contact")
	for label, want := range map[string]string{"Nowhere": "is unknown in the CRM", "Twin": "several entries", "aCme": "several entries"} {
		_, err := w.write(r, sink.RowWrite{Op: sink.RowUpdate, Key: "2", Set: change.Image{"company": text(label)}})
		var data *sink.DataError
		if !errors.As(err, &data) || data.Field != "company" || !strings.Contains(data.Reason, want) {
			t.Errorf("%s: %v", label, err)
		}
	}
	w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "2", Set: change.Image{"company": text("Acme")}})
	if id := scalar[int](w, "SELECT company_id FROM contact WHERE id = 2"); id != 1 {
		t.Errorf("company %d, want the one that is spelled alike", id)
	}
}

func TestInsertAndDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("opportunity")
	res := w.mustWrite(r, sink.RowWrite{Op: sink.RowInsert, Set: change.Image{"name": text("From Notion"), "stage": null(), "amount": dec("10.25"),
		"contact": change.TextSet("2"), "stakeholders": change.TextSet("1"), "custom.budget": dec("7"), "description": null()}})
	if res.Key != "11" || !res.Image["stage"].Equal(text("new")) || !res.Image["custom.budget"].Equal(dec("7")) {
		t.Fatalf("the insert answered %+v", res)
	}
	if n := scalar[int](w, "SELECT count(*) FROM opportunity o JOIN opportunity_attribute a ON a.opportunity_id = o.id AND a.type = 'number' WHERE o.id = 11 AND o.created_at IS NOT NULL AND o.version = 1"); n != 1 {
		t.Error("the new row lacks what is set on inserts, or its attribute")
	}
	stale := w.mustWrite(r, sink.RowWrite{Op: sink.RowDelete, Key: "11", Expect: change.Image{"name": text("Another name")}})
	if !stale.Stale {
		t.Error("a row that was edited meanwhile was deleted")
	}
	gone := w.mustWrite(r, sink.RowWrite{Op: sink.RowDelete, Key: "11", Expect: change.Image{"name": text("From Notion")}})
	if gone.Stale || w.image(r, "11").Exists || !w.image(r, "11").Soft {
		t.Errorf("the delete answered %+v", gone)
	}
}

func TestHardDelete(t *testing.T) {
	t.Parallel()
	doc := `{"sync": "s", "entity": "tag", "crm": {"table": "public.tag", "key": "id", "new_key": "sequence:public.tag_id_seq"}, "notion": {"database": "Tags"},
		"fields": [{"name": "label", "column": "label", "type": "title"}], "deletes": {"to_crm": "delete"}, "creates": {"to_crm": true}, "mode": {"to_crm": "write"}}`
	w := newWorld(t, doc)
	w.exec("ALTER TABLE contact_tag DROP CONSTRAINT FK_E5BF4D0CBAD26311; ALTER TABLE contact_tag ADD CONSTRAINT keep FOREIGN KEY (tag_id) REFERENCES tag (id)")
	r := w.rows("tag")
	var data *sink.DataError
	if _, err := w.write(r, sink.RowWrite{Op: sink.RowDelete, Key: "1"}); !errors.As(err, &data) || !strings.Contains(data.Reason, "still refer") {
		t.Errorf("the delete of a row that others refer to: %v", err)
	}
	w.mustWrite(r, sink.RowWrite{Op: sink.RowDelete, Key: "2"})
	if w.image(r, "2").Exists {
		t.Error("the row is still there")
	}
}

func TestRefusalsNameTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`ALTER TABLE contact ADD CONSTRAINT sane_birthday CHECK (birthday > '1900-01-01');
		CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.notes = 'forbidden' THEN RAISE EXCEPTION 'not this word'; END IF; RETURN NEW; END $$;
		CREATE TRIGGER no BEFORE UPDATE ON contact FOR EACH ROW EXECUTE FUNCTION no()`)
	tests := []struct {
		entity, field string
		value         change.Value
		want          string
	}{
		{"contact", "email", text("gone@example.com"), "another row has this value"},
		{"contact", "name", null(), "wants a value in the column full_name"},
		{"contact", "birthday", date("1850-01-01"), "rule sane_birthday"},
		{"contact", "job_title", text(strings.Repeat("é", 121)), "121 characters, the CRM's column holds 120"},
		{"contact", "notes", text("forbidden"), "not this word"}, // the database does not say which column its trigger meant
		{"opportunity", "contact", change.TextSet("12345"), "what it refers to is not there"},
		{"opportunity", "contact", change.TextSet("1", "2"), "keeps one related contact"},
		{"opportunity", "amount", dec("12345678901234"), "beyond what the CRM's column holds"},
		{"opportunity", "probability", dec("0.5"), "whole number"},
		{"opportunity", "probability", dec("70000"), "beyond what"},
		{"opportunity", "stakeholders", change.TextSet("1", "2", "77"), "what it refers to is not there"},
	}
	other := map[string]string{"contact": "website", "opportunity": "description"} // a write of two fields: the error must say which
	for _, tt := range tests {
		t.Run(tt.field+" "+tt.want, func(t *testing.T) {
			_, err := w.write(w.rows(tt.entity), sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{tt.field: tt.value, other[tt.entity]: text("x")}})
			var data *sink.DataError
			if !errors.As(err, &data) || data.Field != tt.field && tt.field != "notes" || !strings.Contains(data.Reason, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Nothing outside the allow-list is ever written, whatever is asked and however the statement came to be.
func TestNoColumnIsSmuggled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("contact")
	for _, name := range []string{"password_hash", "created", "id", "custom_fields", `email" = 'x', "password_hash`, "custom.", "custom._x", "deleted_at"} {
		if _, err := w.write(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{name: text("owned")}}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%q: %v", name, err)
		}
	}
	p, err := r.planned(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, column := range []string{"password_hash", "created_at; DROP TABLE contact", "full_name "} {
		s := p.statement()
		s.set("full_name", "'x'")
		s.set(column, "'owned'")
		if _, _, err := s.update("1"); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("an update of %q left the builder: %v", column, err)
		}
		if _, _, err := s.insert(p.keys); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("an insert of %q left the builder: %v", column, err)
		}
	}
	if strings.Contains(p.query.SQL, "password") {
		t.Error("the image query reads what the mapping does not name")
	}
	if got := scalar[string](w, "SELECT password_hash FROM contact WHERE id = 1"); got != "secret" {
		t.Errorf("the column holds %q", got)
	}
}

func TestHostileNamesAndValues(t *testing.T) {
	t.Parallel()
	doc := `{"sync": "s", "entity": "odd", "crm": {"table": "\"we\"\"ird\".\"Ta.ble\"", "key": ["a b", "SELECT"], "where": "\"x'y\" <> 'hidden'"}, "notion": {"database": "Odd"},
		"fields": [{"name": "t", "column": "x'y", "type": "title"}], "mode": {"to_crm": "write"}}`
	w := newWorld(t, doc)
	w.exec(`CREATE SCHEMA "we""ird"; CREATE TABLE "we""ird"."Ta.ble" ("a b" text, "SELECT" uuid, "x'y" text, PRIMARY KEY ("a b", "SELECT"));
		INSERT INTO "we""ird"."Ta.ble" VALUES ('"q", [1]', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'one'), ('z', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', 'hidden')`)
	r := w.rows("odd")
	keys, err := r.Keys(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	key := mapping.JoinKey(`"q", [1]`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
	if diff := cmp.Diff([]string{key}, keys); diff != "" {
		t.Fatal(diff)
	}
	evil := `'); DROP TABLE contact; --\`
	res := w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: key, Expect: change.Image{"t": text("one")}, Set: change.Image{"t": text(evil)}})
	if !res.Image["t"].Equal(text(evil)) {
		t.Errorf("got %v", res.Image)
	}
	if row := w.image(r, mapping.JoinKey("z", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12")); !row.Exists || row.InScope {
		t.Errorf("the row outside of where reads as %+v", row)
	}
}

func TestManyRowsAreOneSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec("INSERT INTO contact (id, full_name, created_at, updated_at) SELECT n, 'c' || n, now(), now() FROM generate_series(1000, 2199) n")
	keys := make([]string, 1200)
	for i := range keys {
		keys[i] = strconv.Itoa(1000 + i)
	}
	snap, err := w.rows("contact").Read(t.Context(), append(keys, "1000"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if row := snap.Rows[k]; !row.Exists || !row.Image["name"].Equal(text("c"+k)) {
			t.Fatalf("row %s reads as %+v", k, row)
		}
	}
}

func TestKeysPageThroughTheScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec("INSERT INTO contact (id, full_name, created_at, updated_at) SELECT n, 'c' || n, now(), now() FROM generate_series(100, 119) n")
	r := w.rows("contact")
	var all []string
	for after := ""; ; {
		keys, err := r.Keys(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, keys...)
		if len(keys) < 7 {
			break
		}
		after = keys[6]
	}
	if len(all) != 22 || all[0] != "1" || all[1] != "2" || all[21] != "119" {
		t.Errorf("keys %v: want 1, 2 and 100 to 119, without the deleted 3", all)
	}
}

func TestWriteEndsOnceDespiteDeadlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("contact")
	calls := 0
	err := r.Write(t.Context(), sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"notes": text("n")}}, func(sink.RowResult) (ledger.Commit, error) {
		return ledger.Commit{Link: int64(calls)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.ledger = committerFunc(func(ctx context.Context, tx pgx.Tx, _ ledger.Commit) error {
		if calls++; calls < 3 {
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")
			return err
		}
		return nil
	})
	if _, err := w.writeQuiet(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"notes": text("m")}}); err != nil || calls != 3 {
		t.Errorf("after %d attempts: %v", calls, err)
	}
	r.ledger = committerFunc(func(context.Context, pgx.Tx, ledger.Commit) error { return ledger.ErrFenced })
	if _, err := w.writeQuiet(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"notes": text("fenced")}}); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("the ledger's error came back as %v", err)
	}
	if got := scalar[string](w, "SELECT notes FROM contact WHERE id = 1"); got != "m" {
		t.Errorf("the row holds %q after a commit that was fenced", got)
	}
}

// Of two writers that decided on the same image one writes; the other finds out under the lock.
func TestTwoWritersOneWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("contact")
	results := make(chan sink.RowResult, 2)
	var writers errgroup.Group
	for _, name := range []string{"left", "right"} {
		writers.Go(func() error {
			return r.Write(t.Context(), sink.RowWrite{Op: sink.RowUpdate, Key: "2", Expect: change.Image{"notes": null()}, Set: change.Image{"notes": text(name)}},
				func(res sink.RowResult) (ledger.Commit, error) { results <- res; return ledger.Commit{}, nil })
		})
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	if a, b := <-results, <-results; a.Stale == b.Stale || !a.Image["notes"].Equal(b.Image["notes"]) {
		t.Errorf("stale %v and %v, with %v and %v", a.Stale, b.Stale, a.Image["notes"], b.Image["notes"])
	}
}

func TestALockIsWaitedForAndThenTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("contact")
	r.config.LockTimeout = 50 * time.Millisecond
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM contact WHERE id = 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	_, err = w.write(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"notes": text("x")}})
	var failed *Failure
	if !errors.As(err, &failed) || !failed.Retryable() || !strings.Contains(err.Error(), "holds a lock") {
		t.Errorf("got %v", err)
	}
}

func TestTheTableMayChangeUnderUs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.rows("opportunity")
	w.image(r, "1")
	w.exec("ALTER TABLE opportunity ALTER probability TYPE numeric(5,2)")
	res, err := w.write(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"probability": dec("0.5")}})
	if err != nil { // the first write may learn of it; the next knows
		res = w.mustWrite(r, sink.RowWrite{Op: sink.RowUpdate, Key: "1", Set: change.Image{"probability": dec("0.5")}})
	}
	if !res.Image["probability"].Equal(dec("0.50")) && !res.Image["probability"].Equal(dec("0.5")) {
		t.Errorf("got %v", res.Image["probability"])
	}
}

type committerFunc func(context.Context, pgx.Tx, ledger.Commit) error

func (f committerFunc) CommitTx(ctx context.Context, tx pgx.Tx, c ledger.Commit) error {
	return f(ctx, tx, c)
}

func (w *world) writeQuiet(r *Rows, req sink.RowWrite) (sink.RowResult, error) {
	var got sink.RowResult
	err := r.Write(w.t.Context(), req, func(res sink.RowResult) (ledger.Commit, error) { got = res; return ledger.Commit{}, nil })
	return got, err
}
