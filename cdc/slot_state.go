package cdc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// SlotState is what the server says of a logical replication slot: whether it can be used, and how much WAL is kept for it. Sizes are in bytes.
// https://www.postgresql.org/docs/current/view-pg-replication-slots.html
type SlotState struct {
	Name      string
	Plugin    string
	Reader    int32     // the server process that reads it; 0: nobody does
	Since     time.Time // since when nobody does; zero: somebody does, or the server is older than 17
	WALStatus string    // reserved, extended (more than max_wal_size), unreserved (the next checkpoint may remove it), lost
	Lost      string    // why it cannot be used any more; "" while it can
	Lag       uint64    // from what its reader has confirmed to the server's end: what the reader has still to do
	Retained  uint64    // from the oldest WAL that it needs: what the server keeps. At least Lag; more while transactions are open
	Safe      uint64    // how much more may be written before the slot is lost
	Limited   bool      // Safe counts: max_slot_wal_keep_size is set
	Failover  bool      // it is copied to standbys (PostgreSQL 17)
	End       uint64    // the server's end of WAL
	Confirmed uint64
}

// slotStateQuery asks for a row as JSON where only newer servers have the column: 16 conflicting, 17 invalidation_reason, failover and inactive_since.
const slotStateQuery = `
SELECT s.slot_name::text, coalesce(s.plugin::text, ''), coalesce(s.active_pid, 0), coalesce((j->>'inactive_since')::timestamptz, '-infinity') > '-infinity',
       coalesce((j->>'inactive_since')::timestamptz, 'epoch'), coalesce(s.wal_status, ''), ` + slotLost + `,
       coalesce(greatest(0, e.at - s.confirmed_flush_lsn), 0)::int8, coalesce(greatest(0, e.at - s.restart_lsn), 0)::int8,
       coalesce(s.safe_wal_size, 0), s.safe_wal_size IS NOT NULL, coalesce((j->>'failover')::bool, false), (e.at - '0/0')::int8, coalesce(s.confirmed_flush_lsn - '0/0', 0)::int8
FROM pg_replication_slots s, LATERAL (SELECT to_jsonb(s) AS j) one,
     (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS at) e
WHERE s.slot_type = 'logical' AND s.database = current_database() AND ($1 = '' OR s.slot_name = $1) ORDER BY s.slot_name`

// slotLost names, in PostgreSQL's words, why a slot cannot be used; j is its row as JSON. 16 says lost and conflicting of both
// what lost its WAL and what lost its rows; only a standby can have lost rows.
const slotLost = `CASE WHEN j->>'invalidation_reason' IS NOT NULL THEN j->>'invalidation_reason' WHEN (j->>'conflicting')::bool AND pg_is_in_recovery() THEN 'conflict'
       WHEN s.wal_status = 'lost' OR (j->>'conflicting')::bool THEN 'wal_removed' ELSE '' END`

// Querier is a connection, or a pool of them.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Slots gives the state of the logical slots of the database that conn is connected to; of one of them where name is not "".
func Slots(ctx context.Context, conn Querier, name string) ([]SlotState, error) {
	rows, err := conn.Query(ctx, slotStateQuery, name)
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at the replication slots: %w", err))
	}
	var out []SlotState
	var s SlotState
	var idle bool
	var since time.Time
	var lost string
	_, err = pgx.ForEachRow(rows, []any{&s.Name, &s.Plugin, &s.Reader, &idle, &since, &s.WALStatus, &lost, &s.Lag, &s.Retained, &s.Safe, &s.Limited, &s.Failover, &s.End, &s.Confirmed}, func() error {
		found := s
		if idle && found.Reader == 0 {
			found.Since = since.UTC()
		}
		found.Lost = lostBecause(lost)
		out = append(out, found)
		return nil
	})
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at the replication slots: %w", err))
	}
	return out, nil
}

// LookAtSlot connects and gives the state of one slot; nil while there is none.
func LookAtSlot(ctx context.Context, db postgres.Config, name string) (*SlotState, error) {
	if name == "" {
		return nil, errors.New("look at the replication slot: it has no name")
	}
	conn, err := postgres.Connect(ctx, db)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	slots, err := Slots(ctx, conn, name)
	if err != nil || len(slots) == 0 {
		return nil, err
	}
	return &slots[0], nil
}

// Used is how much of the WAL that the server would keep for the slot it keeps already: 0 to 1, of which 1 is lost. It is 0 where nothing limits it.
func (s *SlotState) Used() float64 {
	if !s.Limited || s.Retained+s.Safe == 0 {
		return 0
	}
	return float64(s.Retained) / float64(s.Retained+s.Safe)
}

// lostBecause explains the server's word for why a slot cannot be used.
func lostBecause(word string) string {
	switch word {
	case "":
		return ""
	case "wal_removed":
		return "it was too far behind, and the server removed WAL that it needs (max_slot_wal_keep_size, wal_removed)"
	case "rows_removed":
		return "rows of the catalog that it needs were vacuumed away on the primary (rows_removed): set hot_standby_feedback = on on the standby, and a physical slot as its primary_slot_name"
	case "wal_level_insufficient":
		return "wal_level of the primary is not logical any more (wal_level_insufficient)"
	case "idle_timeout":
		return "nobody read it for longer than idle_replication_slot_timeout (idle_timeout)"
	case "conflict":
		return "it was in conflict with the standby's recovery, or too far behind (max_slot_wal_keep_size): set hot_standby_feedback = on on the standby and a physical slot as its primary_slot_name, and keep wal_level = logical on the primary"
	}
	return "the server says " + word
}

// Warning says that the slot is near its loss: that the server keeps percent or more of the WAL that it would keep; "" while it is not, or percent is 0.
func (s *SlotState) Warning(percent int) string {
	used := s.Used() * 100
	if s.Lost != "" || percent <= 0 || used < float64(percent) {
		return ""
	}
	return fmt.Sprintf("the replication slot %s has used %.0f %% of the WAL that the server keeps for it (max_slot_wal_keep_size): after %d bytes more it is lost, and the tables must be read again", s.Name, used, s.Safe)
}
