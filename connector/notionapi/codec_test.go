package notionapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

func TestDecodeProperty(t *testing.T) {
	t.Parallel()
	text, null := change.TextValue, change.NullValue()
	day := change.DateValue
	at := func(s string) change.Value {
		v, err := change.ParseTimestampTZ(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const u1, u2 = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-2222-3333-4444-555555555555"
	for raw, want := range map[string]change.Value{
		`{"type":"title","title":[]}`: null,
		`{"type":"title","title":[{"type":"text","plain_text":"Zoë "},{"type":"mention","plain_text":"@Ada"}]}`: text("Zoë @Ada"),
		`{"type":"rich_text","rich_text":[{"type":"text","text":{"content":"x"}}]}`:                             text("x"),
		`{"type":"number","number":null}`:                                                           null,
		`{"type":"number","number":0}`:                                                              change.DecimalValue("0"),
		`{"type":"number","number":1.25e3}`:                                                         change.DecimalValue("1250"),
		`{"type":"number","number":-1.5e-7}`:                                                        change.DecimalValue("-0.00000015"),
		`{"type":"number","number":"7"}`:                                                            {},
		`{"type":"checkbox","checkbox":false}`:                                                      change.BoolValue(false),
		`{"type":"select","select":null}`:                                                           null,
		`{"type":"select","select":{"id":"x","name":"Lead"}}`:                                       text("Lead"),
		`{"type":"status","status":{"name":"Done"}}`:                                                text("Done"),
		`{"type":"multi_select","multi_select":[{"name":"b"},{"name":"a"}]}`:                        change.TextSet("a", "b"),
		`{"type":"multi_select","multi_select":[]}`:                                                 change.SetValue(),
		`{"type":"multi_select","multi_select":[{"id":"b"}]}`:                                       {},
		`{"type":"date","date":null}`:                                                               null,
		`{"type":"date","date":{"start":"2026-09-15","end":null,"time_zone":null}}`:                 day(20711),
		`{"type":"date","date":{"start":"2026-09-15T10:11:12.345+02:00"}}`:                          at("2026-09-15T08:11:00Z"),
		`{"type":"date","date":{"start":"2026-09-15T10:11:00.000","time_zone":"America/New_York"}}`: at("2026-09-15T14:11:00Z"),
		`{"type":"date","date":{"start":"2026-09-15T10:11","time_zone":null}}`:                      at("2026-09-15T10:11:00Z"),
		`{"type":"date","date":{"start":"2026-09-15T10:11:00.000","time_zone":"Mars/Olympus"}}`:     {},
		`{"type":"date","date":{"start":"next week"}}`:                                              {},
		`{"type":"url","url":null}`:                                                                 null,
		`{"type":"url","url":"https://a"}`:                                                          text("https://a"),
		`{"type":"email","email":"a@b"}`:                                                            text("a@b"),
		`{"type":"phone_number","phone_number":"+49"}`:                                              text("+49"),
		`{"type":"people","people":[{"object":"user","id":"` + u2 + `"},{"object":"group","id":"` + u1 + `","name":"g"}]}`:                                                                                       change.TextSet(u1, u2),
		`{"type":"relation","relation":[{"id":"` + strings.ToUpper(strings.ReplaceAll(u1, "-", "")) + `"}],"has_more":false}`:                                                                                    change.TextSet(u1),
		`{"type":"files","files":[{"name":"a","type":"external","external":{"url":"https://x/a"}},{"name":"b.pdf","type":"file","file":{"url":"https://s3/expires","expiry_time":"2026-11-22T09:00:00.000Z"}}]}`: change.ListValue(text("https://x/a"), text("b.pdf")),
		`{"type":"formula","formula":{"type":"string","string":null}}`:                                                                                                                                           null,
		`{"type":"formula","formula":{"type":"number","number":2.50}}`:                                                                                                                                           change.DecimalValue("2.5"),
		`{"type":"formula","formula":{"type":"boolean","boolean":true}}`:                                                                                                                                         change.BoolValue(true),
		`{"type":"formula","formula":{"type":"date","date":{"start":"2026-09-15"}}}`:                                                                                                                             day(20711),
		`{"type":"formula","formula":{"type":"unsupported","unsupported":{}}}`:                                                                                                                                   {},
		`{"type":"rollup","rollup":{"type":"number","number":null,"function":"sum"}}`:                                                                                                                            null,
		`{"type":"rollup","rollup":{"type":"array","array":[{"type":"title","title":[]},{"type":"number","number":1}],"function":"show_original"}}`:                                                              change.ListValue(null, change.DecimalValue("1")),
		`{"type":"rollup","rollup":{"type":"array","array":[{"type":"place2","place2":{}}]}}`:                                                                                                                    {},
		`{"type":"rollup","rollup":{"type":"incomplete","incomplete":{}}}`:                                                                                                                                       {},
		`{"type":"created_time","created_time":"2026-09-15T08:11:00.000Z"}`:                                                                                                                                      at("2026-09-15T08:11:00Z"),
		`{"type":"last_edited_time","last_edited_time":"soon"}`:                                                                                                                                                  {},
		`{"type":"created_by","created_by":{"object":"user","id":"` + u1 + `"}}`:                                                                                                                                 text(u1),
		`{"type":"last_edited_by","last_edited_by":{"object":"user","id":"` + u1 + `"}}`:                                                                                                                         text(u1),
		`{"type":"unique_id","unique_id":{"prefix":"PRE","number":12}}`:                                                                                                                                          text("PRE-12"),
		`{"type":"unique_id","unique_id":{"prefix":null,"number":12}}`:                                                                                                                                           text("12"),
		`{"type":"unique_id","unique_id":{"prefix":"PRE","number":null}}`:                                                                                                                                        null,
		`{"type":"verification","verification":{"state":"expired","date":null}}`:                                                                                                                                 text("expired"),
		`{"type":"verification","verification":null}`:                                                                                                                                                            text("unverified"),
		`{"type":"place","place":{"lon":2.50,"lat":1,"name":"Café","address":null}}`:                                                                                                                             change.JSONValue(`{"lat":1,"lon":2.5,"name":"Café"}`),
		`{"type":"place","place":null}`:                                                                                                                                                                          null,
		`{"type":"button","button":{}}`:                                                                                                                                                                          {},
		`{"type":"last_visited_time","last_visited_time":"2026"}`:                                                                                                                                                {},
		`{"id":"x"}`:       {},
		`{"type":"title"}`: {},
		`[]`:               {},
		``:                 {},
	} {
		if got := notionapi.DecodeProperty("P", json.RawMessage(raw)); !change.Equal(got.Value, want) || string(got.Raw) != raw {
			t.Errorf("%s\n\t= %s %v\nwant %s %v", raw, got.Value.Kind(), got.Value, want.Kind(), want)
		}
	}
}

func TestCutValuesAreMarked(t *testing.T) {
	t.Parallel()
	mention := `{"type":"mention","plain_text":"@x"}`
	person := `{"id":"11111111-2222-3333-4444-555555555555"}`
	many := func(s string, n int) string { return strings.Repeat(s+",", n-1) + s }
	for raw, want := range map[string]bool{
		`{"type":"relation","relation":[],"has_more":true}`:            true,
		`{"type":"relation","relation":[],"has_more":false}`:           false,
		`{"type":"rich_text","rich_text":[` + many(mention, 25) + `]}`: true,
		`{"type":"rich_text","rich_text":[` + many(mention, 24) + `]}`: false,
		`{"type":"people","people":[` + many(person, 25) + `]}`:        true,
		`{"type":"people","people":[` + many(person, 24) + `]}`:        false,
		// what Complete has read stays complete when it is stored and read again
		`{"type":"people","people":[` + many(person, 30) + `],"has_more":false}`: false,
	} {
		if got := notionapi.DecodeProperty("P", json.RawMessage(raw)).HasMore; got != want {
			t.Errorf("%.60s… has more = %t, want %t", raw, got, want)
		}
	}
}

func TestClearing(t *testing.T) {
	t.Parallel()
	for propertyType, want := range map[string]string{
		"title": `{"title":[]}`, "rich_text": `{"rich_text":[]}`, "number": `{"number":null}`, "checkbox": `{"checkbox":false}`,
		"select": `{"select":null}`, "status": `{"status":null}`, "multi_select": `{"multi_select":[]}`, "date": `{"date":null}`,
		"url": `{"url":null}`, "email": `{"email":null}`, "phone_number": `{"phone_number":null}`, "people": `{"people":[]}`,
		"relation": `{"relation":[]}`, "files": `{"files":[]}`, "place": `{"place":null}`, "verification": `{"verification":{"state":"unverified"}}`,
	} {
		w := write(t, propertyType, change.NullValue())
		if got, err := json.Marshal(w); err != nil || string(got) != want {
			t.Errorf("%s: %s, err %v; want %s", propertyType, got, err, want)
		}
		if !notionapi.Writable(propertyType) {
			t.Errorf("%s is not writable", propertyType)
		}
	}
}

func TestWhatNotionCannotHold(t *testing.T) {
	t.Parallel()
	var many []change.Value
	for i := range 101 {
		many = append(many, change.TextValue(fmt.Sprintf("%032d", i)))
	}
	for name, tc := range map[string]struct {
		propertyType string
		v            change.Value
	}{
		"text over 200,000":           {"rich_text", change.TextValue(strings.Repeat("x", 200_001))},
		"text over in wide pieces":    {"title", change.TextValue("x" + strings.Repeat("😀", 100_000))},
		"text that is no UTF-8":       {"rich_text", change.TextValue("\xff")},
		"text with NUL":               {"rich_text", change.TextValue("a\x00b")},
		"a list as text":              {"rich_text", change.ListValue()},
		"more digits than a double":   {"number", change.IntValue(1<<53 + 1)},
		"a long fraction":             {"number", change.DecimalValue("0.12345678901234567890")},
		"a number beyond a double":    {"number", change.DecimalValue("1e309")},
		"a number below a double":     {"number", change.DecimalValue("1e-390")},
		"a hostile exponent":          {"number", change.DecimalValue("1e999999999")},
		"NaN":                         {"number", change.DecimalValue("NaN")},
		"an infinity":                 {"number", change.DecimalValue("-Infinity")},
		"a text as number":            {"number", change.TextValue("7")},
		"an infinite date":            {"date", change.DateValue(change.Infinity)},
		"the year 10000":              {"date", change.DateValue(2_932_897)},
		"the year 0":                  {"date", change.DateValue(-719_163)},
		"a far time":                  {"date", change.TimestampTZValue(change.Infinity - 1)},
		"a time without zone":         {"date", change.TimestampValue(0)},
		"a comma in a select":         {"select", change.TextValue("High, really")},
		"a comma in a status":         {"status", change.TextValue("High, really")},
		"a comma in a multi_select":   {"multi_select", change.TextSet("ok", "a,b")},
		"options that differ by case": {"multi_select", change.TextSet("High", "HIGH")},
		"a long option":               {"select", change.TextValue(strings.Repeat("x", 2001))},
		"101 options":                 {"multi_select", change.SetValue(many...)},
		"101 relations":               {"relation", change.SetValue(many...)},
		"101 files":                   {"files", change.ListValue(many...)},
		"a relation to no id":         {"relation", change.TextSet("12")},
		"a person by name":            {"people", change.TextSet("Ada")},
		"a long url":                  {"url", change.TextValue("https://" + strings.Repeat("x", 2000))},
		"a long email":                {"email", change.TextValue(strings.Repeat("x", 201))},
		"a long phone number":         {"phone_number", change.TextValue(strings.Repeat("1", 201))},
		"a file that is not there":    {"files", change.ListValue(change.TextValue("b.pdf"))},
		"a number as checkbox":        {"checkbox", change.IntValue(1)},
		"a formula":                   {"formula", change.TextValue("x")},
		"an unknown type":             {"last_visited_time", change.TextValue("x")},
		"a place without lat":         {"place", change.JSONValue(`{"lon":1}`)},
		"an absent value":             {"title", change.Value{}},
	} {
		_, err := notionapi.EncodeProperty(tc.propertyType, tc.v, notionapi.EncodeOptions{Keep: &notionapi.Property{Name: "P"}})
		var value *notionapi.ValueError
		if !errors.As(err, &value) || value.Property != "P" || notionapi.Retryable(err) {
			t.Errorf("%s: err = %v, want a ValueError for property P", name, err)
			continue
		}
		if len(err.Error()) > 200 {
			t.Errorf("%s: a message of %d bytes", name, len(err.Error()))
		}
	}
}

func TestTextIsSplitBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		strings.Repeat("x", 2000), strings.Repeat("x", 2001), strings.Repeat("x", 200_000), strings.Repeat("漢", 5000),
		"x" + strings.Repeat("😀", 3000), strings.Repeat("é", 1999) + "😀" + "z",
	} {
		raw, err := json.Marshal(write(t, "rich_text", change.TextValue(text)))
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			RichText []struct {
				Text struct{ Content string } `json:"text"`
			} `json:"rich_text"`
		}
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		joined := ""
		for _, item := range body.RichText {
			if n := len(utf16.Encode([]rune(item.Text.Content))); n > 2000 || n == 0 {
				t.Errorf("a piece of %d units", n)
			}
			joined += item.Text.Content
		}
		if joined != text || len(body.RichText) > 100 {
			t.Errorf("%d pieces do not make the text again", len(body.RichText))
		}
	}
}

