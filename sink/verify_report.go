package sink

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// differs notes a difference that nothing explains, and makes the work that heals it where it is an ordinary edit.
func (v *Verify) differs(ctx context.Context, differ []ledger.Difference, heal ledger.Reason) error {
	v.pass.proof.Differs++
	for i := range differ {
		differ[i].FoundAt = v.Worker.Now()
	}
	if err := v.tellFirst(ctx, differ); err != nil {
		return err
	}
	v.pass.found = append(v.pass.found, differ...)
	heal.Side, heal.Lane, heal.Rank, heal.Why = ledger.Notion, ledger.LaneBackfill, v.Worker.Entities[heal.Entity].Mapping.Rank, "reread"
	return v.Ledger.Add(ctx, v.Worker.Now(), []ledger.Reason{heal})
}

// publish keeps the proof, and tells that a state of difference has ended.
func (v *Verify) publish(ctx context.Context) error {
	p := v.pass
	was, err := v.was(ctx, p.proof.Entity)
	if err != nil {
		return err
	}
	if err := v.Ledger.SaveProof(ctx, v.Worker.Sync, p.proof, p.found); err != nil {
		return err
	}
	level, say := slog.LevelInfo, "both sides are equal"
	if p.proof.Differs > 0 {
		level, say = slog.LevelError, "the sides differ and nothing explains it"
	}
	v.Log.Log(ctx, level, say, "entity", p.proof.Entity, "equal", p.proof.Equal, "waiting", p.proof.Waiting, "held", p.proof.Held, "differs", p.proof.Differs, "requests", p.proof.Requests)
	if was.Differs == 0 || p.proof.Differs > 0 {
		return nil
	}
	return v.Ledger.Raise(ctx, []ledger.Alert{{ID: stableID("difference over", v.Worker.Sync, p.proof.Entity, was.Began), At: v.Worker.Now(), Kind: ledger.AlertRecovered, Sync: v.Worker.Sync,
		Entity: p.proof.Entity, Summary: fmt.Sprintf("both sides of %s are equal again, as far as nothing that is known explains a difference", p.proof.Entity)}})
}

// was is what the comparison before this one found of an entity.
func (v *Verify) was(ctx context.Context, entity string) (ledger.Proof, error) {
	proofs, _, err := v.Ledger.Proofs(ctx, v.Worker.Sync)
	i := slices.IndexFunc(proofs, func(p ledger.Proof) bool { return p.Entity == entity })
	if i < 0 {
		return ledger.Proof{}, err
	}
	return proofs[i], err
}

// tellFirst makes the first difference of a pass known at once: the status turns red before the pass has ended. It is told as an alert if the comparison before
// found none.
func (v *Verify) tellFirst(ctx context.Context, differ []ledger.Difference) error {
	p := v.pass
	if len(p.found) > 0 {
		return nil
	}
	if err := v.Ledger.Differs(ctx, v.Worker.Sync, differ); err != nil {
		return err
	}
	was, err := v.was(ctx, p.proof.Entity)
	if err != nil || was.Differs > 0 {
		return err
	}
	d := differ[0]
	summary := fmt.Sprintf("records of %s differ though nothing explains it; the first: %s of %s (page %s) is %q in the CRM and %q in Notion. They are looked at now; tandem verify lists them",
		d.Entity, cmp.Or(d.Field, "the record"), cmp.Or(d.Key, "no row"), cmp.Or(d.Page, "none"), d.CRM, d.Notion)
	return v.Ledger.Raise(ctx, []ledger.Alert{{ID: stableID("difference", v.Worker.Sync, d.Entity, p.proof.Began), At: v.Worker.Now(), Kind: "difference", Sync: v.Worker.Sync,
		Entity: d.Entity, Key: d.Key, Page: d.Page, Field: d.Field, Link: d.Link, Critical: true, Summary: summary}})
}

// suspect notes something to be looked at by itself, as long as there is room: what is more is not proved in this pass.
func (v *Verify) suspect(s suspect) {
	if len(v.pass.suspects) >= suspectsMax {
		v.pass.proof.Waiting++
		return
	}
	v.pass.suspects = append(v.pass.suspects, s)
}

func count(p *ledger.Proof, e ledger.Explained) {
	if e.Work {
		p.Waiting++
	} else {
		p.Held++
	}
}
