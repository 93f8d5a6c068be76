package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/sink"
)

type verifyOptions struct {
	sessionOptions
	Now     bool
	Timeout time.Duration
}

func newVerifyCommand(g *globalOptions) *cobra.Command {
	o := &verifyOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "verify --config FILE",
		Short: "Show whether both sides are proved equal, and since when",
		Long: `Verify shows what the last comparison of all pages with all rows found, which sink.NotionSink makes in the background (verify.interval.ms): records
that are equal, that wait because work for them exists, that are held, and that differ though nothing explains it, with the fields. With --now it asks for
a comparison and waits for it. It fails if anything differs, or if nothing was compared yet.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().BoolVar(&o.Now, "now", false, "ask for a comparison, and wait")
	c.Flags().DurationVar(&o.Timeout, "timeout", 15*time.Minute, "how long --now waits")
	return c
}

type verifyAnswer struct {
	Proofs      []ledger.Proof      `json:"proofs"`
	Differences []ledger.Difference `json:"differences"`
}

func (o *verifyOptions) run(ctx context.Context) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if o.Now {
		if err := o.wait(ctx, a, s); err != nil {
			return err
		}
	}
	var answer verifyAnswer
	if answer.Proofs, answer.Differences, err = s.store.Proofs(ctx, s.sync); err != nil {
		return err
	}
	if o.JSON {
		err = o.out.json(answer)
	} else {
		o.show(answer)
	}
	for _, p := range answer.Proofs {
		if p.Differs > 0 {
			return errSaid
		}
	}
	if err == nil && len(answer.Proofs) == 0 {
		return errSaid
	}
	return err
}

// wait asks for a comparison, and waits until each entity's is younger than the question.
func (o *verifyOptions) wait(ctx context.Context, a *app, s *session) error {
	asked := time.Now()
	if err := sink.RequestSweep(ctx, s.store, sink.VerifyName(s.sync), a.holder, asked, "asked for with verify --now"); err != nil {
		return err
	}
	for end := asked.Add(o.Timeout); ; {
		proofs, _, err := s.store.Proofs(ctx, s.sync)
		if err != nil {
			return err
		}
		fresh := 0
		for _, p := range proofs {
			if !p.Began.Before(asked.Truncate(time.Microsecond)) {
				fresh++
			}
		}
		if fresh > 0 && fresh >= len(s.entities) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("no comparison has ended within %s: does sink.NotionSink run? It goes at verify.share.percent of Notion's budget", o.Timeout)
		}
		if err := lifecycle.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func (o *verifyOptions) show(a verifyAnswer) {
	if len(a.Proofs) == 0 {
		o.out.printf("nothing was compared yet: sink.NotionSink does it in the background; --now asks for it\n")
		return
	}
	var rows [][]string
	for _, p := range a.Proofs {
		rows = append(rows, []string{p.Entity, strconv.Itoa(p.Equal), strconv.Itoa(p.Waiting), strconv.Itoa(p.Held), strconv.Itoa(p.Differs),
			time.Since(p.Finished).Round(time.Second).String() + " ago", strconv.Itoa(p.Requests)})
	}
	o.out.table([]string{"ENTITY", "EQUAL", "WAITING", "HELD", "DIFFERS", "PROVED", "REQUESTS"}, rows)
	for i, d := range a.Differences {
		if i == 0 {
			o.out.printf("\nwhat differed though nothing explained it, and is being looked at:\n")
		}
		o.out.printf("  %s\n", printable(fmt.Sprintf("%s %s %s: the CRM has %q, Notion %q (page %s)", d.Entity, d.Key, d.Field, d.CRM, d.Notion, d.Page)))
	}
}
