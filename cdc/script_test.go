package cdc

import (
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// Conditions as Debezium's documentation has them, over what an event holds.
func TestConditions(t *testing.T) {
	t.Parallel()
	row := change.Row{
		{Name: "id", Value: change.IntValue(2)}, {Name: "amount", Value: change.DecimalValue("12.50")}, {Name: "name", Value: change.TextValue("Zoë")}, {Name: "vip", Value: change.BoolValue(true)},
		{Name: "gone", Value: change.NullValue()}, {Name: "tags", Value: change.ListValue(change.TextValue("a"))}, {Name: "at", Value: change.TimestampTZValue(0)},
	}
	e := &emitter{config: &Config{}, headers: []change.Header{{Key: "h", Value: []byte("v")}}}
	seen := e.scope(&change.Event{Op: change.Update, Key: row[:1], Before: row, After: row, Source: change.Source{Schema: "public", Table: "t", TxID: 5}}, false)
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
		_, keep, err := (&script{class: filterTransform, program: program}).run(seen)
		if err != nil || keep != want {
			t.Errorf("%s: %t, %v", text, keep, err)
		}
	}
}

// What is wrong with an expression is said before anything runs, with its place.
func TestExpressionsThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`value.opp == 'u'`: "(1:7)", `value.op ==`: "(1:", `value.op`: "bool", `nobody.id == 1`: "nobody"} {
		c := Default()
		c.Transforms, c.TransformKeys = []string{"f"}, map[string]string{"f.type": filterTransform, "f.condition": text}
		if err := c.transformProblems().Err(); err == nil || !strings.Contains(err.Error(), "transforms.f.condition: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c := Default()
	c.Transforms, c.TransformKeys = []string{"f"}, map[string]string{"f.type": contentRouter, "f.null.handling.mode": "lose", "f.topic.regex": "("}
	for _, want := range []string{"topic.expression: missing", "null.handling.mode: ", "topic.regex: "} {
		if text := c.transformProblems().Error(); !strings.Contains(text, want) {
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
	if _, _, err := (&script{class: filterTransform, program: program}).run(&scope{}); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("got %v", err)
	}
}

// A filter and a router over the stream: what is left out is left out for good, and the position goes on.
func TestRecordsAreFilteredAndRoutedByTheirContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE contact (id int PRIMARY KEY, kind text, n int)`)
	w.config.Transforms = []string{"filter", "route", "short"}
	w.config.TransformKeys = map[string]string{
		"filter.type": filterTransform, "filter.condition": `value.op == 'd' || value.after.kind != 'secret'`, "filter.topic.regex": `crm\.public\.contact`,
		"route.type": contentRouter, "route.topic.expression": `value.op != 'd' && value.after.n > 10 ? "large" : nil`,
		"short.type": regexRouter, "short.regex": `crm\.public\.(.*)`, "short.replacement": "$1",
	}
	w.exec(t, `INSERT INTO contact VALUES (1, 'open', 1), (2, 'secret', 1)`)
	w.start(t)
	w.kafka.awaitCount(t, 1)
	w.exec(t, `INSERT INTO contact VALUES (3, 'secret', 1)`)
	w.exec(t, `INSERT INTO contact VALUES (4, 'open', 11)`)
	w.exec(t, `DELETE FROM contact WHERE id = 3`)
	records := wantRecords(t, w, `r {"id":1}`, `c {"id":4}`, `d {"id":3}`, `- {"id":3}`)
	for i, want := range []string{"contact", "large", "contact", "contact"} {
		if records[i].Topic != want {
			t.Errorf("record %d went to %s, want %s", i, records[i].Topic, want)
		}
	}
}

// An expression that fails stops the source, or lets the record pass as it is: nothing disappears.
func TestATransformThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE contact (id int PRIMARY KEY, n int)`)
	w.config.Transforms = []string{"f"}
	w.config.TransformKeys = map[string]string{"f.type": filterTransform, "f.condition": `value.after.n > 10`}
	s := w.source(t)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.exec(t, `INSERT INTO contact VALUES (1, 11)`)
	w.kafka.awaitCount(t, 1)
	w.exec(t, `INSERT INTO contact VALUES (2, NULL)`)
	eventually(t, "the end", func() bool { return s.Err() != nil })
	s.Stop()
	if err := s.Err(); !strings.Contains(err.Error(), "transform f of a record for crm.public.contact") || !strings.Contains(err.Error(), "errors.tolerance") {
		t.Errorf("ended with %v", err)
	}
	w.config.Tolerance = config.TolerateAll
	w.start(t)
	wantRecords(t, w, `c {"id":1}`, `c {"id":2}`)
}
