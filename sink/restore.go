package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Restoration is what a person asks for: that the value that lost a conflict takes the place of the one that won.
type Restoration struct {
	Link     int64
	Conflict ledger.Conflict
	ID       string // of its own entry in the conflict history
	By       string // who asks
	Reason   string // why, in their words; may be empty
	Force    bool   // also over newer edits
	Run      string // the undo that this is a part of, "" if it is one conflict's
	Over     bool   // of an undo: brakes are passed over
}

// Restored tells what a restoration did.
type Restored struct {
	Entity, Key, Page string
	Field             string
	Put, Replaced     change.Value
	Stands            bool // both sides had the value already: nothing was written
}

// NotRestoredError says why nothing was restored, for the person who asked.
type NotRestoredError struct {
	Reason string
	Newer  bool // because of newer edits: it can be forced
}

// Error is the reason.
func (e *NotRestoredError) Error() string { return e.Reason }

// ErrBusy is returned while another worker has the link's lease.
var ErrBusy = errors.New("another worker has the record now; ask again in a moment")

// Restore puts the value that lost a conflict into the row, as an edit of the CRM that a person makes: compared with what stands there, recorded
// as a write and in the conflict history, in one transaction. The page follows as after any edit of the row. It refuses where somebody has edited
// the field since, unless forced. A worker with Pages looks at the page too; one without takes what was stored of it.
func (w *Worker) Restore(ctx context.Context, re Restoration) (Restored, error) {
	items, err := w.Ledger.Take(ctx, ledger.Claim{Sync: w.Sync, Side: ledger.CRM, Max: 1, Holder: w.Holder, Lease: w.Lease, Now: w.Now(), Link: re.Link})
	if err != nil {
		return Restored{}, fmt.Errorf("take the record: %w", err)
	}
	if len(items) == 0 {
		return Restored{}, ErrBusy
	}
	r := &reconciliation{w: w, item: items[0]}
	out, err := r.restore(ctx, re)
	if err != nil || out.Stands {
		err = errors.Join(err, w.giveBack(ctx, items)) // where it was written, the commit gave it back
	}
	return out, err
}

func (r *reconciliation) restore(ctx context.Context, re Restoration) (Restored, error) {
	field := re.Conflict.Field
	out := Restored{Entity: r.link().Entity, Key: r.link().Key, Page: r.link().Page, Field: field}
	if err := r.restorable(ctx, re); err != nil {
		return out, err
	}
	_, lost := re.Conflict.Loser()
	out.Put, out.Replaced = lost, r.in.CRM.Image.Get(field)
	notion, seen := r.in.Notion.Image[field]
	if change.Equal(out.Replaced, lost) && (!seen || change.Equal(notion, lost)) {
		out.Stands = true
		return out, nil
	}
	if err := r.newerEdits(re); err != nil && !re.Force {
		return out, err
	}
	set, waits, err := r.t.toRow(ctx, change.Image{field: lost})
	if err != nil {
		return out, err
	}
	if why := waits[field]; why != "" {
		return out, &NotRestoredError{Reason: fmt.Sprintf("%s cannot be put back now: %s", field, why)}
	}
	var toll toll
	if re.Run != "" { // one conflict's value is a person's one edit
		if toll, err = r.pay(ctx, ledger.Decision{Row: ledger.RowUpdate, ToCRM: change.Image{field: lost}}, re.Over); err != nil {
			return out, err
		}
	}
	entry := re.entry(r, out.Replaced)
	write := RowWrite{Op: RowUpdate, Key: r.link().Key, Expect: expected(r.row, set), Set: set}
	stale := false
	err = r.entity.Rows.Write(ctx, write, func(result RowResult) (ledger.Commit, error) {
		c := ledger.Commit{Link: r.link().ID, Epoch: r.link().Epoch, Now: r.w.Now(), Release: true}
		if stale = result.Stale; stale {
			return c, nil
		}
		c.Conflicts = []ledger.Conflict{entry}
		c.Writes = []ledger.Write{{Side: ledger.CRM, Op: string(ledger.RowUpdate), Old: change.Image{field: out.Replaced}, New: change.Image{field: lost}, Why: re.why(), By: re.By, Run: re.Run}}
		c.Reasons = []ledger.Reason{r.restoredReason()}
		toll.into(&c)
		return c, nil
	})
	switch {
	case errors.Is(err, ledger.ErrBraked):
		return out, no("a brake is full; --over-brakes passes over that")
	case errors.Is(err, ledger.ErrPaused):
		return out, no("%v", err)
	case err != nil:
		return out, fmt.Errorf("write the row: %w", err)
	case stale:
		return out, &NotRestoredError{Reason: fmt.Sprintf("%s was edited in the CRM at this very moment; look at it and ask again", field), Newer: true}
	}
	return out, nil
}

