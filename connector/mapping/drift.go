package mapping

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Drift is what a look at the tables found out: which columns are not those that the mapping was put on.
type Drift struct {
	Parked  map[string]string // field → why it is left out; CustomPrefix stands for all custom fields
	Stopped string            // why the entity as a whole cannot go on; "" if it can
	Columns []ledger.Column   // as they are to be remembered; one that drifted stays as it was known
}

// Drift compares the tables as they are with what is known of them. A column that is not known is taken as it is: nothing was ever read of it
// under this mapping. It is pure.
func (e *Entity) Drift(cat Catalog, known []ledger.Column) Drift {
	d := Drift{Parked: map[string]string{}}
	remembered := ledger.DriftState{Columns: known}
	for _, u := range e.uses() {
		was, isKnown := remembered.Column(u.table, u.column)
		now, reason := u.compare(cat, was, isKnown)
		switch {
		case reason != "" && len(u.fields) == 0:
			if d.Stopped == "" {
				d.Stopped = reason
			}
		case reason != "":
			for _, field := range u.fields {
				if d.Parked[field] == "" {
					d.Parked[field] = reason
				}
			}
		}
		if reason == "" {
			now.Generation = was.Generation
			d.Columns = append(d.Columns, now)
		} else if isKnown {
			d.Columns = append(d.Columns, was)
		}
	}
	return d
}

// Generations tells by field how often a person accepted another column in the place of one that was known: what was agreed before that is no base.
func (e *Entity) Generations(known []ledger.Column) map[string]int {
	generations := map[string]int{}
	remembered := ledger.DriftState{Columns: known}
	for _, u := range e.uses() {
		if c, ok := remembered.Column(u.table, u.column); ok && c.Generation > 0 {
			for _, field := range u.fields {
				generations[field] += c.Generation
			}
		}
	}
	return generations
}

// Accept takes the columns of one field as they are now, by a person's word. It reports whether that changed anything.
func (e *Entity) Accept(cat Catalog, known []ledger.Column, field string) (columns []ledger.Column, changed bool) {
	columns = slices.Clone(known)
	for _, u := range e.uses() {
		info, err := cat.Find(u.table, u.column)
		i := slices.IndexFunc(columns, func(c ledger.Column) bool { return c.Table == u.table && c.Name == u.column })
		if err != nil || i < 0 || !slices.Contains(u.fields, field) {
			continue
		}
		if _, reason := u.compare(cat, columns[i], true); reason != "" {
			columns[i] = u.as(cat, info, columns[i].Generation+1)
			changed = true
		}
	}
	return columns, changed
}

// Without is the entity without some of its fields: statements are built of what is there. What may be written is not more than before.
func (e *Entity) Without(parked map[string]string) *Entity {
	if len(parked) == 0 {
		return e
	}
	less := *e
	less.Fields = slices.DeleteFunc(slices.Clone(e.Fields), func(f Field) bool { return IsParked(parked, f.Name) })
	less.byName = map[string]int{}
	for i, f := range less.Fields {
		less.byName[f.Name] = i
	}
	if parked[CustomPrefix] != "" {
		less.Document.Custom = nil
	}
	return &less
}

// IsParked reports that a field is left out, by its name or as one of the custom fields.
func IsParked(parked map[string]string, field string) bool {
	return parked[field] != "" || IsCustom(field) && parked[CustomPrefix] != ""
}

// use is one column and the fields that stand on it; a column without fields carries the entity as a whole.
type use struct {
	table, column string
	fields        []string
}

// uses lists the columns that a read names, in order of table and column. Columns that are only set on writes are no field's, and a write says
// itself that they are missing.
func (e *Entity) uses() []use {
	type place struct{ table, column string }
	fields := map[place][]string{}
	add := func(t tableName, field string, columns ...string) {
		for _, c := range columns {
			if p := (place{t.String(), c}); c != "" && !slices.Contains(fields[p], field) {
				fields[p] = append(fields[p], field)
			}
		}
	}
	for _, f := range e.Fields {
		set := columnSet{}
		e.allowField(set, f)
		for c := range set {
			add(tableName{c.Schema, c.Table}, f.Name, c.Name)
		}
	}
	if c := e.Document.Custom; c != nil {
		add(e.root, CustomPrefix, c.Column)
		if r := c.Rows; r != nil {
			t, _ := parseTable(r.Table)
			add(t, CustomPrefix, slices.Concat([]string{r.Name, r.Value, r.Type, r.Key}, r.Entity)...)
		}
	}
	for _, c := range slices.Concat([]string(e.Document.CRM.Key), []string{e.Document.CRM.SoftDelete}) {
		if c != "" {
			fields[place{e.root.String(), c}] = nil
		}
	}
	var list []use
	for _, p := range slices.SortedFunc(maps.Keys(fields), func(a, b place) int { return comparePlaces(a.table, a.column, b.table, b.column) }) {
		slices.Sort(fields[p])
		list = append(list, use{p.table, p.column, fields[p]})
	}
	return list
}

