package pgledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Comments lists conflicts that are to be told by a comment, and whose time has come, oldest first.
func (s *Store) Comments(ctx context.Context, sync string, now time.Time, most int) ([]ledger.Comment, error) {
	list := `SELECT c.detail, coalesce(` + valuesOf("c.vals") + `, '{}'::json), c.link, c.entity, coalesce(l.key, ''), coalesce(l.page, ''), m.attempts
		FROM tandem.comment m JOIN tandem.conflict c ON c.id = m.conflict LEFT JOIN tandem.link l ON l.id = c.link
		WHERE m.sync = $1 AND m.done_at IS NULL AND m.not_before <= $2 ORDER BY c.n LIMIT $3`
	rows, err := s.pool.Query(ctx, list, sync, book.Cut(now), max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list comments: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Comment{}, rows, func(row pgx.CollectableRow) (c ledger.Comment, err error) {
		var detail, vals []byte
		if err := row.Scan(&detail, &vals, &c.Link, &c.Entity, &c.Key, &c.Page, &c.Attempts); err != nil {
			return c, err
		}
		if err := json.Unmarshal(detail, &c.Conflict); err != nil {
			return c, err
		}
		return c, json.Unmarshal(vals, &c.Conflict)
	})
	return found, wrap("list comments", err)
}

// CommentTried counts an attempt before it is made.
func (s *Store) CommentTried(ctx context.Context, conflict string, next time.Time) error {
	_, err := s.pool.Exec(ctx, `UPDATE tandem.comment SET attempts = attempts + 1, not_before = $2 WHERE conflict = $1`, conflict, book.Cut(next))
	return wrap("count a comment's attempt", err)
}

// CommentDone ends it.
func (s *Store) CommentDone(ctx context.Context, conflict, outcome string, now time.Time) error {
	_, err := s.pool.Exec(ctx, `UPDATE tandem.comment SET done_at = $3, outcome = $2 WHERE conflict = $1`, conflict, outcome, book.Cut(now))
	return wrap("end a comment", err)
}