func TestDateKeepsEndAndZone(t *testing.T) {
	t.Parallel()
	day := change.DateValue(20711) // 2026-09-15
	at := change.TimestampTZValue(time.Date(2026, 9, 15, 14, 11, 59, 0, time.UTC).UnixMicro())
	ambiguous := change.TimestampTZValue(time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC).UnixMicro()) // the second 01:30 in New York
	for name, tc := range map[string]struct {
		v             change.Value
		keep          *notionapi.DateParts
		want, dropped string
	}{
		"nothing to keep":       {day, nil, `{"start":"2026-09-15"}`, ""},
		"end":                   {day, &notionapi.DateParts{Start: "2026-09-01", End: "2026-09-20"}, `{"end":"2026-09-20","start":"2026-09-15"}`, ""},
		"end before new start":  {day, &notionapi.DateParts{Start: "2026-09-01", End: "2026-09-02"}, `{"start":"2026-09-15"}`, "2026-09-02"},
		"end of the other kind": {day, &notionapi.DateParts{End: "2026-09-20T10:00:00.000Z"}, `{"start":"2026-09-15"}`, "2026-09-20T10:00:00.000Z"},
		"zone": {
			at, &notionapi.DateParts{End: "2026-09-15T12:00:00.000", TimeZone: "America/New_York"},
			`{"end":"2026-09-15T12:00:00.000","start":"2026-09-15T10:11:00.000","time_zone":"America/New_York"}`, "",
		},
		"offset":                {at, &notionapi.DateParts{End: "2026-09-15T18:00:00.000+02:00"}, `{"end":"2026-09-15T16:00:00.000Z","start":"2026-09-15T14:11:00.000Z"}`, ""},
		"an hour that is twice": {ambiguous, &notionapi.DateParts{TimeZone: "America/New_York"}, `{"start":"2026-11-01T06:30:00.000Z"}`, ""},
		"unknown zone":          {at, &notionapi.DateParts{TimeZone: "Mars/Olympus"}, `{"start":"2026-09-15T14:11:00.000Z"}`, ""},
	} {
		w, err := notionapi.EncodeProperty("date", tc.v, notionapi.EncodeOptions{Keep: &notionapi.Property{Date: tc.keep}})
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(w)
		if string(raw) != `{"date":`+tc.want+`}` || w.DroppedEnd != tc.dropped {
			t.Errorf("%s: %s, dropped %q; want %s, %q", name, raw, w.DroppedEnd, tc.want, tc.dropped)
		}
		back := notionapi.DecodeProperty("", json.RawMessage(`{"type":"date",`+string(raw[1:])))
		if !change.Equal(back.Value, w.Value) {
			t.Errorf("%s: reads back as %v, want %v", name, back.Value, w.Value)
		}
	}
}

