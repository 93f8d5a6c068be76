package notionapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

func TestSchemaThereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	companies := w.source(t, "Companies")
	people := w.source(t, "People",
		notionapi.PropertySpec{Name: "Age", Type: notionapi.TypeNumber, Format: "percent", Description: "in years"},
		notionapi.PropertySpec{Name: "Stage", Type: notionapi.TypeSelect, Options: []notionapi.Option{{Name: "Lead", Color: "red"}, {Name: "Won"}}},
		notionapi.PropertySpec{Name: "State", Type: notionapi.TypeStatus},
		notionapi.PropertySpec{Name: "Company", Type: notionapi.TypeRelation, Relation: &notionapi.RelationSchema{DataSourceID: companies.ID, Dual: true, SyncedName: "Staff"}},
		notionapi.PropertySpec{Name: "No", Type: notionapi.TypeUniqueID, Prefix: "PRE"},
	)
	if got := mustProperty(t, people, "Age"); got.Format != "percent" {
		t.Errorf("format = %q", got.Format)
	}
	if o, ok := mustProperty(t, people, "Stage").Option("Lead"); !ok || o.Color != "red" || o.ID == "" {
		t.Errorf("option Lead = %+v, %t", o, ok)
	}
	if state := mustProperty(t, people, "State"); len(state.Options) != 3 || len(state.Groups) != 3 || state.Options[0].Group == "" {
		t.Errorf("status = %+v", state)
	}
	relation := mustProperty(t, people, "Company").Relation
	if relation == nil || !relation.Dual || relation.DataSourceID != companies.ID || relation.SyncedName != "Staff" {
		t.Fatalf("relation = %+v", relation)
	}
	companies, err := w.client.DataSource(t.Context(), companies.ID)
	if err != nil {
		t.Fatal(err)
	}
	if back, ok := companies.Property(relation.SyncedID); !ok || back.Name != "Staff" || back.Relation.DataSourceID != people.ID {
		t.Errorf("other side of the relation = %+v, %t", back, ok)
	}

	age := mustProperty(t, people, "Age").ID
	people, err = w.client.UpdateDataSource(t.Context(), people.ID, notionapi.SchemaChange{
		Add:    []notionapi.PropertySpec{{Name: "Note", Type: notionapi.TypeRichText}},
		Rename: map[string]string{age: "Years"}, Remove: []string{mustProperty(t, people, "No").ID},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := people.Property(age); got.Name != "Years" || got.Description != "in years" {
		t.Errorf("renamed property = %+v", got)
	}
	if _, still := people.ByName("No"); still {
		t.Error("a removed property is still there")
	}
	mustProperty(t, people, "Note")

	// Notion takes the name of a property that is there as a change to it: adding must never retype.
	for _, name := range []string{"Years", "title"} {
		_, err = w.client.UpdateDataSource(t.Context(), people.ID, notionapi.SchemaChange{Add: []notionapi.PropertySpec{{Name: name, Type: notionapi.TypeCheckbox}}})
		var value *notionapi.ValueError
		if !errors.As(err, &value) {
			t.Errorf("adding %q: err = %v, want a ValueError", name, err)
		}
	}
}

func TestAddOptionsKeepsThoseThatAreThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ds := w.source(t, "T",
		notionapi.PropertySpec{Name: "State", Type: notionapi.TypeStatus},
		notionapi.PropertySpec{Name: "Stage", Type: notionapi.TypeSelect, Options: []notionapi.Option{{Name: "Lead", Color: "red"}}})
	for _, name := range []string{"State", "Stage"} {
		prop := mustProperty(t, ds, name)
		after, err := w.client.AddOptions(t.Context(), ds.ID, prop.ID, notionapi.Option{Name: "Fresh"}, notionapi.Option{Name: "Newer"}, notionapi.Option{Name: "fresh"})
		if err != nil {
			t.Fatal(err)
		}
		got := mustProperty(t, after, name)
		if len(got.Options) != len(prop.Options)+2 {
			t.Errorf("%s has %+v after adding 2", name, got.Options)
		}
		if diff := cmp.Diff(prop.Options, got.Options[:len(prop.Options)]); diff != "" {
			t.Errorf("%s: old options (-before +after):\n%s", name, diff)
		}
		calls := len(w.calls)
		if _, err := w.client.AddOptions(t.Context(), ds.ID, prop.ID, notionapi.Option{Name: "Newer"}); err != nil || len(w.calls) != calls+1 {
			t.Errorf("adding what is there: err %v, %d requests; want 1", err, len(w.calls)-calls)
		}
	}
}

