package main

import (
	"context"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/sink"
)

// Chaining, with its reasons.
const (
	chainEvery  = time.Second // writes stand outside the chain for about so long
	chainMost   = 2000        // rows a step: some 50 ms
	retainEvery = time.Hour
)

// audit gives recorded writes their place in the chain, and applies the retention; 0 keeps them for ever. Every sink has one, and each makes up for the others.
func (a *app) audit(name, sync string, store *pgledger.Store, retention time.Duration, p *parts) {
	retained := time.Time{}
	step := func(ctx context.Context) (int, error) {
		n, err := store.Chain(ctx, sync, chainMost)
		if err != nil || n == chainMost || retention <= 0 || time.Since(retained) < retainEvery {
			return n / chainMost, err // a full step is followed at once by the next
		}
		retained = time.Now()
		gone, err := store.Retain(ctx, sync, retained.Add(-retention), retained)
		if gone > 0 {
			a.log.Info("audit cut by its retention", "connector", name, "writes", gone)
		}
		return 0, err
	}
	p.add("audit", sink.NewLoop(name+" audit", nil, step, chainEvery, a.log.With("connector", name)))
}
