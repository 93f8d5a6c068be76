package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
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

// modelClient is one process's client. It stands where notionapi.Client does: the same answers, the same errors by type.
type modelClient struct {
	m    *model
	p    *process
	read map[string]seenPage // what this process last read of each page, by GET or a write's answer
}

type seenPage struct {
	at     time.Time
	values map[string]change.Value
}

func (m *model) connect(p *process) connection {
	return &modelClient{m: m, p: p, read: map[string]seenPage{}}
}

// prepare makes the databases known.
func (c *modelClient) prepare(ctx context.Context) error {
	for _, e := range c.p.w.entities {
		s := ledger.Schema{Workspace: "w", Database: "db-" + e.Name, DataSource: dataSource(e.Name), External: externalProperty.id,
			Properties: map[string]string{}, Types: map[string]string{}}
		for _, f := range e.Fields {
			s.Properties[f.Name], s.Types[f.Name] = c.m.fields[e.Name][f.Name].id, string(f.Type)
		}
		if err := c.p.store().SaveSchema(ctx, syncName, e.Name, s); err != nil {
			return err
		}
	}
	return nil
}

func refused(method, path string, status int, code, message string, outcome notionapi.Outcome) error {
	return &notionapi.Error{Method: method, Path: path, Status: status, Code: code, Message: message, Outcome: outcome}
}

// requestMax is how long the client waits for an answer.
const requestMax = 65 * time.Second

func timedOut(method, path string, write bool) error {
	e := &notionapi.Error{Method: method, Path: path, Err: context.DeadlineExceeded}
	if write {
		e.Outcome = notionapi.OutcomeUnknown
	}
	return e
}

