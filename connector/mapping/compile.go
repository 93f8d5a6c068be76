package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Compile brings all documents of one sync together. Its diagnostics' paths begin with the entity's name. Entities come back
// in the order of the documents; with errors there are none.
func Compile(docs []Document) ([]*Entity, Diagnostics) {
	var ds Diagnostics
	byName := map[string]*Document{}
	for i := range docs {
		d := &docs[i]
		if _, ok := byName[d.Entity]; ok {
			ds.errorf(d.Entity+".entity", "", "two documents describe the entity %q", d.Entity)
			continue
		}
		byName[d.Entity] = d
		if d.Sync != docs[0].Sync {
			ds.errorf(d.Entity+".sync", "", "the documents belong to different syncs: %q and %q", docs[0].Sync, d.Sync)
		}
	}
	checkDatabases(docs, &ds)
	reverses := checkRelations(docs, byName, &ds)
	if ds.HasErrors() {
		return nil, ds
	}
	ranks := rank(docs)
	targets := map[string]*Entity{}
	entities := make([]*Entity, len(docs))
	for i := range docs {
		e := compileOne(docs[i])
		e.Rank, e.reverses, e.targets = ranks[e.Name], reverses[e.Name], targets
		entities[i], targets[e.Name] = e, e
	}
	return entities, ds
}

func checkDatabases(docs []Document, ds *Diagnostics) {
	seen := map[string]string{}
	for _, d := range docs {
		key := "title " + fold(d.Notion.Database)
		if d.Notion.DataSource != "" {
			key = "id " + fold(d.Notion.DataSource)
		}
		once(ds, seen, key, d.Entity+".notion", "two entities have the same Notion database")
	}
}

// checkRelations checks each relation against its target and gives the dual properties by the entity that gets them.
func checkRelations(docs []Document, byName map[string]*Document, ds *Diagnostics) map[string][]Reverse {
	reverses := map[string][]Reverse{}
	joins, duals := map[string]string{}, map[string]string{}
	for _, d := range docs {
		for i, r := range d.Fields {
			if r.Relation == nil {
				continue
			}
			path := fmt.Sprintf("%s.fields[%d].relation", d.Entity, i)
			target, ok := byName[r.Relation.Entity]
			if !ok {
				known := sortedKeys(byName)
				ds.errorf(join(path, "entity"), didYouMean(r.Relation.Entity, known), "no document describes the entity %q", r.Relation.Entity)
				continue
			}
			checkKeys(d, *target, *r.Relation, path, ds)
			if j := r.Relation.Join; j != nil {
				once(ds, joins, j.Table, join(path, "join.table"),
					"the join table %s belongs to another relation already; keep one and give it a reverse", j.Table)
			}
			if r.Relation.Reverse == "" {
				continue
			}
			once(ds, duals, target.Entity+" "+fold(r.Relation.Reverse), join(path, "reverse"), "two relations name the property %q on %s", r.Relation.Reverse, target.Entity)
			if owner := target.property(r.Relation.Reverse); owner != "" {
				ds.errorf(join(path, "reverse"), "", "%s has a property %q already: %s", target.Entity, r.Relation.Reverse, owner)
			}
			reverses[target.Entity] = append(reverses[target.Entity], Reverse{Entity: d.Entity, Field: r.Name, Property: r.Relation.Reverse})
		}
	}
	return reverses
}

func checkKeys(d, target Document, r Relation, path string, ds *Diagnostics) {
	if r.Join != nil {
		checkArity(ds, join(path, "join.source"), r.Join.Source, len(d.CRM.Key))
		checkArity(ds, join(path, "join.target"), r.Join.Target, len(target.CRM.Key))
		return
	}
	checkArity(ds, join(path, "column"), r.Column, len(target.CRM.Key))
}

// property names the field that has this property, "" if none has.
func (d *Document) property(name string) string {
	if fold(name) == fold(d.Notion.ExternalID) {
		return "notion.external_id"
	}
	if d.Notion.StatusProperty != "" && fold(name) == fold(d.Notion.StatusProperty) {
		return "notion.status_property"
	}
	for _, r := range d.Fields {
		if fold(r.Property) == fold(name) {
			return "the field " + r.Name
		}
	}
	return ""
}

