package change

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var rewrite = flag.Bool("rewrite", false, "write golden files instead of comparing with them")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func col(name, typ string, modifier int32, v Value) Column {
	return Column{Name: name, Type: Type{Name: typ, Modifier: modifier}, Value: v}
}

func sampleSource() Source {
	return Source{
		Version: "1.0", Connector: "postgresql", Name: "crm", Time: time.UnixMicro(1478267490123456).UTC(), DB: "crm", LastCommit: 30381928,
		Schema: "public", Table: "contact", TxID: 852, LSN: 30382112,
	}
}

func sampleEvents() map[string]*Event {
	at := time.UnixMicro(1478267490200300).UTC()
	id := Row{col("id", "int8", -1, IntValue(9007199254740993))}
	row := append(id[:1:1], col("name", "text", -1, TextValue("Zoë \"Z\"\n")), col("note", "text", -1, Value{}),
		col("avatar", "bytea", -1, Value{}), col("tags", "_text", -1, Value{}), col("def", "int4", -1, NullValue()))
	first := sampleSource()
	first.LastCommit, first.Snapshot = 0, SnapshotFirst
	return map[string]*Event{
		"create":   {Op: Create, Key: id, After: row, Source: sampleSource(), At: at, Tx: &Transaction{ID: "852:30382200", TotalOrder: 2, DataCollectionOrder: 1}},
		"update":   {Op: Update, Key: id, After: row, Source: sampleSource(), At: at},
		"delete":   {Op: Delete, Key: id, Before: append(id[:1:1], col("name", "text", -1, Value{})), Source: sampleSource(), At: at, NewKey: Row{col("id", "int8", -1, IntValue(5))}},
		"read":     {Op: Read, Key: id, After: row, Source: first, At: at},
		"truncate": {Op: Truncate, Source: sampleSource(), At: at},
		"message":  {Op: Message, Source: sampleSource(), At: at, Message: &LogicalMessage{Prefix: "foo", Content: []byte("bar")}},
	}
}

func TestEnvelopesAreDebeziums(t *testing.T) {
	t.Parallel()
	for name, e := range sampleEvents() {
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var f Format
		golden(t, name+".key.json", f.AppendKey(nil, e.Key))
		golden(t, name+".value.json", f.AppendValue(nil, e))
	}
}

// What consumers need must come back whole, whatever the operation.
func TestEncodedEventsDecode(t *testing.T) {
	t.Parallel()
	for name, e := range sampleEvents() {
		var f Format
		got, err := Decode(f.AppendKey(nil, e.Key), f.AppendValue(nil, e), f.Headers(e))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := e.Source
		if want.Snapshot == "" {
			want.Snapshot = NoSnapshot
		}
		if diff := cmp.Diff(want, got.Source); diff != "" || got.Op != e.Op || !got.At.Equal(precise(e)) {
			t.Errorf("%s: op %q at %s, source (-want +got):\n%s", name, got.Op, got.At, diff)
		}
		if key, _ := got.Key.Text("id"); e.Key != nil && key != "9007199254740993" {
			t.Errorf("%s: key %q lost digits", name, key)
		}
		if key, _ := got.NewKey.Text("id"); e.NewKey != nil && key != "5" {
			t.Errorf("%s: new key %q", name, key)
		}
		if diff := cmp.Diff(e.Tx, got.Transaction); diff != "" {
			t.Errorf("%s: transaction (-want +got):\n%s", name, diff)
		}
	}
}

// precise is the time that an event's record can tell: messages have milliseconds only, as Debezium's.
func precise(e *Event) time.Time {
	if e.Op == Message {
		return e.At.Truncate(time.Millisecond)
	}
	return e.At
}

