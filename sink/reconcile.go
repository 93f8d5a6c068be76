package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Delays of work that has to wait, with their reasons.
const (
	visibleDelay = 50 * time.Millisecond // a commit reaches the slot before other sessions see it; it is a matter of milliseconds
	waitDelay    = 2 * time.Second       // for a relation's target; doubled with each look
	waitDelayMax = 5 * time.Minute
	waitsMax     = 10          // looks for a relation's target, some 20 minutes; then the work is parked
	failDelay    = time.Second // after a failure that may pass; doubled with each
	failDelayMax = 10 * time.Minute
	createWaits  = 4 // looks for which a new page waits for its relations, before it is made without them
	lagMargin    = 5 * time.Second
)

// reconciliation is one link's turn: under its lease, from the work to the effects.
type reconciliation struct {
	w        *Worker
	entity   *Entity
	schema   ledger.Schema
	item     ledger.Item
	snapshot Snapshot
	until    time.Time // nothing is sent after it: the round's end on the wall clock, which goes on while a machine sleeps; a context's does not

	t     *translation
	row   Row
	work  ledger.Work
	in    ledger.Input
	fresh *ledger.Observation // the page as read in this turn, not stored yet

	group  []ledger.Item // behind this one in the round: a brake's alert takes its sample from them
	braked int           // how often a brake was full when a write was to be recorded

	rest      map[string]change.Value // of relations that are larger than a write: the links that later turns bring
	far       []relating              // and those that this turn writes from the far side
	unrelated []unrelated             // of those, which could not be written

	creating *ledger.Intent // stored in this turn: a page is being made
	sentAt   time.Time      // when the CRM showed what a page was made of that was looked up; zero in all other turns
	gaveUp   bool           // a create of this turn's link was looked up and not found
	doubtful bool           // the page that was looked up may be an earlier create's: what it shows otherwise is no edit of what was sent now
}

func (r *reconciliation) link() *ledger.Link { return &r.item.Link }

// run takes the turn. It returns an error only if the whole round must stop; what is wrong with this record is recorded.
func (r *reconciliation) run(ctx context.Context) error {
	err := r.reconcile(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrPaused):
		return r.step(ctx, ledger.Commit{Finish: r.later(r.w.Now().Add(visibleDelay), false), Release: true}) // it waits: nothing paused is taken
	case errors.Is(err, ledger.ErrFenced):
		return nil // somebody else has the link now, and will look
	case errors.Is(err, errRound):
		return err
	}
	return r.failed(ctx, err)
}

// errRound marks an error that concerns every record.
var errRound = errors.New("this concerns every record")

