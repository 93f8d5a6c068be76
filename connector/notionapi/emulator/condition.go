package emulator

import (
	"fmt"
	"strings"
	"time"
)

type test func(any) bool

// condition makes a test of the one condition in o, for operands of kind.
func (c *call) condition(path, kind string, o *object) (test, []string) {
	switch kind {
	case "formula":
		return c.formulaCondition(path, o)
	case "rollup":
		return c.rollupCondition(path, o)
	}
	if len(o.keys) == 0 {
		return nil, missingCondition(path, kind)
	}
	if len(o.keys) > 1 {
		return nil, one(should(path+"."+o.keys[1], "not present", o.vals[1]))
	}
	word, want := o.keys[0], o.vals[0]
	known := false
	for _, w := range conditions[kind] {
		known = known || w == word
	}
	if !known {
		return nil, missingCondition(path, kind)
	}
	at := path + "." + word
	if word == "is_empty" || word == "is_not_empty" {
		if want != true {
			return nil, one(should(at, "`true`", want))
		}
		return func(x any) bool { return isEmpty(x) == (word == "is_empty") }, nil
	}
	switch kind {
	case "title", "rich_text", "url", "email", "phone_number":
		return textCondition(at, word, want)
	case "number", "unique_id":
		return numberCondition(at, word, want)
	case "checkbox":
		if bad := wantBool(at, want); bad != nil {
			return nil, bad
		}
		return func(x any) bool { b, _ := x.(bool); return (b == want) == (word == "equals") }, nil
	case "select", "status":
		return choiceCondition(at, word == "equals", want)
	case "multi_select":
		return choiceCondition(at, word == "contains", want)
	case "people", "created_by", "last_edited_by", "relation":
		return idCondition(at, kind, word == "contains", want)
	case "verification":
		if bad := wantOneOf(at, want, "verified", "expired", "none"); bad != nil {
			return nil, bad
		}
		return func(x any) bool { return (x == want) == (word == "status") }, nil
	default: // date, created_time, last_edited_time
		return c.dateCondition(at, word, want)
	}
}

var (
	textWords   = []string{"equals", "does_not_equal", "contains", "does_not_contain", "starts_with", "ends_with", "is_empty", "is_not_empty"}
	numberWords = []string{"equals", "does_not_equal", "greater_than", "less_than", "greater_than_or_equal_to", "less_than_or_equal_to", "is_empty", "is_not_empty"}
	choiceWords = []string{"equals", "does_not_equal", "is_empty", "is_not_empty"}
	manyWords   = []string{"contains", "does_not_contain", "is_empty", "is_not_empty"}
	dateWords   = []string{"equals", "before", "after", "on_or_before", "on_or_after", "this_week", "past_week", "past_month",
		"past_year", "next_week", "next_month", "next_year", "is_empty", "is_not_empty"}
	conditions = map[string][]string{
		"title": textWords, "rich_text": textWords, "url": textWords, "email": textWords, "phone_number": textWords,
		"number": numberWords, "unique_id": numberWords, "checkbox": {"equals", "does_not_equal"},
		"select": choiceWords, "status": choiceWords, "multi_select": manyWords, "people": manyWords, "relation": manyWords,
		"created_by": manyWords, "last_edited_by": manyWords, "files": {"is_empty", "is_not_empty"},
		"date": dateWords, "created_time": dateWords, "last_edited_time": dateWords, "verification": {"status", "does_not_equal"},
	}
)

func missingCondition(path, kind string) []string {
	var lines []string
	for _, w := range conditions[kind] {
		lines = append(lines, should(path+"."+w, "defined", undefined{}))
	}
	return lines
}

func isEmpty(x any) bool {
	switch x := x.(type) {
	case nil:
		return true
	case string:
		return x == ""
	case *float64:
		return x == nil
	case *span:
		return x == nil
	case []string:
		return len(x) == 0
	case int:
		return x == 0
	}
	return false
}

// textCondition ignores case: a client must not take a match for identity.
func textCondition(path, word string, want any) (test, []string) {
	s, bad := wantString(path, want, 0, 0, false)
	if bad != nil {
		return nil, bad
	}
	s = strings.ToLower(s)
	return func(x any) bool {
		have, _ := x.(string)
		have = strings.ToLower(have)
		switch word {
		case "equals":
			return have == s
		case "does_not_equal":
			return have != s
		case "contains":
			return strings.Contains(have, s)
		case "does_not_contain":
			return !strings.Contains(have, s)
		case "starts_with":
			return strings.HasPrefix(have, s)
		default:
			return strings.HasSuffix(have, s)
		}
	}, nil
}

func numberCondition(path, word string, want any) (test, []string) {
	n, ok := want.(float64)
	if !ok {
		return nil, one(should(path, "a number", want))
	}
	return func(x any) bool {
		have, _ := x.(*float64)
		if have == nil {
			return word == "does_not_equal"
		}
		switch word {
		case "equals":
			return *have == n
		case "does_not_equal":
			return *have != n
		case "greater_than":
			return *have > n
		case "less_than":
			return *have < n
		case "greater_than_or_equal_to":
			return *have >= n
		default:
			return *have <= n
		}
	}, nil
}

