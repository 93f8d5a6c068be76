package simulation

import (
	"context"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	source "github.com/tandem-sync/tandem/source/notion"
)

const (
	syncName      = "sim"
	token         = "ntn_simulated"
	webhookSecret = "secret_simulated"
	simulatedLag  = 20 * time.Second // notion.index.lag.ms of the run; the emulator's lag stays below it
)

// system is the connectors of one run.
type system struct {
	w         *world
	entities  []*mapping.Entity
	hook      *hook
	processes []*process
}

func newSystem(w *world, es []*mapping.Entity, h *hook) *system {
	s := &system{w: w, entities: es, hook: h}
	s.add("cdc", s.cdc)
	s.add("notion-sink-a", s.notionSink)
	s.add("notion-sink-b", s.notionSink)
	s.add("crm-sink", s.crmSink)
	s.add("poller", s.poller)
	return s
}

func (s *system) add(name string, build func(*process) []task) {
	s.processes = append(s.processes, &process{w: s.w, name: name, dice: s.w.dice(name), build: build})
}

func (s *system) start() {
	for _, p := range s.processes {
		p.start()
	}
}

// clock is a process's: a little off, by less than the skew that is configured.
func (p *process) clock() func() time.Time {
	skew := jitter(p.dice, -400*time.Millisecond, 400*time.Millisecond)
	return func() time.Time {
		if p.w.fires(clockJump) {
			skew = jitter(p.dice, -400*time.Millisecond, 400*time.Millisecond)
		}
		return p.w.now.Add(skew)
	}
}

func (p *process) store() store { return store{p.w.ledger, p} }

// client is the product's, over the process's wire.
func (p *process) client(now func() time.Time) *notionapi.Client {
	sleep := func(_ context.Context, d time.Duration) error {
		p.w.advance(d)
		return p.alive()
	}
	client, err := notionapi.New(notionapi.Config{
		Token: token, Transport: &wire{p: p, read: map[string]map[string]string{}}, Now: now, Sleep: sleep, Jitter: p.dice.Float64,
		Budget: &notionapi.SharedBudget{Granter: p.store(), Token: "simulated", Rate: 600, Now: now, Sleep: sleep},
	})
	if err != nil {
		panic(err) // the configuration is ours
	}
	return client
}

func (s *system) worker(p *process, side ledger.Side, now func() time.Time, entities map[string]*sink.Entity) *sink.Worker {
	return &sink.Worker{
		Side: side, Sync: syncName, Holder: p.name, Entities: entities, Ledger: p.store(), Now: now, Log: logger(),
		Max: 16, Concurrency: 1, Lease: sink.LeaseFor(sink.DefaultRound, simulatedLag), IndexLag: simulatedLag, Skew: sink.DefaultSkew,
	}
}

// loop makes a task of a step that reports how much it did.
func loop(p *process, name string, idle time.Duration, step func(context.Context) (int, error)) task {
	return task{name, func(ctx context.Context) (time.Duration, error) {
		n, err := step(ctx)
		if n > 0 {
			return jitter(p.dice, 0, 50*time.Millisecond), err
		}
		if p.w.faults.healed {
			return jitter(p.dice, idle*3, idle*9), err // nobody is in a hurry any more
		}
		return jitter(p.dice, idle/2, idle*3/2), err
	}}
}

func (s *system) notionSink(p *process) []task {
	now := p.clock()
	st := p.store()
	client := p.client(now)
	schema := &sinknotion.Schema{Client: client, Ledger: st, Sync: syncName, Holder: p.name, ParentPage: s.w.notion.RootPageID(), Entities: s.entities, Now: now, Log: logger()}
	parts, keys := map[string]*sink.Entity{}, map[string]sink.RowKeys{}
	for _, e := range s.entities {
		r := &rows{p, e}
		keys[e.Name] = r
		parts[e.Name] = &sink.Entity{Mapping: e, Rows: r, Pages: &sinknotion.Pages{Client: client, Entity: e, Schema: schema}}
	}
	worker := s.worker(p, ledger.Notion, now, parts)
	sweep := &sink.RowSweep{Sync: syncName, Holder: p.name, Entities: s.entities, Rows: keys, Ledger: st, Interval: sink.DefaultSweepInterval, Now: now}
	relay := &sink.Relay{Outbox: st, Publisher: publisher{p}, Topic: "alerts", Now: now, Log: logger()}
	var topics []string
	for _, e := range s.entities {
		topics = append(topics, "crm."+e.Tables()[0].String())
	}
	consume := &consumer{p: p, group: "notion-sink", topics: topics, handler: &sink.RowChanges{Entities: s.entities, Ledger: st, Now: now, Settle: sink.DefaultSettle}}
	prepared := false
	work := func(ctx context.Context) (int, error) {
		if !prepared {
			if err := prepare(ctx, schema, st, s.entities); err != nil {
				return 0, err
			}
			prepared = true
		}
		return worker.RunOnce(ctx)
	}
	return []task{
		loop(p, "consume", 700*time.Millisecond, consume.runOnce), loop(p, "work", time.Second, work),
		loop(p, "sweep", 20*time.Second, sweep.RunOnce), loop(p, "alerts", 5*time.Second, relay.RunOnce),
	}
}

