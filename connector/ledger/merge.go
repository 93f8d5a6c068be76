package ledger

import (
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
)

// decideFields merges a live link field by field: base, CRM, Notion. Nearly all fields of nearly all records agree, and are passed by
// after two lookups and one comparison; the rest is for those that do not.
func decideFields(in *Input, d *Decision) {
	plain := len(in.CRM.Bad)+len(in.CRM.Waits)+len(in.Notion.Bad)+len(in.Notion.Waits) == 0 && in.Link.Intent == nil
	for i := range in.Rules.Fields {
		p := &in.Rules.Fields[i]
		crm, crmRead := in.CRM.Image[p.Name]
		notion, notionRead := in.Notion.Image[p.Name]
		if plain && crmRead && notionRead && p.Alike(crm, notion) {
			d.agreed.add(i)
			continue
		}
		f := field{policy: p, crm: crm, notion: notion}
		f.base, f.based = agreedBefore(in, p)
		if notionRead && f.recogniseOwnWrite(in) {
			d.arrived.add(i) // whatever else becomes of the field: what we sent has arrived, and the intent may go
		}
		switch {
		case leftOut(in, p.Name, d), !crmRead, !notionRead:
		case p.Alike(crm, notion):
			d.agreed.add(i)
		case f.stuck():
			d.park(p.Name, f.base.Stuck.Reason)
		case f.single(in):
			f.record(in, d)
		default:
			f.likeTheBase()
			f.decide(in)
			f.record(in, d)
		}
	}
}

// likeTheBase takes a side that shows the base, written differently, for one that shows it: nobody edited the field there.
func (f *field) likeTheBase() {
	if f.policy.Same == nil || !f.based {
		return
	}
	if f.policy.Alike(f.crm, f.base.Value) {
		f.crm = f.base.Value
	}
	if f.policy.Alike(f.notion, f.base.Value) {
		f.notion = f.base.Value
	}
}

// Agreed gives the base moves that need no write: of fields that both sides show alike, of those of which the page shows what we sent, and of those
// that went back in the CRM while the outcome of sending something else was not known.
// They are made when they are asked for, from the input that was decided on: a look that finds everything as it was moves nothing but
// the times, and is the most frequent of all.
func (d Decision) Agreed(in Input) map[string]FieldBase {
	var moves map[string]FieldBase
	for i := range in.Rules.Fields {
		agreed, arrived := d.agreed.has(i), d.arrived.has(i)
		if !agreed && !arrived && in.Link.Intent == nil {
			continue
		}
		p := &in.Rules.Fields[i]
		f := field{policy: p, crm: in.CRM.Image[p.Name], notion: in.Notion.Image[p.Name]}
		f.base, f.based = agreedBefore(&in, p)
		if !agreed && !arrived {
			if f.based && !f.base.Back && !f.notion.IsAbsent() && p.Alike(f.crm, f.base.Value) && !p.Alike(f.notion, f.base.Value) && f.crmWentBack(&in) {
				f.base.Back = true // the intent may go, and this is known still
				put(&moves, p.Name, f.base)
			}
			continue
		}
		if arrived {
			f.recogniseOwnWrite(&in)
		}
		if agreed {
			f.base = f.agreedBase(&in)
		}
		put(&moves, p.Name, f.base)
	}
	return moves
}

// places is a set of fields by their place in Rules.Fields. The first 64 cost nothing.
type places struct {
	first uint64
	more  []uint64
}

func (s *places) add(i int) {
	if i < 64 {
		s.first |= 1 << i
		return
	}
	for len(s.more) < i/64 {
		s.more = append(s.more, 0)
	}
	s.more[i/64-1] |= 1 << (i % 64)
}

func (s *places) has(i int) bool {
	if i < 64 {
		return s.first&(1<<i) != 0
	}
	return i/64 <= len(s.more) && s.more[i/64-1]&(1<<(i%64)) != 0
}

// field is the merge of one field on which the sides do not simply agree. It holds no reference to the input: what is put into a decision leaves the
// stack, and would take the input with it.
type field struct {
	policy *Policy
	base   FieldBase
	based  bool
	crm    change.Value
	notion change.Value

	toNotion change.Value // what goes to a side; absent: nothing
	toCRM    change.Value
	lost     [2]loss // one for each side at most
	losses   int
	parked   string
	hold     string
}

// loss is a value that is going to be overwritten and is no base: the conflict history keeps it.
type loss struct {
	side        Side
	rule        string
	undecidable bool
}

// agreedBefore gives the field's base, and whether it counts: one that was agreed under another rule says nothing.
func agreedBefore(in *Input, p *Policy) (FieldBase, bool) {
	base, ok := in.Link.Base[p.Name]
	return base, ok && base.Rule == p.Rule
}

func (f *field) stuck() bool {
	s := f.base.Stuck
	return s != nil && change.Equal(s.CRM, f.crm) && change.Equal(s.Notion, f.notion)
}

