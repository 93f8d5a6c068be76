package simulation

import (
	"context"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	source "github.com/tandem-sync/tandem/source/notion"
)

const (
	syncName     = "sim"
	simulatedLag = 20 * time.Second // notion.index.lag.ms of the run; the index's lag stays below it
)

// system is the connectors of one run.
type system struct {
	w         *world
	entities  []*mapping.Entity
	processes []*process
	sweeping  time.Time // until when a sweep that was asked for goes on
	polls     []*polling
}

func newSystem(w *world) *system {
	s := &system{w: w, entities: w.entities}
	s.add("cdc", s.cdc)
	s.add("notion-sink-a", s.notionSink)
	s.add("notion-sink-b", s.notionSink)
	s.add("crm-sink", s.crmSink)
	s.add("poller", s.poller)
	return s
}

func (s *system) add(name string, build func(*process) []*task) {
	s.processes = append(s.processes, &process{w: s.w, name: name, dice: s.w.dice(name), build: build})
}

func (s *system) start() {
	for _, p := range s.processes {
		p.start()
	}
}

// wake has all tasks of a kind look soon: as fast as a loop that is signalled, or polls some times a second.
func (s *system) wake(kind string) {
	if s == nil {
		return
	}
	for _, p := range s.processes {
		for _, t := range p.tasks {
			if t.kind == kind {
				t.wake(s.w.now.Add(jitter(p.dice, 5*time.Millisecond, 250*time.Millisecond)))
			}
		}
	}
}

// workChanged has the workers look when the ledger's work is next due.
func (s *system) workChanged() {
	if s == nil {
		return
	}
	for _, p := range s.processes {
		for _, t := range p.tasks {
			if t.kind != "work" {
				continue
			}
			if at, ok := t.due(); ok {
				at = at.Add(-p.skew)
				if at.Before(s.w.now) {
					at = s.w.now
				}
				if t.next.IsZero() || at.Add(250*time.Millisecond).Before(t.next) {
					t.wake(at.Add(jitter(p.dice, 5*time.Millisecond, 200*time.Millisecond)))
				}
			}
		}
	}
}

func (s *system) worker(p *process, side ledger.Side, entities map[string]*sink.Entity) *sink.Worker {
	return &sink.Worker{
		Side: side, Sync: syncName, Holder: p.name, Entities: entities, Ledger: p.store(), Now: p.now, Log: logger(),
		Max: 16, Concurrency: 1, Lease: sink.LeaseFor(sink.DefaultRound, simulatedLag), IndexLag: simulatedLag, Skew: sink.DefaultSkew,
	}
}

func (s *system) work(side ledger.Side, step func(context.Context) (int, error)) *task {
	return &task{kind: "work", step: step, due: func() (time.Time, bool) { return s.w.ledger.NextDue(syncName, side) }}
}

