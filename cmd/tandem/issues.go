package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
)

// issuesMax is how many issues are read where all of them count.
const issuesMax = 1_000_000

type issueFilter struct {
	Class, Entity string
}

func (f *issueFilter) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&f.Class, "class", "", "only of this class: "+classNames())
	c.Flags().StringVar(&f.Entity, "entity", "", "only of this entity")
}

func classNames() string {
	var names []string
	for _, c := range ledger.Classes() {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

func (f *issueFilter) of() (pgledger.IssuesOf, error) {
	if f.Class != "" && !slices.Contains(ledger.Classes(), ledger.Class(f.Class)) {
		return pgledger.IssuesOf{}, usagef("there is no class %q; there are %s", f.Class, classNames())
	}
	return pgledger.IssuesOf{Class: ledger.Class(f.Class), Entity: f.Entity}, nil
}

type issuesOptions struct {
	sessionOptions
	issueFilter
	Top int
}

func newIssuesCommand(g *globalOptions) *cobra.Command {
	o := &issuesOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "issues --config FILE",
		Short: "Show the records that do not go on by themselves, or not yet: why, and what ends it",
		Long: `Issues lists every record that is held, put aside, tried again, or possibly overwritten, with the reason in plain words and what ends it, by class: what
ends one issue ends all of its class. An issue goes by itself when its cause does: at once where something tells of that (an edit, a page that comes back,
a row that is linked), else within minutes; tandem retry has it looked at now. The same stands in the view tandem.issue.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.sessionOptions.addFlags(c)
	o.issueFilter.addFlags(c)
	c.Flags().IntVar(&o.Top, "top", 20, "how many are listed at most")
	return c
}

// issuesAnswer is what issues prints as JSON.
type issuesAnswer struct {
	Sync   string                `json:"sync"`
	At     time.Time             `json:"at"`
	Counts []pgledger.IssueCount `json:"counts"` // of all, whatever is listed
	Issues []pgledger.Issue      `json:"issues"`
	More   bool                  `json:"more"`
}

func (o *issuesOptions) run(ctx context.Context) error {
	of, err := o.of()
	if err != nil {
		return err
	}
	if o.Top < 1 {
		return usagef("--top must be 1 or more")
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	answer := issuesAnswer{Sync: s.sync, At: time.Now().UTC()}
	if answer.Counts, err = s.store.IssueCounts(ctx, s.sync); err != nil {
		return err
	}
	found, err := s.store.Issues(ctx, s.sync, of, o.Top+1)
	if err != nil {
		return err
	}
	answer.More, answer.Issues = len(found) > o.Top, found[:min(o.Top, len(found))]
	if o.JSON {
		return o.out.json(answer)
	}
	o.show(answer)
	return nil
}

func (o *issuesOptions) show(a issuesAnswer) {
	if len(a.Counts) == 0 {
		o.out.printf("no issues\n")
		return
	}
	var rows [][]string
	for _, c := range a.Counts {
		rows = append(rows, []string{c.Entity, string(c.Class), fmt.Sprint(c.Count), ago(a.At, c.Oldest)})
	}
	o.out.table([]string{"ENTITY", "CLASS", "COUNT", "OLDEST"}, rows)
	var last ledger.Class
	byClass := slices.Clone(a.Issues)
	slices.SortStableFunc(byClass, func(x, y pgledger.Issue) int { return cmp.Compare(x.Class, y.Class) })
	for _, i := range byClass {
		if i.Class != last {
			o.out.printf("\n%s: %s\n", i.Class, i.Fix)
			last = i.Class
		}
		o.out.printf("  %s\n", printable(issueLine(a.At, i)))
	}
	if a.More {
		o.out.printf("\n… and more: --top says how many are listed, --class and --entity which\n")
	}
}

func issueLine(now time.Time, i pgledger.Issue) string {
	line := i.Entity + " " + i.Key
	if i.Key == "" {
		line = i.Entity + " page " + i.Page
	}
	line += ", " + i.Kind + " for " + ago(now, i.Since)
	if i.Kind == "retried" {
		line += fmt.Sprintf(", %d attempts, next in %s", i.Attempts, max(0, i.NextTry.Sub(now)).Round(time.Second))
	}
	if i.Field != "" {
		line += ", " + i.Field
	}
	return line + ": " + cmp.Or(short(i.Reason, 300), "no reason was kept; tandem explain says why")
}

type retryOptions struct {
	sessionOptions
	issueFilter
	All bool
}

func newRetryCommand(g *globalOptions) *cobra.Command {
	o := &retryOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "retry [ENTITY KEY] --config FILE",
		Short: "Have records with issues looked at now: one, all of a class (--class), or all (--all)",
		Long: `Retry makes work for the connectors that run: records that were put aside, are tried again later, or wait for something are looked at now. What still
cannot be done is put aside again. It decides nothing: what waits for a person (tandem holds) goes on waiting.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args) },
	}
	o.sessionOptions.addFlags(c)
	o.issueFilter.addFlags(c)
	c.Flags().BoolVar(&o.All, "all", false, "all issues")
	return c
}

func (o *retryOptions) run(ctx context.Context, args []string) error {
	of, err := o.of()
	switch {
	case err != nil:
		return err
	case len(args) == 1:
		return usagef("name an ENTITY and a KEY, or --class, --entity or --all")
	case len(args) == 2 && (o.All || o.Class != "" || o.Entity != ""):
		return usagef("ENTITY and KEY name one record: leave --class, --entity and --all away")
	case len(args) == 0 && !o.All && o.Class == "" && o.Entity == "":
		return usagef("say which: an ENTITY and a KEY, --class, --entity or --all")
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if len(args) == 2 {
		link, ok, err := s.link(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("no link of %s has the key or page %q", args[0], args[1])
		}
		of.Link = link.ID
	}
	found, err := s.store.Issues(ctx, s.sync, of, issuesMax)
	if err != nil {
		return err
	}
	n, err := s.retry(ctx, found)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(map[string]int{"records": n})
	}
	switch {
	case n == 0 && len(args) == 2:
		o.out.printf("%s %s has no issue that looking again could end\n", printable(args[0]), printable(args[1]))
	case n == 0:
		o.out.printf("no record has such an issue\n")
	case n == 1:
		o.out.printf("asked for one record to be looked at now; tandem issues shows what is left\n")
	default:
		o.out.printf("asked for %d records to be looked at now; tandem issues shows what is left\n", n)
	}
	return nil
}

// retryMax is how many reasons go into one transaction.
const retryMax = 1000

// retry makes work of issues that a look can end; it says of how many records.
func (s *session) retry(ctx context.Context, found []pgledger.Issue) (int, error) {
	rank := map[string]int{}
	for _, e := range s.entities {
		rank[e.Name] = e.Rank
	}
	var reasons []ledger.Reason
	known := map[string]bool{}
	records := map[int64]bool{}
	for _, i := range found {
		r := ledger.Reason{Sync: s.sync, Entity: i.Entity, Link: i.Link, Side: i.Side, Lane: ledger.LaneLive, Rank: rank[i.Entity], Why: "retry"}
		switch i.Kind {
		case "overwritten":
			continue
		case "held":
			r.Side, r.Why = ledger.Notion, "sync" // with a read of the page, whatever is known of it
		}
		records[i.Link] = true
		if one := fmt.Sprint(r.Link, r.Side); !known[one] {
			known[one] = true
			reasons = append(reasons, r)
		}
	}
	for chunk := range slices.Chunk(reasons, retryMax) {
		if err := s.store.Add(ctx, time.Now(), chunk); err != nil {
			return 0, err
		}
	}
	return len(records), nil
}
