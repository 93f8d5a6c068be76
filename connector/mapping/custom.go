package mapping

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// CustomName is a custom field as the CRM's rows have it, for the schema in Notion.
type CustomName struct {
	Name     string // custom.<key>
	Rows     int64  // that have a value
	Distinct int64  // different values among them
	Samples  []change.Value
}

// FieldFor is the field for a custom name that no schema knows yet, its type inferred from a sample in the row domain, or from several
// in a List. It is false for names that the mapping leaves out, and while no sample tells a type: a null says nothing.
func (e *Entity) FieldFor(name string, sample change.Value) (Field, bool) {
	key, ok := customKey(name)
	if !ok || e.Document.Custom == nil {
		return Field{}, false
	}
	if t := e.Document.Custom.Names[key].Type; t != "" {
		return e.CustomField(name, t)
	}
	members := []change.Value{sample}
	if sample.Kind() == change.List {
		members = sample.Items()
	}
	t, ok := infer(members)
	if !ok {
		return Field{}, false
	}
	return e.CustomField(name, t)
}

// CustomField is the field for a custom name whose type is known, from the ledger's schema. Notion's own names of types are
// understood too. An explicit type in the document wins.
func (e *Entity) CustomField(name string, t Type) (Field, bool) {
	key, ok := customKey(name)
	c := e.Document.Custom
	if !ok || c == nil || key == "" || !c.included(key) {
		return Field{}, false
	}
	if said, ok := notionTypes[t]; ok {
		t = said
	}
	said := c.Names[key]
	if said.Type != "" {
		t = said.Type
	}
	f := Field{
		Name: name, Property: e.customProperty(key, said), Type: t, Direction: c.Direction, Tie: c.Tie, Initial: c.Initial,
		Custom: true, Nullable: nullable(t), zone: e.zone,
	}
	place := c.Column
	if c.Rows != nil {
		place = c.Rows.Table + " " + c.Rows.Value
	}
	f.handled(said.Handling, said.Critical, &e.Document)
	f.rule = Rule{Name: name, Type: t}
	f.Rule = hash(8, t, place, key, e.zone.String())
	return f, true
}

var notionTypes = map[Type]Type{"rich_text": TypeText, "phone_number": TypePhone}

// CustomFieldOf is [Entity.FieldFor] for all that is known of a name: texts of few different values become options.
func (e *Entity) CustomFieldOf(n CustomName) (Field, bool) {
	f, ok := e.FieldFor(n.Name, change.ListValue(n.Samples...))
	key, _ := customKey(n.Name)
	if !ok || f.Type != TypeText || e.Document.Custom.Names[key].Type != "" || !n.fewValues() {
		return f, ok
	}
	return e.CustomField(n.Name, TypeSelect)
}

// CustomFields are the fields for all names of which a sample is given, in order.
func (e *Entity) CustomFields(samples map[string]change.Value) []Field {
	var fields []Field
	for _, name := range sortedKeys(samples) {
		if f, ok := e.FieldFor(name, samples[name]); ok {
			fields = append(fields, f)
		}
	}
	return fields
}

// fewValues says that texts look like a choice: many rows, few short values.
func (n CustomName) fewValues() bool {
	const rowsMin, distinctMax, runesMax = 20, 12, 40
	if n.Rows < rowsMin || n.Distinct > distinctMax || n.Distinct*3 > n.Rows || int64(len(n.Samples)) < n.Distinct {
		return false
	}
	return !slices.ContainsFunc(n.Samples, func(v change.Value) bool {
		_, err := canonOption(v)
		return err != nil || len([]rune(v.Text())) > runesMax || strings.Contains(v.Text(), "\n")
	})
}

// customMark tells a custom field's property from one that has the name already.
const customMark = " (custom)"

// customProperty names the property so that it does not collide with a mapped one, and no two keys get the same: a key that looks like a marked
// name is marked once more.
func (e *Entity) customProperty(key string, said CustomRule) string {
	if said.Property != "" {
		return said.Property
	}
	for bare, marked := key, true; marked; bare, marked = strings.CutSuffix(bare, customMark) {
		if e.takenProperty(bare) {
			return key + customMark
		}
	}
	return key
}

// takenProperty reports that a mapped field, the external id or another entity's relation has a property of this name, whatever its case.
func (e *Entity) takenProperty(name string) bool {
	return e.Document.property(name) != "" ||
		slices.ContainsFunc(e.reverses, func(r Reverse) bool { return fold(r.Property) == fold(name) })
}

// CustomNameOf is the field name of a custom field's key, false where the mapping leaves it out.
func (e *Entity) CustomNameOf(key string) (string, bool) {
	if c := e.Document.Custom; c == nil || key == "" || !c.included(key) {
		return "", false
	}
	return CustomPrefix + key, true
}

func (c *Custom) included(key string) bool {
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, key) })
	}
	return (len(c.Include) == 0 || matches(c.Include)) && !matches(c.Exclude)
}

// glob matches a pattern in which * stands for any text.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// infer finds the type that all samples have; samples that differ are text, and nothing but nulls tells nothing.
func infer(samples []change.Value) (Type, bool) {
	var found Type
	for _, v := range samples {
		t, ok := inferOne(v)
		switch {
		case !ok || t == found:
		case found == "":
			found = t
		case (found == TypeDate || found == TypeDateTime) && (t == TypeDate || t == TypeDateTime):
			found = TypeDateTime
		default:
			return TypeText, true
		}
	}
	return found, found != ""
}

func inferOne(v change.Value) (Type, bool) {
	switch v.Kind() {
	case change.Absent, change.Null:
		return "", false
	case change.Bool:
		return TypeCheckbox, true
	case change.Int, change.Decimal, change.Float:
		if _, err := canonNumber(v); err != nil {
			return TypeText, true
		}
		return TypeNumber, true
	case change.Date:
		return TypeDate, true
	case change.Timestamp, change.TimestampTZ:
		return TypeDateTime, true
	case change.JSON:
		return inferJSON(v)
	case change.Set, change.List:
		return TypeMultiSelect, true
	}
	return inferText(strings.TrimSpace(v.String()))
}

// inferJSON takes an array of texts for options. Objects and other arrays have no place in a page.
func inferJSON(v change.Value) (Type, bool) {
	members, err := jsonMembers(v.Text())
	if err != nil {
		return "", false
	}
	if members.Kind() != change.List {
		return inferOne(members)
	}
	return TypeMultiSelect, len(members.Items()) > 0
}

var (
	looksLikeURL   = regexp.MustCompile(`^https?://[^\s]+$`)
	looksLikeEmail = regexp.MustCompile(`^[^\s@,;<>]+@[^\s@,;<>]+\.[^\s@,;<>]+$`)
	looksLikePhone = regexp.MustCompile(`^(\+|00?)[0-9][0-9 ().\-/]{6,20}$`)
	looksLikeDate  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	looksLikeTime  = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}`)
)

func inferText(s string) (Type, bool) {
	switch {
	case s == "":
		return "", false
	case looksLikeURL.MatchString(s) && len(s) <= urlUnitsMax:
		return TypeURL, true
	case looksLikeEmail.MatchString(s) && len(s) <= addressUnitsMax:
		return TypeEmail, true
	case looksLikeDate.MatchString(s):
		if _, err := change.ParseDate(s); err == nil {
			return TypeDate, true
		}
	case looksLikeTime.MatchString(s):
		if _, err := textTime(change.TextValue(s), func(v change.Value) (change.Value, error) { return v, nil }); err == nil {
			return TypeDateTime, true
		}
	case looksLikePhone.MatchString(s):
		return TypePhone, true
	}
	return TypeText, true
}
