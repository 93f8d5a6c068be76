package ledger

import (
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// decideFields merges a live link field by field: base, CRM, Notion.
func decideFields(in Input, d *Decision) {
	d.ToNotion, d.ToCRM, d.Observed = change.Image{}, change.Image{}, change.Image{}
	d.Agreed = map[string]FieldBase{}
	for _, p := range in.Rules.Fields {
		f, ok := newField(in, p, d)
		if !ok {
			continue
		}
		f.decide()
		f.record(d)
	}
}

// field is one field's merge.
type field struct {
	in       Input
	policy   Policy
	base     FieldBase
	based    bool
	crm      change.Value
	notion   change.Value
	toNotion *change.Value
	toCRM    *change.Value
	conflict *Conflict
	agreed   bool
}

// newField gathers a field's three values; false if the field has to be left out, with the reason in d.
func newField(in Input, p Policy, d *Decision) (*field, bool) {
	crm, crmRead := in.CRM.Image[p.Name]
	notion, notionRead := in.Notion.Image[p.Name]
	base, based := in.Link.Base[p.Name]
	if based && base.Rule != p.Rule {
		based = false
	}
	f := &field{in: in, policy: p, base: base, based: based, crm: crm, notion: notion}
	if notionRead && f.recogniseOwnWrite() {
		d.Agreed[p.Name] = f.base // whatever else becomes of the field: what we sent has arrived, and the intent may go
	}
	if leftOut(in, p.Name, d) || !crmRead || !notionRead {
		return nil, false
	}
	if s := base.Stuck; s != nil && change.Equal(s.CRM, crm) && change.Equal(s.Notion, notion) {
		d.park(p.Name, s.Reason)
		return nil, false
	}
	return f, true
}

// leftOut reports that a side's value cannot be used or has to wait, and records why.
func leftOut(in Input, name string, d *Decision) bool {
	views := []View{in.CRM, in.Notion}
	for _, view := range views {
		if reason := view.Bad[name]; reason != "" {
			d.park(name, reason)
			return true
		}
	}
	for _, view := range views {
		if what := view.Waits[name]; what != "" {
			if d.Waits == nil {
				d.Waits = map[string]string{}
			}
			d.Waits[name] = what
			return true
		}
	}
	return false
}

// recogniseOwnWrite takes a value that we sent, and of whose arrival we never heard, for what it is: ours, hence the base. The page that shows
// it is the evidence (invariant 2).
func (f *field) recogniseOwnWrite() bool {
	if f.in.Link.Intent == nil {
		return false
	}
	name := f.policy.Name
	sent, ok := f.in.Link.Intent.Values[name]
	if !ok || !change.Equal(sent, f.notion) || f.based && change.Equal(f.base.Value, sent) {
		return false
	}
	seen := f.base.CRMSeen
	f.base = Landed(f.base, f.policy.Rule, Notion, sent, sent, f.in.Notion.At)
	f.base.CRMSeen = seen
	if own, merged := f.in.Link.Intent.Bases[name]; merged {
		f.base.Value = own
	}
	f.based = true
	return true
}

func (f *field) decide() {
	switch {
	case change.Equal(f.crm, f.notion):
		f.agreed = true
	case !f.policy.ToCRM:
		f.oneWay(CRM)
	case !f.policy.ToNotion:
		f.oneWay(Notion)
	case !f.based:
		f.noBase()
	case change.Equal(f.notion, f.base.Value):
		f.push(CRM)
	case change.Equal(f.crm, f.base.Value):
		f.push(Notion)
	case f.policy.Elements && f.crm.Kind() == change.Set && f.notion.Kind() == change.Set:
		f.mergeElements()
	default:
		f.lastWriteWins()
	}
}

// push sends the value of a side to the other.
func (f *field) push(from Side) {
	if from == CRM {
		f.toNotion = &f.crm
	} else {
		f.toCRM = &f.notion
	}
}

// oneWay restores a field that was edited on its reading side; the edit is kept as a conflict's loser.
func (f *field) oneWay(from Side) {
	reading := f.notion
	if from == Notion {
		reading = f.crm
		if !f.based && isEmpty(f.notion) {
			f.push(CRM) // a new field starts with what the CRM says; it is never blanked for being new
			return
		}
	}
	edited := !f.based && !reading.IsNull() || f.based && !change.Equal(reading, f.base.Value)
	if edited {
		f.conflicts(from, "one_way", false)
	}
	f.push(from)
}

// noBase is for a field that both sides have and never agreed on: a link that was adopted, a field or rule that is new.
func (f *field) noBase() {
	switch {
	case isEmpty(f.notion):
		f.push(CRM)
	case isEmpty(f.crm):
		f.push(Notion)
	default:
		f.conflicts(f.policy.Initial, "initial_authority", false)
		f.push(f.policy.Initial)
	}
}

func isEmpty(v change.Value) bool {
	return v.IsNull() || v.Kind() == change.Set && len(v.Items()) == 0 || v.Kind() == change.Bool && !v.Bool()
}

// mergeElements keeps what either side added and drops what either side removed. Nothing is lost, so there is no conflict.
func (f *field) mergeElements() {
	merged := mergeSets(f.base.Value, f.crm, f.notion)
	if !change.Equal(merged, f.notion) {
		f.toNotion = &merged
	}
	if !change.Equal(merged, f.crm) {
		f.toCRM = &merged
	}
}

func mergeSets(base, a, b change.Value) change.Value {
	in := func(set change.Value, v change.Value) bool {
		for _, w := range set.Items() {
			if change.Equal(v, w) {
				return true
			}
		}
		return false
	}
	var merged []change.Value
	for _, v := range a.Items() {
		if in(b, v) || !in(base, v) {
			merged = append(merged, v)
		}
	}
	for _, v := range b.Items() {
		if !in(a, v) && !in(base, v) {
			merged = append(merged, v)
		}
	}
	return change.SetValue(merged...)
}

// lastWriteWins compares the intervals in which the two edits must lie (invariant 10). Where they overlap the order cannot be known:
// the field's tie rule decides.
func (f *field) lastWriteWins() {
	winner, decided := later(f.crmEdit(), f.notionEdit(), f.in.Rules.Skew)
	rule := "last_write_wins"
	if !decided {
		winner, rule = f.policy.Tie, "tie"
	}
	f.conflicts(winner, rule, !decided)
	f.push(winner)
}

// Span is a stretch of time (After, Before] in which an edit was made.
type Span struct {
	After  time.Time
	Before time.Time
}

// later tells which edit came later, if that can be known.
func later(crm, notion Span, skew time.Duration) (Side, bool) {
	switch {
	case !crm.After.Before(notion.Before.Add(skew)):
		return CRM, true
	case !notion.After.Before(crm.Before.Add(skew)):
		return Notion, true
	}
	return "", false
}

func (f *field) crmEdit() Span {
	return Span{After: f.base.CRMSeen, Before: f.in.CRM.Until}
}

func (f *field) notionEdit() Span {
	s := Span{After: f.base.NotionSeen, Before: f.in.Notion.Until}
	if hint := f.in.Notion.Hints[f.policy.Name]; hint.After(s.After) && hint.Before(s.Before) {
		s.After = hint
	}
	return s
}

func (f *field) conflicts(winner Side, rule string, undecidable bool) {
	crm, notion := f.crmEdit(), f.notionEdit()
	f.conflict = &Conflict{
		Field: f.policy.Name, CRM: f.crm, Notion: f.notion, Winner: winner, Rule: rule, Undecidable: undecidable,
		CRMAfter: crm.After, CRMBefore: crm.Before, NotionAfter: notion.After, NotionBefore: notion.Before,
		Editor: f.in.Notion.Editor, Critical: f.policy.Critical, At: f.in.Now,
	}
	if f.based {
		f.conflict.Base = f.base.Value
	}
}

// record puts the field's outcome into the decision, where writing is on; else into what was observed.
func (f *field) record(d *Decision) {
	name := f.policy.Name
	if f.agreed {
		d.Agreed[name] = f.agreedBase()
		return
	}
	if f.toNotion != nil && !f.in.Rules.WriteNotion || f.toCRM != nil && !f.in.Rules.WriteCRM {
		for _, v := range []*change.Value{f.toNotion, f.toCRM} {
			if v != nil {
				d.Observed[name] = *v
			}
		}
		return
	}
	if f.conflict != nil {
		d.Conflicts = append(d.Conflicts, *f.conflict)
	}
	if f.toNotion != nil {
		d.ToNotion[name] = *f.toNotion
	}
	if f.toCRM != nil {
		d.ToCRM[name] = *f.toCRM
	}
}

func (f *field) agreedBase() FieldBase {
	b := FieldBase{Value: f.crm, Rule: f.policy.Rule, CRMSeen: f.in.CRM.At, NotionSeen: f.in.Notion.At}
	if f.based {
		b.Before, b.Flips = f.base.Before, f.base.Flips
		if !change.Equal(f.base.Value, b.Value) {
			b.Before = f.base.Value
		}
	}
	return b
}
