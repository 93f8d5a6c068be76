package cdc

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const publishedColumns = `SELECT attnames::text FROM pg_publication_tables WHERE pubname = 'tandem' AND tablename = $1`

func wantPublished(t *testing.T, w *world, table, want string) {
	t.Helper()
	if got := w.value(t, publishedColumns, table); got != want {
		t.Errorf("published of %s: %s, want %s", table, got, want)
	}
}

// afterOf is the row of a record.
func afterOf(t *testing.T, r Record) string {
	t.Helper()
	var columns []string
	for _, c := range decoded(t, r).After {
		columns = append(columns, c.Name+"="+string(c.JSON))
	}
	return strings.Join(columns, " ")
}

func wantRow(t *testing.T, r Record, want string) {
	t.Helper()
	if got := afterOf(t, r); got != want {
		t.Errorf("%s: got %s, want %s", r.Key, got, want)
	}
}

// What the options leave out does not leave the server: nothing that the slot has to send holds it. The list follows the options and the table.
func TestColumnListsFromOptions(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 15, "lists of columns of publications")
	w := newWorld(t, pgtest.Database(t), `
		CREATE TABLE person (born date, ssn text NOT NULL, id int, name text, note text, PRIMARY KEY (id)); CREATE TABLE plain (id int PRIMARY KEY, t text);
		CREATE TABLE parts (id int PRIMARY KEY, secret text, t text) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
		INSERT INTO person VALUES (NULL, '078-05-1120', 1, 'Ada', 'x')`)
	w.config.Columns.Exclude, w.config.ListMode = []string{`.*\.(ssn|secret|id)`}, listsFromOptions
	w.config.Tables = []string{`public\.(person|plain|parts)`}
	s := w.start(t)
	wantPublished(t, w, "person", "{born,id,name,note}")
	wantPublished(t, w, "parts", "{id,t}")
	if got := w.value(t, `SELECT count(prattrs)::text FROM pg_publication_rel`); got != "2" {
		t.Errorf("%s tables have a list, want 2: one has no column that is left out but its key", got)
	}
	spy := "spy_" + dsnName(w.dsn)
	w.exec(t, `SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, spy)
	defer w.exec(t, `SELECT pg_drop_replication_slot($1)`, spy)
	w.exec(t, `INSERT INTO person VALUES (NULL, '219-09-9999', 2, 'Bob', 'y'); INSERT INTO parts VALUES (1, '219-09-9999', 'z'); UPDATE person SET ssn = '457-55-5462' WHERE id = 1; DELETE FROM person WHERE id = 2`)
	records := w.kafka.awaitCount(t, 6)
	wantRow(t, records[0], `born=null name="Ada" note="x"`)
	wantRow(t, records[1], `born=null name="Bob" note="y"`)
	wantRow(t, records[2], `t="z"`)
	sent := w.value(t, `SELECT string_agg(encode(data, 'escape'), ' ') FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'tandem')`, spy)
	for text, want := range map[string]bool{"Bob": true, "219-09": false, "457-55": false, "ssn": false, "secret": false} {
		if strings.Contains(sent, text) != want {
			t.Errorf("the server sends %q: %t, want %t", text, !want, want)
		}
	}
	// A column more is published when the tables are looked at again; PostgreSQL follows a renaming by itself.
	w.exec(t, `ALTER TABLE person ADD city text; ALTER TABLE person RENAME name TO called`)
	eventually(t, "the new column is published", func() bool { return w.value(t, publishedColumns, "person") == "{born,id,called,note,city}" })
	w.exec(t, `INSERT INTO person VALUES (NULL, '219-09-9999', 3, 'Cyd', 'y', 'Rome')`)
	wantRow(t, w.kafka.awaitCount(t, 7)[6], `born=null called="Cyd" note="y" city="Rome"`)
	// Dropping a listed column with CASCADE takes the table out of the publication; it is put back.
	w.exec(t, `ALTER TABLE person DROP note CASCADE`)
	eventually(t, "the table is published again", func() bool {
		return w.value(t, `SELECT count(*)::text FROM pg_publication_tables WHERE tablename = 'person'`) == "1"
	})
	wantPublished(t, w, "person", "{born,id,called,city}")
	s.Stop()
	w.config.Columns.Exclude = []string{`.*\.secret`}
	w.start(t).Stop()
	if got := w.value(t, `SELECT count(prattrs)::text FROM pg_publication_rel`); got != "1" {
		t.Errorf("%s tables have a list, want 1: nothing of the other is left out any more", got)
	}
}

// Lists that are named, and what PostgreSQL would answer by refusing the application's updates, are looked at before anything is altered.
func TestColumnListsThatAreNamed(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 15, "lists of columns of publications")
	w := newWorld(t, pgtest.Database(t), `
		CREATE TABLE whole (id int PRIMARY KEY, t text); ALTER TABLE whole REPLICA IDENTITY FULL; CREATE TABLE keyed (id int PRIMARY KEY, t text, other text);
		CREATE TABLE typo (id int PRIMARY KEY, t text); CREATE TABLE made (id int PRIMARY KEY, t text, upper text GENERATED ALWAYS AS (upper(t)) STORED);
		CREATE TABLE message (id int PRIMARY KEY, sender text, t text); CREATE TABLE none (id int PRIMARY KEY); INSERT INTO keyed VALUES (1, 'a', 'b')`)
	w.config.ColumnLists = map[string]string{"public.whole": "id,t", "public.keyed": "t", "public.typo": "id, T", "public.gone": "id", "public.message": "id,t", "public.none": ", "}
	if pgtest.Major(t) < 18 {
		w.config.ColumnLists["public.made"] = "id,upper"
	}
	w.config.MessageKeys = "public.message:sender"
	want := []string{
		"publication.column.list.public.gone: no captured table has this name",
		"publication.column.list.public.whole: it has REPLICA IDENTITY FULL",
		"publication.column.list.public.keyed: it lacks id, of the replica identity or the key",
		"publication.column.list.public.typo: the table has no column T",
		"publication.column.list.public.none: it names no column",
		"publication.column.list.public.message: it lacks sender",
		"warning: message.key.columns: deletes in public.message do not hold",
	}
	if pgtest.Major(t) < 18 {
		want = append(want, "publication.column.list.public.made: upper is generated")
	}
	wantProblems(t, w, want...)
	w.config.MessageKeys = ""
	w.config.ColumnLists = map[string]string{"public.keyed": " t , id"}
	w.config.AutoCreate = autoCreateAll
	wantProblems(t, w, "a publication of all tables takes no lists")
}

// Where others keep the publication it is compared, and the statements are named. With those carried out nothing is found wrong, and snapshot and stream have these columns.
func TestColumnListsOfAnOwner(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 15, "lists of columns of publications")
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE keyed (id int PRIMARY KEY, t text, other text); INSERT INTO keyed VALUES (1, 'a', 'b'); CREATE PUBLICATION tandem FOR TABLE keyed WHERE (id > 0)`)
	w.config.ColumnLists, w.config.AutoCreate = map[string]string{"public.keyed": " t , id"}, autoCreateDisabled
	const drop, add = `ALTER PUBLICATION tandem DROP TABLE ONLY "public"."keyed";`, `ALTER PUBLICATION tandem ADD TABLE ONLY "public"."keyed" ("id", "t") WHERE ((id > 0));`
	wantProblems(t, w, "publication.column.list.public.keyed: publication tandem sends other columns, and publication.autocreate.mode is disabled: let its owner run, in one transaction, "+drop+" "+add)
	w.exec(t, drop+add)
	wantProblems(t, w)
	s := w.start(t)
	w.exec(t, `INSERT INTO keyed VALUES (2, 'c', 'd'), (-1, 'e', 'f')`)
	w.exec(t, `INSERT INTO keyed VALUES (3, 'c', 'd')`)
	records := wantRecords(t, w, `r {"id":1}`, `c {"id":2}`, `c {"id":3}`)
	wantRow(t, records[0], `id=1 t="a"`)
	wantRow(t, records[1], `id=2 t="c"`)
	s.Stop()
	w.config.ColumnLists, w.config.AutoCreate = nil, autoCreateFiltered // nothing is said: what is there stays
	w.start(t).Stop()
	wantPublished(t, w, "keyed", "{id,t}")
	w.exec(t, `ALTER TABLE keyed REPLICA IDENTITY FULL`)
	wantProblems(t, w, "warning: publication tandem: it has a list of columns for table public.keyed, which has REPLICA IDENTITY FULL")
	w.exec(t, `ALTER TABLE keyed REPLICA IDENTITY DEFAULT`)
	w.config.ColumnLists = map[string]string{"public.keyed": "id,other"}
	w.config.RowFilters = map[string]string{"public.keyed": "id > 1"}
	w.start(t)
	wantPublished(t, w, "keyed", "{id,other}")
	if got := w.value(t, `SELECT rowfilter FROM pg_publication_tables`); got != "(id > 1)" {
		t.Errorf("row filter %s", got)
	}
}