func TestHostedFilesStay(t *testing.T) {
	t.Parallel()
	keep := notionapi.DecodeProperty("F", json.RawMessage(`{"type":"files","files":[{"name":"b.pdf","type":"file","file":{"url":"https://s3/x","expiry_time":"2026-11-22T09:00:00.000Z"}},{"name":"My a","type":"external","external":{"url":"https://x/a"}}]}`))
	w, err := notionapi.EncodeProperty("files", change.ListValue(change.TextValue("https://x/a"), change.TextValue("b.pdf"), change.TextValue("https://x/d/c.png?q=1")), notionapi.EncodeOptions{Keep: &keep})
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(w)
	want := `{"files":[{"name":"My a","type":"external","external":{"url":"https://x/a"}},` +
		`{"name":"b.pdf","type":"file","file":{"url":"https://s3/x","expiry_time":"2026-11-22T09:00:00.000Z"}},` +
		`{"external":{"url":"https://x/d/c.png?q=1"},"name":"c.png","type":"external"}]}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

func TestUnknownStatusIsRefusedHere(t *testing.T) {
	t.Parallel()
	schema := &notionapi.SchemaProperty{Name: "State", Type: "status", Options: []notionapi.Option{{Name: "Done"}, {Name: "Open"}}}
	_, err := notionapi.EncodeProperty("status", change.TextValue("Lost"), notionapi.EncodeOptions{Schema: schema})
	if err == nil || err.Error() != `property "State": the status "Lost" does not exist; Notion has: Done, Open` {
		t.Errorf("err = %v", err)
	}
}

// generators make values that a column might hold, for each writable type; not all can be held.
func generators(people, pages []string) map[string]*rapid.Generator[change.Value] {
	text := rapid.Map(rapid.OneOf(rapid.String(), rapid.StringN(1990, 2010, -1), rapid.SampledFrom([]string{"", " ", "a\r\nb", "😀", "e\u0301", "a,b"})), change.TextValue)
	null := rapid.Just(change.NullValue())
	options := rapid.SampledFrom([]string{"Alpha", "Bravo", "", "x y", "Ünï", "a,b"})
	subset := func(ids []string) *rapid.Generator[change.Value] {
		return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(ids), 0, 10), func(s []string) change.Value { return change.TextSet(s...) })
	}
	scalar := rapid.OneOf(text, rapid.Map(rapid.Int64(), change.IntValue), rapid.Map(rapid.Int64Range(-800_000, 3_000_000), change.DateValue))
	number := rapid.OneOf(
		rapid.Map(rapid.Int64(), change.IntValue), rapid.Map(rapid.Float64(), change.FloatValue),
		rapid.Map(rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,10})?([eE][+-]?[0-9]{1,3})?`), change.DecimalValue))
	link := rapid.Map(rapid.StringMatching(`https://[a-z]{1,10}\.example/[a-z0-9]{0,20}`), change.TextValue)
	return map[string]*rapid.Generator[change.Value]{
		"title": rapid.OneOf(text, scalar, null), "rich_text": rapid.OneOf(text, scalar, null), "number": rapid.OneOf(number, null),
		"checkbox": rapid.OneOf(rapid.Map(rapid.Bool(), change.BoolValue), null),
		"select":   rapid.OneOf(rapid.Map(options, change.TextValue), null), "status": rapid.Map(rapid.SampledFrom([]string{"Not started", "In progress", "Done"}), change.TextValue),
		"multi_select": rapid.OneOf(rapid.Map(rapid.SliceOfN(options, 0, 6), func(s []string) change.Value { return change.TextSet(s...) }), null),
		"date": rapid.OneOf(rapid.Map(rapid.Int64Range(-720_000, 2_940_000), change.DateValue),
			rapid.Map(rapid.Int64Range(-62_200_000_000_000_000, 253_500_000_000_000_000), change.TimestampTZValue), null),
		"url": rapid.OneOf(link, null), "email": rapid.OneOf(rapid.Map(rapid.StringMatching(`[a-z]{1,20}@[a-z]{1,20}\.org`), change.TextValue), null),
		"phone_number": rapid.OneOf(rapid.Map(rapid.StringMatching(`\+?[0-9 ]{1,20}`), change.TextValue), null),
		"people":       rapid.OneOf(subset(people), null), "relation": rapid.OneOf(subset(pages), null),
		"files": rapid.OneOf(rapid.Map(rapid.SliceOfN(link, 0, 5), func(vs []change.Value) change.Value { return change.ListValue(vs...) }), null),
		"place": rapid.OneOf(rapid.Just(change.JSONValue(`{"lat":1.50,"name":"x","lon":-2e1}`)), null),
	}
}

