package cdc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// rows lists what was read as "topic mark row", and what was streamed as "topic op row".
func rows(t *testing.T, records []Record) (out []string) {
	t.Helper()
	for _, r := range records {
		e := decoded(t, r)
		what := string(e.Op)
		if e.Op == change.Read {
			what = string(e.Source.Snapshot)
		}
		var row []string
		for _, c := range e.After {
			row = append(row, c.Name+"="+string(c.JSON))
		}
		out = append(out, fmt.Sprintf("%s %s %s", strings.TrimPrefix(r.Topic, "crm.public."), what, strings.Join(row, " ")))
	}
	return out
}

// A part of a large table is read, with columns that the statement makes, in the order that it asks for; the order of the tables is that of table.include.list. What the publication
// hides stays hidden, columns have their own types, and the stream has everything.
func TestSnapshotReadsWhatItIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `
		CREATE TABLE orders (id int PRIMARY KEY, total numeric(10,2) NOT NULL, note text, secret text, at timestamp(3));
		INSERT INTO orders SELECT i, i * 1.5, 'n' || i, 's' || i, '2026-01-01' FROM generate_series(1, 6) i;
		CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100); INSERT INTO parts SELECT generate_series(1, 4);
		CREATE TABLE keyless (t text); ALTER TABLE keyless REPLICA IDENTITY FULL; INSERT INTO keyless VALUES ('a'), ('b');
		CREATE TABLE whole (id int PRIMARY KEY); INSERT INTO whole VALUES (1);
		CREATE TABLE unread (id int PRIMARY KEY); INSERT INTO unread VALUES (1);
		CREATE TABLE "Odd.Table" ("Id" int PRIMARY KEY); INSERT INTO "Odd.Table" VALUES (1), (2)`)
	w.config.Tables = []string{`public\.parts`, `public\.(orders|keyless)`, `public\..*`}
	w.config.SnapshotThreads, w.config.snapshotPages = 1, 1
	w.config.SnapshotTables = []string{`public\.(orders|parts|keyless|whole|Odd.Table)`}
	w.config.Overridden = []string{"public.orders", "public.parts", "public.keyless", "public.Odd.Table"}
	w.config.Overrides = map[string]string{
		"public.orders":    "SELECT upper(note) AS note, total::float8 AS total, id::bigint AS id, secret FROM orders WHERE id < 6 ORDER BY id DESC -- the newest",
		"public.parts":     "WITH p AS (SELECT * FROM parts WHERE id > 2) SELECT * FROM p ORDER BY id;\n",
		"public.keyless":   "TABLE keyless LIMIT 1",
		"public.Odd.Table": `SELECT * FROM "Odd.Table" WHERE "Id" = 2`,
	}
	w.config.RowFilters = map[string]string{"public.orders": "id > 2"}
	w.config.Columns.Exclude = []string{`public\.orders\.secret`}
	w.start(t)
	w.exec(t, `INSERT INTO unread VALUES (2); INSERT INTO orders VALUES (100, 1, 'n', 's', NULL)`)
	records := w.kafka.await(t, "the stream", func(r []Record) bool { return string(r[len(r)-1].Key) == `{"id":100}` })
	want := []string{
		`parts first id=3`, `parts last_in_data_collection id=4`,
		`keyless last_in_data_collection t="a"`,
		`orders first_in_data_collection id=5 total="Au4=" note="N5" at=null`, `orders true id=4 total="Alg=" note="N4" at=null`, `orders last_in_data_collection id=3 total="AcI=" note="N3" at=null`,
		`Odd.Table last_in_data_collection Id=2`,
		`whole last id=1`,
		`unread c id=2`, `orders c id=100 total="ZA==" note="n" at=null`,
	}
	if diff := cmp.Diff(want, rows(t, records)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Everything that cannot be is said at the start, in one go, with the table.
func TestStatementsOfSnapshotsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `
		CREATE TABLE good (id int PRIMARY KEY, a text, b text); CREATE TABLE typo (id int PRIMARY KEY); CREATE TABLE writes (id int PRIMARY KEY); CREATE TABLE locks (id int PRIMARY KEY);
		CREATE TABLE lacks (id int PRIMARY KEY, must int NOT NULL, may int); CREATE TABLE more (id int PRIMARY KEY); CREATE TABLE bare (id int PRIMARY KEY); CREATE TABLE unlisted (id int PRIMARY KEY);
		CREATE TABLE param (id int PRIMARY KEY); CREATE TABLE two (id int PRIMARY KEY); CREATE TABLE kind (id int PRIMARY KEY, at timestamp); CREATE TABLE left_out (id int PRIMARY KEY);
		CREATE TABLE filtered (id int PRIMARY KEY, n int)`)
	w.config.Overridden = []string{"public.good", "public.typo", "public.writes", "public.locks", "public.lacks", "public.more", "public.bare", "public.param", "public.two", "public.kind",
		"public.left_out", "public.filtered", "other.table"}
	w.config.Overrides = map[string]string{
		"public.good": "SELECT b, id FROM good", "public.typo": "SELECT * FROM typos", "public.writes": "DELETE FROM writes RETURNING *", "public.locks": "SELECT * FROM locks FOR UPDATE",
		"public.lacks": "SELECT may FROM lacks", "public.more": "SELECT *, 1 AS extra FROM more", "public.bare": " ; ", "public.unlisted": "SELECT 1", "public.param": "SELECT * FROM param WHERE id = $1",
		"public.two": "SELECT * FROM two; SELECT 1", "public.kind": "SELECT id, 1 AS at FROM kind", "public.left_out": "SELECT * FROM left_out", "public.filtered": "SELECT id FROM filtered",
	}
	w.config.RowFilters = map[string]string{"public.filtered": "id > 0 AND n > 0"}
	w.config.SnapshotTables = []string{`public\.[^l].*`, `public\.lacks`, `public\.nothing`}
	problems, err := Check(t.Context(), w.config)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range problems {
		if strings.HasPrefix(p.Path, "snapshot.") {
			got[strings.TrimPrefix(p.Path, overridesKey)+" "+p.Summary] = ""
		}
	}
	want := []string{
		`snapshot.include.collection.list no captured table matches "public\\.nothing"`, `.public.unlisted snapshot.select.statement.overrides does not list public.unlisted`,
		` no captured table is named other.table`, ` public.bare has no statement`, ` public.left_out is not read by snapshots`, ` public.locks is not read by snapshots`,
		`.public.good it leaves out a, which will be null`, `.public.typo PostgreSQL does not take it: relation "typos" does not exist`, `.public.writes PostgreSQL does not take it: syntax error`,
		`.public.locks PostgreSQL does not take it: cannot execute SELECT FOR UPDATE in a read-only transaction`, `.public.lacks it leaves out id, must, which cannot be null`,
		`.public.more it gives extra, and the table has no such column`, `.public.param it must be a SELECT without parameters`,
		`.public.two PostgreSQL does not take it: cannot insert multiple commands`, `.public.kind PostgreSQL does not take it: cannot cast type integer to timestamp`,
		`.public.filtered it leaves out n, which will be null`, `.public.filtered PostgreSQL does not take it: column "n" does not exist`,
	}
	for _, prefix := range want {
		found := false
		for text := range got {
			if strings.HasPrefix(text, prefix) {
				found = true
				delete(got, text)
			}
		}
		if !found {
			t.Errorf("nothing says %q", prefix)
		}
	}
	for text := range got {
		t.Errorf("said besides: %s", text)
	}
}