// Figures are from real Debezium output (docs/debezium-differences.md); a comment marks where ours is another, and why.
func TestValuesAsDebeziumRepresentsThem(t *testing.T) {
	t.Parallel()
	ts, _ := ParseTimestamp("2016-11-04 13:51:30.123456")
	tz, _ := ParseTimestampTZ("2016-11-04T11:51:30.123456Z")
	day, _ := ParseDate("2016-11-04")
	noon, _ := ParseTimestampTZ("2016-11-04T12:00:00Z")
	midnight, _ := ParseTime("24:00:00")
	numeric := func(p, s int32) int32 { return p<<16 | s&0x7ff + 4 }
	one := func(f Format, typ string, mod int32, v Value) string {
		return string(f.AppendColumn(nil, Type{typ, mod}, v))
	}
	for _, tc := range []struct {
		name, got, want string
	}{
		{"numeric(3,2)", one(Format{}, "numeric", numeric(3, 2), DecimalValue("1.10")), `"bg=="`},
		{"numeric(3,2) negative", one(Format{}, "numeric", numeric(3, 2), DecimalValue("-1.28")), `"gA=="`},
		{"numeric(3,-2)", one(Format{}, "numeric", numeric(3, -2&0x7ff), DecimalValue("1200")), `"DA=="`},
		{"numeric", one(Format{}, "numeric", -1, DecimalValue("3.3")), `{"scale":1,"value":"IQ=="}`},
		{"numeric: zeros behind the point are dropped", one(Format{}, "numeric", -1, DecimalValue("1.10")), `{"scale":1,"value":"Cw=="}`},
		{"numeric: zeros before it stay", one(Format{}, "numeric", -1, DecimalValue("100.00")), `{"scale":0,"value":"ZA=="}`},
		{"a type that Debezium does not know", one(Format{}, "tsquery", -1, TextValue("'a'")), `"'a'"`},
		{"… as bytes", one(Format{UnknownBytes: true}, "tsquery", -1, TextValue("'a'")), `"J2En"`},
		{"… as hex", one(Format{UnknownBytes: true, BinaryMode: "hex"}, "tsquery", -1, TextValue("'a'")), `"276127"`},
		{"a user's, in an array", one(Format{UnknownBytes: true}, "_"+UserType, -1, ListValue(TextValue("(1)"), NullValue())), `["KDEp",null]`},
		{"text stays text", one(Format{UnknownBytes: true}, "varchar", -1, TextValue("a")), `"a"`},
		{"float8 is Java's", one(Format{}, "float8", -1, FloatValue(100)), `100.0`},
		{"float8 of a thousandth", one(Format{}, "float8", -1, FloatValue(0.001)), `0.001`},
		{"float8 below", one(Format{}, "float8", -1, FloatValue(0.00012)), `1.2E-4`},
		{"float8 of ten million", one(Format{}, "float8", -1, FloatValue(1e7)), `1.0E7`},
		{"float8, large", one(Format{}, "float8", -1, FloatValue(-1.5e300)), `-1.5E300`},
		{"float8, the smallest", one(Format{}, "float8", -1, FloatValue(5e-324)), `4.9E-324`},
		{"float8 -0", one(Format{}, "float8", -1, FloatValue(math.Copysign(0, -1))), `-0.0`},
		{"float4", one(Format{}, "float4", -1, FloatValue(3.3)), `3.3`},
		{"numeric NaN: not null", one(Format{}, "numeric", numeric(3, 2), DecimalValue("NaN")), `"NaN"`},
		{"numeric as string", one(Format{DecimalMode: "string"}, "numeric", -1, DecimalValue("1.10")), `"1.10"`},
		{"numeric as double", one(Format{DecimalMode: "double"}, "numeric", -1, DecimalValue("1.10")), `1.1`},
		{"money", one(Format{}, "money", -1, DecimalValue("1234.11")), `"AeIT"`},
		{"float8 NaN", one(Format{}, "float8", -1, FloatValue(nan())), `"NaN"`},
		{"bytea", one(Format{}, "bytea", -1, BytesValue([]byte{1, 2, 3})), `"AQID"`},
		{"bytea as hex", one(Format{BinaryMode: "hex"}, "bytea", -1, BytesValue([]byte{1, 2, 3})), `"010203"`},
		{"date", one(Format{}, "date", -1, day), `17109`},
		{"date as isostring", one(Format{TimeMode: "isostring"}, "date", -1, day), `"2016-11-04Z"`},
		{"date infinity: PostgreSQL's own number, in snapshot and stream", one(Format{}, "date", -1, DateValue(Infinity)), `2147483647`},
		{"time 24:00", one(Format{}, "time", -1, midnight), `86400000000`},
		{"time(3)", one(Format{}, "time", 3, midnight), `86400000`},
		{"time as isostring: 24:00 stays", one(Format{TimeMode: "isostring"}, "time", -1, midnight), `"24:00:00Z"`},
		{"timetz", one(Format{}, "timetz", -1, TextKindValue(TimeTZ, "13:51:30.123789+02")), `"11:51:30.123789Z"`},
		{"timestamp", one(Format{}, "timestamp", -1, ts), `1478267490123456`},
		{"timestamp(3)", one(Format{}, "timestamp", 3, ts), `1478267490123`},
		{"timestamp connect", one(Format{TimeMode: "connect"}, "timestamp", -1, ts), `1478267490123`},
		{"timestamp infinity", one(Format{}, "timestamp", -1, TimestampValue(Infinity)), `9223372036825200000`},
		{"timestamp -infinity ns", one(Format{TimeMode: "nanoseconds"}, "timestamp", -1, TimestampValue(NegInfinity)), `-9223372036854775808`},
		{"timestamptz", one(Format{}, "timestamptz", -1, tz), `"2016-11-04T11:51:30.123456Z"`},
		{"timestamptz: as many digits as the column has", one(Format{}, "timestamptz", -1, noon), `"2016-11-04T12:00:00.000000Z"`},
		{"timestamptz(3)", one(Format{}, "timestamptz", 3, noon), `"2016-11-04T12:00:00.000Z"`},
		{"timestamptz(0)", one(Format{}, "timestamptz", 0, noon), `"2016-11-04T12:00:00Z"`},
		{"timestamp(3) infinity", one(Format{}, "timestamp", 3, TimestampValue(Infinity)), `9223372036825200`},
		{"timestamptz -infinity", one(Format{}, "timestamptz", -1, TimestampTZValue(NegInfinity)), `"-infinity"`},
		{"interval", one(Format{}, "interval", -1, TextKindValue(Interval, "1 year 2 mons 3 days 04:05:06.78")), `37091106780000`},
		{"interval as string", one(Format{IntervalMode: "string"}, "interval", -1, TextKindValue(Interval, "1 year 2 mons 3 days 04:05:06.78")), `"P1Y2M3DT4H5M6.78S"`},
		{"bit(1)", one(Format{}, "bit", 1, TextValue("1")), `true`},
		{"bit(2) 00: the leading zeros stay", one(Format{}, "bit", 2, TextValue("00")), `"AA=="`},
		{"varbit(1) without a bit", one(Format{}, "varbit", 1, TextValue("")), `null`},
		{"varbit(12)", one(Format{}, "varbit", 12, TextValue("100000001")), `"AQE="`},
		{"point", one(Format{}, "point", -1, TextValue("(1,1)")), `{"x":1.0,"y":1.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAPA/","srid":null}`},
		{"hstore", one(Format{}, "hstore", -1, TextValue(`"key"=>"v\"al", "n"=>NULL`)), `"{\"key\":\"v\\\"al\",\"n\":null}"`},
		{"json stays text", one(Format{}, "jsonb", -1, JSONValue(`{"n": 12345678901234567890}`)), `"{\"n\": 12345678901234567890}"`},
		{"arrays keep their dimensions", one(Format{}, "_int4", -1, ListValue(ListValue(IntValue(1), IntValue(2)), ListValue(IntValue(3), NullValue()))), `[[1,2],[3,null]]`},
		{"numeric array", one(Format{}, "_numeric", numeric(3, 2), ListValue(DecimalValue("1.10"))), `["bg=="]`},
		{"control and wrong bytes", one(Format{}, "text", -1, TextValue("\x00\x1f\xff€😀<")), `"\u0000\u001F\ufffd€\uD83D\uDE00<"`},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, tc.got, tc.want)
		}
		if !json.Valid([]byte(tc.got)) {
			t.Errorf("%s: %s is not JSON", tc.name, tc.got)
		}
	}
}