func comparePlaces(table, column, otherTable, otherColumn string) int {
	return compareColumns(Column{Table: table, Name: column}, Column{Table: otherTable, Name: otherColumn})
}

func (u use) as(cat Catalog, c ColumnInfo, generation int) ledger.Column {
	return ledger.Column{Table: u.table, Name: u.column, OID: cat[u.table].OID, Num: c.Num, Type: c.TypeSchema + "." + c.TypeName, Generation: generation}
}

// compare says why the column is not the one that is known, "" if it is.
func (u use) compare(cat Catalog, was ledger.Column, known bool) (now ledger.Column, reason string) {
	info, ok := cat[u.table]
	if !ok {
		return now, fmt.Sprintf("the table %s is not there any more, or the role may not use its schema", u.table)
	}
	c, ok := info.Columns[u.column]
	if !ok {
		return now, u.missing(info, was, known)
	}
	now = u.as(cat, c, 0)
	switch {
	case !known:
		return now, ""
	case !sameFamily(was.Type, now.Type):
		return now, fmt.Sprintf("its column %s of %s is of type %s now, and was of type %s: give it its type back, or accept it as it is (tandem drift --accept)",
			u.column, u.table, c.Shown, shortType(was.Type))
	case was.OID == now.OID && was.Num != now.Num:
		return now, fmt.Sprintf("another column of %s is named %s now: it was dropped and made again, or two columns changed names, and its values would be taken for people's edits; "+
			"accept it as it is (tandem drift --accept), or take the field out of the mapping", u.table, u.column)
	}
	return now, ""
}

// missing tells a column that was renamed from one that was dropped.
func (u use) missing(info TableInfo, was ledger.Column, known bool) string {
	if known && was.OID == info.OID {
		for _, name := range sortedKeys(info.Columns) {
			if info.Columns[name].Num == was.Num {
				return fmt.Sprintf("its column %s of %s is named %s now: give it its name back, or write %q into the mapping", u.column, u.table, name, name)
			}
		}
		return fmt.Sprintf("its column %s of %s was dropped: bring it back, or take the field out of the mapping", u.column, u.table)
	}
	return fmt.Sprintf("the table %s has no column %s: mend the mapping, or make the column", u.table, u.column)
}

// families are types that hold each other's values alike as far as a field goes.
var families = map[string]string{
	"int2": "whole", "int4": "whole", "int8": "whole", "numeric": "whole", "text": "text", "varchar": "text", "bpchar": "text", "citext": "text",
	"json": "json", "jsonb": "json", "float4": "float", "float8": "float",
}

func sameFamily(a, b string) bool {
	x, y := families[shortType(a)], families[shortType(b)]
	return a == b || x != "" && x == y
}

func shortType(t string) string {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i] == '.' {
			return t[i+1:]
		}
	}
	return t
}

// Fingerprint sums up the columns of all tables that the entity names: it differs after each change of them. It sees what has committed when it is
// asked, so that a look that was made before it, and finds it as it was, was made on tables as they were.
func (e *Entity) Fingerprint(ctx context.Context, db Querier) (string, error) {
	var schemas, names []string
	for _, t := range e.allTables() {
		schemas, names = append(schemas, t.schema), append(names, t.name)
	}
	rows, err := db.Query(ctx, fingerprintSQL, schemas, names)
	if err != nil {
		return "", err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
}

const fingerprintSQL = `SELECT pg_catalog.md5(coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(' ', c.oid, c.relkind, a.attnum, a.attname, a.atttypid, a.atttypmod), ',' ORDER BY c.oid, a.attnum), ''))
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS want (schema, name)
JOIN pg_catalog.pg_namespace n ON n.nspname = want.schema
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = want.name
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`
