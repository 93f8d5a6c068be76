package notionapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

func TestCompleteReadsBeyond25(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	targets := w.source(t, "Targets")
	ds := w.source(t, "T", notionapi.PropertySpec{Name: "R", Type: notionapi.TypeRelation, Relation: &notionapi.RelationSchema{DataSourceID: targets.ID}})
	var ids []string
	for i := range 130 {
		ids = append(ids, w.row(t, targets, fmt.Sprint(i)).ID)
	}
	page := w.row(t, ds, "one")
	if err := w.emu.Person(w.emu.PersonID("Ada Lovelace")).SetRelation(page.ID, "R", ids); err != nil {
		t.Fatal(err)
	}
	got, err := w.client.Page(t.Context(), page.ID)
	if err != nil {
		t.Fatal(err)
	}
	cut, _ := got.ByName("R")
	if !cut.HasMore || len(cut.Value.Items()) != 25 {
		t.Fatalf("the page gave %d of 130, has more %t", len(cut.Value.Items()), cut.HasMore)
	}
	before := notionapi.ContentHash(got, []string{cut.ID})
	w.clock.Advance(time.Minute)
	if err := w.client.Complete(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	whole, _ := got.ByName("R")
	if want := change.TextSet(ids...); whole.HasMore || !change.Equal(whole.Value, want) {
		t.Errorf("complete value: %d of 130, has more %t", len(whole.Value.Items()), whole.HasMore)
	}
	// The sinks store what Notion said and decode it again later.
	if again := notionapi.DecodeProperty("R", whole.Raw); again.HasMore || !change.Equal(again.Value, whole.Value) {
		t.Errorf("stored and read again: %d values, has more %t", len(again.Value.Items()), again.HasMore)
	}
	if !got.ReadTo.After(got.ReadFrom) || whole.Name != "R" {
		t.Errorf("read %v to %v, name %q", got.ReadFrom, got.ReadTo, whole.Name)
	}
	if notionapi.ContentHash(got, []string{cut.ID}) == before {
		t.Error("a cut and a whole value have one hash")
	}
	// Never more than it must: nothing is cut any more.
	calls := len(w.calls)
	if err := w.client.Complete(t.Context(), &got); err != nil || len(w.calls) != calls {
		t.Errorf("completing a whole page: %v, %d requests", err, len(w.calls)-calls)
	}
}

func TestPropertyItemsOfEveryListType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ds := w.source(t, "T",
		notionapi.PropertySpec{Name: "Text", Type: notionapi.TypeRichText}, notionapi.PropertySpec{Name: "People", Type: notionapi.TypePeople},
		notionapi.PropertySpec{Name: "Number", Type: notionapi.TypeNumber}, notionapi.PropertySpec{Name: "Date", Type: notionapi.TypeDate},
		notionapi.PropertySpec{Name: "Empty", Type: notionapi.TypeRichText})
	long := strings.Repeat("0123456789", 1000)
	values := map[string]change.Value{
		"Name": change.TextValue("title"), "Text": change.TextValue(long), "Number": change.DecimalValue("4.5"),
		"People": change.TextSet(w.emu.PersonID("Ada Lovelace"), w.emu.PersonID("Grace Hopper")), "Date": change.DateValue(20_000),
	}
	props := map[string]notionapi.PropertyWrite{}
	for name, v := range values {
		props[mustProperty(t, ds, name).ID] = write(t, mustProperty(t, ds, name).Type, v)
	}
	page, err := w.client.CreatePage(t.Context(), notionapi.NewPage{DataSourceID: ds.ID, Properties: props})
	if err != nil {
		t.Fatal(err)
	}
	values["Empty"] = change.NullValue()
	for name, want := range values {
		got, err := w.client.PropertyItems(t.Context(), page.ID, mustProperty(t, ds, name).ID)
		if err != nil || !change.Equal(got.Value, want) {
			t.Errorf("%s: %v, err %v; want %v", name, got.Value, err, want)
		}
	}
}

