package notion_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/sink/notion"
)

const contactDocument = `{
  "sync": "acme", "entity": "contact",
  "crm": {"table": "public.contact", "key": "id"}, "notion": {"database": "Contacts"},
  "fields": [
    {"name": "name", "column": "name", "property": "Full name", "type": "title"},
    {"name": "email", "column": "email", "property": "Email", "type": "email"},
    {"name": "note", "column": "note", "property": "Note", "type": "text"},
    {"name": "stage", "column": "stage", "property": "Stage", "type": "select", "options": [{"crm": "lead", "notion": "Lead"}, {"crm": "won", "notion": "Won"}]},
    {"name": "since", "column": "since", "property": "Since", "type": "date"}
  ],
  "custom": {"column": "attributes"},
  "mode": {"to_notion": "write", "to_crm": "write"}
}`

const dealDocument = `{
  "sync": "acme", "entity": "deal",
  "crm": {"table": "public.deal", "key": "id"}, "notion": {"database": "Pipeline"},
  "fields": [
    {"name": "title", "column": "title", "property": "Title", "type": "title"},
    {"name": "contact", "relation": {"entity": "contact", "column": "contact_id", "reverse": "Deals"}, "property": "Contact", "type": "relation"}
  ],
  "mode": {"to_notion": "write", "to_crm": "write"}
}`

// workspace is an emulated Notion, a ledger, and the mappings.
type workspace struct {
	t        *testing.T
	emu      *emulator.Emulator
	client   *notionapi.Client
	store    *memledger.Store
	ada      *emulator.Person
	entities []*mapping.Entity

	mu     sync.Mutex
	at     time.Time
	writes []string
}

func (w *workspace) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *workspace) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	w := &workspace{t: t, store: memledger.New(), at: time.Date(2026, 11, 22, 9, 0, 30, 0, time.UTC)}
	w.emu = emulator.New(emulator.Config{Token: "ntn_test", Limit: -1, Now: w.now, Random: rand.NewPCG(3, 4)})
	w.ada = w.emu.Person(w.emu.PersonID("Ada Lovelace"))
	sleep := func(ctx context.Context, d time.Duration) error { w.advance(d); return ctx.Err() }
	client, err := notionapi.New(notionapi.Config{
		Token: "ntn_test", Transport: watching{w.emu.Transport(), w}, Now: w.now, Sleep: sleep, Jitter: func() float64 { return 0 },
		Budget: notionapi.NewLocalBudget(notionapi.LocalBudgetConfig{Now: w.now, Sleep: sleep}),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.client = client
	w.compile(contactDocument, dealDocument)
	return w
}

func (w *workspace) compile(texts ...string) {
	w.t.Helper()
	var docs []mapping.Document
	for _, text := range texts {
		doc, found := mapping.Parse([]byte(text))
		if found.HasErrors() {
			w.t.Fatal(found.Err())
		}
		docs = append(docs, doc)
	}
	es, found := mapping.Compile(docs)
	if found.HasErrors() {
		w.t.Fatal(found.Err())
	}
	w.entities = es
}

// watching notes the requests that change something.
type watching struct {
	next http.RoundTripper
	w    *workspace
}

func (c watching) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/query") {
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
		c.w.mu.Lock()
		c.w.writes = append(c.w.writes, r.Method+" "+parts[0])
		c.w.mu.Unlock()
	}
	return c.next.RoundTrip(r)
}

func (w *workspace) spent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	writes := w.writes
	w.writes = nil
	return writes
}

// owner is one process's schema.
func (w *workspace) owner(holder string) *notion.Schema {
	return &notion.Schema{Client: w.client, Ledger: w.store, Sync: "acme", Holder: holder, ParentPage: w.emu.RootPageID(), Entities: w.entities, Now: w.now, Log: slog.New(slog.DiscardHandler)}
}

func (w *workspace) ensure(s *notion.Schema) {
	w.t.Helper()
	if err := s.Ensure(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workspace) entity(name string) *mapping.Entity {
	w.t.Helper()
	for _, e := range w.entities {
		if e.Name == name {
			return e
		}
	}
	w.t.Fatalf("no entity %s", name)
	return nil
}

// schema is what the ledger knows.
func (w *workspace) schema(entity string) ledger.Schema {
	w.t.Helper()
	s, ok, err := w.store.Schema(w.t.Context(), "acme", entity)
	if err != nil || !ok {
		w.t.Fatalf("the schema of %s is not known: %v", entity, err)
	}
	return s
}

// live is the data source as Notion has it.
func (w *workspace) live(entity string) notionapi.DataSource {
	w.t.Helper()
	ds, err := w.client.DataSource(w.t.Context(), w.schema(entity).DataSource)
	if err != nil {
		w.t.Fatal(err)
	}
	return ds
}

func (w *workspace) databases() int {
	w.t.Helper()
	found, err := w.client.ChildDatabases(w.t.Context(), w.emu.RootPageID())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(found)
}
