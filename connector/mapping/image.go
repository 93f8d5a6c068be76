package mapping

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// OutputKind says what a column of the image query's answer holds.
type OutputKind uint8

// The kinds of outputs. All come as JSON text, which shows dates, exact numbers and arrays alike whatever the session's settings are.
const (
	OutputKey        OutputKind = iota // one column of the key
	OutputValue                        // a column's value, or a lookup's label
	OutputTarget                       // a foreign key: array of the key's columns, null among them for none
	OutputTargets                      // a join table: array of such arrays, or null
	OutputLabels                       // labels through a join table: array, or null
	OutputCustom                       // the JSON column of custom fields as it is
	OutputAttributes                   // entity-attribute-value rows: array of [name, value, type], or null
)

// Output is one column of the image query's answer.
type Output struct {
	Kind   OutputKind
	Field  string     // "" for keys and custom fields
	Column ColumnInfo // whose type the value has
}

// ImageQuery reads the images of many rows in one statement. Its parameters are one array of texts for each column of the key; its
// answer has two booleans, in scope and soft-deleted, and then the outputs. A key without a row has no row in the answer.
type ImageQuery struct {
	SQL     string
	Outputs []Output
}

// ImageQuery builds the query. It names the columns of the allow-list and no other; all names are quoted and have their schema.
func (e *Entity) ImageQuery(cat Catalog) (ImageQuery, error) {
	b := imageBuilder{entity: e, cat: cat, root: e.root.String()}
	for _, k := range e.Document.CRM.Key {
		b.add(Output{Kind: OutputKey, Column: b.column(b.root, k)}, toJSON(e.rootColumn(k)))
	}
	for _, f := range e.Fields {
		b.field(f)
	}
	b.custom()
	scope, soft := "true", "false"
	if w := strings.TrimSpace(e.Document.CRM.Where); w != "" {
		scope = "coalesce((" + w + "), false)"
	}
	if s := e.Document.CRM.SoftDelete; s != "" {
		soft = e.softDeleted(b.column(b.root, s))
	}
	if b.err != nil {
		return ImageQuery{}, b.err
	}
	match, err := e.KeyMatch(cat)
	if err != nil {
		return ImageQuery{}, err
	}
	sql := fmt.Sprintf("SELECT %s,\n  %s,\n  %s\nFROM %s\nWHERE %s", scope, soft, strings.Join(b.exprs, ",\n  "), e.root.SQL(), match)
	return ImageQuery{SQL: sql, Outputs: b.outputs}, nil
}

// KeyMatch is the condition on the root row that finds the rows of the keys in the parameters, one array of texts a column.
func (e *Entity) KeyMatch(cat Catalog) (string, error) {
	keys := e.Document.CRM.Key
	infos := make([]ColumnInfo, len(keys))
	for i, k := range keys {
		var err error
		if infos[i], err = cat.Find(e.root.String(), k); err != nil {
			return "", err
		}
	}
	if len(keys) == 1 {
		if infos[0].castable() {
			return fmt.Sprintf("%s = ANY(CAST($1::pg_catalog.text[] AS %s))", e.rootColumn(keys[0]), infos[0].SQLArray()), nil
		}
		return fmt.Sprintf("%s::pg_catalog.text = ANY($1::pg_catalog.text[])", e.rootColumn(keys[0])), nil
	}
	var left, right, params, names []string
	for i, k := range keys {
		name := fmt.Sprintf("k%d", i+1)
		names = append(names, name)
		params = append(params, fmt.Sprintf("pg_catalog.unnest($%d::pg_catalog.text[])", i+1))
		if infos[i].castable() {
			left, right = append(left, e.rootColumn(k)), append(right, fmt.Sprintf("CAST(tandem_k.%s AS %s)", name, infos[i].SQLType()))
		} else {
			left, right = append(left, e.rootColumn(k)+"::pg_catalog.text"), append(right, "tandem_k."+name)
		}
	}
	return fmt.Sprintf("(%s) IN (SELECT %s FROM ROWS FROM (%s) AS tandem_k (%s))",
		strings.Join(left, ", "), strings.Join(right, ", "), strings.Join(params, ", "), strings.Join(names, ", ")), nil
}

