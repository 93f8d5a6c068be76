package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// approveOptions are those of approve and of reject.
type approveOptions struct {
	selectOptions
	choice string
	Keep   string
	For    time.Duration
	All    bool
	By     string
	Reason string
}

func newApproveCommand(g *globalOptions) *cobra.Command {
	o := &approveOptions{selectOptions: selectOptions{sessionOptions: sessionOptions{globalOptions: g}}, choice: ledger.Approve}
	c := &cobra.Command{
		Use:   "approve --config FILE",
		Short: "Let through, once, what is held now",
		Long: `Approve lets through what the selected holds keep back at this moment, once, and for no longer than --for: each record with the values that
tandem holds shows of it. What is held later, and a record that shows something else meanwhile, is held anew. Who approved what, when, and for how many
records is written down for good (tandem holds --history). Where two values stand against each other, --keep says whose stands.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.Keep, "keep", "", "whose state stands, crm or notion, where approving alone does not say it")
	return c
}

func newRejectCommand(g *globalOptions) *cobra.Command {
	o := &approveOptions{selectOptions: selectOptions{sessionOptions: sessionOptions{globalOptions: g}}, choice: ledger.Reject}
	c := &cobra.Command{
		Use:   "reject --config FILE",
		Short: "Take back what is held now",
		Long: `Reject takes back what the selected holds keep from the other side: the side that was changed gets its old values again, a page comes back from the
trash, a row is made again from its page. It is written as any other change, once, and for no longer than --for.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	return c
}

func (o *approveOptions) addFlags(c *cobra.Command) {
	o.selectOptions.addFlags(c)
	c.Flags().DurationVar(&o.For, "for", 0, "how long it holds good; what has not been written by then is held again (default: an hour, or twice what it takes within Notion's budget)")
	c.Flags().BoolVar(&o.All, "all", false, "everything that is held; else say what, with --kind, --entity, --field, --side or --key")
	c.Flags().StringVar(&o.By, "by", "", "who says so (default: the user of this system)")
	c.Flags().StringVar(&o.Reason, "reason", "", "why, for those who read the history")
}

func (o *approveOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	selects := o.Kind != "" || o.Entity != "" || o.Field != "" || o.Side != ""
	switch {
	case o.For < 0 || o.For > rulingMost:
		return usagef("--for must be more than nothing, and a week at most")
	case o.Keep != "" && o.Keep != string(ledger.CRM) && o.Keep != string(ledger.Notion):
		return usagef("--keep must be crm or notion")
	case o.All == selects:
		return usagef("say what is meant, with --kind, --entity, --field, --side or --key, or --all; tandem holds shows what there is")
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	sel, err := o.selection(ctx, s)
	if err != nil {
		return err
	}
	return o.rule(ctx, s, sel)
}

func (o *approveOptions) rule(ctx context.Context, s *session, sel ledger.Selection) error {
	now := time.Now()
	groups, err := s.store.HoldGroups(ctx, sel, now, 1)
	if err != nil {
		return err
	}
	takes := s.takes(groups)
	lasts := o.For
	if lasts == 0 {
		lasts = min(max(rulingLeast, 2*takes), rulingMost)
	}
	r := ledger.Ruling{Selection: sel, Choice: o.choice, Keep: ledger.Side(o.Keep), By: o.By, Reason: o.Reason, At: now, Until: now.Add(lasts)}
	if r.By == "" {
		r.By = whoami()
	}
	if o.Keep != "" {
		r.Choice = ledger.Keep
	}
	approval, err := s.store.Rule(ctx, r)
	if err != nil {
		return err
	}
	if approval.Count == 0 {
		return nothingRuled(groups)
	}
	if o.JSON {
		return o.out.json(approval)
	}
	done := map[string]string{ledger.Approve: "let through", ledger.Reject: "taken back", ledger.Keep: "settled with what " + o.Keep + " says"}[r.Choice]
	o.out.printf("%d records are %s by the connectors that run, once, until %s (no. %d, by %s)\n",
		approval.Count, done, approval.Until.UTC().Format("2006-01-02 15:04 UTC"), approval.ID, r.By)
	switch {
	case takes > lasts:
		o.out.printf("that takes about %s within Notion's budget, which is longer: what is left by then is held again\n", roughly(takes))
	case takes > time.Minute:
		o.out.printf("that takes about %s within Notion's budget; tandem status shows how far it is\n", roughly(takes))
	}
	return nil
}

// A ruling lasts an hour where nobody says how long, or as long as it takes, and a week at most.
const (
	rulingLeast = time.Hour
	rulingMost  = 7 * 24 * time.Hour
)

// takes is how long it takes at most to carry out what is said of holds: a page is read, and written.
func (s *session) takes(groups []ledger.HoldGroup) time.Duration {
	held := 0
	for _, g := range groups {
		held += g.Count - g.Chosen
	}
	return time.Duration(held) * 2 * time.Minute / time.Duration(max(1, s.keys.Notion.rate()))
}

// nothingRuled says why a ruling was about nothing.
func nothingRuled(groups []ledger.HoldGroup) error {
	held, answered := 0, 0
	for _, g := range groups {
		held, answered = held+g.Count, answered+g.Chosen
	}
	switch {
	case held == 0:
		return fmt.Errorf("nothing of the kind is held; tandem holds shows what is")
	case held == answered:
		return fmt.Errorf("all %d are answered already, and under way", held)
	}
	return fmt.Errorf("that is no answer to what is held: tandem holds names the answers that there are, --keep among them")
}

// whoami is the person at this terminal, as far as the system knows.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