// leftOut reports that a side's value cannot be used or has to wait, and records why.
func leftOut(in *Input, name string, d *Decision) bool {
	views := [...]*View{&in.CRM, &in.Notion}
	for _, view := range views {
		if reason := view.Bad[name]; reason != "" {
			d.park(name, reason)
			return true
		}
	}
	for _, view := range views {
		if what := view.Waits[name]; what != "" {
			put(&d.Waits, name, what)
			return true
		}
	}
	return false
}

// recogniseOwnWrite takes a value that we sent, and of whose arrival we never heard, for what it is: ours, hence the base. The page that shows
// it is the evidence (invariant 2).
func (f *field) recogniseOwnWrite(in *Input) bool {
	if in.Link.Intent == nil {
		return false
	}
	name := f.policy.Name
	sent, ok := in.Link.Intent.Values[name]
	if !ok || !change.Equal(sent, f.notion) || f.based && change.Equal(f.base.Value, sent) {
		return false
	}
	seen := f.base.CRMSeen
	f.base = Landed(f.base, f.policy.Rule, Notion, sent, sent, in.Notion.At)
	f.base.CRMSeen, f.base.NotionSeen = seen, in.Notion.Shown()
	if own, merged := in.Link.Intent.Bases[name]; merged {
		f.base.Value = own
	}
	f.based = true
	return true
}

// decide says what becomes of a field that the two sides show differently. What comes first wins: where the field may travel at all, what a
// person said, what must never happen to it, and only then who changed it.
func (f *field) decide(in *Input) {
	p := f.policy
	chosen := in.Chosen[p.Name]
	switch {
	case !p.ToCRM:
		f.oneWay(CRM)
	case !p.ToNotion:
		f.oneWay(Notion)
	case chosen != "":
		f.wins(chosen, RulePerson, false)
	case !f.based:
		f.noBase()
	case p.WriteOnce && !isEmpty(f.base.Value):
		f.putBack()
	case p.NeverBlank && isEmpty(f.crm) != isEmpty(f.notion):
		f.fillBlank()
	case change.Equal(f.notion, f.base.Value):
		f.push(CRM)
	case change.Equal(f.crm, f.base.Value) && !f.base.Back && !f.crmWentBack(in):
		f.push(Notion)
	case p.Elements && !p.WriteOnce && f.mergeElements(): // half a merge, with the other half to come, would be what was written once
	default:
		f.bothChanged(in)
	}
}

// crmWentBack reports that the CRM shows the base again and showed something else since: a write to the page is announced, and what became of it is not
// known. The page shows neither, so both sides changed, and the CRM's edit back is no silence. The base remembers it when the intent goes.
func (f *field) crmWentBack(in *Input) bool {
	if in.Link.Intent == nil || f.policy.Elements || f.base.CRMSeen.After(in.Link.Intent.At) {
		return false // what was agreed on since is no value that came back
	}
	_, sent := in.Link.Intent.Values[f.policy.Name]
	return sent
}

// bothChanged is a true conflict: the field's rule decides it.
func (f *field) bothChanged(in *Input) {
	switch f.policy.Conflict {
	case CRMWins:
		f.wins(CRM, string(CRMWins), false)
	case NotionWins:
		f.wins(Notion, string(NotionWins), false)
	case HoldConflict:
		f.hold = ConflictReason(f.policy.Name, f.crm, f.notion)
	case LastWriteWins, "":
		f.lastWriteWins(in)
	}
}

// ConflictReason says why a conflict waits for a person.
func ConflictReason(field string, crm, notion change.Value) string {
	return fmt.Sprintf("%s was changed in both places: the CRM has %s, Notion has %s; a person has to say which of them stands", field, quote(crm), quote(notion))
}

// wins lets a side's value stand; the other's is kept in the history, and overwritten.
func (f *field) wins(side Side, rule string, undecidable bool) {
	f.loses(side.Other(), rule, undecidable)
	f.push(side)
}

func (f *field) loses(side Side, rule string, undecidable bool) {
	f.lost[f.losses] = loss{side: side, rule: rule, undecidable: undecidable}
	f.losses++
}

// putBack restores what both agreed on once, on whichever side it was changed.
func (f *field) putBack() {
	if !change.Equal(f.crm, f.base.Value) {
		f.toCRM = f.base.Value
		f.loses(CRM, RuleWriteOnce, false)
	}
	if !change.Equal(f.notion, f.base.Value) {
		f.toNotion = f.base.Value
		f.loses(Notion, RuleWriteOnce, false)
	}
}

// fillBlank gives the side that is empty the value of the other. That it was emptied, if it was, stands in the history.
func (f *field) fillBlank() {
	blank, shows := CRM, f.crm
	if isEmpty(f.notion) {
		blank, shows = Notion, f.notion
	}
	if !change.Equal(shows, f.base.Value) {
		f.loses(blank, RuleNeverBlank, false)
	}
	f.push(blank.Other())
}

