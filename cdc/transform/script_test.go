package transform

import (
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
)

// Conditions as Debezium's documentation has them, over what an event holds.
func TestConditions(t *testing.T) {
	t.Parallel()
	row := change.Row{
		{Name: "id", Value: change.IntValue(2)}, {Name: "amount", Value: change.DecimalValue("12.50")}, {Name: "name", Value: change.TextValue("Zoë")}, {Name: "vip", Value: change.BoolValue(true)},
		{Name: "gone", Value: change.NullValue()}, {Name: "tags", Value: change.ListValue(change.TextValue("a"))}, {Name: "at", Value: change.TimestampTZValue(0)},
	}
	seen := newScope(&change.Event{Op: change.Update, Key: row[:1], Before: row, After: row, Source: change.Source{Schema: "public", Table: "t", TxID: 5}}, []change.Header{{Key: "h", Value: []byte("v")}}, false)
	seen.Topic = "crm.public.t"
	for text, want := range map[string]bool{
		`value.op == 'u' && value.before.id == 2`: true, `value.op in ['c', 'd']`: false, `value.after.amount > 12`: true, `value.after.name startsWith "Z"`: true,
		`value.after.vip`: true, `value.after.gone == nil`: true, `value.after.missing == nil`: true, `"a" in value.after.tags`: true, `value.source.table == "t" && topic matches "public"`: true,
		`key.id == 2 && header.h == "v"`: true, `value.after.at < "1971"`: true, `value.transaction == nil`: true,
	} {
		program, err := compile(text, true)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		_, keep, err := (&script{class: Filter, program: program}).run(seen)
		if err != nil || keep != want {
			t.Errorf("%s: %t, %v", text, keep, err)
		}
	}
}

// What is wrong with an expression is said before anything runs, with its place.
func TestExpressionsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`value.opp == 'u'`: "(1:7)", `value.op ==`: "(1:", `value.op`: "bool", `nobody.id == 1`: "nobody"} {
		c := Config{Names: []string{"f"}, Keys: map[string]string{"f.type": Filter, "f.condition": text}}
		if err := c.Problems().Err(); err == nil || !strings.Contains(err.Error(), "transforms.f.condition: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c := Config{Names: []string{"f"}, Keys: map[string]string{"f.type": ContentRouter, "f.null.handling.mode": "lose", "f.topic.regex": "("}}
	for _, want := range []string{"topic.expression: missing", "null.handling.mode: ", "topic.regex: "} {
		if text := c.Problems().Error(); !strings.Contains(text, want) {
			t.Errorf("%q is not said in:\n%s", want, text)
		}
	}
}

// What costs too much ends, and harms nobody.
func TestAnExpressionIsBounded(t *testing.T) {
	t.Parallel()
	program, err := compile(`len(map(1..50000, map(1..50000, #))) > 0`, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := (&script{class: Filter, program: program}).run(&scope{}); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("got %v", err)
	}
}
