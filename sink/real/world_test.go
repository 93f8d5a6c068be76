package real

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/crm"
	"github.com/tandem-sync/tandem/sink/notion"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(code int) int {
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); code == 0 && err != nil {
			println(err.Error())
			return 1
		}
		return code
	})
}

const (
	token = "ntn_real"
	lag   = 2 * time.Second
)

// world is a CRM, a Notion, the ledger and both sinks.
type world struct {
	t        *testing.T
	db       *pgxpool.Pool
	store    *pgledger.Store
	emu      *emulator.Emulator
	ada      *emulator.Person
	schema   *notion.Schema
	entities map[string]*mapping.Entity
	rows     map[string]*crm.Rows
	pages    map[string]*notion.Pages
	sinks    []*sink.Worker
	ahead    atomic.Int64 // of the world's clock before the real one

	mu     sync.Mutex
	before func(r *http.Request) // what happens before a request is met; one at a time
	writes []string              // POST and PATCH of pages, in order
	asked  int                   // all requests
	made   []string              // whatever is no read
	client *notionapi.Client
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// newWorld makes the CRM of SQL and the sinks of mapping documents. $defaults in a document stands for switches that are alike in all.
func newWorld(t *testing.T, sql string, documents ...string) *world {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	w := &world{t: t, db: pool, store: pgledger.New(pool), entities: map[string]*mapping.Entity{}, rows: map[string]*crm.Rows{}, pages: map[string]*notion.Pages{}}
	if err := w.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.exec(sql)
	w.emu = emulator.New(emulator.Config{Token: token, Limit: -1, Now: w.now})
	w.ada = w.emu.Person(w.emu.PersonID("Ada Lovelace"))
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	sleep := func(ctx context.Context, d time.Duration) error { w.pass(d); return ctx.Err() }
	client, err := notionapi.New(notionapi.Config{Token: token, BaseURL: server.URL, Transport: server.Client().Transport, Now: w.now, Sleep: sleep,
		Budget: notionapi.NewLocalBudget(notionapi.LocalBudgetConfig{RatePerMinute: 600_000, Now: w.now, Sleep: sleep})})
	if err != nil {
		t.Fatal(err)
	}
	w.client = client
	w.build(client, documents)
	return w
}

const defaults = `"creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 0}, "deletes": {"to_notion": "trash", "to_crm": "delete"},
  "mode": {"to_notion": "write", "to_crm": "write"}`

func (w *world) build(client *notionapi.Client, documents []string) {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	var docs []mapping.Document
	for _, text := range documents {
		doc, found := mapping.Parse([]byte(strings.Replace(text, `"$defaults"`, defaults, 1)))
		if found.HasErrors() {
			w.t.Fatal(found.Err())
		}
		docs = append(docs, doc)
	}
	entities, found := mapping.Compile(docs)
	if found.HasErrors() {
		w.t.Fatal(found.Err())
	}
	w.schema = &notion.Schema{Client: client, Ledger: w.store, Sync: "real", Holder: "test", ParentPage: w.emu.RootPageID(), Entities: entities,
		Custom: map[string]notion.CustomNames{}, Now: w.now, Log: log}
	here, there := map[string]*sink.Entity{}, map[string]*sink.Entity{}
	for _, e := range entities {
		rows, err := crm.NewRows(crm.RowsConfig{Entity: e, Pool: w.db, Ledger: w.store, Memory: w.store})
		if err != nil {
			w.t.Fatal(err)
		}
		w.entities[e.Name], w.rows[e.Name] = e, rows
		w.pages[e.Name] = &notion.Pages{Client: client, Entity: e, Schema: w.schema}
		w.schema.Custom[e.Name] = rows.CustomNames
		there[e.Name] = &sink.Entity{Mapping: e, Rows: rows, Pages: w.pages[e.Name]}
		here[e.Name] = &sink.Entity{Mapping: e, Rows: rows}
	}
	if err := w.schema.Ensure(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	worker := func(side ledger.Side, parts map[string]*sink.Entity) *sink.Worker {
		return &sink.Worker{Side: side, Sync: "real", Holder: "test", Entities: parts, Ledger: w.store, Now: w.now, NewID: uuid.NewString, Log: log,
			Max: sink.DefaultMax, Concurrency: 2, Lease: sink.LeaseFor(sink.DefaultRound, lag), IndexLag: lag, Skew: sink.DefaultSkew}
	}
	w.sinks = []*sink.Worker{worker(ledger.Notion, there), worker(ledger.CRM, here)}
}

// ServeHTTP stands before the emulator.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/query") && !strings.HasSuffix(r.URL.Path, "/search") {
		w.made = append(w.made, r.Method+" "+r.URL.Path)
	}
	if r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/pages") {
		w.writes = append(w.writes, r.Method+" "+r.URL.Path)
	}
	if w.before != nil {
		w.before(r)
	}
	w.emu.ServeHTTP(rw, r)
}

