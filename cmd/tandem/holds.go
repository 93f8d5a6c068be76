package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// selectOptions name holds.
type selectOptions struct {
	sessionOptions
	Kind   string
	Entity string
	Field  string
	Side   string
	Key    string
}

func (o *selectOptions) addFlags(c *cobra.Command) {
	o.sessionOptions.addFlags(c)
	c.Flags().StringVar(&o.Kind, "kind", "", "only holds of this kind, like brake or conflict")
	c.Flags().StringVar(&o.Entity, "entity", "", "only holds of this entity")
	c.Flags().StringVar(&o.Field, "field", "", "only holds of this field")
	c.Flags().StringVar(&o.Side, "side", "", "only holds of what would be written to this side: crm or notion")
	c.Flags().StringVar(&o.Key, "key", "", "only the hold of this record: the row's key or the page's id; needs --entity")
}

func (o *selectOptions) check() error {
	if o.Side != "" && o.Side != string(ledger.CRM) && o.Side != string(ledger.Notion) {
		return usagef("--side must be crm or notion")
	}
	if o.Key != "" && o.Entity == "" {
		return usagef("--key needs --entity: keys are the entity's own")
	}
	return nil
}

// selection finds the record that --key names.
func (o *selectOptions) selection(ctx context.Context, s *session) (ledger.Selection, error) {
	sel := ledger.Selection{Sync: s.sync, Kind: o.Kind, Entity: o.Entity, Field: o.Field, Side: ledger.Side(o.Side)}
	if o.Key == "" {
		return sel, nil
	}
	l, ok, err := s.link(ctx, o.Entity, o.Key)
	if err == nil && !ok {
		err = fmt.Errorf("nothing is known of %s %s", o.Entity, o.Key)
	}
	sel.Link = l.ID
	return sel, err
}

type holdsOptions struct {
	selectOptions
	Sample  int
	History bool
}

func newHoldsCommand(g *globalOptions) *cobra.Command {
	o := &holdsOptions{selectOptions: selectOptions{sessionOptions: sessionOptions{globalOptions: g}}}
	c := &cobra.Command{
		Use:   "holds --config FILE",
		Short: "Show what waits for a person, in groups, and what can be said of it",
		Long: `Holds lists what Tandem does not do before a person has looked: what brakes hold, deletes that the mapping wants confirmed, conflicts under the
rule "hold", and their like. Records that wait for the same answer stand together, with a sample of what would become of what. Each group names the
commands that answer it. With --history it lists who answered what, and for how many records.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().IntVar(&o.Sample, "sample", 5, "how many records of each group are shown")
	c.Flags().BoolVar(&o.History, "history", false, "list what was approved and rejected instead")
	return c
}

func (o *holdsOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.Sample < 0 {
		return usagef("--sample must not be negative")
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if o.History {
		return o.history(ctx, s)
	}
	sel, err := o.selection(ctx, s)
	if err != nil {
		return err
	}
	now := time.Now()
	groups, err := s.store.HoldGroups(ctx, sel, now, o.Sample)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(map[string]any{"sync": s.sync, "at": now.UTC(), "holds": groups})
	}
	if len(groups) == 0 {
		o.out.printf("nothing waits for a person\n")
	}
	for i, g := range groups {
		if i > 0 {
			o.out.printf("\n")
		}
		o.show(now, g)
	}
	return nil
}

func (o *holdsOptions) history(ctx context.Context, s *session) error {
	approvals, err := s.store.Approvals(ctx, s.sync, 100)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(map[string]any{"sync": s.sync, "approvals": approvals})
	}
	if len(approvals) == 0 {
		o.out.printf("nobody has approved or rejected anything\n")
		return nil
	}
	var rows [][]string
	for _, a := range approvals {
		what := strings.Join(slices.DeleteFunc([]string{a.Kind, a.Entity, a.Field}, func(s string) bool { return s == "" }), " ")
		if a.Link != 0 {
			what += fmt.Sprintf(" link %d", a.Link)
		}
		rows = append(rows, []string{fmt.Sprint(a.ID), a.At.Format("2006-01-02 15:04"), a.By, a.Choice, what, fmt.Sprint(a.Count), short(a.Reason, 60)})
	}
	o.out.table([]string{"NO", "AT (UTC)", "BY", "SAID", "OF", "RECORDS", "REASON"}, rows)
	return nil
}

func (o *holdsOptions) show(now time.Time, g ledger.HoldGroup) {
	of := g.Entity
	if g.Field != "" {
		of += " " + g.Field
	}
	o.out.printf("%s, %s: %d held, the oldest since %s", g.Kind, of, g.Count, ago(now, g.Oldest))
	if g.Chosen > 0 {
		o.out.printf(" (%d of them answered, and under way)", g.Chosen)
	}
	o.out.printf("\n")
	if len(g.Sample) == 0 {
		return
	}
	o.out.printf("  %s\n", printable(short(g.Sample[0].Reason, 300)))
	for _, h := range g.Sample {
		o.out.printf("    %s%s\n", printable(heldName(h)), printable(heldValues(h)))
	}
	if left := g.Count - len(g.Sample); left > 0 {
		o.out.printf("    … and %d more\n", left)
	}
	for _, line := range answers(g) {
		o.out.printf("  %s\n", line)
	}
	if line := byItself(g.Kind); line != "" {
		o.out.printf("  %s\n", line)
	}
}

func heldName(h ledger.Held) string {
	if h.Key != "" {
		return h.Key
	}
	return "page " + h.Page
}

func heldValues(h ledger.Held) string {
	switch {
	case h.Field == "" && h.From == "":
		return ""
	case h.Field == "":
		return fmt.Sprintf(": %q", h.From)
	case h.Side == "":
		return fmt.Sprintf(": the CRM has %s, Notion has %s", orNothing(h.To), orNothing(h.From))
	}
	return fmt.Sprintf(": %s → %s", orNothing(h.From), orNothing(h.To))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

// answers are the commands that answer a group, each with what it does.
func answers(g ledger.HoldGroup) []string {
	h := g.Sample[0].Hold
	choices := h.Choices()
	if len(choices) == 0 {
		return []string{hint(h.Kind)}
	}
	which := "--kind " + g.Kind + " --entity " + g.Entity
	if g.Field != "" {
		which += " --field " + g.Field
	}
	if g.Side != "" {
		which += " --side " + string(g.Side)
	}
	var lines []string
	for _, side := range []ledger.Side{h.Side.Other(), h.Side} {
		if h.Side == "" {
			side = map[ledger.Side]ledger.Side{"": ledger.Notion, ledger.CRM: ledger.CRM}[side]
		}
		does := choices[side]
		if does == "" {
			continue
		}
		command := "approve " + which
		switch {
		case h.Side == "":
			command = "approve " + which + " --keep " + string(side)
		case side == h.Side:
			command = "reject " + which
		}
		lines = append(lines, fmt.Sprintf("tandem %s: %s", command, does))
	}
	return lines
}

// byItself says what ends holds without an answer.
func byItself(kind string) string {
	switch kind {
	case "moved":
		return "or move the page back into its database, and it goes on by itself"
	case "vanished":
		return "or share the page with the connection again, or bring the row back, and it goes on by itself; tandem sync has it looked at at once"
	}
	return ""
}

// hint says what helps where nothing can be answered.
func hint(kind string) string {
	switch kind {
	case "paused":
		return "tandem resume lets it go on"
	case "match":
		return "change what makes them alike, or link them: tandem link --apply, tandem links import"
	}
	return "it goes on by itself when its cause is gone"
}
