package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
)

type shadowOptions struct {
	sessionOptions
	Sample int
	Clear  bool
}

func newShadowCommand(g *globalOptions) *cobra.Command {
	o := &shadowOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "shadow --config FILE",
		Short: "Report what would have been written while the mappings only observe",
		Long: `While a mapping's mode is observe (the default of both directions), the connectors look at every change and decide as they would, and write nothing.
Shadow reports what they would have written: by entity, side, field and operation, on how many records and how often, since when, with samples. What is said
of one record and field again and again counts once; another value counts once more. --clear begins anew.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().IntVar(&o.Sample, "sample", 3, "how many of each kind to show")
	c.Flags().BoolVar(&o.Clear, "clear", false, "forget what was counted, after it was printed")
	return c
}

// shadowAnswer is what shadow prints as JSON.
type shadowAnswer struct {
	Observing map[string][]string `json:"observing"` // sides that are only observed, by entity
	Sums      []ledger.ShadowSum  `json:"sums"`
	Samples   []ledger.Shadow     `json:"samples"`
}

func (o *shadowOptions) run(ctx context.Context) error {
	if o.Sample < 0 {
		return usagef("--sample must not be negative")
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	answer := shadowAnswer{Observing: map[string][]string{}}
	for _, e := range s.entities {
		if !e.WriteNotion {
			answer.Observing[e.Name] = append(answer.Observing[e.Name], "notion")
		}
		if !e.WriteCRM {
			answer.Observing[e.Name] = append(answer.Observing[e.Name], "crm")
		}
	}
	if answer.Sums, err = s.store.Shadows(ctx, s.sync); err != nil {
		return err
	}
	if answer.Samples, err = s.store.ShadowSamples(ctx, s.sync, o.Sample); err != nil {
		return err
	}
	if o.JSON {
		err = o.out.json(answer)
	} else {
		o.show(s, answer)
	}
	if err == nil && o.Clear {
		err = s.store.ForgetShadows(ctx, s.sync)
	}
	return err
}

func (o *shadowOptions) show(s *session, a shadowAnswer) {
	for _, e := range s.entities {
		if sides := a.Observing[e.Name]; len(sides) > 0 {
			o.out.printf("%s: %s only observed\n", e.Name, strings.Join(sides, " and ")+map[bool]string{true: " is", false: " are"}[len(sides) == 1])
		}
	}
	if len(a.Sums) == 0 {
		o.out.printf("nothing would have been written\n")
		return
	}
	var rows [][]string
	for _, sum := range a.Sums {
		rows = append(rows, []string{sum.Entity, string(sum.Side), sum.Op, sum.Field, fmt.Sprint(sum.Records), fmt.Sprint(sum.Writes), stamp(sum.First), stamp(sum.Last)})
	}
	o.out.table([]string{"ENTITY", "SIDE", "WOULD", "FIELD", "RECORDS", "WRITES", "SINCE", "LAST"}, rows)
	for _, w := range a.Samples {
		o.out.printf("  %s %s, %s %s: %s → %s\n", w.Entity, printable(orPage(w)), w.Side, strings.TrimSpace(w.Op+" "+w.Field), shown(w.From), shown(w.To))
	}
}

func orPage(w ledger.Shadow) string {
	if w.Key != "" {
		return w.Key
	}
	return "page " + w.Page
}
