package sink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// database is one database of Notion. It counts requests.
type database struct {
	office *office
	entity *mapping.Entity
	schema ledger.Schema
	pages  map[string]*page
	made   int
	lag    map[string]bool // external ids that queries do not show yet

	reads, creates, updates, finds int

	fail   func(op string) (applied bool, err error) // what goes wrong with the next call
	normal func(change.Image)                        // what Notion makes of values
	during func(op string)                           // runs while a request is under way
}

type page struct {
	values   change.Image // relations as sets of page ids
	external string
	trash    bool
	gone     bool
	moved    bool
	edited   time.Time
	editor   string
}

func newDatabase(o *office, e *mapping.Entity) *database {
	d := &database{office: o, entity: e, pages: map[string]*page{}, schema: ledger.Schema{Workspace: "w", Database: "db", DataSource: "ds-" + e.Name, External: "ext",
		Properties: map[string]string{}, Types: map[string]string{}}}
	for i, f := range e.Fields {
		d.schema.Properties[f.Name], d.schema.Types[f.Name] = fmt.Sprintf("p%d", i), string(f.Type)
	}
	return d
}

// edit is a person's.
func (d *database) edit(id string, values change.Image) {
	p := d.pages[id]
	maps.Copy(p.values, values)
	p.edited, p.editor = d.office.clock.now(), "ada"
}

// create is a person's new page.
func (d *database) person(values change.Image) string {
	id := d.id()
	d.pages[id] = &page{values: change.Image{}}
	d.edit(id, values)
	return id
}

func (d *database) id() string {
	d.made++
	return fmt.Sprintf("%s-%d", d.entity.Name, d.made)
}

func (d *database) call(op string, apply func()) error {
	d.office.journal.add("%s", op)
	d.office.clock.advance(100 * time.Millisecond)
	defer d.office.clock.advance(100 * time.Millisecond)
	if d.during != nil {
		during := d.during
		d.during = nil
		during(op)
	}
	if d.fail != nil {
		if applied, err := d.fail(op); err != nil {
			if applied {
				apply()
			}
			return err
		}
	}
	apply()
	return nil
}

func (d *database) Read(_ context.Context, _ ledger.Schema, id string) (seen ledger.Observation, err error) {
	d.reads++
	from := d.office.clock.now()
	err = d.call("read", func() { seen = d.observe(id) })
	seen.ReadFrom = from
	return seen, err
}

func (d *database) Create(_ context.Context, _ ledger.Schema, external string, values change.Image) (id string, seen ledger.Observation, err error) {
	d.creates++
	made := ""
	err = d.call("create", func() {
		made = d.id()
		d.pages[made] = &page{values: change.Image{}, external: external, edited: d.office.clock.now(), editor: "bot"}
		d.write(made, values)
		id, seen = made, d.observe(made)
	})
	if saved, ok := err.(*savedError); ok && made != "" {
		_ = saved
		return made, ledger.Observation{}, err
	}
	if err != nil {
		return "", ledger.Observation{}, err
	}
	return id, seen, nil
}

func (d *database) write(id string, values change.Image) {
	values = values.Clone()
	if d.normal != nil {
		d.normal(values)
	}
	maps.Copy(d.pages[id].values, values)
	d.pages[id].edited, d.pages[id].editor = d.office.clock.now(), "bot"
}

func (d *database) Update(_ context.Context, _ ledger.Schema, id string, u sink.PageUpdate) (seen ledger.Observation, err error) {
	d.updates++
	op := "update"
	if u.Trash {
		op = "trash"
	}
	err = d.call(op, func() {
		p := d.pages[id]
		switch {
		case u.Trash:
			p.trash = true
		case u.Restore:
			p.trash = false
		}
		if u.External != "" {
			p.external = u.External
		}
		d.write(id, u.Values)
		seen = d.observe(id)
	})
	return seen, err
}