// The law that the whole sync stands on: what is read after a write of x, in its answer and by a read, is Canon(x); and Canon is a
// canonical form.
func TestRoundTripThroughTheEmulator(t *testing.T) {
	t.Parallel()
	for _, minutes := range []bool{true, false} { // it is not known whether the service keeps seconds: we must not care
		t.Run(fmt.Sprintf("service cuts dates to minutes: %t", minutes), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(e *emulator.Config, c *notionapi.Config) { e.MinuteDates = minutes })
			targets := w.source(t, "Targets")
			var pages []string
			for i := range 10 {
				pages = append(pages, w.row(t, targets, fmt.Sprint(i)).ID)
			}
			people := []string{w.emu.PersonID("Ada Lovelace"), w.emu.PersonID("Grace Hopper")}
			specs := []notionapi.PropertySpec{}
			gens := generators(people, pages)
			for propertyType := range gens {
				if propertyType != "title" && propertyType != "place" {
					specs = append(specs, notionapi.PropertySpec{Name: "the " + propertyType, Type: propertyType, Relation: &notionapi.RelationSchema{DataSourceID: targets.ID}})
				}
			}
			ds := w.source(t, "All", specs...)
			if err := w.emu.Person(people[0]).AddProperty(ds.ID, "the place", "place", nil); err != nil {
				t.Fatal(err)
			}
			ds, err := w.client.DataSource(t.Context(), ds.ID)
			if err != nil {
				t.Fatal(err)
			}
			page := w.row(t, ds, "one")
			for propertyType, gen := range gens {
				id := ds.TitleProperty().ID
				if propertyType != "title" {
					id = mustProperty(t, ds, "the "+propertyType).ID
				}
				rapid.Check(t, func(t *rapid.T) { roundTrip(t, w, page.ID, id, propertyType, gen.Draw(t, propertyType)) })
			}
		})
	}
}