func compileOne(d Document) *Entity {
	root, _ := parseTable(d.CRM.Table)
	e := &Entity{
		Sync: d.Sync, Name: d.Entity, Hash: documentHash(d), Document: d, root: root, zone: d.location(), byName: map[string]int{},
		WriteNotion: d.Mode.ToNotion == Write, WriteCRM: d.Mode.ToCRM == Write,
		CreatePages: *d.Creates.ToNotion, CreateRows: *d.Creates.ToCRM, Quiet: time.Duration(*d.Creates.Quiet) * time.Second,
		DeletesToPages: deletePolicies[d.Deletes.ToNotion], DeletesToRows: deletePolicies[d.Deletes.ToCRM],
		Grace: d.Deletes.grace(), Limits: d.Brakes.limits(),
	}
	if d.Mapper != nil {
		e.Mapper = d.Mapper.Name
	}
	for _, key := range d.Match {
		e.Match = append(e.Match, key)
	}
	for i, r := range d.Fields {
		f := compileField(r, e.zone)
		f.handled(r.Handling, r.Critical, &d)
		e.Fields = append(e.Fields, f)
		e.byName[r.Name] = i
	}
	e.tables = d.tables(root)
	e.allowed = e.allowList()
	return e
}

var deletePolicies = map[string]ledger.DeletePolicy{
	"trash": ledger.DeletePropagate, "soft": ledger.DeletePropagate, "delete": ledger.DeletePropagate, "hold": ledger.DeleteHold, "keep": ledger.DeleteKeep,
}

func compileField(r Rule, zone *time.Location) Field {
	f := Field{
		Name: r.Name, Property: r.Property, Type: r.Type, Direction: r.Direction, Tie: r.Tie, Initial: r.Initial,
		Function: r.Function, Nullable: nullable(r.Type), Options: r.Options, Unknown: UnknownOptions(r.Unknown), Format: r.Format, zone: zone,
	}
	if f.rule = r; f.Unknown == OptionsMap {
		o, _ := f.Declared(tidy(r.UnknownAs))
		f.rule.UnknownAs = o.Notion // as the option is spelled
	}
	if r.Relation != nil {
		f.Relation, f.Reverse, f.Many = r.Relation.Entity, r.Relation.Reverse, r.Relation.Join != nil
	}
	f.Rule = f.ruleHash()
	return f
}

func nullable(t Type) bool { return t != TypeCheckbox && t != TypeMultiSelect && t != TypeRelation }

// ruleHash covers what makes the value: a base that was agreed under another rule says nothing. Names in Notion, directions and
// policies are no part of it.
func (f Field) ruleHash() string {
	r := f.rule
	r.Name, r.Property, r.Direction, r.Critical, r.Tie, r.Initial, r.Format = "", "", "", nil, "", "", ""
	r.Handling = Handling{}
	if f.Unknown != OptionsMap {
		r.Unknown, r.UnknownAs = "", ""
	}
	r.Options = slices.Clone(r.Options)
	for i := range r.Options {
		r.Options[i].Color, r.Options[i].Group = "", ""
	}
	if r.Lookup != nil {
		l := *r.Lookup
		l.Unknown, l.NewKey = "", ""
		r.Lookup = &l
	}
	if r.Relation != nil {
		rel := *r.Relation
		rel.Reverse = ""
		r.Relation = &rel
	}
	zone := ""
	if r.Type == TypeDate || r.Type == TypeDateTime {
		zone = f.location().String()
	}
	return hash(8, r, zone)
}

func documentHash(d Document) string {
	d.Schema = ""
	return hash(16, d)
}

func hash(size int, parts ...any) string {
	h := sha256.New()
	for _, p := range parts {
		text, err := json.Marshal(p)
		if err != nil {
			panic(fmt.Sprintf("hash a mapping: %v", err)) // raw JSON in it was read from JSON
		}
		h.Write(append(text, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil)[:size])
}

// tables lists the tables whose changes speak of the entity.
func (d *Document) tables(root tableName) []Table {
	list := []Table{{Schema: root.schema, Name: root.name, Role: RootTable, RootKey: d.CRM.Key}}
	add := func(table string, role TableRole, key []string) {
		name, _ := parseTable(table)
		t := Table{Schema: name.schema, Name: name.name, Role: role, RootKey: key}
		if !slices.ContainsFunc(list, func(o Table) bool { return o.String() == t.String() && slices.Equal(o.RootKey, t.RootKey) }) {
			list = append(list, t)
		}
	}
	for _, r := range d.Fields {
		if r.Relation != nil && r.Relation.Join != nil {
			add(r.Relation.Join.Table, JoinTable, r.Relation.Join.Source)
		}
		if r.Lookup != nil && r.Lookup.Join != nil {
			add(r.Lookup.Join.Table, JoinTable, r.Lookup.Join.Source)
		}
	}
	if d.Custom != nil && d.Custom.Rows != nil {
		add(d.Custom.Rows.Table, RowsTable, d.Custom.Rows.Entity)
	}
	return list
}