// Both versions that have data sources: the older has "archived" beside "in_trash", the newer refuses it.
func TestTrashAndNotFound(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2025-09-03", "2026-03-11"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			testTrashAndNotFound(t, newWorld(t, func(_ *emulator.Config, c *notionapi.Config) { c.Version = version }))
		})
	}
}

func testTrashAndNotFound(t *testing.T, w *world) {
	t.Helper()
	ds := w.source(t, "T", notionapi.PropertySpec{Name: "N", Type: notionapi.TypeNumber})
	page := w.row(t, ds, "one")
	yes, no := true, false
	trashed, err := w.client.UpdatePage(t.Context(), page.ID, notionapi.PageUpdate{InTrash: &yes})
	if err != nil || !trashed.InTrash {
		t.Fatalf("trash: %v, in trash %t", err, trashed.InTrash)
	}
	n := mustProperty(t, ds, "N").ID
	update := notionapi.PageUpdate{Properties: map[string]notionapi.PropertyWrite{n: write(t, notionapi.TypeNumber, change.IntValue(1))}}
	if _, err = w.client.UpdatePage(t.Context(), page.ID, update); !notionapi.IsTrashed(err) || notionapi.IsValidation(err) {
		t.Errorf("update in the trash: %v; want IsTrashed", err)
	}
	if got, err := w.client.Page(t.Context(), page.ID); err != nil || !got.InTrash {
		t.Errorf("a refused update took the page out of the trash: %v, %t", err, got.InTrash)
	}
	if got, err := w.client.UpdatePage(t.Context(), page.ID, notionapi.PageUpdate{InTrash: &no}); err != nil || got.InTrash {
		t.Errorf("restore: %v, in trash %t", err, got.InTrash)
	}
	if list, err := w.client.QueryDataSource(t.Context(), ds.ID, notionapi.Query{}); err != nil || len(list.Pages) != 1 {
		t.Errorf("query: %d rows, err %v", len(list.Pages), err)
	}
	_, err = w.client.Page(t.Context(), "00000000-0000-4000-8000-000000000000")
	if !notionapi.IsNotFound(err) {
		t.Errorf("err = %v, want not found", err)
	}
	var e *notionapi.Error
	if errors.As(err, &e) && (e.RequestID == "" || e.Outcome != notionapi.NotApplied) {
		t.Errorf("error = %+v", e)
	}
	if _, err := w.client.Page(t.Context(), "../users"); notionapi.IsNotFound(err) || err == nil {
		t.Errorf("an id that is none: err = %v", err)
	}
}

