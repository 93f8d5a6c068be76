package postgres

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// The server prints, we read: every line is a literal, what we make of it, and nothing between is ours.
func TestValuesAsTheServerPrintsThem(t *testing.T) {
	t.Parallel()
	conn, err := Connect(t.Context(), Config{DSN: config.NewSecret(pgtest.Database(t))})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `CREATE TYPE mood AS ENUM ('so "so"', 'ok'); CREATE DOMAIN cents AS numeric(10,2); CREATE DOMAIN price AS cents;
		CREATE TYPE pair AS (a int, b text); CREATE DOMAIN ages AS int[]`); err != nil {
		t.Fatal(err)
	}
	types, err := LoadTypes(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	must := func(v change.Value, err error) change.Value {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	n, list, text := change.IntValue, change.ListValue, change.TextValue
	for sql, want := range map[string]change.Value{
		`9223372036854775807`:                          n(9223372036854775807),
		`true`:                                         change.BoolValue(true),
		`1.10::numeric`:                                change.DecimalValue("1.10"),
		`'NaN'::numeric`:                               change.DecimalValue("NaN"),
		`1.1::price`:                                   change.DecimalValue("1.10"),
		`'-1234.5'::money`:                             change.DecimalValue("-1234.50"),
		`3.3::real`:                                    change.FloatValue(3.3),
		`'infinity'::float8`:                           change.FloatValue(inf()),
		`'x  '::char(5)`:                               text("x    "),
		`'nm'::name`:                                   text("nm"),
		`''`:                                           text(""),
		`'\x00ff'::bytea`:                              change.BytesValue([]byte{0, 255}),
		`'2016-11-04'::date`:                           must(change.ParseDate("2016-11-04")),
		`'0044-03-15 BC'::date`:                        must(change.ParseDate("-0043-03-15")),
		`'5874897-12-31'::date`:                        must(change.ParseDate("+5874897-12-31")),
		`'infinity'::date`:                             change.DateValue(change.Infinity),
		`'24:00'::time`:                                must(change.ParseTime("24:00:00")),
		`'13:51:30.12'::time`:                          must(change.ParseTime("13:51:30.12")),
		`'13:51:30.123789+02'::timetz`:                 change.TextKindValue(change.TimeTZ, "13:51:30.123789+02"),
		`'2016-11-04 13:51:30.12'::timestamp`:          must(change.ParseTimestamp("2016-11-04T13:51:30.12")),
		`'2016-11-04 13:51:30+02'::timestamptz`:        must(change.ParseTimestampTZ("2016-11-04T11:51:30Z")),
		`'-infinity'::timestamptz`:                     change.TimestampTZValue(change.NegInfinity),
		`'4713-01-01 00:00 BC'::timestamptz`:           must(change.ParseTimestampTZ("-4712-01-01T00:00:00Z")),
		`'1 year -2 mons 3 days 04:05'::interval`:      change.TextKindValue(change.Interval, "10 mons 3 days 04:05:00"),
		`'{"n": 12345678901234567890}'::jsonb`:         change.JSONValue(`{"n": 12345678901234567890}`),
		`'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid`: change.UUIDValue("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
		`'ok'::mood`:                                   text("ok"),
		`ARRAY['so "so"', NULL]::mood[]`:               list(text(`so "so"`), change.NullValue()),
		`'{{1,2},{3,NULL}}'::int[]`:                    list(list(n(1), n(2)), list(n(3), change.NullValue())),
		`'[2:3]={1,2}'::ages`:                          list(n(1), n(2)),
		`'{}'::text[]`:                                 list(),
		`ARRAY['','NULL','a,b','\','{}"',' ']`:         list(text(""), text("NULL"), text("a,b"), text(`\`), text(`{}"`), text(" ")),
		`ARRAY[1.10,2]::price[]`:                       list(change.DecimalValue("1.10"), change.DecimalValue("2.00")),
		`'{(1,1),(0,0);(2,2),(1,1)}'::box[]`:           list(text("(1,1),(0,0)"), text("(2,2),(1,1)")),
		`ARRAY['1 day'::interval]`:                     list(change.TextKindValue(change.Interval, "1 day")),
		`(1,'x')::pair`:                                text("(1,x)"),
		`ARRAY[(1,'x')::pair]`:                         list(text("(1,x)")),
		`'1 2'::int2vector`:                            list(change.IntValue(1), change.IntValue(2)),
		`'[1,5)'::int4range`:                           text("[1,5)"),
		`'{[1,5)}'::int4multirange`:                    text("{[1,5)}"),
		`'0/16B3748'::pg_lsn`:                          text("0/16B3748"),
		`B'0101'`:                                      text("0101"),
		`'(1,2)'::point`:                               text("(1,2)"),
	} {
		result := conn.PgConn().Exec(t.Context(), "SELECT "+sql)
		results, err := result.ReadAll()
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		field := results[0].FieldDescriptions[0]
		got := ParseValue(types.Type(field.DataTypeOID, field.TypeModifier), string(results[0].Rows[0][0]))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: got %s %q, want %s %q", sql, got.Kind(), got, want.Kind(), want)
		}
	}
}

func inf() float64 { var zero float64; return 1 / zero }

func FuzzParseValue(f *testing.F) {
	f.Add("_int4", "{{1,2},NULL}")
	f.Add("timestamptz", "2016-11-04 11:51:30.123456+00 BC")
	f.Add("bytea", `\x0`)
	f.Add("money", "-$1.0")
	f.Fuzz(func(t *testing.T, name, text string) {
		if ParseValue(change.Type{Name: name, Modifier: -1}, text).IsAbsent() {
			t.Fatal("a value that was sent became absent")
		}
	})
}