// With the grants that are printed the role reads nothing that is not published, and captures all that is: snapshots by pages, too, and incremental ones.
func TestTheRightToColumnsIsEnough(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 15, "lists of columns of publications")
	w := newWorld(t, pgtest.Database(t), `
		CREATE TABLE person (id int, ssn text, name text, visible bool, PRIMARY KEY (id)); INSERT INTO person SELECT i, 'secret', repeat('x', 500), true FROM generate_series(1, 100) i;
		CREATE TABLE parts (id int PRIMARY KEY, secret text, t text) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1, 'secret', 't');
		CREATE TABLE plain (id int PRIMARY KEY, t text)`)
	w.config.Columns.Exclude, w.config.ListMode = []string{`.*\.(ssn|secret|visible)`}, listsFromOptions
	w.config.RowFilters = map[string]string{"public.person": "id > 0"}
	w.config.SnapshotThreads, w.config.snapshotPages = 2, 2
	role := "columns_" + dsnName(w.dsn)
	w.exec(t, `CREATE ROLE `+role+` LOGIN REPLICATION PASSWORD 'x'`)
	t.Cleanup(func() { // nobody is waiting for these
		_, _ = w.db.Exec(context.Background(), `DROP OWNED BY `+role)
		_, _ = w.db.Exec(context.Background(), `DROP ROLE `+role)
	})
	statements, err := Grants(t.Context(), w.config, role)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range statements {
		w.exec(t, sql)
	}
	all := strings.Join(statements, "\n")
	wantIn(t, all, `GRANT SELECT ("id", "name", "ctid", "xmin") ON TABLE "public"."person" TO "`+role+`"`)
	wantIn(t, all, `GRANT SELECT ON TABLE "public"."plain"`)
	u, err := url.Parse(w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "x")
	w.config.Database.DSN, w.config.AutoCreate, w.config.RowFilters = config.NewSecret(u.String()), autoCreateDisabled, nil
	wantProblems(t, w)
	signals := newMemorySignals()
	w.startWith(t, signals)
	w.exec(t, `UPDATE parts SET t = 'u'`)
	w.kafka.awaitCount(t, 102)
	signals.send(executeSignal("public.person"))
	records := w.kafka.awaitCount(t, 202)
	for _, r := range records {
		if strings.Contains(string(r.Value), "secret") {
			t.Fatalf("%s: %s", r.Key, r.Value)
		}
	}
	conn, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `SELECT ssn FROM person`); err == nil {
		t.Error("the role reads what is not published")
	}
}

