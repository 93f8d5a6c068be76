package mapping

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
)

const alikeDocument = `{"sync": "s", "entity": "e", "crm": {"table": "public.t", "key": "id"}, "notion": {"database": "T"}, "fields": [
	{"name": "name", "column": "n", "type": "title"}, {"name": "email", "column": "m", "type": "email"}, {"name": "phone", "column": "p", "type": "phone", "guard": {"phone": "DE"}},
	{"name": "note", "column": "x", "type": "text"}], "match": ["email", "phone", "name"]}`

func TestLikeness(t *testing.T) {
	t.Parallel()
	e := compileAll(t, alikeDocument)["e"]
	text := change.TextValue
	for _, tt := range []struct{ field, value, want string }{
		{"name", "Zoë  MÜLLER ", "zoë müller"}, {"name", "STRASSE", "strasse"}, {"name", "Straße", "strasse"},
		{"phone", "030 1234567", "+49301234567"}, {"phone", "+49 (30) 123-45 67", "+49301234567"}, {"phone", "call me", "call me"}, {"phone", "030 1234567 ext. 5", "+49301234567x5"},
		{"email", "a@example.com", "a@example.com"},
	} {
		if got := e.Likeness(change.Image{tt.field: text(tt.value)})[tt.field]; got.String() != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.field, tt.value, got, tt.want)
		}
	}
	if got := e.Likeness(change.Image{"note": text("x"), "email": change.NullValue()}); len(got) != 1 || !got["email"].IsNull() {
		t.Errorf("what is no key's field, and what is null: %v", got)
	}
}

// Phone numbers are alike exactly where they are the same, and every way to write one ends with the digits that a query looks for.
func TestLikenessIsSameness(t *testing.T) {
	t.Parallel()
	e := compileAll(t, alikeDocument)["e"]
	phone, _ := e.Field("phone")
	written := rapid.Custom(func(t *rapid.T) change.Value {
		s := rapid.SampledFrom([]string{"0301234567", "+49301234567", "0401234567", "+33123456789", "12345", "0301234567x7"}).Draw(t, "number")
		for _, sep := range []string{" ", "-", "/"} {
			if i := rapid.IntRange(4, len(s)).Draw(t, "at"); rapid.Bool().Draw(t, "separated") && !strings.ContainsAny(s[i-1:], "x") {
				s = s[:i] + sep + s[i:]
			}
		}
		return change.TextValue(strings.TrimRight(s, " -/"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := written.Draw(t, "a"), written.Draw(t, "b")
		if same := phone.Same(a, b); same != change.Equal(phone.likeness(a), phone.likeness(b)) {
			t.Fatalf("%v and %v: the same %t, alike %v %v", a, b, same, phone.likeness(a), phone.likeness(b))
		} else if main, _, _ := strings.Cut(b.String(), "x"); same && !strings.HasSuffix(digits(main), phone.Digits(a)) {
			t.Fatalf("%v does not end with the digits of %v: %q", b, a, phone.Digits(a))
		}
	})
}
