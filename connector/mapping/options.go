package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// UnknownOptions says what becomes of an option that the other side does not have.
type UnknownOptions string

// The policies. A field that says nothing parks what its options do not name, where it has any; else selects make what they are given, and a status
// parks it.
const (
	OptionsCreate UnknownOptions = "create" // it is made there, beside those that are there
	OptionsPark   UnknownOptions = "park"   // the field waits until somebody adds it
	OptionsMap    UnknownOptions = "map"    // it stands for the option that unknown_as names, and stays as it is on its own side
)

// HasOptions reports that the field's values are options of a property.
func (f Field) HasOptions() bool { return hasOptions(f.Type) }

func hasOptions(t Type) bool {
	return slices.Contains([]Type{TypeSelect, TypeStatus, TypeMultiSelect}, t)
}

// Declared finds the option that the mapping names, whatever its capitals: Notion does not tell them apart.
func (f Field) Declared(name string) (Option, bool) {
	i := slices.IndexFunc(f.Options, func(o Option) bool { return strings.EqualFold(tidy(o.Notion), name) })
	if i < 0 {
		return Option{}, false
	}
	return f.Options[i], true
}

// FromPage brings a property's value into the canonical form. An option that stands for the one of unknown_as is that one on both sides.
func (f Field) FromPage(v change.Value) (change.Value, error) {
	v, err := f.Canon(v)
	if err != nil || v.IsAbsent() || f.Unknown != OptionsMap {
		return v, err
	}
	return f.mapOptions(v, func(o change.Value) (change.Value, error) {
		if _, known := f.Declared(o.Text()); known || o.IsNull() {
			return o, nil
		}
		return change.TextValue(f.rule.UnknownAs), nil
	})
}

// mapOptions puts a value, or each member of a set, through the mapping's options.
func (f Field) mapOptions(v change.Value, one func(change.Value) (change.Value, error)) (change.Value, error) {
	if len(f.Options) == 0 {
		return v, nil
	}
	if k := v.Kind(); k != change.List && k != change.Set {
		return one(v)
	}
	mapped := make([]change.Value, 0, len(v.Items()))
	for _, m := range v.Items() {
		w, err := one(m)
		if err != nil {
			return change.Value{}, err
		}
		mapped = append(mapped, w)
	}
	return change.SetValue(mapped...), nil
}

func (f Field) optionFor(v change.Value) (change.Value, error) {
	text, err := plain(v)
	if err != nil {
		return change.Value{}, err
	}
	text = strings.TrimSpace(text)
	empty := v.IsNull() || text == ""
	for _, o := range f.Options {
		if o.CRM == nil && empty || o.CRM != nil && !v.IsNull() && *o.CRM == text {
			return change.TextValue(o.Notion), nil
		}
	}
	switch {
	case empty:
		return change.NullValue(), nil
	case f.Unknown == OptionsMap:
		return change.TextValue(f.rule.UnknownAs), nil
	case f.Unknown == OptionsCreate:
		if o, taken := f.Declared(tidy(text)); taken {
			return change.Value{}, fmt.Errorf("the CRM's value %q is spelled like the option for %q, so that the two could not be told apart in Notion; rename one of them in the field's options",
				shorten(text), deref(o.CRM))
		}
		return change.TextValue(text), nil
	}
	return change.Value{}, fmt.Errorf("the CRM's value %q has no option in the mapping; add it as an option of the field", shorten(text))
}

func (f Field) valueFor(v change.Value) (change.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	o, known := f.Declared(v.Text())
	if !known && f.Unknown == OptionsMap {
		o, known = f.Declared(f.rule.UnknownAs)
	}
	switch {
	case known && o.CRM == nil:
		return change.NullValue(), nil
	case known:
		return change.TextValue(*o.CRM), nil
	case f.Unknown == OptionsCreate:
		if i := slices.IndexFunc(f.Options, func(o Option) bool { return o.CRM != nil && *o.CRM == v.Text() }); i >= 0 {
			return change.Value{}, fmt.Errorf("the option %q is spelled like the CRM's value for %q, so that the two could not be told apart there; choose another",
				shorten(v.Text()), f.Options[i].Notion)
		}
		return v, nil
	}
	return change.Value{}, fmt.Errorf("the option %q stands for no value of the CRM; add it to the field's options or choose another", shorten(v.Text()))
}

// KeepOnPage gives a set of options that is about to replace another one those that stand there for the option of unknown_as: on the page they are what
// it means.
func (f Field) KeepOnPage(v, was change.Value) change.Value {
	return f.keep(v, was, f.rule.UnknownAs, func(o string) bool { _, known := f.Declared(o); return known })
}

// KeepInRow is KeepOnPage for the CRM's own values.
func (f Field) KeepInRow(v, was change.Value) change.Value {
	o, ok := f.Declared(f.rule.UnknownAs)
	if !ok || o.CRM == nil {
		return v
	}
	return f.keep(v, was, *o.CRM, func(value string) bool {
		return slices.ContainsFunc(f.Options, func(o Option) bool { return o.CRM != nil && *o.CRM == value })
	})
}

func (f Field) keep(v, was change.Value, as string, known func(string) bool) change.Value {
	if f.Unknown != OptionsMap || f.Type != TypeMultiSelect || !slices.ContainsFunc(v.Items(), change.TextValue(as).Equal) {
		return v
	}
	was, err := unpack(f.Type, was)
	if err != nil {
		return v
	}
	var stood []change.Value
	itself := false
	for _, m := range was.Items() {
		text := strings.TrimSpace(m.String())
		switch {
		case text == as:
			itself = true
		case text != "" && !known(text):
			stood = append(stood, m)
		}
	}
	if len(stood) == 0 {
		return v
	}
	for _, m := range v.Items() {
		if itself || m.Text() != as {
			stood = append(stood, m)
		}
	}
	return change.SetValue(stood...)
}
