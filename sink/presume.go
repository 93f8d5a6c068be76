package sink

import (
	"context"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// presume holds what a brake holds whatever the page shows, and asks Notion nothing: a transaction that emptied a column of 10,000 rows costs no more
// than the few that the brake lets through. What is held is read when a person has let it through.
func (r *reconciliation) presume(ctx context.Context) (done bool, err error) {
	in, ok := ledger.Presume(r.in)
	if !ok {
		return false, nil
	}
	p := *r
	p.in = in
	d, _, err := p.gate(ctx, p.decide())
	if err != nil || !d.BrakedWhole() {
		return false, err
	}
	c := ledger.Commit{Unhold: p.released(d)}
	p.observe("held", d)
	return true, p.holding(ctx, c, d)
}

// released lists the brakes' holds of fields whose value in the CRM is what was agreed on again: there is nothing to hold, whatever the page shows.
func (r *reconciliation) released(d ledger.Decision) []string {
	var over []string
	for _, h := range r.item.Holds {
		if h.Kind == "brake" && h.Side == ledger.Notion && h.Field != "" && named(d.Holds, h) < 0 {
			over = append(over, h.Name())
		}
	}
	return over
}
