package real

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// While both sides are only observed, nothing is written to either, whatever happens.
func TestObserveWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person)
	w.sweep("person")
	page := w.page("person", "1")
	bob := w.page("person", "2")
	for _, s := range w.sinks {
		for _, e := range s.Entities {
			e.Mapping.WriteNotion, e.Mapping.WriteCRM = false, false
		}
	}
	w.spent()
	before := w.one(`SELECT string_agg(p::text, ' ' ORDER BY id) FROM person p WHERE id = 2`)
	w.edit(page, map[string]any{"Email": map[string]any{"email": "other@example.com"}})
	w.exec(`UPDATE person SET name = 'Ada II', email = 'crm@example.com' WHERE id = 1; INSERT INTO person (name) VALUES ('Cy')`)
	if err := w.ada.Trash(bob); err != nil {
		t.Fatal(err)
	}
	dup, err := w.ada.Duplicate(page)
	if err != nil {
		t.Fatal(err)
	}
	w.touch("person", "1", "3")
	w.poll("person", page, bob, dup)
	w.exec(`DELETE FROM person WHERE id = 1`)
	w.deleted("person", "1")
	if writes := w.spent(); len(writes) != 0 {
		t.Errorf("written to Notion: %q", writes)
	}
	w.is("bob's row", w.one(`SELECT string_agg(p::text, ' ' ORDER BY id) FROM person p WHERE id = 2`), before)
	w.is("rows", w.one(`SELECT count(*)::text FROM person`), "2")
}

// A mapping that only observes makes nothing in Notion either: no database, no property, no page. What is not there waits; what is there is looked at, and once
// writing is on everything is made.
func TestObservingMakesNothingInNotion(t *testing.T) {
	t.Parallel()
	watching := strings.Replace(fmt.Sprintf(mass, "{}"), `"$defaults"`, `"creates": {"to_notion": true, "to_crm": true, "quiet_seconds": 0}`, 1)
	w := newWorld(t, fmt.Sprintf(massSQL, 3), watching)
	w.all(3, 0, "snapshot", ledger.LaneBackfill)
	if _, known, err := w.store.Schema(t.Context(), "real", "contact"); known || err != nil || len(w.made) > 0 {
		t.Fatalf("without a database: known %t, %v, made %q", known, err, w.made)
	}
	db, err := w.client.CreateDatabase(t.Context(), notionapi.NewDatabase{ParentPageID: w.emu.RootPageID(), Title: "Contacts", Properties: []notionapi.PropertySpec{
		{Name: "Name", Type: notionapi.TypeTitle}, {Name: "Phone", Type: notionapi.TypePhoneNumber},
	}})
	if err != nil {
		t.Fatal(err)
	}
	page, err := w.ada.Create(db.DataSources[0].ID, map[string]any{"Name": title("Only there")})
	if err != nil {
		t.Fatal(err)
	}
	w.made = nil
	if err := w.schema.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.work()
	w.pass(10 * time.Minute)
	w.add(w.polled("contact", page))
	w.work()
	known := w.known("contact")
	if known.External != "" || known.Properties["note"] != "" || !strings.Contains(known.Parked["note"], "mode.to_notion") || known.Properties["phone"] == "" {
		t.Errorf("known of the database: %+v", known)
	}
	shadow := func(side, op string) string {
		return w.one(`SELECT count(*)::text FROM tandem.shadow WHERE side = $1 AND op = $2`, side, op)
	}
	w.is("would be made", shadow("notion", "create")+" "+shadow("crm", "create"), "3 1")
	w.is("alerts", w.one(`SELECT count(*)::text FROM tandem.alert`), "0")
	if len(w.made) > 0 || w.one(`SELECT count(*)::text FROM contact`) != "3" {
		t.Errorf("made while observing: %q", w.made)
	}

	w.entities["contact"].WriteNotion = true
	if err := w.schema.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.all(3, 0, "sweep", ledger.LaneBackfill)
	w.is("note", w.shows(w.page("contact", "2"), "Note"), "n")
	w.is("left out", fmt.Sprint(len(w.known("contact").Parked)), "0")
}

// More than max(5, 1 %) deletes in an hour are held, on both ways, and the rest goes on.
func TestManyDeletesAreHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL+`; INSERT INTO person (name) SELECT 'P' || n FROM generate_series(1, 20) n`, person)
	w.sweep("person")
	var pages, keys []string
	for id := 3; id <= 12; id++ {
		keys = append(keys, fmt.Sprint(id))
		pages = append(pages, w.page("person", fmt.Sprint(id)))
	}
	w.exec(`DELETE FROM person WHERE id BETWEEN 3 AND 12`)
	w.deleted("person", keys...)
	trashed := 0
	for _, page := range pages {
		if in, _ := w.ada.InTrash(page); in {
			trashed++
		}
	}
	w.is("trashed", fmt.Sprint(trashed), "5")
	for id := 13; id <= 20; id++ {
		page := w.page("person", fmt.Sprint(id))
		if err := w.ada.Trash(page); err != nil {
			t.Fatal(err)
		}
		w.poll("person", page)
	}
	w.is("rows left", w.one(`SELECT count(*)::text FROM person WHERE id BETWEEN 13 AND 20`), "3")
	reasons := w.one(`SELECT string_agg(DISTINCT kind, ',') FROM tandem.hold`)
	w.is("held", reasons, "brake")
	w.is("called by their names", w.one(`SELECT bool_and(shows LIKE 'P%')::text FROM tandem.hold`), "true")
	w.says("the alert", w.one(`SELECT detail->>'summary' FROM tandem.alert ORDER BY at LIMIT 1`), "5 deletes on the way to Notion, and 5 are allowed in 1h", ", like ", " (P")
	w.write("person", w.page("person", "1"), map[string]any{"Name": title("goes on")})
	w.is("goes on", w.one(`SELECT name FROM person WHERE id = 1`), "goes on")
}

// A page that is moved elsewhere is not written to, and its row stays; moved back, it goes on.
func TestAPageThatIsMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person, strings.NewReplacer(`"person"`, `"other"`, `public.person`, `public.grp`, `"People"`, `"Others"`).Replace(
		`{"sync": "real", "entity": "person", "crm": {"table": "public.person", "key": "id"}, "notion": {"database": "People"}, "fields": [{"name": "name", "column": "label", "property": "Name", "type": "title"}], "$defaults"}`))
	w.sweep("person")
	page := w.page("person", "1")
	if err := w.ada.Move(page, w.known("other").DataSource); err != nil {
		t.Fatal(err)
	}
	w.spent()
	w.exec(`UPDATE person SET name = 'changed' WHERE id = 1`)
	w.touch("person", "1")
	w.poll("other", page)
	w.poll("person", page)
	w.is("title", w.shows(page, "Name"), "Ada")
	w.is("rows", w.one(`SELECT count(*)::text FROM person`)+w.one(`SELECT count(*)::text FROM grp`), "24")
	if err := w.ada.Move(page, w.known("person").DataSource); err != nil {
		t.Fatal(err)
	}
	w.poll("person", page)
	w.touch("person", "1")
	w.is("title", w.shows(page, "Name"), "changed")
	w.is("holds", w.one(`SELECT coalesce(string_agg(kind, ','), '') FROM tandem.hold`), "")
}