func roundTrip(t *rapid.T, w *world, pageID, propertyID, propertyType string, v change.Value) {
	canon, err := notionapi.Canon(propertyType, v)
	var refused *notionapi.ValueError
	if errors.As(err, &refused) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if again, err := notionapi.Canon(propertyType, canon); err != nil || !change.Equal(again, canon) {
		t.Fatalf("canon(canon(%v)) = %v, err %v; canon is %v", v, again, err, canon)
	}
	encoded, err := notionapi.EncodeProperty(propertyType, v, notionapi.EncodeOptions{})
	if err != nil || !change.Equal(encoded.Value, canon) {
		t.Fatalf("encode %v: value %v, err %v; canon is %v", v, encoded.Value, err, canon)
	}
	answer, err := w.client.UpdatePage(t.Context(), pageID, notionapi.PageUpdate{Properties: map[string]notionapi.PropertyWrite{propertyID: encoded}})
	if err != nil {
		t.Fatalf("write %s %v: %v", v.Kind(), v, err)
	}
	read, err := w.client.Page(t.Context(), pageID)
	if err != nil {
		t.Fatal(err)
	}
	for how, page := range map[string]notionapi.Page{"answer": answer, "read": read} {
		got, ok := page.Property(propertyID)
		if !ok || !change.Equal(got.Value, canon) {
			t.Fatalf("%s after writing %s %v: %s %v, want %s %v (sent %s)", how, v.Kind(), v, got.Value.Kind(), got.Value, canon.Kind(), canon, must(json.Marshal(encoded)))
		}
	}
	if notionapi.ContentHash(answer, []string{propertyID}) != notionapi.ContentHash(read, []string{propertyID}) {
		t.Fatalf("two reads of %v have two hashes", canon)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		return []byte(err.Error())
	}
	return b
}

