package cdc

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// table is a captured table as the catalog has it now.
type table struct {
	tableName
	oid         uint32
	partitioned bool
	logged      bool // unlogged and temporary tables have no WAL
	identity    identity
	key         []string // primary key in key order, else the identity index's columns
	indexed     []string // the identity's columns where it is not the whole row
	readable    bool
	owned       bool
	hidden      bool            // row security applies to us
	columns     []change.Column // what the stream would have: no generated columns
}

// filter decides which tables are captured.
type filter struct{ patterns []*regexp.Regexp }

func newFilter(patterns []string) (filter, error) {
	var f filter
	for _, p := range patterns {
		r, err := regexp.Compile("^(?:" + strings.TrimSpace(p) + ")$")
		if err != nil {
			return filter{}, fmt.Errorf("table.include.list: %w", err)
		}
		f.patterns = append(f.patterns, r)
	}
	return f, nil
}

func (f filter) includes(t tableName) bool {
	return t.schema != ownSchema && slices.ContainsFunc(f.patterns, func(r *regexp.Regexp) bool { return r.MatchString(t.String()) })
}

// missing lists the patterns that no table matches.
func (f filter) missing(tables []table) []string {
	var out []string
	for _, r := range f.patterns {
		if !slices.ContainsFunc(tables, func(t table) bool { return r.MatchString(t.String()) }) {
			out = append(out, strings.TrimSuffix(strings.TrimPrefix(r.String(), "^(?:"), ")$"))
		}
	}
	return out
}

// Partitions are left out: their root stands for them, and its publication publishes as the root.
const tablesQuery = `
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', c.relpersistence = 'p', c.relreplident::text,
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.ord) FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord),
           pg_attribute a WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum), '{}'),
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.ord) FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord),
           pg_attribute a WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary END
           AND a.attrelid = c.oid AND a.attnum = k.attnum), '{}'),
       NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')) AND has_schema_privilege(n.oid, 'USAGE'),
       pg_has_role(c.relowner, 'USAGE'), row_security_active(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname`

// loadTables reads the captured tables. Within a transaction it sees what the transaction sees.
func loadTables(ctx context.Context, conn *pgx.Conn, f filter) ([]table, error) {
	rows, err := conn.Query(ctx, tablesQuery)
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("read the catalog's tables: %w", err))
	}
	var tables []table
	var t table
	var replident string
	_, err = pgx.ForEachRow(rows, []any{&t.oid, &t.schema, &t.name, &t.partitioned, &t.logged, &replident, &t.key, &t.indexed, &t.readable, &t.owned, &t.hidden},
		func() error {
			if !f.includes(t.tableName) {
				return nil
			}
			found := t
			found.identity = identity(replident[0])
			found.key, found.indexed = slices.Clone(t.key), slices.Clone(t.indexed)
			if len(found.key) == 0 {
				found.key = found.indexed
			}
			tables = append(tables, found)
			return nil
		})
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("read the catalog's tables: %w", err))
	}
	return tables, nil
}

// Up to PostgreSQL 17 the stream has no generated columns, so a snapshot must not either.
const columnsQuery = `
SELECT attname::text, atttypid, atttypmod FROM pg_attribute
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`

func loadColumns(ctx context.Context, conn *pgx.Conn, t *table, types *postgres.Types) error {
	rows, err := conn.Query(ctx, columnsQuery, t.oid)
	if err != nil {
		return postgres.Explain(fmt.Errorf("read the columns of %s: %w", t, err))
	}
	t.columns = nil
	var name string
	var oid uint32
	var modifier int32
	_, err = pgx.ForEachRow(rows, []any{&name, &oid, &modifier}, func() error {
		t.columns = append(t.columns, change.Column{Name: name, Type: types.Type(oid, modifier)})
		return nil
	})
	if err != nil {
		return postgres.Explain(fmt.Errorf("read the columns of %s: %w", t, err))
	}
	return nil
}

// quoted gives the name as SQL.
func (t tableName) quoted() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

// topicName is Debezium's: characters that Kafka does not take become underscores.
func topicName(parts ...string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, strings.Join(parts, "."))
}
