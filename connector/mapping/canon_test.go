package mapping

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
)

var paris = mustZone("Europe/Paris")

func mustZone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return z
}

func mustDate(s string) change.Value {
	v, err := change.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return v
}

func mustTime(s string) change.Value {
	v, err := change.ParseTimestampTZ(s)
	if err != nil {
		panic(err)
	}
	return v
}

func TestCanon(t *testing.T) {
	t.Parallel()
	text, null, dec := change.TextValue, change.NullValue(), change.DecimalValue
	long := strings.Repeat("é", 200_000)
	tests := []struct {
		typ  Type
		in   change.Value
		want change.Value
		bad  string // part of the reason
	}{
		{typ: TypeText, in: text(" a\r\nb\u00a0"), want: text("a\nb")},
		{typ: TypeText, in: text("e\u0301"), want: text("é")},
		{typ: TypeText, in: text(" \n "), want: null},
		{typ: TypeText, in: text("\u200b \ufeff\u200f"), want: null}, // zero-width space, byte order mark, mark of direction
		{typ: TypeText, in: text("\u200bשלום\u200f"), want: text("\u200bשלום\u200f")},
		{typ: TypeTitle, in: text("👩\u200d👩\u200d👧"), want: text("👩\u200d👩\u200d👧")},
		{typ: TypeEmail, in: text("\u200b"), want: null},
		{typ: TypeTitle, in: change.IntValue(42), want: text("42")},
		{typ: TypeText, in: text(long), want: text(long)},
		{typ: TypeText, in: text(long + "x"), bad: "200001 characters"},
		{typ: TypeText, in: text(strings.Repeat("🙂", 100_000)), want: text(strings.Repeat("🙂", 100_000))},
		{typ: TypeText, in: text("x" + strings.Repeat("🙂", 100_000)), bad: "characters"},
		{typ: TypeText, in: text(strings.Repeat("漢", 160_000)), bad: "bytes"},
		{typ: TypeText, in: text("a\x00b"), bad: "NUL"},
		{typ: TypeText, in: change.BytesValue([]byte{1}), bad: "binary"},
		{typ: TypeEmail, in: text(" Zoë@EXAMPLE.com\n"), want: text("zoë@example.com")},
		{typ: TypeEmail, in: text(strings.Repeat("a", 101)), bad: "101 characters"},
		{typ: TypePhone, in: text(" +33 6 12 "), want: text("+33 6 12")},
		{typ: TypeURL, in: text(" https://E.com/A "), want: text("https://E.com/A")},
		{typ: TypeURL, in: text("https://" + strings.Repeat("a", 1993)), bad: "2001 characters"},
		{typ: TypeNumber, in: dec("1.10"), want: dec("1.1")},
		{typ: TypeNumber, in: dec("-0.00"), want: dec("0")},
		{typ: TypeNumber, in: dec("1E+3"), want: dec("1000")},
		{typ: TypeNumber, in: dec("0.00012"), want: dec("0.00012")},
		{typ: TypeNumber, in: change.FloatValue(0.1), want: dec("0.1")},
		{typ: TypeNumber, in: change.FloatValue(1e21), want: dec("1000000000000000000000")},
		{typ: TypeNumber, in: change.IntValue(1 << 53), want: dec("9007199254740992")},
		{typ: TypeNumber, in: change.IntValue(1<<53 + 1), bad: "more digits"},
		{typ: TypeNumber, in: dec("0.12345678901234567890"), bad: "more digits"},
		{typ: TypeNumber, in: dec("NaN"), bad: "no number"},
		{typ: TypeNumber, in: change.FloatValue(math.Inf(-1)), bad: "no number"},
		{typ: TypeNumber, in: text("1e999999999"), bad: "beyond"},
		{typ: TypeNumber, in: text("twelve"), bad: "is no number"},
		{typ: TypeNumber, in: text(""), want: null},
		{typ: TypeCheckbox, in: null, want: change.BoolValue(false)},
		{typ: TypeCheckbox, in: change.IntValue(1), want: change.BoolValue(true)},
		{typ: TypeCheckbox, in: text("Oui"), bad: "neither true nor false"},
		{typ: TypeDate, in: mustDate("1980-02-29"), want: mustDate("1980-02-29")},
		{typ: TypeDate, in: mustTime("2026-06-30T22:30:00Z"), want: mustDate("2026-07-01")},
		{typ: TypeDate, in: text("2026-05-01"), want: mustDate("2026-05-01")},
		{typ: TypeDate, in: change.DateValue(change.Infinity), bad: "infinite"},
		{typ: TypeDate, in: mustDate("+10000-01-01"), bad: "years 1 to 9999"},
		{typ: TypeDate, in: mustDate("-0043-03-15"), bad: "years 1 to 9999"},
		{typ: TypeDate, in: text("someday"), bad: "is no date"},
		{typ: TypeDateTime, in: mustTime("2026-06-30T22:30:59.999999Z"), want: mustTime("2026-06-30T22:30:00Z")},
		{typ: TypeDateTime, in: change.TimestampTZValue(-1), want: change.TimestampTZValue(-60_000_000)},
		{typ: TypeDateTime, in: mustDate("2026-01-01"), want: mustTime("2025-12-31T23:00:00Z")},
		{typ: TypeDateTime, in: change.TimestampTZValue(change.NegInfinity), bad: "infinite"},
		{typ: TypeDateTime, in: change.BoolValue(true), bad: "no point in time"},
		{typ: TypeSelect, in: text(" Won "), want: text("Won")},
		{typ: TypeSelect, in: text("a, b"), bad: "comma"},
		{typ: TypeStatus, in: text(""), want: null},
		{typ: TypeMultiSelect, in: null, want: change.SetValue()},
		{typ: TypeMultiSelect, in: change.ListValue(text("b"), text("a "), text("a"), null), want: change.TextSet("a", "b")},
		{typ: TypeMultiSelect, in: change.TextSet("VIP", "vip"), bad: "differ in case only"},
		{typ: TypeRelation, in: text("7"), want: change.TextSet("7")},
		{typ: TypeRelation, in: null, want: change.SetValue()},
		{typ: TypeEmail, in: change.Value{}, want: change.Value{}},
	}
	for _, tt := range tests {
		got, err := Field{Type: tt.typ, zone: paris}.Canon(tt.in)
		switch {
		case tt.bad != "" && (err == nil || !strings.Contains(err.Error(), tt.bad)):
			t.Errorf("%s of %s: got %v, %v; want a reason with %q", tt.typ, shorten(tt.in.String()), shorten(got.String()), err, tt.bad)
		case tt.bad == "" && (err != nil || !got.Equal(tt.want)):
			t.Errorf("%s of %s: got %s, %v; want %s", tt.typ, shorten(tt.in.String()), shorten(got.String()), err, shorten(tt.want.String()))
		}
	}
}