// castable are the key types of which [Entity.KeyParams] can tell that a text is one: a text that is none would fail the whole query.
func (c ColumnInfo) castable() bool {
	switch c.Builtin() {
	case "int2", "int4", "int8", "uuid", "text", "varchar", "bpchar":
		return true
	}
	return false
}

// holds reports that a text can be cast to the column's type.
func (c ColumnInfo) holds(text string) bool {
	switch c.Builtin() {
	case "int2", "int4", "int8":
		bits := map[string]int{"int2": 16, "int4": 32, "int8": 64}[c.Builtin()]
		_, err := strconv.ParseInt(text, 10, bits)
		return err == nil
	case "uuid":
		return looksLikeUUID.MatchString(text)
	}
	return !strings.ContainsRune(text, 0) && utf8.ValidString(text)
}

var looksLikeUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// KeyParams are the parameters of [Entity.KeyMatch]. A key that cannot be one is left out: there is no such row.
func (e *Entity) KeyParams(cat Catalog, keys []string) []any {
	n := len(e.Document.CRM.Key)
	columns := make([][]string, n)
	for _, key := range keys {
		parts, err := SplitKey(key, n)
		if err != nil || !e.holds(cat, parts) {
			continue
		}
		for i, p := range parts {
			columns[i] = append(columns[i], p)
		}
	}
	params := make([]any, n)
	for i := range columns {
		params[i] = columns[i]
	}
	return params
}

func (e *Entity) holds(cat Catalog, parts []string) bool {
	for i, p := range parts {
		c, err := cat.Find(e.root.String(), e.Document.CRM.Key[i])
		if err != nil || !c.holds(p) {
			return false
		}
	}
	return true
}

// Root is the quoted root table, and its name as change events have it.
func (e *Entity) Root() (sql, name string) { return e.root.SQL(), e.root.String() }

func (e *Entity) rootColumn(name string) string { return Quote(e.root.name) + "." + Quote(name) }

func (e *Entity) softDeleted(c ColumnInfo) string {
	if c.Category == "B" {
		return "coalesce(" + e.rootColumn(c.Name) + ", false)"
	}
	return e.rootColumn(c.Name) + " IS NOT NULL"
}

func toJSON(expr string) string { return "pg_catalog.to_json(" + expr + ")::pg_catalog.text" }

type imageBuilder struct {
	entity  *Entity
	cat     Catalog
	root    string
	exprs   []string
	outputs []Output
	err     error // the first
}

func (b *imageBuilder) add(o Output, expr string) {
	b.outputs, b.exprs = append(b.outputs, o), append(b.exprs, expr)
}

func (b *imageBuilder) column(table, name string) ColumnInfo {
	c, err := b.cat.Find(table, name)
	if err != nil && b.err == nil {
		b.err = err
	}
	return c
}

