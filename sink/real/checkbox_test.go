package real

import "testing"

// At first contact a box that the CRM holds unchecked is a value: Notion's checked one does not win in silence.
func TestACheckboxAtFirstContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person)
	w.sweep("person")
	page, other := w.page("person", "1"), w.page("person", "2")
	// The field is new to the sync: the base knows nothing of it.
	w.exec(`UPDATE tandem.link SET base = base - 'vip'`)
	w.edit(page, map[string]any{"VIP": check(true)})
	w.edit(other, map[string]any{"VIP": check(false)})
	w.poll("person", page, other)
	w.sweep("person")
	w.is("row", w.one(`SELECT vip::text FROM person WHERE id = 1`), "false")
	w.is("page", w.shows(page, "VIP"), "false")
	found := w.conflicts("person", "1")
	if len(found) != 1 || found[0].Field != "vip" || found[0].Notion.String() != "true" {
		t.Errorf("what lost is not kept: %v", found)
	}
	w.is("a new property blanks nothing", w.one(`SELECT vip::text FROM person WHERE id = 2`), "true")
	w.is("a new property is filled", w.shows(other, "VIP"), "true")
	if n := len(w.conflicts("person", "2")); n != 0 {
		t.Errorf("%d conflicts for a property that is new", n)
	}
}
