package cdc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/converter"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// catalog answers what schemas say and the stream does not: which columns may be null, their defaults, an enum's labels. It is as the catalog is now, which
// may be ahead of the stream; nothing else has it, and Debezium asks there, too. A column is known by its name, so one that is still to come says nothing.
//
// Each table is asked for once, and again when the stream describes it again, as it does after every ALTER TABLE. Safe for several goroutines.
type catalog struct {
	connect func(ctx context.Context) (*pgx.Conn, error)

	mu     sync.Mutex
	tables map[tableName]*converter.Table // nil: gone
}

func newCatalog(c postgres.Config) *catalog {
	return &catalog{
		connect: func(ctx context.Context) (*pgx.Conn, error) { return postgres.Connect(ctx, c) },
		tables:  map[tableName]*converter.Table{},
	}
}

var _ converter.Catalog = (*catalog)(nil)

// Table implements converter.Catalog. One that was not loaded yet is asked for on a connection of its own: the others are busy.
func (c *catalog) Table(ctx context.Context, schema, name string) (*converter.Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := tableName{schema, name}
	if found, ok := c.tables[t]; ok {
		return found, nil
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	types, err := postgres.LoadTypes(ctx, conn)
	if err != nil {
		return nil, err
	}
	found, err := loadDefinitions(ctx, conn, t, types)
	if err == nil {
		c.tables[t] = found
	}
	return found, err
}

// load asks on conn, which is the caller's. A catalog that nobody needs is nil. said are the types that the stream gives the table's columns, nil where it
// says none: a column that is gone by now, or has another type, was of an enum that still has its labels.
func (c *catalog) load(ctx context.Context, conn *pgx.Conn, t tableName, types *postgres.Types, said map[string]uint32) error {
	if c == nil {
		return nil
	}
	found, err := loadDefinitions(ctx, conn, t, types)
	if err == nil {
		found, err = withLabels(ctx, conn, found, types, said)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if before := c.tables[t]; before == nil || found == nil || !sameTable(before, found) {
		c.tables[t] = found
	}
	return nil
}

func sameTable(a, b *converter.Table) bool {
	if len(a.Columns) != len(b.Columns) || len(a.Definitions) != len(b.Definitions) {
		return false
	}
	for i, column := range a.Columns {
		if b.Columns[i].Name != column.Name || b.Columns[i].Type != column.Type {
			return false
		}
	}
	for name, d := range a.Definitions {
		e, ok := b.Definitions[name]
		if !ok || d.NotNull != e.NotNull || d.Domain != e.Domain || d.Default != e.Default || !slices.Equal(d.Labels, e.Labels) {
			return false
		}
	}
	return true
}

// A domain that is NOT NULL makes the column so. Labels are those of an enum, or of an array of it.
const definitionsQuery = `
SELECT a.attname::text, a.atttypid, a.atttypmod, a.attnotnull OR t.typnotnull, t.typtype = 'd', CASE WHEN a.attgenerated = '' THEN coalesce(pg_get_expr(d.adbin, d.adrelid), '') ELSE '' END, a.attgenerated <> '',
       coalesce((SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid IN (t.oid, t.typbasetype, t.typelem)), '{}')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v' ORDER BY a.attnum`

func loadDefinitions(ctx context.Context, conn *pgx.Conn, t tableName, types *postgres.Types) (*converter.Table, error) {
	out := &converter.Table{Definitions: map[string]change.Definition{}}
	rows, err := conn.Query(ctx, definitionsQuery, t.schema, t.name)
	if err == nil {
		var name string
		var oid uint32
		var modifier int32
		var d change.Definition
		var generated bool
		_, err = pgx.ForEachRow(rows, []any{&name, &oid, &modifier, &d.NotNull, &d.Domain, &d.Default, &generated, &d.Labels}, func() error {
			own := d
			own.Labels = append([]string(nil), d.Labels...)
			if !generated { // which is sent by some publications only
				out.Columns = append(out.Columns, change.Column{Name: name, Type: types.Type(oid, modifier)})
			}
			out.Definitions[name] = own
			return nil
		})
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, postgres.Explain(fmt.Errorf("read the definitions of %s: %w", t, err))
	case len(out.Columns) == 0:
		return nil, nil
	}
	return out, nil
}

const labelsQuery = `
SELECT t.oid, (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid IN (t.oid, t.typbasetype, t.typelem))
FROM pg_type t WHERE t.oid = ANY ($1) AND EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid IN (t.oid, t.typbasetype, t.typelem))`

// withLabels adds the labels of enums that the catalog does not give the columns any more. found may be nil: the table is gone.
func withLabels(ctx context.Context, conn *pgx.Conn, found *converter.Table, types *postgres.Types, said map[string]uint32) (*converter.Table, error) {
	lacking := map[string]uint32{}
	for name, oid := range said {
		isEnum := strings.TrimPrefix(types.Type(oid, -1).Name, "_") == "enum"
		if isEnum && (found == nil || len(found.Definitions[name].Labels) == 0) {
			lacking[name] = oid
		}
	}
	if len(lacking) == 0 {
		return found, nil
	}
	rows, err := conn.Query(ctx, labelsQuery, slices.Sorted(maps.Values(lacking)))
	labels := map[uint32][]string{}
	if err == nil {
		var oid uint32
		var of []string
		_, err = pgx.ForEachRow(rows, []any{&oid, &of}, func() error { labels[oid] = slices.Clone(of); return nil })
	}
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("read the labels of enums: %w", err))
	}
	if found == nil {
		found = &converter.Table{Definitions: map[string]change.Definition{}}
	}
	for name, oid := range lacking {
		d := found.Definitions[name]
		d.Labels = labels[oid]
		found.Definitions[name] = d
	}
	return found, nil
}