func TestContentHash(t *testing.T) {
	t.Parallel()
	base := func() notionapi.Page {
		return notionapi.Page{ID: "p", Parent: notionapi.Parent{DataSourceID: "d"}, Edited: time.Unix(60, 0), Properties: map[string]notionapi.Property{
			"a": {ID: "a", Type: "number", Value: change.DecimalValue("1")},
			"b": {ID: "b", Type: "rich_text", Value: change.TextValue("x")},
			"e": {ID: "e", Type: "last_edited_time", Value: change.TimestampTZValue(1)},
		}}
	}
	hash := notionapi.ContentHash(base(), []string{"a"})
	for name, tc := range map[string]struct {
		edit func(*notionapi.Page)
		same bool
	}{
		"another field": {func(p *notionapi.Page) { p.Properties["b"] = notionapi.Property{} }, true},
		"edited later":  {func(p *notionapi.Page) { p.Edited = time.Unix(120, 0) }, true},
		"renamed":       {func(p *notionapi.Page) { q := p.Properties["a"]; q.Name = "new"; p.Properties["a"] = q }, true},
		"value": {func(p *notionapi.Page) {
			p.Properties["a"] = notionapi.Property{Type: "number", Value: change.DecimalValue("2")}
		}, false},
		"cleared": {func(p *notionapi.Page) {
			p.Properties["a"] = notionapi.Property{Type: "number", Value: change.NullValue()}
		}, false},
		"no longer understood": {func(p *notionapi.Page) { p.Properties["a"] = notionapi.Property{Type: "number"} }, false},
		"column removed":       {func(p *notionapi.Page) { delete(p.Properties, "a") }, false},
		"trash":                {func(p *notionapi.Page) { p.InTrash = true }, false},
		"moved":                {func(p *notionapi.Page) { p.Parent.DataSourceID = "other" }, false},
	} {
		p := base()
		tc.edit(&p)
		if got := notionapi.ContentHash(p, []string{"a"}) == hash; got != tc.same {
			t.Errorf("%s: same hash %t, want %t", name, got, tc.same)
		}
	}
	// An edit beyond what is shown must show.
	cut := func(edited int64) string {
		p := base()
		p.Properties["a"] = notionapi.Property{Type: "relation", Value: change.TextSet("x"), HasMore: true}
		p.Edited = time.Unix(edited, 0)
		return notionapi.ContentHash(p, []string{"a"})
	}
	if cut(60) == cut(120) {
		t.Error("an edit of a cut relation cannot be seen")
	}
	later := base()
	later.Properties["e"] = notionapi.Property{Type: "last_edited_time", Value: change.TimestampTZValue(2)}
	if notionapi.ContentHash(base(), nil) != notionapi.ContentHash(later, nil) {
		t.Error("the time of the last edit counts as content")
	}
}

