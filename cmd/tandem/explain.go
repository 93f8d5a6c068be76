package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

type explainOptions struct {
	sessionOptions
	Full bool
}

func newExplainCommand(g *globalOptions) *cobra.Command {
	o := &explainOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "explain ENTITY KEY --config FILE",
		Short: "Show both sides of one record, what they last agreed on, and what would be decided now",
		Long: `Explain reads a row and its page as they are now and shows them beside the values on which both last agreed, with the clocks, the work, holds
and conflicts of the link, and what would be decided at this moment, and why. It writes nothing, except that its requests to Notion are taken
from the shared budget. KEY is the row's key or the page's id. Without a token among the files the page is shown as it was last stored.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0], args[1]) },
	}
	o.addFlags(c)
	c.Flags().BoolVar(&o.Full, "full", false, "do not cut long values")
	return c
}

// explainAnswer is what explain prints as JSON.
type explainAnswer struct {
	Entity    string            `json:"entity"`
	Link      explainedLink     `json:"link"`
	CRM       explainedSide     `json:"crm"`
	Notion    explainedSide     `json:"notion"`
	Fields    []explainedField  `json:"fields"`
	Intent    *ledger.Intent    `json:"intent,omitempty"`
	Work      []explainedWork   `json:"work"`
	Holds     []ledger.Hold     `json:"holds"`
	Conflicts []ledger.Conflict `json:"conflicts"`
	Verdict   []string          `json:"verdict"`
}

type explainedLink struct {
	ID       int64  `json:"id"`
	Key      string `json:"key,omitempty"`
	Page     string `json:"page,omitempty"`
	External string `json:"external"`
	State    string `json:"state"`
	Seq      int64  `json:"seq"`
	Epoch    int64  `json:"epoch"`
}

type explainedSide struct {
	Read  bool      `json:"read"`
	There bool      `json:"there"`
	Scope bool      `json:"in_scope"`
	Note  string    `json:"note"`
	At    time.Time `json:"at,omitzero"`    // when it was read
	Until time.Time `json:"until,omitzero"` // no edit that it shows was made later
}

type explainedField struct {
	Name       string         `json:"name"`
	Base       *change.Value  `json:"base,omitempty"`
	CRM        *change.Value  `json:"crm,omitempty"`
	Notion     *change.Value  `json:"notion,omitempty"`
	CRMEdit    *explainedSpan `json:"crm_edit,omitempty"` // the stretch in which the CRM's edit lies
	NotionEdit *explainedSpan `json:"notion_edit,omitempty"`
	Outcome    string         `json:"outcome"`
}

type explainedSpan struct {
	After  time.Time `json:"after,omitzero"`
	Before time.Time `json:"before,omitzero"`
}

type explainedWork struct {
	Side      string    `json:"side"`
	Lane      string    `json:"lane"`
	Why       string    `json:"why"`
	FirstSeen time.Time `json:"first_seen"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Attempts  int       `json:"attempts"`
	Parked    string    `json:"parked,omitempty"`
}

func (o *explainOptions) run(ctx context.Context, entity, key string) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	s, err := a.openSession(ctx, o.Config)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.entity(entity); err != nil {
		return err
	}
	link, ok, err := s.link(ctx, entity, key)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("no link of %s has the key or page %q: it was never seen; tandem sync %s %s has it looked at", entity, key, entity, key)
	}
	answer, err := s.explain(ctx, a, link)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(answer)
	}
	o.show(answer)
	return nil
}

func (s *session) explain(ctx context.Context, a *app, link ledger.Link) (explainAnswer, error) {
	pending, _, err := s.store.Look(ctx, link.ID)
	if err != nil {
		return explainAnswer{}, err
	}
	conflicts, err := s.store.Conflicts(ctx, s.sync, link.ID, 5)
	if err != nil {
		return explainAnswer{}, err
	}
	w, err := s.worker(ctx, a)
	if err != nil {
		return explainAnswer{}, err
	}
	e, err := w.Explain(ctx, link, pending.Work)
	if err != nil {
		return explainAnswer{}, err
	}
	answer := explainAnswer{
		Entity: link.Entity,
		Link:   explainedLink{link.ID, link.Key, link.Page, link.External, string(link.State), link.Seq, link.Epoch},
		CRM:    rowSide(e), Notion: pageSide(e), Intent: link.Intent, Work: []explainedWork{}, Holds: pending.Holds, Conflicts: conflicts,
		Verdict: verdict(e),
	}
	for _, w := range pending.Work {
		answer.Work = append(answer.Work, explainedWork{string(w.Side), string(w.Lane), w.Why, w.FirstSeen, w.NotBefore, w.Attempts, w.Parked})
	}
	for _, f := range e.Fields {
		answer.Fields = append(answer.Fields, explainField(e, f.Name))
	}
	return answer, nil
}

