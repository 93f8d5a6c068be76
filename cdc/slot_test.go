package cdc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// refused starts a source that must not start, and gives the reason.
func (w *world) refused(t *testing.T) string {
	t.Helper()
	s := w.source(t)
	err := s.Start(context.WithoutCancel(t.Context()))
	if err == nil {
		select {
		case <-s.Done():
			err = s.Err()
		case <-time.After(time.Minute):
			t.Errorf("it runs: %+v", s.Status())
		}
	}
	s.Stop()
	if err == nil {
		t.Fatal("it started")
	}
	return err.Error()
}

func wantIn(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, one := range want {
		if !strings.Contains(text, one) {
			t.Errorf("nothing says %q in: %s", one, text)
		}
	}
}

// A source that is away for too long loses its slot; on the way there the server's figures say how near that is.
func TestSlotThatFallsTooFarBehind(t *testing.T) {
	t.Parallel()
	server := pgtest.ServerOf(t, pgserver.Options{Settings: map[string]string{"max_slot_wal_keep_size": "64MB", "max_wal_size": "32MB", "min_wal_size": "32MB"}})
	w := newWorld(t, server.DSN("postgres"), contacts)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada')`)
	w.start(t).Stop()
	write := func() { w.exec(t, `INSERT INTO contact (name) VALUES ('x'); SELECT pg_switch_wal()`) }
	state := func() *SlotState {
		s, err := LookAtSlot(t.Context(), w.config.Database, w.config.Slot)
		if err != nil || s == nil {
			t.Fatal(s, err)
		}
		return s
	}
	if s := state(); !s.Limited || s.Used() > 0.5 || s.Lost != "" || s.Reader != 0 {
		t.Fatalf("at first: %+v", s)
	}
	for range 3 {
		write()
	}
	near := state()
	if near.Used() < 0.5 || near.Used() > 1 || near.Retained < 32<<20 || near.Lag == 0 || near.Lag > near.Retained {
		t.Errorf("after 48 MiB of 64: %+v, used %.2f", near, near.Used())
	}
	wantIn(t, near.Warning(40), "% of the WAL that the server keeps for it", "max_slot_wal_keep_size")
	if near.Warning(100) != "" || near.Warning(0) != "" {
		t.Errorf("warned without need: %q", near.Warning(100))
	}
	eventually(t, "the loss", func() bool {
		write()
		w.exec(t, `CHECKPOINT`)
		return state().Lost != ""
	})
	if got := state().WALStatus; got != "lost" {
		t.Errorf("wal_status %s", got)
	}
	wantIn(t, w.refused(t), "max_slot_wal_keep_size", "snapshot.mode=when_needed")
	had := w.kafka.len()
	w.config.SnapshotMode = SnapshotWhenNeeded
	w.start(t)
	w.exec(t, `INSERT INTO contact (id, name) VALUES (1000, 'last')`)
	w.kafka.await(t, "the tables again, and the stream", func(r []Record) bool {
		return slices.Contains(summary(t, r[had:min(len(r), had+1)]), `r {"id":1}`) && slices.Contains(summary(t, r[len(r)-1:]), `c {"id":1000}`)
	})
}

// From 18 on a server may drop the claim of slots that nobody reads.
func TestSlotThatIsIdleForTooLong(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 18, "idle_replication_slot_timeout")
	server := pgtest.ServerOf(t, pgserver.Options{Settings: map[string]string{"idle_replication_slot_timeout": "1s"}})
	w := newWorld(t, server.DSN("postgres"), contacts)
	w.start(t).Stop()
	eventually(t, "the timeout", func() bool {
		w.exec(t, `CHECKPOINT`)
		s, err := LookAtSlot(t.Context(), w.config.Database, w.config.Slot)
		return err == nil && s.Lost != "" && !s.Since.IsZero()
	})
	wantIn(t, w.refused(t), "idle_replication_slot_timeout", "snapshot.mode=when_needed")
}

func TestSlotThatWasDroppedWhileStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.config.SlotOptions.DropOnStop = true
	wantProblems(t, w, "warning: slot.drop.on.stop: after a stop the next start finds that changes were lost")
	w.start(t).Stop()
	if n := w.value(t, `SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1`, w.config.Slot); n != "0" {
		t.Error("slot.drop.on.stop left the slot")
	}
	wantIn(t, w.refused(t), "the replication slot is gone", "snapshot.mode=when_needed")
	w.config.SnapshotMode = SnapshotWhenNeeded
	wantProblems(t, w)
	w.start(t).Stop()
}

// Somebody else's slot is no slot of ours, whatever its name.
func TestSlotOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t, pgtest.Database(t), contacts), newWorld(t, pgtest.Database(t), contacts)
	other.value(t, `SELECT slot_name::text FROM pg_create_logical_replication_slot($1, 'pgoutput')`, other.config.Slot)
	w.config.Slot = other.config.Slot
	wantIn(t, w.refused(t), "it belongs to database "+dsnName(other.dsn))
}

// Two copies wait for one another for ever, unless they are told not to.
func TestSlotRetriesEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.start(t)
	w.config.SlotOptions.RetriesMax, w.config.SlotRetryDelay = 2, time.Millisecond
	s := w.source(t)
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err) // waiting is ready
	}
	<-s.Done()
	if err := s.Err(); !errors.As(err, new(*HeldError)) {
		t.Errorf("it ended with %v", err)
	} else {
		wantIn(t, err.Error(), "slot.max.retries=2")
	}
	s.Stop()
}

// What came to the database by replication is left out where that is asked for.
func TestOriginNone(t *testing.T) {
	t.Parallel()
	pgtest.Since(t, 16, "origin=none of slot.stream.params")
	w := newWorld(t, pgtest.Database(t), contacts)
	w.config.SlotOptions.StreamParams = "origin=none"
	w.start(t)
	origin := "origin_" + dsnName(w.dsn)
	w.value(t, `SELECT pg_replication_origin_create($1)::text`, origin)
	w.exec(t, `SELECT pg_replication_origin_session_setup('`+origin+`'); INSERT INTO contact VALUES (1); SELECT pg_replication_origin_session_reset()`)
	w.exec(t, `SELECT pg_replication_origin_drop($1)`, origin)
	w.exec(t, `INSERT INTO contact VALUES (2)`)
	wantRecords(t, w, `c {"id":2}`)
}

func TestStreamParams(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "",
		"origin=none":            "origin 'none'",
		" a = b'c ; origin=any;": "a 'b''c'|origin 'any'",
		"x":                      "not name=value",
		"a b=c":                  "not name=value",
		"proto_version=4":        "set protocol.version",
		"Streaming=parallel":     "set protocol.version to 2 or more",
	} {
		got, err := streamParams(text)
		if err != nil {
			wantIn(t, err.Error(), want)
		} else if strings.Join(got, "|") != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// What a server is too old for is said before the start, all of it.
func TestOptionsThatAServerLacks(t *testing.T) {
	t.Parallel()
	c := Default()
	c.SlotOptions = SlotOptions{Failover: true, StreamParams: "origin=none"}
	var problems config.Problems
	(&facts{version: 150018}).optionProblems(c, &problems)
	(&facts{version: 150018, standby: true}).serverProblems(&problems)
	wantIn(t, problems.Error(), "failover slots: they came with 17", "cannot filter by origin: it came with 16", "have 16 or newer")
	problems = nil
	(&facts{version: 180004, standby: true}).optionProblems(c, &problems)
	(&facts{version: 180004, standby: true, walLevel: "logical", replication: true}).serverProblems(&problems)
	wantIn(t, problems.Error(), "a slot on a standby cannot be copied", "standby without hot_standby_feedback")
	if len(problems) != 2 {
		t.Errorf("%v", problems)
	}
}

func TestEndOfATimeline(t *testing.T) {
	t.Parallel()
	const history = "1\t0/3000060\tno recovery target specified\n\n2\t0/5000000\tbefore 2026-01-01\n"
	for timeline, want := range map[int32]string{1: "0/3000060", 2: "0/5000000", 3: ""} {
		end, ok := endOf(history, timeline)
		if at, _ := change.ParseLSN(want); ok != (want != "") || ok && end != at {
			t.Errorf("timeline %d: got %s %v, want %s", timeline, end, ok, want)
		}
	}
}
