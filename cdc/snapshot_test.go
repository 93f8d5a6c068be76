package cdc

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// Whatever was read before, what is read now covers every page once: whole where nothing was read, and else by what was written since.
func TestRangesCoverEveryPageOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const pages = 40
		var done []span
		var model [pages + 1]uint32 // the last stands for all behind
		for range rapid.IntRange(0, 12).Draw(t, "spans") {
			from := rapid.Int64Range(0, pages).Draw(t, "from")
			to, x := rapid.Int64Range(from+1, pages+1).Draw(t, "to"), rapid.Uint32Range(3, 6).Draw(t, "xmin")
			for i := from; i < to; i++ {
				model[i] = x
			}
			if to > pages {
				to = pageEnd
			}
			done = cover(done, span{from, to, x})
		}
		at := int64(0)
		for _, p := range partsOf(pages, rapid.Int64Range(1, 50).Draw(t, "size"), done) {
			if p.From != at || p.To <= p.From {
				t.Fatalf("a range begins at %d, %d is due: %v", p.From, at, p)
			}
			for i := p.From; i < min(p.To, pages+1); i++ {
				if p.recheck != (model[i] != 0) || p.XMin != model[i] {
					t.Fatalf("page %d was read under %d: %+v", i, model[i], p)
				}
			}
			at = p.To
		}
		if at != pageEnd {
			t.Fatalf("the last range ends at %d", at)
		}
	})
}

// Many connections, tables of every kind: each row comes once, and the marks are where a consumer looks for them.
func TestSnapshotOfManyRangesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `
		CREATE TABLE a_empty (id int PRIMARY KEY);
		CREATE TABLE b_many (id int PRIMARY KEY, t text);
		INSERT INTO b_many SELECT i, repeat('x', 900) FROM generate_series(1, 100) i; DELETE FROM b_many WHERE id BETWEEN 20 AND 60;
		CREATE TABLE c_one (id int PRIMARY KEY); INSERT INTO c_one VALUES (1);
		CREATE TABLE d_keyless (t text); ALTER TABLE d_keyless REPLICA IDENTITY FULL; INSERT INTO d_keyless SELECT repeat('x', 900) FROM generate_series(1, 50);
		CREATE TABLE e_parts (id int PRIMARY KEY, t text) PARTITION BY RANGE (id);
		CREATE TABLE e_parts_1 PARTITION OF e_parts FOR VALUES FROM (0) TO (10);
		CREATE TABLE e_parts_2 PARTITION OF e_parts FOR VALUES FROM (10) TO (100) PARTITION BY RANGE (id);
		CREATE TABLE e_parts_21 PARTITION OF e_parts_2 FOR VALUES FROM (10) TO (100);
		CREATE TABLE e_parts_3 PARTITION OF e_parts FOR VALUES FROM (100) TO (1000);
		INSERT INTO e_parts SELECT i, repeat('x', 900) FROM generate_series(1, 99) i;
		CREATE TABLE f_generated (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO f_generated SELECT generate_series(1, 3);
		CREATE TABLE g_filtered (id int PRIMARY KEY, secret text); INSERT INTO g_filtered SELECT i, repeat('s', 900) FROM generate_series(1, 50) i;
		CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (more int) INHERITS (base); INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2, 2);
		CREATE TABLE z_empty (id int PRIMARY KEY);
		CREATE PUBLICATION tandem FOR TABLE a_empty, b_many, c_one, d_keyless, e_parts, f_generated, g_filtered (id) WHERE (id <= 25 OR id = 40), ONLY base, z_empty
			WITH (publish_via_partition_root = true)`)
	w.config.Tables = []string{`public\.(._.*|base)`}
	w.config.SnapshotThreads, w.config.snapshotPages = 3, 2
	w.start(t)
	topics, wrong := map[string][]change.SnapshotMark{}, 0
	records := w.kafka.records
	for i, r := range records {
		e := decoded(t, r)
		topics[r.Topic] = append(topics[r.Topic], e.Source.Snapshot)
		if e.Source.Snapshot == change.SnapshotFirst || (i == len(records)-1) != (e.Source.Snapshot == change.SnapshotLast) {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("last is not at the end, or there is a first though the first table is empty: %v", topics)
	}
	counts := map[string]int{}
	for topic, marks := range topics {
		counts[strings.TrimPrefix(topic, "crm.public.")] = len(marks)
		for i, m := range marks {
			want := []change.SnapshotMark{change.SnapshotRow}
			switch {
			case i == len(marks)-1:
				want = []change.SnapshotMark{change.SnapshotLastOf, change.SnapshotLast}
			case i == 0:
				want = []change.SnapshotMark{change.SnapshotFirstOf}
			}
			if !slices.Contains(want, m) {
				t.Errorf("%s: row %d of %d is marked %s", topic, i, len(marks), m)
			}
		}
	}
	want := map[string]int{"b_many": 59, "c_one": 1, "d_keyless": 50, "e_parts": 99, "f_generated": 3, "g_filtered": 26, "base": 1}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	keys := map[string]bool{}
	for _, r := range records {
		if id := r.Topic + string(r.Key); r.Key != nil && keys[id] {
			t.Errorf("%s came twice", id)
		} else {
			keys[id] = true
		}
		if r.Topic == "crm.public.g_filtered" && strings.Contains(string(r.Value), "sss") {
			t.Errorf("a column that is not published: %s", r.Value)
		}
	}
}

