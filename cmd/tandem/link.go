package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink/match"
	"github.com/tandem-sync/tandem/sink/plan"
)

type linkOptions struct {
	*globalOptions
	Entities []string
	Apply    bool
	Out      string
	Sample   int
	JSON     bool
}

func newLinkCommand(g *globalOptions) *cobra.Command {
	o := &linkOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "link FILE…",
		Short: "Find out which rows and pages that are there already are the same record, and link them (--apply)",
		Long: `Link compares the rows and pages that nobody has linked yet, by the keys of each mapping's match, in their order: one row and one page under one
value are a pair; several on either side are shown and never linked by guess, nor by a later key. It prints a report and writes nothing. With --apply
the pairs are linked, and the connectors merge what both say, as at any first contact: equal is adopted, empty takes the other's value, and
where they differ the field's initial authority stands and the other value is kept in the conflict history. What is doubtful is held, and
everything else that waited for this command is made. It may run at any time, again, and beside the connectors: what they hold at that
moment is left out and named.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return o.run(c.Context(), files) },
	}
	c.Flags().StringSliceVar(&o.Entities, "entity", nil, "only these entities; all that have match keys if none is named")
	c.Flags().BoolVar(&o.Apply, "apply", false, "link the exact pairs")
	c.Flags().StringVar(&o.Out, "out", "", "write the whole report into this CSV file")
	c.Flags().IntVar(&o.Sample, "sample", 5, "how many of each class to show")
	c.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	return c
}

// linkAnswer is what link prints as JSON, for each entity.
type linkAnswer struct {
	Entity    string          `json:"entity"`
	Rows      int             `json:"rows"`
	Pages     int             `json:"pages"`
	Exact     int             `json:"exact"`
	Ambiguous [2]int          `json:"ambiguous"` // rows, pages
	Duplicate [2]int          `json:"duplicate"`
	None      [2]int          `json:"none"`
	Samples   []match.Finding `json:"samples"`
	Linked    *plan.Linked    `json:"linked,omitempty"`
}

func (o *linkOptions) run(ctx context.Context, files []string) error {
	if o.Sample < 0 {
		return usagef("--sample must not be negative")
	}
	a, err := o.app()
	if err != nil {
		return err
	}
	h, err := a.openAhead(ctx, files, aheadOptions{Write: o.Apply})
	if err != nil {
		return err
	}
	defer h.close()
	entities, err := o.entities(h)
	if err != nil {
		return err
	}
	if o.Apply {
		err = h.schema.Ensure(ctx)
	} else {
		err = h.foresee(ctx)
	}
	if err != nil {
		return err
	}
	report, err := openReport(o.Out)
	if err != nil {
		return err
	}
	var answers []linkAnswer
	left := 0
	for _, e := range entities {
		answer, err := o.link(ctx, a, h, e, report)
		if err != nil {
			return err
		}
		if answer.Linked != nil {
			left += len(answer.Linked.Left)
		}
		answers = append(answers, answer)
	}
	if err := report.close(); err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(answers)
	}
	o.conclude(left)
	return nil
}

func (o *linkOptions) entities(h *ahead) ([]*mapping.Entity, error) {
	all, err := h.chosen(o.Entities)
	if err != nil {
		return nil, err
	}
	var with []*mapping.Entity
	for _, e := range all {
		if len(e.Match) > 0 {
			with = append(with, e)
		} else if len(o.Entities) > 0 {
			return nil, usagef(`the mapping of %s has no match keys: add for instance "match": [["email"], ["phone"]]`, e.Name)
		}
	}
	if len(with) == 0 {
		return nil, usagef(`none of the mappings has match keys: add for instance "match": [["email"], ["phone"]]`)
	}
	return with, nil
}

func (o *linkOptions) link(ctx context.Context, a *app, h *ahead, e *mapping.Entity, file *reportFile) (linkAnswer, error) {
	m := newMeter(o.out.stderr)
	h.reader.Progress = m.show
	defer m.end()
	schema, _, err := h.ledger.Schema(ctx, h.sync, e.Name)
	if err != nil {
		return linkAnswer{}, err
	}
	u, err := h.reader.Unlinked(ctx, e, schema)
	if err != nil {
		return linkAnswer{}, err
	}
	report := match.Match(e.Match, u.Rows, u.Pages)
	answer := linkAnswer{Entity: e.Name, Rows: u.Read[0], Pages: u.Read[1], Exact: len(report.Pairs()), None: [2]int{len(report.Rows), len(report.Pages)}}
	answer.Ambiguous[0], answer.Ambiguous[1] = report.Count(match.Ambiguous)
	answer.Duplicate[0], answer.Duplicate[1] = report.Count(match.Duplicate)
	answer.Samples = samples(report, o.Sample)
	if err := file.write(e, report, u); err != nil {
		return answer, err
	}
	m.end()
	if !o.JSON {
		o.show(e, answer, report, u)
	}
	if !o.Apply {
		return answer, nil
	}
	l := &plan.Linker{Reader: h.reader, Holder: "tandem link " + a.holder, Now: time.Now}
	linked, err := l.Apply(ctx, e, report)
	m.end()
	answer.Linked = &linked
	if err == nil && !o.JSON {
		o.showLinked(linked)
	}
	return answer, err
}

func samples(report match.Report, most int) []match.Finding {
	out, counts := []match.Finding{}, map[match.Class]int{}
	for _, f := range report.Findings {
		if counts[f.Class]++; counts[f.Class] <= most {
			out = append(out, f)
		}
	}
	return out
}

func (o *linkOptions) show(e *mapping.Entity, a linkAnswer, report match.Report, u *plan.Unlinked) {
	o.out.printf("%s: %d rows and %d pages looked at; %d rows and %d pages are not linked\n", e.Name, a.Rows, a.Pages, len(u.Rows), len(u.Pages))
	by := map[int]int{}
	for _, f := range report.Findings {
		if f.Class == match.Exact {
			by[f.Key]++
		}
	}
	var keys []string
	for i, key := range e.Match {
		if by[i] > 0 {
			keys = append(keys, fmt.Sprintf("%d by %s", by[i], strings.Join(key, " and ")))
		}
	}
	how := ""
	if len(keys) > 0 {
		how = ": " + strings.Join(keys, ", ")
	}
	o.out.printf("  exact      %d pairs%s\n", a.Exact, how)
	o.out.printf("  ambiguous  %d rows, %d pages\n  duplicate  %d rows, %d pages\n  none       %d rows, %d pages\n", a.Ambiguous[0], a.Ambiguous[1], a.Duplicate[0], a.Duplicate[1], a.None[0], a.None[1])
	for _, class := range []match.Class{match.Exact, match.Ambiguous, match.Duplicate} {
		for _, f := range a.Samples {
			if f.Class == class {
				o.out.printf("    %-9s  %s\n", f.Class, printable(f.Reason(e.Match)+names(f, u)))
			}
		}
	}
}

// names are what people call the records of a pair, where they are called differently.
func names(f match.Finding, u *plan.Unlinked) string {
	if f.Class != match.Exact {
		return ""
	}
	row, page := u.Titles[f.Rows[0]], u.Titles[f.Pages[0]]
	if row == page {
		return fmt.Sprintf(": %s", short(row, 40))
	}
	return fmt.Sprintf(": %s, %s", short(row, 40), short(page, 40))
}

func (o *linkOptions) showLinked(l plan.Linked) {
	o.out.printf("  linked %d pairs; %d records are held because they cannot be told apart; %d that waited go on\n", l.Linked, l.Held, l.Released)
	for _, left := range l.Left {
		o.out.printf("    left out   %s%s: %s\n", orDash("row ", left.Row), orDash(" page ", left.Page), left.Why)
	}
}

func orDash(what, id string) string {
	if id == "" {
		return ""
	}
	return what + id
}

func (o *linkOptions) conclude(left int) {
	if o.Out != "" {
		o.out.printf("the whole report is in %s\n", o.Out)
	}
	switch {
	case !o.Apply:
		o.out.printf("nothing was written; --apply links the exact pairs\n")
	case left > 0:
		o.out.printf("run it again for the %d that were left out\n", left)
	}
}

// reportFile is link's report as CSV: one line for each finding, and for each record that no key says anything of. A nil one takes nothing.
type reportFile struct {
	file *os.File
	csv  *csv.Writer
}

func openReport(path string) (*reportFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // it holds people's data
	if err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	r := &reportFile{file: f, csv: csv.NewWriter(f)}
	return r, r.csv.Write([]string{"entity", "class", "key", "value", "rows", "pages", "names", "reason"})
}

func (r *reportFile) write(e *mapping.Entity, report match.Report, u *plan.Unlinked) error {
	if r == nil {
		return nil
	}
	line := func(class, key, value string, rows, pages []string, reason string) error {
		var titles []string
		for _, id := range append(append([]string{}, rows...), pages...) {
			titles = append(titles, u.Titles[id])
		}
		return r.csv.Write([]string{e.Name, class, key, cell(value), strings.Join(rows, " "), strings.Join(pages, " "), cell(strings.Join(titles, " | ")), cell(reason)})
	}
	for _, f := range report.Findings {
		if err := line(string(f.Class), strings.Join(e.Match[f.Key], " "), f.Value, f.Rows, f.Pages, f.Reason(e.Match)); err != nil {
			return err
		}
	}
	for _, id := range report.Rows {
		if err := line("none", "", "", []string{id}, nil, "no page has its keys"); err != nil {
			return err
		}
	}
	for _, id := range report.Pages {
		if err := line("none", "", "", nil, []string{id}, "no row has its keys"); err != nil {
			return err
		}
	}
	return nil
}

// cell keeps a spreadsheet from taking people's data for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func (r *reportFile) close() error {
	if r == nil {
		return nil
	}
	r.csv.Flush()
	if err := r.csv.Error(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return r.file.Close()
}