// begin is a request on its way: time passes, and things go wrong without an effect.
func (c *modelClient) begin(method, path string, write bool) (from time.Time, err error) {
	w := c.p.w
	if err := c.p.alive(); err != nil {
		return time.Time{}, err
	}
	from = c.p.now()
	w.budget.request(method, path)
	w.advance(jitter(c.p.dice, 20*time.Millisecond, 400*time.Millisecond))
	if w.fires(slowRequest) {
		w.advance(jitter(c.p.dice, 2*time.Second, 40*time.Second))
	}
	if err := c.p.alive(); err != nil {
		return from, err
	}
	if c.p.now().Sub(from) > requestMax {
		return from, timedOut(method, path, write)
	}
	if write && w.fires(crashBeforeWrite) {
		return from, c.p.crash()
	}
	switch {
	case w.fires(dropBefore):
		return from, &notionapi.Error{Method: method, Path: path, Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	case w.fires(badGateway):
		outcome := notionapi.NotApplied
		if write {
			outcome = notionapi.OutcomeUnknown // nobody can know
		}
		return from, refused(method, path, http.StatusBadGateway, "", "Bad Gateway", outcome)
	case w.fires(conflict409):
		return from, refused(method, path, http.StatusConflict, notionapi.CodeConflict, "Conflict occurred while saving. Please try again.", notionapi.NotApplied)
	case w.fires(rateLimited):
		return from, refused(method, path, http.StatusTooManyRequests, notionapi.CodeRateLimited, "You have been rate limited. Please try again in a few minutes.", notionapi.NotApplied)
	case w.fires(overload):
		return from, refused(method, path, 529, notionapi.CodeServiceOverload, "Overloaded.", notionapi.NotApplied)
	}
	return from, nil
}

// end is the answer on its way.
func (c *modelClient) end(method, path, made string, write bool) error {
	w := c.p.w
	from := w.now
	w.advance(jitter(c.p.dice, 20*time.Millisecond, 300*time.Millisecond))
	if err := c.p.alive(); err != nil {
		return err
	}
	if w.now.Sub(from) > requestMax {
		return timedOut(method, path, write)
	}
	if !write {
		return nil
	}
	switch {
	case w.fires(crashAfterWrite):
		return c.p.crash()
	case w.fires(dropAfter):
		return &notionapi.Error{Method: method, Path: path, Err: &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, Outcome: notionapi.OutcomeUnknown}
	case w.fires(gateway504):
		return refused(method, path, http.StatusGatewayTimeout, "", "", notionapi.OutcomeUnknown)
	case w.fires(committed503):
		e := &notionapi.Error{Method: method, Path: path, Status: http.StatusServiceUnavailable, Code: notionapi.CodeServiceUnavailable,
			Message: "The change was saved, but the response took too long.", Outcome: notionapi.OutcomeUnknown}
		if made != "" {
			e.Outcome, e.CommittedID = notionapi.Applied, made
		}
		return e
	}
	return nil
}

// took is a page as this process gets it.
func (c *modelClient) took(p *page, view notionapi.Page, from time.Time) notionapi.Page {
	r := p.last()
	values := make(map[string]change.Value, len(c.m.fields[p.home]))
	for field := range c.m.fields[p.home] {
		values[field] = c.m.shown(p.home, r, field)
	}
	c.read[p.id] = seenPage{from, values}
	view.ReadFrom, view.ReadTo = from, c.p.now()
	return view
}

func (c *modelClient) find(method, path, id string) (*page, error) {
	p := c.m.byID[id]
	if p == nil || p.hidden {
		return nil, refused(method, path, http.StatusNotFound, notionapi.CodeNotFound, "Could not find page with ID: "+id, notionapi.NotApplied)
	}
	return p, nil
}

// Page reads a page.
func (c *modelClient) Page(_ context.Context, id string) (notionapi.Page, error) {
	const path = "/v1/pages/"
	from, err := c.begin(http.MethodGet, path, false)
	if err != nil {
		return notionapi.Page{}, err
	}
	p, err := c.find(http.MethodGet, path, id)
	if err != nil {
		return notionapi.Page{}, err
	}
	got := c.took(p, c.m.show(p, p.last()), from)
	c.m.interruptRead(p)
	if err := c.end(http.MethodGet, path, "", false); err != nil {
		return notionapi.Page{}, err
	}
	got.ReadTo = c.p.now()
	return got, nil
}

// Complete has nothing to complete: the simulation's values are short.
func (c *modelClient) Complete(context.Context, *notionapi.Page, ...string) error { return nil }

// CreatePage makes a page.
func (c *modelClient) CreatePage(_ context.Context, made notionapi.NewPage) (notionapi.Page, error) {
	const path = "/v1/pages"
	from, err := c.begin(http.MethodPost, path, true)
	if err != nil {
		return notionapi.Page{}, err
	}
	w := c.p.w
	entity := c.m.entityOf(made.DataSourceID)
	values, external, err := c.values(entity, made.Properties)
	if err != nil {
		return notionapi.Page{}, err
	}
	for _, other := range c.m.pages {
		if other.createdBy == modelBot && other.revs[0].external == external && !other.hidden && !other.strayed() {
			w.violation("duplicate", "a page for %s was made twice: %s is there already", external, other.id)
		}
	}
	p := c.m.make(entity, modelBot, values, external)
	w.writes++
	w.effect("notion create", p.id, entity, external, showWords(values))
	w.checkWrite(entity, values)
	if links, err := w.ledger.ByExternal(w.context(), syncName, []string{external}); err == nil {
		w.checkAudit(links[external], ledger.Notion, "create", values)
		w.checkCreate(ledger.Notion, entity, external)
	}
	c.m.hook.tell(p, "page.created", modelBot)
	got := c.took(p, c.m.show(p, p.last()), from)
	if err := c.end(http.MethodPost, path, p.id, true); err != nil {
		return notionapi.Page{}, err
	}
	got.ReadTo = c.p.now()
	return got, nil
}

// values are a request's, by field. A relation drops what is in the trash.
func (c *modelClient) values(entity string, writes map[string]notionapi.PropertyWrite) (values map[string]change.Value, external string, err error) {
	values = map[string]change.Value{}
	for id, write := range writes {
		if id == externalProperty.id {
			external = write.Value.Text()
			continue
		}
		field := c.m.field(entity, id)
		if field == "" {
			c.p.w.violation("allow-list", "property %q of %s is written, which is no field", id, entity)
			return nil, "", refused(http.MethodPatch, "/v1/pages", http.StatusBadRequest, notionapi.CodeValidation, id+" is not a property that exists.", notionapi.NotApplied)
		}
		v := write.Value
		if write.Type == notionapi.TypeRelation {
			for _, target := range v.Items() {
				if p := c.m.byID[target.Text()]; p == nil || p.hidden {
					return nil, "", refused(http.MethodPatch, "/v1/pages", http.StatusNotFound, notionapi.CodeNotFound, "Could not find page with ID: "+target.Text()+". Make sure the relevant pages and databases are shared with your integration.", notionapi.NotApplied)
				}
			}
			v = change.SetValue(slices.DeleteFunc(slices.Clone(v.Items()), func(id change.Value) bool { return c.m.gone(id.Text()) })...)
		}
		values[field] = v
	}
	return values, external, nil
}

func (m *model) field(entity, id string) string {
	for field, prop := range m.fields[entity] {
		if prop.id == id {
			return field
		}
	}
	return ""
}

// UpdatePage writes what it is given.
func (c *modelClient) UpdatePage(_ context.Context, id string, update notionapi.PageUpdate) (notionapi.Page, error) {
	const path = "/v1/pages/"
	from, err := c.begin(http.MethodPatch, path, true)
	if err != nil {
		return notionapi.Page{}, err
	}
	p, err := c.find(http.MethodPatch, path, id)
	if err != nil {
		return notionapi.Page{}, err
	}
	c.m.interrupt(p, update)
	restores := update.InTrash != nil && !*update.InTrash
	if p.last().trashed && !restores && len(update.Properties) > 0 {
		return notionapi.Page{}, refused(http.MethodPatch, path, http.StatusBadRequest, notionapi.CodeValidation,
			"Can't edit block that is archived. You must unarchive the block before editing.", notionapi.NotApplied)
	}
	values, external, err := c.values(p.home, update.Properties)
	if err != nil {
		return notionapi.Page{}, err
	}
	c.apply(p, values, update, external, from)
	got := c.took(p, c.m.show(p, p.last()), from)
	if err := c.end(http.MethodPatch, path, "", true); err != nil {
		return notionapi.Page{}, err
	}
	got.ReadTo = c.p.now()
	return got, nil
}

// interrupt has a person edit, while a write is on its way, what it is about to write.
func (m *model) interrupt(p *page, update notionapi.PageUpdate) {
	var fields []string
	for _, id := range change.Sorted(update.Properties) {
		fields = append(fields, m.field(p.home, id))
	}
	m.edited(p, fields)
}

// interruptRead has a person edit, behind a read whose answer takes its time, what a row would have written there.
func (m *model) interruptRead(p *page) {
	var fields []string
	if row, ok := m.w.crm.tables[p.home][m.w.rowOfPage(p.id)]; ok {
		for _, field := range change.Sorted(p.last().values) {
			if m.fields[p.home][field].kind != notionapi.TypeRelation && !change.Equal(row[field], m.shown(p.home, p.last(), field)) {
				fields = append(fields, field)
			}
		}
	}
	if m.edited(p, fields) {
		m.w.advance(jitter(m.dice, 0, 10*time.Second))
	}
}

// edited lets a person edit one of the fields at this very moment, if that is what goes wrong.
func (m *model) edited(p *page, fields []string) bool {
	fields = slices.DeleteFunc(fields, func(field string) bool { return !slices.Contains(pageFields[p.home], field) })
	if len(fields) == 0 || p.last().trashed || !m.w.fires(editInWindow) {
		return false
	}
	dice := m.w.faults.points[editInWindow].dice
	if dice == nil { // a run that was made small names its firings and draws none
		dice = m.w.dice(editInWindow)
	}
	u := m.w.users
	was := u.dice
	u.dice = dice
	u.setPage(p.home, p.id, fields[dice.IntN(len(fields))])
	u.dice = was
	return true
}

// apply is the write itself: each property tells what it replaced.
func (c *modelClient) apply(p *page, values map[string]change.Value, update notionapi.PageUpdate, external string, from time.Time) {
	w, inTrash := c.p.w, update.InTrash
	read, known := c.read[p.id]
	old := p.last()
	for _, field := range change.Sorted(values) {
		w.truth.overwrote(overwrote{page: p.id, field: field, current: wordsOf(c.m.shown(p.home, old, field)), sent: wordsOf(update.Properties[c.m.fields[p.home][field].id].Value),
			read: wordsOf(read.values[field]), known: known, readAt: read.at, sentAt: from, by: old.wrote[field].by, at: old.wrote[field].at})
	}
	w.writes++
	w.effect("notion write", p.id, external, showWords(values), boolWord(inTrash))
	w.checkWrite(p.home, values)
	c.m.checkUpdated(p, old, values, inTrash)
	next := c.m.revise(p, modelBot, func(r *revision) {
		for field, v := range values {
			r.set(field, v, modelBot, w.now)
		}
		if external != "" {
			r.external = external
		}
		if inTrash != nil {
			r.trashed = *inTrash
		}
	})
	if next.trashed && !old.trashed {
		w.checkDelete(ledger.Notion, p.home, p.id)
		w.checkEvidence(ledger.Notion, p.home, w.rowOfPage(p.id))
	}
	ids := make([]string, 0, len(values))
	for field := range values {
		ids = append(ids, c.m.fields[p.home][field].id)
	}
	slices.Sort(ids)
	c.m.hook.edited(p, modelBot, ids...)
	w.users.automation(p.id, p.home, values)
}

// checkUpdated (7, 12) is told of each write to a page.
func (m *model) checkUpdated(p *page, old *revision, values change.Image, inTrash *bool) {
	w := m.w
	links, err := w.ledger.ByPage(w.context(), syncName, []string{p.id})
	link, ok := links[p.id]
	op := "update"
	switch {
	case err != nil || !ok || len(values) == 0 && inTrash == nil:
		return // a half link's page that gets its id
	case inTrash != nil && *inTrash:
		op = ledger.OpDelete
	case inTrash != nil:
		op = "restore"
	}
	w.checkAudit(link, ledger.Notion, op, values)
	for _, field := range change.Sorted(values) {
		w.checkUpdate(ledger.Notion, link, field, m.shown(p.home, old, field), values[field])
	}
}

func boolWord(b *bool) string {
	if b == nil {
		return ""
	}
	return "in_trash=" + strconv.FormatBool(*b)
}

func showWords(values map[string]change.Value) string {
	var b strings.Builder
	for _, field := range change.Sorted(values) {
		b.WriteString(field)
		b.WriteByte('=')
		b.WriteString(values[field].String())
		b.WriteByte(' ')
	}
	return b.String()
}

// QueryDataSource answers from the index, which lags.
func (c *modelClient) QueryDataSource(_ context.Context, source string, query notionapi.Query) (notionapi.List, error) {
	const path = "/v1/data_sources/query"
	from, err := c.begin(http.MethodPost, path, false)
	if err != nil {
		return notionapi.List{}, err
	}
	entity := c.m.entityOf(source)
	type row struct {
		p *page
		r *revision
	}
	var rows []row
	for _, p := range c.m.pages {
		r := c.m.indexed(p)
		if r == nil || r.trashed || p.hidden || r.source != entity || !query.Filter.Allows(c.m.show(p, r)) {
			continue
		}
		rows = append(rows, row{p, r})
	}
	if len(query.Sorts) > 0 && query.Sorts[0].Timestamp == "last_edited_time" {
		slices.SortStableFunc(rows, func(a, b row) int { return a.r.at.Truncate(time.Minute).Compare(b.r.at.Truncate(time.Minute)) })
	}
	begin := 0
	if query.Cursor != "" {
		if begin, err = strconv.Atoi(query.Cursor); err != nil || begin > len(rows) {
			return notionapi.List{}, refused(http.MethodPost, path, http.StatusBadRequest, notionapi.CodeValidation, "The start_cursor provided is invalid", notionapi.NotApplied)
		}
	}
	end := min(len(rows), begin+c.p.w.shape.rowsAnswered)
	list := notionapi.List{ReadFrom: from, Pages: make([]notionapi.Page, 0, end-begin)}
	for _, r := range rows[begin:end] {
		list.Pages = append(list.Pages, c.m.show(r.p, r.r))
	}
	if end < len(rows) {
		list.HasMore, list.NextCursor = true, strconv.Itoa(end)
	}
	if err := c.end(http.MethodPost, path, "", false); err != nil {
		return notionapi.List{}, err
	}
	list.ReadTo = c.p.now()
	for i := range list.Pages {
		list.Pages[i].ReadFrom, list.Pages[i].ReadTo = from, list.ReadTo
	}
	return list, nil
}

// indexed is the newest revision that the index has.
func (m *model) indexed(p *page) *revision {
	for _, r := range slices.Backward(p.revs) {
		if !r.shows.After(m.w.now) {
			return r
		}
	}
	return nil
}

// Rows gives all rows, oldest first.
func (c *modelClient) Rows(ctx context.Context, source string, query notionapi.Query) iter.Seq2[notionapi.Page, error] {
	return func(yield func(notionapi.Page, error) bool) {
		query.Sorts, query.Cursor = []notionapi.Sort{{Timestamp: "created_time"}}, ""
		for {
			list, err := c.QueryDataSource(ctx, source, query)
			if err != nil {
				yield(notionapi.Page{}, err)
				return
			}
			for _, p := range list.Pages {
				if !yield(p, nil) {
					return
				}
			}
			if !list.HasMore {
				return
			}
			query.Cursor = list.NextCursor
		}
	}
}
