package builtin

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// normalizer is a rule that does the same in both directions, and nothing the second time.
type normalizer struct{ form func(string) string }

var _ sdk.Function = (*normalizer)(nil)

func normal(form func(string) string) func() any {
	return func() any { return &normalizer{form: form} }
}

func (n *normalizer) ToNotion(row change.Value) (change.Value, error) { return n.each(row) }
func (n *normalizer) ToCRM(field change.Value) (change.Value, error)  { return n.each(field) }
func (n *normalizer) each(v change.Value) (change.Value, error) {
	return onText(v, func(s string) (change.Value, error) { return change.TextValue(n.form(s)), nil })
}

func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

func nfc(s string) string { return norm.NFC.String(s) }

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// lower and upper map rune by rune: what has no single counterpart (ß) stays, so that the second time changes nothing.
func lower(s string) string { return strings.Map(unicode.ToLower, s) }
func upper(s string) string { return strings.Map(unicode.ToUpper, s) }

// Trim takes white space off both ends.
type Trim struct {
	NullIfEmpty bool `json:"null_if_empty" doc:"what is empty then becomes null, on both sides"`
}

var _ sdk.Function = (*Trim)(nil)

// ToNotion trims.
func (t *Trim) ToNotion(row change.Value) (change.Value, error) { return t.each(row) }

// ToCRM trims.
func (t *Trim) ToCRM(field change.Value) (change.Value, error) { return t.each(field) }

func (t *Trim) each(v change.Value) (change.Value, error) {
	return onText(v, func(s string) (change.Value, error) {
		if s = strings.TrimSpace(s); s == "" && t.NullIfEmpty {
			return change.NullValue(), nil
		}
		return change.TextValue(s), nil
	})
}

// Newlines ends lines in LF in Notion, whose API returns nothing else, and as configured in the CRM.
type Newlines struct {
	Row string `json:"row" enum:"lf,crlf" doc:"how lines end in the CRM"`
}

var _ sdk.Function = (*Newlines)(nil)

var toLF = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// ToNotion ends lines in LF.
func (n *Newlines) ToNotion(row change.Value) (change.Value, error) {
	return onText(row, func(s string) (change.Value, error) { return change.TextValue(toLF.Replace(s)), nil })
}

// ToCRM ends lines as the CRM does.
func (n *Newlines) ToCRM(field change.Value) (change.Value, error) {
	return onText(field, func(s string) (change.Value, error) {
		s = toLF.Replace(s)
		if n.Row == "crlf" {
			s = strings.ReplaceAll(s, "\n", "\r\n")
		}
		return change.TextValue(s), nil
	})
}

// Affix puts a prefix and a suffix around what stands in the CRM.
type Affix struct {
	Prefix string `json:"prefix" doc:"stands before it in Notion"`
	Suffix string `json:"suffix" doc:"stands after it in Notion"`
}

var (
	_ sdk.Function  = (*Affix)(nil)
	_ sdk.Validator = (*Affix)(nil)
)

// Validate wants one of them.
func (a *Affix) Validate() []sdk.Diagnostic {
	if a.Prefix == "" && a.Suffix == "" {
		return []sdk.Diagnostic{sdk.Problem("prefix", "give a prefix, a suffix, or both", "there is nothing to add")}
	}
	return nil
}

// ToNotion adds them; the empty text stays empty.
func (a *Affix) ToNotion(row change.Value) (change.Value, error) {
	return onText(row, func(s string) (change.Value, error) {
		if s == "" {
			return change.TextValue(""), nil
		}
		return change.TextValue(a.Prefix + s + a.Suffix), nil
	})
}

// ToCRM takes them off; a person may have left them out.
func (a *Affix) ToCRM(field change.Value) (change.Value, error) {
	return onText(field, func(s string) (change.Value, error) {
		return change.TextValue(strings.TrimSuffix(strings.TrimPrefix(s, a.Prefix), a.Suffix)), nil
	})
}
