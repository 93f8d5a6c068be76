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
	"github.com/tandem-sync/tandem/sink"
)

type conflictsOptions struct {
	sessionOptions
	Entity, Key, Field string
	Since              time.Duration
	Open               bool
	Top                int
}

func newConflictsCommand(g *globalOptions) *cobra.Command {
	o := &conflictsOptions{sessionOptions: sessionOptions{globalOptions: g}}
	c := &cobra.Command{
		Use:   "conflicts --config FILE",
		Short: "Show what was changed in both places: whose value was kept, which one lost, and why",
		Long: `Conflicts lists the conflict history, newest first: fields that were changed in the CRM and in Notion, with both values, who edited the page, the
rule that decided, and what has become of it since. Nothing in it is ever lost: tandem restore puts a losing value back.

STATE is decided (the winner's value stands still), restored (the losing value was put back), edited (somebody has changed the field since) or gone
(the record is not linked any more). Conflicts that wait for a person stand below the table.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.Entity, "entity", "", "only of this entity")
	c.Flags().StringVar(&o.Key, "key", "", "only of the record with this key or page id; needs --entity")
	c.Flags().StringVar(&o.Field, "field", "", "only of this field")
	c.Flags().DurationVar(&o.Since, "since", 0, "only what is not older, as 24h")
	c.Flags().BoolVar(&o.Open, "open", false, "only conflicts whose losing value can still be put back as things are, and those that wait for a person")
	c.Flags().IntVar(&o.Top, "top", 50, "how many are listed at most")
	return c
}

// conflictAnswer is one conflict as JSON.
type conflictAnswer struct {
	ID        string       `json:"id"`
	At        time.Time    `json:"at"`
	Entity    string       `json:"entity"`
	Key       string       `json:"key,omitempty"`
	Page      string       `json:"page,omitempty"`
	Field     string       `json:"field"`
	Critical  bool         `json:"critical"`
	State     string       `json:"state"` // decided, restored, edited, gone
	Winner    ledger.Side  `json:"winner"`
	Rule      string       `json:"rule"`
	Clear     bool         `json:"clear"` // false: the clocks could not tell which edit came later
	Base      change.Value `json:"base,omitzero"`
	CRM       change.Value `json:"crm"`
	Notion    change.Value `json:"notion"`
	CRMBy     string       `json:"crm_by"`              // logical decoding knows no user
	NotionBy  string       `json:"notion_by,omitempty"` // who edited the page last
	CRMAt     *edited      `json:"crm_edited,omitempty"`
	NotionAt  *edited      `json:"notion_edited,omitempty"`
	Restores  string       `json:"restores,omitempty"`
	Restored  string       `json:"restored_by,omitempty"` // the entry that put the losing value back
	AskedBy   string       `json:"asked_by,omitempty"`
	AskedWhy  string       `json:"asked_why,omitempty"`
	NowAgreed change.Value `json:"now_agreed,omitzero"`
}

// edited is the stretch in which an edit lies.
type edited struct {
	After  time.Time `json:"after,omitzero"`
	Before time.Time `json:"before,omitzero"`
}

// undecidedAnswer is a conflict that waits for a person.
type undecidedAnswer struct {
	Entity string    `json:"entity"`
	Key    string    `json:"key,omitempty"`
	Page   string    `json:"page,omitempty"`
	Field  string    `json:"field"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

type conflictsAnswer struct {
	Sync      string            `json:"sync"`
	Conflicts []conflictAnswer  `json:"conflicts"`
	Undecided []undecidedAnswer `json:"undecided"`
	More      bool              `json:"more"`
}

func (o *conflictsOptions) run(ctx context.Context) error {
	switch {
	case o.Key != "" && o.Entity == "":
		return usagef("--key needs --entity: keys are the entity's own")
	case o.Top < 1:
		return usagef("--top must be 1 or more")
	}
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	answer, err := o.answer(ctx, s)
	if err != nil {
		return err
	}
	if o.JSON {
		return o.out.json(answer)
	}
	o.show(answer)
	return nil
}

func (o *conflictsOptions) answer(ctx context.Context, s *session) (conflictsAnswer, error) {
	answer := conflictsAnswer{Sync: s.sync, Conflicts: []conflictAnswer{}, Undecided: []undecidedAnswer{}}
	which := pgledger.Which{Entity: o.Entity, Field: o.Field}
	if o.Since > 0 {
		which.Since = time.Now().Add(-o.Since)
	}
	if o.Key != "" {
		link, ok, err := s.link(ctx, o.Entity, o.Key)
		if err != nil {
			return answer, err
		}
		if !ok {
			return answer, fmt.Errorf("no link of %s has the key or page %q", o.Entity, o.Key)
		}
		which.Link = link.ID
	}
	most := o.Top + 1
	if o.Open {
		most = 100_000 // what has become of them is known only here
	}
	past, err := s.store.History(ctx, s.sync, which, most)
	if err != nil {
		return answer, err
	}
	if o.Open {
		past = slices.DeleteFunc(past, func(p pgledger.PastConflict) bool { return conflictState(p) != "decided" })
	}
	answer.More = len(past) > o.Top
	past = past[:min(o.Top, len(past))]
	names := s.names(ctx, func(yield func(string)) {
		for _, p := range past {
			yield(p.Editor)
		}
	})
	for _, p := range past {
		answer.Conflicts = append(answer.Conflicts, s.titled(ctx, conflictOf(p, names)))
	}
	answer.Undecided, err = o.undecided(ctx, s, which.Link)
	return answer, err
}

// undecided are the conflicts on hold.
func (o *conflictsOptions) undecided(ctx context.Context, s *session, link int64) ([]undecidedAnswer, error) {
	found := []undecidedAnswer{}
	pending, err := s.store.Pending(ctx, s.sync, 100_000)
	for _, p := range pending {
		l := p.Link
		if link != 0 && l.ID != link || o.Entity != "" && l.Entity != o.Entity {
			continue
		}
		for _, h := range p.Holds {
			if h.Kind == "conflict" && (o.Field == "" || h.Field == o.Field) {
				found = append(found, undecidedAnswer{l.Entity, l.Key, l.Page, h.Field, h.At, h.Reason})
			}
		}
	}
	return found, err
}

// conflictState says what has become of a conflict.
func conflictState(p pgledger.PastConflict) string {
	switch {
	case p.Later != "":
		return "restored"
	case p.Key == "" || p.Page == "":
		return "gone"
	case p.Rule == ledger.RuleRestored: // the row has it at once, the page and with it the base a moment later
		if _, was := p.Loser(); change.Equal(p.Base, was) {
			return "decided"
		}
	}
	if !change.Equal(p.Base, p.Kept()) {
		return "edited"
	}
	return "decided"
}

func conflictOf(p pgledger.PastConflict, names map[string]string) conflictAnswer {
	c := conflictAnswer{
		ID: p.ID, At: p.At, Entity: p.Entity, Key: p.Key, Page: p.Page, Field: p.Field, Critical: p.Critical, State: conflictState(p), Winner: p.Winner,
		Rule: p.Rule, Clear: !p.Undecidable, Base: p.Conflict.Base, CRM: p.CRM, Notion: p.Notion, CRMBy: "CRM", NotionBy: cmp.Or(names[p.Editor], p.Editor),
		Restores: p.Restores, Restored: p.Later, AskedBy: p.By, AskedWhy: p.Reason, NowAgreed: p.Base,
	}
	if !p.CRMBefore.IsZero() {
		c.CRMAt = &edited{p.CRMAfter, p.CRMBefore}
	}
	if !p.NotionBefore.IsZero() {
		c.NotionAt = &edited{p.NotionAfter, p.NotionBefore}
	}
	return c
}

// titled puts the titles of what a relation names in the place of links.
func (s *session) titled(ctx context.Context, c conflictAnswer) conflictAnswer {
	if e, err := s.entity(c.Entity); err == nil {
		for _, v := range []*change.Value{&c.Base, &c.CRM, &c.Notion, &c.NowAgreed} {
			*v = sink.Titles(ctx, s.store, e, c.Field, *v)
		}
	}
	return c
}

func (o *conflictsOptions) show(a conflictsAnswer) {
	if len(a.Conflicts) == 0 {
		o.out.printf("no conflicts\n")
	} else {
		var rows [][]string
		for _, c := range a.Conflicts {
			crm, notion := valueWords(c.CRM)+" (CRM)", valueWords(c.Notion)+" (Notion"+strings.TrimRight(", "+c.NotionBy, ", ")+")"
			kept, lost := crm, notion
			if c.Winner == ledger.Notion {
				kept, lost = notion, crm
			}
			rows = append(rows, []string{c.ID[:min(8, len(c.ID))], c.At.Local().Format("2006-01-02 15:04:05"), c.Entity + " " + cmp.Or(c.Key, c.Page), c.Field, kept, lost, ruleWords(c), c.State})
		}
		o.out.table([]string{"ID", "WHEN", "RECORD", "FIELD", "KEPT", "LOST", "WHY", "STATE"}, rows)
	}
	if len(a.Undecided) > 0 {
		o.out.printf("\nwaiting for a person to decide (tandem holds):\n")
		for _, u := range a.Undecided {
			o.out.printf("  %s %s: %s\n", printable(u.Entity+" "+cmp.Or(u.Key, u.Page)), u.Field, printable(short(u.Reason, 300)))
		}
	}
	if a.More {
		o.out.printf("… and more: --top says how many are listed\n")
	}
	if slices.ContainsFunc(a.Conflicts, func(c conflictAnswer) bool { return c.State == "decided" }) {
		o.out.printf("\ntandem restore ID puts the value under LOST back on both sides\n")
	}
}

// valueWords is a value as a table bears it.
func valueWords(v change.Value) string {
	if v.IsNull() || v.IsAbsent() {
		return "nothing"
	}
	return fmt.Sprintf("%q", short(v.String(), 32))
}

// ruleWords says in few words what decided.
func ruleWords(c conflictAnswer) string {
	switch c.Rule {
	case "last_write_wins":
		return "later edit"
	case ledger.RuleTie:
		return "tie rule: which edit was later cannot be known"
	case ledger.RuleInitial:
		return "first contact"
	case ledger.RuleOneWay:
		return "the field travels one way"
	case ledger.RulePerson:
		return "a person decided"
	case ledger.RuleRestored:
		return strings.TrimSpace("restored by " + c.AskedBy)
	}
	return strings.ReplaceAll(c.Rule, "_", " ")
}
