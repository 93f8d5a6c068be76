package cdc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

const (
	overridesKey = "snapshot.select.statement.overrides"
	includedKey  = "snapshot.include.collection.list"
)

// defineSnapshot tells of the keys that choose what snapshots read of the captured tables.
func (c *Config) defineSnapshot(s *config.Set) {
	s.List(&c.SnapshotTables, config.Key{Name: includedKey, Group: "Capture", Importance: config.Medium, Validate: validPatterns,
		Doc: "The captured tables (schema.table) that snapshots read; empty for all. The changes of the others are captured too. Incremental snapshots read what they are asked for. " +
			"Regular expressions that must match the whole name, with commas between them."})
	s.List(&c.Overridden, config.Key{Name: overridesKey, Group: "Capture", Importance: config.Medium,
		Doc: "The captured tables (schema.table, as the catalog writes them, with commas between them) that snapshots read with a statement of their own."})
	s.Prefix(&c.Overrides, config.Key{Name: overridesKey + ".", Group: "Capture", Importance: config.Medium,
		Doc: overridesKey + ".SCHEMA.TABLE: the SELECT that reads that table, such as its newest rows only. Its columns go by their names; a nullable one that it leaves out is null. " +
			"It is read in one go: by one connection, and after a crash from its start. The stream and incremental snapshots do not know of it."})
}

// override gives the statement that reads t in a snapshot; "" for ours.
func (c *Config) override(t tableName) string {
	if !slices.Contains(c.Overridden, t.String()) {
		return ""
	}
	return strings.TrimRight(c.Overrides[t.String()], "; \t\r\n")
}

// snapshotProblems finds tables and statements of snapshots that cannot be. It asks PostgreSQL to plan the statements.
func (f *facts) snapshotProblems(ctx context.Context, conn *pgx.Conn, c Config, read filter, problems *config.Problems) error {
	for _, r := range read.snapshots {
		if !slices.ContainsFunc(f.tables, func(t table) bool { return r.MatchString(t.String()) }) {
			problems.Errorf(includedKey, "no captured table matches %q: correct the name (schema.table), or let table.include.list match it too", unanchored(r))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Overrides)) {
		if !slices.Contains(c.Overridden, name) {
			problems.Errorf(overridesKey+"."+name, "%s does not list %s, and takes a statement to go with each: list it there, or remove this", overridesKey, name)
		}
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(c.Overridden))) {
		i := slices.IndexFunc(f.tables, func(t table) bool { return t.String() == name })
		switch {
		case i < 0:
			problems.Errorf(overridesKey, "no captured table is named %s (schema.table, as it is written in the catalog)", name)
			continue
		case c.override(f.tables[i].tableName) == "":
			problems.Errorf(overridesKey, "%s has no statement: set %s.%s to its SELECT, or remove it here", name, overridesKey, name)
			continue
		case !read.reads(f.tables[i].tableName):
			problems.Warnf(overridesKey, "%s is not read by snapshots, since %s leaves it out: the statement has no effect", name, includedKey)
		}
		if err := f.overrideProblems(ctx, conn, c, &f.tables[i], problems); err != nil {
			return err
		}
	}
	return nil
}

// overrideProblems has the statement begun, as the snapshot will, and given up before its first row: so rights are looked at too. With a slot the tables are likely to be read already:
// a statement that somebody broke since, by dropping what it reads, must not end a source that works.
func (f *facts) overrideProblems(ctx context.Context, conn *pgx.Conn, c Config, t *table, problems *config.Problems) error {
	path, say := overridesKey+"."+t.String(), problems.Errorf
	if f.slot != nil && c.SnapshotMode != SnapshotAlways || c.SnapshotMode.canonical() == SnapshotNoData {
		say = problems.Warnf
	}
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		sql, without, err := overriding(ctx, tx.Conn(), t, f.written(c, t), c.override(t.tableName))
		if err != nil {
			return err
		}
		if len(without) > 0 {
			problems.Warnf(path, "it leaves out %s, which will be null in the rows that it reads", strings.Join(without, ", "))
		}
		filter := c.RowFilters[t.String()]
		if filter == "" && f.publication != nil {
			filter = f.publication.filters[t.tableName]
		}
		_, err = tx.Exec(ctx, sql+where(filter)+" LIMIT 0")
		return err
	})
	refused, unfit := (*pgconn.PgError)(nil), (*unfitError)(nil)
	switch {
	case errors.As(err, &unfit):
		say(path, "%v", unfit)
	case errors.As(err, &refused) && !conn.IsClosed():
		say(path, "PostgreSQL does not take it: %s", refused.Message)
	case err != nil:
		return postgres.Explain(fmt.Errorf("have a statement of the snapshot parsed: %w", err))
	}
	return nil
}

// written are the columns that are sent of t and written to Kafka.
func (f *facts) written(c Config, t *table) (names []string) {
	rules, _ := newColumnRules(&c.Columns) // looked at before
	for _, name := range f.sent(c, t) {
		if rules.writes(t.tableName, name) || slices.Contains(t.key, name) {
			names = append(names, name)
		}
	}
	return names
}

// unfitError is a statement that gives other columns than its table has.
type unfitError struct{ what string }

func (e *unfitError) Error() string { return e.what }

// overriding is a query of the columns of t, in their order and of their types, out of what the statement gives. without are those that it does not give.
// A length is no part of the types of texts: what is longer than the column is told as it is, not cut.
func overriding(ctx context.Context, conn *pgx.Conn, t *table, columns []string, statement string) (sql string, without []string, err error) {
	given, err := conn.PgConn().Prepare(ctx, "", statement, nil)
	if err != nil {
		return "", nil, err
	}
	if len(given.Fields) == 0 || len(given.ParamOIDs) > 0 {
		return "", nil, &unfitError{"it must be a SELECT without parameters"}
	}
	unknown := map[string]bool{}
	for _, f := range given.Fields {
		unknown[f.Name] = true
	}
	has := maps.Clone(unknown)
	rows, err := conn.Query(ctx, `SELECT attname::text, pg_catalog.format_type(atttypid, CASE WHEN atttypid IN (1042, 1043) THEN -1 ELSE atttypmod END), attnotnull
		FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`, t.oid) // bpchar, varchar
	if err != nil {
		return "", nil, err
	}
	var name, kind string
	var required bool
	quoted, needed := map[string]string{}, []string{}
	_, err = pgx.ForEachRow(rows, []any{&name, &kind, &required}, func() error {
		delete(unknown, name)
		column := pgx.Identifier{name}.Sanitize()
		switch {
		case has[name]:
			quoted[name] = column + "::" + kind + " AS " + column
		case slices.Contains(columns, name) && (required || slices.Contains(t.key, name)):
			needed = append(needed, name)
		case slices.Contains(columns, name):
			without = append(without, name)
			quoted[name] = "NULL::" + kind + " AS " + column
		}
		return nil
	})
	switch {
	case err != nil:
		return "", nil, err
	case len(needed) > 0:
		return "", nil, &unfitError{fmt.Sprintf("it leaves out %s, which cannot be null: select it, or leave it out of all events with column.exclude.list", strings.Join(needed, ", "))}
	case len(unknown) > 0:
		return "", nil, &unfitError{fmt.Sprintf("it gives %s, and the table has no such column: rename it (AS), or do not select it", strings.Join(change.Sorted(unknown), ", "))}
	}
	list := make([]string, len(columns))
	for i, name := range columns {
		list[i] = quoted[name]
	}
	return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS %s", strings.Join(list, ", "), statement, pgx.Identifier{t.name}.Sanitize()), without, nil
}
