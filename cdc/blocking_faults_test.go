package cdc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// untilUnlocked is a filter that waits at a row until the test lets go of an advisory lock.
const untilUnlocked = `CASE WHEN id = 150 THEN pg_advisory_xact_lock_shared(7)::text IS NOT NULL ELSE true END`

const blockedTables = `CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT i, 'row ' || i FROM generate_series(1, 300) i; CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b SELECT generate_series(1, 5);
	SELECT pg_advisory_lock(7)`

// waitsForTheLock waits until the snapshot has come to the row at which it waits.
func waitsForTheLock(t *testing.T, w *world, s *Source) {
	t.Helper()
	eventually(t, "the middle of the snapshot", func() bool {
		p := s.Incremental().Blocking
		return len(p) > 0 && p[0].State == TableReads && w.value(t, `SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`) != "0"
	})
}

// While tables are read the stream stands still, and the server sees that it lives; what is written meanwhile follows the rows.
func TestBlockingSnapshotHoldsTheStream(t *testing.T) {
	t.Parallel()
	for _, exactly := range []bool{true, false} {
		t.Run(fmt.Sprint("exactly once ", exactly), func(t *testing.T) {
			t.Parallel()
			server := pgtest.ServerOf(t, pgserver.Options{Settings: map[string]string{"wal_sender_timeout": "1s"}})
			w := newWorld(t, server.DSN("postgres"), blockedTables)
			w.config.SnapshotMode, w.config.SnapshotThreads = SnapshotNoData, 1
			if !exactly {
				w.atLeastOnce()
			}
			signals := newMemorySignals()
			s := w.startWith(t, signals)
			sender := w.value(t, `SELECT pid::text FROM pg_stat_replication`)
			signals.send(blockingSignal(map[string]string{"public.a": untilUnlocked}, "public.a"))
			waitsForTheLock(t, w, s)
			w.exec(t, `INSERT INTO a VALUES (1000, 'meanwhile'); UPDATE a SET t = 'meanwhile' WHERE id = 1`)
			began := w.value(t, `SELECT now()::text`)
			eventually(t, "answers for longer than wal_sender_timeout", func() bool {
				return w.value(t, `SELECT (max(reply_time) > $1::timestamptz + interval '2 s')::text FROM pg_stat_replication`, began) == "true"
			})
			w.exec(t, `SELECT pg_advisory_unlock(7)`)
			w.ended(t, s, 1)
			records := w.kafka.awaitCount(t, 302)
			for i, r := range records {
				if e := decoded(t, r); (e.Op == change.Read) != (i < 300) || e.Op == change.Read && strings.Contains(string(r.Value), "meanwhile") {
					t.Fatalf("record %d: %s", i, r.Value)
				}
			}
			if now := w.value(t, `SELECT pid::text FROM pg_stat_replication`); now != sender {
				t.Errorf("the server ended the stream meanwhile")
			}
		})
	}
}

// A source that is stopped while it reads ends at once, and reads from the beginning when it is started again. What waits is not forgotten.
func TestBlockingSnapshotOverARestart(t *testing.T) {
	t.Parallel()
	for _, exactly := range []bool{true, false} {
		t.Run(fmt.Sprint("exactly once ", exactly), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), blockedTables)
			w.config.SnapshotMode, w.config.SnapshotThreads = SnapshotNoData, 1
			if !exactly {
				w.atLeastOnce()
			}
			signals := newMemorySignals()
			s := w.startWith(t, signals)
			signals.send(blockingSignal(map[string]string{"public.a": untilUnlocked}, "public.a"))
			signals.send(blockingSignal(nil, "public.b"))
			waitsForTheLock(t, w, s)
			eventually(t, "the queue", func() bool { return len(s.Incremental().Blocking) == 2 })
			s.Stop()
			w.exec(t, `UPDATE a SET t = 'between' WHERE id = 7`)
			s = w.startWith(t, signals)
			eventually(t, "going on", func() bool { return s.taken.Load() != nil })
			w.exec(t, `SELECT pg_advisory_unlock(7)`)
			ends := w.ended(t, s, 2)
			if ends[0].Table != "public.a" || ends[0].Rows != 300 || ends[1].Table != "public.b" || ends[1].Rows != 5 || ends[0].Why+ends[1].Why != "" {
				t.Errorf("what became of them: %+v", ends)
			}
			rows, late := map[string]int{}, false
			for _, r := range w.kafka.await(t, "the rows", func(r []Record) bool {
				return len(r) > 0 && strings.Contains(string(r[len(r)-1].Value), `"last"`) && strings.HasSuffix(r[len(r)-1].Topic, "b")
			}) {
				switch e := decoded(t, r); {
				case e.Op == change.Update:
					late = true
				case e.Op == change.Read && (!late || strings.Contains(r.Topic, "b") || strings.Contains(string(r.Value), "between") == (string(r.Key) == `{"id":7}`)):
					rows[r.Topic+string(r.Key)]++
				default:
					t.Errorf("after the restart: %s", r.Value)
				}
			}
			if len(rows) != 305 || !late {
				t.Errorf("%d rows, the update was told: %v", len(rows), late)
			}
		})
	}
}

