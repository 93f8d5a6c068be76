package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/plan"
)

type applyOptions struct {
	*globalOptions
	Sample int
	JSON   bool
}

func newApplyCommand(g *globalOptions) *cobra.Command {
	o := &applyOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "apply PLAN FILE…",
		Short: "Carry out a plan, or less, never more",
		Long: `Apply carries out what tandem plan wrote into a file. Every record is decided again on what both sides show now, under its lease, and only what is
still decided as it was planned is done; what has changed meanwhile is left out and listed. A plan that was changed, or whose mappings were, is refused.
Brakes, pauses and guards hold as ever: a plan is no approval, and what a brake holds is listed and can be approved afterwards. Ended in the middle, it
goes on when it is run again: what is done is done. It works while the mappings only observe, and beside connectors that run. After a restore of the
database it is what ends the pause, once a plan of all entities that was made after the restore is done.
What is left out because it changed is no failure; what was to be done and could not be is, and the exit code says so.`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0], args[1:]) },
	}
	c.Flags().IntVar(&o.Sample, "sample", 20, "how many of what was left out to list")
	c.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	return c
}

// applyAnswer is what apply prints as JSON.
type applyAnswer struct {
	Counts   map[plan.Outcome]int `json:"counts"`
	Rest     []plan.Result        `json:"rest"` // what was not done as planned, a sample
	Requests int64                `json:"requests"`
	Restored string               `json:"restored,omitempty"` // what became of the pause after a restore of the database
}

func (o *applyOptions) run(ctx context.Context, file string, files []string) error {
	in, err := os.Open(file)
	if err != nil {
		return usageError{err}
	}
	defer in.Close()
	head, items, foot, err := plan.Read(in)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	a, err := o.app()
	if err != nil {
		return err
	}
	h, err := a.openAhead(ctx, files, aheadOptions{Write: true, Switches: true})
	if err != nil {
		return err
	}
	defer h.close()
	if err := head.Check(h.sync, h.entities); err != nil {
		return err
	}
	if err := h.sameDatabase(ctx, a, files); err != nil {
		return err
	}
	if err := h.beforePlan(ctx, head); err != nil {
		return err
	}
	h.worker.Run, h.worker.Connector = "plan-"+foot.Sum[:12], ledger.PlanConnector
	h.recorder.run.Store(h.worker.Run)
	if err := h.ensureAsPlanned(ctx, head); err != nil {
		return err
	}
	answer, err := o.apply(ctx, a, h, items)
	if err != nil {
		return err
	}
	if answer.Restored, err = h.afterPlan(ctx, a, head, answer.Counts); err != nil {
		return err
	}
	if o.JSON {
		err = o.out.json(answer)
	} else {
		o.show(answer)
	}
	if err == nil && answer.Counts[plan.Failed] > 0 {
		return errSaid
	}
	return err
}

// ensureAsPlanned makes in Notion what the plan says beside pages, and refuses where more would be made by now.
func (h *ahead) ensureAsPlanned(ctx context.Context, head plan.Head) error {
	before := h.ledger
	if err := h.foresee(ctx); err != nil {
		return err
	}
	for _, step := range h.schemaSteps() {
		if !slices.Contains(head.Schema, step) {
			return fmt.Errorf("not in the plan: %s; make a new one", step)
		}
	}
	h.ledgerWith(before)
	h.schema.Ledger, h.schema.Foresee = before, nil
	return h.schema.Ensure(ctx)
}

