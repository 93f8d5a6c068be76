package crm

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/sink"
)

// typesDoc maps one column of many types each, read as they are.
func typesDoc(columns map[string]string) string {
	var fields strings.Builder
	for name, typ := range columns {
		fmt.Fprintf(&fields, `, {"name": %q, "column": %q, "type": %q}`, name, name, typ)
	}
	return fmt.Sprintf(`{"sync": "s", "entity": "types", "crm": {"table": "app.types", "key": "id", "new_key": "uuid7", "time_zone": "America/New_York"}, "notion": {"database": "Types"},
		"fields": [{"name": "title", "column": "title", "type": "title"} %s], "creates": {"to_crm": true}, "mode": {"to_crm": "write"}}`, fields.String())
}

const typesSQL = `CREATE SCHEMA app; CREATE TYPE app."Mood" AS ENUM ('sad', 'so ''so'''); CREATE DOMAIN app.short AS varchar(5) CHECK (VALUE <> 'evil');
	CREATE DOMAIN app.shorter AS app.short NOT NULL DEFAULT 'x';
	CREATE TABLE app.types (id uuid PRIMARY KEY, title text, big bigint, exact numeric, small numeric(6,2), float double precision, flag boolean, day date, wall timestamp, instant timestamptz,
	  mood app."Mood", dom app.short, dom2 app.shorter, padded char(4), tags text[], moods app."Mood"[], numbers int[], doc json, simple text)`

var typesColumns = map[string]string{
	"big": "number", "exact": "number", "small": "number", "float": "number", "flag": "checkbox", "day": "date", "wall": "datetime", "instant": "datetime", "mood": "select", "dom": "text",
	"dom2": "text", "padded": "text", "tags": "multi_select", "moods": "multi_select", "numbers": "multi_select", "doc": "multi_select", "simple": "multi_select",
}

const rowID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

// Values are read exactly, whatever the session thinks of dates, zones and floats.
func TestTypesAreReadExactly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, typesDoc(typesColumns))
	w.exec(typesSQL)
	w.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = ''German''', current_database()); EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Kathmandu''', current_database());
		EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database()); END $$`)
	w.pool.Reset()
	w.exec(`INSERT INTO app.types VALUES ($1, 't', 9223372036854775807, 1.10, 12.50, 0.1::float8 + 0.2::float8, true, '2026-02-28', '2026-07-04 12:00:00.5', '2026-07-04T12:00:00.25Z',
		'so ''so''', 'abc', 'y', 'ab', '{b,NULL,"a,c"}', '{sad}', '{2,1}', '["x", 1]', 'b,a')`, rowID)
	list := change.ListValue
	want := change.Image{
		"title": text("t"), "big": change.IntValue(math.MaxInt64), "exact": dec("1.10"), "small": dec("12.50"), "float": change.FloatValue(0.30000000000000004),
		"flag": change.BoolValue(true), "day": date("2026-02-28"), "wall": instant("2026-07-04T16:00:00.5Z"), "instant": instant("2026-07-04T12:00:00.25Z"),
		"mood": text("so 'so'"), "dom": text("abc"), "dom2": text("y"), "padded": text("ab  "), "tags": list(text("b"), null(), text("a,c")), "moods": list(text("sad")),
		"numbers": list(change.IntValue(2), change.IntValue(1)), "doc": change.JSONValue(`["x", 1]`), "simple": text("b,a"),
	}
	r := w.rows("types")
	row := w.image(r, rowID)
	if diff := cmp.Diff(want, row.Image); diff != "" {
		t.Error(diff)
	}
	if len(row.Problems) > 0 {
		t.Error(row.Problems)
	}
	w.exec(`UPDATE app.types SET exact = 'NaN', float = '-Infinity', day = '0044-03-15 BC', wall = 'infinity', instant = '-infinity', tags = '{{a},{b}}'`)
	row = w.image(r, rowID)
	for name, want := range map[string]change.Value{
		"exact": dec("NaN"), "float": change.FloatValue(math.Inf(-1)), "day": date("-0043-03-15"), "wall": change.TimestampTZValue(change.Infinity), "instant": change.TimestampTZValue(change.NegInfinity),
	} {
		if !row.Image[name].Equal(want) {
			t.Errorf("%s reads as %s %v, want %v", name, row.Image[name].Kind(), row.Image[name], want)
		}
	}
	if _, ok := row.Image["tags"]; ok || !strings.Contains(row.Problems["tags"], "array of arrays") {
		t.Errorf("an array of arrays reads as %v, %v", row.Image["tags"], row.Problems)
	}
	w.exec(`UPDATE app.types SET instant = '1880-01-01T00:00:00Z'`) // Kathmandu was 5:41:16 ahead then
	if got := w.image(r, rowID).Image["instant"]; !got.Equal(instant("1880-01-01T00:00:00Z")) {
		t.Errorf("an instant shown with an offset of seconds reads as %v", got)
	}
}

// What is written in the canonical form comes back as it, through every type of column; what a column cannot hold is refused, never cut.
func TestTypesAreWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, typesDoc(typesColumns))
	w.exec(typesSQL)
	r := w.rows("types")
	set := change.Image{
		"title": text("new"), "big": dec("9007199254740992"), "exact": dec("0.125"), "small": dec("-9999.5"), "float": dec("0.0000001"), "flag": change.BoolValue(true), "day": date("0001-01-01"),
		"wall": instant("2026-11-01T06:30:00Z"), "instant": instant("2026-07-04T12:00:00Z"), "mood": text("sad"), "dom": text("héllo"), "dom2": text("q"), "padded": text("é"),
		"tags": change.TextSet(`a"b\`, "{}", "NULL"), "moods": change.TextSet("sad", "so 'so'"), "numbers": change.TextSet("3", "1"), "doc": change.TextSet("x", "y"), "simple": change.TextSet("b", "a"),
	}
	res := w.mustWrite(r, sink.RowWrite{Op: sink.RowInsert, Set: set})
	e := w.entities["types"]
	for name, want := range set {
		f, _ := e.Field(name)
		got, err := f.FromRow(res.Image[name])
		if canonical, _ := f.Canon(want); err != nil || !got.Equal(canonical) {
			t.Errorf("%s: wrote %v, came back as %v, %v", name, want, got, err)
		}
	}
	for name, value := range map[string]change.Value{
		"dom": text("toolong"), "dom2": text("evil"), "padded": text("12345"), "mood": text("glad"), "small": dec("10000"), "big": dec("1.5"), "numbers": change.TextSet("one"), "moods": change.TextSet("glad"),
	} {
		if _, err := w.write(r, sink.RowWrite{Op: sink.RowUpdate, Key: res.Key, Set: change.Image{name: value}}); err == nil {
			t.Errorf("%s took %v and holds %v", name, value, w.image(r, res.Key).Image[name])
		}
	}
}

