package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Revocation asks that a whole record be taken back that a run made on a side, or put back that a run removed there.
type Revocation struct {
	Link   int64
	Side   ledger.Side
	Made   bool         // the record was made there; else it was removed
	Values change.Image // what the run left there, or what was there before it
	By     string
	Reason string
	Run    string // of the undo
	Over   bool   // brakes are passed over: a person said so
}

func (rv Revocation) why() string {
	why := "undo by " + rv.By
	if rv.Reason != "" {
		why += ": " + rv.Reason
	}
	return why
}

// Revoke takes a record back under its lease: a page that was made goes to the trash, a row that was made is deleted, a trashed page comes back, a deleted row
// is put back. What somebody has edited since stays. The other side is left as it is, on hold, for a person to say what is to become of it. The worker has Pages.
func (w *Worker) Revoke(ctx context.Context, rv Revocation) error {
	items, err := w.Ledger.Take(ctx, ledger.Claim{Sync: w.Sync, Side: ledger.Notion, Max: 1, Holder: w.Holder, Lease: w.Lease, Now: w.Now(), Link: rv.Link})
	if err != nil {
		return fmt.Errorf("take the record: %w", err)
	}
	if len(items) == 0 {
		return ErrBusy
	}
	r := &reconciliation{w: w, item: items[0]}
	if err := r.revoke(ctx, rv); err != nil {
		return errors.Join(err, w.giveBack(ctx, items))
	}
	return nil
}

func no(format string, args ...any) error {
	return &NotRestoredError{Reason: fmt.Sprintf(format, args...)}
}

func newer(format string, args ...any) error {
	return &NotRestoredError{Reason: fmt.Sprintf(format, args...), Newer: true}
}

func (r *reconciliation) revoke(ctx context.Context, rv Revocation) error {
	seen, err := r.bothSides(ctx)
	if err != nil {
		return err
	}
	switch {
	case r.link().Intent != nil:
		return no("what came of a write is not known yet: ask again in a moment")
	case !r.in.Rules.WriteCRM || !r.in.Rules.WriteNotion:
		return no("the mapping only observes in one direction: nothing may be written there")
	case rv.Made && rv.Side == ledger.Notion:
		return r.unmakePage(ctx, rv, seen)
	case rv.Made:
		return r.unmakeRow(ctx, rv)
	case rv.Side == ledger.Notion:
		return r.bringPage(ctx, rv)
	}
	return r.bringRow(ctx, rv)
}

// bothSides reads the row and the page as they are now.
func (r *reconciliation) bothSides(ctx context.Context) (seen ledger.Observation, err error) {
	l := r.link()
	entity, ok := r.w.Entities[l.Entity]
	switch {
	case !ok:
		return seen, no("the mappings have no entity %q any more", l.Entity)
	case l.Key == "" || l.Page == "":
		return seen, no("the record is not linked on both sides now")
	case entity.Pages == nil:
		return seen, no("the page has to be looked at: give the file of sink.NotionSink, with notion.token")
	}
	r.entity = entity
	if r.schema, _, err = r.w.Ledger.Schema(ctx, r.w.Sync, l.Entity); err != nil {
		return seen, fmt.Errorf("read what is known of Notion's schema: %w", err)
	}
	if r.snapshot, err = entity.Rows.Read(ctx, []string{l.Key}); err != nil {
		return seen, fmt.Errorf("read the row: %w", err)
	}
	r.row = r.snapshot.Rows[l.Key]
	if err := r.begin(ctx); err != nil {
		return seen, err
	}
	if seen, err = entity.Pages.Read(ctx, r.schema, l.Page); err != nil {
		return seen, fmt.Errorf("read the page: %w", err)
	}
	if seen.Gone || seen.Moved {
		return seen, no("the page cannot be read, or was moved")
	}
	return seen, r.viewObservation(ctx, seen)
}