// A person adds a column of a type that no client knows: the page must still be read.
func TestUnknownTypesAreTolerated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ds := w.source(t, "T", notionapi.PropertySpec{Name: "N", Type: notionapi.TypeNumber})
	page := w.row(t, ds, "one")
	ada := w.emu.Person(w.emu.PersonID("Ada Lovelace"))
	for _, kind := range []string{"place", "last_visited_time", "button"} {
		if err := ada.AddProperty(ds.ID, "new "+kind, kind, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.client.Page(t.Context(), page.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Properties) != 5 {
		t.Errorf("%d properties, want 5", len(got.Properties))
	}
	if prop, _ := got.ByName("new last_visited_time"); !prop.Value.IsAbsent() || len(prop.Raw) == 0 {
		t.Errorf("unknown type = %+v", prop)
	}
	list, err := w.client.QueryDataSource(t.Context(), ds.ID, notionapi.Query{})
	if err != nil || len(list.Pages) != 1 {
		t.Errorf("query: %v, %d rows", err, len(list.Pages))
	}
	if _, err := w.client.DataSource(t.Context(), ds.ID); err != nil {
		t.Error(err)
	}
}

// The official way past 10,000 rows, here past 30: windows over created_time, each row once.
func TestRowsGoOnPastTheQueryLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(e *emulator.Config, _ *notionapi.Config) { e.QueryMax, e.ShortPages = 30, true })
	ds := w.source(t, "T")
	want := map[string]bool{}
	for i := range 100 {
		want[w.row(t, ds, fmt.Sprint(i)).ID] = true
		if i%7 == 6 {
			w.clock.Advance(time.Minute)
		}
	}
	got := map[string]int{}
	for page, err := range w.client.Rows(t.Context(), ds.ID, notionapi.Query{PageSize: 9}) {
		if err != nil {
			t.Fatal(err)
		}
		got[page.ID]++
	}
	for id := range want {
		if got[id] != 1 {
			t.Errorf("row %s was given %d times", id, got[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
}

func TestRowsSayWhenAMinuteIsTooFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(e *emulator.Config, _ *notionapi.Config) { e.QueryMax = 10 })
	ds := w.source(t, "T")
	for i := range 15 {
		w.row(t, ds, fmt.Sprint(i))
	}
	rows, last := 0, error(nil)
	for _, err := range w.client.Rows(t.Context(), ds.ID, notionapi.Query{}) {
		if last = err; err == nil {
			rows++
		}
	}
	if !errors.Is(last, notionapi.ErrMinuteTooFull) || rows != 10 {
		t.Errorf("%d rows, then %v; want 10, then ErrMinuteTooFull", rows, last)
	}
}

// A cursor that Notion forgot mid-scan, and a query that is too slow for a full page.
func TestRowsRecover(t *testing.T) {
	t.Parallel()
	var tamper func(*http.Request)
	var w *world
	w = newWorld(t, func(_ *emulator.Config, c *notionapi.Config) {
		c.AttemptsMax = 1
		c.Transport = tripper(func(r *http.Request) (*http.Response, error) {
			if tamper != nil {
				tamper(r)
			}
			return w.emu.Transport().RoundTrip(r)
		})
	})
	ds := w.source(t, "T")
	for i := range 60 {
		w.row(t, ds, fmt.Sprint(i))
		w.clock.Advance(20 * time.Second)
	}
	n, seen := 0, map[string]int{}
	for page, err := range w.client.Rows(t.Context(), ds.ID, notionapi.Query{PageSize: 20}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[page.ID]++
		switch n++; n {
		case 20:
			fault := emulator.Fault{Kind: emulator.FaultUnavailable, Path: "/v1/data_sources/*/query", Count: 1}
			if err := w.emu.Inject(fault); err != nil {
				t.Fatal(err)
			}
		case 40:
			tamper = forgetCursor(t, &tamper)
		}
	}
	if len(seen) != 60 || n != 60 {
		t.Errorf("%d rows, %d different; want 60", n, len(seen))
	}
	if tamper != nil {
		t.Error("the cursor was never tampered with: the test tests nothing")
	}
}

// forgetCursor replaces the next cursor by one that nobody gave.
func forgetCursor(t *testing.T, slot *func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		body := readAll(t, r.Body)
		if !strings.Contains(body, "start_cursor") {
			setBody(r, body)
			return
		}
		setBody(r, `{"start_cursor":"3fd7e3b8-0000-4000-8000-000000000000","sorts":[{"timestamp":"created_time","direction":"ascending"}]}`)
		*slot = nil
	}
}