// choiceCondition takes one option name or several: any of them counts.
func choiceCondition(path string, positive bool, want any) (test, []string) {
	var names []string
	switch v := want.(type) {
	case string:
		names = []string{v}
	case []any:
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, one(should(fmt.Sprintf("%s[%d]", path, i), "a string", e))
			}
			names = append(names, s)
		}
	default:
		return nil, one(should(path, "a string", want))
	}
	any1 := func(have string) bool {
		for _, n := range names {
			if strings.EqualFold(n, have) {
				return true
			}
		}
		return false
	}
	return func(x any) bool {
		hit := false
		switch x := x.(type) {
		case string:
			hit = any1(x)
		case []string:
			for _, have := range x {
				hit = hit || any1(have)
			}
		}
		return hit == positive
	}, nil
}

// idCondition compares ids. "me" is nobody to an internal connection.
func idCondition(path, kind string, positive bool, want any) (test, []string) {
	if want == "me" && kind != "relation" {
		return func(any) bool { return !positive }, nil
	}
	id, bad := wantUUID(path, want)
	if bad != nil {
		return nil, bad
	}
	return func(x any) bool {
		have, _ := x.([]string)
		return contains(have, id) == positive
	}, nil
}

// dateCondition compares the start of a date, in UTC. A day stands for all of it.
func (c *call) dateCondition(path, word string, want any) (test, []string) {
	if from, to, ok := c.dateWindow(word); ok {
		if _, bad := wantObject(path, want); bad != nil {
			return nil, bad
		}
		return func(x any) bool {
			d, _ := x.(*span)
			return d != nil && !d.start.Before(from) && !d.start.After(to)
		}, nil
	}
	s, bad := wantString(path, want, 1, 0, false)
	if bad != nil {
		return nil, bad
	}
	from, to, ok := c.dateOperand(s)
	if !ok {
		return nil, one(should(path, "a valid ISO 8601 date string", want))
	}
	return func(x any) bool {
		d, _ := x.(*span)
		if d == nil {
			return false
		}
		switch word {
		case "equals":
			return !d.start.Before(from) && d.start.Before(to)
		case "before":
			return d.start.Before(from)
		case "after":
			return !d.start.Before(to)
		case "on_or_before":
			return d.start.Before(to)
		default:
			return !d.start.Before(from)
		}
	}, nil
}

// dateOperand is the half-open range a condition's date stands for: the day, or the minute.
func (c *call) dateOperand(s string) (from, to time.Time, ok bool) {
	today := day(c.now)
	rel := map[string]time.Time{
		"today": today, "tomorrow": today.AddDate(0, 0, 1), "yesterday": today.AddDate(0, 0, -1),
		"one_week_ago": today.AddDate(0, 0, -7), "one_week_from_now": today.AddDate(0, 0, 7),
		"one_month_ago": today.AddDate(0, -1, 0), "one_month_from_now": today.AddDate(0, 1, 0),
	}
	if t, ok := rel[s]; ok {
		return t, t.AddDate(0, 0, 1), true
	}
	t, isDay, _, ok := parseDate(s)
	if !ok {
		return t, t, false
	}
	if isDay {
		return t, t.AddDate(0, 0, 1), true
	}
	return t, t.Add(time.Millisecond), true
}

// dateWindow is the range of this_week and its like; weeks begin on Monday.
func (c *call) dateWindow(word string) (from, to time.Time, ok bool) {
	now, today := c.now.UTC(), day(c.now)
	switch word {
	case "this_week":
		from = today.AddDate(0, 0, -(int(today.Weekday())+6)%7)
		return from, from.AddDate(0, 0, 7).Add(-time.Millisecond), true
	case "past_week":
		return today.AddDate(0, 0, -7), now, true
	case "past_month":
		return today.AddDate(0, -1, 0), now, true
	case "past_year":
		return today.AddDate(-1, 0, 0), now, true
	case "next_week":
		return now, today.AddDate(0, 0, 8).Add(-time.Millisecond), true
	case "next_month":
		return now, today.AddDate(0, 1, 1).Add(-time.Millisecond), true
	case "next_year":
		return now, today.AddDate(1, 0, 1).Add(-time.Millisecond), true
	}
	return from, to, false
}

// formulaCondition looks at the type that the formula's value has.
func (c *call) formulaCondition(path string, o *object) (test, []string) {
	kinds := map[string]string{"string": "rich_text", "checkbox": "checkbox", "number": "number", "date": "date"}
	names := []string{"string", "checkbox", "number", "date"}
	for _, k := range names {
		if o.has(k) {
			if bad := allowed(path, o, k); bad != nil {
				return nil, bad
			}
			in, bad := wantObject(path+"."+k, o.get(k))
			if bad != nil {
				return nil, bad
			}
			return c.condition(path+"."+k, kinds[k], in)
		}
	}
	var lines []string
	for _, k := range names {
		lines = append(lines, should(path+"."+k, "defined", undefined{}))
	}
	return nil, lines
}