// silentAfter is a Kafka that takes no more than a number of records, as a crash would have it: what was on its way is lost.
type silentAfter struct {
	*topicLog
	mu   sync.Mutex
	left int
}

func (s *silentAfter) Send(ctx context.Context, r Record, done func(error)) {
	s.mu.Lock()
	s.left--
	silent := s.left < 0
	s.mu.Unlock()
	if silent {
		return
	}
	s.topicLog.Send(ctx, r, done)
}

// image is a consumer's view of a table: columns by key. An unchanged large value is what it was.
type image map[string]map[string]string

func (m image) apply(t *testing.T, r Record) {
	t.Helper()
	e := decoded(t, r)
	if e.Tombstone || e.Op == change.Delete {
		delete(m, string(r.Key))
		return
	}
	row := map[string]string{}
	for _, c := range e.After {
		if before, known := m[string(r.Key)][c.Name]; known && string(c.JSON) == `"`+change.Unavailable+`"` {
			row[c.Name] = before
			continue
		}
		row[c.Name] = string(c.JSON) // also a placeholder: what is repeated of a row that was deleted since has nothing to stand on
	}
	m[string(r.Key)] = row
}

const movable = `CREATE TABLE doc (id int PRIMARY KEY, n int NOT NULL, filler text NOT NULL, note text NOT NULL); ALTER TABLE doc ALTER note SET STORAGE EXTERNAL;
	INSERT INTO doc SELECT i, 0, repeat('f', 900), repeat('n' || i, 1000) FROM generate_series(1, 160) i;
	DELETE FROM doc WHERE id <= 60`

// A crash in the middle of a table. What Kafka had is not read again; what was changed, moved into pages that were read already, or deleted meanwhile
// arrives all the same, and so do large values that the changes left alone. Crashes are tried at every range's end, and twice in a row.
func TestSnapshotGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	for _, threads := range []int{1, 3} {
		for acknowledged := 0; acknowledged < 100; acknowledged += 16 + 17*(threads/2) { // 16 rows are a range
			t.Run(fmt.Sprintf("%d connections, %d rows", threads, acknowledged), func(t *testing.T) {
				t.Parallel()
				crashes(t, threads, acknowledged)
			})
		}
	}
}

