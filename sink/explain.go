package sink

import (
	"context"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Explanation is what a worker would see of one link at this moment, and what it would decide.
type Explanation struct {
	Fields   []mapping.Field
	Row      Row
	Seen     *ledger.Observation // the page: as it is now where it can be asked, else as it was stored; nil if not known
	Stored   bool                // Seen is the stored one
	Input    ledger.Input
	Decision ledger.Decision // after the gate
	Held     bool            // the gate took something from the decision
}

// Explain reads both sides of a link now, as a turn of this worker would, and decides; it takes no lease and writes nothing. A worker
// without Pages takes the stored observation.
func (w *Worker) Explain(ctx context.Context, link ledger.Link, works []ledger.Work) (Explanation, error) {
	entity, ok := w.Entities[link.Entity]
	if !ok {
		return Explanation{}, fmt.Errorf("the mappings have no entity %q", link.Entity)
	}
	schema, _, err := w.Ledger.Schema(ctx, w.Sync, link.Entity)
	if err != nil {
		return Explanation{}, fmt.Errorf("read what is known of Notion's schema: %w", err)
	}
	r := &reconciliation{w: w, entity: entity, schema: schema, item: ledger.Item{Link: link, Works: works}}
	r.work, _ = r.item.Work(w.Side)
	if link.Key != "" {
		if r.snapshot, err = entity.Rows.Read(ctx, []string{link.Key}); err != nil {
			return Explanation{}, fmt.Errorf("read the row: %w", err)
		}
		r.row = r.snapshot.Rows[link.Key]
	}
	err = r.begin(ctx)
	out := Explanation{Fields: r.t.fields, Row: r.row}
	if err != nil {
		return out, err
	}
	if out.Seen, out.Stored, err = r.look(ctx); err != nil {
		return out, err
	}
	if out.Seen != nil {
		if err := r.viewObservation(ctx, *out.Seen); err != nil {
			return out, err
		}
	}
	d := ledger.Decide(r.in)
	holds := len(d.Holds)
	if out.Decision, _, err = r.gate(ctx, d); err != nil {
		return out, err
	}
	out.Input, out.Held = r.in, len(out.Decision.Holds) > holds
	return out, r.foresee(ctx, &out.Decision)
}

// foresee takes out of a decision what would not be written, because a relation's target cannot be named on the other side yet.
func (r *reconciliation) foresee(ctx context.Context, d *ledger.Decision) error {
	values, ofPage, err := r.t.toPage(ctx, d.ToNotion)
	if err == nil {
		err = r.offer(ctx, values, ofPage, true)
	}
	if err != nil {
		return fmt.Errorf("foresee the page: %w", err)
	}
	_, ofRow, err := r.t.toRow(ctx, d.ToCRM)
	if err != nil {
		return fmt.Errorf("foresee the row: %w", err)
	}
	d.ToNotion, d.ToCRM = without(d.ToNotion, ofPage), without(d.ToCRM, ofRow)
	if len(ofPage) > 0 && len(d.ToNotion) == 0 && d.Page == ledger.PageUpdate {
		d.Page = ""
	}
	if len(ofRow) > 0 && len(d.ToCRM) == 0 && d.Row == ledger.RowUpdate {
		d.Row = ""
	}
	d.Waits = joined(ofPage, joined(ofRow, d.Waits))
	return nil
}

// without is a copy of values that lacks what waits.
func without(values change.Image, waits map[string]string) change.Image {
	out := change.Image{}
	for name, v := range values {
		if waits[name] == "" {
			out[name] = v
		}
	}
	return out
}

// look gives the page as it is now, or as it was stored where there is nobody to ask.
func (r *reconciliation) look(ctx context.Context) (seen *ledger.Observation, stored bool, err error) {
	if r.link().Page == "" {
		return nil, false, nil
	}
	if r.entity.Pages == nil {
		return r.link().Seen, true, nil
	}
	now, err := r.entity.Pages.Read(ctx, r.schema, r.link().Page)
	if err != nil {
		return nil, false, fmt.Errorf("read the page: %w", err)
	}
	now.Follow(r.link().Seen)
	return &now, false, nil
}
