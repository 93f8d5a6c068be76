package cdc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// Connections are cut and commits fail, before and after they took effect, while a table is read and written to: it is read to its end, no chunk that Kafka has is read again from
// the beginning, and a consumer ends with the table's rows.
func TestIncrementalSnapshotWhateverHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), docTable)
	w.config.SnapshotMode, w.config.ChunkSize, w.config.TransactionEventsMax = SnapshotNoData, 5, 10
	w.exactly().troubles(t, 6, 12)
	stop := rewriters(t, w)
	defer stop()
	signals := newMemorySignals()
	signals.send(executeSignal("public.doc"))
	s := w.startWith(t, signals)
	for rows := uint64(40); rows <= 160; rows += 60 {
		eventually(t, fmt.Sprintf("%d rows", rows), func() bool {
			p := s.Incremental()
			return len(p.Ended) > 0 || len(p.Tables) > 0 && p.Tables[0].Rows >= rows
		})
		w.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tandem' AND datname = current_database()`)
	}
	if end := w.ended(t, s, 1)[0]; end.Why != "" {
		t.Fatalf("it ended early: %s", end.Why)
	}
	stop()
	w.wantDocs(t)
	reads := map[string]int{}
	for _, r := range w.kafka.await(t, "all", func([]Record) bool { return true }) {
		if decoded(t, r).Op == change.Read {
			reads[string(r.Key)]++
		}
	}
	for key, n := range reads {
		if n > 3 { // a row that was rolled back was never told; one of the chunk of a crash comes twice
			t.Errorf("%s was read %d times", key, n)
		}
	}
}

// What people do to a table, and ask, in the middle of its incremental snapshot.
func TestIncrementalSnapshotThatIsInterfered(t *testing.T) {
	t.Parallel()
	const rows = 300
	for _, c := range []struct {
		name, sql, signal string
		restart           bool
		why               string // it is given up; "": it is read to its end
		reads             int    // of rows, in all; 0: not counted
	}{
		{name: "renamed", sql: `ALTER TABLE a RENAME TO b`, why: "renamed"},
		{name: "moved to another schema", sql: `CREATE SCHEMA other; ALTER TABLE a SET SCHEMA other`, why: "renamed"},
		{name: "the key's column renamed", sql: `ALTER TABLE a RENAME id TO ident`},
		{name: "the key's type changed", sql: `ALTER TABLE a ALTER id TYPE bigint`, reads: rows},
		{name: "without a key", sql: `ALTER TABLE a REPLICA IDENTITY FULL; ALTER TABLE a DROP CONSTRAINT a_pkey`},
		{name: "not published any more", sql: `CREATE TABLE c (id int PRIMARY KEY); ALTER PUBLICATION tandem SET TABLE c`, why: "publication"},
		{name: "emptied", sql: `TRUNCATE a; INSERT INTO a VALUES (1, 'n')`},
		{name: "asked for again", signal: executeSignal("public.a")},
		{name: "asked for again, with a filter", signal: `{"type":"execute-snapshot","data":{"data-collections":["public.a"],"additional-conditions":[{"data-collection":"public.a","filter":"id <= 5"}]}}`},
		{name: "a restart", restart: true, reads: rows},
		{name: "stopped", signal: `{"type":"stop-snapshot"}`, why: "stopped"},
		{name: "a signal for another connector", reads: rows},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), fmt.Sprintf(`CREATE TABLE a (id int PRIMARY KEY, t text NOT NULL DEFAULT 'x'); INSERT INTO a SELECT generate_series(1, %d)`, rows))
			w.config.SnapshotMode, w.config.ChunkSize, w.config.AutoCreate = SnapshotNoData, 10, "disabled"
			w.exec(t, `CREATE PUBLICATION tandem FOR TABLE a`)
			signals := newMemorySignals()
			s := w.startWith(t, signals)
			signals.send(executeSignal("public.a"))
			eventually(t, "the middle", func() bool {
				p := s.Incremental()
				return len(p.Tables) == 1 && p.Tables[0].Rows >= 30
			})
			signals.send(`{"type":"pause-snapshot"}`)
			eventually(t, "the pause", func() bool { return s.Incremental().Paused })
			before := s.Incremental()
			if len(before.Tables) != 1 {
				t.Fatalf("it is over before the middle: %+v", before)
			}
			signals.sendKeyed("another", `{"type":"stop-snapshot"}`)
			if c.sql != "" {
				for sql := range strings.SplitSeq(c.sql, "; ") {
					w.exec(t, sql)
				}
			}
			if c.signal != "" {
				signals.send(c.signal)
			}
			if c.restart {
				s.Stop()
				s = w.startWith(t, signals)
				// The chunk that was being read at the pause is still written.
				if now := s.Incremental(); !now.Paused || len(now.Tables) != 1 || now.Tables[0].Rows < before.Tables[0].Rows || now.Tables[0].Rows > before.Tables[0].Rows+10 {
					t.Errorf("after a restart %+v, before %+v", now, before)
				}
			}
			signals.send(`{"type":"resume-snapshot"}`)
			end := w.ended(t, s, 1)[0]
			if (c.why == "") != (end.Why == "") || !strings.Contains(end.Why, c.why) {
				t.Errorf("what became of it: %+v", end)
			}
			if len(s.Incremental().Tables) != 0 {
				t.Errorf("something is left: %+v", s.Incremental())
			}
			if c.reads > 0 {
				eventually(t, "its rows", func() bool { return w.kafka.len() >= c.reads })
				if got := w.kafka.len(); got != c.reads {
					t.Errorf("%d rows", got)
				}
			}
			if strings.Contains(c.name, "filter") && end.Rows != 5 {
				t.Errorf("the newer signal counts: %+v", end)
			}
		})
	}
}

// A chunk waits for the stream to come by when a signal stops its table, or asks for it anew: it is of no use any more.
func TestAChunkThatNobodyWantsAnyMoreIsForgotten(t *testing.T) {
	t.Parallel()
	old := incrementalTable{Table: "public.a", Begun: true, Since: 1}
	for name, now := range map[string][]incrementalTable{"stopped": nil, "asked for anew": {{Table: "public.a", Filter: "id <= 5", Since: 2}}, "another is the first": {{Table: "public.b", Since: 1}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reader{session: &session{Source: &Source{}, tracker: &tracker{}}}
			x := &r.aside
			x.window, x.held, x.until, x.passed = newWindow(tableName{"public", "a"}, []string{"id"}), chunk{table: old}, 10, 20
			x.window.fill(nil)
			x.state = &incremental{Tables: now, Paused: true}
			if err := r.turn(time.Now()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(now, x.state.Tables); diff != "" || x.window != nil || len(x.state.Ended) > 0 {
				t.Errorf("(-want +got):\n%s window %v, ended %v", diff, x.window, x.state.Ended)
			}
		})
	}
}
