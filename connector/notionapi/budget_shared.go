package notionapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Granter is the ledger's side of a budget that several processes share.
type Granter interface {
	Grant(ctx context.Context, token string, lane ledger.Lane, want, rate int, now time.Time) (granted int, wait time.Duration, err error)
	Pause(ctx context.Context, token string, until time.Time) error
}

// SharedBudget spends from the token's row in the ledger: all processes that use the token keep to one rate. It takes short grants, so that
// a burst of requests does not cost a statement each, and a process that dies takes little with it.
type SharedBudget struct {
	Granter Granter
	Token   string // names the row; a hash of the token, never the token
	Rate    int    // requests a minute that all holders together may send
	Now     func() time.Time
	Sleep   func(context.Context, time.Duration) error

	mu    sync.Mutex
	spare map[Lane]spare
}

var _ Budget = (*SharedBudget)(nil)

// spare is what is left of a grant.
type spare struct {
	left  int
	until time.Time // a grant that is not used in time is forgotten: the moment that it was meant for is over
}

const (
	grantMax = 4                      // requests a grant; more would let one process keep the others waiting
	spareFor = 500 * time.Millisecond // see spare; the ledger's margin counts on it (book.Budget)
)

// Take implements [Budget].
func (b *SharedBudget) Take(ctx context.Context, lane Lane) error {
	for {
		wait, err := b.try(ctx, lane)
		if err != nil || wait == 0 {
			return err
		}
		if err := b.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// try takes one request; a wait of 0 says that it was given.
func (b *SharedBudget) try(ctx context.Context, lane Lane) (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	if s := b.spare[lane]; s.left > 0 && now.Before(s.until) {
		b.spare[lane] = spare{s.left - 1, s.until}
		return 0, nil
	}
	name := ledger.LaneLive
	if lane == Backfill {
		name = ledger.LaneBackfill
	}
	granted, wait, err := b.Granter.Grant(ctx, b.Token, name, b.want(), b.Rate, now)
	if err != nil {
		return 0, fmt.Errorf("ask the ledger for a request to Notion: %w", err)
	}
	if granted == 0 {
		return max(wait, time.Millisecond), nil
	}
	if b.spare == nil {
		b.spare = map[Lane]spare{}
	}
	b.spare[lane] = spare{granted - 1, now.Add(spareFor)}
	return 0, nil
}

// want is a grant's size: what the rate gives in a second at most, so that spending stays even.
func (b *SharedBudget) want() int { return min(grantMax, max(1, b.Rate/60)) }

// Pause implements [Budget].
func (b *SharedBudget) Pause(ctx context.Context, until time.Time) error {
	b.mu.Lock()
	b.spare = nil
	b.mu.Unlock()
	return b.Granter.Pause(ctx, b.Token, until)
}
