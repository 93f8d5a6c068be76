package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
)

// recordCommands are those about what was done, and what is known of it.
func recordCommands(g *globalOptions) []*cobra.Command {
	return []*cobra.Command{newHistoryCommand(g), newUndoCommand(g), newForgetCommand(g), newVerifyCommand(g)}
}

// writeOptions say which recorded writes are meant.
type writeOptions struct {
	Entity, Key, Field, Side, By, Run string
	Since, Until                      string
}

func (o *writeOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.Entity, "entity", "", "only of this entity")
	f.StringVar(&o.Key, "key", "", "only of this record: a row's key or a page's id")
	f.StringVar(&o.Field, "field", "", "only of this field")
	f.StringVar(&o.Side, "side", "", "only writes to this side: crm or notion")
	f.StringVar(&o.By, "by", "", "only edits of this person or transaction, or what this user commanded; a part of the name is enough")
	f.StringVar(&o.Run, "run", "", "only of this run: a process start, a plan or an undo")
	f.StringVar(&o.Since, "since", "", "only from then on: a time (2026-11-22T09:30:00Z, 2026-11-22) or so long ago (90m, 36h, 7d)")
	f.StringVar(&o.Until, "until", "", "only before then, likewise")
}

func (o *writeOptions) filter(sync string, now time.Time) (pgledger.AuditFilter, error) {
	f := pgledger.AuditFilter{Sync: sync, Entity: o.Entity, Key: o.Key, Field: o.Field, Side: ledger.Side(o.Side), By: o.By, Run: o.Run}
	if o.Side != "" && f.Side != ledger.CRM && f.Side != ledger.Notion {
		return f, usagef("--side must be crm or notion")
	}
	var err error
	if f.Since, err = moment("--since", o.Since, now); err != nil {
		return f, err
	}
	f.Until, err = moment("--until", o.Until, now)
	return f, err
}

// moment reads a time, or how long ago it was.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	ago := text
	if days, ok := strings.CutSuffix(text, "d"); ok {
		ago = days + "h"
	}
	d, err := time.ParseDuration(ago)
	if err != nil || d < 0 {
		return time.Time{}, usagef("%s: %q is neither a time (2026-11-22T09:30:00Z, 2026-11-22) nor so long ago (90m, 36h, 7d)", flag, text)
	}
	if ago != text {
		d *= 24
	}
	return now.Add(-d), nil
}

type historyOptions struct {
	sessionOptions
	writeOptions
	Top      int
	Verify   bool
	Requests bool
}

