package sink_test

import (
	"context"
	"fmt"
	"log/slog"
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

func text(s string) change.Value { return change.TextValue(s) }

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
