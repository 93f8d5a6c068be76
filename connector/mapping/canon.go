package mapping

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tandem-sync/tandem/connector/change"
)

// Limits of what Notion holds, from its API reference (Request limits) where it names one; two are on the safe side of what it leaves
// open: addresses and phone numbers (100 in the OpenAPI document, 200 in prose) and names of options (no bound is confirmed).
const (
	textItemsMax     = 100     // rich text items in one property
	textItemUnitsMax = 2000    // UTF-16 units in one item
	textBytesMax     = 450_000 // a request holds 500 KB; the rest of the page needs room too
	addressUnitsMax  = 100     // e-mail, phone
	urlUnitsMax      = 2000
	optionUnitsMax   = 100
	itemsMax         = 100    // options in one write
	relatedMax       = 10_000 // related pages; one write takes no more than [RelatedWriteMax]
)

// RelatedWriteMax is how many related pages one write takes, which replaces all that the page names. A page may name more: they are read in pages
// of 100, and the far side's people add them one by one.
const RelatedWriteMax = 100

// Canon gives the canonical form of a value in the field's domain, in which both sides are compared and the base is kept.
// An absent value stays absent. An error says in plain words why Notion, or the field's type, cannot hold the value.
//
//	title, text        Text: NFC, LF line ends, trimmed; nothing that shows is null
//	email              Text as above, lower case
//	phone, url         Text, trimmed; numbers are compared by [Field.Same]
//	number             Decimal without exponent or trailing zeros; what a double cannot hold exactly is refused
//	checkbox           Bool; null is false
//	date               Date, years 1 to 9999
//	datetime           TimestampTZ cut to the minute, years 1 to 9999
//	select, status     Text; a comma is refused
//	multi_select       Set of Text; null is the empty set
//	relation           Set of Text; null is the empty set
//
// Canon(Canon(x)) equals Canon(x) for every type.
func (f Field) Canon(v change.Value) (change.Value, error) {
	if v.IsAbsent() {
		return v, nil
	}
	switch f.Type {
	case TypeTitle, TypeText:
		return canonText(v)
	case TypeEmail:
		return canonShort(v, addressUnitsMax, "an e-mail address", func(s string) string { return norm.NFC.String(strings.ToLower(norm.NFC.String(s))) })
	case TypePhone:
		return canonShort(v, addressUnitsMax, "a phone number", norm.NFC.String)
	case TypeURL:
		return canonShort(v, urlUnitsMax, "a link", func(s string) string { return s })
	case TypeNumber:
		return canonNumber(v)
	case TypeCheckbox:
		return canonBool(v)
	case TypeDate:
		return canonDate(v, f.location())
	case TypeDateTime:
		return canonDateTime(v, f.location())
	case TypeSelect, TypeStatus:
		return canonOption(v)
	case TypeMultiSelect:
		return canonSet(v, canonOption, "options")
	case TypeRelation:
		return canonSet(v, canonTarget, "related records")
	}
	return change.Value{}, fmt.Errorf("no such type: %q", f.Type)
}

func (f Field) location() *time.Location {
	if f.zone == nil {
		return time.UTC
	}
	return f.zone
}

// plain is the text of a scalar, as people read it.
func plain(v change.Value) (string, error) {
	switch v.Kind() {
	case change.Null:
		return "", nil
	case change.List, change.Set:
		return "", fmt.Errorf("it is a list, where one value belongs")
	case change.Bytes:
		return "", fmt.Errorf("it is binary, which a page cannot hold")
	}
	s := strings.ToValidUTF8(v.String(), "\uFFFD")
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("it holds a NUL character, which PostgreSQL cannot keep")
	}
	return s, nil
}

// textOrNull takes a text that shows nothing, but spaces and invisible characters, for none.
func textOrNull(s string) change.Value {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsSpace(r) && !invisible(r) }) {
		return change.NullValue()
	}
	return change.TextValue(s)
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// tidy is NFC without space around it. Trimming can free a combining mark at the start, but never makes two runes compose.
func tidy(s string) string { return strings.TrimFunc(norm.NFC.String(s), unicode.IsSpace) }

