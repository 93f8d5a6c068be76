package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// requests writes every request that changes something in Notion down in the ledger. The run may be named later than the client is made.
type requests struct {
	store *pgledger.Store
	sync  string
	run   atomic.Value
}

func newRequests(store *pgledger.Store, sync, run string) *requests {
	r := &requests{store: store, sync: sync}
	r.run.Store(run)
	return r
}

var _ notionapi.Recorder = (*requests)(nil)

// Sending implements notionapi.Recorder.
func (r *requests) Sending(ctx context.Context, s notionapi.Sending) (int64, error) {
	return r.store.Sending(ctx, r.sync, pgledger.Request{At: time.Now(), Run: r.run.Load().(string), Method: s.Method, Path: s.Path, Parts: s.Parts})
}

// Answered implements notionapi.Recorder.
func (r *requests) Answered(ctx context.Context, n int64, a notionapi.Answered) error {
	outcome := "not applied"
	switch {
	case a.Applied:
		outcome = "applied"
	case a.Outcome == notionapi.OutcomeUnknown:
		outcome = "unknown"
	}
	return r.store.Answered(ctx, pgledger.Request{N: n, At: time.Now(), Outcome: outcome, Status: a.Status, RequestID: a.RequestID, Made: a.Made})
}