// The members of an array that stay keep their order and their form.
func TestArraysKeepTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, typesDoc(typesColumns))
	w.exec(typesSQL)
	w.exec(`INSERT INTO app.types (id, title, tags, doc, simple) VALUES ($1, 't', '{z,m,a}', '["z", 7, "a"]', 'z,m,a')`, rowID)
	want := change.TextSet("a", "b", "z")
	w.mustWrite(w.rows("types"), sink.RowWrite{Op: sink.RowUpdate, Key: rowID, Set: change.Image{"tags": want, "doc": change.TextSet("a", "7", "b"), "simple": want}})
	if got := scalar[string](w, "SELECT tags::text || ' ' || doc::text || ' ' || simple FROM app.types"); got != `{z,a,b} [7, "a", "b"] z,a,b` {
		t.Errorf("got %s", got)
	}
}

func TestKeysAreMade(t *testing.T) {
	t.Parallel()
	for how, column := range map[string]string{"uuid4": "uuid", "uuid7": "text", "ulid": "uuid", "default": "int GENERATED ALWAYS AS IDENTITY", "ulid text": "char(26)"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			how, _, _ := strings.Cut(how, " ")
			w := newWorld(t, fmt.Sprintf(`{"sync": "s", "entity": "k", "crm": {"table": "public.k", "key": "id", "new_key": %q}, "notion": {"database": "K"},
				"fields": [{"name": "n", "column": "n", "type": "title"}], "creates": {"to_crm": true}, "mode": {"to_crm": "write"}}`, how))
			w.exec("CREATE TABLE k (id " + column + " PRIMARY KEY, n text)")
			r := w.rows("k")
			one := w.mustWrite(r, sink.RowWrite{Op: sink.RowInsert, Set: change.Image{"n": text("a")}})
			two := w.mustWrite(r, sink.RowWrite{Op: sink.RowInsert, Set: change.Image{"n": text("b")}})
			if one.Key == "" || one.Key == two.Key || !w.image(r, two.Key).Exists {
				t.Errorf("keys %q and %q", one.Key, two.Key)
			}
		})
	}
}

func TestNewRowsMustBeInScope(t *testing.T) {
	t.Parallel()
	doc := `{"sync": "s", "entity": "k", "crm": {"table": "public.k", "key": "id", "where": "kind = 'person'" %s}, "notion": {"database": "K"},
		"fields": [{"name": "n", "column": "n", "type": "title"}], "creates": {"to_crm": true}, "mode": {"to_crm": "write"}}`
	w := newWorld(t, fmt.Sprintf(doc, ""))
	w.exec("CREATE TABLE k (id serial PRIMARY KEY, n text, kind text)")
	if _, err := w.write(w.rows("k"), sink.RowWrite{Op: sink.RowInsert, Set: change.Image{"n": text("a")}}); err == nil || !strings.Contains(err.Error(), "set_on_insert") {
		t.Errorf("a row that the mapping does not see was made: %v", err)
	}
	if n := scalar[int](w, "SELECT count(*) FROM k"); n != 0 {
		t.Error("the row stayed")
	}
}

func TestSnapshotAcrossTheEndOfTheCircle(t *testing.T) {
	t.Parallel()
	s, err := parseSnapshot("8589934590:8589934600:8589934592,8589934595") // 2^33 lies between
	if err != nil {
		t.Fatal(err)
	}
	for xid, want := range map[uint32]bool{
		0: true, math.MaxUint32 - 5: true, math.MaxUint32: true, 3: false, 4: true, 8: false, 100: false, 2_000_000_000: false, 2_200_000_000: true,
	} {
		if got := s.contains(xid); got != want {
			t.Errorf("transaction %d is shown: %v, want %v", xid, got, want)
		}
	}
	for _, bad := range []string{"", "1:2", "a:2:", "1:b:", "1:2:c"} {
		if _, err := parseSnapshot(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
