package sink

import (
	"context"
	"errors"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

func (r *reconciliation) trashPage(ctx context.Context, d ledger.Decision, toll toll) error {
	before := ledger.Commit{Base: r.arrived(d), Settled: r.settled(), Intent: &ledger.Intent{Kind: ledger.IntentTrash, ReadFrom: r.in.Notion.At, At: r.w.Now()}}
	if !r.triedToTrash() {
		toll.into(&before)
		before.Writes = []ledger.Write{{Side: ledger.Notion, Op: string(ledger.RowDelete), Old: r.in.Notion.Image, Why: r.work.Why}}
	}
	switch err := r.step(ctx, before); {
	case errors.Is(err, ledger.ErrBraked):
		return r.again(ctx, err)
	case err != nil:
		return err
	}
	if r.tooLate() {
		return r.commit(ctx, ledger.Commit{Finish: r.later(r.w.Now(), false)}) // the intent stays: the next turn's delete is the same one
	}
	seen, err := r.entity.Pages.Update(ctx, r.schema, r.link().Page, PageUpdate{Trash: true})
	switch {
	case err == nil:
	case unknown(err):
		return r.unknown(ctx, err)
	default:
		return err // the intent stays: trying again is the same delete, not another one for the brake to count
	}
	got, err := r.t.fromPage(ctx, seen)
	if err != nil {
		return err
	}
	if r.editedSinceRead(got) {
		// The answer shows an edit that came after our read. The intent stays open: the next turn takes the page back out of the trash.
		return r.commit(ctx, ledger.Commit{WroteAt: seen.ReadTo, Finish: r.later(r.w.Now(), false)})
	}
	r.observe("trashed", d)
	r.latency()
	return r.commit(ctx, ledger.Commit{State: &d.State, Intended: true, WroteAt: seen.ReadTo, Seen: &seen, Unsee: true, Emitted: &seen.Hash, Unhold: []string{"*"}, Finish: r.done()})
}

// windowMax is how old the read may be on which a page is written: what a person edits after it is lost without a trace (invariant 6). A process
// that stood still meanwhile, or waited for the ledger, reads again.
const windowMax = 20 * time.Second

// tooLate is asked right before a request leaves: a process that stood still may have committed the intent under a lease that is over, and which
// another takes while the request is on its way.
func (r *reconciliation) tooLate() bool {
	now := r.w.Now()
	return now.After(r.until) || r.in.Notion.Read && now.Sub(r.in.Notion.At) > windowMax
}

// editedSinceRead reports that a page that we trashed shows an edit that whoever decided on it did not know of: since the base, or, where a person
// decided on the edited page, since our read.
func (r *reconciliation) editedSinceRead(page ledger.View) bool {
	if r.in.Chosen[""] != ledger.CRM {
		return ledger.EditedSince(r.in, page)
	}
	for name, v := range r.in.Notion.Image {
		if now, read := page.Image[name]; read && !change.Equal(now, v) {
			return true
		}
	}
	return false
}

// triedToTrash reports that this delete was let through and counted before, and its request did not get through.
func (r *reconciliation) triedToTrash() bool {
	return r.link().Intent != nil && r.link().Intent.Kind == ledger.IntentTrash
}

// restorePage takes a page out of the trash because its row is back; the fields are merged in the next turn, on a new read.
func (r *reconciliation) restorePage(ctx context.Context, d ledger.Decision) error {
	before := ledger.Commit{Base: r.arrived(d), Settled: r.settled(), Writes: []ledger.Write{{Side: ledger.Notion, Op: "restore", Why: r.work.Why}}}
	if r.link().Intent == nil { // an open one says that we trashed the page, which must not be forgotten before it is back
		before.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, ReadFrom: r.in.Notion.At, At: r.w.Now()}
	}
	if err := r.step(ctx, before); err != nil {
		return err
	}
	if r.tooLate() {
		return r.commit(ctx, ledger.Commit{Intended: before.Intent != nil, Finish: r.later(r.w.Now(), false)})
	}
	seen, err := r.entity.Pages.Update(ctx, r.schema, r.link().Page, PageUpdate{Restore: true})
	switch {
	case err == nil:
	case unknown(err):
		return r.unknown(ctx, err)
	case r.link().Intent != nil:
		return err
	default:
		return r.notApplied(ctx, err)
	}
	r.observe("restored", d)
	c := ledger.Commit{Intended: true, WroteAt: seen.ReadTo, Seen: &seen, Unsee: true, Emitted: &seen.Hash, Finish: r.later(r.w.Now(), false)}
	if d.State != "" {
		c.State = &d.State
	}
	if len(d.Holds) > 0 {
		return r.holding(ctx, c, d)
	}
	c.Unhold = r.unhold(d)
	return r.commit(ctx, c)
}