// What was asked for is stopped by a signal, while it waits and while it is read; a pause is not for it, and incremental snapshots wait for it.
func TestBlockingSnapshotsAreStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), blockedTables)
	w.config.SnapshotMode, w.config.SnapshotThreads = SnapshotNoData, 1
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	signals.send(`{"type":"pause-snapshot"}`)
	signals.send(executeSignal("public.b"))
	signals.send(blockingSignal(map[string]string{"public.a": untilUnlocked}, "public.a", "public.b"))
	signals.send(blockingSignal(nil, "public.a", "public.b"))
	waitsForTheLock(t, w, s)
	eventually(t, "the queue", func() bool { return s.Signalled() == 4 })
	for i, bad := range []string{`{"type":"pause-snapshot","data":{"type":"BLOCKING"}}`, `{"type":"stop-snapshot","data":{"type":"BLOCKING","data-collections":["public.c"]}}`, `{"type":"stop-snapshot","data":{"type":"BLOCKING","data-collections":["public.b"]}}`} {
		signals.send(bad)
		eventually(t, "the refusal of "+bad, func() bool { return s.Refusals() == uint64(i+1) })
	}
	w.exec(t, `INSERT INTO a VALUES (1000, 'after')`)
	signals.send(`{"type":"stop-snapshot","data":{"type":"blocking"}}`)
	if ends := w.ended(t, s, 4); ends[0].Why == "" || ends[1].Why == "" || ends[2].Why == "" || ends[3].Why == "" {
		t.Errorf("what became of them: %+v", ends)
	}
	w.kafka.await(t, "the stream", func(r []Record) bool { return len(r) > 0 && string(r[len(r)-1].Key) == `{"id":1000}` })
	if p := s.Incremental(); !p.Paused || len(p.Tables) != 1 || len(p.Blocking) != 0 {
		t.Errorf("what is left: %+v", p)
	}
	signals.send(blockingSignal(nil, "public.b"))
	if end := w.ended(t, s, 5)[4]; end.Why != "" || end.Rows != 5 {
		t.Errorf("after a pause: %+v", end)
	}
	signals.send(`{"type":"resume-snapshot"}`)
	if end := w.ended(t, s, 6)[5]; end.Why != "" || end.Rows != 5 || len(s.Incremental().Tables) != 0 {
		t.Errorf("the incremental one: %+v", end)
	}
}

