package pgledger

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Advisory locks are shared by all of the database: this number is ours ("tandem" in hexadecimal ASCII).
const migrationLock = 0x74616e64656d

const insufficientPrivilege = "42501"

// migrations lists the embedded files; the one at index i brings version i to i+1.
func migrations() ([]string, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // in lexical order
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(names))
	for i, name := range names {
		if !strings.HasPrefix(name, fmt.Sprintf("migrations/%04d_", i+1)) {
			return nil, fmt.Errorf("migration %s does not follow number %d", name, i)
		}
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
	}
	return texts, nil
}

// Migrate brings schema tandem to this program's version, in one transaction; processes that start together wait for one another.
// It changes nothing, and needs no more than to read, where the version is right already. A newer one is refused.
func (s *Store) Migrate(ctx context.Context) error {
	steps, err := migrations()
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, err := version(ctx, s.pool)
	if err != nil || have == len(steps) {
		return err
	}
	options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted}
	return pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error { return migrate(ctx, tx, steps) })
}

// Check refuses a schema of another version than this program's, for processes that leave migrating to another one.
func (s *Store) Check(ctx context.Context) error {
	steps, err := migrations()
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, err := version(ctx, s.pool)
	if err != nil {
		return err
	}
	if have < len(steps) {
		return fmt.Errorf("the ledger's schema has version %d and this program needs %d: start the program once with a role that owns schema tandem", have, len(steps))
	}
	return nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// version gives the schema's version, 0 if there is none; a version that this program does not know is an error.
func version(ctx context.Context, q querier) (int, error) {
	// Not to_regclass: it may answer from before the wait for another migration, out of its session's cache.
	const find = `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'tandem' AND c.relname = 'schema_version')`
	var exists bool
	if err := q.QueryRow(ctx, find).Scan(&exists); err != nil {
		return 0, fmt.Errorf("look for schema tandem: %w", advise(err))
	}
	if !exists {
		return 0, nil
	}
	var have int
	if err := q.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM tandem.schema_version`).Scan(&have); err != nil {
		return 0, fmt.Errorf("read the version of schema tandem: %w", advise(err))
	}
	steps, err := migrations()
	if err != nil {
		return 0, err
	}
	if have > len(steps) {
		return 0, fmt.Errorf("the ledger's schema has version %d and this program knows versions up to %d: upgrade this program, or restore the database that fits it", have, len(steps))
	}
	return have, nil
}

func migrate(ctx context.Context, tx pgx.Tx, steps []string) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	have, err := version(ctx, tx)
	if err != nil {
		return err
	}
	if have == 0 {
		const begin = `CREATE TABLE tandem.schema_version (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`
		if err := createSchema(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, begin); err != nil {
			return fmt.Errorf("begin the ledger: %w", advise(err))
		}
	}
	for i := have; i < len(steps); i++ {
		if _, err := tx.Exec(ctx, steps[i]); err != nil {
			return fmt.Errorf("migrate the ledger to version %d: %w", i+1, advise(err))
		}
		if _, err := tx.Exec(ctx, `INSERT INTO tandem.schema_version (version) VALUES ($1)`, i+1); err != nil {
			return fmt.Errorf("migrate the ledger to version %d: %w", i+1, advise(err))
		}
	}
	return nil
}

// createSchema leaves a schema alone that an administrator has made for our role: CREATE SCHEMA asks for the right to do so even
// where IF NOT EXISTS has nothing to do.
func createSchema(ctx context.Context, tx pgx.Tx) error {
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'tandem')`).Scan(&exists); err != nil {
		return fmt.Errorf("look for schema tandem: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := tx.Exec(ctx, `CREATE SCHEMA tandem`); err != nil {
		return fmt.Errorf("create schema tandem: %w", advise(err))
	}
	return nil
}

// advise adds what to do to an error about missing rights.
func advise(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == insufficientPrivilege {
		return fmt.Errorf("the role that tandem connects as must own schema tandem (CREATE SCHEMA tandem AUTHORIZATION that_role, once, by an administrator): %w", err)
	}
	return err
}
