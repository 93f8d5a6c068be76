package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	sinknotion "github.com/tandem-sync/tandem/sink/notion"
	"github.com/tandem-sync/tandem/sink/plan"
)

type planOptions struct {
	*globalOptions
	Entities []string
	Out      string
	Sample   int
	JSON     bool
}

func newPlanCommand(g *globalOptions) *cobra.Command {
	o := &planOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "plan FILE…",
		Short: "Show what would be written on both sides, field by field, and write nothing but a plan file",
		Long: `Plan reads all rows and all pages as they are now, a hundred pages a request, decides on every record with the code that the connectors run, and
shows what would be created, updated, linked, deleted, held and left out on each side, who leaves the mapping's scope or comes back into it, what it would cost in requests, and how long that takes within
Notion's budget. Both directions are taken for switched on, whatever the mappings' mode is. It writes nothing anywhere but the plan file (its requests
are taken from the shared budget). tandem apply carries the file out, or less. It needs no sync that has begun: before the first run it shows the first sync.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return o.run(c.Context(), files) },
	}
	c.Flags().StringSliceVar(&o.Entities, "entity", nil, "only these entities")
	c.Flags().StringVar(&o.Out, "out", "", "write the plan into this file, for tandem apply")
	c.Flags().IntVar(&o.Sample, "sample", 3, "how many of each kind to show")
	c.Flags().BoolVar(&o.JSON, "json", false, "print the summary as JSON")
	return c
}

// planSummary is what plan says of one entity.
type planSummary struct {
	Entity string         `json:"entity"`
	Counts map[string]int `json:"counts"`           // "create pages", "update rows" …
	Fields map[string]int `json:"fields,omitempty"` // "notion phone"
	Lost   int            `json:"overwritten"`      // values of people's that go to the conflict history
	Sample []plan.Item    `json:"sample"`

	shown map[string]int
}

// planAnswer is what plan prints as JSON.
type planAnswer struct {
	Schema   []string       `json:"schema"`
	Entities []*planSummary `json:"entities"`
	Requests int            `json:"requests"`
	Seconds  int            `json:"seconds"` // within the budget
	Spent    int64          `json:"spent"`   // requests that the plan itself took
	File     string         `json:"file,omitempty"`

	steps []sinknotion.SchemaStep
}

func (o *planOptions) run(ctx context.Context, files []string) error {
	if o.Sample < 0 {
		return usagef("--sample must not be negative")
	}
	a, err := o.app()
	if err != nil {
		return err
	}
	h, err := a.openAhead(ctx, files, aheadOptions{Switches: true})
	if err != nil {
		return err
	}
	defer h.close()
	entities, err := h.chosen(o.Entities)
	if err != nil {
		return err
	}
	if err := h.foresee(ctx); err != nil {
		return err
	}
	answer, err := o.make(ctx, h, entities)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(answer)
	}
	o.show(answer)
	return nil
}

// make writes the plan file beside its place, and puts it there when it is whole.
func (o *planOptions) make(ctx context.Context, h *ahead, entities []*mapping.Entity) (*planAnswer, error) {
	answer := &planAnswer{Schema: h.schemaSteps(), File: o.Out, steps: h.steps}
	dir := "" // the system's, where nobody wants the file
	if o.Out != "" {
		dir = filepath.Dir(o.Out)
	}
	out, err := os.CreateTemp(dir, ".tandem-plan-*") // 0600: it holds people's data
	if err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	head := plan.Head{Made: time.Now().UTC(), Sync: h.sync, Mappings: map[string]string{}, Schema: answer.Schema}
	for _, e := range entities {
		head.Mappings[e.Name] = e.Hash
	}
	w, err := plan.NewWriter(out, head)
	if err != nil {
		return nil, err
	}
	m := newMeter(o.out.stderr)
	defer m.end()
	h.reader.Progress = m.show
	maker := &plan.Maker{Reader: h.reader, Emit: func(item plan.Item) error { return o.emit(answer, w, item) }}
	if err := maker.Make(ctx, entities); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	answer.Requests, answer.Spent = w.Foot.Requests, h.requests.Load()
	answer.Seconds = answer.Requests * 60 / h.keys.Notion.rate()
	if o.Out == "" {
		return answer, nil
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	if err := os.Rename(out.Name(), o.Out); err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	return answer, nil
}

func (h *ahead) schemaSteps() []string {
	steps := []string{}
	for _, s := range h.steps {
		steps = append(steps, s.String())
	}
	return steps
}

func (o *planOptions) emit(answer *planAnswer, w *plan.Writer, item plan.Item) error {
	s := answer.of(item.Entity)
	s.count(item, o.Sample)
	if item.Do == plan.Skipped {
		return nil
	}
	_, err := w.Add(item)
	return err
}

func (a *planAnswer) of(entity string) *planSummary {
	for _, s := range a.Entities {
		if s.Entity == entity {
			return s
		}
	}
	s := &planSummary{Entity: entity, Counts: map[string]int{}, Fields: map[string]int{}, shown: map[string]int{}}
	a.Entities = append(a.Entities, s)
	return s
}

// count takes an item in. What is done to a side counts there; a record that is written on both counts on both.
func (s *planSummary) count(item plan.Item, sample int) {
	for _, kind := range kinds(item) {
		s.Counts[kind]++
	}
	for _, c := range item.Changes {
		if item.Do == plan.Update || item.Do == plan.Link {
			s.Fields[c.Side+" "+c.Field]++
		}
		if c.Rule != "" {
			s.Lost++
		}
	}
	if item.Do == plan.Skipped {
		return
	}
	kind := kinds(item)[0]
	if s.shown[kind]++; s.shown[kind] <= sample {
		s.Sample = append(s.Sample, item)
	}
}

// kinds are the lines of the table that an item counts in.
func kinds(item plan.Item) []string {
	switch item.Do {
	case plan.Link:
		return []string{"link"}
	case plan.Skipped:
		return []string{"nothing to do"}
	case plan.Leave:
		return []string{"leave scope"}
	case plan.Return:
		return []string{"back in scope"}
	case plan.Held, plan.Parked, plan.Waiting:
		return []string{item.Do}
	}
	var out []string
	if item.PageOp != "" {
		out = append(out, item.Do+" pages")
	}
	if item.RowOp != "" {
		out = append(out, item.Do+" rows")
	}
	return out
}

// planKinds is the table's order.
var planKinds = []string{
	"create pages", "create rows", "update pages", "update rows", "link", "delete pages", "delete rows", "restore pages", "leave scope", "back in scope", plan.Held, plan.Parked, plan.Waiting, "nothing to do",
}

func (o *planOptions) show(a *planAnswer) {
	o.showSchema(a.steps)
	for _, s := range a.Entities {
		o.out.printf("%s\n", s.Entity)
		for _, kind := range planKinds {
			if n := s.Counts[kind]; n > 0 {
				o.out.printf("  %-14s %d%s\n", kind, n, s.fields(kind))
			}
		}
		if s.Lost > 0 {
			o.out.printf("  %d values that differ would be overwritten; they stay in the conflict history\n", s.Lost)
		}
		slices.SortStableFunc(s.Sample, func(x, y plan.Item) int {
			return slices.Index(planKinds, kinds(x)[0]) - slices.Index(planKinds, kinds(y)[0])
		})
		for _, item := range s.Sample {
			o.sample(item)
		}
	}
	o.out.printf("%d requests to Notion, about %s within the budget (the plan took %d)\n", a.Requests, roughly(time.Duration(a.Seconds)*time.Second), a.Spent)
	if a.File == "" {
		o.out.printf("nothing was written; --out FILE keeps the plan for tandem apply\n")
		return
	}
	o.out.printf("the plan is in %s; nothing else was written\n", a.File)
}

// showSchema has a line for each database.
func (o *planOptions) showSchema(steps []sinknotion.SchemaStep) {
	made, properties, databases := map[string]bool{}, map[string][]string{}, []string{}
	for _, s := range steps {
		if !slices.Contains(databases, s.Database) {
			databases = append(databases, s.Database)
		}
		if s.Property == "" {
			made[s.Database] = true
			continue
		}
		properties[s.Database] = append(properties[s.Database], s.Property+" ("+s.Type+")")
	}
	for _, name := range databases {
		what := "gets"
		if made[name] {
			what = "is made, with"
		}
		o.out.printf("database %q %s %s\n", printable(name), what, printable(strings.Join(properties[name], ", ")))
	}
}

// fields says which fields updates are of.
func (s *planSummary) fields(kind string) string {
	side := ""
	switch kind {
	case "update pages":
		side = "notion "
	case "update rows":
		side = "crm "
	default:
		return ""
	}
	var parts []string
	for _, name := range change.Sorted(s.Fields) {
		if field, ok := strings.CutPrefix(name, side); ok {
			parts = append(parts, fmt.Sprintf("%s %d", field, s.Fields[name]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (o *planOptions) sample(item plan.Item) {
	o.out.printf("    %s: %s\n", strings.TrimSuffix(kinds(item)[0], "s"), printable(who(item)))
	for _, c := range item.Changes {
		if item.Do == plan.Create {
			break
		}
		lost := ""
		if c.Rule != "" {
			lost = "  (overwritten: " + c.Rule + ")"
		}
		o.out.printf("        %s %s: %s → %s%s\n", c.Side, c.Field, shown(c.From), shown(c.To), lost)
	}
	for _, why := range item.Why {
		o.out.printf("        %s\n", printable(why))
	}
}

func shown(text string) string {
	if text == "" {
		return "-"
	}
	return fmt.Sprintf("%q", short(printable(text), 40))
}

// who names a record for people.
func who(item plan.Item) string {
	var parts []string
	if item.Key != "" {
		parts = append(parts, "row "+item.Key)
	}
	if item.Page != "" {
		parts = append(parts, "page "+item.Page)
	}
	if item.Name != "" {
		parts = append(parts, short(item.Name, 40))
	}
	return strings.Join(parts, ", ")
}
