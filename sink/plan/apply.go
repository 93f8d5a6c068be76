package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

// Applier does what a plan says, or less. Every item is decided again by the shipped code, under the link's lease and on what both sides show then; what
// is not as planned is taken out of the decision. Brakes, pauses and guards hold as ever: a plan is no approval.
type Applier struct {
	Reader      *Reader      // its worker writes to Notion
	CRM         *sink.Worker // writes to the CRM
	Linker      *Linker
	Now         func() time.Time
	Concurrency int // items at a time
}

// Outcome is what became of an item.
type Outcome string

// The outcomes.
const (
	Applied Outcome = "done"
	Already Outcome = "already so" // nothing is left to do: it was done before, or somebody else did it
	Partly  Outcome = "partly"     // some fields were not as planned
	LeftOut Outcome = "left out"
	Failed  Outcome = "failed"
)

// Result is an item with what became of it.
type Result struct {
	Item    Item
	Outcome Outcome
	Why     string
}

// Apply carries out the items of one entity, in their order, some at a time. tell is called for each, from one goroutine at a time.
func (a *Applier) Apply(ctx context.Context, e *mapping.Entity, schema ledger.Schema, items []Item, tell func(Result)) error {
	made := map[string]bool{}
	for _, item := range items {
		if item.RowOp == string(ledger.RowInsert) {
			made[item.Page] = true
		}
	}
	return a.apply(ctx, e, schema, items, made, tell)
}

func (a *Applier) apply(ctx context.Context, e *mapping.Entity, schema ledger.Schema, items []Item, made map[string]bool, tell func(Result)) error {
	var mu sync.Mutex
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, a.Concurrency))
	done := 0
	for _, item := range items {
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error {
			t := &turn{a: a, e: e, schema: schema, item: item, describe: describer{entity: e, links: a.Reader.Ledger, made: made}}
			result, err := t.run(gctx)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			a.Reader.progress(e.Name, "applied", done, len(items))
			tell(result)
			return nil
		})
	}
	return group.Wait()
}

// turn is one item's.
type turn struct {
	a        *Applier
	e        *mapping.Entity
	schema   ledger.Schema
	item     Item
	describe describer

	mu      sync.Mutex
	asked   bool // a decision was there to be permitted
	nothing bool // it did nothing
	let     bool // something of it was let through
	braked  string
	dropped []string
	wrote   bool
	gone    bool
	joined  bool // by this turn
	err     error
}

func (t *turn) result(o Outcome, why string) Result {
	return Result{Item: t.item, Outcome: o, Why: why}
}

func (t *turn) run(ctx context.Context) (Result, error) {
	if t.item.Do == Link {
		why, err := t.join(ctx)
		if err != nil || why != "" {
			return t.result(LeftOut, why), err
		}
	}
	link, err := t.link(ctx)
	if err != nil {
		return Result{}, err
	}
	if link == 0 {
		return t.result(LeftOut, "it is gone"), nil
	}
	// The page is read first: sink/crm decides on what is stored of it.
	took, err := t.drive(ctx, t.a.Reader.Worker, link, t.permit)
	if err != nil {
		return Result{}, err
	}
	if !took {
		return t.result(LeftOut, "a connector is at work on it at this moment"), nil
	}
	if t.item.RowOp != "" && t.let {
		if took, err = t.drive(ctx, t.a.CRM, link, t.permit); err != nil {
			return Result{}, err
		}
		if took && t.wrote && t.item.RowOp == string(ledger.RowInsert) {
			if _, err := t.drive(ctx, t.a.Reader.Worker, link, markOnly); err != nil {
				return Result{}, err
			}
		}
	}
	return t.conclude(ctx, link)
}

func (t *turn) conclude(ctx context.Context, link int64) (Result, error) {
	switch {
	case t.err != nil:
		return Result{}, t.err
	case t.gone:
		return t.result(LeftOut, "it is gone"), nil
	case t.wrote && len(t.dropped) > 0:
		return t.result(Partly, "changed meanwhile: "+join(t.dropped)), nil
	case t.wrote:
		return t.result(Applied, ""), nil
	case t.let:
		return t.result(Failed, t.a.reason(ctx, link)), nil
	case t.braked != "":
		return t.result(LeftOut, t.braked), nil
	case t.nothing && t.joined:
		return t.result(Applied, ""), nil // linked, and both say the same
	case t.nothing:
		return t.result(Already, ""), nil
	case !t.asked:
		return t.result(Already, ""), nil // the row agrees with what was last agreed on, and nothing waits
	}
	return t.result(LeftOut, "it is not as it was when the plan was made: "+join(t.dropped)), nil
}

func join(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	out := ""
	for i, n := range names {
		if i > 0 {
			out += ", "
		}
		out += n
	}
	return out
}