func crashes(t *testing.T, threads, acknowledged int) {
	w := newWorld(t, pgtest.Database(t), movable)
	w.atLeastOnce()
	w.exec(t, `VACUUM doc`)
	w.config.SnapshotThreads, w.config.snapshotPages, w.config.DrainTimeout = threads, 2, 0
	meanwhile := func(round int) {
		w.exec(t, `UPDATE doc SET n = n + 1 WHERE id % 3 = $1`, round) // some move to the free pages at the beginning
		w.exec(t, `DELETE FROM doc WHERE id % 10 = $1`, round)
		w.exec(t, `INSERT INTO doc VALUES (1000 + $1, 0, 'new', repeat('m', 5000))`, round)
		w.exec(t, `UPDATE doc SET n = 7 WHERE id = 1000 + $1`, round)
		w.exec(t, `VACUUM doc`)
	}
	var read []int // rows of each attempt
	for round := range 2 {
		from := w.kafka.len()
		w.dies(t, 1, acknowledged)
		read = append(read, w.kafka.len()-from)
		meanwhile(round)
	}
	from := w.kafka.len()
	w.start(t)
	meanwhile(2)
	w.exec(t, `INSERT INTO doc VALUES (9999, 0, '', '')`)
	records := w.kafka.await(t, "the last change", func(r []Record) bool { return string(r[len(r)-1].Key) == `{"id":9999}` })
	if reads := len(slices.DeleteFunc(slices.Clone(records[from:]), func(r Record) bool { return decoded(t, r).Op != change.Read })); acknowledged >= 60 && reads > 80 {
		t.Errorf("%d rows were read again, of attempts of %v", reads, read)
	}
	got := image{}
	for _, r := range records {
		got.apply(t, r)
	}
	if diff := cmp.Diff(w.image(t), got); diff != "" {
		t.Errorf("(-database +topic):\n%s", diff)
	}
}

// dies runs a source that ends in its snapshot, when the first tables are read and Kafka has acknowledged so many rows.
func (w *world) dies(t *testing.T, tables, acknowledged int) {
	t.Helper()
	sink := &silentAfter{topicLog: w.kafka, left: acknowledged}
	s, err := New(w.config, sink, w.offsets, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the reading", func() bool {
		all := s.Progress()
		return len(all) >= tables && all[tables-1].State == TableRead
	})
	s.Stop()
}

func (w *world) image(t *testing.T) image {
	t.Helper()
	rows, err := w.db.Query(t.Context(), `SELECT id, n, to_json(filler)::text, to_json(note)::text FROM doc`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	want := image{}
	for rows.Next() {
		var id, n int
		var filler, note string
		if err := rows.Scan(&id, &n, &filler, &note); err != nil {
			t.Fatal(err)
		}
		want[fmt.Sprintf(`{"id":%d}`, id)] = map[string]string{"id": fmt.Sprint(id), "n": fmt.Sprint(n), "filler": filler, "note": note}
	}
	return want
}

// A table that was rewritten between two attempts has other pages: it is read whole, the others are not.
func TestRewrittenTableIsReadWhole(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"VACUUM FULL": `VACUUM FULL doc`, "a column more": `ALTER TABLE doc ADD more int DEFAULT 1`, "TRUNCATE": `TRUNCATE doc; INSERT INTO doc VALUES (5, 5, '', '')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), movable+`; CREATE TABLE alike AS TABLE doc; ALTER TABLE alike ADD PRIMARY KEY (id)`)
			w.atLeastOnce()
			w.config.SnapshotThreads, w.config.snapshotPages, w.config.DrainTimeout = 1, 2, 0 // in order: with two, what is acknowledged may be mostly of the other table
			w.config.OffsetInterval = time.Millisecond                                        // what was stored first is still there when more is
			w.dies(t, 1, 190)
			w.exec(t, `SET lock_timeout = '10s'`)
			for _, one := range strings.Split(sql, ";") {
				w.exec(t, one)
			}
			from := w.kafka.len()
			w.start(t)
			reads := map[string]int{}
			for _, r := range w.kafka.awaitCount(t, from)[from:] {
				if decoded(t, r).Op == change.Read {
					reads[r.Topic]++
				}
			}
			if want := w.value(t, `SELECT count(*)::text FROM doc`); fmt.Sprint(reads["crm.public.doc"]) != want || reads["crm.public.alike"] > 40 {
				t.Errorf("read again: %v, of %s rows of doc", reads, want)
			}
		})
	}
}

// Rows are counted up by many writers while snapshots die, at any moment; of every row the last state is told, and what is told of it never goes
// back by more than a later attempt's beginning explains.
func TestSnapshotsThatDieUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL, filler text DEFAULT repeat('f', 700)); INSERT INTO counter SELECT i, 0 FROM generate_series(1, 50) i`)
	w.atLeastOnce()
	w.config.SnapshotThreads, w.config.snapshotPages, w.config.DrainTimeout = 2, 1, 0
	stop := writers(t, w)
	defer stop()
	for range 6 {
		sink := &silentAfter{topicLog: w.kafka, left: rand.IntN(60)}
		s, err := New(w.config, sink, w.offsets, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // any moment
		s.Stop()
	}
	w.start(t)
	stop()
	whole(t, w)
}

// What people ask: how far, how fast, how long.
func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), movable+`; CREATE TABLE empty (id int PRIMARY KEY)`)
	w.config.snapshotPages = 2
	s := w.start(t)
	got := s.Progress()
	for i := range got {
		if got[i].Rate <= 0 && got[i].Rows > 0 {
			t.Errorf("%+v: no rate", got[i])
		}
		got[i].Rate = 0
	}
	if diff := cmp.Diff([]TableProgress{{Table: "public.doc", Rows: 100, Share: 1, State: TableRead}, {Table: "public.empty", Share: 1, State: TableRead}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	half := &tableRead{table: &table{tableName: tableName{"a", "b"}}, pages: 100, skipped: 0.25}
	half.rows.Store(1000)
	half.passed.Store(50)
	half.began.Store(time.Unix(100, 0).UnixNano())
	want := TableProgress{Table: "a.b", Rows: 1000, Share: 0.5, Rate: 100, Left: 20 * time.Second, State: TableReads}
	if diff := cmp.Diff(want, half.progress(time.Unix(110, 0))); diff != "" {
		t.Errorf("halfway, after an earlier life read a quarter (-want +got):\n%s", diff)
	}
}

// Who only wants the rows once leaves nothing behind in the database, and a later start has nothing to do.
func TestInitialOnlyCompletes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts+`; INSERT INTO contact (name) VALUES ('Ada'), ('Eve')`)
	w.config.SnapshotMode = SnapshotInitialOnly
	for range 2 {
		s := w.begin(t)
		eventually(t, "the end", func() bool { return s.Status().Phase == phaseCompleted.String() })
		w.exec(t, `INSERT INTO contact (name) VALUES ('later')`)
		s.Stop()
	}
	wantRecords(t, w, `r {"id":1}`, `r {"id":2}`)
	if left := w.value(t, `SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) || ' ' || (SELECT count(*) FROM pg_publication)`); left != "0 0" {
		t.Errorf("slots and publications: %s", left)
	}
	if w.offsets.get("snapshot_completed") != true {
		t.Errorf("stored: %v", w.offsets.entry)
	}
}

