package bench

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/sink"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	source "github.com/tandem-sync/tandem/source/notion"
)

const (
	syncName = "bench"
	token    = "ntn_bench"
	secret   = "secret_bench"
	rate     = 180 // Notion's limit, and ours
)

const document = `{
  "sync": "bench", "entity": "contact",
  "crm": {"table": "public.contact", "key": "id"},
  "notion": {"database": "Contacts"},
  "fields": [
    {"name": "name", "column": "name", "property": "Name", "type": "title"},
    {"name": "email", "column": "email", "property": "Email", "type": "email", "critical": true},
    {"name": "phone", "column": "phone", "property": "Phone", "type": "phone"},
    {"name": "job", "column": "job", "property": "Job title", "type": "text"},
    {"name": "city", "column": "city", "property": "City", "type": "select"},
    {"name": "note", "column": "note", "property": "Note", "type": "text"}
  ],
  "creates": {"to_notion": true, "to_crm": false},
  "deletes": {"to_notion": "trash", "to_crm": "hold"},
  "mode": {"to_notion": "write", "to_crm": "write"},
  "brakes": {"updates": {"max": 1000000, "share": 1}, "transaction": {"max": 1000000, "share": 1}}
}`

// setup says what is special about a world. Zero values are the defaults that ship.
type setup struct {
	indexLag time.Duration    // the emulator's
	interval *source.Interval // of polls
	webhooks bool
	limit    int  // the emulator's; 0 is Notion's
	still    bool // the database is made, and nothing runs
}

// world is one sync in a bubble of virtual time: what ships, around a CRM, a Kafka and a ledger in memory and the emulator.
type world struct {
	t      testing.TB
	entity *mapping.Entity
	crm    *crm
	bus    *bus
	store  *memledger.Store
	notion *emulator.Emulator
	wire   *meter
	person *emulator.Person

	seen seenAtNotion

	parts []interface{ Stop() }
	stop  context.CancelFunc
	done  sync.WaitGroup
}