// A table that cannot be read is given up with its reason; the others that the signal names are read, and the stream goes on. As with Debezium a filter may be a whole SELECT.
func TestBlockingSnapshotOfTablesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY, n int, t text); INSERT INTO a SELECT i, i % 10, 'x' FROM generate_series(1, 300) i; CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b SELECT generate_series(1, 5);
		CREATE TABLE dropped (id int PRIMARY KEY); CREATE TABLE hidden (id int PRIMARY KEY); CREATE SEQUENCE s; CREATE PUBLICATION tandem FOR TABLE a, b, dropped, hidden`)
	w.config.SnapshotMode, w.config.AutoCreate = SnapshotNoData, "disabled"
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	for i, bad := range []string{blockingSignal(nil, "public.absent"), blockingSignal(map[string]string{"public.a": "SELECT * FROM a; DROP TABLE b"}, "public.a"), blockingSignal(nil), strings.Replace(blockingSignal(nil, "public.a"), "blocking", "quiet", 1)} {
		signals.send(bad)
		eventually(t, "the refusal of "+bad, func() bool { return s.Refusals() == uint64(i+1) })
	}
	w.exec(t, `DROP TABLE dropped`)
	w.exec(t, `ALTER PUBLICATION tandem DROP TABLE hidden`)
	for i, c := range []struct {
		table, filter, why string
		rows               uint64
	}{
		{"a", `no_such_column = 1`, "no_such_column", 0}, {"a", `nextval('s') > 0`, "read-only", 0}, {"a", `1 / (id - 150) > -5`, "division", 0},
		{"dropped", "", "gone", 0}, {"hidden", "", "publication", 0}, {"a", `SELECT t FROM a`, "id", 0}, {"a", `SELECT FROM nowhere`, "nowhere", 0},
		{"a", `n = 1 OR t = 'a;b--c'`, "", 30}, {"a", ` select id, t FROM a WHERE n IN (1, 2)`, "", 60}, {"a", `false`, "", 0},
	} {
		signals.send(blockingSignal(map[string]string{"public." + c.table: c.filter}, "public."+c.table, "public.b"))
		ends := w.ended(t, s, 2*i+2)[2*i:] // no more than these are remembered
		found := map[string]TableEnd{}
		for _, end := range ends {
			found[end.Table] = end
		}
		if end := found["public."+c.table]; (c.why == "") != (end.Why == "") || !strings.Contains(end.Why, c.why) || end.Why == "" && end.Rows != c.rows {
			t.Errorf("%s with %q: %+v", c.table, c.filter, end)
		}
		if end := found["public.b"]; end.Why != "" || end.Rows != 5 {
			t.Errorf("beside %s with %q: %+v", c.table, c.filter, end)
		}
	}
	if got := w.value(t, `SELECT last_value::text || is_called::text FROM s`); got != "1false" {
		t.Errorf("a filter has written: %s", got)
	}
	w.exec(t, `INSERT INTO b VALUES (99)`)
	w.kafka.await(t, "the stream", func(r []Record) bool { return string(r[len(r)-1].Key) == `{"id":99}` })
}

// Of transactions that are open when the tables are read nothing is in the rows, sent already as they may be: all of it follows.
func TestBlockingSnapshotAmongOpenTransactions(t *testing.T) {
	t.Parallel()
	server := pgtest.ServerOf(t, pgserver.Options{Settings: map[string]string{"max_prepared_transactions": "10", "logical_decoding_work_mem": "64kB"}})
	w := newWorld(t, server.DSN("postgres"), versioned+`; CREATE PUBLICATION tandem FOR TABLE v`)
	w.value(t, `SELECT slot_name::text FROM pg_create_logical_replication_slot($1, 'pgoutput', false, true)`, w.config.Slot)
	w.config.SpillDir, w.config.SnapshotMode, w.config.Protocol = t.TempDir(), SnapshotNoData, protocolTwoPhase
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	open := w.connect(t)
	do := func(conn *pgx.Conn, sql ...string) {
		for _, one := range sql {
			if _, err := conn.Exec(t.Context(), one); err != nil {
				t.Fatalf("%s: %v", one, err)
			}
		}
	}
	do(open, `BEGIN`, `UPDATE v SET n = n + 1, pad = repeat('large', 200) WHERE id <= 200`)
	do(w.db, `BEGIN`, `UPDATE v SET n = n + 1 WHERE id = 300`, `PREPARE TRANSACTION 'kept'`, `BEGIN`, `UPDATE v SET n = n + 1 WHERE id = 301`, `PREPARE TRANSACTION 'dropped'`, `UPDATE v SET n = n + 1 WHERE id = 302`)
	eventually(t, "what runs, on our disk", func() bool { return s.Status().SpillBytes > 100_000 })
	signals.send(blockingSignal(nil, "public.v"))
	if end := w.ended(t, s, 1)[0]; end.Why != "" || end.Rows != 400 {
		t.Fatalf("what became of it: %+v", end)
	}
	do(open, `UPDATE v SET n = n + 1 WHERE id <= 200`, `COMMIT`)
	do(w.db, `COMMIT PREPARED 'kept'`, `ROLLBACK PREPARED 'dropped'`, `UPDATE v SET n = n + 1 WHERE id = 302`)
	records := w.kafka.awaitCount(t, 1+400+200+200+1+1)
	w.wantVersions(t, records)
	var ops []string
	for _, r := range records {
		if op := string(decoded(t, r).Op); len(ops) == 0 || ops[len(ops)-1] != op {
			ops = append(ops, op)
		}
	}
	if diff := cmp.Diff([]string{"u", "r", "u"}, ops); diff != "" {
		t.Errorf("the order (-want +got):\n%s", diff)
	}
}

// Connections are cut and commits fail, before and after they took effect, while tables are read and written to: each change is told once, and each row stands where it belongs.
func TestBlockingSnapshotWhateverHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Server(t).DSN("postgres"), versioned)
	w.config.SnapshotMode, w.config.TransactionEventsMax, w.config.snapshotPages = SnapshotNoData, 40, 2
	w.exactly().troubles(t, 8, 10)
	stop := versionWriters(t, w, false)
	defer stop()
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	for i := range 4 {
		signals.send(blockingSignal(nil, "public.v"))
		eventually(t, "the request", func() bool { return len(s.Incremental().Blocking) > 0 || len(s.Incremental().Ended) > i })
		w.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tandem' AND datname = current_database()`)
		if end := w.ended(t, s, i+1)[i]; end.Why != "" {
			t.Fatalf("it ended early: %s", end.Why)
		}
	}
	stop()
	w.exec(t, `INSERT INTO v VALUES (5000, 0)`)
	w.wantVersions(t, w.kafka.await(t, "the end", func(r []Record) bool { return len(r) > 0 && string(r[len(r)-1].Key) == `{"id":5000}` }))
}

// On a standby rows may be a change early, and are never late: a consumer ends with the table's rows.
func TestBlockingSnapshotOnAStandby(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 16, "slots on a standby")
	w, _, standby := pair(t, nil, nil)
	w.exec(t, docTable)
	w.config.Tables = []string{`public\.doc`}
	signals := newMemorySignals()
	s := onStandby(t, w, standby, signals)
	stop := rewriters(t, w)
	defer stop()
	for i := range 3 {
		signals.send(blockingSignal(nil, "public.doc"))
		if end := w.ended(t, s, i+1)[i]; end.Why != "" {
			t.Fatalf("it ended early: %s", end.Why)
		}
	}
	stop()
	w.wantDocs(t)
}
