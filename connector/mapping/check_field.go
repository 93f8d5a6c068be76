package mapping

import (
	"fmt"
	"slices"
	"strings"
)

// field checks that the column's type can hold the field's values and give them back.
func (c *checker) field(path string, f Field) {
	r := f.rule
	switch {
	case r.Column != "":
		if col, err := c.cat.Find(c.entity.root.String(), r.Column); err == nil {
			c.columnType(path, f, col)
		}
	case r.Lookup != nil:
		c.lookup(join(path, "lookup"), f)
	case r.Relation != nil:
		c.relation(join(path, "relation"), f)
	}
}

func (c *checker) columnType(path string, f Field, col ColumnInfo) {
	if unmappable[col.Builtin()] || col.Kind == "c" || col.Kind == "r" || col.Kind == "m" {
		c.ds.errorf(join(path, "column"), "", "a column of type %s cannot be mapped", col.Shown)
		return
	}
	if f.Function != nil {
		return // what it makes of the value is its own affair
	}
	text, number := col.Category == "S" || col.Kind == "e", col.Category == "N"
	days, json := col.Category == "D", col.Builtin() == "json" || col.Builtin() == "jsonb"
	fits := map[Type]bool{
		TypeNumber: number || text, TypeCheckbox: col.Category == "B" || number || text, TypeDate: days && col.Builtin() != "time" || text,
		TypeDateTime: days && col.Builtin() != "time" || text, TypeMultiSelect: col.Category == "A" || json || text,
	}
	ok, judged := fits[f.Type]
	switch {
	case judged && !ok:
		c.ds.errorf(join(path, "type"), "", "a column of type %s is no %s", col.Shown, f.Type)
		return
	case !judged && (col.Category == "A" || json) && f.ToCRM():
		c.ds.errorf(join(path, "type"), `multi_select fits arrays of texts; or set "direction": "to_notion"`, "a column of type %s cannot be edited as %s", col.Shown, f.Type)
		return
	}
	c.roundTrip(path, f, col)
}

var unmappable = map[string]bool{"bytea": true, "money": true, "xml": true, "tsvector": true, "tsquery": true, "point": true, "polygon": true, "path": true, "box": true, "line": true, "circle": true, "lseg": true}

// roundTrip warns of what Notion will not hold, or not give back as it was.
func (c *checker) roundTrip(path string, f Field, col ColumnInfo) {
	digits := 0
	switch col.Builtin() {
	case "int8":
		digits = 19
	case "numeric":
		digits = 1000
		var p, s int
		if n, _ := fmt.Sscanf(col.Shown, "numeric(%d,%d)", &p, &s); n > 0 {
			digits = p
		}
	}
	const exact = 15
	if f.Type == TypeNumber && digits > exact {
		c.ds.warnf(join(path, "type"), "such a value is parked; map the column as text if there are any", "%s can hold more digits than the %d that a Notion number keeps", col.Shown, exact)
	}
	if f.Type == TypeDate && f.ToCRM() && strings.HasPrefix(col.Builtin(), "timestamp") {
		c.ds.warnf(join(path, "type"), "map it as datetime to keep it", "an edit in Notion sets the time of %s to midnight", col.Name)
	}
	if f.Type == TypeDateTime && f.ToCRM() && strings.HasPrefix(col.Builtin(), "timestamp") {
		c.ds.warnf(join(path, "type"), "", "%s keeps seconds, Notion minutes: an edit in Notion sets the seconds to zero", col.Name)
	}
	if f.Type == TypeMultiSelect && col.Category == "S" && f.ToCRM() {
		c.ds.warnf(join(path, "type"), "as Doctrine's simple_array does", "%s is text: its options are kept with commas between them", col.Name)
	}
	if col.Kind == "e" && f.ToCRM() && f.Unknown == OptionsCreate {
		c.ds.warnf(join(path, "unknown_options"), "ALTER TYPE … ADD VALUE, by hand", "%s is an enum, to which no value is added: an option of Notion that it does not have waits", col.Name)
	}
	if f.Type == TypeCheckbox && !col.NotNull {
		c.ds.warnf(join(path, "type"), "", "%s may be null, which a checkbox shows as unchecked", col.Name)
	}
}