func rowSide(e sink.Explanation) explainedSide {
	v := e.Input.CRM
	out := explainedSide{Read: v.Read, There: v.There, Scope: v.Scope, At: v.At, Until: v.Until}
	switch {
	case !v.Read:
		out.Note = "no row is linked"
	case e.Row.Soft:
		out.Note = "soft-deleted"
	case !v.There && v.Deleted:
		out.Note = "gone, and its delete was seen"
	case !v.There:
		out.Note = "not found"
	case !v.Scope:
		out.Note = "there, but outside of the mapping's where"
	default:
		out.Note = "there"
	}
	return out
}

func pageSide(e sink.Explanation) explainedSide {
	v := e.Input.Notion
	out := explainedSide{Read: v.Read, There: v.There, Scope: v.Scope, At: v.At, Until: v.Until}
	switch {
	case e.Seen == nil:
		out.Note = "no page is linked, or nothing of it is stored and no token was given"
		return out
	case e.Seen.Gone:
		out.Note = "not found, or not shared with the connection"
	case e.Seen.InTrash:
		out.Note = "in the trash"
	case e.Seen.Moved:
		out.Note = "in another database"
	default:
		out.Note = fmt.Sprintf("there, last edited in the minute of %s", e.Seen.Edited.UTC().Format("2006-01-02 15:04"))
	}
	if e.Stored {
		out.Note += " (as it was stored; no token was given)"
	}
	return out
}

func explainField(e sink.Explanation, name string) explainedField {
	f := explainedField{Name: name}
	base, based := e.Input.Link.Base[name]
	if based {
		f.Base = &base.Value
	}
	if v, ok := e.Input.CRM.Image[name]; ok {
		f.CRM = &v
	} else if v, ok := e.Row.Image[name]; ok {
		f.CRM = &v // it cannot be used; as it is, it says why
	}
	if v, ok := e.Input.Notion.Image[name]; ok {
		f.Notion = &v
	}
	f.Outcome = fieldOutcome(e, name)
	for _, c := range e.Decision.Conflicts {
		if c.Field == name {
			f.CRMEdit = &explainedSpan{After: c.CRMAfter, Before: c.CRMBefore}
			f.NotionEdit = &explainedSpan{After: c.NotionAfter, Before: c.NotionBefore}
		}
	}
	return f
}

// fieldOutcome says in words what would become of a field.
func fieldOutcome(e sink.Explanation, name string) string {
	d := e.Decision
	_, toNotion := d.ToNotion[name]
	_, toCRM := d.ToCRM[name]
	_, observed := d.Observed[name]
	typing, typed := d.Typing[name]
	for _, h := range d.Holds {
		if h.Field == name && name != "" {
			return "held: a person has to decide"
		}
	}
	for _, c := range d.Conflicts {
		if c.Field == name {
			return fmt.Sprintf("conflict: %s wins, %s", c.Winner, conflictRule(c))
		}
	}
	switch {
	case d.Parked[name] != "":
		return "parked: " + d.Parked[name]
	case d.Waits[name] != "":
		return "waits: " + d.Waits[name]
	case typed:
		return "waits: it may be typed still; it is read again at " + typing.UTC().Format(time.RFC3339)
	case toNotion && toCRM:
		return "merged, to both"
	case toNotion:
		return "to Notion"
	case toCRM:
		return "to the CRM"
	case observed:
		return "would be written, but that direction only observes"
	}
	crm, crmRead := e.Input.CRM.Image[name]
	notion, notionRead := e.Input.Notion.Image[name]
	switch {
	case e.Input.Link.Page == "":
		return "there is no page"
	case e.Input.Link.Key == "":
		return "there is no row"
	case !crmRead || !notionRead:
		return "not read on both sides"
	case change.Equal(crm, notion):
		return "equal"
	case slices.ContainsFunc(e.Input.Rules.Fields, func(p ledger.Policy) bool { return p.Name == name && p.Alike(crm, notion) }):
		return "equal, written differently"
	}
	return "left as it is"
}

func conflictRule(c ledger.Conflict) string {
	switch c.Rule {
	case "last_write_wins":
		return "its edit came later"
	case "tie":
		return "by the tie rule: which edit came later cannot be known"
	case "initial_authority":
		return "by the initial authority: both had a value and never agreed"
	case "one_way":
		return "the field travels one way"
	case string(ledger.CRMWins), string(ledger.NotionWins):
		return "as the mapping says of the field"
	case ledger.RuleNeverBlank:
		return "the field is never blanked"
	case ledger.RuleWriteOnce:
		return "the field is written once: the edit is put back"
	case ledger.RulePerson:
		return "as a person decided"
	}
	return c.Rule
}

