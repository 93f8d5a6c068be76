// Package e164 is the phone plugin's one function: numbers as people typed them, to E.164 and back.
package e164

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Plugin offers phone.e164.
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "phone",
		Version: "1.0.0",
		Summary: "telephone numbers",
		Offers: []sdk.Offer{{
			Name:    "e164",
			Summary: `"06 12 34 56 78" in the CRM is "+33612345678" in Notion`,
			Row:     []change.Kind{change.Text},
			Field:   []change.Kind{change.Text},
			New:     func() any { return &E164{Row: "e164", Invalid: "park"} },
		}},
	}
}

// E164 turns numbers. An extension is kept, as RFC 3966 writes it: "+33612345678;ext=12".
type E164 struct {
	Region  string `json:"region" required:"true" doc:"country whose national numbers are understood: an ISO 3166 code such as FR"`
	Row     string `json:"row" enum:"e164,national,international" doc:"how a number that was edited in Notion is written to the CRM; numbers of other regions are never written nationally"`
	Invalid string `json:"invalid" enum:"park,keep" doc:"what becomes of a text that is no possible number: the record is parked, or the text kept as it is"`
}

var (
	_ sdk.Function  = (*E164)(nil)
	_ sdk.Validator = (*E164)(nil)
)

// Validate knows the regions.
func (e *E164) Validate() []sdk.Diagnostic {
	known := phonenumbers.GetSupportedRegions()
	if known[e.Region] {
		return nil
	}
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return []sdk.Diagnostic{sdk.Problem("region", "use one of "+strings.Join(names, " "), "there is no region %q", e.Region)}
}

// ToNotion reads what stands in the row.
func (e *E164) ToNotion(row change.Value) (change.Value, error) {
	return e.each(row, canonical)
}

// ToCRM reads what a person typed in Notion, which may be as free as in the CRM.
func (e *E164) ToCRM(field change.Value) (change.Value, error) {
	return e.each(field, e.rowForm)
}

func (e *E164) each(v change.Value, form func(*phonenumbers.PhoneNumber) string) (change.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	if v.Kind() != change.Text {
		return change.Value{}, sdk.BadValue("a telephone number must be text, got %v", v.Kind())
	}
	text := strings.TrimSpace(v.Text())
	if text == "" {
		return change.TextValue(""), nil
	}
	n, known := e.parse(text)
	switch {
	case known:
		return change.TextValue(form(n)), nil
	case e.Invalid == "keep":
		return change.TextValue(text), nil
	default:
		return change.Value{}, sdk.BadValue("%q is no telephone number of region %s: correct it, or configure \"invalid\": \"keep\"", text, e.Region)
	}
}

// parse reads a number. What would be read back from its canonical form as another number is none: of +46 00 00, which nobody has, each reading
// takes a zero away.
func (e *E164) parse(text string) (*phonenumbers.PhoneNumber, bool) {
	n, err := phonenumbers.Parse(text, e.Region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return nil, false
	}
	back, err := phonenumbers.Parse(canonical(n), e.Region)
	return n, err == nil && canonical(back) == canonical(n)
}

func canonical(n *phonenumbers.PhoneNumber) string {
	s := phonenumbers.Format(n, phonenumbers.E164)
	if ext := n.GetExtension(); ext != "" {
		s += ";ext=" + ext
	}
	return s
}

// rowForm writes a number for the CRM. A form that would be read back as another number is not used.
func (e *E164) rowForm(n *phonenumbers.PhoneNumber) string {
	want := canonical(n)
	format := phonenumbers.INTERNATIONAL
	switch {
	case e.Row == "e164":
		return want
	case e.Row == "national" && phonenumbers.GetRegionCodeForNumber(n) == e.Region:
		format = phonenumbers.NATIONAL
	}
	text := phonenumbers.Format(n, format)
	back, err := phonenumbers.Parse(text, e.Region)
	if err != nil || canonical(back) != want {
		return want
	}
	return text
}
