package cdc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const contacts = `CREATE TABLE contact (id bigserial PRIMARY KEY, name text, phone text, note text)`

func wantRecords(t *testing.T, w *world, want ...string) []Record {
	t.Helper()
	records := w.kafka.awaitCount(t, len(want))
	if diff := cmp.Diff(want, summary(t, records)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	return records
}

// The path of the brief: rows that were there, then every kind of change, each once and in order.
func TestSnapshotThenStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada'), ('Zoë'), ('Eve')`)
	s := w.start(t)
	w.kafka.awaitCount(t, 3)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Bob')`)
	w.exec(t, `UPDATE contact SET phone = '1' WHERE id = 1`)
	w.exec(t, `UPDATE contact SET id = 7 WHERE id = 2`)
	w.exec(t, `DELETE FROM contact WHERE id = 3`)
	w.exec(t, `TRUNCATE contact`)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Cyd')`)
	records := wantRecords(t, w, `r {"id":1}`, `r {"id":2}`, `r {"id":3}`, `c {"id":4}`, `u {"id":1}`,
		`d {"id":2}`, `- {"id":2}`, `c {"id":7}`, `d {"id":3}`, `- {"id":3}`, `c {"id":5}`)
	var marks []change.SnapshotMark
	for _, r := range records[:4] {
		if r.Topic != "crm.public.contact" {
			t.Errorf("topic: got %s", r.Topic)
		}
		e := decoded(t, r)
		marks = append(marks, e.Source.Snapshot)
		if e.Source.LSN == 0 || e.Source.TxID == 0 || e.Source.DB == "" || time.Since(e.Source.Time) > time.Minute {
			t.Errorf("%s: source %+v", r.Key, e.Source)
		}
	}
	if diff := cmp.Diff([]change.SnapshotMark{change.SnapshotFirst, change.SnapshotRow, change.SnapshotLast, change.NoSnapshot}, marks); diff != "" {
		t.Errorf("snapshot marks (-want +got):\n%s", diff)
	}
	want := []EventCount{{"public.contact", change.Create, 3}, {"public.contact", change.Delete, 2}, {"public.contact", change.Read, 3}, {"public.contact", change.Update, 1}}
	if diff := cmp.Diff(want, s.Events()); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	gone, tombstone, made := decoded(t, records[5]), decoded(t, records[6]), decoded(t, records[7])
	for name, got := range map[string]change.RawRow{"delete": gone.NewKey, "tombstone": tombstone.NewKey} {
		if key, _ := got.Text("id"); key != "7" {
			t.Errorf("%s of a key change: new key %q", name, key)
		}
	}
	if key, _ := made.OldKey.Text("id"); key != "2" {
		t.Errorf("create of a key change: old key %q", key)
	}
}