func TestListsNeedOptionsToGoBy(t *testing.T) {
	t.Parallel()
	var c Config
	err := config.Decode(config.Map{"name": "cdc", "connector.class": "cdc.PostgresSource", "topic.prefix": "x", "table.include.list": ".*", "database.hostname": "x", "database.dbname": "x",
		"publication.column.lists": "from.options"}, config.Resolver{}, &c)
	wantIn(t, err.Error(), "publication.column.lists: from.options goes by column.include.list or column.exclude.list, and neither is given")
}

// What somebody alters by hand while we stream is named while we stream: PostgreSQL sends nothing that would tell.
func TestThePublicationIsWatched(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 15, "lists of columns of publications")
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE keyed (id int PRIMARY KEY, t text, other text)`)
	w.config.ColumnLists = map[string]string{"public.keyed": "id,t"}
	s, log := w.logged(t)
	for _, step := range []struct{ sql, says string }{
		{`ALTER PUBLICATION tandem SET (publish = 'insert, delete')`, "does not publish update any more"},
		{`ALTER PUBLICATION tandem SET (publish = 'insert, update, delete, truncate'); CREATE TABLE later (id int PRIMARY KEY)`, `made since the start, and captured from the next start on: \"public\".\"later\"`},
		{`ALTER TABLE keyed REPLICA IDENTITY FULL`, "publication.column.list.public.keyed: it has REPLICA IDENTITY FULL, under which PostgreSQL refuses updates"},
	} {
		w.exec(t, step.sql)
		eventually(t, step.says, func() bool { return log.has(step.says) })
	}
	w.exec(t, `ALTER TABLE keyed REPLICA IDENTITY DEFAULT; ALTER PUBLICATION tandem SET TABLE ONLY keyed`)
	eventually(t, "the list is there again", func() bool { return w.value(t, publishedColumns, "keyed") == "{id,t}" })
	s.Stop()
}
