package sink

import (
	"context"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Foresee decides on a link from what was read of both sides before, as a turn of this worker would, the brakes and what waits for a relation's target
// included. It asks neither side anything and writes nothing. seen is nil where no page is known.
func (w *Worker) Foresee(ctx context.Context, schema ledger.Schema, item ledger.Item, snapshot Snapshot, seen *ledger.Observation) (Explanation, error) {
	if w.censuses == nil {
		w.censuses = &censuses{last: map[string]census{}}
	}
	r := &reconciliation{w: w, entity: w.Entities[item.Link.Entity], schema: schema, item: item, snapshot: snapshot}
	r.work, _ = item.Work(w.Side)
	r.row = snapshot.Rows[item.Link.Key]
	err := r.begin(ctx)
	out := Explanation{Fields: r.t.fields, Row: r.row, Seen: seen}
	if err != nil {
		return out, err
	}
	if seen != nil {
		if err := r.viewObservation(ctx, *seen); err != nil {
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

// permit asks whether the decision may be carried out, and takes from it what may not.
func (r *reconciliation) permit(ctx context.Context, d *ledger.Decision) (bool, error) {
	if r.w.Permit == nil {
		return true, nil
	}
	permitted, ok := r.w.Permit(r.item.Link, r.in, *d)
	if !ok {
		return false, r.step(ctx, ledger.Commit{Release: true})
	}
	*d = permitted
	return true, nil
}
