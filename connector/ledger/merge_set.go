package ledger

import (
	"slices"

	"github.com/tandem-sync/tandem/connector/change"
)

// mergeElements keeps what either side added and drops what either side removed. Nothing is lost, so there is no conflict. It reports false where
// the two are no sets, or where they would leave nothing of a field that is never blanked.
func (f *field) mergeElements() bool {
	if f.crm.Kind() != change.Set || f.notion.Kind() != change.Set {
		return false
	}
	merged := mergeSets(f.base.Value, f.crm, f.notion)
	if f.policy.NeverBlank && isEmpty(merged) {
		return false
	}
	if !change.Equal(merged, f.notion) {
		f.toNotion = merged
	}
	if !change.Equal(merged, f.crm) {
		f.toCRM = merged
	}
	return true
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

// single decides a set of which the CRM keeps one member where the page names several: Notion adds to a relation what its other end names, and
// takes nothing away. Against the base the one that is new is told from the one that was there, so that moving a record from the far side is an
// edit like any other, which takes the former one off the page too. It reports false where that cannot be told, or the field is no such set:
// then the field is decided as it stands.
func (f *field) single(in *Input) bool {
	p := f.policy
	if !p.Single || !p.ToCRM || !p.ToNotion || !in.Rules.WriteNotion || !f.based || in.Chosen[p.Name] != "" || len(f.notion.Items()) < 2 {
		return false
	}
	var added []change.Value
	for _, v := range f.notion.Items() {
		if !slices.ContainsFunc(f.base.Value.Items(), v.Equal) {
			added = append(added, v)
		}
	}
	if len(added) != 1 {
		return false
	}
	shown := f.notion
	f.notion = change.SetValue(added...)
	if change.Equal(f.notion, f.crm) {
		f.toNotion = f.crm // both say so; the page sheds the former one
		return true
	}
	f.decide(in)
	switch {
	case f.hold != "" || f.parked != "":
		f.notion = shown
	case f.toNotion.IsAbsent():
		f.toNotion = f.notion
	}
	return true
}

// Bases gives, for fields that were merged element by element and go to both sides, the value that the base has while only one side holds the
// merged set: the other side's own. The base is what both have agreed on, so the merged set becomes it when the second side has it too.
// What goes to both sides because both are given the base back leaves the base as it is.
func (d Decision) Bases(in Input, written Side) change.Image {
	other, view := d.ToCRM, in.CRM
	sent := d.ToNotion
	if written == CRM {
		other, view, sent = d.ToNotion, in.Notion, d.ToCRM
	}
	bases := change.Image{}
	for name, v := range sent {
		if _, both := other[name]; both && !change.Equal(v, in.Link.Base[name].Value) {
			bases[name] = view.Image[name]
		}
	}
	return bases
}