// People are cut without a word from Notion. A list that was read whole must not be taken for a cut one when it is stored and read again.
func TestCompletePeopleStayComplete(t *testing.T) {
	t.Parallel()
	person := func(i int) string { return fmt.Sprintf(`{"object":"user","id":"%032d"}`, i) }
	var inline, items []string
	for i := range 40 {
		if i < 25 {
			inline = append(inline, person(i))
		}
		items = append(items, `{"object":"property_item","id":"pp","type":"people","people":`+person(i)+`}`)
	}
	answers := map[string]string{
		"/v1/pages/11111111-2222-3333-4444-555555555555":               `{"object":"page","id":"11111111222233334444555555555555","in_trash":false,"properties":{"P":{"id":"pp","type":"people","people":[` + strings.Join(inline, ",") + `]}}}`,
		"/v1/pages/11111111-2222-3333-4444-555555555555/properties/pp": `{"object":"list","results":[` + strings.Join(items, ",") + `],"has_more":false,"next_cursor":null,"type":"property_item","property_item":{"id":"pp","type":"people","people":{},"next_url":null}}`,
	}
	w := newWorld(t, func(_ *emulator.Config, c *notionapi.Config) {
		c.Transport = tripper(func(r *http.Request) (*http.Response, error) {
			rec := httptest.NewRecorder()
			_, _ = rec.WriteString(answers[r.URL.Path])
			return rec.Result(), nil
		})
	})
	page, err := w.client.Page(t.Context(), "11111111-2222-3333-4444-555555555555")
	if err != nil {
		t.Fatal(err)
	}
	if prop, _ := page.Property("pp"); !prop.HasMore {
		t.Error("25 people are taken for all")
	}
	if err := w.client.Complete(t.Context(), &page, "pp"); err != nil {
		t.Fatal(err)
	}
	prop, _ := page.Property("pp")
	if again := notionapi.DecodeProperty("P", prop.Raw); len(again.Value.Items()) != 40 || again.HasMore || prop.Name != "P" {
		t.Errorf("stored and read again: %d of 40 people, has more %t", len(again.Value.Items()), again.HasMore)
	}
}

// What Notion computes is read, beyond 25 too, and is never written.
func TestComputedProperties(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	targets := w.source(t, "Targets")
	ds := w.source(t, "T",
		notionapi.PropertySpec{Name: "R", Type: notionapi.TypeRelation, Relation: &notionapi.RelationSchema{DataSourceID: targets.ID}},
		notionapi.PropertySpec{Name: "No", Type: notionapi.TypeUniqueID, Prefix: "PRE"}, notionapi.PropertySpec{Name: "By", Type: notionapi.TypeCreatedBy},
		notionapi.PropertySpec{Name: "Made", Type: notionapi.TypeCreatedTime}, notionapi.PropertySpec{Name: "Sum", Type: notionapi.TypeFormula, Expression: "1 + 1"})
	for name, function := range map[string]string{"Count": "count", "Names": "show_original"} {
		config := fmt.Sprintf(`{"relation_property_name":"R","rollup_property_name":"Name","function":%q}`, function)
		if _, err := w.client.UpdateDataSource(t.Context(), ds.ID, notionapi.SchemaChange{
			Add: []notionapi.PropertySpec{{Name: name, Type: notionapi.TypeRollup, Config: []byte(config)}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	var titles []change.Value
	for i := range 30 {
		ids = append(ids, w.row(t, targets, fmt.Sprint(i)).ID)
		titles = append(titles, change.TextValue(fmt.Sprint(i)))
	}
	page := w.row(t, ds, "one")
	if err := w.emu.Person(w.emu.PersonID("Ada Lovelace")).SetRelation(page.ID, "R", ids); err != nil {
		t.Fatal(err)
	}
	page, err := w.client.Page(t.Context(), page.ID)
	if err != nil {
		t.Fatal(err)
	}
	me, err := w.client.Me(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]change.Value{
		"No": change.TextValue("PRE-1"), "By": change.TextValue(me.ID), "Made": change.InstantValue(page.Created), "Sum": {},
		"Names": change.ListValue(titles[:25]...), "Count": change.DecimalValue("25"),
	} {
		if got, _ := page.ByName(name); !change.Equal(got.Value, want) {
			t.Errorf("%s = %v, want %v", name, got.Value, want)
		}
		if got, _ := page.ByName(name); notionapi.Writable(got.Type) {
			t.Errorf("%s is writable", got.Type)
		}
	}
	for name, want := range map[string]change.Value{"Names": change.ListValue(titles...), "Count": change.DecimalValue("30")} {
		prop, _ := page.ByName(name)
		got, err := w.client.PropertyItems(t.Context(), page.ID, prop.ID)
		if err != nil || !change.Equal(got.Value, want) {
			t.Errorf("items of %s = %v, err %v; want %v", name, got.Value, err, want)
		}
	}
}
