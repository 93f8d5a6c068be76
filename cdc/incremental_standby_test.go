package cdc

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// docTable has rows with large values that most updates leave alone.
const docTable = `CREATE TABLE doc (k int, id text, n int NOT NULL, note text NOT NULL, PRIMARY KEY (id, k)); ALTER TABLE doc ALTER note SET STORAGE EXTERNAL;
	INSERT INTO doc SELECT i % 5, 'd' || i, 0, repeat('n' || i, 600) FROM generate_series(1, 300) i`

// wantDocs waits until the records say what is in the table. Rows count how often they were changed: none that is read may be older than what came of it before.
func (w *world) wantDocs(t *testing.T) {
	t.Helper()
	want, got, read, same := w.docs(t), image{}, 0, false
	defer func() {
		if !same {
			t.Errorf("after %d records (-want +got):\n%.2000s", read, cmp.Diff(want, got))
		}
	}()
	w.kafka.await(t, "the table's rows", func(records []Record) bool {
		for ; read < len(records); read++ {
			r := records[read]
			if r.Topic != "crm.public.doc" {
				continue
			}
			before, known := got[string(r.Key)]["n"]
			got.apply(t, r)
			if now := got[string(r.Key)]["n"]; known && bytes.Contains(r.Value, []byte(`"op":"r"`)) && count(t, now) < count(t, before) {
				t.Fatalf("a stale row follows a newer change, which says %s: %.200s", before, r.Value)
			}
		}
		same = len(got) == len(want) && cmp.Equal(want, got)
		return same
	})
}

func count(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// onStandby has a source stream from a standby, reading no table.
func onStandby(t *testing.T, w *world, standby *pgserver.Server, signals Signals) *Source {
	t.Helper()
	w.moveTo(standby)
	w.config.SnapshotMode, w.signals = SnapshotNoData, signals
	w.exec(t, `CREATE PUBLICATION tandem FOR TABLE doc`)
	replayed(t, w, standby)
	s := w.begin(t)
	w.nudge(t, standby)
	eventually(t, "the stream", func() bool { return s.Status().Phase == phaseStreaming.String() })
	return s
}

// rowsRead waits until an incremental snapshot has written so many rows.
func rowsRead(t *testing.T, s *Source, n uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d rows", n), func() bool {
		p := s.Incremental()
		return len(p.Ended) > 0 || len(p.Tables) > 0 && p.Tables[0].Rows >= n
	})
	if ends := s.Incremental().Ended; len(ends) > 0 {
		t.Fatalf("it is over before the middle: %+v", ends)
	}
}

// On a standby tables are read while its primary is written to, over a restart of the standby and over its promotion: a consumer ends with the table's rows.
func TestIncrementalSnapshotOnAStandby(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 16, "slots on a standby")
	for _, c := range []struct {
		name     string
		protocol int
		exactly  bool
	}{{"protocol 1, once", 1, true}, {"protocol 4", 4, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, primary, standby := pair(t, nil, nil)
			w.exec(t, docTable)
			if !c.exactly {
				w.atLeastOnce()
			}
			w.config.ChunkSize, w.config.Protocol, w.config.Tables = 1, c.protocol, []string{`public\.doc`}
			signals := newMemorySignals()
			s := onStandby(t, w, standby, signals)
			stop := rewriters(t, w)
			defer func() { stop() }()
			signals.send(executeSignal("public.doc"))
			rowsRead(t, s, 20)
			if err := standby.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			rowsRead(t, s, 40)
			stop()
			replayed(t, w, standby)
			primary.Kill()
			promote(t, standby)
			w.db = w.promoted(t, standby)
			stop = rewriters(t, w)
			if end := w.ended(t, s, 1)[0]; end.Why != "" {
				t.Fatalf("it ended early: %s", end.Why)
			}
			stop()
			w.wantDocs(t)
		})
	}
}

// A commit that waits for a synchronous standby is in the stream before any session sees it: no row is read before it is seen, also where the server was a standby itself when the stream began.
func TestIncrementalSnapshotAfterAPromotionWaitsForCommitsToBeSeen(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 16, "slots on a standby")
	w, primary, standby := pair(t, nil, nil)
	w.exec(t, `CREATE TABLE doc (id int PRIMARY KEY, v text); INSERT INTO doc VALUES (1, 'old')`)
	w.config.Tables, w.config.StatusInterval = []string{`public\.doc`}, 20*time.Second // nothing else looks whether it is a standby
	signals := newMemorySignals()
	s := onStandby(t, w, standby, signals)
	signals.send(executeSignal("public.doc"))
	w.ended(t, s, 1)
	replayed(t, w, standby)
	primary.Kill()
	promote(t, standby)
	w.db = w.promoted(t, standby)
	w.exec(t, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	w.exec(t, `SELECT pg_reload_conf()`)
	eventually(t, "the setting", func() bool { return ask(t, standby, `SHOW synchronous_standby_names`) == "nobody" })
	waiting := w.connect(t)
	done := make(chan error, 1)
	go func() {
		_, err := waiting.Exec(context.Background(), `UPDATE doc SET v = 'new'`)
		done <- err
	}()
	w.kafka.await(t, "the update", func(r []Record) bool { return len(r) > 0 && strings.Contains(string(r[len(r)-1].Value), `"new"`) })
	if got := w.value(t, `SELECT v FROM doc`); got != "old" {
		t.Fatalf("sessions see %q already: this shows nothing", got)
	}
	signals.send(executeSignal("public.doc"))
	looks := map[string]bool{}
	eventually(t, "looks that were given up", func() bool {
		looks[w.value(t, `SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE query = 'ROLLBACK' AND pid <> pg_backend_pid()`)] = true
		return len(looks) > 6 || len(s.Incremental().Ended) > 1
	})
	w.exec(t, `ALTER SYSTEM RESET synchronous_standby_names`)
	w.exec(t, `SELECT pg_reload_conf()`)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.ended(t, s, 2)
	records := w.kafka.await(t, "the row", func(r []Record) bool { return len(r) > 2 })
	if last := records[len(records)-1]; decoded(t, last).Op != change.Read || !strings.Contains(string(last.Value), `"new"`) {
		t.Errorf("a stale row follows the update: %s", last.Value)
	}
}
