package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// writeRow carries out the row's part of a decision: the write, its base, conflicts, alerts and work in one transaction.
func (r *reconciliation) writeRow(ctx context.Context, d ledger.Decision, toll toll) error {
	write, waits, err := r.rowWrite(ctx, d)
	if err != nil {
		return err
	}
	d.Waits = joined(waits, d.Waits)
	for name := range waits {
		delete(d.ToCRM, name)
	}
	switch {
	case write.Op == RowInsert && len(waits) > 0 && r.work.Attempts < createWaits:
		return r.commit(ctx, ledger.Commit{Finish: r.finish(d)})
	case write.Op != RowDelete && len(d.ToCRM) == 0:
		d.Row = ""
		return r.settle(ctx, d)
	}
	err = r.entity.Rows.Write(ctx, write, func(result RowResult) (ledger.Commit, error) {
		c, err := r.rowWritten(ctx, d, toll, result)
		if err == nil && !result.Stale {
			err = r.holds(ctx, &c, d)
		}
		r.tellAgain(&c)
		r.tellParked(&c)
		if err == nil {
			err = r.wake(ctx, &c)
		}
		c.Link, c.Epoch, c.Now, c.Connector, c.Release = r.link().ID, r.link().Epoch, r.w.Now(), r.w.Connector, true
		r.audited(&c)
		return c, err
	})
	if errors.Is(err, ledger.ErrBraked) {
		return r.again(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("write the row: %w", err)
	}
	r.observe("written", d)
	r.latency()
	return nil
}

func (r *reconciliation) rowWrite(ctx context.Context, d ledger.Decision) (RowWrite, map[string]string, error) {
	if d.Row == ledger.RowDelete {
		return RowWrite{Op: RowDelete, Key: r.link().Key, Expect: expected(r.row, r.link().Base)}, map[string]string{}, nil
	}
	set, waits, err := r.t.toRow(ctx, d.ToCRM)
	if err != nil {
		return RowWrite{}, nil, err
	}
	if d.Row == ledger.RowInsert {
		return RowWrite{Op: RowInsert, Set: set}, waits, nil
	}
	return RowWrite{Op: RowUpdate, Key: r.link().Key, Expect: expected(r.row, set), Set: set}, waits, nil
}

// expected is what the row must still hold in these fields. A custom field that it has not is expected to be missing: one that appears meanwhile is
// an edit like any other.
func expected[V any](row Row, which map[string]V) change.Image {
	out := change.Image{}
	for name := range which {
		if v, ok := row.Image[name]; ok {
			out[name] = v
		} else if mapping.IsCustom(name) && row.Problems[name] == "" && row.Problems[mapping.CustomPrefix] == "" {
			out[name] = change.NullValue()
		}
	}
	return out
}

// rowWritten gives what the ledger stores with a row's write.
func (r *reconciliation) rowWritten(ctx context.Context, d ledger.Decision, toll toll, result RowResult) (ledger.Commit, error) {
	if result.Stale {
		// The row changed after it was read: nothing was written. Look again, in a moment.
		return ledger.Commit{Finish: r.later(r.w.Now().Add(visibleDelay), false)}, nil
	}
	if d.Row == ledger.RowDelete {
		return ledger.Commit{State: &d.State, Brakes: toll.brakes, Counts: toll.counts, Unsee: true, Unhold: []string{"*"}, Finish: r.done(),
			Writes: []ledger.Write{{Side: ledger.CRM, Op: string(ledger.RowDelete), Old: r.in.CRM.Image, Why: r.work.Why}}}, nil
	}
	got, err := r.t.fromRow(ctx, Row{Key: result.Key, Exists: true, InScope: true, Image: result.Image, Problems: result.Problems})
	if err != nil {
		return ledger.Commit{}, err
	}
	got.At, got.Until = result.At, result.At
	conflicts := r.conflictsOver(d, ledger.CRM)
	live := ledger.Live
	c := ledger.Commit{
		State: &live, Base: map[string]ledger.FieldBase{}, Conflicts: conflicts, Alerts: r.conflictAlerts(ctx, conflicts), Unhold: r.unhold(d),
		Brakes: toll.brakes, Counts: toll.counts,
		Writes: []ledger.Write{{Side: ledger.CRM, Op: string(d.Row), Old: pick(r.in.CRM.Image, d.ToCRM), New: d.ToCRM, Why: r.work.Why}},
	}
	if r.readSince(r.link().Intent) {
		c.Intended, c.Settled = true, r.link().Seen
	}
	if d.Row == ledger.RowInsert {
		c.Key = &result.Key
		if l := r.link(); l.Key == "" { // the page gets its id now that the row is known
			c.External = ledger.ExternalFor(l.External, l.Sync, l.Entity, result.Key)
		}
	}
	maps.Copy(c.Base, d.Agreed(r.in))
	halves := d.Bases(r.in, ledger.CRM)
	for _, p := range r.in.Rules.Fields {
		if sent, ok := d.ToCRM[p.Name]; ok {
			if back, read := got.Image[p.Name]; read {
				b := ledger.Landed(r.link().Base[p.Name], p.Rule, ledger.CRM, sent, back, result.At)
				b.NotionSeen = r.in.Notion.Shown() // the page may have been edited between its read and this write
				c.Base[p.Name] = b
				if own, half := halves[p.Name]; half {
					c.Base[p.Name] = c.Base[p.Name].Half(own)
				}
			}
		}
	}
	r.afterRow(&c, got, d)
	return c, nil
}

// readSince reports that what is stored of the page tells what became of a write: sink/notion read it since, under the link's lease, when no request of the write
// could be under way any more. What the poller saw may be older than the write's effect.
func (r *reconciliation) readSince(i *ledger.Intent) bool {
	seen := r.link().Seen
	return i != nil && i.Kind == ledger.IntentUpdate && seen != nil && seen.Via == "read" && seen.ReadFrom.After(i.At)
}

// afterRow decides what is left to do once the row holds what it holds: defaults and triggers of the CRM are its own changes, and go to
// the page; a new row's page is to carry its external id.
func (r *reconciliation) afterRow(c *ledger.Commit, got ledger.View, d ledger.Decision) {
	after := r.in
	after.CRM = got
	after.Link.State, after.Link.Base = ledger.Live, maps.Clone(r.link().Base)
	if after.Link.Base == nil {
		after.Link.Base = map[string]ledger.FieldBase{}
	}
	maps.Copy(after.Link.Base, c.Base)
	if c.Key != nil {
		after.Link.Key = *c.Key
	}
	if c.External != "" {
		after.Link.External = c.External
	}
	next := ledger.Withhold(ledger.Decide(after), d.Holds)
	maps.Copy(c.Base, next.Agreed(after))
	if next.Page != "" {
		// A read is owed: where only the id is missing, the row agrees with the base and gives sink/notion no reason to look.
		c.Reasons = append(c.Reasons, r.reason(ledger.Notion, "reread"))
	}
	c.Reasons = append(c.Reasons, r.rereads()...)
	next.Waits = joined(d.Waits, next.Waits)
	for name, why := range d.Parked {
		if next.Parked == nil {
			next.Parked = map[string]string{}
		}
		next.Parked[name] = why
	}
	if next.Row == "" && len(next.Waits)+len(next.Typing) == 0 && !r.unsettled(d.Holds) {
		c.Unsee = true
	}
	c.Finish = r.finish(next)
	r.untilTyped(c, next)
	r.free(c)
}
