package builtin_test

import (
	"testing"
	"unicode"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/builtin"
	"github.com/tandem-sync/tandem/plugins/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type (
	pair = plugintest.Pair[change.Value]
	rule = plugintest.Case[change.Value]
)

var (
	text = change.TextValue
	null = change.NullValue()
)

func dec(s string) change.Value { return change.DecimalValue(s) }

func must(v change.Value, err error) change.Value {
	if err != nil {
		panic(err)
	}
	return v
}

func day(s string) change.Value    { return must(change.ParseDate(s)) }
func wall(s string) change.Value   { return must(change.ParseTimestamp(s)) }
func moment(s string) change.Value { return must(change.ParseTimestampTZ(s)) }

// same is a pair that a normalizer turns in both directions.
func same(row, field string) pair { return pair{Row: text(row), Field: text(field), Back: text(field)} }

var (
	anyText   = rapid.Map(rapid.String(), text)
	spaced    = rapid.Map(rapid.StringMatching(`[ \t\n\r\x{00a0}a-cé;,|.@:/-]{0,12}`), text)
	anyInt    = rapid.Map(rapid.Int64(), change.IntValue)
	anyMoment = rapid.Map(rapid.Int64Range(-70_000_000_000_000_000, 250_000_000_000_000_000), change.TimestampTZValue)
	anyDay    = rapid.Map(rapid.Int64Range(-800_000, 3_000_000), change.DateValue)
	anyNumber = rapid.OneOf(anyInt, rapid.Map(rapid.Float64(), change.FloatValue), rapid.Map(rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,8})?`), dec))
	anyValue  = rapid.OneOf(anyText, anyInt, anyMoment, anyDay, anyNumber, rapid.Just(null), rapid.Map(rapid.Bool(), change.BoolValue))
)

func TestRulesKeepTheContract(t *testing.T) {
	t.Parallel()
	suite := plugintest.Suite{Refused: refused()}
	for _, rules := range [][]rule{textRules(), addressRules(), choiceRules(), numberRules(), momentRules()} {
		suite.Functions = append(suite.Functions, rules...)
	}
	suite.Mappers = []plugintest.Case[change.Image]{fullName()}
	plugintest.Run(t, plugintest.InProcess(builtin.Plugin()), suite)
}

func textRules() []rule {
	notText := []change.Value{change.IntValue(1), change.BoolValue(true)}
	rules := []rule{
		{Offer: "trim", Pairs: []pair{same(" Zoë \n", "Zoë"), same("", ""), {Row: null, Field: null, Back: null}}},
		{Offer: "trim", Config: `{"null_if_empty":true}`, Pairs: []pair{{Row: text("  "), Field: null, Back: null}, same("a", "a")}},
		{Offer: "collapse", Pairs: []pair{same("  Anna \u00a0\t Berg\n", "Anna Berg")}},
		{Offer: "lower", Pairs: []pair{same("ÀB İ ẞ", "àb i ß")}},
		{Offer: "upper", Pairs: []pair{same("àbß", "ÀBß")}},
		{Offer: "nfc", Pairs: []pair{same("e\u0301", "é")}},
		{Offer: "digits", Pairs: []pair{same("FR 12-34 ٣", "1234")}},
		{Offer: "newlines", Config: `{"row":"crlf"}`, Pairs: []pair{{Row: text("a\r\nb\rc\nd"), Field: text("a\nb\nc\nd"), Back: text("a\r\nb\r\nc\r\nd")}}},
		{Offer: "newlines", Pairs: []pair{same("a\r\nb", "a\nb")}},
		{Offer: "affix", Config: `{"prefix":"https://x.example/","suffix":"?"}`, Pairs: []pair{
			{Row: text("a"), Field: text("https://x.example/a?"), Back: text("a")}, same("", "")}},
		{Offer: "affix", Config: `{"prefix":"ab","suffix":"ba"}`},
	}
	for i := range rules {
		rules[i].BadRows, rules[i].BadFields = notText, notText
		rules[i].Rows, rules[i].Fields = rapid.OneOf(anyText, spaced), rapid.OneOf(anyText, spaced)
	}
	return rules
}

func addressRules() []rule {
	addresses := rapid.OneOf(spaced, anyText, rapid.Map(rapid.StringMatching(`([A-Za-z]{1,6}://)?([a-zé]{1,3}@)?[A-ZaÉ.]{1,9}(:[0-9]{1,2})?(/[%A-Z]{0,4})?(\?[a-z=&]{0,4})?`), text))
	return []rule{
		{Offer: "email", Pairs: []pair{same(" Zoë.Berg+crm@EXAMPLE.Org ", "Zoë.Berg+crm@example.org"), same("", "")},
			BadRows: []change.Value{text("nobody"), text("a@b"), text("a@b@c.org"), text("a b@c.org"), text("Anna <a@b.org>"), text("a@b..org"), change.IntValue(1)},
			Rows:    addresses, Fields: addresses},
		{Offer: "email", Config: `{"lower":true,"invalid":"keep"}`, Pairs: []pair{same("Anna@B.Org", "anna@b.org"), same(" ask Anna", "ask Anna")},
			Rows: addresses, Fields: addresses},
		{Offer: "url", Pairs: []pair{
			same(" Example.ORG/Path?Q=A#F ", "https://example.org/Path?Q=A#F"), same("HTTP://User:Pw@Example.org:80", "http://User:Pw@example.org:80"),
			same("//example.org", "https://example.org"), same("https://[2001:DB8::1]/x", "https://[2001:db8::1]/x"), same("", "")},
			BadRows: []change.Value{text("see the web"), text("none"), text("http://"), text("https://exa mple.org")},
			Rows:    addresses, Fields: addresses},
		{Offer: "url", Config: `{"scheme":"http","invalid":"keep"}`, Pairs: []pair{same("example.org", "http://example.org"), same("n/a", "n/a")},
			Rows: addresses, Fields: addresses},
	}
}

func choiceRules() []rule {
	words := rapid.OneOf(rapid.SampledFrom([]change.Value{
		text("1"), text("2"), text("Lead"), text("Customer"), text("07"), text("7"), text(""), text("Y"), text("n"), null, change.IntValue(1), change.IntValue(7),
		change.BoolValue(true), change.BoolValue(false), change.TextSet("1", "Lead", ""), change.TextSet(), change.ListValue(text("Lead"), text("1"), text("Lead")),
	}), anyValue)
	names := rapid.OneOf(spaced, rapid.Map(rapid.SliceOf(rapid.StringMatching(`[a-c; ]{0,3}`)), func(n []string) change.Value { return change.TextSet(n...) }))
	return []rule{
		{Offer: "enum", Config: `{"labels":{"1":"Lead","2":"Customer"}}`,
			Pairs: []pair{
				{Row: text("1"), Field: text("Lead"), Back: text("1")},
				{Row: change.IntValue(2), Field: text("Customer"), Back: text("2")},
				{Row: text(""), Field: null, Back: null},
				{Row: change.TextSet("2", "1"), Field: change.TextSet("Lead", "Customer"), Back: change.TextSet("1", "2")},
			},
			BadRows: []change.Value{text("3"), change.BoolValue(true), change.TextSet("1", "3")}, BadFields: []change.Value{text("lead"), text("1"), change.IntValue(1)},
			Rows: words, Fields: words},
		{Offer: "enum", Config: `{"labels":{"1":"Lead","2":"1"},"row":"int","unknown":"keep"}`,
			Pairs: []pair{
				{Row: change.IntValue(2), Field: text("1"), Back: change.IntValue(2)},
				{Row: change.IntValue(7), Field: text("7"), Back: change.IntValue(7)},
			},
			BadRows: []change.Value{text("x")}, BadFields: []change.Value{text("x")},
			Rows: words, Fields: words},
		{Offer: "bool_text", Config: `{"true":"Y","false":"N","also_true":["1","oui"],"also_false":["0"],"ignore_case":true}`,
			Pairs: []pair{
				{Row: text("y"), Field: change.BoolValue(true), Back: text("Y")},
				{Row: text("OUI"), Field: change.BoolValue(true), Back: text("Y")},
				{Row: change.IntValue(0), Field: change.BoolValue(false), Back: text("N")},
				{Row: text(""), Field: null, Back: null},
			},
			BadRows: []change.Value{text("maybe"), change.BoolValue(true)}, BadFields: []change.Value{text("Y")},
			Rows: words, Fields: words},
		{Offer: "bool_text", Config: `{"true":"1","false":"0","row":"int","null_is_false":true}`,
			Pairs: []pair{{Row: change.IntValue(1), Field: change.BoolValue(true), Back: change.IntValue(1)}, {Row: null, Field: change.BoolValue(false), Back: change.IntValue(0)}},
			Rows:  words, Fields: words},
		{Offer: "split", Pairs: []pair{
			{Row: text(" b;a ;;b"), Field: change.TextSet("a", "b"), Back: text("a;b")}, {Row: text(""), Field: change.TextSet(), Back: text("")}},
			BadRows: []change.Value{change.IntValue(1)}, BadFields: []change.Value{change.TextSet("a;b"), change.SetValue(change.IntValue(1)), text("a")},
			Rows: names, Fields: names},
		{Offer: "split", Config: `{"separator":"|","empty":"null"}`, Pairs: []pair{{Row: text("|"), Field: null, Back: null}},
			Rows: names, Fields: names},
		{Offer: "default", Config: `{"value":"unknown"}`,
			Pairs: []pair{{Row: null, Field: text("unknown"), Back: text("unknown")}, {Row: text(""), Field: text("unknown"), Back: text("unknown")}, same("a", "a")},
			Rows:  anyValue, Fields: anyValue},
		{Offer: "default", Config: `{"value":{"int":"0"},"back":"null"}`,
			Pairs: []pair{{Row: null, Field: change.IntValue(0), Back: null}, {Row: change.IntValue(3), Field: change.IntValue(3), Back: change.IntValue(3)}},
			Rows:  anyValue, Fields: anyValue},
	}
}

func numberRules() []rule {
	return []rule{
		{Offer: "scale", Config: `{"factor":0.01}`,
			Pairs: []pair{
				{Row: change.IntValue(12345), Field: dec("123.45"), Back: change.IntValue(12345)},
				{Row: change.IntValue(9223372036854775807), Field: dec("92233720368547758.07"), Back: change.IntValue(9223372036854775807)},
				{Row: dec("100.00"), Field: dec("1"), Back: change.IntValue(100)},
				{Row: change.IntValue(-5), Field: dec("-0.05"), Back: change.IntValue(-5)},
				{Row: null, Field: null, Back: null},
			},
			BadRows:   []change.Value{dec("0.5"), text("1"), change.FloatValue(0.25)},
			BadFields: []change.Value{dec("0.001"), dec("NaN"), dec("1e999999999"), dec("92233720368547758.08"), text("1")},
			Rows:      anyNumber, Fields: anyNumber},
		{Offer: "scale", Config: `{"factor":0.01,"round":true}`,
			Pairs: []pair{{Row: change.IntValue(1), Field: dec("0.01"), Back: change.IntValue(1)}},
			Rows:  anyNumber, Fields: anyNumber},
		{Offer: "scale", Config: `{"factor":3,"row":"decimal","row_decimals":2,"round":true}`,
			Pairs:   []pair{{Row: dec("0.33"), Field: dec("0.99"), Back: dec("0.33")}},
			BadRows: []change.Value{dec("0.333")},
			Rows:    anyNumber, Fields: anyNumber},
		{Offer: "scale", Config: `{"factor":100,"row":"decimal"}`,
			Pairs: []pair{{Row: dec("0.125"), Field: dec("12.5"), Back: dec("0.125")}, {Row: change.FloatValue(0.1), Field: dec("10"), Back: dec("0.1")}},
			Rows:  anyNumber, Fields: anyNumber},
	}
}

func momentRules() []rule {
	moments := rapid.OneOf(anyMoment, anyDay, rapid.Map(rapid.Int64Range(-70_000_000_000_000_000, 250_000_000_000_000_000), change.TimestampValue),
		rapid.SampledFrom([]change.Value{moment("infinity"), moment("-infinity"), day("infinity")}))
	return []rule{
		{Offer: "date", Config: `{"zone":"Europe/Paris"}`,
			Pairs: []pair{
				{Row: moment("2026-03-28T23:30:00Z"), Field: day("2026-03-29"), Back: moment("2026-03-28T23:00:00Z")},
				{Row: moment("2026-03-29T22:30:00Z"), Field: day("2026-03-30"), Back: moment("2026-03-29T22:00:00Z")},
				{Row: moment("infinity"), Field: day("infinity"), Back: moment("infinity")},
				{Row: null, Field: null, Back: null},
			},
			BadRows: []change.Value{text("2026-01-01")}, BadFields: []change.Value{moment("2026-03-28T23:30:00Z"), change.DateValue(1 << 40)},
			Rows: moments, Fields: moments},
		{Offer: "date", Config: `{"zone":"America/Sao_Paulo"}`, // clocks went from 00:00 to 01:00
			Pairs: []pair{{Row: moment("2018-11-04T12:00:00Z"), Field: day("2018-11-04"), Back: moment("2018-11-04T03:00:00Z")}},
			Rows:  moments, Fields: moments},
		{Offer: "date", Config: `{"zone":"Pacific/Apia"}`, // there was no 30 December 2011
			Pairs:     []pair{{Row: moment("2011-12-30T12:00:00Z"), Field: day("2011-12-31"), Back: moment("2011-12-30T10:00:00Z")}},
			BadFields: []change.Value{day("2011-12-30")},
			Rows:      moments, Fields: moments},
		{Offer: "date", Config: `{"row":"timestamp"}`,
			Pairs: []pair{{Row: wall("1969-12-31T23:59:59.999999"), Field: day("1969-12-31"), Back: wall("1969-12-31T00:00:00")}},
			Rows:  moments, Fields: moments},
		{Offer: "unix_time",
			Pairs:   []pair{{Row: change.IntValue(-1), Field: moment("1969-12-31T23:59:59Z"), Back: change.IntValue(-1)}},
			BadRows: []change.Value{text("1"), change.IntValue(1 << 62)}, BadFields: []change.Value{day("2026-01-01"), moment("infinity")},
			Rows: anyInt, Fields: rapid.OneOf(anyMoment, rapid.Map(rapid.Int64(), change.TimestampTZValue))},
		{Offer: "unix_time", Config: `{"unit":"ms"}`,
			Pairs: []pair{{Row: change.IntValue(1500), Field: moment("1970-01-01T00:00:01.5Z"), Back: change.IntValue(1500)}},
			Rows:  anyInt, Fields: anyMoment},
	}
}

func fullName() plugintest.Case[change.Image] {
	word := rapid.SampledFrom([]change.Value{text("Anna"), text(" van  Dyk"), text(""), null, text("Å"), change.IntValue(3)})
	image := func(names ...string) *rapid.Generator[change.Image] {
		return rapid.Custom(func(t *rapid.T) change.Image {
			im := change.Image{"note": text("n")}
			for _, name := range names {
				if rapid.Bool().Draw(t, name+" is read") {
					im[name] = word.Draw(t, name)
				}
			}
			return im
		})
	}
	return plugintest.Case[change.Image]{
		Offer: "full_name",
		Pairs: []plugintest.Pair[change.Image]{
			{Row: change.Image{"first_name": text("Anna "), "last_name": text("Berg"), "id": change.IntValue(1)},
				Field: change.Image{"name": text("Anna Berg"), "id": change.IntValue(1)},
				Back:  change.Image{"first_name": text("Anna"), "last_name": text("Berg"), "id": change.IntValue(1)}},
			{Row: change.Image{"first_name": null, "last_name": text("Plato")}, Field: change.Image{"name": text("Plato")},
				Back: change.Image{"first_name": text(""), "last_name": text("Plato")}},
			{Row: change.Image{"first_name": text("Anna")}, Field: change.Image{}, Back: change.Image{}}, // the last name was not read
		},
		BadRows: []change.Image{{"first_name": change.IntValue(1), "last_name": null}},
		Rows:    image("first_name", "last_name"), Fields: image("name"),
	}
}

func refused() []plugintest.Refused {
	return []plugintest.Refused{
		{Offer: "enum", Config: `{}`, Paths: []string{"labels"}},
		{Offer: "enum", Config: `{"labels":{"1":"A","x":"A","07":""},"row":"int","unknown":"guess"}`, Paths: []string{"unknown"}},
		{Offer: "enum", Config: `{"labels":{"1":"A","x":"A","07":""},"row":"int"}`, Paths: []string{"labels.x", "labels.07"}},
		{Offer: "enum", Config: `{"labels":{"1":2}}`, Paths: []string{"labels"}},
		{Offer: "bool_text", Config: `{"true":"Y","false":"y","ignore_case":true}`, Paths: []string{"false"}},
		{Offer: "bool_text", Config: `{"true":"Y","false":"0","row":"int"}`, Paths: []string{"true"}},
		{Offer: "scale", Config: `{"factor":0}`, Paths: []string{"factor"}},
		{Offer: "scale", Config: `{"factor":1e9}`, Paths: []string{"factor"}},
		{Offer: "scale", Config: `{"factor":1,"row_decimals":2}`, Paths: []string{"row_decimals"}},
		{Offer: "date", Config: `{"zone":"Paris"}`, Paths: []string{"zone"}},
		{Offer: "date", Config: `{"zone":"Local"}`, Paths: []string{"zone"}},
		{Offer: "affix", Config: `{}`, Paths: []string{"prefix"}},
		{Offer: "split", Config: `{"separator":""}`, Paths: []string{"separator"}},
		{Offer: "default", Config: `{"value":{"colour":"red"}}`, Paths: []string{"value"}},
		{Offer: "default", Config: `{"value":null}`, Paths: []string{"value"}},
		{Offer: "trim", Config: `{"null_if_empty":"yes"}`, Paths: []string{"null_if_empty"}},
	}
}

// The laws of lower, upper, email and url rest on this.
func TestCaseMappingIsIdempotent(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if l := unicode.ToLower(r); unicode.ToLower(l) != l {
			t.Errorf("lower of %U", r)
		}
		if u := unicode.ToUpper(r); unicode.ToUpper(u) != u {
			t.Errorf("upper of %U", r)
		}
	}
}
