package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/crm"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	"github.com/tandem-sync/tandem/sink/plan"
)

// aheadLedger is all that link, plan and apply ask of a ledger. The one in PostgreSQL is one; where none is there yet, an empty one in memory.
type aheadLedger interface {
	plan.Ledger
	notionapi.Granter
	sinknotion.SchemaLedger
	sink.DriftLedger
}

// ahead is a look at both sides of a sync before anything is written. Close it.
type ahead struct {
	*session
	ledger   aheadLedger
	stored   bool // the ledger is the database's
	worker   *sink.Worker
	reader   *plan.Reader
	schema   *sinknotion.Schema
	steps    []sinknotion.SchemaStep // what making sure of the schema would take, where it is foreseen
	requests atomic.Int64            // to Notion, so far
	recorder *requests               // of those that change something; nil where the ledger is not stored
}

// aheadOptions say how far a look goes.
type aheadOptions struct {
	Write    bool // the ledger is made if it is missing, and the schema in Notion; else both are only foreseen
	Switches bool // both directions are taken for switched on, whatever the mappings' mode is
}

func (a *app) openAhead(ctx context.Context, files []string, o aheadOptions) (*ahead, error) {
	if len(files) == 0 {
		return nil, usagef("name the connector files of the sync: at least that of the sink.NotionSink")
	}
	k, err := a.sessionKeysOf(files)
	if err != nil {
		return nil, err
	}
	if k.Notion.Token.IsZero() {
		return nil, usagef("none of the files has a notion.token: give that of the sink.NotionSink")
	}
	entities, problems := mappings(k.Mappings, k.SyncName)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if o.Switches {
		entities = switchedOn(entities)
	}
	h := &ahead{session: &session{keys: k, sync: k.SyncName, entities: entities, log: a.log}}
	if err := h.open(ctx, a, o); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// switchedOn are mappings whose both directions write. They share everything else with those that they are copies of.
func switchedOn(entities []*mapping.Entity) []*mapping.Entity {
	var on []*mapping.Entity
	for _, e := range entities {
		own := *e
		own.WriteNotion, own.WriteCRM = true, true
		on = append(on, &own)
	}
	return on
}

func (h *ahead) open(ctx context.Context, a *app, o aheadOptions) (err error) {
	c := h.keys.Database
	c.ApplicationName, c.ConnectionsMax = "tandem command", max(c.ConnectionsMax, 4)
	if h.pool, err = postgres.OpenPool(ctx, c); err != nil {
		return unreachable("the CRM's database", err)
	}
	h.onClose(h.pool.Close)
	h.store = pgledger.New(h.pool)
	if err := h.openLedger(ctx, o.Write); err != nil {
		return err
	}
	if h.client, err = h.openClient(a); err != nil {
		return usageError{err}
	}
	rows, err := h.rows(o.Write)
	if err != nil {
		return err
	}
	h.schema = &sinknotion.Schema{Client: h.client, Ledger: h.ledger, Sync: h.sync, Holder: a.holder, ParentPage: h.keys.ParentPage, Entities: h.entities,
		Custom: map[string]sinknotion.CustomNames{}, Now: time.Now, Log: h.log}
	h.reader = &plan.Reader{Ledger: h.ledger, Rows: map[string]sink.RowKeys{}}
	h.worker = &sink.Worker{Side: ledger.Notion, Sync: h.sync, Holder: "tandem command " + a.holder, Entities: map[string]*sink.Entity{}, Ledger: h.ledger,
		Now: time.Now, NewID: newID, Log: h.log, Max: 1, Concurrency: 1, IndexLag: h.keys.Notion.IndexLag, Lease: sink.LeaseFor(sink.DefaultRound, h.keys.Notion.IndexLag),
		Skew: h.keys.Skew}
	h.reader.Worker = h.worker
	for _, e := range h.entities {
		h.schema.Custom[e.Name], h.reader.Rows[e.Name] = rows[e.Name].CustomNames, rows[e.Name]
		h.worker.Entities[e.Name] = &sink.Entity{Mapping: e, Rows: rows[e.Name], Pages: pagesOf(h.schema, h.client, e)}
	}
	h.worker.Functions, err = h.functions(ctx, a)
	return err
}

// openLedger takes the ledger of the database, of this version; where there is none, and none may be made, an empty one in memory.
func (h *ahead) openLedger(ctx context.Context, write bool) error {
	there, err := h.store.Exists(ctx)
	if err != nil {
		return unreachable("the ledger", err)
	}
	switch {
	case !there && !write:
		h.ledger = memledger.New()
		return nil
	case write:
		err = h.store.Migrate(ctx)
	default:
		err = h.store.Check(ctx)
	}
	h.ledger, h.stored = h.store, true
	return unreachable("the ledger", err)
}

// rows makes the CRM's side of each entity.
func (h *ahead) rows(write bool) (map[string]*crm.Rows, error) {
	out := map[string]*crm.Rows{}
	for _, e := range h.entities {
		c := crm.RowsConfig{Entity: e, Pool: h.pool, Ledger: h.store, Memory: h.ledger}
		if !write {
			c.Memory = unwritten{h.ledger}
		}
		r, err := crm.NewRows(c)
		if err != nil {
			return nil, err
		}
		out[e.Name] = r
	}
	return out, nil
}

// unwritten is what the ledger knows of the columns, and takes in nothing.
type unwritten struct{ sink.DriftLedger }

// ChangeDrift changes nothing.
func (unwritten) ChangeDrift(context.Context, string, string, func(ledger.DriftState) (ledger.DriftState, []ledger.Alert)) error {
	return nil
}

// openClient makes the way to Notion within the budget that the connectors share.
func (h *ahead) openClient(a *app) (*notionapi.Client, error) {
	n := h.keys.Notion
	budget := &notionapi.SharedBudget{Granter: h.ledger, Token: n.budgetName(), Rate: n.rate(), Now: time.Now, Sleep: lifecycle.Pause}
	c := notionapi.Config{
		Token: notionapi.Token(n.Token.Reveal()), BaseURL: n.BaseURL, Version: n.Version, Logger: a.log, Budget: budget,
		OnAttempt: func(notionapi.Attempt) { h.requests.Add(1) },
	}
	if h.stored {
		h.recorder = newRequests(h.store, h.sync, a.holder)
		c.Recorder = h.recorder
	}
	client, err := notionapi.New(c)
	if err != nil {
		return nil, err
	}
	h.onClose(client.Close)
	return client, nil
}

// foresee learns the schema as it is, with what would be made taken for made.
func (h *ahead) foresee(ctx context.Context) error {
	aside := &sinknotion.Aside{SchemaLedger: h.ledger}
	h.schema.Ledger, h.schema.Foresee = aside, func(s sinknotion.SchemaStep) { h.steps = append(h.steps, s) }
	if err := h.schema.Ensure(notionapi.WithLane(ctx, notionapi.Backfill)); err != nil {
		return fmt.Errorf("look at the databases in Notion: %w", err)
	}
	h.ledgerWith(foreseen{h.ledger, aside})
	return nil
}

// ledgerWith has everything look at another ledger.
func (h *ahead) ledgerWith(l aheadLedger) { h.ledger, h.worker.Ledger, h.reader.Ledger = l, l, l }

// foreseen is a ledger that knows a foreseen schema.
type foreseen struct {
	aheadLedger
	aside *sinknotion.Aside
}

// Schema gives what was foreseen.
func (f foreseen) Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error) {
	return f.aside.Schema(ctx, sync, entity)
}

// chosen are the entities that were asked for, all if none was, parents before children.
func (h *ahead) chosen(names []string) ([]*mapping.Entity, error) {
	if len(names) == 0 {
		return byRank(h.entities), nil
	}
	var out []*mapping.Entity
	for _, name := range names {
		e, err := h.entity(name)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return byRank(out), nil
}
