package mapping

import (
	"cmp"
	"slices"
)

// Column is a column that the entity's mapping names.
type Column struct {
	Schema, Table, Name string
	Write               bool // may be written; all of them may be read
}

// AllowList is every column that may be read, and which of them may be written. Whatever is not on it is never in a statement;
// the writer asks [Entity.MayWrite] once more at the last step.
func (e *Entity) AllowList() []Column { return e.allowed }

// MayWrite reports that the mapping lets a column be written.
func (e *Entity) MayWrite(schema, table, column string) bool {
	i, found := slices.BinarySearchFunc(e.allowed, Column{Schema: schema, Table: table, Name: column}, compareColumns)
	return found && e.allowed[i].Write
}

func compareColumns(a, b Column) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Name, b.Name))
}

type columnSet map[Column]bool // without Write → whether it may be written

func (s columnSet) add(t tableName, write bool, names ...string) {
	for _, n := range names {
		if n != "" {
			c := Column{Schema: t.schema, Table: t.name, Name: n}
			s[c] = s[c] || write
		}
	}
}

func (e *Entity) allowList() []Column {
	d, set := e.Document, columnSet{}
	set.add(e.root, false, d.CRM.Key...)
	if *d.Creates.ToCRM && len(d.CRM.Key) == 1 {
		set.add(e.root, true, d.CRM.Key...) // new keys
	}
	set.add(e.root, d.Deletes.ToCRM != "keep", d.CRM.SoftDelete)
	set.add(e.root, true, sortedKeys(d.CRM.Set)...)
	set.add(e.root, true, sortedKeys(d.CRM.SetOnInsert)...)
	for _, f := range e.Fields {
		e.allowField(set, f)
	}
	if c := d.Custom; c != nil {
		write := c.Direction != ToNotion
		set.add(e.root, write, c.Column)
		if r := c.Rows; r != nil {
			t, _ := parseTable(r.Table)
			set.add(t, write, r.Name, r.Value, r.Type, r.Key)
			set.add(t, write, r.Entity...)
		}
	}
	list := make([]Column, 0, len(set))
	for c, write := range set {
		c.Write = write
		list = append(list, c)
	}
	slices.SortFunc(list, compareColumns)
	return list
}

func (e *Entity) allowField(set columnSet, f Field) {
	write := f.Direction != ToNotion
	set.add(e.root, write, f.rule.Column)
	if l := f.rule.Lookup; l != nil {
		t, _ := parseTable(l.Table)
		set.add(t, write && l.Unknown == "create", l.Key, l.Label)
		set.add(e.root, write, l.Column)
		allowJoin(set, l.Join, write)
	}
	if r := f.rule.Relation; r != nil {
		set.add(e.root, write, r.Column...)
		allowJoin(set, r.Join, write)
	}
}

func allowJoin(set columnSet, j *Join, write bool) {
	if j == nil {
		return
	}
	t, _ := parseTable(j.Table)
	set.add(t, write, j.Source...)
	set.add(t, write, j.Target...)
}

// MayWriteTo is [Entity.MayWrite] for schema.table.
func (e *Entity) MayWriteTo(table, column string) bool {
	for _, c := range e.allowed {
		if c.Name == column && c.Write && c.Schema+"."+c.Table == table {
			return true
		}
	}
	return false
}