// A consumer cannot tell from which of the two a row came, so both must say the same of it.
func TestTypesAreTheSameInSnapshotAndStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `
		CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS citext;
		CREATE TYPE mood AS ENUM ('so so', 'ok'); CREATE DOMAIN price AS numeric(10,2); CREATE TYPE pair AS (a int, b text);
		CREATE TABLE kinds (id serial PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, f4 real, f8 float8, n numeric, n2 numeric(8,2), m money, t text, vc varchar(9),
			c char(5), nm name, ci citext, by bytea, j json, jb jsonb, x xml, u uuid, e mood, dom price, d date, d_inf date, tm time, tm3 time(3), ttz timetz, ts timestamp,
			ts3 timestamp(3), ts_inf timestamp, tstz timestamptz, tstz_bc timestamptz, iv interval, bt bit(3), vb varbit, ip inet, cd cidr, mac macaddr, r4 int4range,
			rtz tstzrange, mr int4multirange, pt point, bx box, h hstore, tsv tsvector, lsn pg_lsn, pr pair, ai int[], ai2 int[], at text[], am money[], an numeric(6,2)[],
			ae mood[], nan numeric, f8nan float8, def int DEFAULT 7, gen int GENERATED ALWAYS AS (i4 * 2) STORED)`)
	const columns = `b, i2, i4, i8, f4, f8, n, n2, m, t, vc, c, nm, ci, by, j, jb, x, u, e, dom, d, d_inf, tm, tm3, ttz, ts, ts3, ts_inf, tstz, tstz_bc, iv, bt, vb, ip, cd, mac,
		r4, rtz, mr, pt, bx, h, tsv, lsn, pr, ai, ai2, at, am, an, ae, nan, f8nan, def`
	insert := `INSERT INTO kinds (` + columns + `) VALUES
		(true, -1, 2, 9223372036854775807, 3.3, 1e300, 1.10, 1.1, -1234.5, E'tab\there\\n\nand "quotes" é😀', 'vc', 'ch', 'nm', 'CI', '\x00ff0a', '{"a": 1}', '{"n": 12345678901234567890}',
		'<a/>', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'so so', 5, '2016-11-04', 'infinity', '24:00', '13:51:30.1234', '13:51:30.123789+02', '2016-11-04 13:51:30.123456',
		'2016-11-04 13:51:30.123456', '-infinity', '2016-11-04 13:51:30.12+02', '4713-01-01 00:00 BC', '1 year 2 mons -3 days 04:05:06.78', B'010', B'0101', '10.0.0.1/8', '10.0.0.0/8',
		'08:00:2b:01:02:03', '[1,5)', '["2016-11-04 13:51:30+02",)', '{[1,5),[7,9)}', '(1,2)', '(1,2),(3,4)', 'a=>1,b=>NULL', 'fat cat', '0/16B3748', '(1,"x y")', '{{1,2},{3,NULL}}', '{}',
		ARRAY['a,b', NULL, 'NULL', '\', ''], ARRAY[1.5::money], '{1.1}', '{ok}', 'NaN', 'NaN', NULL)`
	w.exec(t, insert)
	w.exec(t, `INSERT INTO kinds DEFAULT VALUES`)
	w.start(t)
	w.kafka.awaitCount(t, 2)
	w.exec(t, insert)
	w.exec(t, `INSERT INTO kinds DEFAULT VALUES`)
	records := w.kafka.awaitCount(t, 4)
	without := func(r Record) string {
		var lines []string
		for _, c := range decoded(t, r).After[1:] { // but the id
			lines = append(lines, c.Name+" "+string(c.JSON))
		}
		return strings.Join(lines, "\n") + "\n"
	}
	for i := range 2 {
		if diff := cmp.Diff(without(records[i]), without(records[i+2])); diff != "" {
			t.Errorf("row %d (-snapshot +stream):\n%s", i, diff)
		}
	}
	path := "testdata/kinds.txt"
	if os.Getenv("REWRITE") != "" {
		if err := os.WriteFile(path, []byte(without(records[0])), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), without(records[0])); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// An update that leaves a large value alone does not send it; that must not look like null.