func newHistoryCommand(g *globalOptions) *cobra.Command {
	o := &historyOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "history --config FILE",
		Short: "Show what was written to either side, when, why and by whom",
		Long: `History lists the writes to both sides, newest first, one line for each field: they are written down before they happen, in an append-only table
of the CRM's own database (view tandem.history, for SQL). With --verify it walks the chain of hashes that binds each write to the one before, looks
whether every value is the one that was written down, and prints the chain's head: noted elsewhere, it proves later that nothing before it changed.
With --requests it lists the requests that changed something in Notion, each written down before it left, with what came of it and Notion's name for it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.sessionOptions.addFlags(c)
	o.writeOptions.addFlags(c)
	c.Flags().IntVar(&o.Top, "top", 50, "how many lines are shown; 0 is all")
	c.Flags().BoolVar(&o.Verify, "verify", false, "check the chain instead")
	c.Flags().BoolVar(&o.Requests, "requests", false, "list requests to Notion instead; of the narrowings --run, --key (a page's id), --since and --until count")
	return c
}

func (o *historyOptions) run(ctx context.Context) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	if o.Top < 0 {
		return usagef("--top must not be negative")
	}
	if _, err := o.filter("", time.Now()); err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if o.Verify {
		return o.verify(ctx, s)
	}
	f, err := o.filter(s.sync, time.Now())
	if err != nil {
		return err
	}
	if f.Max = o.Top; o.Top > 0 {
		f.Max++
	}
	if o.Requests {
		return o.requests(ctx, s, f)
	}
	found, err := s.store.Audit(ctx, f)
	if err != nil {
		return err
	}
	more := o.Top > 0 && len(found) > o.Top
	if more {
		found = found[:o.Top]
	}
	if o.JSON {
		return o.out.json(map[string]any{"writes": found, "more": more})
	}
	const person = "Notion user "
	names := s.names(ctx, func(yield func(string)) {
		for _, h := range found {
			if id, is := strings.CutPrefix(h.By, person); is {
				yield(id)
			}
		}
	})
	for i, h := range found {
		if name := names[strings.TrimPrefix(h.By, person)]; name != "" {
			found[i].By = name + " (Notion)"
		}
	}
	o.show(found, more)
	return nil
}

func (o *historyOptions) requests(ctx context.Context, s *session, f pgledger.AuditFilter) error {
	found, err := s.store.Requests(ctx, f)
	if err != nil {
		return err
	}
	more := o.Top > 0 && len(found) > o.Top
	if more {
		found = found[:o.Top]
	}
	if o.JSON {
		return o.out.json(map[string]any{"requests": found, "more": more})
	}
	if len(found) == 0 {
		o.out.printf("nothing in Notion was to be changed, as far as the audit goes back\n")
		return nil
	}
	var rows [][]string
	for _, r := range found {
		outcome := cmp.Or(r.Outcome, "no answer yet")
		if r.Status > 0 {
			outcome += fmt.Sprintf(" (%d)", r.Status)
		}
		rows = append(rows, []string{r.At.Local().Format("2006-01-02 15:04:05"), r.Method + " " + strings.TrimPrefix(r.Path, "/v1"), strings.Join(r.Parts, " "), outcome, r.Made, r.RequestID, r.Run})
	}
	o.out.table([]string{"WHEN", "REQUEST", "CHANGES", "OUTCOME", "OBJECT", "REQUEST ID", "RUN"}, rows)
	if more {
		o.out.printf("there are more: --top says how many are shown\n")
	}
	return nil
}

func (o *historyOptions) show(found []pgledger.AuditRow, more bool) {
	if len(found) == 0 {
		o.out.printf("nothing was written, as far as the audit goes back\n")
		return
	}
	var rows [][]string
	for _, h := range found {
		record := h.Key
		if record == "" {
			record = "page " + h.Page
		}
		rows = append(rows, []string{h.At.Local().Format("2006-01-02 15:04:05"), h.Entity + " " + record, string(h.Side), h.Op, h.Field, fromTo(h), why(h), h.By, h.Run})
	}
	o.out.table([]string{"WHEN", "RECORD", "SIDE", "OP", "FIELD", "FROM → TO", "WHY", "WHO", "RUN"}, rows)
	if more {
		o.out.printf("there are more: --top 0 shows all\n")
	}
}

func fromTo(h pgledger.AuditRow) string {
	if h.Field == "" {
		return ""
	}
	if h.Erased {
		return pgledger.Erased
	}
	return inBrief(h.Was) + " → " + inBrief(h.Became)
}

// inBrief is a value as a table bears it; what is not known is a dash.
func inBrief(v change.Value) string {
	switch {
	case v.IsAbsent():
		return "–"
	case v.IsNull():
		return "(empty)"
	}
	return short(v.String(), 40)
}

func why(h pgledger.AuditRow) string {
	if h.Conflict == "" {
		return h.Why
	}
	return strings.TrimSpace(fmt.Sprintf("%s, conflict %.8s (%s)", h.Why, h.Conflict, h.Rule))
}

func (o *historyOptions) verify(ctx context.Context, s *session) error {
	report, err := s.store.CheckChain(ctx, s.sync)
	if err != nil {
		return err
	}
	if o.JSON {
		if err := o.out.json(report); err != nil {
			return err
		}
	} else {
		o.out.printf("%d writes are chained and whole; %d of the last moments are not chained yet; %d were taken by retention; %d values were forgotten\nhead %s\n",
			report.Rows, report.Waiting, report.Cut, report.Erased, report.Head)
		for _, p := range slices.Compact(report.Problems) {
			o.out.printf("PROBLEM: %s\n", p)
		}
	}
	if len(report.Problems) > 0 {
		return errSaid
	}
	return nil
}
