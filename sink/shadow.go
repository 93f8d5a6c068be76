package sink

import (
	"context"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Shadows keep what would have been written, were writing on.
type Shadows interface {
	Shadowed(ctx context.Context, shadows []ledger.Shadow) error
}

// shadow remembers what this turn would have written, where a direction only observes. It is no part of the turn's transaction: a look that is lost is had again.
func (r *reconciliation) shadow(ctx context.Context) error {
	keeper, ok := r.w.Ledger.(Shadows)
	rules := r.in.Rules
	if !ok || rules.WriteNotion && rules.WriteCRM {
		return nil
	}
	in := r.in
	in.Rules.WriteNotion, in.Rules.WriteCRM = true, true
	d := ledger.Decide(in)
	if d.Quiet() || len(d.Need) > 0 {
		return nil
	}
	var shadows []ledger.Shadow
	add := func(side ledger.Side, op, field string, from, to change.Value) {
		shadows = append(shadows, ledger.Shadow{Link: r.link().ID, Sync: r.link().Sync, Entity: r.link().Entity, Key: r.link().Key, Page: r.link().Page,
			Side: side, Op: op, Field: field, From: plain(from), To: plain(to), At: r.w.Now()})
	}
	side := func(side ledger.Side, writes bool, op string, values, had change.Image) {
		switch {
		case writes || op == "":
		case op == string(ledger.PageUpdate):
			for _, name := range values.Fields() {
				add(side, op, name, had[name], values[name])
			}
		default:
			title := r.entity.Mapping.Title().Name
			add(side, op, "", had[title], values[title])
		}
	}
	makes := d.Page == ledger.PageCreate && !rules.WriteNotion || d.Row == ledger.RowInsert && !rules.WriteCRM
	if makes && len(r.entity.Mapping.Match) > 0 {
		v, err := r.judge(ctx)
		if err != nil {
			return err
		}
		switch {
		case v.page != "":
			d.Page = ""
			add(ledger.Notion, "link", "", change.Value{}, change.TextValue(v.page))
		case v != (verdict{}):
			d.Page, d.Row = "", ""
			add(r.w.Side, "hold", "", change.Value{}, change.TextValue(v.wait+v.doubt))
		}
	}
	side(ledger.Notion, rules.WriteNotion, string(d.Page), d.ToNotion, in.Notion.Image)
	side(ledger.CRM, rules.WriteCRM, string(d.Row), d.ToCRM, in.CRM.Image)
	if len(shadows) == 0 {
		return nil
	}
	if err := keeper.Shadowed(ctx, shadows); err != nil {
		return fmt.Errorf("remember what would have been written: %w", err)
	}
	return nil
}

// plain is a value as a report shows it.
func plain(v change.Value) string {
	if v.IsAbsent() || v.IsNull() {
		return ""
	}
	return short(v)
}