// spent gives the writes to pages since the last call.
func (w *world) spent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	writes := w.writes
	w.writes = nil
	return writes
}

// requests counts all that was asked of Notion since the last call.
func (w *world) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.asked
	w.asked = 0
	return n
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%.300s: %v", sql, err)
	}
}

// one asks the CRM for one text.
func (w *world) one(sql string, args ...any) string {
	w.t.Helper()
	var text string
	if err := w.db.QueryRow(context.Background(), sql, args...).Scan(&text); err != nil {
		return "error: " + err.Error()
	}
	return text
}

func (w *world) add(reasons ...ledger.Reason) {
	w.t.Helper()
	if err := w.store.Add(w.t.Context(), w.now(), reasons); err != nil {
		w.t.Fatal(err)
	}
}

// touch says that rows changed, and lets everything settle.
func (w *world) touch(entity string, keys ...string) {
	w.t.Helper()
	for _, key := range keys {
		w.add(ledger.Reason{Sync: "real", Entity: entity, Side: ledger.Notion, Lane: ledger.LaneLive, Rank: w.entities[entity].Rank, Why: "cdc", Key: key})
	}
	w.settle()
}

// deleted says that a row was deleted.
func (w *world) deleted(entity string, keys ...string) {
	w.t.Helper()
	for _, key := range keys {
		w.add(ledger.Reason{Sync: "real", Entity: entity, Side: ledger.Notion, Lane: ledger.LaneLive, Why: "cdc", Key: key, Deleted: true})
	}
	w.settle()
}

