package notion_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	source "github.com/tandem-sync/tandem/source/notion"
)

const document = `{
  "sync": "acme", "entity": "contact",
  "crm": {"table": "public.contact", "key": "id"}, "notion": {"database": "Contacts"},
  "fields": [
    {"name": "name", "column": "name", "property": "Name", "type": "title"},
    {"name": "email", "column": "email", "property": "Email", "type": "email"}
  ],
  "mode": {"to_notion": "write", "to_crm": "write"}
}`

// clock is moved by tests, and by who sleeps on it.
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

// workspace is an emulated Notion with a database, a ledger that knows it, and a topic.
type workspace struct {
	t      *testing.T
	clock  *clock
	emu    *emulator.Emulator
	client *notionapi.Client
	store  *memledger.Store
	topic  *topic
	schema ledger.Schema
	ada    *emulator.Person
	calls  []string // method and path of each request
}

const lag = 2 * time.Minute

func newWorkspace(t *testing.T, edit func(*emulator.Config)) *workspace {
	t.Helper()
	w := &workspace{t: t, clock: &clock{at: time.Date(2026, 11, 22, 9, 0, 30, 0, time.UTC)}, store: memledger.New(), topic: &topic{}}
	cfg := emulator.Config{Token: "ntn_test", Limit: -1, Now: w.clock.now, Random: rand.NewPCG(1, 2)}
	if edit != nil {
		edit(&cfg)
	}
	w.emu = emulator.New(cfg)
	w.ada = w.emu.Person(w.emu.PersonID("Ada Lovelace"))
	sleep := func(ctx context.Context, d time.Duration) error { w.clock.advance(d); return ctx.Err() }
	client, err := notionapi.New(notionapi.Config{
		Token: "ntn_test", Transport: counting{w.emu.Transport(), w}, Now: w.clock.now, Sleep: sleep, Jitter: func() float64 { return 0 },
		Budget: notionapi.NewLocalBudget(notionapi.LocalBudgetConfig{Now: w.clock.now, Sleep: sleep}),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.client = client
	db, err := client.CreateDatabase(t.Context(), notionapi.NewDatabase{ParentPageID: w.emu.RootPageID(), Title: "Contacts", Properties: []notionapi.PropertySpec{
		{Name: "Name", Type: notionapi.TypeTitle}, {Name: "Email", Type: notionapi.TypeEmail}, {Name: "Tandem ID", Type: notionapi.TypeRichText}, {Name: "Private", Type: notionapi.TypeRichText}}})
	if err != nil {
		t.Fatal(err)
	}
	ds, err := client.DataSource(t.Context(), db.DataSources[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	id := func(name string) string {
		p, _ := ds.ByName(name)
		return p.ID
	}
	w.schema = ledger.Schema{Database: db.ID, DataSource: ds.ID, External: id("Tandem ID"),
		Properties: map[string]string{"name": id("Name"), "email": id("Email")}, Types: map[string]string{"name": "title", "email": "email"}}
	if err := w.store.SaveSchema(t.Context(), "acme", "contact", w.schema); err != nil {
		t.Fatal(err)
	}
	w.calls = nil
	return w
}

type counting struct {
	next http.RoundTripper
	w    *workspace
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.NewReplacer(c.w.schema.DataSource, "*").Replace(r.URL.Path)
	if strings.HasPrefix(path, "/v1/pages/") {
		path = "/v1/pages/*"
	}
	c.w.calls = append(c.w.calls, r.Method+" "+path)
	return c.next.RoundTrip(r)
}

// spent gives the requests since the last call.
func (w *workspace) spent() []string {
	calls := w.calls
	w.calls = nil
	return calls
}

// topic keeps what was published.
type topic struct {
	records []kafka.Record
	err     error
	before  func()
}

func (p *topic) SendBatch(_ context.Context, records []kafka.Record) error {
	if before := p.before; before != nil {
		p.before = nil
		before()
	}
	if p.err != nil {
		return p.err
	}
	p.records = append(p.records, records...)
	return nil
}

// events takes what was published since the last call.
func (w *workspace) events() []*change.PageEvent {
	w.t.Helper()
	var out []*change.PageEvent
	for _, r := range w.topic.records {
		e, err := change.DecodePage(r.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, e)
	}
	w.topic.records = nil
	return out
}

func entity(t *testing.T) *mapping.Entity {
	t.Helper()
	doc, found := mapping.Parse([]byte(document))
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	es, found := mapping.Compile([]mapping.Document{doc})
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	return es[0]
}

func (w *workspace) poller(holder string) *source.Poller {
	w.t.Helper()
	p := &source.Poller{
		Entity: entity(w.t), Topic: "notion.contact", Prefix: "notion", Version: "test", Holder: holder, Pages: w.client, Ledger: w.store, Publisher: w.topic,
		Now: w.clock.now, Log: slog.New(slog.DiscardHandler), IndexLag: lag, SweepInterval: 24 * time.Hour, LeadFor: 3 * time.Minute,
	}
	w.t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	return p
}

func (w *workspace) person(name string) string {
	w.t.Helper()
	id, err := w.ada.Create(w.schema.DataSource, map[string]any{"Name": title(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func title(s string) any {
	return map[string]any{"title": []any{map[string]any{"type": "text", "text": map[string]any{"content": s}}}}
}

func (w *workspace) email(page, address string) {
	w.t.Helper()
	if err := w.ada.Edit(page, map[string]any{"Email": map[string]any{"email": address}}); err != nil {
		w.t.Fatal(err)
	}
}

// once polls, and fails on an error.
func (w *workspace) once(p *source.Poller) source.Result {
	w.t.Helper()
	result, err := p.RunOnce(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// swept ends the first sweep and forgets what it said.
func (w *workspace) swept(p *source.Poller) {
	w.t.Helper()
	for range 100 {
		if r := w.once(p); !r.Sweeping {
			w.events()
			w.spent()
			return
		}
	}
	w.t.Fatal("the sweep does not end")
}

func (w *workspace) cursor() string {
	w.t.Helper()
	raw, err := w.store.Cursor(w.t.Context(), source.CursorName("acme", "contact"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}

var errAway = errors.New("no leader for partition")

func hashOf(p notionapi.Page, s ledger.Schema) string { return notionapi.ContentHash(p, s.IDs()) }

// wrote says that sink/notion wrote the page now.
func (w *workspace) wrote(page string) {
	w.t.Helper()
	links, err := w.store.ByPage(w.t.Context(), "acme", []string{page})
	if err != nil {
		w.t.Fatal(err)
	}
	items, err := w.store.Take(w.t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 1, Holder: "sink", Lease: time.Minute, Now: w.clock.now(), Link: links[page].ID})
	if err != nil || len(items) != 1 {
		w.t.Fatal(items, err)
	}
	err = w.store.Commit(w.t.Context(), ledger.Commit{Link: items[0].Link.ID, Epoch: items[0].Link.Epoch, Now: w.clock.now(), WroteAt: w.clock.now(), Release: true})
	if err != nil {
		w.t.Fatal(err)
	}
}