// unmakePage puts a page that was made in the trash. Its row stays; whether it gets its page again is asked.
func (r *reconciliation) unmakePage(ctx context.Context, rv Revocation, seen ledger.Observation) error {
	l := r.link()
	switch {
	case seen.InTrash:
		return no("the page is in the trash already")
	case l.State != ledger.Live && l.State != ledger.OutOfScope:
		return no("the record is not in order now (%s)", l.State)
	}
	if err := touchedSince("page", r.in.Notion.Image, rv.Values); err != nil {
		return err
	}
	// Notion tells when a page was last edited, to the minute: whatever it was, properties that are not mapped and the page's text included.
	if seen.Edited.After(l.WroteAt.Truncate(time.Minute)) {
		return newer("the page was edited after the sync wrote to it last")
	}
	d := ledger.Decision{Page: ledger.PageTrash}
	toll, err := r.pay(ctx, d, rv.Over)
	if err != nil {
		return err
	}
	before := ledger.Commit{Intent: &ledger.Intent{Kind: ledger.IntentTrash, ReadFrom: r.in.Notion.At, At: r.w.Now()},
		Writes: []ledger.Write{{Side: ledger.Notion, Op: string(ledger.RowDelete), Old: r.in.Notion.Image, Why: rv.why(), By: rv.By, Run: rv.Run}}}
	toll.into(&before)
	if err := r.record(ctx, before); err != nil {
		return err
	}
	after, err := r.entity.Pages.Update(ctx, r.schema, l.Page, PageUpdate{Trash: true})
	if err != nil {
		return fmt.Errorf("put the page in the trash: %w", err)
	}
	got, err := r.t.fromPage(ctx, after)
	if err != nil {
		return err
	}
	if r.editedSinceRead(got) {
		// The intent stays: the connectors take the page back out of the trash.
		return newer("the page was edited at this very moment, and comes back out of the trash")
	}
	c := ledger.Commit{Intended: true, WroteAt: after.ReadTo, Seen: &after, Unsee: true, Emitted: &after.Hash, Release: true}
	if l.State == ledger.Live {
		gone := ledger.RowDeleted
		c.State = &gone
		c.Holds = []ledger.Hold{{Kind: "restored", Side: ledger.CRM, At: r.w.Now(), Reason: "its page was made by mistake and taken back (" + rv.why() + "); a person has to say whether it gets its page again"}}
	}
	return r.record(ctx, c)
}

// unmakeRow deletes a row that was made, as the mapping deletes. Its page stays.
func (r *reconciliation) unmakeRow(ctx context.Context, rv Revocation) error {
	l := r.link()
	switch {
	case !r.row.Exists:
		return no("the row is gone already")
	case l.State != ledger.Live:
		return no("the record is not in order now (%s)", l.State)
	}
	if err := touchedSince("row", r.in.CRM.Image, rv.Values); err != nil {
		return err
	}
	for name, b := range l.Base {
		if v, read := r.in.CRM.Image[name]; read && !change.Equal(v, b.Value) {
			return newer("%s of the row was edited since: it is %q now", name, short(v))
		}
	}
	toll, err := r.pay(ctx, ledger.Decision{Row: ledger.RowDelete}, rv.Over)
	if err != nil {
		return err
	}
	gone := ledger.RowDeleted
	return r.writeBack(ctx, RowWrite{Op: RowDelete, Key: l.Key, Expect: expected(r.row, l.Base)}, toll, func(RowResult) ledger.Commit {
		return ledger.Commit{State: &gone, Unsee: true,
			Holds: []ledger.Hold{{Kind: "restored", Side: ledger.Notion, At: r.w.Now(),
				Reason: "its row was made by mistake and taken back (" + rv.why() + "); a person has to say whether the page becomes a row again"}},
			Writes: []ledger.Write{{Side: ledger.CRM, Op: string(ledger.RowDelete), Old: r.in.CRM.Image, Why: rv.why(), By: rv.By, Run: rv.Run}}}
	})
}

// bringPage takes a page out of the trash that the sync put there. Its row is still deleted; whether it comes back is asked.
func (r *reconciliation) bringPage(ctx context.Context, rv Revocation) error {
	switch {
	case r.in.Notion.There:
		return no("the page is not in the trash any more")
	case r.row.Exists || r.link().State != ledger.Trashed:
		return no("the record is not as the delete left it (%s)", r.link().State)
	}
	before := ledger.Commit{Intent: &ledger.Intent{Kind: ledger.IntentUpdate, ReadFrom: r.in.Notion.At, At: r.w.Now()},
		Writes: []ledger.Write{{Side: ledger.Notion, Op: "restore", Why: rv.why(), By: rv.By, Run: rv.Run}}}
	if err := r.record(ctx, before); err != nil {
		return err
	}
	after, err := r.entity.Pages.Update(ctx, r.schema, r.link().Page, PageUpdate{Restore: true})
	if err != nil {
		return fmt.Errorf("take the page out of the trash: %w", err)
	}
	return r.record(ctx, ledger.Commit{Intended: true, WroteAt: after.ReadTo, Seen: &after, Emitted: &after.Hash, Release: true,
		Holds: []ledger.Hold{{Kind: "restored", Side: ledger.Notion, At: r.w.Now(),
			Reason: "its page was taken back out of the trash (" + rv.why() + "); a person has to say whether the row comes back"}}})
}