// sweep says so of all rows.
func (w *world) sweep(entity string) {
	w.t.Helper()
	keys, err := w.rows[entity].Keys(w.t.Context(), "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	w.touch(entity, keys...)
}

// poll brings what pages show now, as the poller does, and lets everything settle.
func (w *world) poll(entity string, pages ...string) {
	w.t.Helper()
	for _, page := range pages {
		links, err := w.store.ByPage(w.t.Context(), "real", []string{page})
		if err != nil {
			w.t.Fatal(err)
		}
		seen, err := w.pages[entity].Read(w.t.Context(), w.known(entity), page)
		if err != nil {
			w.t.Fatal(err)
		}
		seen.Via, seen.Seq = "poll", links[page].Seq
		w.add(ledger.Reason{Sync: "real", Entity: entity, Side: ledger.CRM, Lane: ledger.LaneLive, Rank: w.entities[entity].Rank, Why: "poll", Page: page, Seen: &seen})
	}
	w.settle()
}

func (w *world) known(entity string) ledger.Schema {
	w.t.Helper()
	s, ok, err := w.store.Schema(w.t.Context(), "real", entity)
	if err != nil || !ok {
		w.t.Fatalf("the schema of %s: %v, %v", entity, ok, err)
	}
	return s
}

// settle lets both sinks work until nothing is due, with pauses that bring what waits for a while.
func (w *world) settle() {
	w.t.Helper()
	for range 60 {
		took := 0
		for _, s := range w.sinks {
			n, err := s.RunOnce(w.t.Context())
			if err != nil {
				w.t.Fatalf("%s: %v", s.Side, err)
			}
			took += n
		}
		if took == 0 && w.one(`SELECT count(*)::text FROM tandem.work WHERE parked = ''`) == "0" {
			return
		}
		w.pass(3 * time.Second)
	}
	w.t.Fatalf("it does not settle: %s", w.one(`SELECT json_agg(to_jsonb(w))::text FROM tandem.work w WHERE parked = ''`))
}

// link is the pair of a row.
func (w *world) link(entity, key string) ledger.Link {
	w.t.Helper()
	found, err := w.store.ByKey(w.t.Context(), "real", entity, []string{key})
	if err != nil {
		w.t.Fatal(err)
	}
	return found[key]
}

func (w *world) page(entity, key string) string {
	w.t.Helper()
	page := w.link(entity, key).Page
	if page == "" {
		w.t.Fatalf("%s %s has no page: %s", entity, key, w.parked(entity, key))
	}
	return page
}

// parked is why a row's work waits, of both sides.
func (w *world) parked(entity, key string) string {
	return w.one(`SELECT coalesce(string_agg(side || ': ' || parked, '; ' ORDER BY side), '') FROM tandem.work WHERE parked <> '' AND link = $1`, w.link(entity, key).ID)
}

// shows gives a property of a page in words: the plain text of its value.
func (w *world) shows(page, property string) string {
	w.t.Helper()
	properties, err := w.ada.Properties(page)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, ok := properties[property]
	if !ok {
		return "no such property"
	}
	p := notionapi.DecodeProperty(property, raw)
	switch p.Value.Kind() {
	case change.Set, change.List:
		var texts []string
		for _, v := range p.Value.Items() {
			texts = append(texts, v.String())
		}
		slices.Sort(texts)
		return strings.Join(texts, "|")
	case change.Null:
		return ""
	}
	return p.Value.String()
}

func (w *world) edit(page string, properties map[string]any) {
	w.t.Helper()
	if err := w.ada.Edit(page, properties); err != nil {
		w.t.Fatal(err)
	}
}

// write is edit and poll.
func (w *world) write(entity, page string, properties map[string]any) {
	w.t.Helper()
	w.edit(page, properties)
	w.poll(entity, page)
}

func (w *world) conflicts(entity, key string) []ledger.Conflict {
	w.t.Helper()
	found, err := w.store.Conflicts(w.t.Context(), "real", w.link(entity, key).ID, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (w *world) is(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// says checks that a reason is said, in words that a person reads.
func (w *world) says(what, got string, want ...string) {
	w.t.Helper()
	for _, part := range want {
		if part == "" || !strings.Contains(got, part) {
			w.t.Errorf("%s: %q does not say %q", what, got, part)
		}
	}
}

// The API's form of values.
func title(s string) map[string]any {
	return map[string]any{"title": []any{map[string]any{"text": map[string]any{"content": s}}}}
}

func rich(s string) map[string]any {
	return map[string]any{"rich_text": []any{map[string]any{"text": map[string]any{"content": s}}}}
}
func number(v any) map[string]any { return map[string]any{"number": v} }
func check(v bool) map[string]any { return map[string]any{"checkbox": v} }
func date(s string) map[string]any {
	return map[string]any{"date": map[string]any{"start": s}}
}
func option(s string) map[string]any {
	if s == "" {
		return map[string]any{"select": nil}
	}
	return map[string]any{"select": map[string]any{"name": s}}
}
func related(pages ...string) map[string]any {
	list := []any{}
	for _, p := range pages {
		list = append(list, map[string]any{"id": p})
	}
	return map[string]any{"relation": list}
}