func (b *imageBuilder) field(f Field) {
	r, e := f.rule, b.entity
	switch {
	case r.Column != "":
		b.add(Output{OutputValue, f.Name, b.column(b.root, r.Column)}, toJSON(e.rootColumn(r.Column)))
	case r.Lookup != nil && r.Lookup.Join == nil:
		l := r.Lookup
		t, _ := parseTable(l.Table)
		b.column(b.root, l.Column)
		b.column(t.String(), l.Key)
		b.add(Output{OutputValue, f.Name, b.column(t.String(), l.Label)}, fmt.Sprintf("(SELECT %s FROM %s AS tandem_l WHERE tandem_l.%s = %s LIMIT 1)",
			toJSON("tandem_l."+Quote(l.Label)), t.SQL(), Quote(l.Key), e.rootColumn(l.Column)))
	case r.Lookup != nil:
		b.labels(f.Name, r.Lookup)
	case r.Relation.Join == nil:
		var parts []string
		for _, c := range r.Relation.Column {
			b.column(b.root, c)
			parts = append(parts, e.rootColumn(c))
		}
		b.add(Output{Kind: OutputTarget, Field: f.Name}, "pg_catalog.json_build_array("+strings.Join(parts, ", ")+")::pg_catalog.text")
	default:
		j := r.Relation.Join
		t, _ := parseTable(j.Table)
		b.add(Output{Kind: OutputTargets, Field: f.Name}, fmt.Sprintf("(SELECT pg_catalog.json_agg(pg_catalog.json_build_array(%s))::pg_catalog.text FROM %s AS tandem_j WHERE %s)",
			strings.Join(b.aliased(t, "tandem_j", j.Target), ", "), t.SQL(), b.owned(t, "tandem_j", j.Source)))
	}
}

func (b *imageBuilder) labels(field string, l *Lookup) {
	labels, _ := parseTable(l.Table)
	join, _ := parseTable(l.Join.Table)
	b.column(labels.String(), l.Key)
	b.add(Output{OutputLabels, field, b.column(labels.String(), l.Label)}, fmt.Sprintf(
		"(SELECT pg_catalog.json_agg(tandem_l.%s)::pg_catalog.text FROM %s AS tandem_j JOIN %s AS tandem_l ON tandem_l.%s = %s WHERE %s)",
		Quote(l.Label), join.SQL(), labels.SQL(), Quote(l.Key), b.aliased(join, "tandem_j", l.Join.Target)[0], b.owned(join, "tandem_j", l.Join.Source)))
}

func (b *imageBuilder) custom() {
	c := b.entity.Document.Custom
	switch {
	case c == nil:
	case c.Rows == nil:
		b.add(Output{Kind: OutputCustom, Column: b.column(b.root, c.Column)}, b.entity.rootColumn(c.Column)+"::pg_catalog.text")
	default:
		t, _ := parseTable(c.Rows.Table)
		columns := []string{c.Rows.Name, c.Rows.Value}
		if c.Rows.Type != "" {
			columns = append(columns, c.Rows.Type)
		}
		parts := b.aliased(t, "tandem_a", columns)
		b.add(Output{Kind: OutputAttributes, Column: b.column(t.String(), c.Rows.Value)}, fmt.Sprintf(
			"(SELECT pg_catalog.json_agg(pg_catalog.json_build_array(%s) ORDER BY %s)::pg_catalog.text FROM %s AS tandem_a WHERE %s)",
			strings.Join(parts, ", "), parts[0], t.SQL(), b.owned(t, "tandem_a", c.Rows.Entity)))
	}
}

func (b *imageBuilder) aliased(t tableName, alias string, columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		b.column(t.String(), c)
		out[i] = alias + "." + Quote(c)
	}
	return out
}

// owned is the condition that a child's row refers to the root row.
func (b *imageBuilder) owned(t tableName, alias string, source []string) string {
	var conds []string
	for i, c := range b.aliased(t, alias, source) {
		conds = append(conds, c+" = "+b.entity.rootColumn(b.entity.Document.CRM.Key[i]))
	}
	return strings.Join(conds, " AND ")
}

// ScopeSQL is the condition on a root row that it is in scope and not soft-deleted.
func (e *Entity) ScopeSQL(cat Catalog) (string, error) {
	cond := "true"
	if w := strings.TrimSpace(e.Document.CRM.Where); w != "" {
		cond = "coalesce((" + w + "), false)"
	}
	s := e.Document.CRM.SoftDelete
	if s == "" {
		return cond, nil
	}
	c, err := cat.Find(e.root.String(), s)
	if err != nil {
		return "", err
	}
	return cond + " AND NOT (" + e.softDeleted(c) + ")", nil
}
