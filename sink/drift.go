package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// DriftLedger is what it takes to remember schemas, and to look at every record again when one is mended.
type DriftLedger interface {
	Adder
	Drift(ctx context.Context, sync, entity string) (ledger.DriftState, error)
	ChangeDrift(ctx context.Context, sync, entity string, change func(ledger.DriftState) (ledger.DriftState, []ledger.Alert)) error
	Pages(ctx context.Context, sync, entity, after string, max int) ([]string, error)
	Keys(ctx context.Context, sync, entity, after string, max int) ([]string, error)
}

// LookAtAll makes work for every link of an entity, in the backfill lane. Each page is read anew: what was edited in a field while it was left
// out shows in no difference to what was emitted or agreed on.
func LookAtAll(ctx context.Context, l DriftLedger, e *mapping.Entity, now time.Time) error {
	for after := ""; ; {
		pages, err := l.Pages(ctx, e.Sync, e.Name, after, sweepPage)
		if err != nil {
			return fmt.Errorf("list the pages of %s: %w", e.Name, err)
		}
		if len(pages) == 0 {
			break
		}
		after = pages[len(pages)-1]
		reasons := make([]ledger.Reason, len(pages))
		for i, page := range pages {
			reasons[i] = ledger.Reason{Sync: e.Sync, Entity: e.Name, Side: ledger.Notion, Page: page, Lane: ledger.LaneBackfill, Rank: e.Rank, Why: "reread"}
		}
		if err := l.Add(ctx, now, reasons); err != nil {
			return fmt.Errorf("have all of %s looked at: %w", e.Name, err)
		}
	}
	return nil
}

// StableID is a uuid made of its parts: what is told twice has one id.
func StableID(parts ...any) string { return stableID(parts...) }

// terms are the fields of this turn and the ledger's rules for them. Where neither side's schema leaves anything out, was accepted anew, or has custom
// fields, they are the mapping's own: nobody changes them.
func (r *reconciliation) terms() ([]mapping.Field, ledger.Rules) {
	if r.asMapped() {
		e := r.entity
		e.own.Do(func() { e.ownRules = e.rules(e.Mapping.Fields, 0) })
		rules := e.ownRules
		rules.Skew = r.w.Skew
		return e.Mapping.Fields, rules
	}
	fields := r.leave(r.entity.fields(r.schema, r.row.Image))
	rules := r.entity.rules(fields, r.w.Skew)
	r.renew(&rules)
	return fields, rules
}

func (r *reconciliation) asMapped() bool {
	if len(r.snapshot.Parked)+len(r.schema.Parked)+len(r.snapshot.Generations)+len(r.schema.Generations) > 0 {
		return false
	}
	for name := range r.schema.Properties {
		if mapping.IsCustom(name) {
			return false
		}
	}
	return !hasCustom(r.row.Image)
}

// leave takes out of a turn what either side's schema leaves out, and makes what was agreed on before a schema was accepted anew count as
// nothing: such a field is merged as one that has no base.
func (r *reconciliation) leave(fields []mapping.Field) []mapping.Field {
	kept := make([]mapping.Field, 0, len(fields))
	for _, f := range fields {
		if mapping.IsParked(r.snapshot.Parked, f.Name) || r.schema.Parked[f.Name] != "" {
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

func (r *reconciliation) renew(rules *ledger.Rules) {
	for i, p := range rules.Fields {
		crm, notion := r.snapshot.Generations[p.Name], r.schema.Generations[p.Name]
		if mapping.IsCustom(p.Name) {
			crm += r.snapshot.Generations[mapping.CustomPrefix]
		}
		if crm > 0 || notion > 0 {
			rules.Fields[i].Rule = fmt.Sprintf("%s+%d+%d", p.Rule, crm, notion)
		}
	}
}