// reason says why a write that was let through did not come about.
func (a *Applier) reason(ctx context.Context, link int64) string {
	looks, ok := a.Reader.Ledger.(interface {
		Look(ctx context.Context, link int64) (ledger.Pending, bool, error)
	})
	if !ok {
		return ""
	}
	pending, there, err := looks.Look(ctx, link)
	if err != nil || !there {
		return "what came of it is not known"
	}
	for _, h := range pending.Holds {
		return h.Reason
	}
	for _, w := range pending.Work {
		if w.Parked != "" {
			return w.Parked
		}
	}
	if pending.Link.Intent != nil {
		return "what came of it is not known; the connectors look it up"
	}
	return "it has to wait; run apply again"
}

// link finds the item's link, or has it made; 0 if there is nothing to make it of. The read of its page is owed from then on, so that the decision rests on
// what the page shows now.
func (t *turn) link(ctx context.Context) (int64, error) {
	l := t.a.Reader.Ledger
	reason := ledger.Reason{Sync: t.e.Sync, Entity: t.e.Name, Side: ledger.Notion, Key: t.item.Key, Lane: ledger.LaneBackfill, Rank: t.e.Rank, Why: "reread", NotBefore: t.a.Now().Add(after)}
	if t.item.Key == "" {
		reason.Page = t.item.Page
	}
	if err := l.Add(ctx, t.a.Now(), []ledger.Reason{reason}); err != nil {
		return 0, err
	}
	if t.item.Key != "" {
		found, err := l.ByKey(ctx, t.e.Sync, t.e.Name, []string{t.item.Key})
		return found[t.item.Key].ID, err
	}
	found, err := l.ByPage(ctx, t.e.Sync, []string{t.item.Page})
	return found[t.item.Page].ID, err
}

// busyTries and busyPause are how patiently a link is asked for that a connector holds: a turn takes a second or two.
const (
	busyTries = 5
	busyPause = 500 * time.Millisecond
)

