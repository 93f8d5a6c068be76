package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/cmd/tandem/simulation"
)

type simulateOptions struct {
	*globalOptions
	Seed      uint64
	Seeds     uint64
	Steps     int
	Wire      bool
	WireEvery uint64
	Ops       string
	Faults    string
	Shrink    bool
	Keep      string
	Trace     bool
	Stop      bool
	Workers   int
	JSON      bool
}

func newSimulateCommand(g *globalOptions) *cobra.Command {
	o := &simulateOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Run the whole system in memory, under seeds, and judge what comes of it",
		Long: `Simulate runs people, a CRM, Kafka, Notion and all connectors in memory, in a time of their own, with crashes, replays, lost webhooks and a
lagging index among what happens to them, and checks what must be true at every effect and at the end. The same seed gives the same run, and
the same hash.

A seed that fails is played again with less and less of what people did and of what went wrong, while it still fails; what is left is told as a story.
docs/simulation.md says what is simulated, what is checked, and what each planted bug is caught by.

Exit status: 0 if all seeds pass, 1 if one fails.`,
		Example: `  tandem simulate --seeds 10000                 # ten thousand histories, on all cores
  tandem simulate --seed 42 --trace             # one, effect by effect
  tandem simulate --seed 42 --steps 200         # one with more people in it
  tandem simulate --seed 42 --ops 3,7-9 --faults notion.409#17,crash.after_produce#2`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	f := c.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "the first seed")
	f.Uint64Var(&o.Seeds, "seeds", 1, "how many seeds, from --seed on")
	f.IntVar(&o.Steps, "steps", 0, "how much people do in a run; 0 draws it")
	f.BoolVar(&o.Wire, "wire", false, "through the HTTP client, its retries and the emulator: slower by a factor of five and more")
	f.Uint64Var(&o.WireEvery, "wire-every", 500, "play every so-many-th seed over the wire as well; 0 for none")
	f.StringVar(&o.Ops, "ops", "", "just these of the things that people do, by number (3,7-9; none); with one seed")
	f.StringVar(&o.Faults, "faults", "", "just these of the things that go wrong (point#call, with commas; none); with one seed")
	f.BoolVar(&o.Shrink, "shrink", true, "make the first failing seed small, and tell its story")
	f.StringVar(&o.Keep, "keep", "", "a folder where the small run is kept as a file, as in testdata/seeds")
	f.BoolVar(&o.Trace, "trace", false, "print every effect; with one seed")
	f.BoolVar(&o.Stop, "stop", false, "stop at the first seed that fails")
	f.IntVar(&o.Workers, "workers", 0, "runs at a time; 0 is one a core")
	f.BoolVar(&o.JSON, "json", false, "print one JSON object a seed")
	return c
}

func (o *simulateOptions) run(ctx context.Context) error {
	if o.Seeds < 1 {
		return usagef("--seeds must be at least 1")
	}
	if o.Seeds > 1 && (o.Ops != "" || o.Faults != "" || o.Trace) {
		return usagef("--ops, --faults and --trace go with one seed: leave --seeds out")
	}
	if o.Seeds == 1 {
		return o.one()
	}
	return o.many(ctx)
}

// one plays one seed, as it is told.
func (o *simulateOptions) one() error {
	options, err := o.options()
	if err != nil {
		return err
	}
	if o.Trace {
		options.Trace = func(line string) { fmt.Fprintln(o.out.stderr, line) }
	}
	result, err := simulation.Run(options)
	if err != nil {
		return fmt.Errorf("seed %d: %w", options.Seed, err)
	}
	if err := o.show(result); err != nil {
		return err
	}
	if len(result.Violations) == 0 {
		return nil
	}
	if !o.JSON && !o.Trace && o.Shrink {
		options.Trace = nil
		if err := o.story(options); err != nil {
			return err
		}
	}
	return errSaid
}

func (o *simulateOptions) options() (simulation.Options, error) {
	options := simulation.Options{Seed: o.Seed, Steps: o.Steps, Wire: o.Wire}
	if o.Ops != "" {
		var err error
		if options.Ops, err = simulation.ParseOps(o.Ops); err != nil {
			return options, usagef("--ops: %v", err)
		}
	}
	switch o.Faults {
	case "":
	case "none":
		options.Faults = []string{}
	default:
		options.Faults = strings.Split(o.Faults, ",")
	}
	return options, nil
}

