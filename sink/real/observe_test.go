package real

import (
	"fmt"
	"strings"
	"testing"
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
