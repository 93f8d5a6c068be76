package cdc

import (
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// Every strategy against a slot that is behind, even, ahead, lost and absent, and a snapshot that runs.
func TestWhichPositionHolds(t *testing.T) {
	t.Parallel()
	at := func(lsn change.LSN) *offset {
		o := offset{SnapshotCompleted: true}.at(progress{lsn: lsn, next: change.Position{Commit: lsn, Index: 3}, txID: 9})
		return &o
	}
	for _, tc := range []struct {
		m      Mismatch
		stored *offset
		slot   *slot
		want   change.LSN
		says   string
	}{
		{TrustOffset, at(50), &slot{confirmed: 40}, 50, ""},
		{TrustOffset, at(50), &slot{confirmed: 60}, 50, ""}, // what decide calls lost
		{TrustGreaterLSN, at(50), &slot{confirmed: 40}, 50, ""},
		{TrustGreaterLSN, at(50), &slot{confirmed: 60}, 60, "skipped"},
		{TrustSlot, at(50), &slot{confirmed: 40}, 40, "come again"},
		{TrustSlot, at(50), &slot{confirmed: 60}, 60, "skipped"},
		{TrustSlot, at(50), &slot{confirmed: 50}, 50, ""},
		{NoValidation, at(50), &slot{confirmed: 40}, 50, ""},
		{NoValidation, at(50), &slot{confirmed: 60}, 60, "skipped"},
		{NoValidation, at(50), &slot{confirmed: 60, lost: true}, 50, ""},
		{TrustSlot, at(50), nil, 50, ""},
		{TrustSlot, &offset{LSN: 50, Snapshot: snapshotRunning}, &slot{confirmed: 60}, 50, ""},
	} {
		got, says := tc.m.settle(tc.stored, tc.slot)
		if got.LSN != tc.want || (says == "") != (tc.says == "") || !strings.Contains(says, tc.says) {
			t.Errorf("%s: %s against %+v: %s, %q", tc.m, tc.stored.LSN, tc.slot, got.LSN, says)
		}
		if says != "" && got.next() != (change.Position{Commit: tc.want}) {
			t.Errorf("%s: the next is %s", tc.m, got.next())
		}
	}
}

// Somebody reads from the slot while the connector is stopped: by default that is an end with a reason; whoever trusts the newer position goes on behind it.
func TestASlotThatSomebodyMoved(t *testing.T) {
	t.Parallel()
	for _, m := range []Mismatch{TrustOffset, TrustGreaterLSN} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), contacts)
			w.config.Mismatch = m
			s := w.start(t)
			w.exec(t, `INSERT INTO contact (name) VALUES ('told')`)
			w.kafka.awaitCount(t, 1)
			s.Stop()
			w.exec(t, `INSERT INTO contact (name) VALUES ('taken')`)
			w.exec(t, `SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())`, w.config.Slot)
			w.exec(t, `INSERT INTO contact (name) VALUES ('after')`)
			if m == TrustOffset {
				if err := w.source(t).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "somebody else read from it") {
					t.Errorf("Start = %v", err)
				}
				return
			}
			w.start(t)
			wantRecords(t, w, `c {"id":1}`, `c {"id":3}`)
		})
	}
}