func prepare(ctx context.Context, schema *sinknotion.Schema, st store, entities []*mapping.Entity) error {
	if err := schema.Ensure(ctx); err != nil {
		return err
	}
	for _, e := range entities {
		if err := st.SetMapping(ctx, syncName, e.Name, e.Hash); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) crmSink(p *process) []task {
	now := p.clock()
	parts := map[string]*sink.Entity{}
	var topics []string
	for _, e := range s.entities {
		parts[e.Name] = &sink.Entity{Mapping: e, Rows: &rows{p, e}}
		topics = append(topics, "notion."+e.Name)
	}
	worker := s.worker(p, ledger.CRM, now, parts)
	consume := &consumer{p: p, group: "crm-sink", topics: topics, handler: &sink.PageChanges{Entities: s.entities, Ledger: p.store(), Now: now}}
	return []task{loop(p, "consume", 700*time.Millisecond, consume.runOnce), loop(p, "work", time.Second, func(ctx context.Context) (int, error) {
		if err := mapping.Agree(ctx, p.store(), s.entities); err != nil {
			return 0, err
		}
		return worker.RunOnce(ctx)
	})}
}

func (s *system) poller(p *process) []task {
	now := p.clock()
	client := p.client(now)
	hints := map[string]source.Named{}
	receiver := &source.Webhook{Path: "/notion/webhook", BotID: s.w.notion.BotID(token), Log: logger(), Wake: func(h source.Hint) {
		named := hints[h.Page]
		if named.Hints == nil {
			named.Hints = map[string]time.Time{}
		}
		named.DataSource = h.DataSource
		for _, property := range h.Properties {
			if h.At.After(named.Hints[property]) {
				named.Hints[property] = h.At
			}
		}
		hints[h.Page] = named
	}}
	receiver.Trust(webhookSecret)
	s.hook.deliver = func(req *http.Request) *http.Response {
		if p.dead {
			return page(req, http.StatusBadGateway, "text/plain", "", nil)
		}
		rec := httptest.NewRecorder()
		receiver.ServeHTTP(rec, req)
		return rec.Result()
	}
	var tasks []task
	for _, e := range s.entities {
		poller := &source.Poller{Entity: e, Topic: "notion." + e.Name, Prefix: "notion", Version: "sim", Holder: p.name, Pages: client, Ledger: p.store(),
			Publisher: publisher{p}, Now: now, Log: logger(), IndexLag: simulatedLag, SweepInterval: source.DefaultSweepInterval, LeadFor: source.DefaultLead}
		interval := source.Interval{Base: 60 * time.Second, Min: 20 * time.Second, Max: 2 * time.Minute}
		tasks = append(tasks, task{"poll " + e.Name, func(ctx context.Context) (time.Duration, error) {
			result, err := poller.RunOnce(ctx)
			if result.Sweeping {
				return time.Millisecond, err
			}
			return interval.Next(result.Emitted), err
		}}, task{"hints " + e.Name, func(ctx context.Context) (time.Duration, error) {
			return jitter(p.dice, 300*time.Millisecond, time.Second), s.follow(ctx, poller, e, hints)
		}})
	}
	return tasks
}

// follow looks at the pages that webhooks named for one entity.
func (s *system) follow(ctx context.Context, poller *source.Poller, e *mapping.Entity, hints map[string]source.Named) error {
	schema, ok, err := s.w.ledger.Schema(ctx, syncName, e.Name)
	if err != nil || !ok {
		return err
	}
	mine := map[string]source.Named{}
	for _, id := range change.Sorted(hints) {
		if hints[id].DataSource == schema.DataSource || hints[id].DataSource == "" {
			mine[id] = hints[id]
			delete(hints, id)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	_, err = poller.RunPages(ctx, mine)
	return err
}

// cdc reads the log and writes topics, in Debezium's format, with a position that is stored after its records.
func (s *system) cdc(p *process) []task {
	const group = "cdc/position"
	byName := map[string]*mapping.Entity{}
	for _, e := range s.entities {
		byName[e.Name] = e
	}
	return []task{loop(p, "stream", 400*time.Millisecond, func(ctx context.Context) (int, error) {
		b := s.w.broker
		from := int(b.offsets[group])
		to := min(len(s.w.crm.log), from+8)
		for _, entry := range s.w.crm.log[from:to] {
			records, err := changeRecords(byName[entry.entity], entry)
			if err != nil {
				return 0, err
			}
			if err := (publisher{p}).SendBatch(ctx, records); err != nil {
				return 0, err
			}
		}
		if s.w.fires(crashBeforeOffset) {
			return 0, p.crash()
		}
		b.offsets[group] = int64(to)
		return to - from, nil
	})}
}
