package mapping

import (
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/tandem-sync/tandem/connector/change"
)

// Digits that a phone number has at least and at most where its country is not known: E.164 allows 15, the shortest numbers that people are called
// on have 5.
const phoneDigitsMin, phoneDigitsMax = 5, 15

var phoneForm = regexp.MustCompile(`^\+?[0-9 ().\-/\x{00A0}\x{202F}\x{2010}\x{2011}]+( ?(ext\.?|x|#) ?[0-9]{1,7})?$`)

// Same reports that two canonical values are one. Phone numbers are, however they are written: 06 12 34 56 78 is 0612345678, and +33612345678 too where
// the field's guard names the region. That is for comparing only: what stands on a side stays as it is written there.
func (f Field) Same(a, b change.Value) bool {
	if change.Equal(a, b) {
		return true
	}
	if f.Type != TypePhone || a.Kind() != change.Text || b.Kind() != change.Text {
		return false
	}
	number := f.number(a.Text())
	return number != "" && number == f.number(b.Text())
}

// number is a phone number as E.164 and its extension; with its digits alone where its country is not known; "" if the text is no number.
func (f Field) number(text string) string {
	if !phoneForm.MatchString(text) {
		return ""
	}
	if n, ok := f.parsed(text); ok {
		return phonenumbers.Format(n, phonenumbers.E164) + "x" + n.GetExtension()
	}
	main, extension, _ := strings.Cut(strings.NewReplacer("ext.", "x", "ext", "x", "#", "x").Replace(text), "x")
	plus := ""
	if strings.HasPrefix(main, "+") {
		plus = "+"
	}
	if main = digits(main); len(main) < phoneDigitsMin {
		return ""
	}
	return plus + main + "x" + digits(extension)
}

// parsed is a number whose country is known.
func (f Field) parsed(text string) (*phonenumbers.PhoneNumber, bool) {
	region := "ZZ" // unknown: the number brings its country code along
	if g := f.handling.Guard; g != nil && g.Phone != "" && g.Phone != AnyRegion {
		region = string(g.Phone)
	}
	n, err := phonenumbers.Parse(text, region)
	return n, err == nil && phonenumbers.IsPossibleNumber(n)
}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// noPhone tells what a number lacks. One with a country code is measured by the numbering plan of that country, one without by the region's, where
// the guard names it.
func noPhone(text string, region PhoneGuard) string {
	if !phoneForm.MatchString(text) {
		return "it holds what no number has"
	}
	if !strings.HasPrefix(text, "+") && region == AnyRegion {
		switch n := len(digits(text)); {
		case n < phoneDigitsMin:
			return "it is too short"
		case n > phoneDigitsMax:
			return "it is too long"
		}
		return ""
	}
	from := string(region)
	if region == AnyRegion {
		from = "ZZ" // unknown: the number brings its country code along
	}
	n, err := phonenumbers.Parse(text, from)
	if err != nil {
		return "its country code is unknown, or it is too short"
	}
	switch phonenumbers.IsPossibleNumberWithReason(n) {
	case phonenumbers.TOO_SHORT:
		return "it is too short"
	case phonenumbers.TOO_LONG:
		return "it is too long"
	case phonenumbers.INVALID_COUNTRY_CODE:
		return "no country has its code"
	case phonenumbers.INVALID_LENGTH, phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return "no number of its country is as long"
	case phonenumbers.IS_POSSIBLE:
	}
	return ""
}