func always(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

func (s *system) notionSink(p *process) []*task {
	st := p.store()
	client := s.w.notion.connect(p)
	parts, keys := map[string]*sink.Entity{}, map[string]sink.RowKeys{}
	for _, e := range s.entities {
		r := &rows{p, e}
		keys[e.Name] = r
		parts[e.Name] = &sink.Entity{Mapping: e, Rows: r, Pages: &sinknotion.Pages{Client: client, Entity: e}}
	}
	worker := s.worker(p, ledger.Notion, parts)
	sweep := &sink.RowSweep{Sync: syncName, Holder: p.name, Entities: s.entities, Rows: keys, Ledger: st, Interval: sink.DefaultSweepInterval, Now: p.now}
	relay := &sink.Relay{Sync: syncName, Outbox: st, Publisher: publisher{p}, Topic: "alerts", Now: p.now, Log: logger()}
	var topics []string
	for _, e := range s.entities {
		topics = append(topics, "crm."+e.Tables()[0].String())
	}
	consume := newConsumer(p, "notion-sink", topics, &sink.RowChanges{Entities: s.entities, Ledger: st, Now: p.now, Settle: sink.DefaultSettle})
	prepared := false
	work := s.work(ledger.Notion, func(ctx context.Context) (int, error) {
		if !prepared {
			if err := s.prepare(ctx, client, st); err != nil {
				return 0, err
			}
			prepared = true
		}
		return worker.RunOnce(ctx)
	})
	return []*task{
		{kind: "consume", step: consume.runOnce, due: consume.due}, work,
		{kind: "sweep", step: sweep.RunOnce, pause: func(n int) time.Duration {
			switch {
			case n > 0:
				return 3 * time.Second
			case s.w.now.Before(s.sweeping):
				return 10 * time.Second // the other copy sweeps
			}
			return 6 * time.Hour
		}},
		{kind: "relay", step: relay.RunOnce, due: func() (time.Time, bool) {
			left, err := s.w.ledger.Outbox(s.w.context(), syncName, 1)
			return time.Time{}, err == nil && len(left) > 0
		}},
	}
}

func (s *system) prepare(ctx context.Context, client connection, st store) error {
	if err := client.prepare(ctx); err != nil {
		return err
	}
	for _, e := range s.entities {
		if err := st.SetMapping(ctx, syncName, e.Name, e.Hash); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) crmSink(p *process) []*task {
	parts := map[string]*sink.Entity{}
	var topics []string
	for _, e := range s.entities {
		parts[e.Name] = &sink.Entity{Mapping: e, Rows: &rows{p, e}}
		topics = append(topics, "notion."+e.Name)
	}
	worker := s.worker(p, ledger.CRM, parts)
	consume := newConsumer(p, "crm-sink", topics, &sink.PageChanges{Entities: s.entities, Ledger: p.store(), Now: p.now})
	return []*task{{kind: "consume", step: consume.runOnce, due: consume.due}, s.work(ledger.CRM, func(ctx context.Context) (int, error) {
		if err := mapping.Agree(ctx, p.store(), s.entities); err != nil {
			return 0, err
		}
		return worker.RunOnce(ctx)
	})}
}

func (s *system) poller(p *process) []*task {
	client := s.w.notion.connect(p)
	var hints []*source.Hints
	receiver := &source.Webhook{Path: webhookPath, BotID: s.w.notion.bot(), Log: logger(), Wake: func(h source.Hint) {
		for _, of := range hints {
			of.Note(h)
		}
		s.wake("hints")
	}, Keep: func(ctx context.Context, e ledger.Edit) error { return p.store().KeepEdit(ctx, syncName, e) }}
	receiver.Trust(webhookSecret)
	s.w.notion.receive(p, receiver)
	var tasks []*task
	s.polls = nil
	for _, e := range s.entities {
		poller := &source.Poller{Entity: e, Topic: "notion." + e.Name, Prefix: "notion", Version: "sim", Holder: p.name, Pages: client, Ledger: p.store(),
			Publisher: publisher{p}, Now: p.now, Log: logger(), IndexLag: simulatedLag, SweepInterval: source.DefaultSweepInterval, LeadFor: source.DefaultLead}
		named := &source.Hints{}
		hints = append(hints, named)
		tasks = append(tasks, s.polling(p, poller), &task{kind: "hints", step: func(ctx context.Context) (int, error) { return 0, s.follow(ctx, poller, named) }, due: func() (time.Time, bool) {
			return time.Time{}, named.Any()
		}})
	}
	return tasks
}

// follow looks at the pages that webhooks named, as source/notion's loop does.
func (s *system) follow(ctx context.Context, poller *source.Poller, hints *source.Hints) error {
	pages, poll := hints.Take()
	if poll {
		s.wake("poll")
	}
	if len(pages) == 0 {
		return nil
	}
	if _, err := poller.RunPages(ctx, pages); err != nil {
		hints.GiveBack(pages)
		return err
	}
	return nil
}

// cdc reads the log and writes topics, in Debezium's format, with a position that is stored after its records.
func (s *system) cdc(p *process) []*task {
	const group = "cdc/position"
	byName := map[string]*mapping.Entity{}
	for _, e := range s.entities {
		byName[e.Name] = e
	}
	b := s.w.broker
	return []*task{{kind: "cdc", due: func() (time.Time, bool) {
		return time.Time{}, int(b.offsets[group]) < len(s.w.crm.log)
	}, step: func(ctx context.Context) (int, error) {
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
	}}}
}

// context is no one's: virtual time cancels nothing.
func (w *world) context() context.Context { return context.Background() }