// anyValue draws values of every kind, with the texts that hurt: marks that combine, spaces, capitals without small letters.
func anyValue() *rapid.Generator[change.Value] {
	runes := rapid.SampledFrom([]rune{'a', 'B', ' ', '\u0301', '\u0307', '\u2000', '\u00a0', '\r', '\n', 'İ', 'ß', 'Å', '\u212b', ',', '0', '1', '.', '-', '+', 'e', '@', '🙂', 'ﬁ', '\ufeff', '\u1e9b', '\u0323', 'Σ'})
	text := rapid.OneOf(rapid.String(), rapid.StringOfN(runes, 0, 12, -1), rapid.SampledFrom([]string{"true", "2026-01-02", "2026-01-02T03:04:05Z", "1e3", "-0"}))
	scalar := rapid.OneOf(
		rapid.Just(change.NullValue()), rapid.Map(rapid.Bool(), change.BoolValue), rapid.Map(rapid.Int64(), change.IntValue),
		rapid.Map(rapid.Float64(), change.FloatValue), rapid.Map(rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,20})?`), change.DecimalValue),
		rapid.Map(text, change.TextValue), rapid.Map(rapid.Int64Range(-800_000, 3_000_000), change.DateValue),
		rapid.Map(rapid.Int64Range(-70_000_000_000_000_000, 260_000_000_000_000_000), change.TimestampTZValue),
		rapid.Map(rapid.Int64Range(-70_000_000_000_000_000, 260_000_000_000_000_000), change.TimestampValue),
	)
	return rapid.OneOf(scalar, rapid.Map(rapid.SliceOfN(scalar, 0, 4), func(vs []change.Value) change.Value { return change.ListValue(vs...) }))
}

func TestCanonIsIdempotent(t *testing.T) {
	t.Parallel()
	for _, typ := range Types {
		t.Run(string(typ), rapid.MakeCheck(func(t *rapid.T) {
			f := Field{Type: typ, zone: paris}
			v := anyValue().Draw(t, "value")
			once, err := f.Canon(v)
			if err != nil {
				return
			}
			if once.IsNull() && !nullable(typ) {
				t.Fatalf("%s became null", v)
			}
			twice, err := f.Canon(once)
			if err != nil || !twice.Equal(once) {
				t.Fatalf("canon(%q) = %q, and canon of that %q, %v", v, once, twice, err)
			}
		}))
	}
}

// What is written into a row is read back as the same canonical value.
func TestRowsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, typ := range Types {
		t.Run(string(typ), rapid.MakeCheck(func(t *rapid.T) {
			f := Field{Type: typ, zone: paris, Many: true}
			if typ == TypeText && rapid.Bool().Draw(t, "empty text for null") {
				f.rule.Empty = new("")
			}
			canonical, err := f.Canon(anyValue().Draw(t, "value"))
			if err != nil {
				return
			}
			row, err := f.ToRow(canonical)
			if err != nil {
				t.Fatalf("to row: %v", err)
			}
			back, err := f.FromRow(row)
			if err != nil || !back.Equal(canonical) {
				t.Fatalf("%q went to the row as %q and came back as %q, %v", canonical, row, back, err)
			}
		}))
	}
}

func TestOptionsMapBothWays(t *testing.T) {
	t.Parallel()
	f := Field{Type: TypeStatus, Options: []Option{{CRM: nil, Notion: "Not started"}, {CRM: new("won"), Notion: "Won"}}}
	for _, tt := range []struct{ row, want change.Value }{
		{change.TextValue("won"), change.TextValue("Won")}, {change.NullValue(), change.TextValue("Not started")}, {change.TextValue(""), change.TextValue("Not started")},
	} {
		got, err := f.FromRow(tt.row)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("%q: %v, %v", tt.row, got, err)
		}
	}
	if got, err := f.ToRow(change.TextValue("WON")); err != nil || !got.Equal(change.TextValue("won")) {
		t.Errorf("an option in capitals: %v, %v", got, err)
	}
	if got, err := f.ToRow(change.TextValue("Not started")); err != nil || !got.IsNull() {
		t.Errorf("the option for no value: %v, %v", got, err)
	}
	if _, err := f.FromRow(change.TextValue("lost")); err == nil || !strings.Contains(err.Error(), "no option in the mapping") {
		t.Errorf("a value without option: %v", err)
	}
	if _, err := f.ToRow(change.TextValue("Maybe")); err == nil {
		t.Error("an option without value was taken")
	}
}

func TestMembersOfColumns(t *testing.T) {
	t.Parallel()
	f := Field{Type: TypeMultiSelect}
	want := change.TextSet("a", "b")
	for _, v := range []change.Value{change.TextValue("b, a"), change.JSONValue(`["a", "b"]`), change.ListValue(change.TextValue("b"), change.TextValue("a"))} {
		if got, err := f.FromRow(v); err != nil || !got.Equal(want) {
			t.Errorf("%s %q: %v, %v", v.Kind(), v, got, err)
		}
	}
	if _, err := f.FromRow(change.JSONValue(`[{"a": 1}]`)); err == nil {
		t.Error("an array of objects was taken for options")
	}
	single := Field{Type: TypeRelation, Relation: "company"}
	if _, err := single.ToRow(change.TextSet("1", "2")); err == nil {
		t.Error("a foreign key took two targets")
	}
}

// What becomes of options that the mapping does not name, in both directions.
func TestUnknownOptions(t *testing.T) {
	t.Parallel()
	field := func(kind, rest string) Field {
		t.Helper()
		if kind == "select" {
			rest = `, {"crm": null, "notion": "None"}]` + rest
		} else {
			rest = "]" + rest
		}
		e := compileAll(t, strings.Replace(minimal, `"fields": [`, `"fields": [{"name": "x", "column": "c", "type": "`+kind+`",
			"options": [{"crm": "w", "notion": "Won"}, {"crm": "o", "notion": "Other"}`+rest+`},`, 1))["e"]
		f, _ := e.Field("x")
		return f
	}
	text := change.TextValue
	for _, tt := range []struct {
		policy                string
		row, option           string // what the CRM's value is in Notion; "" as option: it is refused
		page, canon, inTheRow string // what the page's option means, and what it is in the CRM; "" as inTheRow: it is refused
	}{
		{``, "odd", "", "Odd", "Odd", ""},
		{`, "unknown_options": "park"`, "odd", "", "Odd", "Odd", ""},
		{`, "unknown_options": "create"`, "odd", "odd", "Odd", "Odd", "Odd"},
		{`, "unknown_options": "create"`, "WON", "", "o", "o", ""}, // spelled like another one
		{`, "unknown_options": "map", "unknown_as": "other"`, "odd", "Other", "Odd", "Other", "o"},
		{`, "unknown_options": "map", "unknown_as": "Other"`, "w", "Won", "WON", "WON", "w"},
	} {
		f := field("select", tt.policy)
		if got, err := f.FromRow(text(tt.row)); (err != nil) != (tt.option == "") || err == nil && got.Text() != tt.option {
			t.Errorf("%s: the CRM's %q is %v, %v in Notion; want %q", tt.policy, tt.row, got, err, tt.option)
		}
		canon, err := f.FromPage(text(tt.page))
		if err != nil || canon.Text() != tt.canon {
			t.Errorf("%s: the page's %q means %v, %v; want %q", tt.policy, tt.page, canon, err, tt.canon)
		}
		if got, err := f.ToRow(canon); (err != nil) != (tt.inTheRow == "") || err == nil && got.Text() != tt.inTheRow {
			t.Errorf("%s: the page's %q is %v, %v in the CRM; want %q", tt.policy, tt.page, got, err, tt.inTheRow)
		}
	}

	// In a set, what stands for an unknown option stays on its own side when the rest of the set changes.
	f := field("multi_select", `, "unknown_options": "map", "unknown_as": "Other"`)
	set := change.TextSet
	canon, err := f.FromPage(set("Won", "Odd", "Even"))
	if err != nil || !canon.Equal(set("Won", "Other")) {
		t.Fatalf("%v, %v", canon, err)
	}
	for _, tt := range []struct{ v, was, want change.Value }{
		{set("Won", "Other"), set("Odd", "Even"), set("Won", "Odd", "Even")},
		{set("Won", "Other"), set("Odd", "Other"), set("Won", "Odd", "Other")},
		{set("Won"), set("Odd", "Other"), set("Won")},
		{set("Won", "Other"), set("Won"), set("Won", "Other")},
	} {
		if got := f.KeepOnPage(tt.v, tt.was); !got.Equal(tt.want) {
			t.Errorf("%v over %v is %v, want %v", tt.v, tt.was, got, tt.want)
		}
		if back, err := f.FromPage(f.KeepOnPage(tt.v, tt.was)); err != nil || !back.Equal(tt.v) {
			t.Errorf("%v over %v reads as %v, %v", tt.v, tt.was, back, err)
		}
	}
	if got := f.KeepInRow(set("w", "o"), change.JSONValue(`["odd", "w"]`)); !got.Equal(set("w", "odd")) {
		t.Errorf("in the row: %v", got)
	}
}
