package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

type tableName struct{ schema, name string }

func (t tableName) String() string { return t.schema + "." + t.name }

// table is a captured table as the catalog has it now.
type table struct {
	tableName
	oid         uint32
	partitioned bool
	partition   bool // with publish.via.partition.root=false only
	logged      bool // unlogged and temporary tables have no WAL
	identity    pgoutput.Identity
	primary     []string    // primary key in key order
	indexed     []string    // the identity's columns where it is not the whole row
	unique      []string    // columns of the unique index that serves as a key
	key         []string    // of its records: see recordKey
	keys        messageKeys // message.key.columns
	rekeyed     bool        // … of which one is about it
	blind       []string    // partitions whose old rows nothing identifies
	fields      []field
	list        columnList // of publication.column.list*
	readable    bool       // all that is sent of it, by our role
	owned       bool
	unruly      string          // why replica.identity.autoset.values cannot be carried out on it; "": it can
	hidden      bool            // row security applies to us
	columns     []change.Column // what the stream can have
	strange     bool            // one of them has a type that was made after the types were loaded
}

// recordKey is what all records of a table have as their key, those of a snapshot and those of the stream: the primary key, else a
// unique index, as Debezium has it. Under REPLICA IDENTITY USING INDEX it is that index, since deletes carry nothing else.
func (t *table) recordKey() []string {
	switch {
	case t.identity == pgoutput.IdentityIndex && len(t.indexed) > 0 && !pgoutput.SameColumns(t.indexed, t.primary):
		return t.indexed
	case len(t.primary) > 0:
		return t.primary
	}
	return t.unique
}

// identityColumns gives what recordKey needs of pg_class c: the columns of the primary key, of the identity's index, and of the first unique index
// whose columns are never null, in index order. First is what JDBC's getIndexInfo says and Debezium takes: one that the table is clustered by, then by name. Included columns are no part of a key.
const identityColumns = `c.relreplident::text,
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.ord) FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord),
           pg_attribute a WHERE i.indrelid = c.oid AND i.indisprimary AND k.ord <= i.indnkeyatts AND a.attrelid = c.oid AND a.attnum = k.attnum), '{}'),
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.ord) FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord),
           pg_attribute a WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary END
           AND k.ord <= i.indnkeyatts AND a.attrelid = c.oid AND a.attnum = k.attnum), '{}'),
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.ord) FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord),
           pg_attribute a WHERE k.ord <= i.indnkeyatts AND a.attrelid = c.oid AND a.attnum = k.attnum AND i.indexrelid = (
               SELECT u.indexrelid FROM pg_index u JOIN pg_class x ON x.oid = u.indexrelid WHERE u.indrelid = c.oid AND u.indisunique AND u.indisvalid AND u.indimmediate AND u.indpred IS NULL
               AND NOT EXISTS (SELECT FROM unnest(u.indkey::int2[]) WITH ORDINALITY e(attnum, ord) LEFT JOIN pg_attribute b ON b.attrelid = c.oid AND b.attnum = e.attnum
                   WHERE e.ord <= u.indnkeyatts AND (e.attnum = 0 OR NOT b.attnotnull)) ORDER BY u.indisclustered DESC, x.relname LIMIT 1)), '{}')`

// Partitions are left out, where their root stands for them, and its publication publishes as the root; with publish.via.partition.root=false it is the other way round. But an old row is identified as
// the partition's own setting says, which is not inherited.
const tablesQuery = `
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', c.relispartition, c.relpersistence = 'p', ` + identityColumns + `,
       coalesce((SELECT array_agg(l.oid::regclass::text ORDER BY l.relname) FROM pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) p JOIN pg_class l ON l.oid = p.relid
           WHERE p.isleaf AND l.relkind = 'r' AND l.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = l.oid
           AND CASE l.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary END)), '{}'),
       has_schema_privilege(n.oid, 'USAGE'),
       pg_has_role(c.relowner, 'USAGE'), row_security_active(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE CASE WHEN $1 THEN c.relkind = 'r' ELSE c.relkind IN ('r', 'p') AND NOT c.relispartition END AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname`

// loadTables reads the captured tables. Within a transaction it sees what the transaction sees.
func loadTables(ctx context.Context, conn *pgx.Conn, f filter) ([]table, error) {
	rows, err := conn.Query(ctx, tablesQuery, f.partitions)
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("read the catalog's tables: %w", err))
	}
	var tables []table
	var t table
	var replident string
	_, err = pgx.ForEachRow(rows, []any{&t.oid, &t.schema, &t.name, &t.partitioned, &t.partition, &t.logged, &replident, &t.primary, &t.indexed, &t.unique, &t.blind, &t.readable, &t.owned, &t.hidden},
		func() error {
			if !f.includes(t.tableName) {
				return nil
			}
			found := t
			found.identity = pgoutput.Identity(replident[0])
			found.primary, found.indexed = slices.Clone(t.primary), slices.Clone(t.indexed)
			found.unique, found.blind = slices.Clone(t.unique), slices.Clone(t.blind)
			found.key = found.recordKey()
			tables = append(tables, found)
			return nil
		})
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("read the catalog's tables: %w", err))
	}
	return tables, nil
}

// loadKey gives the record key that a table has now; nil for one that is gone.
func loadKey(ctx context.Context, conn *pgx.Conn, oid uint32) ([]string, error) {
	var t table
	var replident string
	err := conn.QueryRow(ctx, "SELECT "+identityColumns+" FROM pg_class c WHERE c.oid = $1", oid).Scan(&replident, &t.primary, &t.indexed, &t.unique)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at the key of a table: %w", err))
	}
	t.identity = pgoutput.Identity(replident[0])
	return t.recordKey(), nil
}

// Up to PostgreSQL 17 the stream has no generated columns, so a snapshot must not either. From 18 on the publication says.
const columnsQuery = `
SELECT attname::text, atttypid, atttypmod FROM pg_attribute
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND (attgenerated = '' OR $2 AND attgenerated = 's') ORDER BY attnum`

func loadColumns(ctx context.Context, conn *pgx.Conn, t *table, types *postgres.Types, stored bool) error {
	rows, err := conn.Query(ctx, columnsQuery, t.oid, stored)
	if err != nil {
		return postgres.Explain(fmt.Errorf("read the columns of %s: %w", t, err))
	}
	t.columns, t.strange = nil, false
	var name string
	var oid uint32
	var modifier int32
	_, err = pgx.ForEachRow(rows, []any{&name, &oid, &modifier}, func() error {
		t.strange = t.strange || !types.Known(oid)
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
