package pgledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// ages are the newest counts that this process has seen, by sync: a commit that would record a write in a database that is behind is refused, so that
// nothing is written between a restore under a running process and its next look.
type ages struct {
	mu    sync.Mutex
	count map[string]int64
}

func (a *ages) saw(sync string, count int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		a.count = map[string]int64{}
	}
	a.count[sync] = max(a.count[sync], count)
}

func (a *ages) of(sync string) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count[sync]
}

// Age gives the age that the database has for a sync; its Count is 0 where there is none.
func (s *Store) Age(ctx context.Context, sync string) (ledger.Age, error) {
	var a ledger.Age
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		a, err = ageOf(ctx, tx, sync, "")
		return err
	})
	return a, wrap("look at the ledger's age", err)
}

// Aging takes the next step of a ledger's age, unless the database turns out to be older than what is known of it. Then everything of the sync is paused,
// people are told, and nothing that was read or captured before fits any link or snapshot any more: one transaction, before anybody writes.
func (s *Store) Aging(ctx context.Context, sync string, known ledger.Age, now time.Time) (ledger.Aged, error) {
	var out ledger.Aged
	err := s.change(ctx, "step the ledger's age", func(tx pgx.Tx) error {
		// A row to lock, for two that begin at once.
		const row = `INSERT INTO tandem.age (sync, count, mark, at, system, timeline, database) VALUES ($1, 0, '', $2, '', 0, 0) ON CONFLICT DO NOTHING`
		if _, err := tx.Exec(ctx, row, sync, book.Cut(now)); err != nil {
			return err
		}
		have, err := ageOf(ctx, tx, sync, "FOR UPDATE")
		if err != nil {
			return err
		}
		out.Verdict, out.Why = known.Recognise(have)
		out.Age = known.Next(have, rand.Text()[:12], book.Cut(now))
		const save = `UPDATE tandem.age SET count = $2, mark = $3, at = $4, system = $5, timeline = $6, database = $7 WHERE sync = $1`
		a := out.Age
		if _, err := tx.Exec(ctx, save, sync, a.Count, a.Mark, a.At, a.System, a.Timeline, a.Database); err != nil {
			return err
		}
		if out.Verdict == ledger.AgeRestored || out.Verdict == ledger.AgeMoved && known.System != a.System {
			// Transactions of another server, or of a future that did not come, are in no snapshot of this one.
			if _, err := tx.Exec(ctx, `UPDATE tandem.work SET xid = 0, also = '' WHERE sync = $1 AND (xid <> 0 OR also <> '')`, sync); err != nil {
				return err
			}
		}
		if out.Verdict != ledger.AgeRestored {
			return nil
		}
		return restored(ctx, tx, sync, known, out)
	})
	if err == nil {
		s.ages.saw(sync, out.Age.Count)
	}
	return out, err
}

// restored pauses the sync and has people told, unless another sink that knew the database has: then it stands paused.
func restored(ctx context.Context, tx pgx.Tx, sync string, known ledger.Age, found ledger.Aged) error {
	tag, err := tx.Exec(ctx, `INSERT INTO tandem.pause (sync, since, by, reason, kind) SELECT $1, $2, 'tandem', $3, $4
		WHERE NOT EXISTS (SELECT FROM tandem.pause WHERE sync = $1 AND kind = $4)`, sync, found.Age.At, ledger.RestoredReason(found.Why), ledger.PauseRestored)
	if err != nil {
		return err
	}
	var alerts []ledger.Alert
	if tag.RowsAffected() > 0 {
		alerts = append(alerts, ledger.RestoredAlert(sync, known, found.Age, found.Why))
	}
	var batch pgx.Batch
	batch.Queue(`UPDATE tandem.link SET seq = seq + $2, got_at = $3 WHERE sync = $1`, sync, int64(ledger.SeqLeap), found.Age.At)
	if err := queueAlerts(&batch, alerts); err != nil {
		return err
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// ageOf reads the age with the identity of the server as it is now, not as it was when the step was taken, where count and mark are concerned.
func ageOf(ctx context.Context, tx pgx.Tx, sync, lock string) (a ledger.Age, err error) {
	var system string
	var timeline, database int64
	err = tx.QueryRow(ctx, `SELECT count, mark, at FROM tandem.age WHERE sync = $1 `+lock, sync).Scan(&a.Count, &a.Mark, &a.At)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return a, err
	}
	a.At = a.At.UTC()
	const identity = `SELECT ('x' || left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::bigint,
		(SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
		pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')`
	var may bool
	if err := tx.QueryRow(ctx, identity).Scan(&timeline, &database, &may); err != nil {
		return a, fmt.Errorf("identify the server: %w", err)
	}
	if may { // some hosts keep it from their customers: the count is what decides
		if err := tx.QueryRow(ctx, `SELECT system_identifier::text FROM pg_catalog.pg_control_system()`).Scan(&system); err != nil {
			return a, fmt.Errorf("identify the server: %w", err)
		}
	}
	a.System, a.Timeline, a.Database = system, timeline, database
	return a, nil
}

// behind refuses a commit that would record a write in a database that is older than this process has seen it.
func (s *Store) behind(ctx context.Context, tx pgx.Tx, sync string) error {
	seen := s.ages.of(sync)
	if seen == 0 {
		return nil
	}
	var count int64
	if err := tx.QueryRow(ctx, `SELECT coalesce((SELECT count FROM tandem.age WHERE sync = $1), 0)`, sync).Scan(&count); err != nil {
		return fmt.Errorf("look at the ledger's age: %w", err)
	}
	if count < seen {
		return fmt.Errorf("%w: the database is older than it was a moment ago", ledger.ErrPaused)
	}
	return nil
}
