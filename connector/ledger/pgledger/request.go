package pgledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Request is a request that changes something in Notion.
type Request struct {
	N         int64     `json:"n"`
	At        time.Time `json:"at"`
	Run       string    `json:"run,omitempty"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Parts     []string  `json:"parts"`
	Outcome   string    `json:"outcome,omitempty"` // applied, not applied, unknown; "" while no answer is known
	Status    int       `json:"status,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Made      string    `json:"made,omitempty"`
}

// Sending writes down a request that is about to leave, and gives its number.
func (s *Store) Sending(ctx context.Context, sync string, r Request) (n int64, err error) {
	const add = `INSERT INTO tandem.request (sync, run, at, method, path, parts) VALUES ($1, $2, $3, $4, $5, $6) RETURNING n`
	err = s.pool.QueryRow(ctx, add, sync, r.Run, book.Cut(r.At), r.Method, r.Path, r.Parts).Scan(&n)
	return n, wrap("write down a request", err)
}

// Answered writes down what came of a request.
func (s *Store) Answered(ctx context.Context, r Request) error {
	const set = `UPDATE tandem.request SET outcome = $2, status = nullif($3, 0), request_id = nullif($4, ''), made = nullif($5, ''), answered_at = $6 WHERE n = $1`
	_, err := s.pool.Exec(ctx, set, r.N, r.Outcome, r.Status, r.RequestID, r.Made, book.Cut(r.At))
	return wrap("write down what came of a request", err)
}

// Requests lists requests, newest first.
func (s *Store) Requests(ctx context.Context, f AuditFilter) ([]Request, error) {
	const list = `SELECT n, at, run, method, path, parts, coalesce(outcome, ''), coalesce(status, 0), coalesce(request_id, ''), coalesce(made, '') FROM tandem.request
		WHERE sync = $1 AND ($2 = '' OR run = $2) AND ($3 = '' OR made = $3 OR position($3 IN path) > 0) AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at < $5)
		ORDER BY n DESC LIMIT $6`
	var limit *int
	if f.Max > 0 {
		limit = &f.Max
	}
	rows, err := s.pool.Query(ctx, list, f.Sync, f.Run, f.Key, orNull(f.Since), orNull(f.Until), limit)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	found, err := pgx.AppendRows([]Request{}, rows, func(row pgx.CollectableRow) (r Request, err error) {
		err = row.Scan(&r.N, &r.At, &r.Run, &r.Method, &r.Path, &r.Parts, &r.Outcome, &r.Status, &r.RequestID, &r.Made)
		r.At = r.At.UTC()
		return r, err
	})
	return found, wrap("list requests", err)
}