// many plays many seeds on all cores, and says how it goes.
func (o *simulateOptions) many(ctx context.Context) error {
	var failed error
	p := simulation.Play{First: o.Seed, Seeds: o.Seeds, Steps: o.Steps, Wire: o.Wire, WireEvery: o.WireEvery, Workers: o.Workers, Stop: o.Stop, Progress: o.progress,
		Done: func(r simulation.Result) {
			if o.JSON || len(r.Violations) > 0 {
				if err := o.show(r); err != nil {
					failed = err
				}
			}
		}}
	sum, err := p.Run(ctx)
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	if !o.JSON {
		o.summary(sum)
	}
	if sum.Failed == 0 {
		return nil
	}
	if o.Shrink && !o.JSON {
		if err := o.story(simulation.Options{Seed: sum.Failing[0].Seed, Steps: o.Steps, Wire: sum.Failing[0].Wire}); err != nil {
			return err
		}
	}
	return errSaid
}

func (o *simulateOptions) progress(s simulation.Summary) {
	left := "?"
	if rate := s.PerSecond(); rate > 0 && s.Played < o.Seeds {
		left = time.Duration(float64(o.Seeds-s.Played) / rate * float64(time.Second)).Round(time.Second).String()
	}
	fmt.Fprintf(o.out.stderr, "%d of %d seeds, %.0f a second, %d failed, about %s left\n", s.Played, o.Seeds, s.PerSecond(), s.Failed, left)
}

func (o *simulateOptions) summary(s simulation.Summary) {
	o.out.printf("%d histories (%d of them over the wire) in %s, %.0f a second; %d failed\n", s.Played, s.Wired, s.Elapsed.Round(time.Millisecond), s.PerSecond(), s.Failed)
	o.out.printf("  %d writes, %d requests, %d conflicts, %d values overwritten in the window that no client of Notion can close\n", s.Writes, s.Requests, s.Conflicts, s.Windows)
	o.out.printf("  faults fired: %s\n", tallied(s.Fired))
	if silent := s.Silent(); len(silent) > 0 {
		o.out.printf("  never fired: %s\n", strings.Join(silent, ", "))
	}
	if len(s.Oracles) > 0 {
		o.out.printf("  violations: %s\n", tallied(s.Oracles))
	}
}

func tallied(counts map[string]int) string {
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

func (o *simulateOptions) show(r simulation.Result) error {
	if o.JSON {
		return o.out.json(r)
	}
	verdict := "ok"
	if len(r.Violations) > 0 {
		verdict = "FAILED"
	}
	o.out.printf("seed %d  %s  hash %s  steps %d  writes %d  requests %d  conflicts %d  faults: %s\n",
		r.Seed, verdict, r.Hash, r.Steps, r.Writes, r.Requests, r.Conflicts, tallied(r.Fired))
	for _, v := range r.Violations {
		o.out.printf("  %s\n", v)
	}
	return nil
}

// shrinkRuns bounds how long a failing seed is made smaller: some seconds.
const shrinkRuns = 600

// story makes a failing run small and tells it.
func (o *simulateOptions) story(options simulation.Options) error {
	small, result, err := simulation.Shrink(options, shrinkRuns)
	if err != nil {
		return fmt.Errorf("make seed %d small: %w", options.Seed, err)
	}
	o.out.printf("\nThe smallest run that still fails: %d things that people do, %d that go wrong.\n\n", len(small.Ops), len(small.Faults))
	told := small
	told.Trace = func(line string) {
		if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "end:") {
			o.out.printf("  %s\n", line)
		}
	}
	if _, err := simulation.Run(told); err != nil {
		return err
	}
	o.out.printf("\nWrong:\n")
	for _, v := range result.Violations {
		o.out.printf("  %s\n", v)
	}
	o.out.printf("\nAgain: %s\n", replayCommand(small))
	if o.Keep == "" {
		return nil
	}
	data, err := simulation.Keep(small, "found by seed "+fmt.Sprint(options.Seed)+": "+result.Violations[0].String())
	if err != nil {
		return err
	}
	file := filepath.Join(o.Keep, fmt.Sprintf("%d.json", options.Seed))
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil { //nolint:gosec // it holds nothing secret
		return fmt.Errorf("keep the run: %w", err)
	}
	o.out.printf("Kept in %s\n", file)
	return nil
}

func replayCommand(o simulation.Options) string {
	parts := []string{"tandem simulate --seed", fmt.Sprint(o.Seed)}
	if o.Steps > 0 {
		parts = append(parts, "--steps", fmt.Sprint(o.Steps))
	}
	if o.Wire {
		parts = append(parts, "--wire")
	}
	if o.Ops != nil {
		parts = append(parts, "--ops", simulation.FormatOps(o.Ops))
	}
	if o.Faults != nil {
		faults := "none"
		if len(o.Faults) > 0 {
			faults = strings.Join(o.Faults, ",")
		}
		parts = append(parts, "--faults", faults)
	}
	return strings.Join(append(parts, "--trace"), " ")
}
