package real

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

const leadSQL = `CREATE TABLE lead (id serial PRIMARY KEY, name text NOT NULL, email text, phone varchar(20), note text, code text, stage text, tags text[]);
	INSERT INTO lead (name, email, phone, note, code, stage, tags) VALUES
		('Ada', 'ada@example.com', '+33 6 12 34 56 78', 'old', 'A1', 'won', '{vip,press}'), ('Bob', 'bob@example.com', NULL, NULL, NULL, 'Won', '{VIP}')`

const lead = `{"sync": "real", "entity": "lead", "crm": {"table": "public.lead", "key": "id"}, "notion": {"database": "Leads"}, "typing_delay": "10s",
  "fields": [{"name": "name", "column": "name", "property": "Name", "type": "title", "typing_delay": "0s"},
   {"name": "email", "column": "email", "property": "Email", "type": "email", "guard": {"email": true}},
   {"name": "phone", "column": "phone", "property": "Phone", "type": "phone", "typing_delay": "0s", "never_blank": true, "guard": {"phone": "FR", "max_length": 20}},
   {"name": "note", "column": "note", "property": "Note", "type": "text", "typing_delay": "0s", "conflict": "hold"},
   {"name": "code", "column": "code", "property": "Code", "type": "text", "typing_delay": "0s", "write_once": true},
   {"name": "stage", "column": "stage", "property": "Stage", "type": "select"},
   {"name": "tags", "column": "tags", "property": "Tags", "type": "multi_select"}], "$defaults"}`

func (w *world) lead(column, id string) string {
	return w.one(`SELECT coalesce(`+column+`::text, 'null') FROM lead WHERE id = $1::int`, id)
}

func (w *world) holds(entity, key string) string {
	return w.one(`SELECT coalesce(string_agg(kind || '/' || field, ' ' ORDER BY kind, field), '') FROM tandem.hold WHERE link = $1`, w.link(entity, key).ID)
}

// What a mapping says of a field's edits, on real parts: PostgreSQL, the ledger in it, the emulator over HTTP.
func TestPoliciesOnRealParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, leadSQL, lead)
	w.sweep("lead")
	page := w.page("lead", "1")

	// Blanked on either side: it comes back.
	w.write("lead", page, map[string]any{"Phone": map[string]any{"phone_number": nil}})
	w.is("phone in Notion", w.shows(page, "Phone"), "+33 6 12 34 56 78")
	w.exec(`UPDATE lead SET phone = NULL WHERE id = 1`)
	w.touch("lead", "1")
	w.is("phone in the CRM", w.lead("phone", "1"), "+33 6 12 34 56 78")

	// Written once: both sides' edits are put back.
	w.exec(`UPDATE lead SET code = 'B2' WHERE id = 1`)
	w.edit(page, map[string]any{"Code": rich("C3")})
	w.poll("lead", page)
	w.touch("lead", "1")
	w.is("code in the CRM", w.lead("code", "1"), "A1")
	w.is("code in Notion", w.shows(page, "Code"), "A1")

	// A conflict that a person decides.
	w.exec(`UPDATE lead SET note = 'ours' WHERE id = 1`)
	w.edit(page, map[string]any{"Note": rich("theirs"), "Name": title("Ada L.")})
	w.poll("lead", page)
	w.touch("lead", "1")
	w.is("note in the CRM", w.lead("note", "1"), "ours")
	w.is("note in Notion", w.shows(page, "Note"), "theirs")
	w.is("what is not held goes on", w.lead("name", "1"), "Ada L.")
	w.is("holds", w.holds("lead", "1"), "conflict/note")
	w.says("parked", w.parked("lead", "1"), `the CRM has "ours", Notion has "theirs"`)
	w.write("lead", page, map[string]any{"Note": rich("ours")})
	w.is("holds once they agree", w.holds("lead", "1"), "")
	w.is("parked once they agree", w.parked("lead", "1"), "")

	rules := map[string]int{}
	for _, c := range w.conflicts("lead", "1") {
		rules[c.Field+" "+c.Rule]++
	}
	if rules["phone never_blank"] != 2 || rules["code write_once"] != 2 || len(rules) != 2 {
		t.Errorf("the history: %v", rules)
	}
}

func TestGuardsAndTypingOnRealParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, leadSQL, lead)
	w.sweep("lead")
	page := w.page("lead", "1")
	w.pass(5 * time.Minute)

	w.write("lead", page, map[string]any{"Phone": map[string]any{"phone_number": "12"}, "Name": title("Ada L.")})
	w.is("a phone number that is none", w.lead("phone", "1"), "+33 6 12 34 56 78")
	w.is("the rest goes on", w.lead("name", "1"), "Ada L.")
	w.says("parked", w.parked("lead", "1"), `phone: "12" is not a phone number (it is too short)`)
	w.exec(`UPDATE lead SET phone = '+33 6 99 99 99 99' WHERE id = 1`) // the CRM mends it, or a person does
	w.touch("lead", "1")
	w.write("lead", page, map[string]any{"Phone": map[string]any{"phone_number": "06 11 22 33 44"}})
	w.is("a person's own number", w.lead("phone", "1"), w.shows(page, "Phone"))
	w.is("nothing waits", w.parked("lead", "1"), "")

	// Typed: each half is polled, none is written.
	w.exec(`CREATE TABLE seen (email text); CREATE FUNCTION note_it() RETURNS trigger AS $$ BEGIN INSERT INTO seen VALUES (NEW.email); RETURN NEW; END $$ LANGUAGE plpgsql;
		CREATE TRIGGER t AFTER UPDATE OF email ON lead FOR EACH ROW EXECUTE FUNCTION note_it()`)
	for _, half := range []string{"ada@new.example", "ada@new.example.c", "ada@new.example.co"} {
		w.edit(page, map[string]any{"Email": map[string]any{"email": half}})
		links := w.link("lead", "1")
		seen, err := w.pages["lead"].Read(t.Context(), w.known("lead"), page)
		if err != nil {
			t.Fatal(err)
		}
		seen.Via, seen.Seq = "poll", links.Seq
		w.add(ledger.Reason{Sync: "real", Entity: "lead", Side: ledger.CRM, Lane: ledger.LaneLive, Why: "poll", Page: page, Seen: &seen})
		for range 6 {
			for _, s := range w.sinks {
				if _, err := s.RunOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.pass(500 * time.Millisecond)
		}
	}
	w.is("while it is typed", w.lead("email", "1"), "ada@example.com")
	w.settle()
	w.is("when it rests", w.lead("email", "1"), "ada@new.example.co")
	w.is("what the CRM ever saw", w.one(`SELECT string_agg(DISTINCT email, ' ') FROM seen`), "ada@new.example.co")
	w.is("nothing is left of it", w.one(`SELECT coalesce(seen::text, '') FROM tandem.link WHERE key = '1'`), "")
}

// "won" and "Won" are one option to Notion. Neither row is rewritten for it.
func TestOptionsThatDifferInCapitals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, leadSQL, lead)
	w.sweep("lead")
	first, second := w.page("lead", "1"), w.page("lead", "2")
	if a, b := w.shows(first, "Stage"), w.shows(second, "Stage"); !strings.EqualFold(a, "won") || a != b {
		t.Fatalf("the emulator tells %q and %q apart", a, b)
	}
	w.poll("lead", first, second)
	w.sweep("lead")
	w.write("lead", second, map[string]any{"Name": title("Bob B.")})
	w.is("stages", w.one(`SELECT string_agg(stage, ' ' ORDER BY id) FROM lead`), "won Won")
	w.is("tags", w.one(`SELECT string_agg(tags::text, ' ' ORDER BY id) FROM lead`), "{vip,press} {VIP}")
	w.is("names", w.one(`SELECT string_agg(name, ' ' ORDER BY id) FROM lead`), "Ada Bob B.")
	if n := len(w.conflicts("lead", "1")) + len(w.conflicts("lead", "2")); n != 0 {
		t.Errorf("%d conflicts", n)
	}
}
