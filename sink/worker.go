package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Ledger is what a worker asks of the ledger.
type Ledger interface {
	Links
	Take(ctx context.Context, claim ledger.Claim) ([]ledger.Item, error)
	Commit(ctx context.Context, c ledger.Commit) error
	Schema(ctx context.Context, sync, entity string) (ledger.Schema, bool, error)
	Touched(ctx context.Context, sync, entity string, beside int64, since time.Time, most int, meters []ledger.Meter) ([]int, error)
	Census(ctx context.Context, sync, entity string) (links int, began time.Time, err error)
	Transaction(ctx context.Context, sync, entity string, xids []uint32) (ledger.Transaction, error)
	Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error
	Awake(ctx context.Context, sync string, most int) ([]ledger.Link, error)
	Braking(ctx context.Context, sync, entity string, m ledger.Meter, now time.Time) (bool, error)
	Forget(ctx context.Context, before time.Time) error
	Holds(ctx context.Context, link int64) ([]ledger.Hold, error)
	Pending(ctx context.Context, sync string, max int) ([]ledger.Pending, error)
	Cursors
	RequestLedger
}

// Worker does the work of one side of one sync. Its fields are set before the first RunOnce and not changed after; one goroutine calls
// RunOnce at a time.
type Worker struct {
	Side       ledger.Side
	Sync       string
	Holder     string     // who holds the leases, for people: connector name and process
	Connector  string     // its name alone: pauses may be of one connector
	Run        string     // names this start of the process in the audit
	Tombstones Tombstones // of forgotten records; nil is none
	Entities   map[string]*Entity
	Ledger     Ledger
	Functions  Functions
	Now        func() time.Time
	NewID      func() string // external ids
	Log        *slog.Logger
	Observe    Observer // nil is nobody
	Permit     Permit   // nil lets everything through

	Lane        ledger.Lane   // only work of this lane; "" is any
	Max         int           // links a round, at most
	Concurrency int           // links at a time; the simulation says 1
	Round       time.Duration // a round sends nothing more after it; 0 is DefaultRound
	Lease       time.Duration // LeaseFor(Round, IndexLag)
	IndexLag    time.Duration // notion.index.lag.ms: how long a query may not show a write
	Skew        time.Duration // how far the clocks may disagree

	relooked time.Time // when records were looked at again that wait for what tells nobody
	looked   []lookedAt
	turn     int64     // the link that was looked at last of them
	healed   time.Time // when parked work was looked at last, for targets that have come
	censuses *censuses
	kept     time.Time // when upkeep looked last
	forgot   time.Time
}

// Permit says what of a decision, taken under the link's lease, may be carried out: apply does what a plan says, or less. What it gives back must not
// do more than what it was given. False leaves the link as it is, with its work.
type Permit func(link ledger.Link, in ledger.Input, d ledger.Decision) (ledger.Decision, bool)

// Defaults of a worker, with their reasons.
const (
	DefaultMax         = 64 // small enough that the snapshot is fresh when its last row's turn comes
	DefaultConcurrency = 4  // Notion answers in some 300 ms; three a second are allowed
	DefaultIndexLag    = 120 * time.Second
	DefaultSkew        = time.Second
	DefaultRound       = 3 * time.Minute // one request may take 65 s, and be tried again; then a round sends nothing more, so that no request leaves when its lease may be another's

	drain = 20 * time.Second // what is in flight when a stop comes may still take so long
)

var errRoundOver = errors.New("the round took too long; the rest is given back")

// LeaseFor is how long a lease lasts where a round may take so long and the index lags by so much: a round, and the time until a query must show what the round sent
// last. Whoever takes a link over may then look up at once whether a page was made.
func LeaseFor(round, lag time.Duration) time.Duration { return round + lag + lagMargin + drain }

