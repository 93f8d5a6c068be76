package pgledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Tallies sums work up by entity, side and lane, in that order. It reads all work.
func (s *Store) Tallies(ctx context.Context, sync string, now time.Time) ([]ledger.Tally, error) {
	const sum = `SELECT entity, side, lane, count(*) FILTER (WHERE parked = ''), count(*) FILTER (WHERE parked = '' AND not_before > $2),
		count(*) FILTER (WHERE parked <> ''), min(first_seen) FILTER (WHERE parked = '')
		FROM tandem.work WHERE sync = $1 GROUP BY entity, side, lane ORDER BY entity, side, lane DESC`
	rows, err := s.pool.Query(ctx, sum, sync, book.Cut(now))
	if err != nil {
		return nil, fmt.Errorf("sum work up: %w", err)
	}
	tallies, err := pgx.AppendRows([]ledger.Tally{}, rows, func(row pgx.CollectableRow) (t ledger.Tally, err error) {
		var oldest *time.Time
		err = row.Scan(&t.Entity, &t.Side, &t.Lane, &t.Due, &t.Later, &t.Parked, &oldest)
		t.Oldest = timeOf(oldest)
		return t, err
	})
	return tallies, wrap("sum work up", err)
}

// Counts sums entities up, in order of their names. It reads the index of all links.
func (s *Store) Counts(ctx context.Context, sync string) ([]ledger.Count, error) {
	const sum = `
		SELECT entity, sum(links), sum(half), sum(holds), sum(conflicts), sum(alerts), sum(vanished) FROM (
			SELECT entity, count(*) FILTER (WHERE state = 'live') AS links, count(*) FILTER (WHERE state = 'half') AS half,
				0 AS holds, 0 AS conflicts, 0 AS alerts, count(*) FILTER (WHERE state = 'vanished') AS vanished
				FROM tandem.link WHERE sync = $1 GROUP BY entity
			UNION ALL SELECT l.entity, 0, 0, count(*), 0, 0, 0 FROM tandem.hold h JOIN tandem.link l ON l.id = h.link
				WHERE l.sync = $1 GROUP BY l.entity
			UNION ALL SELECT entity, 0, 0, 0, count(*), 0, 0 FROM tandem.conflict WHERE sync = $1 GROUP BY entity
			UNION ALL SELECT entity, 0, 0, 0, 0, count(*), 0 FROM tandem.alert WHERE sync = $1 AND delivered_at IS NULL GROUP BY entity
		) parts GROUP BY entity ORDER BY entity`
	rows, err := s.pool.Query(ctx, sum, sync)
	if err != nil {
		return nil, fmt.Errorf("sum links up: %w", err)
	}
	counts, err := pgx.AppendRows([]ledger.Count{}, rows, func(row pgx.CollectableRow) (c ledger.Count, err error) {
		return c, row.Scan(&c.Entity, &c.Links, &c.Half, &c.Holds, &c.Conflicts, &c.Alerts, &c.Vanished)
	})
	return counts, wrap("sum links up", err)
}

// Conflicts lists the newest conflicts of a link, or of all links if it is 0.
func (s *Store) Conflicts(ctx context.Context, sync string, link int64, most int) ([]ledger.Conflict, error) {
	list := `SELECT c.detail, coalesce(` + valuesOf("c.vals") + `, '{}'::json) FROM tandem.conflict c
		WHERE c.sync = $1 AND ($2 = 0 OR c.link = $2) ORDER BY c.n DESC LIMIT $3`
	rows, err := s.pool.Query(ctx, list, sync, link, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list conflicts: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Conflict{}, rows, scanConflict)
	return found, wrap("list conflicts", err)
}

// Holds lists a link's holds by kind.
func (s *Store) Holds(ctx context.Context, link int64) ([]ledger.Hold, error) {
	rows, err := s.pool.Query(ctx, `SELECT h.link, `+holdColumns+` FROM tandem.hold h WHERE h.link = $1 ORDER BY h.kind, h.field`, link)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	holds, err := pgx.AppendRows([]ledger.Hold{}, rows, func(row pgx.CollectableRow) (ledger.Hold, error) {
		h, err := scanHold(row)
		return h.Hold, err
	})
	return holds, wrap("list holds", err)
}

// Pending lists links with parked, held or failing work, in order of their ids.
func (s *Store) Pending(ctx context.Context, sync string, most int) ([]ledger.Pending, error) {
	const list = selectLinks + `l.sync = $1 AND l.id IN (
			SELECT w.link FROM tandem.work w WHERE w.parked <> '' OR w.attempts > 0 UNION SELECT h.link FROM tandem.hold h)
		ORDER BY l.id LIMIT $2`
	pending := []ledger.Pending{}
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, list, sync, max(most, 0))
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, scanRow)
		if err != nil {
			return err
		}
		if err := loadWork(ctx, tx, found); err != nil {
			return err
		}
		for _, r := range found {
			pending = append(pending, r.Pending())
		}
		return nil
	})
	return pending, wrap("list pending work", err)
}
