package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
)

// model is Notion's behaviour without its wire: pages in revisions, times cut to the minute, no conditional write, an index that lags,
// relations that hide what is in the trash, webhooks that are gathered. What it answers is what notionapi.Client answers.
type model struct {
	w         *world
	dice      *rand.Rand
	pages     []*page
	byID      map[string]*page
	fields    map[string]map[string]property // entity → field → its property
	indexedAt time.Time                      // when the index has all that there is; never before the newest change
	bin       int                            // grows when pages go to the trash or come back: relations show it
	hook      webhooks
}

type property struct{ id, kind string }

// page is one row of a database.
type page struct {
	id, home  string // home: entity of the database where it belongs
	created   time.Time
	createdBy string
	hidden    bool // not shared with the connection
	revs      []*revision
}

// revision is a page between two writes. It never changes.
type revision struct {
	at, shows time.Time // shows: when the index has it
	by        string
	source    string // entity of the database where it stands, "" for one that is not ours
	trashed   bool
	external  string
	values    map[string]change.Value // by field
	wrote     map[string]stamp        // who wrote each field's value, and when

	view *notionapi.Page // built when somebody looks
	bin  int             // of the model when it was built
}

type stamp struct {
	by string
	at time.Time
}

const (
	modelBot    = "b0000000-0000-4000-8000-000000000001"
	modelPerson = "a0000000-0000-4000-8000-000000000002"
)

func newModel(w *world) *model {
	m := &model{w: w, dice: w.dice("notion"), byID: map[string]*page{}, fields: map[string]map[string]property{}}
	for _, e := range w.entities {
		props := map[string]property{}
		for _, f := range e.Fields {
			id := "p" + f.Name
			if f.Type == mapping.TypeTitle {
				id = "title"
			}
			props[f.Name] = property{id, sinknotion.PropertyType(f.Type)}
		}
		m.fields[e.Name] = props
	}
	m.hook.m = m
	return m
}

func (m *model) bot() string { return modelBot }

func dataSource(entity string) string {
	return fmt.Sprintf("d0000000-0000-4000-8000-%012x", entity[:1])
}

func (m *model) entityOf(source string) string {
	for name := range m.fields {
		if dataSource(name) == source {
			return name
		}
	}
	return ""
}

// strayed tells that people had the page in the trash or elsewhere, where no query shows it: whether it was made cannot be looked up then.
func (p *page) strayed() bool {
	return slices.ContainsFunc(p.revs, func(r *revision) bool { return r.trashed || r.source != p.home })
}

func (p *page) last() *revision { return p.revs[len(p.revs)-1] }

// make adds a page.
func (m *model) make(entity, by string, values map[string]change.Value, external string) *page {
	n := len(m.pages) + 1
	p := &page{id: fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n), home: entity, created: m.w.now, createdBy: by}
	wrote := map[string]stamp{}
	for name := range values {
		wrote[name] = stamp{by, m.w.now}
	}
	p.revs = []*revision{{at: m.w.now, shows: m.w.now.Add(m.lag()), by: by, source: entity, external: external, values: values, wrote: wrote}}
	m.pages = append(m.pages, p)
	m.byID[p.id] = p
	m.changed(p)
	return p
}

// changed is told of every change of a page.
func (m *model) changed(p *page) {
	for _, at := range []time.Time{m.w.now, p.last().shows} {
		if at.After(m.indexedAt) {
			m.indexedAt = at
		}
	}
	m.w.system.news()
}

func (m *model) property(page, field string) string {
	p := m.byID[page]
	return m.fields[p.home][field].id
}

func (m *model) stillSince(at time.Time) bool { return m.indexedAt.Before(at) }

// lag draws how long the index takes for one write.
func (m *model) lag() time.Duration {
	if m.w.shape.lag == 0 {
		return 0
	}
	return jitter(m.dice, 0, m.w.shape.lag)
}

