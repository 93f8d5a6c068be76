package simulation

import (
	"context"
	"iter"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

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
