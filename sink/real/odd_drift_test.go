package real

import (
	"strings"
	"testing"
	"time"
)

// A database that is put in the trash takes its pages with it: they read as trashed, and nobody has deleted any of them. No row is deleted for it, and
// all goes on when it is back.
func TestADatabaseInTheTrashDeletesNoRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, driftSQL, driftContact)
	w.sweep("contact")
	pages := []string{w.page("contact", "1"), w.page("contact", "2"), w.page("contact", "3")}
	if err := w.ada.Trash(w.emu.RootPageID()); err != nil {
		t.Fatal(err)
	}
	w.poll("contact", pages...)
	w.is("rows", w.one(`SELECT count(*)::text FROM contact`), "5")
	w.exec(`UPDATE contact SET email = 'later@x.org' WHERE id = 1`)
	w.touch("contact", "1")
	w.is("rows", w.one(`SELECT count(*)::text FROM contact`), "5")
	if err := w.ada.Restore(w.emu.RootPageID()); err != nil {
		t.Fatal(err)
	}
	w.is("told", strings.Join(w.drifts(), "; "), "everything of contact is left out until somebody mends it: the database is in Notion's trash, and its pages with it: restore it there; no row is deleted for it")
	w.pass(10 * time.Minute)
	if _, err := w.schema.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.touch("contact", "1")
	w.is("the CRM's edit arrives", w.shows(pages[0], "Email"), "later@x.org")
	w.says("told that it is back", strings.Join(w.drifts(), "; "), "everything of contact goes on")
	w.is("holds", w.one(`SELECT coalesce(string_agg(kind, ' '), '') FROM tandem.hold`), "")
	w.is("rows", w.one(`SELECT count(*)::text FROM contact`), "5")
}

// Properties that change names and places in every odd way: known by id, none of their values gets into another field.
func TestPropertiesThatChangePlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, driftSQL+`; ALTER TABLE contact ADD COLUMN nick text; UPDATE contact SET nick = 'k' || id`,
		strings.Replace(driftContact, `{"name": "score"`, `{"name": "nick", "column": "nick", "property": "Nick", "type": "phone"}, {"name": "score"`, 1))
	w.sweep("contact")
	source := w.known("contact").DataSource
	page := w.page("contact", "1")
	rename := func(from, to string) {
		t.Helper()
		if err := w.ada.RenameProperty(source, from, to); err != nil {
			t.Fatal(err)
		}
	}
	row := func() string {
		return w.one(`SELECT concat_ws(' ', name, email, phone, nick, score) FROM contact WHERE id = 1`)
	}
	look := func() {
		t.Helper()
		w.pass(10 * time.Minute)
		if _, err := w.schema.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.poll("contact", page)
		w.sweep("contact")
	}
	// Two of one type, crosswise.
	rename("Phone", "x")
	rename("Nick", "Phone")
	rename("x", "Nick")
	look()
	w.is("row", row(), "n1 e1@x.org +33 1 k1 1")
	w.write("contact", page, map[string]any{"Nick": call("+44")}) // the phone's property
	w.is("by id", row(), "n1 e1@x.org +44 k1 1")

	// Deleted, and another field's property takes its name.
	if err := w.ada.DeleteProperty(source, "Nick"); err != nil {
		t.Fatal(err)
	}
	rename("Phone", "Nick")
	look()
	w.is("row", row(), "n1 e1@x.org +44 k1 1")
	w.exec(`UPDATE contact SET nick = 'new', phone = '+55', score = 2 WHERE id = 1`)
	w.touch("contact", "1")
	w.is("the one that is there", w.shows(page, "Nick"), "new")
	w.is("and the rest", w.shows(page, "Score"), "2")
	// Made again under the mapping's name with another type, then with its own.
	if err := w.ada.AddProperty(source, "Phone", "number", nil); err != nil {
		t.Fatal(err)
	}
	look()
	w.is("row", row(), "n1 e1@x.org +55 new 2")
	if err := w.ada.DeleteProperty(source, "Phone"); err != nil {
		t.Fatal(err)
	}
	if err := w.ada.AddProperty(source, "Phone", "phone_number", nil); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	w.is("filled from the CRM", w.shows(page, "Phone"), "+55")
	w.is("row", row(), "n1 e1@x.org +55 new 2")
	// The title's property is renamed, and the external id's deleted.
	rename("Name", "Full name")
	if err := w.ada.DeleteProperty(source, "Tandem ID"); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	w.is("its id is back", w.shows(page, "Tandem ID"), w.link("contact", "1").External)
	w.write("contact", page, map[string]any{"Full name": title("uno")})
	w.is("row", row(), "uno e1@x.org +55 new 2")
	w.is("parked", w.one(`SELECT coalesce(string_agg(parked, '; '), '') FROM tandem.work`), "")
}

// A column that is dropped and made again with another type, or whose table is: the values of the other kind get nowhere.
func TestColumnsMadeAgainOfAnotherType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, driftSQL, driftContact)
	w.sweep("contact")
	page := w.page("contact", "1")
	w.exec(`ALTER TABLE contact DROP COLUMN phone; ALTER TABLE contact ADD COLUMN phone int DEFAULT 7; UPDATE contact SET score = 9 WHERE id = 1`)
	w.sweep("contact")
	w.is("phone", w.shows(page, "Phone"), "+33 1")
	w.is("score goes on", w.shows(page, "Score"), "9")
	w.write("contact", page, map[string]any{"Phone": call("+33 9")})
	w.is("nothing of it", w.one(`SELECT phone::text FROM contact WHERE id = 1`), "7")
	// A table of the same name, made again with its rows, as a careless migration does.
	w.exec(`CREATE TABLE other AS SELECT id, name, email, '+33 ' || id AS phone, score FROM contact; DROP TABLE contact; ALTER TABLE other RENAME TO contact;
		ALTER TABLE contact ADD PRIMARY KEY (id); UPDATE contact SET email = 'again@x.org' WHERE id = 2`)
	w.sweep("contact")
	w.sweep("contact")
	w.is("it goes on", w.shows(w.page("contact", "2"), "Email"), "again@x.org")
	w.is("rows", w.one(`SELECT count(*)::text FROM contact`), "5")
	w.is("the page's edit arrives", w.one(`SELECT phone FROM contact WHERE id = 1`)+w.shows(page, "Phone"), "+33 9+33 9")
}