func TestUsersCommentsSearchAndChildren(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ds := w.source(t, "Contacts")
	page := w.row(t, ds, "Zoë")
	me, err := w.client.Me(t.Context())
	if err != nil || me.Type != "bot" || me.ID != page.LastEditedBy || me.WorkspaceName == "" {
		t.Errorf("me = %+v, err %v; the page was edited by %s", me, err, page.LastEditedBy)
	}
	users, err := w.client.Users(t.Context())
	if err != nil || len(users) < 3 {
		t.Errorf("users = %v, err %v", users, err)
	}
	long := strings.Repeat("ünïcode ", 500)
	if c, err := w.client.CreateComment(t.Context(), page.ID, "", long); err != nil || c.Text != long || c.ID == "" {
		t.Errorf("comment of %d characters, err %v", len(c.Text), err)
	}
	children, err := w.client.ChildDatabases(t.Context(), w.emu.RootPageID())
	if err != nil || len(children) != 1 || children[0] != (notionapi.ChildDatabase{ID: ds.DatabaseID, Title: "Contacts"}) {
		t.Errorf("children = %v, err %v", children, err)
	}
	db, err := w.client.Database(t.Context(), ds.DatabaseID)
	if err != nil || db.Title != "Contacts" || db.Parent.PageID != w.emu.RootPageID() || db.DataSources[0].ID != ds.ID {
		t.Errorf("database = %+v, err %v", db, err)
	}
	found, err := w.client.Search(t.Context(), notionapi.SearchQuery{Text: "Contacts", Object: "data_source"})
	if err != nil || len(found.DataSources) != 1 || found.DataSources[0].ID != ds.ID {
		t.Errorf("search = %+v, err %v", found, err)
	}
	found, err = w.client.Search(t.Context(), notionapi.SearchQuery{Text: "Zo", Object: "page", PageSize: 5})
	if err != nil || len(found.Pages) != 1 || found.Pages[0].ID != page.ID {
		t.Errorf("search for a page = %+v, err %v", found, err)
	}
}

// A create that was saved although it was answered with an error is found by its id, or is unknown; never doubled by us.
func TestCreateThatWasCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ds := w.source(t, "T")
	for kind, outcome := range map[string]notionapi.Outcome{
		emulator.FaultCommitted:    notionapi.Applied,
		emulator.FaultGatewayAfter: notionapi.OutcomeUnknown,
		emulator.FaultDropAfter:    notionapi.OutcomeUnknown,
		emulator.FaultBadGateway:   notionapi.OutcomeUnknown,
		emulator.FaultConflict:     notionapi.NotApplied,
	} {
		if err := w.emu.Inject(emulator.Fault{Kind: kind, Method: "POST", Path: "/v1/pages", Count: 1}); err != nil {
			t.Fatal(err)
		}
		calls := len(w.calls)
		_, err := w.client.CreatePage(t.Context(), notionapi.NewPage{DataSourceID: ds.ID})
		var e *notionapi.Error
		if !errors.As(err, &e) || e.Outcome != outcome {
			t.Errorf("%s: err = %v, want outcome %v", kind, err, outcome)
			continue
		}
		if n := len(w.calls) - calls; n != 1 {
			t.Errorf("%s: %d requests, want 1", kind, n)
		}
		if id, applied := e.Applied(); applied {
			if _, err := w.client.Page(t.Context(), id); err != nil {
				t.Errorf("the committed page %s: %v", id, err)
			}
		}
	}
}

// 180 requests a minute, as the emulator counts them: the budget never meets the limit, and a limit that is met is obeyed.
func TestBudgetAgainstRealWindow(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, rate int) (limited int) {
		var w *world
		w = newWorld(t, func(e *emulator.Config, c *notionapi.Config) {
			e.Limit = 180
			clk := &clock{now: time.Date(2026, 11, 22, 8, 0, 30, 0, time.UTC)}
			e.Now, c.Now, c.Sleep = clk.Now, clk.Now, clk.Sleep
			c.Budget = notionapi.NewLocalBudget(notionapi.LocalBudgetConfig{RatePerMinute: rate, Now: clk.Now, Sleep: clk.Sleep})
			c.Transport = tripper(func(r *http.Request) (*http.Response, error) { return w.emu.Transport().RoundTrip(r) })
		})
		for range 500 {
			if _, err := w.client.Me(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range w.calls {
			if a.Status == 429 {
				limited++
			}
		}
		return limited
	}
	if limited := run(t, 180); limited != 0 {
		t.Errorf("%d requests were refused at the rate that Notion grants", limited)
	}
	if limited := run(t, 100_000); limited == 0 {
		t.Error("no request was refused: the emulator does not limit, and the test tests nothing")
	}
}