func (c *checker) lookup(path string, f Field) {
	l := f.rule.Lookup
	labels, _ := parseTable(l.Table)
	info, ok := c.cat[labels.String()]
	if !ok {
		return
	}
	unique := func(column string) bool {
		for _, columns := range info.Constraints {
			if slices.Equal(columns, []string{column}) {
				return true
			}
		}
		return false
	}
	if !unique(l.Key) {
		c.ds.errorf(join(path, "key"), "", "%s is no unique key of %s", l.Key, labels)
	}
	if f.ToCRM() && !unique(l.Label) {
		c.ds.warnf(join(path, "label"), "a label that two rows have cannot be chosen in Notion", "%s of %s is not unique", l.Label, labels)
	}
	if f.ToCRM() && l.Unknown == "create" {
		c.newKey(join(path, "new_key"), l.NewKey, info, l.Key)
		for _, name := range sortedKeys(info.Columns) {
			if col := info.Columns[name]; col.NotNull && !col.Default && name != l.Key && name != l.Label {
				c.worse(join(path, "unknown"), `set "unknown": "park"`, "a new row of %s would lack %s, which must have a value", labels, name)
			}
		}
	}
}

// relation checks that the columns hold keys of the target.
func (c *checker) relation(path string, f Field) {
	target, ok := c.entity.Target(f)
	if !ok {
		return
	}
	cat, ok := c.catalogs[target.Name]
	if !ok {
		var err error
		if cat, err = target.LoadCatalog(c.ctx, c.db); err != nil {
			c.ds.errorf(path, "", "the database cannot be asked: %v", err)
			return
		}
		c.catalogs[target.Name] = cat
	}
	rel := f.rule.Relation
	table, columns := c.entity.root.String(), rel.Column
	if rel.Join != nil {
		t, _ := parseTable(rel.Join.Table)
		table, columns = t.String(), rel.Join.Target
	}
	for i, name := range columns {
		own, err := c.cat.Find(table, name)
		if err != nil {
			continue
		}
		key, err := cat.Find(target.root.String(), target.Document.CRM.Key[i])
		if err == nil && own.TypeName != key.TypeName && (own.Category != key.Category || own.Category != "N" && own.Category != "S") {
			c.ds.errorf(path, "", "%s.%s is a %s, the key of %s a %s", table, name, own.Shown, target.Name, key.Shown)
		}
	}
}

func (c *checker) custom() {
	custom := c.entity.Document.Custom
	if custom == nil {
		return
	}
	if custom.Rows == nil {
		if col, err := c.cat.Find(c.entity.root.String(), custom.Column); err == nil && col.Builtin() != "json" && col.Builtin() != "jsonb" {
			c.ds.errorf("custom.column", "", "%s is a %s; want json or jsonb", col.Name, col.Shown)
		}
		return
	}
	t, _ := parseTable(custom.Rows.Table)
	info, ok := c.cat[t.String()]
	if !ok || custom.Direction == ToNotion {
		return
	}
	if custom.Rows.Key != "" {
		c.newKey("custom.rows.new_key", custom.Rows.NewKey, info, custom.Rows.Key)
	}
	given := append([]string{custom.Rows.Name, custom.Rows.Value, custom.Rows.Type, custom.Rows.Key}, custom.Rows.Entity...)
	for _, name := range sortedKeys(info.Columns) {
		if col := info.Columns[name]; col.NotNull && !col.Default && !col.Generated && !slices.Contains(given, name) {
			c.worse("custom.rows", "if it is the table's own key, name it as key with its new_key", "a new row of %s would lack %s, which must have a value", t, name)
		}
	}
	if c.entity.WriteCRM && custom.Empty == "remove" && !info.CanDelete {
		c.ds.errorf("custom.rows", "GRANT DELETE ON "+t.SQL()+` TO …, or set "empty": "null"`, "the role may not delete rows of %s", t)
	}
}