// Observer is told what a worker does; metrics stand on it. It is called from the worker's goroutines and must not block.
type Observer interface {
	Reconciled(entity string, side ledger.Side, outcome string)
	Conflict(entity, field string, winner ledger.Side, undecidable bool)
	Parked(entity string, side ledger.Side)
	// Window is the length of one read→write window in which a person's edit of the same property could be lost (invariant 6).
	Window(entity string, length time.Duration)
	// Latency is the time from a commit in the CRM, or from a page's read, to its effect on the other side.
	Latency(entity string, side ledger.Side, lane ledger.Lane, length time.Duration)
}

// RunOnce takes the work that is due, up to Max links, and does it. It reports how many links it looked at. An error concerns the round
// as a whole (CRM, ledger or Notion cannot be reached); what is wrong with one record is recorded with it.
func (w *Worker) RunOnce(ctx context.Context) (int, error) { return w.run(ctx, 0) }

// RunLink looks at one link now, due or not.
func (w *Worker) RunLink(ctx context.Context, link int64) (int, error) { return w.run(ctx, link) }

// run takes work in under ctx, and finishes what it began when ctx ends.
func (w *Worker) run(ctx context.Context, link int64) (int, error) {
	intake := ctx
	ctx, done := lifecycle.WithDrain(ctx, drain)
	defer done()
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(w.Round, DefaultRound), errRoundOver)
	defer cancel()
	if w.censuses == nil {
		w.censuses = &censuses{last: map[string]census{}}
	}
	until := w.Now().Add(cmp.Or(w.Round, DefaultRound))
	entities, err := w.begun(ctx)
	if err != nil || len(entities) == 0 {
		return 0, err
	}
	items, err := w.Ledger.Take(ctx, ledger.Claim{
		Sync: w.Sync, Entities: entities, Side: w.Side, Max: w.Max, Holder: w.Holder, Lease: w.Lease, Now: w.Now(), Link: link, Lane: w.Lane,
		Connector: w.Connector,
	})
	if err != nil {
		return 0, fmt.Errorf("take work: %w", err)
	}
	if len(items) == 0 && link == 0 {
		if err := w.heal(ctx); err != nil || w.Side != ledger.Notion {
			return 0, err
		}
		return 0, w.upkeep(ctx)
	}
	var errs []error
	for _, group := range w.groups(items) {
		// What one entity meets (its table, its database) does not stop the others.
		err := w.runGroup(ctx, intake, group, until)
		if errors.Is(context.Cause(ctx), errRoundOver) || intake.Err() != nil {
			return len(items), w.giveBack(ctx, items)
		}
		if err != nil {
			errs = append(errs, err, w.giveBack(ctx, group))
		}
	}
	return len(items), errors.Join(errs...)
}

// begun are the entities whose work can be done. One that is only observed, and whose database is not there, waits by itself: nobody makes it.
func (w *Worker) begun(ctx context.Context) ([]string, error) {
	var names []string
	for _, name := range change.Sorted(w.Entities) {
		if !w.Entities[name].Mapping.WriteNotion {
			if _, ok, err := w.Ledger.Schema(ctx, w.Sync, name); err != nil {
				return nil, fmt.Errorf("read what is known of Notion's schema: %w", err)
			} else if !ok {
				continue
			}
		}
		names = append(names, name)
	}
	return names, nil
}

// groups puts items of one entity together, parents before children: a child finds its parent's page made.
func (w *Worker) groups(items []ledger.Item) [][]ledger.Item {
	byEntity := map[string][]ledger.Item{}
	for _, item := range items {
		byEntity[item.Link.Entity] = append(byEntity[item.Link.Entity], item)
	}
	names := change.Sorted(byEntity)
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(w.Entities[a].Mapping.Rank, w.Entities[b].Mapping.Rank)
	})
	groups := make([][]ledger.Item, len(names))
	for i, name := range names {
		groups[i] = byEntity[name]
	}
	return groups
}

