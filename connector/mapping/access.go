package mapping

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Access is what a role needs on one table to do what the mapping says, and no more.
type Access struct {
	Schema, Table string
	Select        []string // columns, sorted
	Insert        []string
	Update        []string
	Delete        bool
}

// String is schema.table.
func (a Access) String() string { return a.Schema + "." + a.Table }

// SQL is the quoted name.
func (a Access) SQL() string { return tableName{a.Schema, a.Table}.SQL() }

// Access lists what the entity's statements need, in order of tables, and the sequences that make keys. While the CRM is only observed that is
// reading alone.
func (e *Entity) Access() (tables []Access, sequences []string) {
	a := accesses{}
	for _, c := range e.allowed {
		a.on(tableName{c.Schema, c.Table}).sel(c.Name)
	}
	for _, name := range e.whereColumns() {
		a.on(e.root).sel(name)
	}
	keys := map[string]bool{}
	if e.WriteCRM {
		e.accessRoot(a, keys)
		for _, f := range e.Fields {
			if f.ToCRM() {
				e.accessField(a, f, keys)
			}
		}
		e.accessCustom(a, keys)
	}
	for _, t := range a {
		tables = append(tables, t.list())
	}
	slices.SortFunc(tables, func(x, y Access) int { return strings.Compare(x.String(), y.String()) })
	return tables, sortedKeys(keys)
}

// Writing is the entity as it is when the CRM is written: what a role may have that is prepared for it.
func (e *Entity) Writing() *Entity {
	on := *e
	on.WriteCRM = true
	return &on
}

// accessRoot is for the root row: its key when rows are made, the columns that are set on writes, its delete.
func (e *Entity) accessRoot(a accesses, keys map[string]bool) {
	crm, root := e.Document.CRM, a.on(e.root)
	root.upd(sortedKeys(crm.Set)...)
	if e.CreateRows {
		root.ins(sortedKeys(crm.Set)...)
		root.ins(sortedKeys(crm.SetOnInsert)...)
		if crm.NewKey != defaultKey {
			root.ins(crm.Key...)
		}
		sequenceOf(crm.NewKey, keys)
	}
	switch {
	case e.Document.Deletes.ToCRM == "keep":
	case crm.SoftDelete != "":
		root.upd(crm.SoftDelete)
	case e.Document.Deletes.ToCRM == "delete":
		root.delete = true
	}
}

func (e *Entity) accessField(a accesses, f Field, keys map[string]bool) {
	r := f.rule
	root := a.on(e.root)
	write := func(columns ...string) {
		root.upd(columns...)
		if e.CreateRows {
			root.ins(columns...)
		}
	}
	join := func(j *Join) {
		if j == nil {
			return
		}
		t, _ := parseTable(j.Table)
		child := a.on(t)
		child.ins(slices.Concat(j.Source, j.Target)...)
		child.delete = true
		root.lock = true
	}
	write(r.Column)
	if l := r.Lookup; l != nil {
		write(l.Column)
		join(l.Join)
		if l.Unknown == "create" {
			t, _ := parseTable(l.Table)
			labels := a.on(t)
			labels.ins(l.Label)
			if l.NewKey != "" && l.NewKey != defaultKey {
				labels.ins(l.Key)
			}
			sequenceOf(l.NewKey, keys)
		}
	}
	if rel := r.Relation; rel != nil {
		write(rel.Column...)
		join(rel.Join)
	}
}

func (e *Entity) accessCustom(a accesses, keys map[string]bool) {
	c := e.Document.Custom
	if c == nil || c.Direction == ToNotion {
		return
	}
	root := a.on(e.root)
	root.upd(c.Column)
	if e.CreateRows {
		root.ins(c.Column)
	}
	if r := c.Rows; r != nil {
		t, _ := parseTable(r.Table)
		rows := a.on(t)
		rows.ins(slices.Concat([]string{r.Name, r.Value, r.Type, r.Key}, r.Entity)...)
		rows.upd(r.Value)
		rows.delete = true // also a value that is emptied before its row is seen
		sequenceOf(r.NewKey, keys)
		root.lock = true
	}
}

