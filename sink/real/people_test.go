package real

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const person = `{"sync": "real", "entity": "person", "crm": {"table": "public.person", "key": "id"}, "notion": {"database": "People"},
  "fields": [{"name": "name", "column": "name", "property": "Name", "type": "title"}, {"name": "email", "column": "email", "property": "Email", "type": "email", "critical": true},
   {"name": "vip", "column": "vip", "property": "VIP", "type": "checkbox"}, {"name": "group", "lookup": {"column": "group_id", "table": "public.grp", "key": "id", "label": "label"}, "property": "Group", "type": "select"}],
  "custom": {"column": "extra"}, "$defaults"}`

const personSQL = `CREATE TABLE grp (id smallint PRIMARY KEY, label text); INSERT INTO grp VALUES (1, 'One'), (2, 'Two'), (3, 'Two'), (4, NULL);
	CREATE TABLE person (id serial PRIMARY KEY, name text NOT NULL, email text, vip boolean, group_id smallint REFERENCES grp, extra jsonb);
	INSERT INTO person (name, email, vip, group_id, extra) VALUES ('Ada', 'ada@example.com', false, 1, '{"k": "v"}'), ('Bob', NULL, true, 2, NULL)`

// A page that a person duplicates carries the id of the one it was copied from: it gets an id of its own, and becomes a record of its own.
// The first pair is left as it was.
func TestADuplicatedPageIsANewRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person)
	w.sweep("person")
	page := w.page("person", "1")
	external := w.link("person", "1").External
	dup, err := w.ada.Duplicate(page)
	if err != nil {
		t.Fatal(err)
	}
	w.poll("person", dup, page)
	w.is("the first", w.shows(page, "Tandem ID"), external)
	w.pass(3 * time.Minute)
	w.settle()
	w.poll("person", dup)
	if own := w.shows(dup, "Tandem ID"); own == external {
		t.Errorf("the copy still carries the id %s", own)
	}
	w.is("rows", w.one(`SELECT count(*)::text FROM person`), "3")
	w.is("the copy's row", w.link("person", "3").Page, dup)
	w.is("the first's row", w.link("person", "1").Page, page)
	w.is("custom", w.one(`SELECT extra->>'k' FROM person WHERE id = 3`), "v")
	w.write("person", dup, map[string]any{"Name": title("Copy")})
	w.is("names", w.one(`SELECT string_agg(name, ',' ORDER BY id) FROM person`), "Ada,Bob,Copy")
	if n := len(w.conflicts("person", "1")) + len(w.conflicts("person", "3")); n != 0 {
		t.Errorf("%d conflicts", n)
	}
	// The copy may be seen before the first is ever polled, and the first trashed: both stay what they are.
	if err := w.ada.Trash(page); err != nil {
		t.Fatal(err)
	}
	w.poll("person", page)
	w.is("rows", w.one(`SELECT string_agg(name, ',' ORDER BY id) FROM person`), "Bob,Copy")
}

