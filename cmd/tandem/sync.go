package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
	source "github.com/tandem-sync/tandem/source/notion"
)

type syncOptions struct {
	sessionOptions
	All     bool
	Wait    bool
	Timeout time.Duration
}

func newSyncCommand(g *globalOptions) *cobra.Command {
	o := &syncOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "sync ENTITY KEY --config FILE",
		Short: "Have both sides of one record looked at now, or of all (--all)",
		Long: `Sync makes work for the connectors that run: they look at one row and its page at once, whatever has been seen of them. KEY is the row's key
or the page's id. With --all every row and page is looked at, in the background lane; name an ENTITY to sweep the pages of that one alone.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args) },
	}
	o.addFlags(c)
	c.Flags().BoolVar(&o.All, "all", false, "look at everything")
	c.Flags().BoolVar(&o.Wait, "wait", false, "wait until the record was looked at, and say what came of it")
	c.Flags().DurationVar(&o.Timeout, "timeout", time.Minute, "how long --wait waits")
	return c
}

func (o *syncOptions) run(ctx context.Context, args []string) error {
	switch {
	case o.All && (len(args) > 1 || o.Wait):
		return usagef("--all goes with no KEY and without --wait; status shows how far it is")
	case !o.All && len(args) != 2:
		return usagef("name an ENTITY and a KEY, or --all")
	}
	a, err := o.app()
	if err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if o.All {
		return o.sweep(ctx, a, s, args)
	}
	return o.one(ctx, s, args[0], args[1])
}

// sweep asks the connectors to look at everything.
func (o *syncOptions) sweep(ctx context.Context, a *app, s *session, only []string) error {
	const why = "asked for with sync --all"
	entities := s.entities
	if len(only) > 0 {
		e, err := s.entity(only[0])
		if err != nil {
			return err
		}
		entities = append(entities[:0:0], e)
	} else if len(entities) == 0 {
		_, err := s.entity("")
		return err
	}
	if len(only) == 0 {
		if err := sink.RequestSweep(ctx, s.store, sink.RowSweepName(s.sync), a.holder, time.Now(), why); err != nil {
			return err
		}
	}
	var names []string
	for _, e := range entities {
		if err := source.RequestSweep(ctx, s.store, s.sync, e.Name, a.holder, time.Now(), why); err != nil {
			return err
		}
		names = append(names, e.Name)
	}
	if o.JSON {
		return o.out.json(map[string]any{"requested": names, "rows": len(only) == 0})
	}
	o.out.printf("asked for a sweep of %s; the connectors that run do it in the background\n", strings.Join(names, ", "))
	return nil
}

// syncAnswer is what sync prints as JSON.
type syncAnswer struct {
	Entity  string             `json:"entity"`
	Key     string             `json:"key,omitempty"`
	Page    string             `json:"page,omitempty"`
	State   string             `json:"state,omitempty"`
	Outcome string             `json:"outcome"` // requested, done, parked, held, gone, waiting
	Reason  string             `json:"reason,omitempty"`
	Writes  []pgledger.Written `json:"writes,omitempty"`
}

func (o *syncOptions) one(ctx context.Context, s *session, entity, key string) error {
	e, err := s.entity(entity)
	if err != nil {
		return err
	}
	link, known, err := s.link(ctx, entity, key)
	if err != nil {
		return err
	}
	began := time.Now()
	reason := ledger.Reason{Sync: s.sync, Entity: entity, Lane: ledger.LaneLive, Rank: e.Rank, Why: "sync", Side: ledger.Notion}
	page, isPage := notionapi.ObjectID(key)
	switch {
	case known:
		reason.Link = link.ID
	case isPage:
		reason.Page = page
	default:
		reason.Key = key
	}
	reasons := []ledger.Reason{reason}
	if found, ok, err := s.store.Look(ctx, link.ID); err != nil {
		return err
	} else if ok && (found.Link.Seen != nil || len(found.Work) > 0) {
		reason.Side = ledger.CRM // something waits for that side: it looks too. Else sink/notion tells it when there is cause.
		reasons = append(reasons, reason)
	}
	if err := s.store.Add(ctx, began, reasons); err != nil {
		return err
	}
	answer := syncAnswer{Entity: entity, Key: link.Key, Page: link.Page, State: string(link.State), Outcome: "requested"}
	if !known {
		answer.Key, answer.Page = reason.Key, reason.Page
	}
	if !o.Wait {
		return o.tell(answer)
	}
	if !known {
		if link, known, err = s.link(ctx, entity, key); err != nil || !known {
			return err
		}
	}
	if answer, err = o.wait(ctx, s, link, began); err != nil {
		return err
	}
	if err := o.tell(answer); err != nil {
		return err
	}
	if answer.Outcome == "done" || answer.Outcome == "gone" {
		return nil
	}
	return errSaid
}

// lookEvery is how often a waiting sync looks at the ledger.
const lookEvery = 50 * time.Millisecond

// wait looks until the link has no work any more, or work that does not go on by itself.
func (o *syncOptions) wait(ctx context.Context, s *session, link ledger.Link, began time.Time) (syncAnswer, error) {
	deadline := began.Add(o.Timeout)
	for {
		found, there, err := s.store.Look(ctx, link.ID)
		if err != nil {
			return syncAnswer{}, err
		}
		l := found.Link
		answer := syncAnswer{Entity: link.Entity, Key: l.Key, Page: l.Page, State: string(l.State)}
		if answer.Writes, err = s.store.Writes(ctx, link.ID, began, 20); err != nil {
			return answer, err
		}
		switch answer.Outcome, answer.Reason = settled(found); {
		case !there:
			return syncAnswer{Entity: link.Entity, Key: link.Key, Page: link.Page, Outcome: "gone", Reason: "neither a row nor a page is there: the link was removed"}, nil
		case answer.Outcome != "":
			return answer, nil
		case time.Now().After(deadline):
			answer.Outcome = "waiting"
			answer.Reason = fmt.Sprintf("nobody has finished it within %s: do both sinks run? explain shows what it waits for", o.Timeout)
			return answer, nil
		}
		if err := lifecycle.Pause(ctx, lookEvery); err != nil {
			return answer, err
		}
	}
}

// settled says that a link does not move any more by itself, and why; "" while it does.
func settled(p ledger.Pending) (outcome, reason string) {
	if len(p.Holds) > 0 {
		outcome, reason = "held", p.Holds[0].Reason
	}
	for _, w := range p.Work {
		if w.Parked == "" {
			return "", ""
		}
		if outcome == "" {
			outcome, reason = "parked", w.Parked
		}
	}
	if outcome == "" {
		outcome = "done"
	}
	return outcome, reason
}

func (o *syncOptions) tell(a syncAnswer) error {
	if o.JSON {
		return o.out.json(a)
	}
	o.out.printf("%s %s: %s", a.Entity, printable(a.Key), a.Outcome)
	if a.Page != "" {
		o.out.printf(" (page %s)", a.Page)
	}
	if a.Reason != "" {
		o.out.printf(": %s", printable(a.Reason))
	}
	o.out.printf("\n")
	for _, w := range a.Writes {
		o.out.printf("  %s %s: %s\n", w.Side, w.Op, strings.Join(w.New.Fields(), ", "))
	}
	if a.Outcome == "done" && len(a.Writes) == 0 {
		o.out.printf("  both sides agree; nothing was written\n")
	}
	return nil
}