func sequenceOf(newKey string, into map[string]bool) {
	if name, ok := strings.CutPrefix(newKey, "sequence:"); ok {
		into[name] = true
	}
}

var word = regexp.MustCompile(`"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*`)

// whereColumns are the words of the condition that may be columns: names that no parenthesis follows, outside of texts, and that are no words of
// SQL. What is none is found out by who knows the table: see [Entity.Narrow].
func (e *Entity) whereColumns() []string {
	where := regexp.MustCompile(`'(?:[^']|'')*'`).ReplaceAllString(e.Document.CRM.Where, "''")
	names := map[string]bool{}
	for _, at := range word.FindAllStringIndex(where, -1) {
		text := where[at[0]:at[1]]
		after := strings.TrimLeft(where[at[1]:], " ")
		if strings.HasPrefix(text, `"`) {
			names[strings.ReplaceAll(text[1:len(text)-1], `""`, `"`)] = true
			continue
		}
		text = strings.ToLower(text)
		before := strings.TrimRight(where[:at[0]], " ")
		if !sqlWords[text] && !strings.HasPrefix(after, "(") && !strings.HasPrefix(after, ".") && !strings.HasSuffix(before, "::") {
			names[text] = true
		}
	}
	return sortedKeys(names)
}

var sqlWords = func() map[string]bool {
	words := map[string]bool{}
	for _, w := range strings.Fields(`and or not null is in like ilike between true false case when then else end any all some distinct from as similar to escape
		isnull notnull current_date current_timestamp interval date timestamp at time zone array exists select where collate unknown symmetric cast`) {
		words[w] = true
	}
	return words
}()

// Narrow takes out of what is to be read what is no column of the tables.
func Narrow(tables []Access, cat Catalog) {
	for i, t := range tables {
		info, ok := cat[t.String()]
		if !ok {
			continue
		}
		tables[i].Select = slices.DeleteFunc(slices.Clone(t.Select), func(c string) bool { _, ok := info.Columns[c]; return !ok })
	}
}

type accesses map[tableName]*access

// access gathers what is needed on one table.
type access struct {
	table                  tableName
	selects, inserts, sets map[string]bool
	delete                 bool
	lock                   bool // the row is locked though nothing of it is written
}

func (a accesses) on(t tableName) *access {
	if a[t] == nil {
		a[t] = &access{table: t, selects: map[string]bool{}, inserts: map[string]bool{}, sets: map[string]bool{}}
	}
	return a[t]
}

func fill(set map[string]bool, columns []string) {
	for _, c := range columns {
		if c != "" {
			set[c] = true
		}
	}
}

func (a *access) sel(columns ...string) { fill(a.selects, columns) }
func (a *access) ins(columns ...string) { fill(a.inserts, columns) }
func (a *access) upd(columns ...string) { fill(a.sets, columns) }

func (a *access) list() Access {
	out := Access{Schema: a.table.schema, Table: a.table.name, Delete: a.delete}
	out.Select, out.Insert, out.Update = slices.Sorted(maps.Keys(a.selects)), slices.Sorted(maps.Keys(a.inserts)), slices.Sorted(maps.Keys(a.sets))
	if a.lock && len(out.Update) == 0 && len(out.Select) > 0 {
		// SELECT … FOR UPDATE asks for the privilege to update some column (PostgreSQL manual, SELECT, "The Locking Clause").
		out.Update = out.Select[:1]
	}
	return out
}

// Merge puts together what several entities need.
func Merge(lists ...[]Access) []Access {
	byTable := map[string]Access{}
	for _, list := range lists {
		for _, a := range list {
			have := byTable[a.String()]
			have.Schema, have.Table, have.Delete = a.Schema, a.Table, have.Delete || a.Delete
			have.Select, have.Insert, have.Update = union(have.Select, a.Select), union(have.Insert, a.Insert), union(have.Update, a.Update)
			byTable[a.String()] = have
		}
	}
	var merged []Access
	for _, name := range sortedKeys(byTable) {
		merged = append(merged, byTable[name])
	}
	return merged
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
