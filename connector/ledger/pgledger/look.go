package pgledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Look reads one link with its work and holds, without a lease: for people who ask what is going on. False if there is none.
func (s *Store) Look(ctx context.Context, link int64) (ledger.Pending, bool, error) {
	var found ledger.Pending
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectLinks+`l.id = $1`, link)
		if err != nil {
			return err
		}
		row, err := pgx.CollectExactlyOneRow(rows, scanRow)
		if err != nil {
			return err
		}
		if err := loadWork(ctx, tx, []*book.Row{row}); err != nil {
			return err
		}
		found = row.Pending()
		return nil
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return found, false, nil
	}
	return found, err == nil, wrap("look at a link", err)
}

// Written is one recorded write.
type Written struct {
	ledger.Write
	At time.Time `json:"at"`
}

// Writes lists the newest recorded writes of a link that came after a time, newest first.
func (s *Store) Writes(ctx context.Context, link int64, after time.Time, most int) ([]Written, error) {
	list := `SELECT w.side, w.op, coalesce(` + valuesOf("w.old") + `, '{}'::json), coalesce(` + valuesOf("w.new") + `, '{}'::json), w.why, w.run, w.author, w.at
		FROM tandem.write w WHERE w.link = $1 AND w.at > $2 ORDER BY w.n DESC LIMIT $3`
	rows, err := s.pool.Query(ctx, list, link, after, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list writes: %w", err)
	}
	found, err := pgx.AppendRows([]Written{}, rows, func(row pgx.CollectableRow) (w Written, err error) {
		err = row.Scan(&w.Side, &w.Op, &w.Old, &w.New, &w.Why, &w.Run, &w.By, &w.At)
		w.At = w.At.UTC()
		return w, err
	})
	return found, wrap("list writes", err)
}