// bringRow puts a row back that the sync deleted: as it was where the mapping deletes softly, else as a new row of the values that are known. The connectors
// bring its page back.
func (r *reconciliation) bringRow(ctx context.Context, rv Revocation) error {
	l := r.link()
	if r.row.Exists || l.State != ledger.RowDeleted {
		return no("the record is not as the delete left it (%s)", l.State)
	}
	write, op := RowWrite{Op: RowRestore, Key: l.Key}, "restore"
	if !r.row.Soft {
		values := change.Image{}
		for _, p := range r.in.Rules.Fields {
			if v, ok := rv.Values[p.Name]; ok && p.ToCRM && !v.IsNull() && !v.IsAbsent() {
				values[p.Name] = v
			}
		}
		set, waits, err := r.t.toRow(ctx, values)
		switch {
		case err != nil:
			return err
		case len(waits) > 0:
			name := change.Sorted(waits)[0]
			return no("%s cannot be put back now: %s", name, waits[name])
		case len(set) == 0:
			return no("what was in the row is not known")
		}
		write, op = RowWrite{Op: RowInsert, Set: set}, string(ledger.RowInsert)
	}
	toll, err := r.pay(ctx, ledger.Decision{Row: ledger.RowInsert}, rv.Over)
	if err != nil {
		return err
	}
	state := ledger.Live
	if !r.in.Notion.There {
		state = ledger.Trashed // of which the row is back: so is its page, in a moment
	}
	return r.writeBack(ctx, write, toll, func(result RowResult) ledger.Commit {
		return ledger.Commit{State: &state, Key: &result.Key, Unsee: true, Unhold: []string{"*"}, Reasons: []ledger.Reason{r.restoredReason()},
			Writes: []ledger.Write{{Side: ledger.CRM, Op: op, New: rv.Values, Why: rv.why(), By: rv.By, Run: rv.Run}}}
	})
}

// touchedSince compares a side with what a run left there.
func touchedSince(side string, now, left change.Image) error {
	for _, name := range left.Fields() {
		if v, read := now[name]; !read || !change.Equal(v, left[name]) {
			return newer("%s of the %s was edited since: it is %q now, and %q was written", name, side, short(v), short(left[name]))
		}
	}
	return nil
}

// pay asks the brakes about a write that a person wants, unless they said that these do not count.
func (r *reconciliation) pay(ctx context.Context, d ledger.Decision, over bool) (toll, error) {
	if over {
		return toll{counts: ledger.Counts(r.in, d)}, nil
	}
	if r.w.censuses == nil {
		r.w.censuses = &censuses{last: map[string]census{}}
	}
	limits := r.entity.limits()
	count, err := r.counters(ctx, d, limits)
	if err != nil {
		return toll{}, err
	}
	gated, brakes, counts := ledger.Gate(r.in, d, limits, count)
	for _, h := range gated.Holds {
		return toll{}, no("%s; --over-brakes passes over that", h.Reason)
	}
	return toll{brakes, counts}, nil
}

// record commits a step that writes; a brake that filled up meanwhile, or a pause, is the person's to hear of.
func (r *reconciliation) record(ctx context.Context, c ledger.Commit) error {
	err := r.step(ctx, c)
	switch {
	case errors.Is(err, ledger.ErrBraked):
		return no("a brake is full; --over-brakes passes over that")
	case errors.Is(err, ledger.ErrPaused):
		return no("%v", err)
	}
	return err
}

// writeBack writes a row in one transaction with what the ledger stores of it.
func (r *reconciliation) writeBack(ctx context.Context, write RowWrite, toll toll, commit func(RowResult) ledger.Commit) error {
	stale := false
	err := r.entity.Rows.Write(ctx, write, func(result RowResult) (ledger.Commit, error) {
		c := ledger.Commit{}
		if stale = result.Stale; !stale {
			c = commit(result)
			toll.into(&c)
		}
		c.Link, c.Epoch, c.Now, c.Connector, c.Release = r.link().ID, r.link().Epoch, r.w.Now(), r.w.Connector, true
		return c, nil
	})
	switch {
	case errors.Is(err, ledger.ErrBraked):
		return no("a brake is full; --over-brakes passes over that")
	case errors.Is(err, ledger.ErrPaused):
		return no("%v", err)
	case Permanent(err):
		return no("the CRM does not take it: %v", err)
	case err != nil:
		return fmt.Errorf("write the row: %w", err)
	case stale:
		return newer("the row was edited at this very moment; look at it and ask again")
	}
	return nil
}
