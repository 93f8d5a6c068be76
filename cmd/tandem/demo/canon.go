package demo

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Values are compared as texts in a form of the demo's own: "" is nothing, lists are sorted and separated by listMark.
const listMark = "\x1f"

// canon brings a text as PostgreSQL or Notion gives it into the form that is compared.
func canon(kind mapping.Type, text string) string {
	switch kind {
	case mapping.TypeNumber:
		if n, ok := new(big.Rat).SetString(text); ok {
			return strings.TrimSuffix(strings.TrimRight(n.FloatString(15), "0"), ".")
		}
	case mapping.TypeCheckbox:
		if text == "" || text == "f" {
			return "false"
		}
		if text == "t" {
			return "true"
		}
	case mapping.TypePhone:
		return canonPhone(text)
	case mapping.TypeDate:
		return text[:min(len(text), len(time.DateOnly))]
	case mapping.TypeMultiSelect, mapping.TypeRelation:
		return canonList(strings.Split(text, listMark))
	case mapping.TypeTitle, mapping.TypeText, mapping.TypeDateTime, mapping.TypeSelect, mapping.TypeStatus, mapping.TypeURL, mapping.TypeEmail:
	}
	return canonText(text)
}

// canonText makes é one character, however it was typed: the eye sees no difference, and Tandem makes none.
func canonText(text string) string { return strings.TrimSpace(norm.NFC.String(text)) }

// canonPhone keeps the digits of a number, the French way of writing it turned into the international one.
func canonPhone(text string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, text)
	if strings.Trim(digits, "+") == "" {
		return canonText(text) // no number at all
	}
	if national, ok := strings.CutPrefix(digits, "0"); ok {
		return "+33" + national
	}
	return digits
}

func canonList(items []string) string {
	items = slices.DeleteFunc(slices.Clone(items), func(s string) bool { return s == "" })
	slices.Sort(items)
	return strings.Join(slices.Compact(items), listMark)
}

// canonTime gives a moment to the minute, as far as Notion keeps it. What has no zone is read in zone.
func canonTime(text string, zone *time.Location) string {
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00", "2006-01-02 15:04:05.999999"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC().Format("2006-01-02 15:04Z")
		}
	}
	return text
}

// canonJSON gives a member of a JSON object as a text.
func canonJSON(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return strings.TrimSpace(string(raw))
}

// textOf gives what Notion says as a text.
func textOf(v change.Value) string {
	switch v.Kind() {
	case change.Absent, change.Null:
		return ""
	case change.Set, change.List:
		var items []string
		for _, item := range v.Items() {
			items = append(items, textOf(item))
		}
		return canonList(items)
	case change.Bool:
		if v.Bool() {
			return "true"
		}
		return "false"
	case change.TimestampTZ:
		if t, ok := v.Instant(); ok {
			return t.UTC().Format("2006-01-02 15:04Z")
		}
	default:
	}
	return v.String()
}
