package pgledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Said lists what pages say of their records, by link.
func (s *Store) Said(ctx context.Context, sync string) ([]ledger.Said, error) {
	rows, err := s.pool.Query(ctx, `SELECT link, said, shown FROM tandem.page_state WHERE sync = $1 ORDER BY link`, sync)
	if err != nil {
		return nil, fmt.Errorf("list what pages say: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Said{}, rows, func(row pgx.CollectableRow) (out ledger.Said, err error) {
		return out, row.Scan(&out.Link, &out.Text, &out.Shown)
	})
	return found, wrap("list what pages say", err)
}

// Say keeps what a page is about to say, or says. A page that says that it is in sync is kept no longer.
func (s *Store) Say(ctx context.Context, sync string, what ledger.Said, now time.Time) error {
	if what.Text == "" && what.Shown {
		_, err := s.pool.Exec(ctx, `DELETE FROM tandem.page_state WHERE link = $1`, what.Link)
		return wrap("keep what a page says", err)
	}
	const keep = `INSERT INTO tandem.page_state (link, sync, said, shown, at) SELECT id, sync, $3, $4, $5 FROM tandem.link WHERE id = $1 AND sync = $2
		ON CONFLICT (link) DO UPDATE SET said = excluded.said, shown = excluded.shown, at = excluded.at`
	_, err := s.pool.Exec(ctx, keep, what.Link, sync, what.Text, what.Shown, book.Cut(now))
	return wrap("keep what a page says", err)
}
