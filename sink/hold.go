package sink

import (
	"context"
	"fmt"
	"slices"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// hold records that the decision waits for a human.
func (r *reconciliation) hold(ctx context.Context, d ledger.Decision) error {
	c := ledger.Commit{Base: d.Agreed(r.in)}
	if d.State != "" {
		c.State = &d.State
	}
	if r.in.Notion.Read {
		c.Unhold = r.unhold(d) // a hold of another kind is over: its cause was looked at
	}
	r.sees(&c, d)
	r.observe("held", d)
	return r.holding(ctx, c, d)
}

// grace waits with a delete for as long as the mapping says; what comes back meanwhile is a reason, and leaves by itself.
func (r *reconciliation) grace(ctx context.Context, d ledger.Decision) error {
	c := ledger.Commit{Finish: r.later(d.Later, false), Unhold: r.unhold(d)}
	if d.State != "" {
		c.State = &d.State
	}
	r.sees(&c, d)
	if err := r.holds(ctx, &c, d); err != nil {
		return err
	}
	r.observe("grace", d)
	return r.commit(ctx, c)
}

// holding ends a turn with holds; an alert goes out when a hold of its kind is new.
func (r *reconciliation) holding(ctx context.Context, c ledger.Commit, d ledger.Decision) error {
	c.Finish = r.done()
	if err := r.holds(ctx, &c, d); err != nil {
		return err
	}
	for _, h := range d.Holds {
		c.Finish.Parked = h.Reason
	}
	r.untilTyped(&c, d)
	return r.commit(ctx, c)
}

// holds puts a decision's holds into a commit, with an alert for each that the link has not. A conflict of a field that is over lifts its hold.
func (r *reconciliation) holds(ctx context.Context, c *ledger.Commit, d ledger.Decision) error {
	if len(d.Holds) == 0 {
		return nil
	}
	known, err := r.w.Ledger.Holds(ctx, r.link().ID)
	if err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	c.Holds = slices.Clone(d.Holds)
	for i, h := range d.Holds {
		if f, ok := r.entity.Mapping.Field(h.Field); ok && f.Relation != "" && h.Kind == "conflict" {
			h.Reason = ledger.ConflictReason(h.Field, r.titles(ctx, h.Field, r.in.CRM.Image[h.Field]), r.titles(ctx, h.Field, r.in.Notion.Image[h.Field]))
			c.Holds[i].Reason, d.Holds[i].Reason = h.Reason, h.Reason
		}
		if h.Field == "" && h.From == "" && h.Kind != HoldForgotten {
			c.Holds[i].From = r.called(*r.link(), r.row.Image)
		}
		if same := named(known, h); same >= 0 {
			c.Holds[i].At = known[same].At // it waits since then
			continue
		}
		if h.Kind == "brake" || h.Kind == "grace" || h.Kind == "paused" {
			continue // a brake tells of itself once; the others are nobody's trouble
		}
		critical := slices.ContainsFunc(r.in.Rules.Fields, func(p ledger.Policy) bool { return p.Name == h.Field && p.Critical })
		a := r.alert(ledger.AlertHold, h.Field, h.Reason, critical, h.Name())
		a.State = h.Kind
		c.Alerts = append(c.Alerts, a)
	}
	if err := r.tripped(ctx, c, d); err != nil {
		return err
	}
	for _, h := range known {
		if h.Kind == "conflict" && r.in.Notion.Read && named(d.Holds, h) < 0 {
			c.Unhold = append(c.Unhold, h.Name())
		}
	}
	return nil
}

func named(holds []ledger.Hold, h ledger.Hold) int {
	return slices.IndexFunc(holds, func(o ledger.Hold) bool { return o.Name() == h.Name() })
}
