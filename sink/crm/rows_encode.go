package crm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// encode gives the text that a column's type reads as this value; nil is null. was is the value that it replaces: members of an array that
// stay keep their order.
func encode(c mapping.ColumnInfo, v, was change.Value, zone *time.Location) (*string, error) {
	if v.IsNull() {
		return nil, nil
	}
	if v.IsAbsent() {
		return nil, fmt.Errorf("no value is given")
	}
	text, err := encodeText(c, v, was, zone)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(text); c.LengthMax > 0 && n > c.LengthMax {
		return nil, fmt.Errorf("the text has %d characters, the CRM's column holds %d", n, c.LengthMax)
	}
	return &text, nil
}

func encodeText(c mapping.ColumnInfo, v, was change.Value, zone *time.Location) (string, error) {
	if v.Kind() == change.Set || v.Kind() == change.List {
		return encodeMembers(c, v, was)
	}
	switch c.Builtin() {
	case "json", "jsonb":
		return encodeJSON(v, was), nil
	case "int2", "int4", "int8":
		if v.Kind() == change.Bool {
			return map[bool]string{false: "0", true: "1"}[v.Bool()], nil
		}
		return v.String(), checkWhole(c, v)
	case "numeric":
		whole, _, _ := strings.Cut(strings.TrimLeft(v.String(), "-0"), ".")
		if c.WholeMax >= 0 && len(whole) > c.WholeMax {
			return "", fmt.Errorf("%s is beyond what the CRM's column holds (%s)", v, c.Shown)
		}
	case "date":
		return encodeDate(v, zone), nil
	case "timestamp":
		if t, ok := v.Instant(); ok {
			return t.In(zone).Format("2006-01-02 15:04:05.999999"), nil
		}
	case "timestamptz":
		if v.Kind() == change.Date {
			day, err := time.ParseInLocation(time.DateOnly, v.String(), zone)
			return day.Format(time.RFC3339), err
		}
	}
	return v.String(), nil
}

// checkWhole refuses what an integer column would refuse too, without saying which column it was.
func checkWhole(c mapping.ColumnInfo, v change.Value) error {
	text := v.String()
	if strings.Contains(text, ".") {
		return fmt.Errorf("%s is no whole number, and the CRM's column holds whole numbers only", text)
	}
	bits := map[string]int{"int2": 16, "int4": 32, "int8": 64}[c.Builtin()]
	if _, err := strconv.ParseInt(text, 10, bits); errors.Is(err, strconv.ErrRange) {
		if len(text) > 40 {
			text = text[:40] + "…"
		}
		return fmt.Errorf("%s is beyond what the CRM's column holds (%s)", text, c.Shown)
	}
	return nil
}

// encodeDate is the day on which the clocks of the zone showed the instant.
func encodeDate(v change.Value, zone *time.Location) string {
	if t, ok := v.Instant(); ok {
		return t.In(zone).Format(time.DateOnly)
	}
	return v.String()
}

// encodeMembers writes a set into an array, a JSON array, or text with commas (Doctrine's simple_array).
func encodeMembers(c mapping.ColumnInfo, v, was change.Value) (string, error) {
	old, raw := membersOf(was)
	texts := ordered(v, old)
	switch {
	case c.Category == "A":
		quoted := make([]string, len(texts))
		for i, t := range texts {
			quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(t) + `"`
		}
		return "{" + strings.Join(quoted, ",") + "}", nil
	case c.Builtin() == "json" || c.Builtin() == "jsonb":
		return jsonArray(texts, raw), nil
	case c.Category == "S":
		return strings.Join(texts, ","), nil
	}
	return "", fmt.Errorf("a column of type %s cannot hold several values", c.Shown)
}

// membersOf gives what a value of several members held, in its order, with the JSON of each member where it was JSON.
func membersOf(was change.Value) (texts []string, raw map[string]string) {
	raw = map[string]string{}
	switch was.Kind() {
	case change.List, change.Set:
		for _, m := range was.Items() {
			texts = append(texts, m.String())
		}
	case change.Text:
		for _, part := range strings.Split(was.Text(), ",") {
			texts = append(texts, strings.TrimSpace(part))
		}
	case change.JSON:
		var members []json.RawMessage
		if err := json.Unmarshal([]byte(was.Text()), &members); err != nil {
			return nil, raw
		}
		for _, m := range members {
			text := mapping.Scalar(string(m)).String()
			texts, raw[text] = append(texts, text), string(m)
		}
	}
	return texts, raw
}

// ordered lists the members that were there before in their old order, then the new ones.
func ordered(v change.Value, old []string) []string {
	want := make([]string, len(v.Items()))
	for i, m := range v.Items() {
		want[i] = m.String()
	}
	var out []string
	for _, t := range slices.Concat(old, want) {
		if slices.Contains(want, t) && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func jsonArray(texts []string, raw map[string]string) string {
	parts := make([]string, len(texts))
	for i, t := range texts {
		if parts[i] = raw[t]; parts[i] == "" {
			parts[i] = jsonText(t)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func jsonText(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a text always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// encodeJSON writes a value as JSON. Where a text stood before, a number or boolean is written as text too: that is how the CRM keeps it.
func encodeJSON(v, was change.Value) string {
	switch v.Kind() {
	case change.Null:
		return "null"
	case change.JSON:
		return v.Text()
	case change.Bool, change.Int, change.Decimal:
		if was.Kind() == change.Text {
			return jsonText(v.String())
		}
		return v.String()
	case change.Set, change.List:
		old, raw := membersOf(was)
		return jsonArray(ordered(v, old), raw)
	}
	return jsonText(v.String())
}
