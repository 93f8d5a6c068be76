package sink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

const contactMapping = `{
  "sync": "acme", "entity": "contact",
  "crm": {"table": "public.contact", "key": "id"}, "notion": {"database": "Contacts"},
  "fields": [
    {"name": "name", "column": "name", "property": "Name", "type": "title"},
    {"name": "email", "column": "email", "property": "Email", "type": "email", "critical": true},
    {"name": "note", "column": "note", "property": "Note", "type": "text"},
    {"name": "tags", "column": "tags", "property": "Tags", "type": "multi_select"},
    {"name": "stage", "column": "stage", "property": "Stage", "type": "select"}
  ],
  "creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 30},
  "deletes": {"to_notion": "trash", "to_crm": "delete"},
  "mode": {"to_notion": "write", "to_crm": "write"}
}`

const dealMapping = `{
  "sync": "acme", "entity": "deal",
  "crm": {"table": "public.deal", "key": "id"}, "notion": {"database": "Deals"},
  "fields": [
    {"name": "title", "column": "title", "property": "Title", "type": "title"},
    {"name": "contact", "relation": {"entity": "contact", "column": "contact_id"}, "property": "Contact", "type": "relation"}
  ],
  "deletes": {"to_crm": "hold"},
  "mode": {"to_notion": "write", "to_crm": "write"}
}`

func compiled(t testing.TB, texts ...string) map[string]*mapping.Entity {
	t.Helper()
	var docs []mapping.Document
	for _, text := range texts {
		doc, found := mapping.Parse([]byte(text))
		if found.HasErrors() {
			t.Fatal(found.Err())
		}
		docs = append(docs, doc)
	}
	list, found := mapping.Compile(docs)
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	out := map[string]*mapping.Entity{}
	for _, e := range list {
		out[e.Name] = e
	}
	return out
}