// Rows of megabytes on many connections: what no record can hold is left out and said, as in the stream.
func TestLargeRowsOfASnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE blob (id int PRIMARY KEY, b text); ALTER TABLE blob ALTER b SET STORAGE EXTERNAL`)
	w.exec(t, `INSERT INTO blob SELECT i, repeat('x', 3000000) FROM generate_series(1, 30) i`)
	w.config.SnapshotThreads, w.config.snapshotPages, w.config.RecordBytesMax = 4, 1, 900_000
	w.start(t)
	records := w.kafka.awaitCount(t, 30)
	for _, r := range records {
		if int64(len(r.Value)) > w.config.RecordBytesMax || !strings.Contains(string(r.Value), change.Unavailable) {
			t.Errorf("%s: %d bytes", r.Key, len(r.Value))
		}
	}
}

// A role with rights on columns alone may not ask for pages: its tables are read in one go.
func TestSnapshotWithRightsOnColumns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts+`; INSERT INTO contact (name) SELECT repeat('x', 900) FROM generate_series(1, 50); CREATE PUBLICATION tandem FOR TABLE contact`)
	role := "columns_" + dsnName(w.dsn)
	w.exec(t, `CREATE ROLE `+role+` LOGIN REPLICATION PASSWORD 'columns'; GRANT SELECT (id, name, phone, note) ON contact TO `+role)
	t.Cleanup(func() {
		_, _ = w.db.Exec(context.Background(), `DROP OWNED BY `+role+`; DROP ROLE `+role)
	})
	w.config.Database.User, w.config.Database.Password, w.config.snapshotPages = role, config.NewSecret("columns"), 1
	s := w.start(t)
	if n := len(w.kafka.awaitCount(t, 50)); n != 50 {
		t.Errorf("got %d rows", n)
	}
	s.Stop()
}
