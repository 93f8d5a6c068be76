package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink/match"
)

// Tombstones tell whether a record was forgotten: they give the certificate, "" if it was not. The marks are clear; whoever keeps them hashes them.
type Tombstones interface {
	Forgotten(ctx context.Context, sync, entity string, marks []string) (certificate string, err error)
}

// Marks are what a record would be known by, should it come back: its names, and its values of the keys by which records are matched; where the mapping
// has no such keys, its e-mail addresses and phone numbers.
func Marks(e *mapping.Entity, l ledger.Link, images ...change.Image) []string {
	marks := map[string]bool{}
	for kind, name := range map[string]string{"key": l.Key, "page": l.Page, "external": l.External} {
		if name != "" {
			marks[kind+":"+name] = true
		}
	}
	keys := e.Match
	if len(keys) == 0 {
		for _, f := range e.Fields {
			if f.Type == "email" || f.Type == mapping.TypePhone {
				keys = append(keys, []string{f.Name})
			}
		}
	}
	for _, image := range images {
		for _, key := range keys {
			if value, _, ok := match.ValueOf(key, image); ok {
				marks[fmt.Sprintf("match:%q:%s", key, value)] = true
			}
		}
	}
	return change.Sorted(marks)
}

// Naming are the fields whose values name a person: those that records are matched by, e-mail addresses, phone numbers, and the title.
func Naming(e *mapping.Entity) []string {
	names := map[string]bool{e.Title().Name: true}
	for _, key := range e.Match {
		for _, name := range key {
			names[name] = true
		}
	}
	for _, f := range e.Fields {
		if f.Type == "email" || f.Type == mapping.TypePhone {
			names[f.Name] = true
		}
	}
	return change.Sorted(names)
}

// HoldForgotten is the kind of hold of a record that was forgotten, and came back. It says nothing of it.
const HoldForgotten = "forgotten"

// barred keeps back what would make a forgotten record anew: a page for its row, or a row for its page. A person decides; nothing of the record is kept.
func (r *reconciliation) barred(ctx context.Context, d ledger.Decision) (bool, error) {
	image := d.ToNotion
	if r.w.Side == ledger.CRM {
		image = d.ToCRM
	}
	if r.w.Tombstones == nil || d.Page != ledger.PageCreate && d.Row != ledger.RowInsert {
		return false, nil
	}
	id, err := r.w.Tombstones.Forgotten(ctx, r.w.Sync, r.link().Entity, Marks(r.entity.Mapping, *r.link(), image, r.in.CRM.Image, r.in.Notion.Image))
	if err != nil || id == "" {
		return false, err
	}
	held := ledger.Hold{Kind: HoldForgotten, Reason: "this record was forgotten (certificate " + id + "): it is not made anew", At: r.w.Now()}
	c := ledger.Commit{Unsee: true, Holds: []ledger.Hold{held}, Finish: r.done()}
	c.Finish.Parked = held.Reason
	if err := r.holds(ctx, &c, ledger.Decision{Holds: c.Holds}); err != nil {
		return true, err
	}
	return true, r.commit(ctx, c)
}

// Known reads both sides of a link, for what it would be known by. It needs no lease, and writes nothing.
func (w *Worker) Known(ctx context.Context, link ledger.Link) ([]string, error) {
	e, err := w.Explain(ctx, link, nil)
	if err != nil {
		return nil, err
	}
	base := change.Image{}
	for name, b := range link.Base {
		base[name] = b.Value
	}
	return Marks(w.Entities[link.Entity].Mapping, link, base, e.Input.CRM.Image, e.Input.Notion.Image), nil
}

// Put away what is there of a record that is to be forgotten, under its lease: its page goes to the trash, its row is deleted as the mapping says. Neither is
// restored or followed by the sync: the link is gone in a moment.
func (w *Worker) PutAway(ctx context.Context, link ledger.Link, page, row bool, by string) error {
	items, err := w.Ledger.Take(ctx, ledger.Claim{Sync: w.Sync, Side: ledger.Notion, Max: 1, Holder: w.Holder, Lease: time.Minute, Now: w.Now(), Link: link.ID})
	if err != nil {
		return fmt.Errorf("take the record: %w", err)
	}
	if len(items) == 0 {
		return ErrBusy
	}
	defer w.giveBack(ctx, items) //nolint:errcheck // the lease ends by itself
	entity := w.Entities[link.Entity]
	l := items[0].Link
	if l.Intent != nil {
		return fmt.Errorf("what came of a write to the record is not known yet: ask again in a moment")
	}
	record := func(side ledger.Side) ledger.Commit {
		return ledger.Commit{Link: l.ID, Epoch: l.Epoch, Now: w.Now(), Writes: []ledger.Write{{Side: side, Op: string(ledger.RowDelete), Why: "forget", By: by, Run: w.Run}}}
	}
	if page && l.Page != "" {
		schema, _, err := w.Ledger.Schema(ctx, w.Sync, link.Entity)
		if err != nil {
			return fmt.Errorf("read what is known of Notion's schema: %w", err)
		}
		c := record(ledger.Notion)
		c.Intent = &ledger.Intent{Kind: ledger.IntentTrash, ReadFrom: w.Now(), At: w.Now()}
		if err := w.Ledger.Commit(ctx, c); err != nil {
			return fmt.Errorf("record the write: %w", err)
		}
		seen, err := entity.Pages.Update(ctx, schema, l.Page, PageUpdate{Trash: true})
		if err != nil {
			return fmt.Errorf("put the page in the trash (what came of it is looked up; ask again): %w", err)
		}
		done := ledger.Commit{Link: l.ID, Epoch: l.Epoch, Now: w.Now(), Intended: true, WroteAt: seen.ReadTo}
		if err := w.Ledger.Commit(ctx, done); err != nil {
			return fmt.Errorf("record what came of the write: %w", err)
		}
	}
	if row && l.Key != "" {
		err := entity.Rows.Write(ctx, RowWrite{Op: RowDelete, Key: l.Key}, func(RowResult) (ledger.Commit, error) { return record(ledger.CRM), nil })
		if err != nil {
			return fmt.Errorf("delete the row: %w", err)
		}
	}
	return nil
}
