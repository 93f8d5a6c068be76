package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/telemetry"
	"github.com/tandem-sync/tandem/sink"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
)

// verifyEvery is how often it is looked whether a comparison is due, or was asked for.
const verifyEvery = time.Second

// verifySettle is how long after a start the first comparison waits that nobody asked for: what a first sync is at is not explained yet.
const verifySettle = 10 * time.Minute

// verify adds the proof of equality to sink.NotionSink, and shows it: as gauges, and to those who ask for the process's health.
func (a *app) verify(k *notionSinkKeys, w *sink.Worker, entities []*mapping.Entity, keys map[string]sink.RowKeys, client *notionapi.Client, store *pgledger.Store, p *parts) {
	a.watchProof(k.Name, k.Common.Sync, store, p)
	if k.VerifyInterval <= 0 {
		return
	}
	v := &sink.Verify{
		Worker: w, Ledger: store, Rows: keys, Interval: k.VerifyInterval, Settle: verifySettle, Log: a.log.With("connector", k.Name),
		Pace: time.Minute * 100 / time.Duration(max(1, k.Notion.Rate*k.VerifyShare)),
		Walk: func(ctx context.Context, _ string, schema ledger.Schema) iter.Seq2[sink.Walked, error] {
			return sinknotion.Walk(ctx, client, schema)
		},
	}
	for _, e := range entities {
		v.Entities = append(v.Entities, e.Name)
	}
	p.add("verify", sink.NewLoop(k.Name+" verify", nil, v.RunOnce, verifyEvery, a.log.With("connector", k.Name)))
}

func (a *app) watchProof(name, sync string, store *pgledger.Store, p *parts) {
	const of = "proof of "
	a.metrics.WatchProof(of+name, func(ctx context.Context) ([]telemetry.Proof, error) {
		proofs, _, err := store.Proofs(ctx, sync)
		var out []telemetry.Proof
		for _, f := range proofs {
			out = append(out, telemetry.Proof{Sync: sync, Entity: f.Entity, Equal: f.Equal, Waiting: f.Waiting, Held: f.Held, Differs: f.Differs, Age: time.Since(f.Finished)})
		}
		return out, err
	})
	a.health.Check(of+name, func(ctx context.Context) error {
		proofs, found, err := store.Proofs(ctx, sync)
		if len(found) > 0 {
			return fmt.Errorf("%s %s differs though nothing explains it, found at %s: tandem verify shows what", found[0].Entity, found[0].Key, found[0].FoundAt.Format(time.RFC3339))
		}
		for _, f := range proofs {
			if f.Differs > 0 {
				return fmt.Errorf("%d records of %s differed at %s though nothing explains it: tandem verify shows them", f.Differs, f.Entity, f.Finished.Format(time.RFC3339))
			}
		}
		return err
	})
	p.onClose(func() { a.metrics.Unwatch(of + name); a.health.Forget(of + name) })
}
