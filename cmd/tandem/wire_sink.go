package main

import (
	"context"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/crm"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	source "github.com/tandem-sync/tandem/source/notion"
)

func (a *app) notionSinkClass() connector.Class {
	return class(a, "sink.NotionSink", connector.Sink, func() *notionSinkKeys { return &notionSinkKeys{} }, a.buildNotionSink)
}

func (a *app) buildNotionSink(ctx context.Context, k *notionSinkKeys, p *parts) error {
	entities, problems := mappings(k.Sync.Mappings, k.Common.Sync)
	if err := problems.Err(); err != nil {
		return err
	}
	pool, store, err := a.openLedger(ctx, k.Database, k.Name, p)
	if err != nil {
		return err
	}
	if err := a.leastPrivilege(ctx, pool, entities, &k.Sync); err != nil {
		return err
	}
	if err := a.aging(ctx, &k.sinkKeys, entities, store, p); err != nil {
		return err
	}
	client, err := a.client(k.Notion, k.Name, k.Common.Sync, store, p)
	if err != nil {
		return err
	}
	rows, err := rows(entities, pool, store, store)
	if err != nil {
		return err
	}
	fns, err := a.functions(k.Name, k.Sync.Plugins, entities, p)
	if err != nil {
		return err
	}
	relay, err := a.relay(ctx, &k.sinkKeys, store, p)
	if err != nil {
		return err
	}
	relay.People = a.people(store, client)
	log := a.log.With("connector", k.Name)
	schema := &sinknotion.Schema{Client: client, Ledger: store, Sync: k.Common.Sync, Holder: k.Name + " " + a.holder, ParentPage: k.ParentPage,
		Entities: entities, Custom: map[string]sinknotion.CustomNames{}, Now: time.Now, Log: log, LeadFor: k.Lease}
	parts, keys := map[string]*sink.Entity{}, map[string]sink.RowKeys{}
	for _, e := range entities {
		schema.Custom[e.Name] = rows[e.Name].CustomNames
		keys[e.Name] = rows[e.Name]
		parts[e.Name] = &sink.Entity{Mapping: e, Rows: rows[e.Name], Pages: &sinknotion.Pages{Client: client, Entity: e, Schema: schema}}
	}
	topics := tableTopics(k.Prefix, entities)
	s, err := sinknotion.New(sinknotion.Config{
		Name: k.Name, Sync: k.Common.Sync, Entities: entities, Ledger: store, Schema: schema, Relay: relay,
		Worker:   a.worker(ledger.Notion, &k.sinkKeys, parts, store, fns, k.Notion.IndexLag),
		Sweep:    &sink.RowSweep{Sync: k.Common.Sync, Holder: k.Name + " " + a.holder, Entities: entities, Rows: keys, Ledger: store, Interval: k.SweepInterval, Now: time.Now},
		Comments: a.commenter(k, entities, client, store), States: a.stater(k, entities, client, store),
		Kafka: a.sinkKafka(&k.sinkKeys), Consumer: k.consumer(topics), Settle: k.Settle, Idle: k.Idle, Log: log,
	})
	if err != nil {
		return err
	}
	a.watchWork(k.Name, k.Common.Sync, ledger.Notion, store, k.Stale, p)
	a.audit(k.Name, k.Common.Sync, store, k.Retention, p)
	p.add("sink", s)
	a.verify(k, a.worker(ledger.Notion, &k.sinkKeys, parts, store, fns, k.Notion.IndexLag), entities, keys, client, store, p)
	return nil
}

// commenter tells of conflicts on their pages, if one of the mappings wants that.
func (a *app) commenter(k *notionSinkKeys, entities []*mapping.Entity, client *notionapi.Client, store *pgledger.Store) *sinknotion.Commenter {
	if !slices.ContainsFunc(entities, func(e *mapping.Entity) bool { return e.Document.Notion.Comments }) {
		return nil
	}
	return &sinknotion.Commenter{Sync: k.Common.Sync, Holder: k.Name + " " + a.holder, Pages: client, Ledger: store, Entities: entities, Now: time.Now, Log: a.log.With("connector", k.Name)}
}

// stater lets pages say what keeps them back, if one of the mappings wants that.
func (a *app) stater(k *notionSinkKeys, entities []*mapping.Entity, client *notionapi.Client, store *pgledger.Store) *sinknotion.Stater {
	if !slices.ContainsFunc(entities, func(e *mapping.Entity) bool { return e.Document.Notion.StatusProperty != "" }) {
		return nil
	}
	return &sinknotion.Stater{Sync: k.Common.Sync, Connector: k.Name, Holder: k.Name + " " + a.holder, Entities: entities, Pages: client, Ledger: store, Now: time.Now,
		Log: a.log.With("connector", k.Name)}
}

func (a *app) crmSinkClass() connector.Class {
	return class(a, "sink.PostgresSink", connector.Sink, func() *crmSinkKeys { return &crmSinkKeys{} }, a.buildCRMSink)
}

func (a *app) buildCRMSink(ctx context.Context, k *crmSinkKeys, p *parts) error {
	entities, problems := mappings(k.Sync.Mappings, k.Common.Sync)
	if err := problems.Err(); err != nil {
		return err
	}
	pool, store, err := a.openLedger(ctx, k.Database, k.Name, p)
	if err != nil {
		return err
	}
	if err := a.leastPrivilege(ctx, pool, entities, &k.Sync); err != nil {
		return err
	}
	if err := a.aging(ctx, &k.sinkKeys, entities, store, p); err != nil {
		return err
	}
	origin := ""
	if k.MarkWrites {
		origin = k.Common.Sync + "/" + k.Name
	}
	rows, err := rowsFrom(origin, entities, pool, store, store)
	if err != nil {
		return err
	}
	fns, err := a.functions(k.Name, k.Sync.Plugins, entities, p)
	if err != nil {
		return err
	}
	relay, err := a.relay(ctx, &k.sinkKeys, store, p)
	if err != nil {
		return err
	}
	relay.People = a.people(store, nil)
	parts := map[string]*sink.Entity{}
	var topics []string
	for _, e := range entities {
		parts[e.Name] = &sink.Entity{Mapping: e, Rows: rows[e.Name]}
		topics = append(topics, k.Prefix+"."+e.Name)
	}
	s, err := crm.New(crm.Config{
		Name: k.Name, Entities: entities, Ledger: store, Relay: relay, Idle: k.Idle, Log: a.log.With("connector", k.Name),
		Worker: a.worker(ledger.CRM, &k.sinkKeys, parts, store, fns, 0), Kafka: a.sinkKafka(&k.sinkKeys), Consumer: k.consumer(topics),
		Gap: func(ctx context.Context, why string) error { return a.requestPageSweep(ctx, store, entities, why) },
	})
	if err != nil {
		return err
	}
	a.watchWork(k.Name, k.Common.Sync, ledger.CRM, store, k.Stale, p)
	a.audit(k.Name, k.Common.Sync, store, k.Retention, p)
	p.add("sink", s)
	return nil
}

// requestPageSweep asks the poller, wherever it runs, for a sweep of all pages.
func (a *app) requestPageSweep(ctx context.Context, store *pgledger.Store, entities []*mapping.Entity, why string) error {
	for _, e := range entities {
		if err := source.RequestSweep(ctx, store, e.Sync, e.Name, a.holder, time.Now(), why); err != nil {
			return err
		}
	}
	return nil
}
