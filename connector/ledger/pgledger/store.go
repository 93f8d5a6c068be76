// Package pgledger keeps the ledger in PostgreSQL: schema tandem of the CRM's own database, so that a write to the CRM, its base, its
// history and its work commit in one transaction, and a restore restores them together.
//
// # How a call works
//
// [Store.Add] and [Store.Commit] lock the links that the call names, in the order of their ids, load them with their work into a
// book (the rules that memledger follows too), apply the call, and send everything that changed in one batch: four round trips
// for one commit or for thousands of reasons. Links are locked before their work, everywhere, and new links come last, sorted, so
// that two calls do not wait for each other; where they do anyhow (an end that both create) the loser is tried again.
//
// Every name in every statement is qualified; nothing depends on search_path. Transactions are read committed, because each
// statement after a lock must see what the lock waited for.
package pgledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// A call that collides with another one is tried so many times; each time it sees what the other one stored.
const triesMax = 8

// Store is a ledger in PostgreSQL. Its methods may be called from any goroutine.
type Store struct {
	pool  *pgxpool.Pool
	clock func() time.Time // this process's, to be compared with the database's
	ages  ages
}

// New makes a store on a pool, which stays the caller's to close. The schema must be there: see [Store.Migrate].
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool, clock: time.Now} }

// Add turns reasons into work rows, in one transaction. Thousands at once are best: the cost is four round trips.
func (s *Store) Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error {
	if len(reasons) == 0 {
		return nil
	}
	for i, r := range reasons {
		if err := book.ValidReason(r); err != nil {
			return fmt.Errorf("add reason %d of %d: %w", i+1, len(reasons), err)
		}
	}
	return s.change(ctx, "add reasons", func(tx pgx.Tx) error {
		p := newPage(tx)
		p.touch(reasons)
		if err := p.load(ctx, len(reasons)); err != nil {
			return err
		}
		if err := p.book.Add(now, reasons); err != nil {
			return err
		}
		return p.store(ctx, ledger.Commit{})
	})
}

// Commit stores one step for one leased link, in a transaction of its own.
func (s *Store) Commit(ctx context.Context, c ledger.Commit) error {
	return s.change(ctx, "commit", func(tx pgx.Tx) error { return s.commit(ctx, tx, c) })
}

// CommitTx stores one step in the caller's transaction, which must be read committed. After an error the ledger's part is undone and
// the transaction goes on: whether to roll the rest back is the caller's decision (after ErrFenced and ErrBraked it must).
//
// The link's row, and with a brake a lock on its entity, side and op, are held until the caller's transaction ends, so it should be
// the last thing in it. Two commits in one transaction may wait for another pair in crossed order; PostgreSQL then ends one of them
// with a deadlock (40P01), which cannot be solved inside the transaction: it is the caller's to try again.
func (s *Store) CommitTx(ctx context.Context, tx pgx.Tx, c ledger.Commit) error {
	var isolation string
	if err := tx.QueryRow(ctx, `SELECT current_setting('transaction_isolation')`).Scan(&isolation); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if isolation != "read committed" {
		return fmt.Errorf("commit: the transaction is %s, and a brake's count would be old: begin it as read committed", isolation)
	}
	var err error
	for range triesMax {
		err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return s.commit(ctx, tx, c) })
		if !sameEnd(err) {
			break
		}
	}
	return wrap("commit", err)
}

func (s *Store) commit(ctx context.Context, tx pgx.Tx, c ledger.Commit) error {
	p := newPage(tx)
	p.touchCommit(c)
	if err := p.load(ctx, len(c.Reasons)); err != nil {
		return err
	}
	if err := p.book.Fence(c); err != nil {
		return err
	}
	if err := p.control(ctx, s, &c); err != nil {
		return err
	}
	if err := p.book.Commit(c); err != nil {
		return err
	}
	return p.store(ctx, c)
}

// change runs a step in a transaction of its own, again where it collided with another one.
func (s *Store) change(ctx context.Context, what string, step func(pgx.Tx) error) error {
	var err error
	for range triesMax {
		err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, step)
		if !sameEnd(err) && !deadlocked(err) {
			break
		}
	}
	return wrap(what, err)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// sameEnd reports that another transaction gave the same row or page a link at the same time. A new try sees that link.
func sameEnd(err error) bool {
	var pg *pgconn.PgError
	const uniqueViolation = "23505"
	return errors.As(err, &pg) && pg.Code == uniqueViolation && pg.SchemaName == "tandem" && pg.TableName == "link"
}

func deadlocked(err error) bool {
	var pg *pgconn.PgError
	const deadlock = "40P01"
	return errors.As(err, &pg) && pg.Code == deadlock
}
