package change

import (
	"encoding/json"
	"testing"
)

// Wanted texts are from a real Debezium 3.6.1 (make parity compares the whole).
func TestSchemasOfColumnsAreDebeziums(t *testing.T) {
	t.Parallel()
	numeric := func(p, s int32) int32 { return p<<16 | s&0x7ff + 4 }
	for _, tc := range []struct {
		format   Format
		typ      string
		modifier int32
		def      Definition
		want     string
	}{
		{Format{}, "int4", -1, Definition{NotNull: true, Default: "nextval('t_id_seq'::regclass)"}, `{"type":"int32","optional":false,"default":0,"field":"c"}`},
		{Format{}, "int4", -1, Definition{Default: "'-1'::integer"}, `{"type":"int32","optional":true,"default":-1,"field":"c"}`},
		{Format{}, "int4", -1, Definition{Default: "(1 + 2)"}, `{"type":"int32","optional":true,"field":"c"}`},
		{Format{}, "int4", -1, Definition{Default: "NULL::integer"}, `{"type":"int32","optional":true,"field":"c"}`},
		{Format{}, "int4", -1, Definition{Default: "5", Domain: true}, `{"type":"int32","optional":true,"field":"c"}`},
		{Format{}, "text", -1, Definition{NotNull: true, Default: "''::text"}, `{"type":"string","optional":false,"default":"","field":"c"}`},
		{Format{}, "text", -1, Definition{Default: "'it''s'::text"}, `{"type":"string","optional":true,"default":"it's","field":"c"}`}, // Debezium: it
		{Format{}, "text", -1, Definition{Default: "('a'::text || 'b'::text)"}, `{"type":"string","optional":true,"field":"c"}`},       // Debezium: a
		{Format{}, "bool", -1, Definition{NotNull: true, Default: "false"}, `{"type":"boolean","optional":false,"default":false,"field":"c"}`},
		{Format{}, "numeric", numeric(5, 2), Definition{Default: "1.5"},
			`{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"5"},"default":"AJY=","field":"c"}`},
		{Format{}, "numeric", -1, Definition{Default: "2.50"},
			`{"type":"struct","fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}],"optional":true,"name":"io.debezium.data.VariableScaleDecimal","version":1,"doc":"Variable scaled decimal","field":"c"}`},
		{Format{}, "money", -1, Definition{Default: "3"}, `{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"c"}`},
		{Format{}, "date", -1, Definition{Default: "CURRENT_DATE"}, `{"type":"int32","optional":true,"name":"io.debezium.time.Date","version":1,"default":0,"field":"c"}`},
		{Format{}, "date", -1, Definition{Default: "'0001-01-01 BC'::date"}, `{"type":"int32","optional":true,"name":"io.debezium.time.Date","version":1,"default":-719528,"field":"c"}`},
		{Format{}, "timestamptz", -1, Definition{Default: "'0045-03-15 12:00:00+00 BC'::timestamp with time zone"},
			`{"type":"string","optional":true,"name":"io.debezium.time.ZonedTimestamp","version":1,"default":"-0044-03-15T12:00:00.000000Z","field":"c"}`},
		{Format{}, "timestamptz", -1, Definition{NotNull: true, Default: "now()"},
			`{"type":"string","optional":false,"name":"io.debezium.time.ZonedTimestamp","version":1,"default":"1970-01-01T00:00:00.000000Z","field":"c"}`},
		{Format{}, "timestamp", 3, Definition{NotNull: true, Default: "'2020-01-01 00:00:00'::timestamp without time zone"},
			`{"type":"int64","optional":false,"name":"io.debezium.time.Timestamp","version":1,"default":1577836800000,"field":"c"}`},
		{Format{TimeMode: "connect"}, "time", -1, Definition{Default: "'10:00:00'::time without time zone"},
			`{"type":"int32","optional":true,"name":"org.apache.kafka.connect.data.Time","version":1,"default":36000000,"field":"c"}`},
		{Format{}, "enum", -1, Definition{Default: "'ok'::mood", Labels: []string{"sad", "ok"}},
			`{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"sad,ok"},"default":"ok","field":"c"}`},
		{Format{}, "bit", 3, Definition{Default: `'101'::"bit"`},
			`{"type":"bytes","optional":true,"name":"io.debezium.data.Bits","version":1,"parameters":{"length":"3"},"default":"BQ==","field":"c"}`},
		{Format{}, "_int4", -1, Definition{NotNull: true}, `{"type":"array","items":{"type":"int32","optional":true},"optional":false,"field":"c"}`},
		{Format{}, UserType, -1, Definition{Default: "'(1)'::pair"}, `{"type":"string","optional":true,"field":"c"}`},
		{Format{UnknownBytes: true}, UserType, -1, Definition{}, `{"type":"bytes","optional":true,"field":"c"}`},
		{Format{UnknownBytes: true, BinaryMode: "base64"}, "pg_lsn", -1, Definition{}, `{"type":"string","optional":true,"field":"c"}`},
		{Format{HstoreMode: "map"}, "hstore", -1, Definition{},
			`{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"c"}`},
	} {
		row := Row{{Name: "c", Type: Type{Name: tc.typ, Modifier: tc.modifier}}}
		s := tc.format.RowSchema("t", row, func(string) Definition { return tc.def })
		if got := string(s.Fields[0].Schema.appendJSON(nil, "c")); got != tc.want {
			t.Errorf("%s DEFAULT %q\n got %s\nwant %s", tc.typ, tc.def.Default, got, tc.want)
		}
	}
}

