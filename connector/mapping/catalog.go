package mapping

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier reads from PostgreSQL: a pool, a connection or a transaction of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ErrNoTable is returned when a table that the mapping names is not there, or our role cannot see its schema.
var ErrNoTable = errors.New("there is no such table")

// TableInfo is what the database says of one table.
type TableInfo struct {
	OID         uint32
	Kind        string // r table, p partitioned, v view, m materialized view, f foreign
	Columns     map[string]ColumnInfo
	Constraints map[string][]string // name → columns
	CanDelete   bool
}

// ColumnInfo is one column. The type is the base type of a domain, without its modifier: casts to it never cut a value.
type ColumnInfo struct {
	Name       string
	Num        int16 // attnum
	TypeSchema string
	TypeName   string
	ArrayName  string // of the type's array type, in ArraySchema
	ArrayIn    string
	Kind       string // b base, e enum, c composite, r range …
	Category   string // of pg_type: N numeric, S string, B boolean, D date/time, A array …
	Element    string // type name of an array's elements
	Shown      string // as format_type gives it: character varying(120)
	LengthMax  int    // of varchar(n) and char(n), in characters; 0 if unlimited
	WholeMax   int    // of numeric(p, s): digits before the point; -1 if unlimited
	NotNull    bool
	Default    bool // has a default, or is an identity
	Generated  bool // always: cannot be written
	CanSelect  bool
	CanInsert  bool
	CanUpdate  bool
}

// SQLType is the quoted type to cast to.
func (c ColumnInfo) SQLType() string { return Quote(c.TypeSchema) + "." + Quote(c.TypeName) }

// SQLArray is the quoted array type.
func (c ColumnInfo) SQLArray() string { return Quote(c.ArrayIn) + "." + Quote(c.ArrayName) }

// Builtin is the type's name if it is PostgreSQL's own, else "".
func (c ColumnInfo) Builtin() string {
	if c.TypeSchema == "pg_catalog" {
		return c.TypeName
	}
	return ""
}

// Catalog holds the tables that a mapping names, by schema.table.
type Catalog map[string]TableInfo

// LoadCatalog reads what the database says of all tables of the entity. A table that is missing is missing in the answer.
func (e *Entity) LoadCatalog(ctx context.Context, db Querier) (Catalog, error) {
	cat := Catalog{}
	for _, name := range e.allTables() {
		info, err := loadTable(ctx, db, name)
		if errors.Is(err, ErrNoTable) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the catalog for %s: %w", name, err)
		}
		cat[name.String()] = info
	}
	return cat, nil
}

// allTables are the tables that statements name, lookups among them.
func (e *Entity) allTables() []tableName {
	var list []tableName
	for _, c := range e.allowed { // sorted
		t := tableName{c.Schema, c.Table}
		if len(list) == 0 || list[len(list)-1] != t {
			list = append(list, t)
		}
	}
	return list
}

// Find gives a column of a table.
func (c Catalog) Find(table, column string) (ColumnInfo, error) {
	t, ok := c[table]
	if !ok {
		return ColumnInfo{}, fmt.Errorf("table %s: %w", table, ErrNoTable)
	}
	col, ok := t.Columns[column]
	if !ok {
		return ColumnInfo{}, fmt.Errorf("table %s has no column %q", table, column)
	}
	return col, nil
}

const tableSQL = `SELECT c.oid, c.relkind::text, pg_catalog.has_table_privilege(c.oid, 'DELETE')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`

// columnsSQL follows domains down to their base type; the modifier of the innermost one that has any holds.
const columnsSQL = `WITH RECURSIVE base (num, type, modifier, strict) AS (
  SELECT attnum, atttypid, atttypmod, attnotnull FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT b.num, t.typbasetype, CASE WHEN b.modifier >= 0 THEN b.modifier ELSE t.typtypmod END, b.strict OR t.typnotnull
  FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
)
SELECT a.attname::text, a.attnum, n.nspname::text, t.typname::text, coalesce(arr.typname::text, ''), coalesce(arrn.nspname::text, ''),
  t.typtype::text, t.typcategory::text, coalesce(el.typname::text, ''), pg_catalog.format_type(a.atttypid, a.atttypmod),
  CASE WHEN t.typname IN ('varchar', 'bpchar') AND b.modifier >= 4 THEN b.modifier - 4 ELSE 0 END,
  CASE WHEN t.typname = 'numeric' AND b.modifier >= 4 THEN (((b.modifier - 4) >> 16) & 65535) - (((b.modifier - 4) & 2047) # 1024) + 1024 ELSE -1 END,
  b.strict, (a.atthasdef AND a.attgenerated = '') OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a',
  pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'), pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT'),
  pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
FROM base b
JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attnum = b.num
JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type arr ON arr.oid = t.typarray
LEFT JOIN pg_catalog.pg_namespace arrn ON arrn.oid = arr.typnamespace
LEFT JOIN pg_catalog.pg_type el ON el.oid = t.typelem AND t.typcategory = 'A'`

// constraintsSQL has unique indexes too: a violation names them alike.
const constraintsSQL = `SELECT con.conname::text, ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = con.conrelid AND a.attnum = ANY(con.conkey) ORDER BY a.attnum)
FROM pg_catalog.pg_constraint con WHERE con.conrelid = $1
UNION
SELECT i.relname::text, ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = x.indrelid AND a.attnum = ANY(x.indkey) ORDER BY a.attnum)
FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = $1 AND x.indisunique`

func loadTable(ctx context.Context, db Querier, name tableName) (TableInfo, error) {
	rows, err := db.Query(ctx, tableSQL, name.schema, name.name)
	if err != nil {
		return TableInfo{}, err
	}
	info := TableInfo{Columns: map[string]ColumnInfo{}, Constraints: map[string][]string{}}
	if _, err = pgx.ForEachRow(rows, []any{&info.OID, &info.Kind, &info.CanDelete}, func() error { return nil }); err != nil {
		return TableInfo{}, err
	}
	if info.OID == 0 {
		return TableInfo{}, ErrNoTable
	}
	if rows, err = db.Query(ctx, columnsSQL, info.OID); err != nil {
		return TableInfo{}, err
	}
	var c ColumnInfo
	into := []any{
		&c.Name, &c.Num, &c.TypeSchema, &c.TypeName, &c.ArrayName, &c.ArrayIn, &c.Kind, &c.Category, &c.Element, &c.Shown, &c.LengthMax, &c.WholeMax,
		&c.NotNull, &c.Default, &c.Generated, &c.CanSelect, &c.CanInsert, &c.CanUpdate,
	}
	if _, err = pgx.ForEachRow(rows, into, func() error { info.Columns[c.Name] = c; return nil }); err != nil {
		return TableInfo{}, err
	}
	if rows, err = db.Query(ctx, constraintsSQL, info.OID); err != nil {
		return TableInfo{}, err
	}
	var constraint string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&constraint, &columns}, func() error {
		info.Constraints[constraint] = columns
		columns = nil
		return nil
	})
	return info, err
}
