package pgledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Shadowed remembers writes of one link that were not made. What a look says again counts once.
func (s *Store) Shadowed(ctx context.Context, shadows []ledger.Shadow) error {
	const keep = `INSERT INTO tandem.shadow AS s (link, side, field, op, was, becomes, first_at, at)
		SELECT l.id, $2, $3, $4, $5, $6, $7, $7 FROM tandem.link l WHERE l.id = $1
		ON CONFLICT (link, side, field) DO UPDATE SET op = excluded.op, was = excluded.was, becomes = excluded.becomes, at = excluded.at,
			times = s.times + 1 WHERE (s.op, s.was, s.becomes) IS DISTINCT FROM (excluded.op, excluded.was, excluded.becomes)`
	var batch pgx.Batch
	for _, w := range shadows {
		batch.Queue(keep, w.Link, string(w.Side), w.Field, w.Op, w.From, w.To, book.Cut(w.At))
	}
	return wrap("remember what would have been written", s.pool.SendBatch(ctx, &batch).Close())
}

// Shadows sums up what would have been written, in order.
func (s *Store) Shadows(ctx context.Context, sync string) ([]ledger.ShadowSum, error) {
	const sum = `SELECT l.entity, s.side, s.op, s.field, count(*), sum(s.times), min(s.first_at), max(s.at)
		FROM tandem.shadow s JOIN tandem.link l ON l.id = s.link WHERE l.sync = $1
		GROUP BY l.entity, s.side, s.op, s.field ORDER BY l.entity, s.side DESC, s.op, s.field COLLATE "C"`
	rows, err := s.pool.Query(ctx, sum, sync)
	if err != nil {
		return nil, fmt.Errorf("sum up what would have been written: %w", err)
	}
	sums, err := pgx.AppendRows([]ledger.ShadowSum{}, rows, func(row pgx.CollectableRow) (x ledger.ShadowSum, err error) {
		err = row.Scan(&x.Entity, &x.Side, &x.Op, &x.Field, &x.Records, &x.Writes, &x.First, &x.Last)
		x.First, x.Last = x.First.UTC(), x.Last.UTC()
		return x, err
	})
	return sums, wrap("sum up what would have been written", err)
}

// ShadowSamples gives the newest of each sum, at most so many, in order.
func (s *Store) ShadowSamples(ctx context.Context, sync string, most int) ([]ledger.Shadow, error) {
	const list = `SELECT link, entity, key, page, side, op, field, was, becomes, at, times FROM (
			SELECT s.*, l.entity, coalesce(l.key, '') AS key, coalesce(l.page, '') AS page,
				row_number() OVER (PARTITION BY l.entity, s.side, s.op, s.field ORDER BY s.at DESC, s.link) AS place
			FROM tandem.shadow s JOIN tandem.link l ON l.id = s.link WHERE l.sync = $1) AS ranked
		WHERE place <= $2 ORDER BY entity, side DESC, op, field COLLATE "C", place`
	rows, err := s.pool.Query(ctx, list, sync, most)
	if err != nil {
		return nil, fmt.Errorf("list what would have been written: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Shadow{}, rows, func(row pgx.CollectableRow) (w ledger.Shadow, err error) {
		var at time.Time
		err = row.Scan(&w.Link, &w.Entity, &w.Key, &w.Page, &w.Side, &w.Op, &w.Field, &w.From, &w.To, &at, &w.Times)
		w.Sync, w.At = sync, at.UTC()
		return w, err
	})
	return found, wrap("list what would have been written", err)
}

// ForgetShadows begins anew.
func (s *Store) ForgetShadows(ctx context.Context, sync string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM tandem.shadow s USING tandem.link l WHERE l.id = s.link AND l.sync = $1`, sync)
	return wrap("forget what would have been written", err)
}