// revise adds a revision; change edits a copy of the newest.
func (m *model) revise(p *page, by string, change func(*revision)) *revision {
	old := p.last()
	next := &revision{at: m.w.now, shows: m.w.now.Add(m.lag()), by: by, source: old.source, trashed: old.trashed, external: old.external, values: old.values, wrote: old.wrote}
	if next.shows.Before(old.shows) {
		next.shows = old.shows
	}
	change(next)
	p.revs = append(p.revs, next)
	if next.trashed != old.trashed {
		m.bin++
	}
	m.changed(p)
	return next
}

// set changes one field of a revision that is being made.
func (r *revision) set(field string, v change.Value, by string, at time.Time) {
	r.values, r.wrote = maps.Clone(r.values), maps.Clone(r.wrote)
	r.values[field], r.wrote[field] = v, stamp{by, at}
}

// shown is a field's value as it reads now: a relation hides what is in the trash.
func (m *model) shown(entity string, r *revision, field string) change.Value {
	v := r.values[field]
	kind := m.fields[entity][field].kind
	if v.IsAbsent() {
		if kind == notionapi.TypeMultiSelect || kind == notionapi.TypeRelation {
			return change.SetValue()
		}
		return change.NullValue()
	}
	if kind != notionapi.TypeRelation {
		return v
	}
	if !slices.ContainsFunc(v.Items(), func(id change.Value) bool { return m.gone(id.Text()) }) {
		return v
	}
	return change.SetValue(slices.DeleteFunc(slices.Clone(v.Items()), func(id change.Value) bool { return m.gone(id.Text()) })...)
}

func (m *model) gone(id string) bool {
	p := m.byID[id]
	return p == nil || p.last().trashed
}

// show is a revision as the API shows it; times of the read are the caller's to put in.
func (m *model) show(p *page, r *revision) notionapi.Page {
	if r.view != nil && r.bin == m.bin {
		return *r.view
	}
	parent := notionapi.Parent{Type: "data_source_id", DataSourceID: "e0000000-0000-4000-8000-000000000009"}
	if r.source != "" {
		parent.DataSourceID = dataSource(r.source)
	}
	view := notionapi.Page{ID: p.id, Parent: parent, InTrash: r.trashed, Created: p.created.Truncate(time.Minute), Edited: r.at.Truncate(time.Minute),
		CreatedBy: p.createdBy, LastEditedBy: r.by, Properties: make(map[string]notionapi.Property, len(r.values)+1)}
	for field, prop := range m.fields[p.home] {
		v := m.shown(p.home, r, field)
		view.Properties[prop.id] = notionapi.Property{ID: prop.id, Name: field, Type: prop.kind, Value: v, Raw: rawProperty(prop, v)}
	}
	ext := change.NullValue()
	if r.external != "" {
		ext = change.TextValue(r.external)
	}
	view.Properties[externalProperty.id] = notionapi.Property{ID: externalProperty.id, Name: "Tandem ID", Type: externalProperty.kind, Value: ext, Raw: rawProperty(externalProperty, ext)}
	r.view, r.bin = &view, m.bin
	return view
}

var externalProperty = property{"ext", notionapi.TypeRichText}

// rawProperty is a property's JSON. Values of the simulation need no escapes.
func rawProperty(p property, v change.Value) json.RawMessage {
	b := make([]byte, 0, 96)
	b = append(b, `{"id":"`...)
	b = append(append(b, p.id...), `","type":"`...)
	b = append(append(append(append(b, p.kind...), `","`...), p.kind...), `":`...)
	switch p.kind {
	case notionapi.TypeTitle, notionapi.TypeRichText:
		b = append(b, '[')
		if !v.IsNull() {
			b = append(append(b, `{"plain_text":"`...), v.Text()...)
			b = append(b, `"}`...)
		}
		b = append(b, ']')
	case notionapi.TypeMultiSelect, notionapi.TypeRelation:
		name := `{"name":"`
		if p.kind == notionapi.TypeRelation {
			name = `{"id":"`
		}
		b = append(b, '[')
		for i, item := range v.Items() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, name...), item.Text()...), `"}`...)
		}
		b = append(b, ']')
	case notionapi.TypeSelect:
		if v.IsNull() {
			b = append(b, "null"...)
		} else {
			b = append(append(append(b, `{"name":"`...), v.Text()...), `"}`...)
		}
	default:
		if v.IsNull() {
			b = append(b, "null"...)
		} else {
			b = append(append(append(b, '"'), v.Text()...), '"')
		}
	}
	return append(b, '}')
}

