package pgledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Lead takes or renews a lease by name. A holder's name must be unique to one start of one process.
func (s *Store) Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error) {
	const take = `INSERT INTO tandem.leader AS l (name, holder, until, fence) VALUES ($1, $2, $4, 1)
		ON CONFLICT (name) DO UPDATE SET until = $4, holder = $2, fence = l.fence + CASE WHEN l.holder = $2 THEN 0 ELSE 1 END
		WHERE l.holder = $2 OR l.until <= $3
		RETURNING fence`
	var fence ledger.Fence
	err := s.pool.QueryRow(ctx, take, name, holder, book.Cut(now), book.Cut(now.Add(ttl))).Scan(&fence)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return fence, err == nil, wrap("take the lead of "+name, err)
}

// Cursor gives a named position, nil if none was saved.
func (s *Store) Cursor(ctx context.Context, name string) (json.RawMessage, error) {
	var position []byte
	err := s.pool.QueryRow(ctx, `SELECT position FROM tandem.cursor WHERE name = $1`, name).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return position, wrap("read cursor "+name, err)
}

// SaveCursor keeps a named position under a fence.
func (s *Store) SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error {
	if !json.Valid(position) {
		return fmt.Errorf("save cursor %q: the position is not JSON", name)
	}
	return s.change(ctx, "save cursor "+name, func(tx pgx.Tx) error {
		var leads ledger.Fence
		err := tx.QueryRow(ctx, `SELECT fence FROM tandem.leader WHERE name = $1 FOR SHARE`, name).Scan(&leads)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err == nil && leads != fence {
			return ledger.ErrFenced
		}
		tag, err := tx.Exec(ctx, `INSERT INTO tandem.cursor AS c (name, fence, position) VALUES ($1, $2, $3::json)
			ON CONFLICT (name) DO UPDATE SET fence = $2, position = $3::json WHERE c.fence <= $2`, name, int64(fence), string(position))
		if err == nil && tag.RowsAffected() == 0 {
			return ledger.ErrFenced
		}
		return err
	})
}

// Schema gives an entity's place in Notion.
func (s *Store) Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error) {
	const find = `SELECT schema FROM tandem.entity WHERE sync = $1 AND entity = $2 AND schema IS NOT NULL`
	found, err := details[ledger.Schema](ctx, s, "read the schema of "+entity, find, sync, entity)
	if err != nil || len(found) == 0 {
		return ledger.Schema{}, false, err
	}
	return found[0], true, nil
}

// SaveSchema stores an entity's place in Notion.
func (s *Store) SaveSchema(ctx context.Context, sync, entity string, schema ledger.Schema) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return fmt.Errorf("save the schema of %s: %w", entity, err)
	}
	const save = `INSERT INTO tandem.entity (sync, entity, schema) VALUES ($1, $2, $3::json)
		ON CONFLICT (sync, entity) DO UPDATE SET schema = excluded.schema`
	_, err = s.pool.Exec(ctx, save, sync, entity, string(text))
	return wrap("save the schema of "+entity, err)
}

// Mapping gives the hash of the mapping under which an entity runs, "" if none.
func (s *Store) Mapping(ctx context.Context, sync, entity string) (hash string, err error) {
	err = s.pool.QueryRow(ctx, `SELECT mapping FROM tandem.entity WHERE sync = $1 AND entity = $2`, sync, entity).Scan(&hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return hash, wrap("read the mapping of "+entity, err)
}

// SetMapping changes the hash of the mapping.
func (s *Store) SetMapping(ctx context.Context, sync, entity, hash string) error {
	const save = `INSERT INTO tandem.entity (sync, entity, mapping) VALUES ($1, $2, $3)
		ON CONFLICT (sync, entity) DO UPDATE SET mapping = excluded.mapping`
	_, err := s.pool.Exec(ctx, save, sync, entity, hash)
	return wrap("set the mapping of "+entity, err)
}

// Grant takes requests from the token's budget: one short transaction on one row, which all processes with that token share. The budget runs by the
// database's clock: else a process whose clock is fast would book the time that the others wait for, for ever.
func (s *Store) Grant(ctx context.Context, token string, lane ledger.Lane, want, rate int, now time.Time) (int, time.Duration, error) {
	var granted int
	var wait time.Duration
	err := s.budget(ctx, "grant requests", token, func(b book.Budget, ahead time.Duration) (after book.Budget, err error) {
		after, granted, wait, err = b.Grant(lane, want, rate, now.Add(ahead))
		return after, err
	})
	if err != nil {
		return 0, 0, err
	}
	return granted, wait, nil
}

// Pause stops all grants of the token until then.
func (s *Store) Pause(ctx context.Context, token string, until time.Time) error {
	return s.budget(ctx, "pause requests", token, func(b book.Budget, ahead time.Duration) (book.Budget, error) { return b.Pause(until.Add(ahead)), nil })
}

// Budget looks at the token's budget without taking from it: up to when requests are granted, were they spaced evenly, and up to when all pause.
func (s *Store) Budget(ctx context.Context, token string) (booked, paused time.Time, err error) {
	var next, until *time.Time
	err = s.pool.QueryRow(ctx, `SELECT next, paused FROM tandem.budget WHERE token = $1`, budgetRow(token)).Scan(&next, &until)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, time.Time{}, nil // nobody has asked for a request yet
	}
	return timeOf(next), timeOf(until), wrap("look at the budget", err)
}

// budgetRow names a token's row, by its hash.
func budgetRow(token string) string {
	sum := sha256.Sum256([]byte("tandem budget " + token))
	return hex.EncodeToString(sum[:])
}

// budget changes the row of a token, which is known by its hash only. change is told how far the database's clock is ahead of this process's.
func (s *Store) budget(ctx context.Context, what, token string, change func(b book.Budget, ahead time.Duration) (book.Budget, error)) error {
	name := budgetRow(token)
	return s.change(ctx, what, func(tx pgx.Tx) error {
		const lock = `INSERT INTO tandem.budget AS b (token) VALUES ($1) ON CONFLICT (token) DO UPDATE SET token = b.token
			RETURNING next, paused, refused, backfill, owed, clock_timestamp()`
		var next, paused, refused, backfill, owed *time.Time
		var there time.Time
		asked := s.clock()
		if err := tx.QueryRow(ctx, lock, name).Scan(&next, &paused, &refused, &backfill, &owed, &there); err != nil {
			return err
		}
		b := book.Budget{Next: timeOf(next), Paused: timeOf(paused), Refused: timeOf(refused), Backfill: timeOf(backfill), Owed: timeOf(owed)}
		b, err := change(b, aheadBy(asked, there, s.clock()))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE tandem.budget SET next = $2, paused = $3, refused = $4, backfill = $5, owed = $6 WHERE token = $1`,
			name, orNull(b.Next), orNull(b.Paused), orNull(b.Refused), orNull(b.Backfill), orNull(b.Owed))
		return err
	})
}

// aheadBy is how far another clock is ahead of ours, given what it said between two looks at ours; 0 if that may be the same moment.
func aheadBy(asked, there, answered time.Time) time.Duration {
	switch {
	case there.Before(asked.Truncate(time.Microsecond)): // PostgreSQL knows no nanoseconds
		return there.Sub(asked)
	case there.After(answered):
		return there.Sub(answered)
	}
	return 0
}
