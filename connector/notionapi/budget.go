package notionapi

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Lane says how urgent a request is. A live edit must not wait behind a first sync.
type Lane uint8

// The lanes, most urgent first.
const (
	Live     Lane = iota // somebody waits for it; the lane of a context that names none
	Backfill             // first syncs, sweeps, repairs
)

// String gives the lane's name.
func (l Lane) String() string {
	if l == Backfill {
		return "backfill"
	}
	return "live"
}

type laneKey struct{}

// WithLane makes requests under ctx pay from lane.
func WithLane(ctx context.Context, lane Lane) context.Context {
	return context.WithValue(ctx, laneKey{}, lane)
}

// LaneOf gives the lane of ctx, Live if none was set.
func LaneOf(ctx context.Context) Lane {
	lane, _ := ctx.Value(laneKey{}).(Lane)
	return lane
}

// Budget hands out the requests that a token may send. It is asked once per attempt, retries included. The ledger's implementation
// shares one token between processes; [LocalBudget] serves one process. Implementations may be called from any goroutine.
type Budget interface {
	// Take waits until one request may be sent in lane, or returns the context's error and takes nothing.
	Take(ctx context.Context, lane Lane) error
	// Pause holds all takers until the time given: Notion answered "later". An earlier time than a pause in force changes nothing.
	Pause(ctx context.Context, until time.Time) error
}

// Rates that Notion grants a token: https://developers.notion.com/reference/request-limits
const (
	RatePerMinuteDefault = 180 // 600 on Business and Enterprise
	budgetBurstDefault   = 3   // a live edit's read, write and read-back need not wait for each other
	budgetWaitMax        = time.Second
	budgetStrayed        = time.Second // arrivals may be that much nearer to each other than departures, and Notion counts arrivals
)

// LocalBudgetConfig says how much a [LocalBudget] may spend. Zero values mean the defaults.
type LocalBudgetConfig struct {
	RatePerMinute int // requests in any 60 seconds; 180
	Burst         int // of them at once; 3
	Now           func() time.Time
	Sleep         func(context.Context, time.Duration) error
}

// LocalBudget spends a rate evenly, in one process: a burst would make the next live edit wait up to a minute. Live goes before
// backfill, always; within a lane, first come, first served.
type LocalBudget struct {
	interval time.Duration // between two requests
	slack    time.Duration // how far the schedule may run behind the clock: the burst
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error

	mu      sync.Mutex
	next    time.Time   // when the next request is due
	paused  time.Time   // nobody before this
	ticket  uint64      // the newest ticket
	waiting [2][]uint64 // tickets by lane, oldest first
}

// NewLocalBudget makes a budget; burst and steady rate together stay within the rate in any 60 seconds.
func NewLocalBudget(cfg LocalBudgetConfig) *LocalBudget {
	rate := max(cmp.Or(cfg.RatePerMinute, RatePerMinuteDefault), 2)
	burst := min(max(cmp.Or(cfg.Burst, budgetBurstDefault), 1), rate-1)
	b := &LocalBudget{
		interval: (time.Minute + budgetStrayed) / time.Duration(rate-burst),
		now:      cfg.Now,
		sleep:    cfg.Sleep,
	}
	b.slack = time.Duration(burst-1) * b.interval
	if b.now == nil {
		b.now = time.Now
	}
	if b.sleep == nil {
		b.sleep = sleep
	}
	return b
}

// Take implements [Budget].
func (b *LocalBudget) Take(ctx context.Context, lane Lane) error {
	if lane != Live {
		lane = Backfill
	}
	ticket := b.enter(lane)
	for {
		if err := ctx.Err(); err != nil {
			b.leave(lane, ticket)
			return context.Cause(ctx)
		}
		wait, taken := b.try(lane, ticket)
		if taken {
			return nil
		}
		if err := b.sleep(ctx, wait); err != nil {
			b.leave(lane, ticket)
			return err
		}
	}
}

// Pause implements [Budget].
func (b *LocalBudget) Pause(_ context.Context, until time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.paused) {
		b.paused = until
	}
	return nil
}

func (b *LocalBudget) enter(lane Lane) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ticket++
	b.waiting[lane] = append(b.waiting[lane], b.ticket)
	return b.ticket
}

func (b *LocalBudget) leave(lane Lane, ticket uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(lane, ticket)
}

// remove needs mu.
func (b *LocalBudget) remove(lane Lane, ticket uint64) {
	if i := slices.Index(b.waiting[lane], ticket); i >= 0 {
		b.waiting[lane] = slices.Delete(b.waiting[lane], i, i+1)
	}
}

// try takes the slot that is due when it is this ticket's turn, else says when to ask again.
func (b *LocalBudget) try(lane Lane, ticket uint64) (wait time.Duration, taken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	due := b.next
	if b.paused.After(due) {
		due = b.paused
	}
	ahead := slices.Index(b.waiting[lane], ticket)
	if lane == Backfill {
		ahead += len(b.waiting[Live])
	}
	if ahead == 0 && !now.Before(due) {
		if oldest := now.Add(-b.slack); b.next.Before(oldest) {
			b.next = oldest
		}
		b.next = b.next.Add(b.interval)
		b.remove(lane, ticket)
		return 0, true
	}
	// Those ahead may give up: look again within a second.
	wait = max(due.Sub(now), 0) + time.Duration(ahead)*b.interval
	if ahead > 0 {
		wait = min(wait, max(budgetWaitMax, due.Sub(now)))
	}
	return max(wait, time.Millisecond), false
}