// journal is what happened, in order: calls to Notion, and what the ledger stored.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// office is a CRM, a Notion and both sinks, on one clock that tests move.
type office struct {
	t       testing.TB
	clock   *clock
	store   *memledger.Store
	journal *journal
	rows    map[string]*table
	pages   map[string]*database
	both    map[ledger.Side]*sink.Worker
	onStore func(ledger.Commit) error // may refuse a commit
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var nine = time.Date(2026, 11, 22, 9, 0, 30, 0, time.UTC)

func newOffice(t testing.TB, texts ...string) *office {
	t.Helper()
	if len(texts) == 0 {
		texts = []string{contactMapping, dealMapping}
	}
	o := &office{t: t, clock: &clock{at: nine}, store: memledger.New(), journal: &journal{}, rows: map[string]*table{}, pages: map[string]*database{}, both: map[ledger.Side]*sink.Worker{}}
	notion, crm := map[string]*sink.Entity{}, map[string]*sink.Entity{}
	for name, e := range compiled(t, texts...) {
		o.rows[name] = &table{office: o, entity: e, rows: map[string]sink.Row{}}
		o.pages[name] = newDatabase(o, e)
		if err := o.store.SaveSchema(t.Context(), e.Sync, name, o.pages[name].schema); err != nil {
			t.Fatal(err)
		}
		notion[name] = &sink.Entity{Mapping: e, Rows: o.rows[name], Pages: o.pages[name]}
		crm[name] = &sink.Entity{Mapping: e, Rows: o.rows[name]}
	}
	o.both[ledger.Notion] = o.worker(ledger.Notion, notion)
	o.both[ledger.CRM] = o.worker(ledger.CRM, crm)
	return o
}

func (o *office) worker(side ledger.Side, entities map[string]*sink.Entity) *sink.Worker {
	return &sink.Worker{
		Side: side, Sync: "acme", Holder: "test", Entities: entities, Ledger: watched{o.store, o}, Now: o.clock.now, Log: slog.New(slog.DiscardHandler),
		Max: 16, Concurrency: 1, Lease: 3 * time.Minute, IndexLag: 2 * time.Minute, Skew: time.Second,
	}
}

// watched is the ledger with a journal of what is stored.
type watched struct {
	*memledger.Store
	o *office
}

func (w watched) Commit(ctx context.Context, c ledger.Commit) error {
	if w.o.onStore != nil {
		if err := w.o.onStore(c); err != nil {
			return err
		}
	}
	err := w.Store.Commit(ctx, c)
	if err == nil {
		for _, conflict := range c.Conflicts {
			_, lost := conflict.Loser()
			w.o.journal.add("stored loser %s of %s", lost, conflict.Field)
		}
		if c.Intent != nil {
			w.o.journal.add("stored intent to %s", c.Intent.Kind)
		}
		for _, name := range change.Sorted(c.Base) {
			w.o.journal.add("base of %s is %s", name, c.Base[name].Value)
		}
	}
	return err
}

// run lets one side work until nothing is due; it fails if that does not come to rest.
func (o *office) run(sides ...ledger.Side) {
	o.t.Helper()
	for range 50 {
		n := 0
		for _, side := range sides {
			did, err := o.both[side].RunOnce(o.t.Context())
			if err != nil {
				o.t.Fatalf("%s sink: %v", side, err)
			}
			n += did
		}
		if n == 0 {
			return
		}
		o.clock.advance(10 * time.Millisecond)
	}
	o.t.Fatalf("the %v sinks do not come to rest: %v", sides, o.journal.take())
}

// settle lets both sides work, through everything that waits for a time within so long.
func (o *office) settle(within time.Duration) {
	o.t.Helper()
	for end := o.clock.now().Add(within); ; o.clock.advance(within / 20) {
		o.run(ledger.Notion, ledger.CRM)
		if !o.clock.now().Before(end) {
			return
		}
	}
}

func (o *office) add(reasons ...ledger.Reason) {
	o.t.Helper()
	for i := range reasons {
		reasons[i].Sync = "acme"
		if reasons[i].Entity == "" {
			reasons[i].Entity = "contact"
		}
	}
	if err := o.store.Add(o.t.Context(), o.clock.now(), reasons); err != nil {
		o.t.Fatal(err)
	}
}

// row says that a row changed, as the CRM's stream does.
func (o *office) changed(entity, key string) {
	o.t.Helper()
	o.add(ledger.Reason{Entity: entity, Side: ledger.Notion, Key: key, Why: "cdc", CommitAt: o.clock.now()})
}

// put writes a row and says so.
func (o *office) put(entity, key string, image change.Image) {
	o.t.Helper()
	o.rows[entity].put(key, image)
	o.changed(entity, key)
}

// drop deletes a row and says so.
func (o *office) drop(entity, key string) {
	o.t.Helper()
	delete(o.rows[entity].rows, key)
	o.add(ledger.Reason{Entity: entity, Side: ledger.Notion, Key: key, Why: "cdc", CommitAt: o.clock.now(), Deleted: true})
}

// poll tells sink/crm of a page as the poller does.
func (o *office) poll(entity, page string) {
	o.t.Helper()
	emitted, err := o.store.Emitted(o.t.Context(), "acme", entity, []string{page})
	if err != nil {
		o.t.Fatal(err)
	}
	seen := o.pages[entity].observe(page)
	seen.Via, seen.Seq = "poll", emitted[page].Seq
	if seen.Hash == emitted[page].Hash {
		return // nothing that was not told
	}
	if err := o.store.SetEmitted(o.t.Context(), "acme", entity, map[string]ledger.Emission{page: {Hash: seen.Hash}}); err != nil {
		o.t.Fatal(err)
	}
	o.add(ledger.Reason{Entity: entity, Side: ledger.CRM, Page: page, Why: "poll", Seen: &seen})
}

func (o *office) link(entity, key string) ledger.Link {
	o.t.Helper()
	links, err := o.store.ByKey(o.t.Context(), "acme", entity, []string{key})
	if err != nil {
		o.t.Fatal(err)
	}
	return links[key]
}

func (o *office) pageLink(page string) ledger.Link {
	o.t.Helper()
	links, err := o.store.ByPage(o.t.Context(), "acme", []string{page})
	if err != nil {
		o.t.Fatal(err)
	}
	return links[page]
}

func (o *office) pending(link int64) ledger.Pending {
	o.t.Helper()
	all, err := o.store.Pending(o.t.Context(), "acme", 1000)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, p := range all {
		if p.Link.ID == link {
			return p
		}
	}
	return ledger.Pending{}
}

func (o *office) conflicts() []ledger.Conflict {
	o.t.Helper()
	all, err := o.store.Conflicts(o.t.Context(), "acme", 0, 1000)
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

func (o *office) alerts(kind string) int {
	o.t.Helper()
	all, err := o.store.Outbox(o.t.Context(), "acme", 1000)
	if err != nil {
		o.t.Fatal(err)
	}
	n := 0
	for _, a := range all {
		if a.Kind == kind {
			n++
		}
	}
	return n
}

// table is one table of the CRM.
type table struct {
	office *office
	entity *mapping.Entity
	rows   map[string]sink.Row
	next   int
	writes int
	before func()             // runs when a write has come to the lock
	change func(change.Image) // a trigger
	broken error              // of the next read
	xmin   uint32
	hidden map[uint32]bool // transactions that other sessions do not see yet
}

func (r *table) put(key string, image change.Image) {
	full := change.Image{}
	for _, f := range r.entity.Fields {
		full[f.Name] = change.NullValue()
		if f.Relation != "" {
			full[f.Name] = change.SetValue()
		}
	}
	maps.Copy(full, r.rows[key].Image)
	maps.Copy(full, image)
	r.xmin++
	r.rows[key] = sink.Row{Key: key, Exists: true, InScope: true, Image: full, Xmin: r.xmin}
}

func (r *table) text(key, field string) string { return r.rows[key].Image[field].String() }

func (r *table) Read(_ context.Context, keys []string) (sink.Snapshot, error) {
	if err := r.broken; err != nil {
		r.broken = nil
		return sink.Snapshot{}, err
	}
	hidden := maps.Clone(r.hidden)
	s := sink.Snapshot{At: r.office.clock.now(), Rows: map[string]sink.Row{}, Visible: func(xid uint32) bool { return !hidden[xid] }}
	for _, key := range keys {
		row, ok := r.rows[key]
		if !ok {
			row = sink.Row{Key: key}
		}
		row.Image = row.Image.Clone()
		s.Rows[key] = row
	}
	return s, nil
}

func (r *table) Write(ctx context.Context, w sink.RowWrite, finish func(sink.RowResult) (ledger.Commit, error)) error {
	if r.before != nil {
		r.before()
		r.before = nil
	}
	row := r.rows[w.Key]
	result := sink.RowResult{Key: w.Key, At: r.office.clock.now(), Image: row.Image}
	if w.Op != sink.RowInsert {
		result.Stale = !row.Exists
		for name, v := range w.Expect {
			result.Stale = result.Stale || !change.Equal(row.Image[name], v)
		}
	}
	backup := maps.Clone(r.rows)
	if !result.Stale {
		r.apply(w, &result)
	}
	commit, err := finish(result)
	if err == nil {
		err = watched{r.office.store, r.office}.Commit(ctx, commit)
	}
	if err != nil {
		r.rows = backup
	}
	return err
}

func (r *table) apply(w sink.RowWrite, result *sink.RowResult) {
	r.writes++
	switch w.Op {
	case sink.RowDelete:
		delete(r.rows, w.Key)
		return
	case sink.RowInsert:
		r.next++
		result.Key = strconv.Itoa(1000 + r.next)
	case sink.RowUpdate:
	}
	set := w.Set.Clone()
	if r.change != nil {
		r.change(set)
	}
	r.put(result.Key, set)
	result.Image = r.rows[result.Key].Image.Clone()
}

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
	case mapping.TypeEmail:
		typ, content = "email", nil
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

func text(s string) change.Value { return change.TextValue(s) }

// only gives the one page of a database.
func (d *database) only() string {
	d.office.t.Helper()
	ids := slices.Collect(maps.Keys(d.pages))
	if len(ids) != 1 {
		d.office.t.Fatalf("%d pages, want one: %v", len(ids), ids)
	}
	return ids[0]
}

// linked makes a row with its page.
func (o *office) linked(key string, image change.Image) string {
	o.t.Helper()
	o.put("contact", key, image)
	o.run(ledger.Notion, ledger.CRM)
	l := o.link("contact", key)
	if l.Page == "" || l.State != ledger.Live {
		o.t.Fatalf("row %s has no page: %+v", key, o.pending(l.ID))
	}
	o.clock.advance(10 * time.Minute)
	o.journal.take()
	o.pages["contact"].spend()
	return l.Page
}
