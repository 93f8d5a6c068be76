package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// snapshot reads all captured tables as they were at one moment and gives their rows as events of op r.
//
// With a slot that was just made, the moment is the slot's own: its exported snapshot holds exactly the transactions that the
// stream does not send. With a slot that was there before, the moment is now, and the transactions that it saw are told, so
// that the stream can leave them out (see visibility).
type snapshot struct {
	conn        *pgx.Conn
	exported    string // name of the slot's snapshot; "" for now
	at          change.LSN
	source      change.Source
	types       *postgres.Types
	tables      []table
	version     int // server_version_num
	publication string
	emit        func(*change.Event) error

	held    *change.Event // the row before, whose mark depends on whether another follows
	opening bool          // … is the first of its table
	count   uint64
}

// run gives what a transaction of the stream must be checked against; nil with an exported snapshot.
func (s *snapshot) run(ctx context.Context) (*visibility, error) {
	// The transaction outlives every limit of the session: tables take as long as they take.
	tx, err := s.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("begin the snapshot: %w", err))
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was written
	visible, err := s.settle(ctx)
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("begin the snapshot: %w", err))
	}
	for i := range s.tables {
		if err := s.read(ctx, &s.tables[i]); err != nil {
			return nil, fmt.Errorf("read table %s: %w", &s.tables[i], explain(err))
		}
	}
	return visible, s.release(nil)
}

// settle fixes the moment, and lifts the limits.
func (s *snapshot) settle(ctx context.Context) (*visibility, error) {
	set := "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
	if s.exported != "" {
		set = "SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(s.exported, "'", "''") + "'; " + set
	}
	if _, err := s.conn.Exec(ctx, set); err != nil {
		return nil, err
	}
	// PostgreSQL 17 has one more; after the snapshot was fixed, a look at a view no longer hurts.
	if _, err := s.conn.Exec(ctx, "SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'"); err != nil {
		return nil, err
	}
	var seen, end string
	if err := s.conn.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&seen); err != nil {
		return nil, err
	}
	if err := s.conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text, now()").Scan(&end, &s.source.Time); err != nil {
		return nil, err
	}
	until, err := change.ParseLSN(end)
	if err != nil {
		return nil, err
	}
	visible, err := parseVisibility(seen, until)
	if err != nil {
		return nil, err
	}
	// The newest transaction that the rows can come from. Debezium has the id of its own, which no reader can see as done.
	s.source.TxID = int64(uint32(visible.XMax - 1))
	s.source.LSN = s.at
	if s.exported != "" {
		return nil, nil
	}
	return visible, nil
}

func (s *snapshot) read(ctx context.Context, t *table) error {
	if err := loadColumns(ctx, s.conn, t, s.types); err != nil {
		return err
	}
	names, where, err := s.published(ctx, t)
	if err != nil {
		return err
	}
	quoted := make([]string, len(names))
	for i, c := range names {
		quoted[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	only := "ONLY "
	if t.partitioned {
		only = "" // the root itself is empty
	}
	sql := fmt.Sprintf("COPY (SELECT %s FROM %s%s%s) TO STDOUT", strings.Join(quoted, ", "), only, t.quoted(), where)
	key := newKeyReader(t, names)
	first := true
	reader := &copyReader{columns: names, row: func(row change.Row) error {
		e := &change.Event{Op: change.Read, Key: key(row), After: row, Source: s.source, Position: change.Position{Commit: s.at, Index: s.count}}
		e.Source.Schema, e.Source.Table = t.schema, t.name
		s.count++
		err := s.release(&marked{e, first})
		first = false
		return err
	}}
	_, err = s.conn.PgConn().CopyTo(ctx, reader, sql)
	if server := (*pgconn.PgError)(nil); errors.As(err, &server) && strings.HasPrefix(server.Code, "42") && server.Code != "42501" {
		return &alteredError{err}
	}
	return err
}

// explain leaves what is explained here.
func explain(err error) error {
	if already := (*alteredError)(nil); errors.As(err, &already) {
		return err
	}
	return postgres.Explain(err)
}

// alteredError is a table that was altered or dropped between the look at its columns and the reading: look again.
type alteredError struct{ err error }

func (e *alteredError) Error() string   { return "the table changed while it was read: " + e.err.Error() }
func (e *alteredError) Unwrap() error   { return e.err }
func (e *alteredError) Retryable() bool { return true }

// published gives the columns and the condition under which the publication sends t's rows (PostgreSQL 15 and later), so
// that a snapshot shows no more than the stream.
func (s *snapshot) published(ctx context.Context, t *table) ([]change.Column, string, error) {
	if s.version < 150000 {
		return t.columns, "", nil
	}
	var names []string
	var condition *string
	err := s.conn.QueryRow(ctx, `SELECT attnames::text[], rowfilter FROM pg_publication_tables WHERE pubname = $1 AND schemaname = $2 AND tablename = $3`,
		s.publication, t.schema, t.name).Scan(&names, &condition)
	if err != nil {
		return nil, "", fmt.Errorf("look at what the publication sends: %w", err)
	}
	columns := slices.DeleteFunc(slices.Clone(t.columns), func(c change.Column) bool { return !slices.Contains(names, c.Name) })
	if condition == nil {
		return columns, "", nil
	}
	return columns, " WHERE " + *condition, nil
}

// marked is a row that knows whether it opens its table.
type marked struct {
	event *change.Event
	first bool
}

// release sends the row that was held back, now that it is known whether next (nil: the end) is of the same table.
func (s *snapshot) release(next *marked) error {
	if held := s.held; held != nil {
		closing := next == nil || next.first
		held.Source.Snapshot = mark(held.Position.Index == 0, s.opening, closing, next == nil)
		if err := s.emit(held); err != nil {
			return err
		}
	}
	s.held = nil
	if next != nil {
		s.held, s.opening = next.event, next.first
	}
	return nil
}

// mark orders Debezium's marks: the last of all, the first of all, the last of a table, the first of one.
func mark(first, opening, closing, last bool) change.SnapshotMark {
	switch {
	case last:
		return change.SnapshotLast
	case first:
		return change.SnapshotFirst
	case closing:
		return change.SnapshotLastOf
	case opening:
		return change.SnapshotFirstOf
	}
	return change.SnapshotRow
}

// newKeyReader gives a function that takes the key out of a row of t.
func newKeyReader(t *table, columns []change.Column) func(change.Row) change.Row {
	r := relation{columns: columns}
	r.key = r.positions(t.key)
	return r.keyOf
}