func (d *database) Find(_ context.Context, _ ledger.Schema, external string) (ids []string, err error) {
	d.finds++
	err = d.call("find", func() {
		for _, id := range change.Sorted(d.pages) {
			if p := d.pages[id]; p.external == external && !p.trash && !d.lag[external] {
				ids = append(ids, id)
			}
		}
	})
	return ids, err
}

func (d *database) Extend(_ context.Context, schema ledger.Schema, _ []mapping.Field) (ledger.Schema, error) {
	return schema, nil
}

// observe is the page as it is now, without a request.
func (d *database) observe(id string) ledger.Observation {
	p, ok := d.pages[id]
	now := d.office.clock.now()
	if !ok || p.gone {
		return ledger.Observation{Gone: true, ReadFrom: now, ReadTo: now}
	}
	properties := map[string]json.RawMessage{}
	for _, f := range d.entity.Fields {
		properties[d.schema.Properties[f.Name]] = wireForm(f, d.schema.Properties[f.Name], p.values[f.Name])
	}
	raw, err := json.Marshal(properties)
	if err != nil {
		d.office.t.Fatal(err)
	}
	return ledger.Observation{
		ReadFrom: now, ReadTo: now, Edited: p.edited.Truncate(time.Minute), EditedBy: p.editor, InTrash: p.trash, Moved: p.moved, External: p.external,
		Properties: raw, Hash: fmt.Sprintf("%s %t %t %s", raw, p.trash, p.moved, p.external),
	}
}

// wireForm is a property as Notion gives it.
func wireForm(f mapping.Field, id string, v change.Value) json.RawMessage {
	rich := func() any {
		if v.Text() == "" {
			return []any{}
		}
		return []any{map[string]any{"type": "text", "plain_text": v.Text(), "text": map[string]any{"content": v.Text()}}}
	}
	var typ string
	var content any
	switch f.Type {
	case mapping.TypeTitle:
		typ, content = "title", rich()
	case mapping.TypeText:
		typ, content = "rich_text", rich()
	case mapping.TypeEmail, mapping.TypePhone:
		if typ = string(f.Type); f.Type == mapping.TypePhone {
			typ = "phone_number"
		}
		if v.Text() != "" {
			content = v.Text()
		}
	case mapping.TypeSelect:
		typ, content = "select", nil
		if v.Text() != "" {
			content = map[string]any{"id": v.Text(), "name": v.Text()}
		}
	case mapping.TypeMultiSelect, mapping.TypeRelation:
		typ = string(f.Type)
		items := []any{}
		for _, i := range v.Items() {
			if f.Type == mapping.TypeRelation {
				items = append(items, map[string]any{"id": i.Text()})
			} else {
				items = append(items, map[string]any{"id": i.Text(), "name": i.Text()})
			}
		}
		content = items
	default:
		panic("no wire form of " + string(f.Type))
	}
	raw, err := json.Marshal(map[string]any{"id": id, "type": typ, typ: content})
	if err != nil {
		panic(err)
	}
	return raw
}

// The errors of a write, as notionapi's behave.
type unknownError struct{}

func (unknownError) Error() string { return "connection reset while the answer was awaited" }
func (unknownError) Unknown() bool { return true }

type savedError struct{}

func (*savedError) Error() string { return "503: your changes were saved" }

type refusedError struct{}

func (refusedError) Error() string { return "409: conflict_error" }

// once makes the next call of an operation go wrong.
func (d *database) once(op string, applied bool, err error) {
	d.fail = func(got string) (bool, error) {
		if got != op {
			return false, nil
		}
		d.fail = nil
		return applied, err
	}
}

func (d *database) requests() int { return d.reads + d.creates + d.updates + d.finds }

// spend gives the requests since the last call of it.
func (d *database) spend() int {
	n := d.requests()
	d.reads, d.creates, d.updates, d.finds = 0, 0, 0, 0
	return n
}

// only gives the one page of a database.
func (d *database) only() string {
	d.office.t.Helper()
	ids := slices.Collect(maps.Keys(d.pages))
	if len(ids) != 1 {
		d.office.t.Fatalf("%d pages, want one: %v", len(ids), ids)
	}
	return ids[0]
}