func (o *applyOptions) apply(ctx context.Context, a *app, h *ahead, items []plan.Item) (*applyAnswer, error) {
	m := newMeter(o.out.stderr)
	defer m.end()
	h.reader.Progress = m.show
	linker := &plan.Linker{Reader: h.reader, Holder: "tandem apply " + a.holder, Connector: ledger.PlanConnector, Now: time.Now}
	p := &plan.Applier{Reader: h.reader, CRM: h.crmWorker(), Linker: linker, Now: time.Now, Concurrency: sink.DefaultConcurrency}
	answer := &applyAnswer{Counts: map[plan.Outcome]int{}, Rest: []plan.Result{}}
	for _, e := range byRank(h.entities) {
		if err := o.entity(ctx, h, p, e, items, answer); err != nil {
			return nil, fmt.Errorf("apply the plan of %s: %w; run it again to go on", e.Name, err)
		}
	}
	slices.SortFunc(answer.Rest, func(x, y plan.Result) int { return x.Item.N - y.Item.N })
	answer.Rest = answer.Rest[:min(len(answer.Rest), o.Sample)]
	answer.Requests = h.requests.Load()
	return answer, nil
}

// restMax bounds what is remembered of that which was not done.
const restMax = 10_000

// entity first does everything that makes no record; then, with what is there linked and the doubtful held, records are made.
func (o *applyOptions) entity(ctx context.Context, h *ahead, p *plan.Applier, e *mapping.Entity, items []plan.Item, answer *applyAnswer) error {
	var first, creates, doubtful []plan.Item
	for _, item := range items {
		switch {
		case item.Entity != e.Name:
		case item.Do == plan.Create:
			creates = append(creates, item)
		case item.Done():
			first = append(first, item)
		case item.Doubt:
			doubtful = append(doubtful, item)
		}
	}
	schema, _, err := h.ledger.Schema(ctx, h.sync, e.Name)
	if err != nil {
		return err
	}
	whole := true
	tell := func(r plan.Result) {
		answer.Counts[r.Outcome]++
		whole = whole && (r.Item.Do != plan.Link || r.Outcome != plan.LeftOut)
		if r.Outcome != plan.Applied && r.Outcome != plan.Already && len(answer.Rest) < restMax {
			answer.Rest = append(answer.Rest, r)
		}
	}
	if err := p.Apply(ctx, e, schema, first, tell); err != nil {
		return err
	}
	for _, item := range doubtful {
		why, err := p.Linker.Hold(ctx, e, item.Key, item.Page, item.Why[0])
		if err != nil {
			return err
		}
		whole = whole && why == ""
	}
	if whole && len(e.Match) > 0 && len(first)+len(creates)+len(doubtful) > 0 {
		if err := p.Linker.Ran(ctx, e, "tandem apply"); err != nil {
			return err
		}
	}
	return p.Apply(ctx, e, schema, creates, tell)
}

// crmWorker writes to the CRM, as sink.PostgresSink does.
func (h *ahead) crmWorker() *sink.Worker {
	own := *h.worker
	own.Side, own.Entities = ledger.CRM, map[string]*sink.Entity{}
	for name, e := range h.worker.Entities {
		own.Entities[name] = &sink.Entity{Mapping: e.Mapping, Rows: e.Rows}
	}
	return &own
}

func (o *applyOptions) show(a *applyAnswer) {
	for _, outcome := range []plan.Outcome{plan.Applied, plan.Already, plan.Partly, plan.LeftOut, plan.Failed} {
		if n := a.Counts[outcome]; n > 0 {
			o.out.printf("%-10s %d\n", outcome, n)
		}
	}
	if len(a.Counts) == 0 {
		o.out.printf("there was nothing to do\n")
	}
	for _, r := range a.Rest {
		o.out.printf("  %-8s  %s, %s, %s: %s\n", r.Outcome, r.Item.Entity, strings.TrimSuffix(kinds(r.Item)[0], "s"), printable(who(r.Item)), printable(r.Why))
	}
	rest := a.Counts[plan.Partly] + a.Counts[plan.LeftOut] + a.Counts[plan.Failed]
	if rest > len(a.Rest) {
		o.out.printf("  … and %d more\n", rest-len(a.Rest))
	}
	o.out.printf("%d requests to Notion\n", a.Requests)
	if rest > 0 {
		o.out.printf("make a new plan for what was not done\n")
	}
	if a.Restored != "" {
		o.out.printf("%s\n", a.Restored)
	}
}
