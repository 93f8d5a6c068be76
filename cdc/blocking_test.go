package cdc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// blockingSignal asks for tables, with the filters that are not "".
func blockingSignal(filters map[string]string, tables ...string) string {
	data := SignalData{Type: "blocking", Collections: tables}
	for table, filter := range filters {
		if filter == "" {
			continue
		}
		data.Conditions = append(data.Conditions, SignalCondition{Collection: table, Filter: filter})
	}
	value, err := json.Marshal(Signal{Type: SignalExecute, Data: data})
	if err != nil {
		panic(err)
	}
	return string(value)
}

// A transaction that waits where the stream stands is one that the snapshot did not see, and so are all behind it; all before it were seen. Whatever the order of commits and what
// is visible, no other place is taken.
func TestApproachStopsBetweenWhatWasSeenAndWhatWasNot(t *testing.T) {
	t.Parallel()
	places := 0
	rapid.Check(t, func(t *rapid.T) {
		const n, base = 12, 700
		ids := rapid.Permutation([]uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}).Draw(t, "order of commits")
		ended := rapid.IntRange(0, n).Draw(t, "committed in the WAL when the snapshot is taken")
		v := &visibility{XMin: base, XMax: base + uint64(rapid.IntRange(0, n).Draw(t, "xmax")), Until: 1 << 40}
		for i, id := range ids {
			if base+id < v.XMax && (i >= ended || rapid.IntRange(0, 5).Draw(t, "is it still in the list") == 0) {
				v.Open = append(v.Open, base+id)
			}
		}
		resume := change.LSN(rapid.IntRange(0, 3).Draw(t, "how many Kafka has"))
		a := &approach{shows: v, until: change.LSN(10*ended + 5), resume: change.Position{Commit: 10 * resume}}
		seen := func(i int) bool { return v.contains(int64(base+ids[i]), change.LSN(10*(i+1))) }
		place := -1
		for i := range ids {
			got := a.meets(uint32(base+ids[i]), change.LSN(10*(i+1)))
			if got == verdictOn {
				continue
			}
			if place < 0 {
				place = i
			}
			if got == verdictUnfit {
				return
			}
			if got == verdictHere {
				break
			}
			a.add([]byte("x"), 0)
		}
		if place < 0 {
			place = n
		}
		places++
		for i := range ids {
			if i < place && !seen(i) {
				t.Fatalf("transaction %d was written before the snapshot, which did not see it", i)
			}
			if i >= place && seen(i) {
				t.Fatalf("transaction %d is written after the snapshot, which saw it", i)
			}
			if i >= place && change.LSN(10*(i+1)) < a.resume.Commit {
				t.Fatalf("transaction %d is in Kafka before the snapshot, which did not see it", i)
			}
		}
	})
	if places == 0 {
		t.Error("no place was found: nothing was shown")
	}
}