// drive lets a worker take the link's turn, under what is permitted of it.
func (t *turn) drive(ctx context.Context, w *sink.Worker, link int64, permit sink.Permit) (took bool, err error) {
	own := *w
	own.Permit, own.Observe = permit, watcher{t}
	ctx = notionapi.WithLane(ctx, notionapi.Backfill)
	for try := 1; ; try++ {
		n, err := own.RunLink(ctx, link)
		if err != nil || n > 0 {
			return n > 0, err
		}
		if try == busyTries {
			return false, nil
		}
		timer := time.NewTimer(busyPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// permit lets through what the plan says of this link.
func (t *turn) permit(l ledger.Link, in ledger.Input, d ledger.Decision) (ledger.Decision, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = true
	now, err := t.describe.item(context.Background(), in, d)
	if err != nil {
		t.err = err
		return d, false
	}
	if d.Remove {
		t.gone = true
		return d, true
	}
	if d.Quiet() && len(d.Parked)+len(d.Waits) == 0 || t.item.Do == Create && l.Key != "" && l.Page != "" {
		t.nothing = true
		return d, false
	}
	if !now.Done() && len(now.Why) > 0 {
		t.braked = join(now.Why)
		return d, false
	}
	var ok bool
	switch t.item.Do {
	case Create:
		d, ok = t.create(now, d)
	case Delete, Restore:
		ok = now.hash() == t.item.hash()
		if !ok {
			t.dropped = append(t.dropped, "the decision is another")
		}
	default:
		d, ok = t.update(now, in, d)
	}
	t.let = t.let || ok
	return d, ok
}

// create lets a record be made if all that was planned to be in it still is; what is new since is left to the connectors.
func (t *turn) create(now Item, d ledger.Decision) (ledger.Decision, bool) {
	if now.PageOp != t.item.PageOp || now.RowOp != t.item.RowOp {
		t.dropped = append(t.dropped, "it is "+said(now)+" now")
		return d, false
	}
	have := hashes(now)
	for _, c := range t.item.Changes {
		if have[c.Side+" "+c.Field] != c.Hash {
			t.dropped = append(t.dropped, c.Field)
		}
	}
	if len(t.dropped) > 0 {
		return d, false
	}
	d.ToNotion, d.ToCRM = t.only(ledger.Notion, d.ToNotion, now), t.only(ledger.CRM, d.ToCRM, now)
	d.Waits = nil
	return d, true
}

func said(i Item) string {
	switch i.Do {
	case Skipped, Return:
		return "nothing to do"
	case Leave:
		return "out of the mapping's scope"
	}
	return i.Do
}

// update lets through the fields that are still as they were planned.
func (t *turn) update(now Item, in ledger.Input, d ledger.Decision) (ledger.Decision, bool) {
	if now.Do != Update {
		t.dropped = append(t.dropped, "it is "+said(now)+" now")
		return d, false
	}
	have := hashes(now)
	for _, c := range t.item.Changes {
		if have[c.Side+" "+c.Field] != c.Hash && !t.wrote && !t.already(in, c) {
			t.dropped = append(t.dropped, c.Field)
		}
	}
	d.ToNotion, d.ToCRM = t.only(ledger.Notion, d.ToNotion, now), t.only(ledger.CRM, d.ToCRM, now)
	d.Mark = d.Mark && t.item.Mark
	d.Conflicts = slices.DeleteFunc(slices.Clone(d.Conflicts), func(c ledger.Conflict) bool {
		_, a := d.ToNotion[c.Field]
		_, b := d.ToCRM[c.Field]
		return !a && !b
	})
	if len(d.ToNotion) == 0 && !d.Mark {
		d.Page = ""
	}
	if len(d.ToCRM) == 0 {
		d.Row = ""
	}
	t.nothing = d.Page == "" && d.Row == "" && len(t.dropped) == 0
	return d, d.Page != "" || d.Row != ""
}

// already reports that a side holds what the plan would have it hold.
func (t *turn) already(in ledger.Input, c Change) bool {
	image := in.Notion.Image
	if c.Side == string(ledger.CRM) {
		image = in.CRM.Image
	}
	v, read := image[c.Field]
	if !read {
		return false
	}
	token, err := t.describe.token(context.Background(), c.Field, v)
	return err == nil && digest(token) == c.Then
}

func hashes(i Item) map[string]string {
	out := map[string]string{}
	for _, c := range i.Changes {
		out[c.Side+" "+c.Field] = c.Hash
	}
	return out
}

// only keeps the values that the plan has, and that are what they were.
func (t *turn) only(side ledger.Side, values change.Image, now Item) change.Image {
	planned, have := hashes(t.item), hashes(now)
	out := change.Image{}
	for name, v := range values {
		at := string(side) + " " + name
		if h := planned[at]; h != "" && h == have[at] {
			out[name] = v
		}
	}
	return out
}

// markOnly lets a new row's page get its id, and nothing else: what the CRM filled in by itself was in no plan.
func markOnly(_ ledger.Link, _ ledger.Input, d ledger.Decision) (ledger.Decision, bool) {
	if !d.Mark || d.Page != ledger.PageUpdate {
		return d, false
	}
	d.ToNotion, d.ToCRM, d.Row, d.Conflicts = nil, nil, "", nil
	return d, true
}

// join links the row and the page of the item, if they still are alike.
func (t *turn) join(ctx context.Context) (why string, err error) {
	found, err := t.a.Reader.Ledger.ByKey(ctx, t.e.Sync, t.e.Name, []string{t.item.Key})
	if err != nil || found[t.item.Key].Page == t.item.Page {
		return "", err // an apply before this one did it
	}
	side := t.a.Reader.Worker.Entities[t.e.Name]
	snapshot, err := side.Rows.Read(ctx, []string{t.item.Key})
	if err != nil {
		return "", err
	}
	seen, err := side.Pages.Read(notionapi.WithLane(ctx, notionapi.Backfill), t.schema, t.item.Page)
	if err != nil {
		return "", err
	}
	row := snapshot.Rows[t.item.Key]
	if !row.Exists || seen.Gone || seen.InTrash {
		return "it is gone", nil
	}
	rowImage, err := t.a.Reader.Worker.RowImage(ctx, t.e.Name, t.schema, row)
	if err != nil {
		return "", err
	}
	pageImage, err := t.a.Reader.Worker.PageImage(ctx, t.e.Name, t.schema, seen)
	if err != nil {
		return "", err
	}
	keys, external := t.e.Match, ""
	if t.item.Recalled {
		keys, external = likeness(t.e), seen.External
	}
	if !alike(t.e, keys, rowImage, pageImage) || t.item.Recalled && ledger.TagOf(seen.External) != ledger.ExternalTag(t.e.Sync, t.e.Name, t.item.Key) {
		return "the row and the page are not alike any more", nil
	}
	why, err = t.a.Linker.Join(ctx, t.e, t.item.Key, t.item.Page, external)
	t.joined = err == nil && why == ""
	return why, err
}

// watcher learns whether a turn wrote.
type watcher struct{ t *turn }

// Reconciled implements [sink.Observer].
func (w watcher) Reconciled(_ string, _ ledger.Side, outcome string) {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	switch outcome {
	case "written", "trashed", "restored", "marked":
		w.t.wrote = true
	}
}

// Conflict implements [sink.Observer].
func (watcher) Conflict(string, string, ledger.Side, bool) {}

// Parked implements [sink.Observer].
func (watcher) Parked(string, ledger.Side) {}

// Window implements [sink.Observer].
func (watcher) Window(string, time.Duration) {}

// Latency implements [sink.Observer].
func (watcher) Latency(string, ledger.Side, ledger.Lane, time.Duration) {}

var _ sink.Observer = watcher{}

// Check refuses a plan that is of another sync, or of mappings that have changed.
func (h Head) Check(sync string, entities []*mapping.Entity) error {
	if h.Sync != sync {
		return fmt.Errorf("the plan is of sync %q, and the files are of %q", h.Sync, sync)
	}
	var errs []error
	for _, name := range change.Sorted(h.Mappings) {
		i := slices.IndexFunc(entities, func(e *mapping.Entity) bool { return e.Name == name })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("the plan is of the entity %q, which none of the mappings describes", name))
		case entities[i].Hash != h.Mappings[name]:
			errs = append(errs, fmt.Errorf("the mapping of %s was changed after the plan was made: make a new one", name))
		}
	}
	return errors.Join(errs...)
}
