package mapping

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/cases"

	"github.com/tandem-sync/tandem/connector/change"
)

// Likeness gives an image's values of the match keys' fields in the form in which records are told apart: a phone number as a number ([Field.Same]), a name without
// regard to capitals and to space between its words. It is for comparing alone; equal forms are equal values.
func (e *Entity) Likeness(image change.Image) change.Image {
	out := change.Image{}
	for _, key := range e.Match {
		for _, name := range key {
			f, ok := e.Field(name)
			if v, there := image[name]; ok && there {
				out[name] = f.likeness(v)
			}
		}
	}
	return out
}

func (f Field) likeness(v change.Value) change.Value {
	if v.Kind() != change.Text {
		return v
	}
	switch f.Type {
	case TypePhone:
		if number := f.number(v.Text()); number != "" {
			return change.TextValue(strings.TrimSuffix(number, "x"))
		}
	case TypeTitle, TypeText:
		return change.TextValue(cases.Fold().String(strings.Join(strings.Fields(v.Text()), " ")))
	}
	return v
}

// Digits are a phone number's last digits, which every way to write it ends with, an extension aside: what a query can look for where it cannot compare numbers. ""
// if the value is no number.
func (f Field) Digits(v change.Value) string {
	if f.Type != TypePhone || v.Kind() != change.Text || f.number(v.Text()) == "" {
		return ""
	}
	main, extension, _ := strings.Cut(f.number(v.Text()), "x")
	if n, ok := f.parsed(v.Text()); ok {
		main = phonenumbers.GetNationalSignificantNumber(n)
	}
	if main = digits(main); extension != "" {
		return "" // columns end with that, or not
	}
	return main[max(0, len(main)-phoneDigitsAlike):]
}

// phoneDigitsAlike is how many digits numbers have in common that are worth a closer look.
const phoneDigitsAlike = 6