// Tables are read as at the start: with the marks of a snapshot, all under one, in their order, with the columns and the rows that are wanted. Then the stream goes on.
func TestBlockingSnapshotOfTables(t *testing.T) {
	t.Parallel()
	for _, exactly := range []bool{true, false} {
		t.Run(fmt.Sprint("exactly once ", exactly), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY, t text, secret text DEFAULT 's'); INSERT INTO a SELECT i, 'row ' || i FROM generate_series(1, 300) i;
				CREATE TABLE b (id int PRIMARY KEY, t text DEFAULT 'x'); INSERT INTO b SELECT generate_series(1, 20); CREATE TABLE empty (id int PRIMARY KEY);
				CREATE TABLE keyless (t text); ALTER TABLE keyless REPLICA IDENTITY FULL; INSERT INTO keyless SELECT 'k' || (i % 3) FROM generate_series(1, 9) i;
				CREATE TABLE left_alone (id int PRIMARY KEY); INSERT INTO left_alone VALUES (1);
				CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (20); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (20) TO (90);
				INSERT INTO parts SELECT generate_series(10, 29)`)
			w.config.SnapshotMode, w.config.snapshotPages, w.config.SnapshotThreads, w.config.Columns.Exclude = SnapshotNoData, 1, 3, []string{`public\.a\.secret`}
			if !exactly {
				w.atLeastOnce()
			}
			signals := newMemorySignals()
			s := w.startWith(t, signals)
			w.exec(t, `INSERT INTO b VALUES (21, 'streamed')`)
			signals.send(blockingSignal(map[string]string{"public.b": "id % 2 = 1 OR id = 2"}, "public.a", `public\.(b|empty|keyless|parts)`))
			ends := w.ended(t, s, 5)
			w.exec(t, `UPDATE b SET t = 'after' WHERE id = 2`)
			records := w.kafka.await(t, "the stream", func(r []Record) bool {
				return len(r) > 0 && strings.Contains(string(r[len(r)-1].Value), "after\"") && decoded(t, r[len(r)-1]).Op == change.Update
			})
			if len(records) != 1+300+12+9+20+1 {
				t.Errorf("%d records", len(records))
			}
			marks, order := map[change.SnapshotMark]int{}, []string{}
			for i, r := range records[1 : len(records)-1] {
				e := decoded(t, r)
				if e.Op != change.Read {
					t.Fatalf("%s is no row", r.Value)
				}
				if strings.Contains(string(r.Value), "secret") {
					t.Fatalf("it tells an excluded column: %s", r.Value)
				}
				if marks[e.Source.Snapshot]++; i == 0 && e.Source.Snapshot != change.SnapshotFirst {
					t.Errorf("the first row's mark: %s", e.Source.Snapshot)
				}
				if e.Source.Snapshot == change.SnapshotFirst || e.Source.Snapshot == change.SnapshotFirstOf {
					order = append(order, r.Topic)
				}
			}
			if last := decoded(t, records[len(records)-2]).Source.Snapshot; last != change.SnapshotLast {
				t.Errorf("the last row's mark: %s", last)
			}
			want := map[change.SnapshotMark]int{change.SnapshotFirst: 1, change.SnapshotFirstOf: 3, change.SnapshotLastOf: 3, change.SnapshotLast: 1, change.SnapshotRow: 300 + 12 + 9 + 20 - 8}
			if diff := cmp.Diff(want, marks); diff != "" {
				t.Errorf("marks (-want +got):\n%s", diff)
			}
			for _, end := range ends {
				if rows := map[string]uint64{"public.a": 300, "public.b": 12, "public.keyless": 9, "public.parts": 20}[end.Table]; end.Why != "" || end.Rows != rows {
					t.Errorf("%+v, want %d rows", end, rows)
				}
			}
			if got := s.Progress(); len(got) != 5 || got[0].Rows != 300 || got[0].State != TableRead {
				t.Errorf("the progress: %+v", got)
			}
		})
	}
}

// versioned is a table whose rows count their changes; deletes tell what was deleted.
const versioned = `CREATE TABLE v (id int PRIMARY KEY, n bigint NOT NULL, pad text); ALTER TABLE v REPLICA IDENTITY FULL; INSERT INTO v SELECT i, 0, repeat('p', 200) FROM generate_series(1, 400) i`

// versionWriters change rows until stop is called: each change makes n one more, also over deletes. Some rows are everybody's, the others have one writer.
func versionWriters(t *testing.T, w *world, prepare bool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range 3 {
		conn, err := pgx.Connect(ctx, w.dsn)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 { // its commits are seen before others that came earlier
			_, _ = conn.Exec(ctx, `SET synchronous_commit = off`)
		}
		all.Go(func() {
			defer conn.Close(context.Background())
			defer func() { _, _ = conn.Exec(context.Background(), `COMMIT PREPARED 'p'`) }() // if there is one
			gone := map[int]bool{}
			for step := 0; ctx.Err() == nil; step++ {
				own := 100 + (step*7%90)*3 + i
				sql := fmt.Sprintf(`UPDATE v SET n = n + 1 WHERE id = %d`, step%10+1)
				switch {
				case step%50 == 11 && i == 1: // larger than what is decoded in memory, and rolled back once in a while
					sql = `BEGIN; UPDATE v SET n = n + 1 WHERE id BETWEEN 11 AND 99; UPDATE v SET n = n + 1, pad = repeat('large', 60) WHERE id BETWEEN 11 AND 99; ` + []string{`COMMIT`, `ROLLBACK`}[step/50%2]
				case step%50 == 31 && i == 1 && prepare:
					sql = fmt.Sprintf(`BEGIN; UPDATE v SET n = n + 1 WHERE id = %d; PREPARE TRANSACTION 'p'`, own)
				case step%50 == 33 && i == 1 && prepare:
					sql = `COMMIT PREPARED 'p'`
				case step%7 == 3 && gone[own] && (i != 1 || !prepare):
					sql, gone[own] = fmt.Sprintf(`INSERT INTO v VALUES (%d, %d)`, own, step*1000), false
				case step%7 == 3 && (i != 1 || !prepare):
					sql, gone[own] = fmt.Sprintf(`DELETE FROM v WHERE id = %d`, own), true
				case step%2 == 0 && (i != 1 || !prepare):
					sql = fmt.Sprintf(`UPDATE v SET n = n + 1 WHERE id = %d`, own)
				}
				if _, err := conn.Exec(context.Background(), sql); deadlocked(err) {
					_, _ = conn.Exec(context.Background(), `ROLLBACK`)
				} else if err != nil {
					t.Errorf("%s: %v", sql, err)
					return
				}
				_, _ = conn.Exec(context.Background(), `SELECT pg_sleep(0.001)`) // other tests want the machine, too
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); all.Wait() })
}

// wantVersions checks that each change came once, in order, and each row right between the changes that it holds and those that it does not; and that rows are what the table has.
func (w *world) wantVersions(t *testing.T, records []Record) {
	t.Helper()
	at := map[string]int64{} // -1: it is gone
	for i, r := range records {
		if r.Topic != "crm.public.v" || r.Value == nil {
			continue
		}
		var e struct {
			Op            string
			Before, After *struct{ N int64 }
			Source        struct{ Snapshot string }
		}
		if err := json.Unmarshal(r.Value, &e); err != nil {
			t.Fatal(err)
		}
		now, known := at[string(r.Key)]
		switch {
		case e.Op == "r" && known && e.After.N != now:
			t.Fatalf("record %d: a row of %s tells %d where the stream is at %d", i, r.Key, e.After.N, now)
		case e.Op == "u" && e.After.N != e.Before.N+1, e.Op != "r" && e.Before != nil && known && e.Before.N != now:
			t.Fatalf("record %d: a change of %s (%s) after %d: %s", i, r.Key, e.Op, now, r.Value)
		case e.Op == "d":
			at[string(r.Key)] = -1
		default:
			at[string(r.Key)] = e.After.N
		}
	}
	got := map[string]int64{}
	for key, n := range at {
		if n >= 0 {
			got[key] = n
		}
	}
	want := map[string]int64{}
	rows, err := w.db.Query(t.Context(), `SELECT format('{"id":%s}', id), n FROM v`)
	if err != nil {
		t.Fatal(err)
	}
	var key string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&key, &n}, func() error { want[key] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what a consumer ends with (-want +got):\n%.2000s", diff)
	}
}

// Tables are read again and again while they are written to, in every protocol, while transactions run that are sent meanwhile, prepared, rolled back: each change is told once, and each row stands
// right between the changes that it holds and those that it does not.
func TestBlockingSnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		protocol int
		exactly  bool
	}{{"protocol 1, once", 1, true}, {"protocol 1", 1, false}, {"protocol 2, once", 2, true}, {"protocol 3, once, prepared", 3, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.ServerOf(t, pgserver.Options{Settings: map[string]string{"max_prepared_transactions": "10", "logical_decoding_work_mem": "64kB"}}) // its own: what runs is old to nobody else
			w := newWorld(t, server.DSN("postgres"), versioned+`; CREATE PUBLICATION tandem FOR TABLE v`)
			if c.protocol >= protocolTwoPhase {
				w.value(t, `SELECT slot_name::text FROM pg_create_logical_replication_slot($1, 'pgoutput', false, true)`, w.config.Slot)
			}
			w.config.SpillDir, w.config.SnapshotMode, w.config.Protocol, w.config.snapshotPages = t.TempDir(), SnapshotNoData, c.protocol, 2
			if !c.exactly {
				w.atLeastOnce()
			}
			stop := versionWriters(t, w, c.protocol >= protocolTwoPhase)
			defer stop()
			signals := newMemorySignals()
			s := w.startWith(t, signals)
			const times = 4
			for i := range times {
				if i == times/2 {
					s.Stop()
					signals.send(blockingSignal(nil, "public.v")) // a connector that is stopped obeys when it runs again
					s = w.startWith(t, signals)
				} else {
					signals.send(blockingSignal(nil, "public.v"))
				}
				if end := w.ended(t, s, i+1)[i]; end.Why != "" {
					t.Fatalf("it ended early: %s", end.Why)
				}
			}
			stop()
			w.exec(t, `INSERT INTO v VALUES (5000, 0)`)
			records := w.kafka.await(t, "the end", func(r []Record) bool { return len(r) > 0 && string(r[len(r)-1].Key) == `{"id":5000}` })
			w.wantVersions(t, records)
			lasts := 0
			for _, r := range records {
				if strings.Contains(string(r.Value), `"snapshot":"last"`) {
					lasts++
				}
			}
			if lasts != times {
				t.Errorf("%d snapshots came to their end, want %d", lasts, times)
			}
		})
	}
}
