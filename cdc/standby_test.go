package cdc

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// pair is a world whose statements run on a primary, with a standby that follows it.
func pair(t *testing.T, primary, standby map[string]string) (w *world, first, second *pgserver.Server) {
	t.Helper()
	first = pgtest.ServerOf(t, pgserver.Options{Settings: primary})
	w = newWorld(t, first.DSN("postgres"), contacts)
	second = pgtest.Standby(t, first, pgserver.Options{Settings: standby})
	return w, first, second
}

// moveTo has the source connect to another server.
func (w *world) moveTo(s *pgserver.Server) {
	w.config.Database.DSN = config.NewSecret(s.DSN("postgres"))
}

func ask(t *testing.T, s *pgserver.Server, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var out string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// nudge tells the standby which transactions are open, until the slot that is being made there is; an idle primary says so every 15 seconds.
func (w *world) nudge(t *testing.T, standby *pgserver.Server) {
	t.Helper()
	eventually(t, "the slot on the standby", func() bool {
		w.value(t, `SELECT pg_log_standby_snapshot()::text`)
		return ask(t, standby, `SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn IS NOT NULL`, w.config.Slot) == "1"
	})
}

func replayed(t *testing.T, w *world, standby *pgserver.Server) {
	t.Helper()
	end := w.value(t, `SELECT pg_current_wal_flush_lsn()::text`)
	eventually(t, "the standby's replay", func() bool {
		return ask(t, standby, `SELECT (pg_last_wal_replay_lsn() >= $1::text::pg_lsn)::text`, end) == "true"
	})
}

func promote(t *testing.T, standby *pgserver.Server) {
	t.Helper()
	if ask(t, standby, `SELECT pg_promote()::text`) != "true" {
		t.Fatal("the standby is not promoted")
	}
}

// Slot, snapshot and stream on a standby; its primary is only asked for the publication. When it is promoted the stream goes on.
func TestCaptureFromAStandby(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 16, "slots on a standby")
	w, primary, standby := pair(t, nil, nil)
	w.moveTo(standby)
	wantProblems(t, w, "cannot be made on a standby: run on the primary CREATE PUBLICATION tandem FOR TABLE ONLY \"public\".\"contact\"")
	w.exec(t, `CREATE PUBLICATION tandem FOR TABLE contact; INSERT INTO contact (name) VALUES ('Ada'), ('Zoë')`)
	replayed(t, w, standby)
	wantProblems(t, w)
	s := w.begin(t)
	w.nudge(t, standby)
	eventually(t, "the stream", func() bool { return s.Status().Phase == phaseStreaming.String() })
	w.exec(t, `INSERT INTO contact (name) VALUES ('Bob')`)
	w.exec(t, `UPDATE contact SET id = 9 WHERE id = 1; DELETE FROM contact WHERE id = 2`)
	wantRecords(t, w, `r {"id":1}`, `r {"id":2}`, `c {"id":3}`, `d {"id":1}`, `- {"id":1}`, `c {"id":9}`, `d {"id":2}`, `- {"id":2}`)
	s.Stop()
	w.exec(t, `INSERT INTO contact (id) VALUES (20)`)
	if err := standby.Restart(t.Context()); err != nil { // it may be behind what we have seen at first
		t.Fatal(err)
	}
	w.start(t)
	had := w.kafka.awaitCount(t, 9)
	w.exec(t, `CREATE TABLE later (id int PRIMARY KEY)`)
	replayed(t, w, standby)
	primary.Kill()
	promote(t, standby)
	if _, err := w.promoted(t, standby).Exec(t.Context(), `INSERT INTO contact (id) VALUES (21)`); err != nil {
		t.Fatal(err)
	}
	records := w.kafka.awaitCount(t, len(had)+1)
	if got := summary(t, records)[8:]; len(got) != 2 || got[0] != `c {"id":20}` || got[1] != `c {"id":21}` {
		t.Errorf("after the restart and after the promotion: %v", got)
	}
}

func (w *world) promoted(t *testing.T, s *pgserver.Server) *pgx.Conn {
	t.Helper()
	w.dsn = s.DSN("postgres")
	return w.connect(t)
}