// What people do.

var errNoPage = errors.New("the page cannot be opened")

func (m *model) value(entity, field string, words []string) change.Value {
	switch m.fields[entity][field].kind {
	case notionapi.TypeMultiSelect, notionapi.TypeRelation:
		return change.TextSet(words...)
	}
	if len(words) == 0 {
		return change.NullValue()
	}
	return change.TextValue(words[0])
}

func (m *model) edit(id, field string, words []string) error {
	p := m.byID[id]
	if p == nil || p.last().trashed {
		return errNoPage
	}
	m.revise(p, modelPerson, func(r *revision) { r.set(field, m.value(p.home, field, words), modelPerson, m.w.now) })
	m.w.truth.typed[id+" "+field] = m.w.now
	m.hook.edited(p, modelPerson, m.fields[p.home][field].id)
	return nil
}

func (m *model) create(entity, title string) (string, error) {
	if _, known, err := m.w.ledger.Schema(m.w.context(), syncName, entity); err != nil || !known {
		return "", errNoPage
	}
	values := map[string]change.Value{}
	for field, prop := range m.fields[entity] {
		if prop.kind == notionapi.TypeTitle {
			values[field] = change.TextValue(title)
		}
	}
	p := m.make(entity, modelPerson, values, "")
	m.hook.tell(p, "page.created", modelPerson)
	return p.id, nil
}

func (m *model) trashBy(p *page, by string, in bool) {
	m.revise(p, by, func(r *revision) { r.trashed = in })
	kind := "page.undeleted"
	if in {
		kind = "page.deleted"
	}
	m.hook.tell(p, kind, by)
}

func (m *model) trash(id string, in bool) error {
	p := m.byID[id]
	if p == nil || p.last().trashed == in {
		return errNoPage
	}
	m.trashBy(p, modelPerson, in)
	return nil
}

func (m *model) duplicate(id string) (string, error) {
	p := m.byID[id]
	if p == nil || p.last().trashed {
		return "", errNoPage
	}
	r := p.last()
	values := maps.Clone(r.values)
	copied := m.make(p.home, modelPerson, values, r.external)
	copied.last().source, copied.hidden = r.source, p.hidden
	m.changed(copied)
	m.hook.tell(copied, "page.created", modelPerson)
	return copied.id, nil
}

func (m *model) move(id string, away bool) error {
	p := m.byID[id]
	if p == nil || p.last().trashed {
		return errNoPage
	}
	to := p.home
	if away {
		to = ""
	}
	m.revise(p, modelPerson, func(r *revision) { r.source = to })
	m.hook.tell(p, "page.moved", modelPerson)
	return nil
}

func (m *model) share(id string, shared bool) error {
	p := m.byID[id]
	if p == nil {
		return errNoPage
	}
	p.hidden = !shared
	m.changed(p)
	return nil
}

func (m *model) look(id string) (look, bool) {
	p := m.byID[id]
	if p == nil {
		return look{}, false
	}
	r := p.last()
	l := look{entity: p.home, trashed: r.trashed, away: r.source != p.home, hidden: p.hidden, external: r.external, words: map[string][]string{}}
	for field := range m.fields[p.home] {
		l.words[field] = wordsOf(m.shown(p.home, r, field))
	}
	return l, true
}

func (m *model) everyPage() []string {
	ids := make([]string, len(m.pages))
	for i, p := range m.pages {
		ids[i] = p.id
	}
	return ids
}
