package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/cmd/tandem/simulation"
)

type simulateOptions struct {
	*globalOptions
	Seed  uint64
	Seeds int
	Steps int
	Trace bool
	JSON  bool
}

func newSimulateCommand(g *globalOptions) *cobra.Command {
	o := &simulateOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Run the whole system in memory, under seeds, and judge what comes of it",
		Long: `Simulate runs people, a CRM, Kafka, Notion and all connectors in memory, in a time of their own, with crashes, replays, lost webhooks and a
lagging index among what happens to them, and checks what must be true at the end. The same seed gives the same run, and the same hash.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	f := c.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "the first seed")
	f.IntVar(&o.Seeds, "seeds", 1, "how many seeds, from --seed on")
	f.IntVar(&o.Steps, "steps", 0, "how much people do in a run; 0 draws it")
	f.BoolVar(&o.Trace, "trace", false, "print every effect")
	f.BoolVar(&o.JSON, "json", false, "print one JSON object a seed")
	return c
}

func (o *simulateOptions) run(ctx context.Context) error {
	if o.Seeds < 1 {
		return usagef("--seeds must be at least 1")
	}
	began, failed := time.Now(), 0
	for i := range o.Seeds {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		options := simulation.Options{Seed: o.Seed + uint64(i), Steps: o.Steps}
		if o.Trace {
			options.Trace = func(format string, args ...any) { fmt.Fprintf(o.out.stderr, format+"\n", args...) }
		}
		result, err := simulation.Run(options)
		if err != nil {
			return fmt.Errorf("seed %d: %w", options.Seed, err)
		}
		if len(result.Violations) > 0 {
			failed++
		}
		if err := o.show(result); err != nil {
			return err
		}
	}
	if !o.JSON {
		o.out.printf("%d seeds, %d failed, %s\n", o.Seeds, failed, time.Since(began).Round(time.Millisecond))
	}
	if failed > 0 {
		return errSaid
	}
	return nil
}

func (o *simulateOptions) show(r simulation.Result) error {
	if o.JSON {
		return o.out.json(r)
	}
	verdict := "ok"
	if len(r.Violations) > 0 {
		verdict = "FAILED"
	}
	var fired []string
	for _, name := range slices.Sorted(maps.Keys(r.Fired)) {
		fired = append(fired, fmt.Sprintf("%s %d", name, r.Fired[name]))
	}
	o.out.printf("seed %d  %s  hash %.16s  steps %d  writes %d  conflicts %d  faults: %s\n",
		r.Seed, verdict, r.Hash, r.Steps, r.Writes, r.Conflicts, strings.Join(fired, ", "))
	for _, v := range r.Violations {
		o.out.printf("  %s\n", v)
	}
	if len(r.Violations) > 0 {
		o.out.printf("  again: tandem simulate --seed %d --trace\n", r.Seed)
	}
	return nil
}
