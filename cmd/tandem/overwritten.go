package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
)

type overwrittenOptions struct {
	sessionOptions
	Entity string
	Since  time.Duration
	All    bool
	Seen   string
	Top    int
}

func newOverwrittenCommand(g *globalOptions) *cobra.Command {
	o := &overwrittenOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "overwritten --config FILE",
		Short: "Show edits in Notion that a write from the CRM may have overwritten",
		Long: `Notion has no conditional write: what a person types into a property between our read of the page and our write of that property is overwritten, and
the API keeps no former value. Each such stretch is recorded; when a webhook names the property with a time in it and the page shows what we wrote,
the edit stands here, with its author and a link to the page, whose history in Notion has the value. Without webhooks nothing can be found.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.Entity, "entity", "", "only of this entity")
	c.Flags().DurationVar(&o.Since, "since", 0, "only what is not older, as 24h")
	c.Flags().BoolVar(&o.All, "all", false, "also those that a person has looked at")
	c.Flags().StringVar(&o.Seen, "seen", "", "note that you have looked at one, by its id or how that begins, or at all of them (all)")
	c.Flags().IntVar(&o.Top, "top", 50, "how many are listed at most")
	return c
}

func (o *overwrittenOptions) run(ctx context.Context) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	if o.Top < 1 {
		return usagef("--top must be 1 or more")
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if o.Seen != "" {
		return o.note(ctx, s)
	}
	since := time.Time{}
	if o.Since > 0 {
		since = time.Now().Add(-o.Since)
	}
	found, err := s.store.Overwritten(ctx, s.sync, o.Entity, since, !o.All, o.Top)
	if err != nil {
		return err
	}
	names := s.names(ctx, func(yield func(string)) {
		for _, f := range found {
			yield(f.Author)
		}
	})
	for i := range found {
		found[i].Author = cmp.Or(names[found[i].Author], found[i].Author)
	}
	if o.JSON {
		return o.out.json(map[string]any{"sync": s.sync, "overwritten": found})
	}
	o.show(found)
	return nil
}

func (o *overwrittenOptions) note(ctx context.Context, s *session) error {
	id := o.Seen
	const enough = 6
	switch {
	case id == "all":
		id = ""
	case len(id) < enough:
		return usagef("%q is too short for an id: give %d characters of it at least, or all", id, enough)
	}
	n, err := s.store.SeeOverwritten(ctx, s.sync, id, time.Now())
	if err != nil {
		return err
	}
	if n == 0 && id != "" {
		return fmt.Errorf("no overwritten edit that nobody has looked at has the id %s", id)
	}
	if o.JSON {
		return o.out.json(map[string]int{"seen": n})
	}
	o.out.printf("noted for %d\n", n)
	return nil
}

func (o *overwrittenOptions) show(found []pgledger.PastOverwrite) {
	if len(found) == 0 {
		o.out.printf("no edit that may have been overwritten\n")
		return
	}
	var rows [][]string
	for _, f := range found {
		rows = append(rows, []string{f.ID[:8], f.Edited.Local().Format("2006-01-02 15:04:05"), f.Entity + " " + cmp.Or(f.Key, f.Page), strings.Join(f.Fields, ", "), f.Author,
			f.Closed.Sub(f.Opened).Round(time.Millisecond).String(), f.URL})
	}
	o.out.table([]string{"ID", "EDITED BY", "RECORD", "FIELDS", "AUTHOR", "WINDOW", "PAGE (its history has the value)"}, rows)
	o.out.printf("\nlook at the page's history in Notion, put right what is wrong, then: tandem overwritten --seen ID\n")
}
