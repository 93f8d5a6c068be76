package cdc

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// slot is pg_replication_slots' row of ours.
type slot struct {
	plugin, kind, database string
	activePID              int32 // 0: nobody reads it
	lost                   bool  // it cannot be used any more
	why                    string
	failover               bool
	confirmed              change.LSN
}

func loadSlot(ctx context.Context, conn *pgx.Conn, name string) (*slot, error) {
	var s slot
	var confirmed string
	err := conn.QueryRow(ctx, `SELECT coalesce(plugin, ''), slot_type, coalesce(database, ''), coalesce(active_pid, 0),
		`+slotLost+`, coalesce((j->>'failover')::bool, false), coalesce(confirmed_flush_lsn, '0/0')::text
		FROM pg_replication_slots s, LATERAL (SELECT to_jsonb(s) AS j) one WHERE slot_name = $1`, name).
		Scan(&s.plugin, &s.kind, &s.database, &s.activePID, &s.why, &s.failover, &confirmed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at the replication slot: %w", err))
	}
	s.why = lostBecause(s.why)
	s.lost = s.why != ""
	if s.confirmed, err = change.ParseLSN(confirmed); err != nil {
		return nil, fmt.Errorf("look at the replication slot: %w", err)
	}
	return &s, nil
}

// plan is what a start has to do before it can stream.
type plan struct {
	dropSlot   bool
	createSlot bool
	snapshot   bool
	proceed    bool   // with the snapshot that was begun, at the slot and the position that it began with
	resume     bool   // go on from the stored offset
	ends       bool   // nothing is streamed
	lost       string // why changes are missing between the offset and now; "" if none are
}

// decide says how to start from what is there. It is pure: every combination is in a test.
func decide(stored *offset, s *slot, mode SnapshotMode, system string, walEnd change.LSN) (plan, error) {
	mode = mode.canonical()
	if mode == SnapshotInitialOnly { // one that was cut short has no slot that would tell what was deleted since: all is read again
		return plan{snapshot: stored == nil || stored.running(), ends: true}, nil
	}
	if stored != nil && stored.underWay() && mode != SnapshotNoData && gap(stored, s, system, walEnd) == "" {
		return plan{snapshot: true, proceed: true}, nil
	}
	if stored == nil || stored.running() {
		return begin(stored, s, mode)
	}
	lost := gap(stored, s, system, walEnd)
	switch {
	case lost == "" && mode != SnapshotAlways:
		return plan{resume: true}, nil
	case lost == "":
		return plan{snapshot: true}, nil // the slot stays: what the snapshot saw is skipped in the stream
	case mode == SnapshotWhenNeeded || mode == SnapshotAlways:
		return plan{dropSlot: s != nil, createSlot: true, snapshot: true, lost: lost}, nil
	}
	return plan{}, &LostError{Reason: lost}
}

// begin is a start without a position.
func begin(stored *offset, s *slot, mode SnapshotMode) (plan, error) {
	p := plan{snapshot: mode != SnapshotNoData}
	switch {
	case s == nil:
		p.createSlot = true
	case s.lost && mode == SnapshotNoData:
		return plan{}, &LostError{Reason: "the replication slot is there, but cannot be used: " + s.why}
	case s.lost, stored != nil && stored.SlotCreated:
		p.dropSlot, p.createSlot = true, true // a snapshot of which nothing can be used begins again at a new slot
	}
	return p, nil
}

// gap says why changes between the offset and the stream's next are lost.
func gap(stored *offset, s *slot, system string, walEnd change.LSN) string {
	switch {
	case stored.System != "" && stored.System != system:
		return fmt.Sprintf("the stored position is of another PostgreSQL cluster (%s, this is %s)", stored.System, system)
	case s == nil:
		return fmt.Sprintf("the replication slot is gone; the stored position is %s", stored.LSN)
	case s.lost:
		return "the replication slot cannot be used: " + s.why
	case stored.LSN > walEnd:
		return fmt.Sprintf("the stored position %s is beyond the end of WAL, %s: the database was restored", stored.LSN, walEnd)
	case s.confirmed > stored.LSN:
		return fmt.Sprintf("the replication slot stands at %s, beyond the stored position %s: somebody else read from it", s.confirmed, stored.LSN)
	}
	return ""
}

// LostError is returned when changes were lost, so that going on would leave the topics wrong without anyone knowing.
type LostError struct{ Reason string }

func (e *LostError) Error() string {
	return "changes were lost: " + e.Reason + "; set snapshot.mode=when_needed to read the tables again; to go on without what was lost, drop the slot if it is there, and start under another name with snapshot.mode=no_data"
}

// lockKey makes an advisory lock of a slot's name. The lock covers what the slot's own cannot: the time between its
// creation and the stream, when a snapshot runs.
const lockQuery = `SELECT pg_try_advisory_lock(1952542308, hashtext($1))` // "tand"

// HeldError is returned while another copy has the slot: it is not a failure, the second copy waits its turn.
type HeldError struct {
	Slot string
	PID  int32 // of the server process that serves the other; 0: not known
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("the replication slot %s is held by another copy of this connector, or another connector with this slot.name", e.Slot)
	}
	return fmt.Sprintf("the replication slot %s is read by another process (server process %d)", e.Slot, e.PID)
}

// Retryable makes a held slot something to wait for.
func (e *HeldError) Retryable() bool { return true }

func takeLock(ctx context.Context, conn *pgx.Conn, name string) error {
	var taken bool
	if err := conn.QueryRow(ctx, lockQuery, name).Scan(&taken); err != nil {
		return postgres.Explain(fmt.Errorf("take the connector's lock: %w", err))
	}
	if !taken {
		return &HeldError{Slot: name}
	}
	return nil
}