func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	w := &world{t: t, store: memledger.New(), bus: newBus(t)}
	doc, found := mapping.Parse([]byte(document))
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	compiled, found := mapping.Compile([]mapping.Document{doc})
	if found.HasErrors() {
		t.Fatal(found.Err())
	}
	w.entity = compiled[0]
	w.crm = newCRM(w)
	hook := &source.Webhook{Path: "/hook", Log: quiet()}
	hook.Trust(secret)
	cfg := emulator.Config{Token: token, Limit: s.limit, IndexLag: s.indexLag, Random: rand.NewPCG(3, 4)}
	if s.webhooks {
		cfg.Webhook = emulator.WebhookConfig{URL: "http://tandem.test/hook", Secret: secret, Client: &http.Client{Transport: emulator.Transport(hook)}}
	}
	w.notion = emulator.New(cfg)
	hook.BotID = w.notion.BotID(token)
	w.person = w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	w.wire = newMeter(w.notion.Transport())
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	if s.still {
		if err := w.schema().Ensure(ctx); err != nil {
			t.Fatal(err)
		}
		if err := w.store.SetMapping(ctx, syncName, w.entity.Name, w.entity.Hash); err != nil {
			t.Fatal(err)
		}
		return w
	}
	w.sinks(ctx)
	w.poller(ctx, s, hook)
	return w
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// client is a process's way to Notion.
func (w *world) client() *notionapi.Client {
	c, err := notionapi.New(notionapi.Config{Token: token, Transport: w.wire, Logger: quiet(),
		Budget: &notionapi.SharedBudget{Granter: w.store, Token: "bench", Rate: rate, Now: time.Now, Sleep: lifecycle.Pause}})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// slow is the ledger as a process reaches it: a database answers in milliseconds. Grants are not slowed, for they are made under a lock.
type slow struct{ *memledger.Store }

// Commit implements sink.Ledger.
func (s slow) Commit(ctx context.Context, c ledger.Commit) error {
	time.Sleep(statement)
	return s.Store.Commit(ctx, c)
}

// Take implements sink.Ledger.
func (s slow) Take(ctx context.Context, c ledger.Claim) ([]ledger.Item, error) {
	time.Sleep(statement)
	return s.Store.Take(ctx, c)
}

func (w *world) worker(side ledger.Side, e *sink.Entity) *sink.Worker {
	return &sink.Worker{
		Side: side, Sync: syncName, Holder: "bench " + string(side), Entities: map[string]*sink.Entity{"contact": e}, Ledger: slow{w.store}, Now: time.Now, Log: quiet(),
		Observe: &w.seen, Max: sink.DefaultMax, Concurrency: sink.DefaultConcurrency, Lease: sink.LeaseFor(sink.DefaultRound, sink.DefaultIndexLag),
		IndexLag: sink.DefaultIndexLag, Skew: sink.DefaultSkew,
	}
}

// start runs a part until close.
func (w *world) start(ctx context.Context, part interface {
	Start(context.Context) error
	Stop()
}) {
	w.t.Helper()
	if err := part.Start(ctx); err != nil {
		w.t.Fatal(err)
	}
	w.parts = append(w.parts, part)
}

func (w *world) schema() *sinknotion.Schema {
	return &sinknotion.Schema{Client: w.client(), Ledger: w.store, Sync: syncName, Holder: "bench", ParentPage: w.notion.RootPageID(),
		Entities: []*mapping.Entity{w.entity}, Now: time.Now, Log: quiet()}
}

func (w *world) sinks(ctx context.Context) {
	schema := w.schema()
	ready := make(chan struct{})
	prepare := func(ctx context.Context) error {
		if err := schema.Ensure(ctx); err != nil {
			return err
		}
		if err := w.store.SetMapping(ctx, syncName, w.entity.Name, w.entity.Hash); err != nil {
			return err
		}
		close(ready)
		return nil
	}
	prepared := func(ctx context.Context) error {
		select {
		case <-ready:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	pages := &sinknotion.Pages{Client: w.client(), Entity: w.entity, Schema: schema}
	there := sink.WorkLoops("notion", w.worker(ledger.Notion, &sink.Entity{Mapping: w.entity, Rows: table{w.crm}, Pages: pages}), prepare, prepared, sink.DefaultIdle, quiet())
	here := sink.NewLoop("crm", prepared, w.worker(ledger.CRM, &sink.Entity{Mapping: w.entity, Rows: table{w.crm}}).RunOnce, sink.DefaultIdle, quiet())
	sweep := &sink.RowSweep{Sync: syncName, Holder: "bench", Entities: []*mapping.Entity{w.entity}, Rows: map[string]sink.RowKeys{"contact": table{w.crm}},
		Ledger: w.store, Interval: sink.DefaultSweepInterval, Now: time.Now}
	for _, l := range append(there, here, sink.NewLoop("sweep", prepared, sweep.RunOnce, 5*time.Second, quiet())) {
		w.start(ctx, l)
	}
	es := []*mapping.Entity{w.entity}
	w.consume(ctx, rowTopic, sink.Waking{Loops: there, Handler: &sink.RowChanges{Entities: es, Ledger: w.store, Now: time.Now, Settle: sink.DefaultSettle}})
	w.consume(ctx, pageTopic, sink.Waking{Loops: []*sink.Loop{here}, Handler: &sink.PageChanges{Entities: es, Ledger: w.store, Now: time.Now}})
}

func (w *world) consume(ctx context.Context, topic string, h kafka.Handler) {
	w.done.Go(func() { w.bus.consume(ctx, topic, h) })
}

func (w *world) poller(ctx context.Context, s setup, hook *source.Webhook) {
	interval := source.Interval{Base: source.DefaultInterval, Min: source.DefaultIntervalMin, Max: source.DefaultIntervalMax}
	if s.interval != nil {
		interval = *s.interval
	}
	src := source.New(source.Config{Name: "poll", Registry: w.store, Interval: interval, Log: quiet(), Pollers: []*source.Poller{w.pollerTo(w.bus, w.client())}})
	hook.Wake = src.Wake
	w.start(ctx, src)
	if s.webhooks {
		w.done.Go(func() { w.deliver(ctx) })
	}
}

func (w *world) pollerTo(p source.Publisher, c *notionapi.Client) *source.Poller {
	return &source.Poller{
		Entity: w.entity, Topic: pageTopic, Prefix: "notion", Version: "bench", Holder: "bench", Pages: c, Ledger: w.store, Publisher: p,
		Now: time.Now, Log: quiet(), IndexLag: sink.DefaultIndexLag, SweepInterval: source.DefaultSweepInterval, LeadFor: source.DefaultLead,
	}
}

// everyPage asks for all pages.
var everyPage = notionapi.Query{}

// unlimited is a way to Notion without a budget or a meter.
func unlimited(w *world) *notionapi.Client {
	c, err := notionapi.New(notionapi.Config{Token: token, Transport: w.notion.Transport(), Logger: quiet(), Budget: plenty{}})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// plenty is a budget without end.
type plenty struct{}

// Take implements notionapi.Budget.
func (plenty) Take(context.Context, notionapi.Lane) error { return nil }

// Pause implements notionapi.Budget.
func (plenty) Pause(context.Context, time.Time) error { return nil }

// deliver posts webhooks when they are due.
func (w *world) deliver(ctx context.Context) {
	for lifecycle.Pause(ctx, 100*time.Millisecond) == nil {
		_, _ = w.notion.Deliver(ctx, time.Now()) // what cannot be delivered is tried again by the emulator itself
	}
}

// close ends everything.
func (w *world) close() {
	w.stop()
	for _, p := range w.parts {
		p.Stop()
	}
	w.done.Wait()
}

// waitFor waits in virtual time until something is so.
func (w *world) waitFor(what string, most time.Duration, is func() bool) {
	w.t.Helper()
	for until := time.Now().Add(most); !is(); time.Sleep(time.Second) {
		if time.Now().After(until) {
			w.t.Fatalf("%s: not within %s; %s", what, most, w.state())
		}
	}
}

func (w *world) state() string {
	counts, err := w.store.Counts(context.Background(), syncName)
	tallies, terr := w.store.Tallies(context.Background(), syncName, time.Now())
	return fmt.Sprint(counts, err, tallies, terr, w.wire.kinds)
}

// idle reports that nothing is left to do.
func (w *world) idle() bool {
	tallies, err := w.store.Tallies(context.Background(), syncName, time.Now())
	return err == nil && len(tallies) == 0
}

// page gives the page of a row.
func (w *world) page(key string) string {
	links, err := w.store.ByKey(context.Background(), syncName, "contact", []string{key})
	if err != nil {
		w.t.Fatal(err)
	}
	return links[key].Page
}

// seenAtNotion is the workers' observer: it keeps how long changes took.
type seenAtNotion struct {
	mu        sync.Mutex
	latencies map[ledger.Side]map[ledger.Lane][]time.Duration
	parked    int
}

// Reconciled implements sink.Observer.
func (*seenAtNotion) Reconciled(string, ledger.Side, string) {}

// Conflict implements sink.Observer.
func (*seenAtNotion) Conflict(string, string, ledger.Side, bool) {}

// Parked implements sink.Observer.
func (s *seenAtNotion) Parked(string, ledger.Side) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked++
}

// Window implements sink.Observer.
func (*seenAtNotion) Window(string, time.Duration) {}

// Latency implements sink.Observer.
func (s *seenAtNotion) Latency(_ string, side ledger.Side, lane ledger.Lane, length time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latencies == nil {
		s.latencies = map[ledger.Side]map[ledger.Lane][]time.Duration{}
	}
	if s.latencies[side] == nil {
		s.latencies[side] = map[ledger.Lane][]time.Duration{}
	}
	s.latencies[side][lane] = append(s.latencies[side][lane], length)
}
