// Package builtin holds the mapping rules that come with Tandem, behind the same contract as anyone's own plugins. Mappings
// name them without a plugin: "function": {"name": "trim"}.
package builtin

import (
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Name is the plugin's name: "trim" is short for "builtin.trim".
const Name = "builtin"

var (
	texts = []change.Kind{change.Text}
	codes = []change.Kind{change.Text, change.Int}
)

// Plugin offers all built-in rules.
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    Name,
		Version: "1.0.0",
		Summary: "the rules that come with Tandem",
		Offers: []sdk.Offer{
			{Name: "trim", Summary: "white space at both ends is taken off", Row: texts, Field: texts, New: func() any { return &Trim{} }},
			{Name: "collapse", Summary: "any white space becomes one space, none at the ends", Row: texts, Field: texts, New: normal(collapse)},
			{Name: "lower", Summary: "lower case", Row: texts, Field: texts, New: normal(lower)},
			{Name: "upper", Summary: "upper case", Row: texts, Field: texts, New: normal(upper)},
			{Name: "nfc", Summary: "Unicode's composed form: e and an accent become é", Row: texts, Field: texts, New: normal(nfc)},
			{Name: "digits", Summary: "digits only: \"FR 12-34\" becomes \"1234\"", Row: texts, Field: texts, New: normal(digits)},
			{Name: "newlines", Summary: "lines end in LF in Notion, and as the CRM wants them there", Row: texts, Field: texts, New: func() any { return &Newlines{Row: "lf"} }},
			{Name: "affix", Summary: "a prefix and a suffix that stand in Notion only", Row: texts, Field: texts, New: func() any { return &Affix{} }},
			{Name: "email", Summary: "an e-mail address: trimmed, its domain in lower case", Row: texts, Field: texts, New: func() any { return &Email{Invalid: invalidPark} }},
			{Name: "url", Summary: "a web address: trimmed, with a scheme, scheme and host in lower case", Row: texts, Field: texts, New: func() any { return &URL{Scheme: "https", Invalid: invalidPark} }},
			{Name: "split", Summary: "\"a;b\" in one column is a multi-select in Notion", Row: texts, Field: []change.Kind{change.Set}, New: func() any { return &Split{Separator: ";", Empty: "text"} }},
			{Name: "enum", Summary: "codes in the CRM, labels in Notion", Row: codes, Field: texts, New: func() any { return &Enum{Row: rowText, Unknown: invalidPark} }},
			{Name: "bool_text", Summary: "'Y' and 'N', or 1 and 0, in the CRM are a checkbox in Notion", Row: codes, Field: []change.Kind{change.Bool}, New: func() any { return &BoolText{Row: rowText} }},
			{Name: "scale", Summary: "a number times a factor, exactly: cents in the CRM, euros in Notion", Row: []change.Kind{change.Int, change.Decimal, change.Float}, Field: []change.Kind{change.Decimal}, New: func() any { return &Scale{Row: rowInt} }},
			{Name: "date", Summary: "a moment in the CRM is its day in Notion", Row: []change.Kind{change.Timestamp, change.TimestampTZ, change.Date}, Field: []change.Kind{change.Date}, New: func() any { return &Date{Zone: "UTC", Row: "timestamptz"} }},
			{Name: "unix_time", Summary: "seconds since 1970 in the CRM are a moment in Notion", Row: []change.Kind{change.Int}, Field: []change.Kind{change.TimestampTZ}, New: func() any { return &UnixTime{Unit: "s"} }},
			{Name: "default", Summary: "what stands in Notion for null and the empty text", New: func() any { return &Default{Back: "keep"} }},
			{Name: "full_name", Summary: "first and last name in two columns are one field in Notion", New: func() any {
				return &FullName{First: "first_name", Last: "last_name", Full: "name", Single: "last"}
			}},
		},
	}
}

// What becomes of a value that a rule does not understand.
const (
	invalidPark = "park"
	invalidKeep = "keep"
)

// Kinds of a column in configurations.
const (
	rowText = "text"
	rowInt  = "int"
)

// onText calls turn for a text; null stays null, anything else is refused.
func onText(v change.Value, turn func(string) (change.Value, error)) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return v, nil
	case change.Text:
		return turn(v.Text())
	default:
		return change.Value{}, sdk.BadValue("want text, got %v: use another rule for this column", v.Kind())
	}
}
