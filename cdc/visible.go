package cdc

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// A commit reaches the slot before other sessions see it. What is asked of the catalog or of a table about an open transaction of the stream is asked when it is seen:
// before, a type that it made is unknown, a key is the old one, and a row is not there yet.

// visiblePatience is how long that may take. A commit that waits for a synchronous standby takes longer, and may wait for us.
const visiblePatience = 2 * time.Second

// ask has do ask on the control connection, which sees the transaction that is being read.
func (r *reader) ask(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(r.life, controlTimeout)
	defer cancel()
	if err := r.awaitVisible(ctx); err != nil {
		return err
	}
	return do(ctx)
}

// awaitVisible returns when the control connection sees the transaction that is being read, or patience has ended.
func (r *reader) awaitVisible(ctx context.Context) error {
	tx := r.decoder.Transaction()
	if !tx.Open || tx.Commit == r.seen || r.facts.standby { // a standby decodes what it has replayed
		return nil
	}
	deadline := time.Now().Add(visiblePatience)
	for pause := time.Millisecond; time.Now().Before(deadline); pause = min(2*pause, 50*time.Millisecond) {
		var now string
		if err := r.control.QueryRow(ctx, "SELECT pg_current_snapshot()::text").Scan(&now); err != nil {
			return postgres.Explain(fmt.Errorf("ask which transactions have ended: %w", err))
		}
		v, err := parseVisibility(now, change.LSN(math.MaxInt64))
		if err != nil {
			return err
		}
		if v.contains(tx.ID, tx.Commit) {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
	r.seen = tx.Commit
	return nil
}