// What a statement reads may be dropped once the tables are read: the source starts all the same, and says so.
func TestABrokenStatementDoesNotEndASourceThatWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE doc (id int PRIMARY KEY); INSERT INTO doc VALUES (1), (2); CREATE TABLE wanted (id int PRIMARY KEY); INSERT INTO wanted VALUES (2)`)
	w.config.Tables = []string{`public\.doc`}
	w.config.Overridden, w.config.Overrides = []string{"public.doc"}, map[string]string{"public.doc": "SELECT * FROM doc WHERE id IN (SELECT id FROM wanted)"}
	w.start(t).Stop()
	w.exec(t, `DROP TABLE wanted`)
	wantProblems(t, w, `warning: snapshot.select.statement.overrides.public.doc: PostgreSQL does not take it: relation "wanted" does not exist`)
	w.start(t)
	w.exec(t, `INSERT INTO doc VALUES (3)`)
	if diff := cmp.Diff([]string{"doc last id=2", "doc c id=3"}, rows(t, w.kafka.awaitCount(t, 2))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A crash: the table whose statement was being run is read again from its start, the one that Kafka has whole is not.
func TestStatementsOfSnapshotsAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY, filler text DEFAULT repeat('f', 900)); CREATE TABLE b (LIKE a INCLUDING ALL);
		INSERT INTO a SELECT generate_series(1, 40); INSERT INTO b SELECT generate_series(1, 40)`)
	w.atLeastOnce()
	w.config.SnapshotThreads, w.config.snapshotPages, w.config.DrainTimeout = 1, 1, 0
	w.config.Overridden = []string{"public.a", "public.b"}
	w.config.Overrides = map[string]string{"public.a": "SELECT * FROM a WHERE id <= 20", "public.b": "SELECT * FROM b WHERE id <= 20"}
	w.dies(t, 2, 30)
	w.exec(t, `UPDATE a SET filler = 'new' WHERE id IN (5, 30)`)
	from := w.kafka.len()
	again := w.start(t)
	if p := again.Progress()[0]; p.State != TableRead || p.Share != 1 || p.Rows != 0 {
		t.Errorf("the table that was read: %+v", p)
	}
	w.exec(t, `INSERT INTO b VALUES (100)`)
	counts := map[string]int{}
	for _, r := range w.kafka.await(t, "the stream", func(r []Record) bool { return string(r[len(r)-1].Key) == `{"id":100}` })[from:] {
		counts[fmt.Sprint(strings.TrimPrefix(r.Topic, "crm.public."), " ", decoded(t, r).Op)]++
	}
	if diff := cmp.Diff(map[string]int{"b r": 20, "a u": 2, "b c": 1}, counts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A table without columns has rows all the same.
func TestRowsWithoutColumns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE nothing (); ALTER TABLE nothing REPLICA IDENTITY FULL; INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES`)
	w.start(t)
	w.exec(t, `INSERT INTO nothing DEFAULT VALUES`)
	w.exec(t, `DELETE FROM nothing`)
	want := []string{"nothing first ", "nothing last ", "nothing c ", "nothing d ", "nothing d ", "nothing d "}
	if diff := cmp.Diff(want, rows(t, w.kafka.awaitCount(t, len(want)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