func (w *Worker) runGroup(ctx, intake context.Context, items []ledger.Item, until time.Time) error {
	entity := w.Entities[items[0].Link.Entity]
	schema, ok, err := w.Ledger.Schema(ctx, w.Sync, entity.Mapping.Name)
	if err != nil {
		return fmt.Errorf("read what is known of Notion's schema: %w", err)
	}
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoSchema, entity.Mapping.Name)
	}
	var keys []string
	for _, item := range items {
		if item.Link.Key != "" {
			keys = append(keys, item.Link.Key)
		}
	}
	snapshot := Snapshot{At: w.Now(), Visible: func(uint32) bool { return true }}
	if len(keys) > 0 || w.Side == ledger.CRM { // a new row has no key yet, and the tables may leave out fields of it
		if snapshot, err = entity.Rows.Read(ctx, keys); err != nil {
			return fmt.Errorf("read rows of %s: %w", entity.Mapping.Name, err)
		}
	}
	if schema, err = w.extend(ctx, entity, schema, snapshot); err != nil {
		return err
	}
	turn := func(ctx context.Context, i int) error {
		if intake.Err() != nil {
			return context.Cause(intake)
		}
		r := &reconciliation{w: w, entity: entity, schema: schema, item: items[i], snapshot: snapshot, until: until, group: items[i+1:]}
		return r.run(ctx) // what has begun is finished: a request that is cut off has an unknown outcome
	}
	if w.Concurrency <= 1 {
		for i := range items {
			if err := turn(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(w.Concurrency)
	for i := range items {
		group.Go(func() error {
			select {
			case <-gctx.Done():
				return nil // the round is over for all; its error is another link's
			default:
			}
			return turn(ctx, i)
		})
	}
	return group.Wait()
}

// ErrNoSchema is returned while sink/notion has not yet made sure of an entity's database.
var ErrNoSchema error = noSchema{}

type noSchema struct{}

// Error says who makes it known.
func (noSchema) Error() string {
	return "the database in Notion is not known yet: the sink.NotionSink of this sync has to run once"
}

// Waiting reports that nothing is wrong: others come first.
func (noSchema) Waiting() bool { return true }

// extend lets custom fields that appear in a row for the first time have a property.
func (w *Worker) extend(ctx context.Context, entity *Entity, schema ledger.Schema, snapshot Snapshot) (ledger.Schema, error) {
	if entity.Pages == nil {
		return schema, nil
	}
	t := translation{entity: entity, schema: schema}
	missing := map[string]change.Value{}
	for _, key := range change.Sorted(snapshot.Rows) {
		if !hasCustom(snapshot.Rows[key].Image) {
			continue
		}
		for _, f := range t.entity.fields(schema, snapshot.Rows[key].Image) {
			if f.Custom && schema.Properties[f.Name] == "" {
				if v := snapshot.Rows[key].Image.Get(f.Name); !v.IsNull() && !v.IsAbsent() {
					missing[f.Name] = v
				}
			}
		}
	}
	if len(missing) == 0 {
		return schema, nil
	}
	extended, err := entity.Pages.Extend(ctx, schema, entity.Mapping.CustomFields(missing))
	if err != nil {
		return schema, fmt.Errorf("add properties for custom fields of %s: %w", entity.Mapping.Name, err)
	}
	return extended, nil
}

func hasCustom(row change.Image) bool {
	for name := range row {
		if mapping.IsCustom(name) {
			return true
		}
	}
	return false
}

// giveBack lets go of what a failed round had leased, so that the next need not wait for the leases to end.
func (w *Worker) giveBack(ctx context.Context, items []ledger.Item) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var errs []error
	for _, item := range items {
		err := w.Ledger.Commit(ctx, ledger.Commit{Link: item.Link.ID, Epoch: item.Link.Epoch, Now: w.Now(), Release: true})
		if err != nil && !errors.Is(err, ledger.ErrFenced) {
			errs = append(errs, err)
			break // the ledger is out of reach: the leases end by themselves
		}
	}
	return errors.Join(errs...)
}
