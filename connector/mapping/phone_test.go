package mapping

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
)

// Numbers are compared as numbers, and kept as they are written.
func TestAPhoneNumberIsOneHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	free, french := guarded(t, "phone", `{"phone": true}`), guarded(t, "phone", `{"phone": "FR"}`)
	for _, tt := range []struct {
		a, b         string
		free, french bool
	}{
		{"+33612345678", "+33 6 12 34 56 78", true, true},
		{"+33 (0)6 12 34 56 78", "+33-6.12.34.56.78", true, true},
		{"06 12 34 56 78", "0612345678", true, true},
		{"06 12 34 56 78", "+33612345678", false, true}, // whose 06 it is, only a region tells
		{"+33612345678", "+33612345679", false, false},
		{"+44 20 7946 0018 ext. 12", "+442079460018 x12", true, true},
		{"+44 20 7946 0018 ext. 12", "+442079460018", false, false},
		{"+44 20 7946 0018 ext. 12", "+442079460018 ext. 13", false, false},
		{"1-2", "12", false, false}, // too short to be a number: text
		{"ask Ada", "ask  Ada", false, false},
		{"ask Ada 12345", "12345", false, false},
	} {
		for f, want := range map[*Field]bool{&free: tt.free, &french: tt.french} {
			if got := f.Same(change.TextValue(tt.a), change.TextValue(tt.b)); got != want {
				t.Errorf("%q and %q with %+v: %t", tt.a, tt.b, *f.handling.Guard, got)
			}
		}
	}
	if v, err := free.Canon(change.TextValue("+33 6 12 34 56 78")); err != nil || v.Text() != "+33 6 12 34 56 78" {
		t.Errorf("the number is kept as %s, %v", v, err)
	}
	name := Field{Type: TypeText}
	if name.Same(change.TextValue("06 12 34 56 78"), change.TextValue("0612345678")) {
		t.Error("texts are compared as numbers")
	}
	if free.Same(change.NullValue(), change.TextValue("0612345678")) || !free.Same(change.NullValue(), change.NullValue()) {
		t.Error("no number is a number")
	}
}

// Same is an equivalence: the merge stands on it.
func TestSameIsAnEquivalence(t *testing.T) {
	t.Parallel()
	f := Field{Type: TypePhone}
	number := rapid.Map(rapid.StringMatching(`\+?(33|1|0)[0-9 .()-]{0,12}( ext\. 1| x1)?`), change.TextValue)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "c")
		switch {
		case !f.Same(a, a), f.Same(a, b) != f.Same(b, a), f.Same(a, b) && f.Same(b, c) && !f.Same(a, c):
			t.Fatalf("%q %q %q", a, b, c)
		}
	})
}