// verdict says what would be done now, in sentences.
func verdict(e sink.Explanation) []string {
	d := e.Decision
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, side := range d.Need {
		say("the %s side would have to be read first", side)
	}
	if d.Remove {
		say("the link would be removed: neither a row nor a page is behind it")
	}
	if !d.Later.IsZero() {
		say("it would be looked at again at %s: the page is still being edited", d.Later.UTC().Format(time.RFC3339))
	}
	if d.Page != "" {
		say("the page would get: %s%s", d.Page, fieldList(d.ToNotion))
	}
	if d.Mark {
		say("the page's external id would be written")
	}
	if d.Row != "" {
		say("the row would get: %s%s", d.Row, fieldList(d.ToCRM))
	}
	for _, h := range d.Holds {
		say("held (%s): %s", h.Name(), h.Reason)
	}
	for _, name := range change.Sorted(d.Parked) {
		say("parked: %s%s", prefixed(name), d.Parked[name])
	}
	for _, name := range change.Sorted(d.Waits) {
		say("waits: %s%s", prefixed(name), d.Waits[name])
	}
	for _, name := range change.Sorted(d.Typing) {
		say("waits: %sit may be typed still; it is read again at %s", prefixed(name), d.Typing[name].UTC().Format(time.RFC3339))
	}
	if len(out) == 0 {
		say("nothing: both sides agree")
	}
	return out
}

func prefixed(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

func fieldList(values change.Image) string {
	if len(values) == 0 {
		return ""
	}
	return " of " + strings.Join(slices.Sorted(maps.Keys(values)), ", ")
}

func (o *explainOptions) show(a explainAnswer) {
	l := a.Link
	o.out.printf("%s %s  %s\n", a.Entity, printable(orNone(l.Key)), l.State)
	o.out.printf("  link %d, page %s, external id %s, seq %d, epoch %d\n", l.ID, orNone(l.Page), l.External, l.Seq, l.Epoch)
	o.out.printf("  row   %s%s\n", a.CRM.Note, clock(a.CRM))
	o.out.printf("  page  %s%s\n\n", a.Notion.Note, clock(a.Notion))
	o.showFields(a.Fields)
	if a.Intent != nil {
		o.out.printf("\nopen write: %s of %s at %s; its outcome is not known yet\n", a.Intent.Kind, strings.Join(a.Intent.Values.Fields(), ", "), stamp(a.Intent.At))
	}
	for _, w := range a.Work {
		o.out.printf("\nwork for the %s side: %s lane, because of %s, since %s%s\n", w.Side, w.Lane, w.Why, stamp(w.FirstSeen), workNote(w))
	}
	for _, h := range a.Holds {
		o.out.printf("\nheld since %s (%s): %s\n", stamp(h.At), h.Name(), h.Reason)
	}
	for _, c := range a.Conflicts {
		side, lost := c.Loser()
		o.out.printf("\nconflict at %s over %s: %s won, %s; %s's %s was kept here\n", stamp(c.At), c.Field, c.Winner, conflictRule(c), side, o.value(&lost))
	}
	o.out.printf("\nnow:\n")
	for _, line := range a.Verdict {
		o.out.printf("  %s\n", printable(line))
	}
}

func (o *explainOptions) showFields(fields []explainedField) {
	var rows [][]string
	for _, f := range fields {
		rows = append(rows, []string{f.Name, o.value(f.Base), o.value(f.CRM), o.value(f.Notion), f.Outcome})
	}
	o.out.table([]string{"FIELD", "BASE", "CRM", "NOTION", "NOW"}, rows)
	for _, f := range fields {
		if f.CRMEdit != nil {
			o.out.printf("%s: edited in the CRM between %s and %s, in Notion between %s and %s\n",
				f.Name, stamp(f.CRMEdit.After), stamp(f.CRMEdit.Before), stamp(f.NotionEdit.After), stamp(f.NotionEdit.Before))
		}
	}
}

func (o *explainOptions) value(v *change.Value) string {
	switch {
	case v == nil:
		return "?"
	case v.IsNull():
		return "-"
	case o.Full:
		return printable(v.String())
	}
	return printable(short(v.String(), 28))
}

func workNote(w explainedWork) string {
	switch {
	case w.Parked != "":
		return "; parked: " + printable(w.Parked)
	case w.Attempts > 0:
		return fmt.Sprintf("; tried %d times, again at %s", w.Attempts, stamp(w.NotBefore))
	}
	return ""
}

func clock(s explainedSide) string {
	if s.At.IsZero() {
		return ""
	}
	return fmt.Sprintf("; read at %s, shows edits until %s", stamp(s.At), stamp(s.Until))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "the beginning"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