// What JSON without schemas can say, and a schema cannot, becomes what it can; the row that was given stays as it was.
func TestRowsConformToTheirSchemas(t *testing.T) {
	t.Parallel()
	notNull := Definition{NotNull: true}
	for _, tc := range []struct {
		name   string
		format Format
		column Column
		def    Definition
		old    bool
		want   string
	}{
		{"an old row's column that was not sent", Format{}, col("c", "int4", -1, Value{}), notNull, true, `{"c":0}`},
		{"… with a default", Format{}, col("c", "text", -1, Value{}), Definition{NotNull: true, Default: "'x'::text"}, true, `{"c":"x"}`},
		{"… that may be null", Format{}, col("c", "int4", -1, Value{}), Definition{}, true, `{"c":null}`},
		{"… that is an array", Format{}, col("c", "_text", -1, Value{}), notNull, true, `{"c":[]}`},
		{"null where the catalog, which is ahead, has none", Format{}, col("c", "uuid", -1, NullValue()), notNull, false, `{"c":"00000000-0000-0000-0000-000000000000"}`},
		{"NaN in numeric", Format{}, col("c", "numeric", -1, DecimalValue("NaN")), Definition{}, false, `{"c":null}`},
		{"NaN as a string", Format{DecimalMode: "string"}, col("c", "numeric", -1, DecimalValue("NaN")), notNull, false, `{"c":"NaN"}`},
		{"NaN in an array", Format{}, col("c", "_numeric", 10<<16|2+4, ListValue(DecimalValue("NaN"), DecimalValue("1.5"))), Definition{}, false, `{"c":[null,"AJY="]}`},
		{"the placeholder of text", Format{Placeholder: "ab"}, col("c", "text", -1, Value{}), notNull, false, `{"c":"ab"}`},
		{"… of an array of text", Format{Placeholder: "ab"}, col("c", "_text", -1, Value{}), notNull, false, `{"c":["ab"]}`},
		{"… of an array of numbers", Format{Placeholder: "ab"}, col("c", "_int4", -1, Value{}), notNull, false, `{"c":[97,98]}`},
		{"… of numeric", Format{Placeholder: "ab"}, col("c", "numeric", -1, Value{}), notNull, false, `{"c":{"scale":0,"value":"YWI="}}`},
		{"… of numeric(p,s)", Format{Placeholder: "abc"}, col("c", "numeric", 10<<16|2+4, Value{}), notNull, false, `{"c":"YWJj"}`},
		{"… of hstore as a map", Format{Placeholder: "ab", HstoreMode: "map"}, col("c", "hstore", -1, Value{}), notNull, false, `{"c":{"ab":"ab"}}`},
	} {
		row := Row{tc.column}
		fit, _, ok := tc.format.Conform(row, []Definition{tc.def}, tc.old)
		if got := string(tc.format.appendRow(nil, fit, !tc.old)); !ok || got != tc.want {
			t.Errorf("%s: %s, %t, want %s", tc.name, got, ok, tc.want)
		}
		if !json.Valid(tc.format.appendRow(nil, fit, !tc.old)) || !Equal(row[0].Value, tc.column.Value) {
			t.Errorf("%s: it is no JSON, or the row was changed", tc.name)
		}
	}
	if _, column, ok := (Format{}).Conform(Row{col("c", "numeric", -1, DecimalValue("Infinity"))}, []Definition{notNull}, false); ok || column != "c" {
		t.Errorf("infinity where nothing can stand for it: %q, %t", column, ok)
	}
}