func canonText(v change.Value) (change.Value, error) {
	s, err := plain(v)
	if err != nil {
		return change.Value{}, err
	}
	s = tidy(lineEnds.Replace(s))
	if n := textItems(s); n > textItemsMax {
		return change.Value{}, fmt.Errorf("the text has %d characters; Notion holds %d in one property", units(s), textItemsMax*textItemUnitsMax)
	}
	if len(s) > textBytesMax {
		return change.Value{}, fmt.Errorf("the text has %d bytes; a request to Notion holds %d of them in one property", len(s), textBytesMax)
	}
	return textOrNull(s), nil
}

func canonShort(v change.Value, unitsMax int, what string, fold func(string) string) (change.Value, error) {
	s, err := plain(v)
	if err != nil {
		return change.Value{}, err
	}
	s = strings.TrimFunc(fold(s), unicode.IsSpace)
	if n := units(s); n > unitsMax {
		return change.Value{}, fmt.Errorf("%s of %d characters is longer than the %d that Notion holds", what, n, unitsMax)
	}
	return textOrNull(s), nil
}

// units counts UTF-16 units, which is how Notion's service counts characters.
func units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// textItems counts the rich text items that s needs when no surrogate pair may be cut apart.
func textItems(s string) int {
	items, used := 0, textItemUnitsMax
	for _, r := range s {
		need := 1
		if r > 0xFFFF {
			need = 2
		}
		if used+need > textItemUnitsMax {
			items, used = items+1, 0
		}
		used += need
	}
	return items
}

func canonOption(v change.Value) (change.Value, error) {
	s, err := plain(v)
	if err != nil {
		return change.Value{}, err
	}
	s = tidy(s)
	if strings.Contains(s, ",") {
		return change.Value{}, fmt.Errorf("the option %q has a comma, which Notion does not allow in names of options", shorten(s))
	}
	if n := units(s); n > optionUnitsMax {
		return change.Value{}, fmt.Errorf("the option %q has %d characters; %d are allowed", shorten(s), n, optionUnitsMax)
	}
	return textOrNull(s), nil
}

// canonTarget is a related record's key, or a link's id: kept to the letter.
func canonTarget(v change.Value) (change.Value, error) {
	s, err := plain(v)
	if err != nil {
		return change.Value{}, err
	}
	if s == "" {
		return change.NullValue(), nil
	}
	return change.TextValue(s), nil
}

func canonSet(v change.Value, canon func(change.Value) (change.Value, error), what string) (change.Value, error) {
	members := []change.Value{v}
	if k := v.Kind(); k == change.List || k == change.Set {
		members = v.Items()
	}
	var kept []change.Value
	folded := map[string]string{}
	for _, m := range members {
		c, err := canon(m)
		if err != nil {
			return change.Value{}, err
		}
		if c.IsNull() {
			continue
		}
		if what == "options" {
			low := strings.ToLower(c.Text())
			if other, ok := folded[low]; ok && other != c.Text() {
				return change.Value{}, fmt.Errorf("the options %q and %q differ in case only, which Notion takes for one", other, c.Text())
			}
			folded[low] = c.Text()
		}
		kept = append(kept, c)
	}
	set, most := change.SetValue(kept...), itemsMax
	if what != "options" {
		most = relatedMax
	}
	if n := len(set.Items()); n > most {
		return change.Value{}, fmt.Errorf("%d %s are more than the %d that Notion holds", n, what, most)
	}
	return set, nil
}

func canonBool(v change.Value) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return change.BoolValue(false), nil
	case change.Bool:
		return v, nil
	}
	s, err := plain(v)
	if err != nil {
		return change.Value{}, err
	}
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "t", "yes", "y", "on", "1":
		return change.BoolValue(true), nil
	case "false", "f", "no", "n", "off", "0", "":
		return change.BoolValue(false), nil
	}
	return change.Value{}, fmt.Errorf("%q is neither true nor false", shorten(s))
}

// shorten keeps messages readable.
func shorten(s string) string {
	const runesMax = 60
	if r := []rune(s); len(r) > runesMax {
		return string(r[:runesMax]) + "…"
	}
	return s
}