func TestCanonicalID(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"title": "title", `f\\:p`: "f%5C%5C%3Ap", "f%5C%5C%3Ap": "f%5C%5C%3Ap", "XGe%40": "XGe%40", "a%b": "a%25b", "": "", "%e4": "%E4", "q~'()*!._-": "q~'()*!._-"} {
		if got := notionapi.CanonicalID(in); got != want {
			t.Errorf("CanonicalID(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id := notionapi.CanonicalID(rapid.String().Draw(t, "id"))
		if again := notionapi.CanonicalID(id); again != id {
			t.Fatalf("canonical form of %q is %q", id, again)
		}
	})
}

func FuzzDecodeProperty(f *testing.F) {
	for _, seed := range []string{
		`{"id":"x","type":"title","title":[{"plain_text":"a"}]}`, `{"type":"date","date":{"start":"2026-09-15T10:11","time_zone":"Europe/Berlin"}}`,
		`{"type":"rollup","rollup":{"type":"array","array":[{"type":"formula","formula":{"type":"number","number":1e308}}]}}`,
		`{"type":"number","number":-0.0}`, `{"type":"place","place":{"lat":1,"lon":2}}`, `{"type":"files","files":[{"name":"x"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := notionapi.DecodeProperty("P", raw)
		if !bytes.Equal(p.Raw, raw) {
			t.Fatal("raw is not what came")
		}
		if p.Value.IsAbsent() {
			return
		}
		// What was read is canonical, unless Notion itself could not take it back (a text of its own making over our limits).
		canon, err := notionapi.Canon(p.Type, p.Value)
		if err == nil && !change.Equal(canon, p.Value) {
			t.Fatalf("%s: read %s, canonical form is %s", raw, p.Value, canon)
		}
		if diff := cmp.Diff(p.Value, notionapi.DecodeProperty("P", raw).Value); diff != "" {
			t.Fatal(diff)
		}
	})
}