func (r *reconciliation) restoredReason() ledger.Reason {
	reason := r.reason(ledger.Notion, "restore")
	reason.Lane = ledger.LaneLive
	return reason
}

// restorable reads both sides, and refuses what no restoring can do.
func (r *reconciliation) restorable(ctx context.Context, re Restoration) error {
	l, field := r.link(), re.Conflict.Field
	entity, ok := r.w.Entities[l.Entity]
	if !ok {
		return no("the mappings have no entity %q any more", l.Entity)
	}
	if r.entity = entity; l.Key == "" || l.State != ledger.Live {
		return no("the record is not linked on both sides now (%s): put it in order first", strings.ReplaceAll(string(l.State), "_", " "))
	}
	var err error
	if r.schema, _, err = r.w.Ledger.Schema(ctx, r.w.Sync, l.Entity); err != nil {
		return fmt.Errorf("read what is known of Notion's schema: %w", err)
	}
	if r.snapshot, err = entity.Rows.Read(ctx, []string{l.Key}); err != nil {
		return fmt.Errorf("read the row: %w", err)
	}
	if r.row = r.snapshot.Rows[l.Key]; !r.row.Exists {
		return no("the row is not there any more")
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	seen, _, err := r.look(ctx)
	if err != nil {
		return err
	}
	if seen != nil {
		if err := r.viewObservation(ctx, *seen); err != nil {
			return err
		}
	}
	at := slices.IndexFunc(r.in.Rules.Fields, func(p ledger.Policy) bool { return p.Name == field })
	_, lost := re.Conflict.Loser()
	switch {
	case at < 0:
		return no("the mapping has no field %q any more, or it is left out for now", field)
	case !r.in.Rules.WriteCRM || !r.in.Rules.WriteNotion:
		return no("the mapping only observes in one direction: nothing may be written there")
	}
	p := r.in.Rules.Fields[at]
	switch {
	case !p.ToCRM:
		return no("%s is edited in the CRM only, by its mapping: change it there", field)
	case !p.ToNotion:
		return no("%s is edited in Notion only, by its mapping: change it there", field)
	case p.WriteOnce:
		return no("%s is written once, by its mapping, and would be put back: change the mapping first", field)
	case p.NeverBlank && lost.IsNull():
		return no("%s is never blank, by its mapping, and would be filled again: change the mapping first", field)
	}
	if _, ok := r.in.CRM.Image[field]; !ok {
		return no("%s cannot be read in the CRM now: %s", field, r.in.CRM.Bad[field]+r.in.CRM.Waits[field])
	}
	return nil
}

// newerEdits refuses where the field is not as the conflict left it.
func (r *reconciliation) newerEdits(re Restoration) error {
	field := re.Conflict.Field
	_, lost := re.Conflict.Loser()
	kept := re.Conflict.Kept()
	newer := func(where string, v change.Value) error {
		return &NotRestoredError{Newer: true, Reason: fmt.Sprintf("%s was edited since: the conflict left %q, and %s has %q now; --force puts %q in its place all the same",
			field, short(kept), where, short(v), short(lost))}
	}
	if v := r.in.CRM.Image.Get(field); !change.Equal(v, kept) {
		return newer("the CRM", v)
	}
	if v, ok := r.in.Notion.Image[field]; ok && !change.Equal(v, kept) {
		return newer("Notion", v)
	}
	if base, ok := r.link().Base[field]; ok && !change.Equal(base.Value, kept) && r.in.Notion.Image[field].IsAbsent() {
		return newer("the last agreed value", base.Value)
	}
	return nil
}

// entry is the restoration in the conflict history: what stood there is its loser, and can be restored in its turn.
func (re Restoration) entry(r *reconciliation, replaced change.Value) ledger.Conflict {
	side, lost := re.Conflict.Loser()
	c := ledger.Conflict{ID: re.ID, Field: re.Conflict.Field, Winner: side, Rule: ledger.RuleRestored, Restores: re.Conflict.ID, By: re.By, Reason: re.Reason,
		Critical: re.Conflict.Critical, At: r.w.Now()}
	c.CRM, c.Notion = replaced, lost
	if side == ledger.CRM {
		c.CRM, c.Notion = lost, replaced
	}
	return c
}

func (re Restoration) why() string {
	why := "restore of conflict " + re.Conflict.ID
	if re.Run != "" {
		why = "undo"
	}
	if re.By != "" {
		why += " by " + re.By
	}
	if re.Reason != "" {
		why += ": " + re.Reason
	}
	return why
}