func (r *reconciliation) reconcile(ctx context.Context) error {
	r.work, _ = r.item.Work(r.w.Side)
	if r.work.Lane == ledger.LaneBackfill {
		ctx = notionapi.WithLane(ctx, notionapi.Backfill)
	}
	r.row = r.snapshot.Rows[r.link().Key]
	if slices.ContainsFunc(r.work.Xids(), func(xid uint32) bool { return !r.snapshot.Visible(xid) }) {
		return r.commit(ctx, ledger.Commit{Finish: r.later(r.w.Now().Add(visibleDelay), false)})
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if done, err := r.openIntent(ctx); done || err != nil {
		return err
	}
	if done, err := r.viewPage(ctx); done || err != nil {
		return err
	}
	if done, err := r.othersCreate(ctx); done || err != nil {
		return err
	}
	return r.act(ctx, r.decide())
}

// begin makes ready what the turn decides on, and gives it the row's view; Explain begins likewise.
func (r *reconciliation) begin(ctx context.Context) error {
	fields, rules := r.terms()
	r.t = &translation{entity: r.entity, schema: r.schema, fields: fields, functions: r.w.Functions, links: r.w.Ledger,
		base: r.link().Base, verify: r.w.Side == ledger.CRM}
	r.in = ledger.Input{Rules: rules, Link: *r.link(), Holds: r.item.Holds, Now: r.w.Now()}
	return r.viewRow(ctx)
}

func (r *reconciliation) viewRow(ctx context.Context) error {
	if r.link().Key == "" {
		return nil
	}
	view, err := r.t.fromRow(ctx, r.row)
	if err != nil {
		return err
	}
	r.t.crm, r.t.raw = view.Image, r.row.Image
	view.At, view.Until = r.snapshot.At, r.snapshot.At
	for _, w := range r.item.Works {
		view.Deleted = view.Deleted || w.Deleted && !r.row.Exists
		// The newest reason's commit bounds the edit only if the row is still as that transaction left it.
		if w.Xid != 0 && w.Xid == r.row.Xmin && !w.CommitAt.IsZero() {
			view.Until = earliest(view.Until, w.CommitAt)
		}
	}
	r.in.CRM = view
	return nil
}

// viewPage gives the decision a Notion image that counts (invariant 3), if it needs one: sink/notion reads the page, sink/crm takes
// the stored observation or asks for a read.
func (r *reconciliation) viewPage(ctx context.Context) (done bool, err error) {
	if r.link().Page == "" {
		return false, nil
	}
	if r.w.Side == ledger.CRM {
		return r.viewSeen(ctx)
	}
	owed := r.work.Why == "reread" || r.work.Why == "sync"
	if d := ledger.Decide(r.in); len(d.Need) == 0 && !owed {
		return false, nil
	}
	if !owed {
		if done, err := r.presume(ctx); done || err != nil {
			return done, err
		}
	}
	seen, err := r.entity.Pages.Read(ctx, r.schema, r.link().Page)
	if err != nil {
		return false, fmt.Errorf("read the page: %w", err)
	}
	seen.Via = "read"
	if r.link().Seen != nil {
		seen.Hints = r.link().Seen.Hints // what webhooks said of the edits that are still open
		seen.Follow(r.link().Seen)
	}
	r.fresh = &seen
	return false, r.viewObservation(ctx, seen)
}

func (r *reconciliation) viewSeen(ctx context.Context) (done bool, err error) {
	seen := r.link().Seen
	if seen == nil {
		// What this work was for has been seen to.
		return true, r.commit(ctx, ledger.Commit{Finish: r.done()})
	}
	if seen.Seq != r.link().Seq {
		return true, r.commit(ctx, ledger.Commit{Finish: r.done(), Unsee: true, Reasons: []ledger.Reason{r.reason(ledger.Notion, "reread")}})
	}
	return false, r.viewObservation(ctx, *seen)
}

func (r *reconciliation) viewObservation(ctx context.Context, seen ledger.Observation) error {
	view, err := r.t.fromPage(ctx, seen)
	if err != nil {
		return err
	}
	r.in.Notion = view
	if l := r.link(); l.Key != "" || view.External == "" || view.External == l.External {
		return nil
	}
	// The id of no link: not a copy, but a page of a ledger that was lost or of another deployment. It is as good as none.
	found, err := r.w.Ledger.ByExternal(ctx, r.w.Sync, []string{view.External})
	if err != nil {
		return fmt.Errorf("look up whose id the page carries: %w", err)
	}
	if _, known := found[view.External]; !known {
		r.in.Notion.External = ""
	}
	return nil
}

// act carries a decision out, on this side; the other side's part becomes its work.
func (r *reconciliation) act(ctx context.Context, d ledger.Decision) error {
	if len(d.Need) > 0 {
		return r.commit(ctx, ledger.Commit{Finish: r.done(), Reasons: []ledger.Reason{r.reason(ledger.Notion, "reread")}})
	}
	d, toll, err := r.gate(ctx, d)
	if err != nil {
		return err
	}
	if permitted, err := r.permit(ctx, &d); !permitted || err != nil {
		return err
	}
	if done, err := r.unmatched(ctx, d); done || err != nil {
		return err
	}
	if done, err := r.barred(ctx, d); done || err != nil {
		return err
	}
	switch {
	case d.LetGo:
		return r.letGo(ctx)
	case d.Remove:
		return r.commit(ctx, ledger.Commit{Remove: true, Finish: r.done()}) // a newer reason, as a new key, keeps it
	case !d.Later.IsZero() && len(d.Holds) > 0:
		return r.grace(ctx, d)
	case !d.Later.IsZero():
		return r.commit(ctx, ledger.Commit{Finish: r.later(d.Later, false)})
	case len(d.Holds) > 0 && d.Page == "" && d.Row == "":
		return r.hold(ctx, d)
	case r.w.Side == ledger.Notion && d.Page != "":
		return r.writePage(ctx, d, toll)
	case r.w.Side == ledger.CRM && d.Row != "":
		return r.writeRow(ctx, d, toll)
	}
	return r.settle(ctx, d)
}

// letGo takes the link's page away from it, as a person said; the next turn makes the row another one. The page keeps the id that it carries, and so the link
// gets a new one: the old page is nobody's answer.
func (r *reconciliation) letGo(ctx context.Context) error {
	if r.w.Side == ledger.CRM {
		return r.commit(ctx, ledger.Commit{Finish: r.done(), Reasons: []ledger.Reason{r.reason(ledger.Notion, "reread")}})
	}
	none, half, emitted := "", ledger.Half, ""
	c := ledger.Commit{Page: &none, State: &half, Unbase: change.Sorted(r.link().Base), External: ledger.ExternalFor(r.w.NewID(), r.link().Sync, r.link().Entity, r.link().Key), Intended: true, Unsee: true, Emitted: &emitted,
		Unhold: []string{"*"}, Finish: r.done(), Reasons: []ledger.Reason{r.reason(ledger.Notion, "decided")}}
	r.observe("let go", ledger.Decision{})
	return r.commit(ctx, c)
}

// settle ends a turn that writes nothing on this side.
func (r *reconciliation) settle(ctx context.Context, d ledger.Decision) error {
	c := ledger.Commit{Base: d.Agreed(r.in), Finish: r.finish(d)}
	if d.State != "" && d.State != r.link().State && !r.others(d) {
		c.State = &d.State
	}
	r.sees(&c, d)
	// A turn that did not look at the page of a link that is not live says nothing of what its hold is about.
	if r.link().Page != "" && (r.in.Notion.Read || r.link().State == ledger.Live) {
		c.Unhold = r.unhold(d)
	}
	c.Reasons = append(c.Reasons, r.otherSide(d)...)
	c.Reasons = append(c.Reasons, r.rereads()...)
	if r.link().Intent != nil && r.fresh != nil {
		c.Intended = true // the read shows what became of it
	}
	r.untilTyped(&c, d)
	r.free(&c)
	if err := r.shadow(ctx); err != nil {
		return err
	}
	r.observe("settled", d)
	if err := r.holds(ctx, &c, d); err != nil {
		return err
	}
	return r.commit(ctx, c)
}

// others reports that what the decision wants done is the other sink's to do: it sets the state once it has done it. A link that is called trashed
// before its page is, or a row deleted that is still there, looks like one that somebody brought back.
func (r *reconciliation) others(d ledger.Decision) bool {
	return r.w.Side == ledger.CRM && d.Page != "" || r.w.Side == ledger.Notion && d.Row != ""
}

// sees stores what was read of the page in this turn, and lets go of what is settled.
func (r *reconciliation) sees(c *ledger.Commit, d ledger.Decision) {
	if r.fresh != nil {
		seen := *r.fresh
		c.Seen, c.Emitted = &seen, &seen.Hash
		c.Unsee = !r.waitsForCRM(d) // then only its time and Seq count
		return
	}
	// What is stored is sink/crm's to see to: a turn of sink/notion that read nothing says nothing of it.
	if r.w.Side == ledger.CRM && r.link().Seen != nil && !r.waitsForCRM(d) && d.Page == "" {
		c.Unsee = true
	}
}

// waitsForCRM reports that what the page shows is not settled with the row: sink/crm will need the observation.
func (r *reconciliation) waitsForCRM(d ledger.Decision) bool {
	return d.Row != "" || r.unsettled(d.Holds) || len(d.Parked) > 0 || len(d.Waits) > 0 || len(d.Typing) > 0 || len(d.Observed) > 0
}

// unsettled reports that one of these holds is about what the page shows: when it ends, that has to be known still.
func (r *reconciliation) unsettled(holds []ledger.Hold) bool {
	return slices.ContainsFunc(holds, func(h ledger.Hold) bool { return !h.Settled(r.in) })
}

// untilTyped has the page read again once the values that may be typed still must have come to rest.
func (r *reconciliation) untilTyped(c *ledger.Commit, d ledger.Decision) {
	var at time.Time
	for _, t := range d.Typing {
		at = latest(at, t)
	}
	switch {
	case at.IsZero():
	case r.w.Side == ledger.CRM:
		reread := r.reason(ledger.Notion, "reread")
		reread.NotBefore = at
		c.Reasons = append(c.Reasons, reread)
	case c.Finish == nil || c.Finish.Later.IsZero() || at.Before(c.Finish.Later):
		c.Finish = r.later(at, false)
	}
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// otherSide is the work that a decision leaves for the other sink.
func (r *reconciliation) otherSide(d ledger.Decision) []ledger.Reason {
	switch {
	case r.w.Side == ledger.CRM && d.Page != "":
		return []ledger.Reason{r.reason(ledger.Notion, "decided")}
	case r.w.Side == ledger.Notion && (d.Row != "" || len(r.in.Notion.Waits) > 0):
		return []ledger.Reason{r.reason(ledger.CRM, "decided")}
	}
	return nil
}

// rereads is work for relation targets of which it must be known whether they are in the trash.
func (r *reconciliation) rereads() []ledger.Reason {
	var reasons []ledger.Reason
	for _, target := range r.t.reread {
		reasons = append(reasons, ledger.Reason{Sync: target.Sync, Entity: target.Entity, Side: ledger.Notion, Link: target.ID, Lane: r.work.Lane, Why: "reread"})
	}
	return reasons
}

func (r *reconciliation) reason(side ledger.Side, why string) ledger.Reason {
	l := r.link()
	return ledger.Reason{Sync: l.Sync, Entity: l.Entity, Side: side, Link: l.ID, Lane: r.work.Lane, Rank: r.entity.Mapping.Rank, Why: why}
}

// finish says what becomes of the work after a decision: done, waiting for a relation, or parked with a field's reason.
func (r *reconciliation) finish(d ledger.Decision) *ledger.Finish {
	f := r.done()
	for _, name := range change.Sorted(d.Parked) {
		if f.Parked != "" {
			f.Parked += "; "
		}
		if name != "" {
			f.Parked += name + ": "
		}
		f.Parked += d.Parked[name]
	}
	waits := r.ownWaits(d)
	if f.Parked != "" || len(waits) == 0 {
		return f
	}
	for _, name := range change.Sorted(waits) {
		// Nobody knows when: what it waits for wakes it, a sweep, or the next change.
		if r.work.Attempts >= waitsMax || waitsForPerson(waits[name]) {
			f.Parked = name + ": " + waits[name]
			return f
		}
	}
	f.Later, f.Failed = r.w.Now().Add(pauseAfter(waitDelay, waitDelayMax, r.work.Attempts)), true
	for _, name := range change.Sorted(waits) {
		f.Trouble = name + ": " + waits[name] // the last one, as good as any
	}
	return f
}

// ownWaits leaves out what only the other side's view waits for: that sink waits for it, and sink/crm need not read the page again and again.
func (r *reconciliation) ownWaits(d ledger.Decision) map[string]string {
	own, other := r.in.CRM.Waits, r.in.Notion.Waits
	if r.w.Side == ledger.CRM {
		own, other = other, own
	}
	waits := map[string]string{}
	for name, why := range d.Waits {
		if other[name] == "" || own[name] != "" {
			waits[name] = why
		}
	}
	return waits
}

func (r *reconciliation) done() *ledger.Finish {
	return &ledger.Finish{Side: r.w.Side, Version: r.work.Version}
}

func (r *reconciliation) later(at time.Time, failed bool) *ledger.Finish {
	return &ledger.Finish{Side: r.w.Side, Version: r.work.Version, Later: at, Failed: failed}
}

func pauseAfter(first, most time.Duration, attempts int) time.Duration {
	return min(most, first<<min(attempts, 16))
}

// commit ends the turn, or a step of it if the commit does not release.
func (r *reconciliation) commit(ctx context.Context, c ledger.Commit) error {
	c.Release = true
	r.tellAgain(&c)
	r.tellParked(&c)
	if err := r.wake(ctx, &c); err != nil {
		return err
	}
	return r.step(ctx, c)
}

// tellAgain lets the poller's next sweep tell of the page once more: whether a relation's target was taken away can be told only when it is out of the trash,
// and then nobody edits this page.
func (r *reconciliation) tellAgain(c *ledger.Commit) {
	if r.t != nil && r.t.masked {
		c.Emitted = new("")
	}
}

func (r *reconciliation) step(ctx context.Context, c ledger.Commit) error {
	c.Link, c.Epoch, c.Now, c.Connector = r.link().ID, r.link().Epoch, r.w.Now(), r.w.Connector
	r.audited(&c)
	if err := r.w.Ledger.Commit(ctx, c); err != nil {
		return fmt.Errorf("commit to the ledger: %w", err)
	}
	return nil
}
