package notionapi

import (
	"strings"
	"unicode/utf8"

	"github.com/tandem-sync/tandem/connector/change"
)

// Limits of texts, in UTF-16 units (Notion's service counts as JavaScript does, as far as is known; that is the safe side).
// https://developers.notion.com/reference/request-limits
const (
	TextItemUnitsMax = 2000 // one rich text object
	RichTextItemsMax = 100  // of one property
	TextUnitsMax     = TextItemUnitsMax * RichTextItemsMax
	URLUnitsMax      = 2000
	OptionUnitsMax   = 2000
	// EmailUnitsMax and PhoneUnitsMax: the documents say 200, the OpenAPI said 100 once. What lies between is left to Notion to refuse.
	EmailUnitsMax = 200
	PhoneUnitsMax = 200
)

// units counts UTF-16 code units.
func units(s string) int {
	n := len(s)
	if n <= 1 {
		return n
	}
	n = 0
	for _, r := range s {
		n += runeUnits(r)
	}
	return n
}

func runeUnits(r rune) int {
	if r >= 0x10000 {
		return 2
	}
	return 1
}

// scalarText gives the text of a value that people would write as one text.
func scalarText(v change.Value, what string) (string, error) {
	switch v.Kind() {
	case change.Absent, change.Bytes, change.List, change.Set:
		return "", valueErrorf("a %s for a %s property", v.Kind(), what)
	}
	text := v.String()
	if !utf8.ValidString(text) {
		return "", valueErrorf("a text that is not valid UTF-8")
	}
	if strings.ContainsRune(text, 0) {
		return "", valueErrorf("a text with a NUL character")
	}
	return text, nil
}

// canonText joins what splitText splits: any text up to the limit is canonical, and empty is null.
func canonText(v change.Value) (change.Value, error) {
	text, err := scalarText(v, "text")
	if err != nil {
		return v, err
	}
	if n := len(splitText(text)); n > RichTextItemsMax {
		return v, valueErrorf("a text of %d characters; Notion takes %d", units(text), TextUnitsMax)
	}
	return emptyIsNull(text), nil
}

func textBody(v change.Value) (any, error) { return richText(v.Text()), nil }

// richText makes the pieces of a text. It never gives nil: null is refused where [] clears.
func richText(text string) []map[string]any {
	parts := splitText(text)
	items := make([]map[string]any, len(parts))
	for i, part := range parts {
		items[i] = map[string]any{"type": "text", "text": map[string]any{"content": part}}
	}
	return items
}

// splitText cuts a text into pieces of at most 2000 units, never inside a character.
func splitText(text string) []string {
	var parts []string
	start, n := 0, 0
	for i, r := range text {
		if n+runeUnits(r) > TextItemUnitsMax {
			parts = append(parts, text[start:i])
			start, n = i, 0
		}
		n += runeUnits(r)
	}
	if start < len(text) {
		parts = append(parts, text[start:])
	}
	return parts
}

// canonString is for url, email and phone_number: one string, bounded, never empty.
func canonString(what string, unitsMax int) func(change.Value) (change.Value, error) {
	return func(v change.Value) (change.Value, error) {
		text, err := scalarText(v, what)
		if err != nil {
			return v, err
		}
		if n := units(text); n > unitsMax {
			return v, valueErrorf("a %s of %d characters; Notion takes %d", what, n, unitsMax)
		}
		return emptyIsNull(text), nil
	}
}

func stringBody(v change.Value) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	return v.Text(), nil
}