func nan() float64 { var zero float64; return zero / zero }

func TestFormatReportsEveryBadMode(t *testing.T) {
	t.Parallel()
	err := Format{DecimalMode: "exact", TimeMode: "slow", BinaryMode: "hex"}.Validate()
	if err == nil || err.Error() != "decimal.handling.mode: \"exact\" is none of [precise string double]\n"+
		"time.precision.mode: \"slow\" is none of [adaptive adaptive_time_microseconds connect isostring microseconds nanoseconds]" {
		t.Fatalf("got %v", err)
	}
}

// Whatever a value holds, what we write is JSON, and strings are what encoding/json would read back.
func TestAppendedValuesAreJSON(t *testing.T) {
	t.Parallel()
	types := []string{"text", "numeric", "money", "bit", "varbit", "point", "hstore", "interval", "timetz", "time", "timestamp", "_text", "_numeric", "bytea"}
	rapid.Check(t, func(t *rapid.T) {
		f := Format{TimeMode: rapid.SampledFrom([]string{"", "connect", "isostring", "nanoseconds"}).Draw(t, "time"),
			DecimalMode: rapid.SampledFrom([]string{"", "string", "double"}).Draw(t, "decimal"), HstoreMode: rapid.SampledFrom([]string{"", "map"}).Draw(t, "hstore")}
		v := rapid.OneOf(drawValue(2), rapid.Custom(func(t *rapid.T) Value {
			return TextKindValue(rapid.SampledFrom([]Kind{TimeTZ, Interval, Decimal, JSON}).Draw(t, "kind"), rapid.String().Draw(t, "text"))
		})).Draw(t, "value")
		typ := Type{rapid.SampledFrom(types).Draw(t, "type"), rapid.Int32Range(-1, 400000).Draw(t, "modifier")}
		out := f.AppendColumn(nil, typ, v)
		if !json.Valid(out) {
			t.Fatalf("%s as %v: %s", v, typ, out)
		}
	})
}

// Connect writes headers with a converter of its own, which writes a Decimal as a number; the key itself has it as bytes.
func TestDecimalsOfKeysInHeadersAreNumbers(t *testing.T) {
	t.Parallel()
	key := Row{col("k", "numeric", 6<<16|2+4, DecimalValue("1.50")), col("n", "numeric", -1, DecimalValue("1.50"))}
	got := Format{}.Headers(&Event{NewKey: key})
	if want := `{"k":1.50,"n":{"scale":1,"value":"Dw=="}}`; len(got) != 1 || string(got[0].Value) != want {
		t.Errorf("header %s, want %s", got, want)
	}
	if got, want := string(Format{}.AppendKey(nil, key)), `{"k":"AJY=","n":{"scale":1,"value":"Dw=="}}`; got != want {
		t.Errorf("key %s, want %s", got, want)
	}
}