// Vacuum on the primary takes rows of the catalog from a standby that does not ask to keep them.
func TestSlotInConflictWithRecovery(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 16, "slots on a standby")
	w, _, standby := pair(t, nil, map[string]string{"hot_standby_feedback": "off", "primary_slot_name": ""})
	w.exec(t, `CREATE PUBLICATION tandem FOR TABLE contact`)
	replayed(t, w, standby)
	w.moveTo(standby)
	wantProblems(t, w, "warning: server: it is a standby without hot_standby_feedback")
	s := w.begin(t)
	w.nudge(t, standby)
	eventually(t, "the stream", func() bool { return s.Status().Phase == phaseStreaming.String() })
	s.Stop()
	eventually(t, "the conflict", func() bool {
		w.exec(t, `CREATE TABLE shortlived (id int)`)
		w.exec(t, `DROP TABLE shortlived`)
		w.exec(t, `VACUUM pg_class`)
		state, err := LookAtSlot(t.Context(), w.config.Database, w.config.Slot)
		return err == nil && state.Lost != ""
	})
	wantIn(t, w.refused(t), "hot_standby_feedback", "snapshot.mode=when_needed")
}

// A failover slot is there when a standby takes over, and nothing is missing and nothing comes twice.
func TestFailover(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 17, "failover slots")
	w, primary, standby := pair(t, map[string]string{"synchronized_standby_slots": "standby"}, map[string]string{"sync_replication_slots": "on"})
	w.start(t).Stop() // a slot without failover is altered
	w.config.SlotOptions.Failover = true
	wantProblems(t, w)
	s := w.start(t)
	for _, sql := range []string{`INSERT INTO contact (id) VALUES (1)`, `INSERT INTO contact (id) VALUES (2)`} {
		w.exec(t, sql)
	}
	w.kafka.awaitCount(t, 2)
	eventually(t, "the copy of the slot", func() bool {
		w.value(t, `SELECT pg_log_standby_snapshot()::text`) // it moves with the primary's
		return ask(t, standby, `SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1 AND failover AND synced AND NOT temporary AND invalidation_reason IS NULL`, w.config.Slot) == "1"
	})
	w.exec(t, `INSERT INTO contact (id) VALUES (3)`)
	w.kafka.awaitCount(t, 3)
	s.Stop()
	replayed(t, w, standby)
	primary.Kill()
	promote(t, standby)
	w.moveTo(standby)
	next := w.promoted(t, standby)
	w.start(t)
	if _, err := next.Exec(t.Context(), `INSERT INTO contact (id) VALUES (4)`); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, w, `c {"id":1}`, `c {"id":2}`, `c {"id":3}`, `c {"id":4}`)
}

// A standby that is promoted without what Kafka has already writes other changes at the same positions: nothing may be skipped in silence.
func TestPromotedStandbyThatHadNotReceivedEverything(t *testing.T) {
	t.Parallel()
	w, primary, standby := pair(t, nil, nil)
	s := w.start(t)
	w.exec(t, `INSERT INTO contact (name) VALUES ('both have it')`)
	replayed(t, w, standby)
	standby.Kill()
	w.exec(t, `INSERT INTO contact (name) VALUES ('lost'); INSERT INTO contact (name) SELECT repeat('x', 1000) FROM generate_series(1, 100)`)
	w.kafka.awaitCount(t, 102)
	s.Stop()
	primary.Kill()
	if err := standby.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	promote(t, standby)
	w.moveTo(standby)
	wantIn(t, w.refused(t), "the replication slot is gone", "a standby was promoted (timeline 2, the stored position is of 1)", "slot.failover=true")
	db := w.promoted(t, standby)
	for _, sql := range []string{
		`SELECT pg_create_logical_replication_slot('` + w.config.Slot + `', 'pgoutput')`,
		`INSERT INTO contact (name) SELECT repeat('y', 1000) FROM generate_series(1, 1000)`, // so that the stored position looks like one of this server's
	} {
		if _, err := db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	wantIn(t, w.refused(t), "Kafka has changes that the database lost", "snapshot.mode=when_needed")
	w.config.SnapshotMode = SnapshotWhenNeeded
	had := w.kafka.len()
	w.start(t)
	w.kafka.await(t, "the tables again", func(r []Record) bool { return len(r) >= had+1001 })
}
