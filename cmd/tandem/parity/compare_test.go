package parity

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// difference is one field of one event in which the two are not the same.
type difference struct {
	run, phase, table, op, field string
	debezium, ours               string
	key                          string // of the event, as an example
	sql                          string // that shows it
}

func (d difference) String() string {
	return fmt.Sprintf("%s %s %s %s %s\n\tkey      %s\n\tDebezium %s\n\tours     %s", d.run, d.phase, d.table, d.op, d.field, d.key, cut(d.debezium), cut(d.ours))
}

func cut(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

const absent = "(absent)"

// compareTopic pairs the events of a topic in their order; an event that only one of them wrote is a difference of field "event".
func compareTopic(run, table string, theirs, ours []event) (out []difference) {
	for _, pair := range align(theirs, ours) {
		a, b := pair[0], pair[1]
		switch {
		case a == nil:
			out = append(out, difference{run: run, phase: b.phase, table: table, op: b.op, field: "event", debezium: absent, ours: describe(b), key: b.signature})
		case b == nil:
			out = append(out, difference{run: run, phase: a.phase, table: table, op: a.op, field: "event", debezium: describe(a), ours: absent, key: a.signature})
		default:
			for _, d := range compareEvent(a, b) {
				d.run, d.phase, d.table, d.op, d.key = run, a.phase, table, a.op, a.signature
				out = append(out, d)
			}
		}
	}
	return out
}

func describe(e *event) string {
	var b strings.Builder
	for _, f := range e.fields {
		if !strings.HasPrefix(f.path, "header.") {
			fmt.Fprintf(&b, "%s=%s ", f.path, f.raw)
		}
	}
	return strings.TrimSpace(b.String())
}

// compareEvent finds fields that differ, and fields that both have in another order.
func compareEvent(a, b *event) (out []difference) {
	var shared [2][]string
	for _, f := range a.fields {
		value, there := b.get(f.path)
		if !there {
			value = absent
		} else {
			shared[0] = append(shared[0], f.path)
		}
		if value != f.raw {
			out = append(out, difference{field: f.path, debezium: f.raw, ours: value})
		}
	}
	for _, f := range b.fields {
		if _, there := a.get(f.path); !there {
			if unsaid(a, f.path) {
				continue
			}
			out = append(out, difference{field: f.path, debezium: absent, ours: f.raw})
			continue
		}
		shared[1] = append(shared[1], f.path)
	}
	if !slices.Equal(shared[0], shared[1]) {
		out = append(out, difference{field: "order", debezium: strings.Join(shared[0], " "), ours: strings.Join(shared[1], " ")})
	}
	return out
}

func (e *event) get(path string) (string, bool) {
	for _, f := range e.fields {
		if f.path == path {
			return f.raw, true
		}
	}
	return "", false
}

// align pairs two sequences along their longest common subsequence of signatures; between its members events are paired in their order
// as far as they are of one phase and operation.
func align(a, b []event) (out [][2]*event) {
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if alike(&a[i], &b[j]) {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case alike(&a[i], &b[j]):
			out = append(out, [2]*event{&a[i], &b[j]})
			i, j = i+1, j+1
		case longest[i+1][j+1] == longest[i][j] && a[i].op == b[j].op && a[i].phase == b[j].phase: // the same, but for the key
			out = append(out, [2]*event{&a[i], &b[j]})
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			out = append(out, [2]*event{&a[i], nil})
			i++
		default:
			out = append(out, [2]*event{nil, &b[j]})
			j++
		}
	}
	for ; i < len(a); i++ {
		out = append(out, [2]*event{&a[i], nil})
	}
	for ; j < len(b); j++ {
		out = append(out, [2]*event{nil, &b[j]})
	}
	return out
}

func alike(a, b *event) bool { return a.signature == b.signature && a.phase == b.phase }

// The comparison can fail: a value, a missing and an added field, an order, an event too few, an event too many.
func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	make := func(op, key string, fields ...field) event {
		return event{op: op, phase: "stream", signature: op + " " + key, fields: fields}
	}
	theirs := []event{
		make("c", "1", field{"after.a", "1"}, field{"after.b", "2"}), make("c", "2", field{"after.a", "1"}, field{"after.b", "2"}),
		make("c", "3", field{"after.a", "1"}), make("d", "3"), make("-", "3"),
	}
	ours := []event{
		make("c", "1", field{"after.a", "1"}, field{"after.b", "3"}), make("c", "2", field{"after.b", "2"}, field{"after.a", "1"}),
		make("c", "3", field{"after.c", "1"}), make("d", "3"), make("c", "9"),
	}
	var got []string
	for _, d := range compareTopic("run", "t", theirs, ours) {
		got = append(got, d.op+" "+d.key+" "+d.field)
	}
	want := []string{"c c 1 after.b", "c c 2 order", "c c 3 after.a", "c c 3 after.c", "- - 3 event", "c c 9 event"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if same := compareTopic("run", "t", theirs, theirs); len(same) > 0 {
		t.Errorf("what is the same differs: %v", same)
	}
}