// push sends the value of a side to the other.
func (f *field) push(from Side) {
	if from == CRM {
		f.toNotion = f.crm
	} else {
		f.toCRM = f.notion
	}
}

// oneWay restores a field that was edited on its reading side; the edit is kept as a conflict's loser.
func (f *field) oneWay(from Side) {
	source, reading := f.crm, f.notion
	if from == Notion {
		source, reading = f.notion, f.crm
		if !f.based && isEmpty(source) {
			f.push(CRM) // a new field starts with what the CRM says; it is never blanked for being new
			return
		}
	}
	if f.parked = f.refusesSource(from, source, reading); f.parked != "" {
		return
	}
	edited := !f.based && !isEmpty(reading) || f.based && !change.Equal(reading, f.base.Value)
	if edited {
		f.loses(from.Other(), RuleOneWay, false)
	}
	f.push(from)
}

// refusesSource tells why a one-way field does not take its source's value. The source cannot be given the old value back: nothing travels
// there. So both sides stay as they are, and somebody is told.
func (f *field) refusesSource(from Side, source, reading change.Value) string {
	p := f.policy
	switch {
	case p.WriteOnce && f.based && !isEmpty(f.base.Value) && !change.Equal(source, f.base.Value):
		return fmt.Sprintf("it is written once, and was changed from %s to %s in %s; the field travels from there only, so it cannot be put back",
			quote(f.base.Value), quote(source), from.name())
	case p.NeverBlank && isEmpty(source) && !isEmpty(reading):
		return fmt.Sprintf("it was emptied in %s and is never blanked in %s, which has %s; the field travels one way, so it cannot be put back",
			from.name(), from.Other().name(), quote(reading))
	}
	return ""
}

// noBase is for a field that both sides have and never agreed on: a link that was adopted, a field or rule that is new.
func (f *field) noBase() {
	switch {
	case isEmpty(f.notion):
		f.push(CRM)
	case isEmpty(f.crm) && f.crm.Kind() != change.Bool: // an unchecked box is nothing in Notion, where every new one is, but an answer in the CRM
		f.push(Notion)
	default:
		f.wins(f.policy.Initial, RuleInitial, false)
	}
}

func isEmpty(v change.Value) bool {
	return v.IsNull() || v.Kind() == change.Set && len(v.Items()) == 0 || v.Kind() == change.Bool && !v.Bool()
}

// record puts the field's outcome into the decision, where writing is on; else into what was observed.
func (f *field) record(in *Input, d *Decision) {
	name := f.policy.Name
	toNotion, toCRM := !f.toNotion.IsAbsent(), !f.toCRM.IsAbsent()
	if toCRM && f.parked == "" {
		f.parked = in.Notion.Guarded[name]
	}
	switch {
	case f.parked != "":
		d.park(name, f.parked)
		return
	case f.hold != "":
		d.Holds = append(d.Holds, Hold{Kind: "conflict", Field: name, Reason: f.hold, At: in.Now})
		return
	case toNotion && !in.Rules.WriteNotion || toCRM && !in.Rules.WriteCRM:
		seen := f.toNotion
		if toCRM {
			seen = f.toCRM
		}
		put(&d.Observed, name, seen)
		return
	}
	if toCRM {
		if at := f.typing(in); !at.IsZero() {
			put(&d.Typing, name, at)
			return
		}
		put(&d.ToCRM, name, f.toCRM)
	}
	if toNotion {
		put(&d.ToNotion, name, f.toNotion)
	}
	for _, l := range f.lost[:f.losses] {
		d.Conflicts = append(d.Conflicts, f.conflict(in, l))
	}
}

// conflict is the history's entry of a value that is overwritten: the loser's as it stands, the winner's as it takes its place.
func (f *field) conflict(in *Input, l loss) Conflict {
	crm, notion := f.crmEdit(in), f.notionEdit(in)
	c := Conflict{
		Field: f.policy.Name, CRM: f.crm, Notion: f.notion, Winner: l.side.Other(), Rule: l.rule, Undecidable: l.undecidable,
		CRMAfter: crm.After, CRMBefore: crm.Before, NotionAfter: notion.After, NotionBefore: notion.Before,
		Editor: in.Notion.Editor, Critical: f.policy.Critical, At: in.Now,
	}
	if l.side == CRM {
		c.Notion = f.toCRM
	} else {
		c.CRM = f.toNotion
	}
	if f.based {
		c.Base = f.base.Value
	}
	return c
}

func (f *field) agreedBase(in *Input) FieldBase {
	b := FieldBase{Value: f.crm, Rule: f.policy.Rule, CRMSeen: in.CRM.At, NotionSeen: in.Notion.Shown()}
	if f.based {
		b.Before, b.Flips = f.base.Before, f.base.Flips
		switch {
		case !change.Equal(f.base.Value, b.Value):
			b.Before = f.base.Value
		case b.NotionSeen.Before(f.base.NotionSeen):
			b.NotionSeen = f.base.NotionSeen // a query's row takes nothing back of what a read saw
		}
	}
	return b
}