// What the CRM gets while we write is not overwritten: a custom field that appears between our read and our write is an edit like any other.
func TestAnEditInTheCRMWhileWeWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person)
	w.sweep("person")
	page := w.page("person", "2")
	w.edit(page, map[string]any{"k": rich("of notion"), "Email": map[string]any{"email": "notion@example.com"}})
	// The row changes after the sink's snapshot: the lock is waited for, and the row is read again.
	tx, err := w.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE person SET extra = '{"k": "of crm"}', name = 'Robert' WHERE id = 2`); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.poll("person", page)
	}()
	for w.one(`SELECT count(*)::text FROM pg_locks WHERE NOT granted`) == "0" {
		time.Sleep(5 * time.Millisecond)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
	w.touch("person", "2")
	w.is("email", w.one(`SELECT email FROM person WHERE id = 2`), "notion@example.com")
	w.is("name", w.shows(page, "Name"), "Robert")
	kept := w.one(`SELECT extra->>'k' FROM person WHERE id = 2`)
	w.is("equal", w.shows(page, "k"), kept)
	found := w.conflicts("person", "2")
	if len(found) != 1 || found[0].Field != "custom.k" {
		t.Errorf("the edit that lost is nowhere: kept %q, conflicts %v", kept, found)
	}
}

// An edit on the page between our read and our PATCH, of another property, of the same to the same value, of the same to another.
func TestAnEditOnThePageWhileWeWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person)
	w.sweep("person")
	page := w.page("person", "1")
	once := func(edit map[string]any) {
		w.before = func(r *http.Request) {
			if r.Method == http.MethodPatch && strings.Contains(r.URL.Path, page) && edit != nil {
				e := edit
				edit = nil
				if err := w.ada.Edit(page, e); err != nil {
					t.Error(err)
				}
			}
		}
	}
	once(map[string]any{"Email": map[string]any{"email": "mid@example.com"}, "VIP": check(true)})
	w.exec(`UPDATE person SET name = 'Ada L' WHERE id = 1`)
	w.touch("person", "1")
	w.is("other properties", w.one(`SELECT email || vip FROM person WHERE id = 1`), "mid@example.comtrue")
	once(map[string]any{"Name": title("Ada K")})
	w.exec(`UPDATE person SET name = 'Ada K' WHERE id = 1`)
	w.touch("person", "1")
	w.is("same", w.shows(page, "Name"), "Ada K")
	w.before = nil
	if n := len(w.conflicts("person", "1")); n != 0 {
		t.Errorf("%d conflicts", n)
	}
	// Both sides, different fields; both sides, the same value; both sides, different values.
	w.exec(`UPDATE person SET name = 'Ada M', email = 'same@example.com', vip = true WHERE id = 1`)
	w.edit(page, map[string]any{"Email": map[string]any{"email": "SAME@example.com"}, "VIP": check(false), "k": rich("w")})
	w.touch("person", "1")
	w.poll("person", page)
	w.is("merged", w.one(`SELECT concat_ws('|', name, email, vip, extra) FROM person WHERE id = 1`), `Ada M|same@example.com|f|{"k": "w"}`)
	w.exec(`UPDATE person SET email = 'crm@example.com' WHERE id = 1`)
	w.edit(page, map[string]any{"Email": map[string]any{"email": "notion@example.com"}})
	w.poll("person", page)
	w.touch("person", "1")
	found := w.conflicts("person", "1")
	if len(found) != 1 || !found[0].Critical {
		t.Fatalf("%d conflicts: %v", len(found), found)
	}
	w.is("equal", w.shows(page, "Email"), w.one(`SELECT email FROM person WHERE id = 1`))
	w.is("alerts", w.one(`SELECT count(*)::text FROM tandem.alert`), "1")
}

// A lookup shows labels: what cannot be told apart is refused, a renamed label travels with the next look.
func TestLookups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person)
	w.sweep("person")
	page := w.page("person", "1")
	w.is("group", w.shows(page, "Group"), "One")
	w.write("person", page, map[string]any{"Group": option("Two")})
	w.says("two of a name", w.parked("person", "1"), "group", "several", "Two")
	w.write("person", page, map[string]any{"Group": option("Nobody knows")})
	w.says("unknown", w.parked("person", "1"), "group", "unknown in the CRM")
	w.write("person", page, map[string]any{"Group": option("one")})
	w.is("in another case", w.one(`SELECT group_id::text FROM person WHERE id = 1`), "1")
	w.is("in another case", w.parked("person", "1"), "")
	w.write("person", page, map[string]any{"Group": option("")})
	w.is("none", w.one(`SELECT coalesce(group_id::text, 'none') FROM person WHERE id = 1`), "none")
	w.is("parked", w.parked("person", "1"), "")
	w.exec(`UPDATE person SET group_id = 4 WHERE id = 1`)
	w.touch("person", "1")
	w.is("a null label", w.shows(page, "Group"), "")
	w.exec(`UPDATE grp SET label = 'Zwei' WHERE id = 2`)
	w.sweep("person")
	w.is("renamed", w.shows(w.page("person", "2"), "Group"), "Zwei")
	w.exec(`UPDATE person SET group_id = NULL WHERE id = 1; DELETE FROM grp WHERE id = 4`)
	w.touch("person", "1")
	w.is("parked", w.parked("person", "1"), "")
}

// Pages that people make: without what the CRM wants they wait with a sentence, and become rows when they have it.
func TestAPageWithoutARequiredColumn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, personSQL, person)
	w.sweep("person")
	page, err := w.ada.Create(w.known("person").DataSource, map[string]any{"Email": map[string]any{"email": "new@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	w.pass(3 * time.Minute)
	w.poll("person", page)
	w.pass(3 * time.Minute)
	w.settle()
	reason := w.one(`SELECT string_agg(parked, '; ') FROM tandem.work`)
	w.says("why", reason, "name", "wants a value")
	w.edit(page, map[string]any{"Name": title("New")})
	w.poll("person", page)
	w.pass(3 * time.Minute)
	w.settle()
	w.is("row", w.one(`SELECT name || email FROM person WHERE id > 2`), "Newnew@example.com")
}

// The same for custom fields that are rows of their own: a session that holds such a row without touching the contact is waited for, and seen.
func TestAnAttributeThatChangesWhileWeWrite(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(person, `"custom": {"column": "extra"}`, `"custom": {"rows": {"table": "public.attr", "entity": "person_id", "name": "name", "value": "value", "type": "kind"}}`, 1)
	w := newWorld(t, personSQL+`; CREATE TABLE attr (person_id int REFERENCES person ON DELETE CASCADE, name text, kind text, value text, PRIMARY KEY (person_id, name));
		INSERT INTO attr VALUES (1, 'size', 'int', '1'), (1, 'vip', 'boolean', '0')`, doc)
	w.sweep("person")
	page := w.page("person", "1")
	for _, sql := range []string{`UPDATE attr SET value = '2' WHERE name = 'size'`, `INSERT INTO attr VALUES (2, 'size', 'int', '3')`} {
		if strings.HasPrefix(sql, "INSERT") {
			page = w.page("person", "2")
		}
		before := w.one(`SELECT count(*)::text FROM tandem.conflict`)
		w.edit(page, map[string]any{"size": number(9)})
		tx, err := w.db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.poll("person", page)
		}()
		for w.one(`SELECT count(*)::text FROM pg_locks WHERE NOT granted`) == "0" {
			time.Sleep(5 * time.Millisecond)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-done
		w.sweep("person")
		if after := w.one(`SELECT count(*)::text FROM tandem.conflict`); after == before {
			t.Errorf("%s: what lost is nowhere: %s", sql, w.one(`SELECT string_agg(person_id || name || value, ' ') FROM attr`))
		}
		w.is("equal", w.shows(page, "size"), w.one(`SELECT value FROM attr WHERE name = 'size' AND person_id = $1::int`, map[bool]int{true: 2, false: 1}[strings.HasPrefix(sql, "INSERT")]))
	}
	w.is("parked", w.one(`SELECT coalesce(string_agg(parked, ', '), '') FROM tandem.work`), "")
}
