package notionapi_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Four rows, a minute apart; each filter is judged by what the emulator, which Notion's own client judges, makes of it.
func TestFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ds := w.source(t, "T",
		notionapi.PropertySpec{Name: "Text", Type: notionapi.TypeRichText}, notionapi.PropertySpec{Name: "Done", Type: notionapi.TypeCheckbox},
		notionapi.PropertySpec{Name: "Tags", Type: notionapi.TypeMultiSelect}, notionapi.PropertySpec{Name: "N", Type: notionapi.TypeNumber})
	id := func(name string) string { return mustProperty(t, ds, name).ID }
	var ids []string
	start := w.clock.Now()
	for i, title := range []string{"one", "two", "three", "four"} {
		page, err := w.client.CreatePage(t.Context(), notionapi.NewPage{DataSourceID: ds.ID, Properties: map[string]notionapi.PropertyWrite{
			id("Name"): write(t, notionapi.TypeTitle, change.TextValue(title)), id("Text"): write(t, notionapi.TypeRichText, change.TextValue("id-"+title)),
			id("Done"): write(t, notionapi.TypeCheckbox, change.BoolValue(i < 2)), id("N"): write(t, notionapi.TypeNumber, change.IntValue(int64(i))),
		}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, page.ID)
		w.clock.Advance(time.Minute)
	}
	tags := map[string]notionapi.PropertyWrite{id("Tags"): write(t, notionapi.TypeMultiSelect, change.TextSet("red", "blue"))}
	if _, err := w.client.UpdatePage(t.Context(), ids[0], notionapi.PageUpdate{Properties: tags}); err != nil {
		t.Fatal(err)
	}
	minute := func(n int) time.Time { return start.Truncate(time.Minute).Add(time.Duration(n) * time.Minute) }
	all := []int{0, 1, 2, 3}
	for name, tc := range map[string]struct {
		filter notionapi.Filter
		want   []int
	}{
		"none":                       {notionapi.Filter{}, all},
		"edited on or after":         {notionapi.EditedOnOrAfter(minute(3)), []int{0, 3}},
		"edited before":              {notionapi.EditedBefore(minute(2)), []int{1}},
		"created on or after":        {notionapi.CreatedOnOrAfter(minute(2)), []int{2, 3}},
		"created before":             {notionapi.CreatedBefore(minute(2)), []int{0, 1}},
		"an external id":             {notionapi.Equals(id("Text"), notionapi.TypeRichText, "id-three"), []int{2}},
		"a title":                    {notionapi.Equals(id("Name"), notionapi.TypeTitle, "two"), []int{1}},
		"a number that is zero":      {notionapi.Equals(id("N"), notionapi.TypeNumber, 0), []int{0}},
		"a checkbox that is not set": {notionapi.Equals(id("Done"), notionapi.TypeCheckbox, false), []int{2, 3}},
		"contains":                   {notionapi.Contains(id("Tags"), notionapi.TypeMultiSelect, "red"), []int{0}},
		"empty":                      {notionapi.IsEmpty(id("Tags"), notionapi.TypeMultiSelect), []int{1, 2, 3}},
		"not empty":                  {notionapi.IsNotEmpty(id("Tags"), notionapi.TypeMultiSelect), []int{0}},
		"and, nested and flattened": {notionapi.And(notionapi.And(notionapi.CreatedOnOrAfter(minute(1)), notionapi.Filter{}), notionapi.CreatedBefore(minute(3)),
			notionapi.Or(notionapi.Equals(id("N"), notionapi.TypeNumber, 1), notionapi.Equals(id("N"), notionapi.TypeNumber, 3))), []int{1}},
		"or":                  {notionapi.Or(notionapi.Equals(id("N"), notionapi.TypeNumber, 1), notionapi.Equals(id("N"), notionapi.TypeNumber, 3)), []int{1, 3}},
		"or with one for all": {notionapi.Or(notionapi.Equals(id("N"), notionapi.TypeNumber, 1), notionapi.Filter{}), all},
		"and of nothing":      {notionapi.And(), all},
		"or of nothing":       {notionapi.Or(), all},
		"and of one":          {notionapi.And(notionapi.CreatedBefore(minute(1))), []int{0}},
	} {
		list, err := w.client.QueryDataSource(t.Context(), ds.ID, notionapi.Query{Filter: tc.filter, Sorts: []notionapi.Sort{{Timestamp: "created_time"}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []int
		for _, page := range list.Pages {
			got = append(got, slices.Index(ids, page.ID))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", name, diff)
		}
	}

	list, err := w.client.QueryDataSource(t.Context(), ds.ID, notionapi.Query{
		Sorts: []notionapi.Sort{{Property: id("N"), Descending: true}}, FilterProperties: []string{id("N")}, PageSize: 1,
	})
	if err != nil || !list.HasMore || len(list.Pages) != 1 || list.Pages[0].ID != ids[3] || len(list.Pages[0].Properties) != 1 {
		t.Errorf("the highest number alone: %+v, err %v", list, err)
	}
}