func TestUnchangedToast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts+`; ALTER TABLE contact ALTER note SET STORAGE EXTERNAL`)
	large := strings.Repeat("n", 10_000)
	w.start(t)
	w.exec(t, `INSERT INTO contact (note) VALUES ($1)`, large)
	w.exec(t, `UPDATE contact SET phone = '1'`)
	w.exec(t, `UPDATE contact SET note = NULL`)
	w.exec(t, `ALTER TABLE contact REPLICA IDENTITY FULL; UPDATE contact SET note = '`+large+`'`)
	w.exec(t, `UPDATE contact SET phone = '2'`)
	w.exec(t, `UPDATE contact SET id = 9`)
	records := wantRecords(t, w, `c {"id":1}`, `u {"id":1}`, `u {"id":1}`, `u {"id":1}`, `u {"id":1}`, `d {"id":1}`, `- {"id":1}`, `c {"id":9}`)
	for i, want := range map[int]string{0: `"` + large + `"`, 1: `"` + change.Unavailable + `"`, 2: `null`, 4: `"` + large + `"`, 7: `"` + large + `"`} {
		if got, _ := decoded(t, records[i]).After.Get("note"); string(got) != want {
			t.Errorf("record %d: note is %.60s, want %.60s", i, got, want)
		}
	}
	if before, _ := decoded(t, records[4]).Before.Text("phone"); before != "1" {
		t.Errorf("FULL: before.phone is %q, want 1", before)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts+`; CREATE TABLE other (id int PRIMARY KEY); CREATE SCHEMA tandem; CREATE TABLE tandem.link (id int PRIMARY KEY)`)
	w.config.Tables = []string{`public\.contact`}
	w.config.Skipped, w.config.Tombstones, w.config.Messages, w.config.TransactionInfo = []string{"u"}, false, true, true
	w.config.SnapshotMode = SnapshotNever
	w.config.HeartbeatInterval = 20 * time.Millisecond
	w.exec(t, `INSERT INTO contact VALUES (100)`)
	w.start(t)
	w.exec(t, `BEGIN; INSERT INTO contact VALUES (1); INSERT INTO other VALUES (1); INSERT INTO tandem.link VALUES (1); UPDATE contact SET name = 'x';
		SELECT pg_logical_emit_message(true, 'pre"fix', 'in'); DELETE FROM contact WHERE id = 1; COMMIT`)
	w.exec(t, `SELECT pg_logical_emit_message(false, 'loose', 'out'); TRUNCATE contact`)
	var data, bounds []Record
	w.kafka.await(t, "all but heartbeats", func(records []Record) bool {
		data, bounds = nil, nil
		beats := 0
		for _, r := range records {
			if r.Topic == "__debezium-heartbeat.crm" {
				beats++
				continue
			}
			if r.Topic == "crm.transaction" {
				bounds = append(bounds, r)
				continue
			}
			data = append(data, r)
		}
		return len(data) >= 5 && len(bounds) >= 4 && beats > 0
	})
	want := []string{`c {"id":1}`, `m {"prefix":"pre\"fix"}`, `d {"id":1}`, `m {"prefix":"loose"}`, `t `}
	if diff := cmp.Diff(want, summary(t, data)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	first, last := decoded(t, data[0]).Transaction, decoded(t, data[2]).Transaction
	if got, want := string(bounds[1].Value), fmt.Sprintf(`{"status":"END","id":%q,"event_count":3,"data_collections":[{"data_collection":"public.contact","event_count":2},`+
		`{"data_collection":"pre\"fix","event_count":1}],"ts_ms":%d}`, first.ID, decoded(t, data[0]).Source.Time.UnixMilli()); got != want || !strings.HasPrefix(string(bounds[0].Value), `{"status":"BEGIN"`) {
		t.Errorf("the transaction ends with %s, want %s", got, want)
	}
	if first == nil || last == nil || first.ID != last.ID || last.TotalOrder != 3 || last.DataCollectionOrder != 2 {
		t.Errorf("transaction blocks: %+v and %+v", first, last)
	}
	if tables := w.value(t, `SELECT string_agg(tablename, ',') FROM pg_publication_tables`); tables != "contact" {
		t.Errorf("published: %s, want contact alone", tables)
	}
}

// A clean stop leaves nothing to repeat, and nothing behind.
func TestRestartGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada')`)
	var want []string
	for i := range 4 {
		s := w.start(t)
		w.exec(t, `INSERT INTO contact (name) SELECT 'x' FROM generate_series(1, 3)`)
		if want == nil {
			want = []string{`r {"id":1}`}
		}
		for n := range 3 {
			want = append(want, fmt.Sprintf(`c {"id":%d}`, 2+i*4+n))
		}
		w.kafka.awaitCount(t, len(want))
		s.Stop()
		w.exec(t, `INSERT INTO contact (name) VALUES ('while nobody looks')`)
		want = append(want, fmt.Sprintf(`c {"id":%d}`, 5+i*4))
	}
	w.start(t)
	wantRecords(t, w, want...)
	if w.offsets.get("lsn") == nil || w.offsets.get("snapshot_completed") != true {
		t.Errorf("stored offset: %v", w.offsets.entry)
	}
}

// Tables change while they are captured, and types appear that nobody knew at the start.
func TestSchemaChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.start(t)
	w.exec(t, `INSERT INTO contact (name) VALUES ('a')`)
	w.exec(t, `CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE contact ADD feels mood[], DROP phone; INSERT INTO contact (name, feels) VALUES ('m', '{ok}')`)
	w.exec(t, `ALTER TABLE contact RENAME note TO remark; ALTER TABLE contact DROP CONSTRAINT contact_pkey, ADD PRIMARY KEY (name, id); INSERT INTO contact (name) VALUES ('b')`)
	records := wantRecords(t, w, `c {"id":1}`, `c {"id":2}`, `c {"name":"b","id":3}`)
	if got := string(records[1].Value); !strings.Contains(got, `"after":{"id":2,"name":"m","note":null,"feels":["ok"]}`) {
		t.Errorf("got %s", got)
	}
	if got := string(records[2].Value); !strings.Contains(got, `"after":{"id":3,"name":"b","remark":null,"feels":null}`) {
		t.Errorf("got %s", got)
	}
}

func TestPartitionsAndTablesWithoutKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE task (id int, due date NOT NULL, PRIMARY KEY (due, id)) PARTITION BY RANGE (due);
		CREATE TABLE task_old PARTITION OF task FOR VALUES FROM (MINVALUE) TO ('2020-01-01'); CREATE TABLE task_new PARTITION OF task DEFAULT;
		CREATE TABLE "Odd Name" (a int, b text); ALTER TABLE "Odd Name" REPLICA IDENTITY FULL;
		INSERT INTO task VALUES (1, '2019-01-01'), (2, '2021-01-01'); INSERT INTO "Odd Name" VALUES (1, NULL)`)
	w.config.SnapshotThreads = 1 // table after table
	w.start(t)
	w.exec(t, `UPDATE task SET due = '2022-02-02' WHERE id = 1; UPDATE "Odd Name" SET b = 'x'; DELETE FROM "Odd Name"`)
	records := wantRecords(t, w, `r `, `r {"due":17897,"id":1}`, `r {"due":18628,"id":2}`, `d {"due":17897,"id":1}`, `- {"due":17897,"id":1}`, `c {"due":19025,"id":1}`, `u `, `d `)
	if got := records[0].Topic; got != "crm.public.Odd_Name" {
		t.Errorf("topic: got %s", got)
	}
	if got := records[3].Topic; got != "crm.public.task" {
		t.Errorf("topic: got %s", got)
	}
}

// A row beyond Kafka's limit still is a reason to look.
func TestLargeRowsAreCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.config.RecordBytesMax = 10_000
	s := w.start(t)
	w.exec(t, `INSERT INTO contact (name, phone, note) VALUES ('short', repeat('p', 4000), repeat('n', 20000))`)
	record := w.kafka.awaitCount(t, 1)[0]
	value := record.Value
	if got := header(record, HeaderCut); got != `{"after.note":20000}` || s.Status().Cut != 1 {
		t.Errorf("the header says %q, and %d were counted", got, s.Status().Cut)
	}
	after := decoded(t, Record{Value: value}).After
	note, _ := after.Get("note")
	name, _ := after.Text("name")
	if phone, _ := after.Text("phone"); len(value) > 10_000 || string(note) != `"`+change.Unavailable+`"` || name != "short" || len(phone) != 4000 {
		t.Errorf("got %d bytes: %.200s", len(value), value)
	}
}

func TestStress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	lifecycletest.Stress(t, w.source(t))
	w.exec(t, `INSERT INTO contact (name) VALUES ('still works')`)
	w.start(t)
	w.kafka.await(t, "the row", func(r []Record) bool { return len(r) > 0 && strings.Contains(string(r[len(r)-1].Value), "still works") })
}

// Trouble is said once, not at every try.
func TestServerThatIsAwayIsAwaited(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	w := newWorld(t, server.DSN("postgres"), contacts)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada')`)
	server.Kill()
	var log bytes.Buffer
	s, err := New(w.config, w.before(), w.offsets, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	time.Sleep(1500 * time.Millisecond) // several tries
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.kafka.awaitCount(t, 1)
	s.Stop()
	if n := strings.Count(log.String(), "the stream is interrupted"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}

func TestPermanentFailuresEndTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.atLeastOnce()
	w.config.Tables = []string{`public\.contacts`, `public\.contact`}
	err := w.source(t).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), `no table matches "public\\.contacts"`) {
		t.Errorf("a table that is missing: got %v", err)
	}
	w.config.Tables = w.config.Tables[1:]
	w.offsets.refuse = errors.New("no such topic")
	if err := w.source(t).Start(t.Context()); !errors.Is(err, w.offsets.refuse) {
		t.Errorf("offsets that cannot be stored: got %v", err)
	}
}
