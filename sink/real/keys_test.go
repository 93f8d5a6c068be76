package real

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// A person's page becomes a row, however the CRM makes its keys.
func TestNewRowsGetTheirKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, column, newKey, match string }{
		{"default", "id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY", "default", `^1$`},
		{"serial", "id bigserial PRIMARY KEY", "default", `^1$`},
		{"sequence", "id bigint PRIMARY KEY", "sequence:public.s", `^77$`},
		{"sequence into text", "id text PRIMARY KEY", "sequence:public.s", `^77$`},
		{"uuid4", "id uuid PRIMARY KEY", "uuid4", `^[0-9a-f]{8}-[0-9a-f]{4}-4`},
		{"uuid7 as text", "id varchar(36) PRIMARY KEY", "uuid7", `^[0-9a-f]{8}-[0-9a-f]{4}-7`},
		{"ulid as uuid", "id uuid PRIMARY KEY", "ulid", `^[0-9a-f-]{36}$`},
		{"ulid", "id char(26) PRIMARY KEY", "ulid", `^[0-9A-Z]{26}$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			doc := strings.NewReplacer(`"key": "id"`, `"key": "id", "new_key": "`+c.newKey+`"`, `"custom": {"column": "extra"}, `, ``).Replace(thing)
			w := newWorld(t, `CREATE SEQUENCE s START 77; CREATE TABLE thing (`+c.column+`, name text)`, doc)
			page, err := w.ada.Create(w.known("thing").DataSource, map[string]any{"Name": title("new")})
			if err != nil {
				t.Fatal(err)
			}
			w.poll("thing", page)
			w.pass(3 * time.Minute)
			w.settle()
			key := w.one(`SELECT id::text FROM thing`)
			if !regexp.MustCompile(c.match).MatchString(key) {
				t.Errorf("the new row has the key %q", key)
			}
			w.is("linked", w.link("thing", key).Page, page)
			w.is("external", w.shows(page, "Tandem ID"), w.link("thing", key).External)
			w.exec(`UPDATE thing SET name = 'changed'`)
			w.touch("thing", key)
			w.is("name", w.shows(page, "Name"), "changed")
		})
	}
}

const member = `{"sync": "real", "entity": "member", "crm": {"table": "public.member", "key": ["tenant", "code"], "soft_delete": "gone", "where": "kind = 'person' AND tenant <> 0"},
  "notion": {"database": "Members"}, "fields": [
  {"name": "name", "column": "name", "type": "title"},
  {"name": "boss", "relation": {"entity": "member", "column": ["boss_tenant", "boss_code"], "reverse": "Reports"}, "type": "relation"},
  {"name": "deputy", "relation": {"entity": "member", "column": ["deputy_tenant", "deputy_code"], "reverse": "Deputises for"}, "type": "relation"},
  {"name": "friends", "relation": {"entity": "member", "join": {"table": "public.friend", "source": ["a_tenant", "a_code"], "target": ["b_tenant", "b_code"]}, "reverse": "Friend of"}, "type": "relation"}],
  "creates": {"to_notion": true, "to_crm": false}, "deletes": {"to_notion": "trash", "to_crm": "soft"}, "mode": {"to_notion": "write", "to_crm": "write"}}`

const company = `{"sync": "real", "entity": "company", "crm": {"table": "public.member", "key": ["tenant", "code"], "where": "kind = 'company'", "soft_delete": "gone"},
  "notion": {"database": "Companies"}, "fields": [{"name": "name", "column": "name", "type": "title"},
  {"name": "chair", "relation": {"entity": "member", "column": ["boss_tenant", "boss_code"]}, "type": "relation"}],
  "creates": {"to_notion": true}, "mode": {"to_notion": "write", "to_crm": "write"}}`

const memberSQL = `CREATE TABLE member (tenant int, code text, kind text NOT NULL DEFAULT 'person', name text, boss_tenant int, boss_code text, deputy_tenant int, deputy_code text, gone boolean NOT NULL DEFAULT false,
	PRIMARY KEY (tenant, code), FOREIGN KEY (boss_tenant, boss_code) REFERENCES member DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE friend (a_tenant int, a_code text, b_tenant int, b_code text, PRIMARY KEY (a_tenant, a_code, b_tenant, b_code),
	  FOREIGN KEY (b_tenant, b_code) REFERENCES member DEFERRABLE INITIALLY DEFERRED);
	BEGIN; INSERT INTO member (tenant, code, name, boss_tenant, boss_code) VALUES (1, 'a', 'Ann', 1, 'b'), (1, 'b', 'Bob', 1, 'c'), (1, 'c', 'Cy', 1, 'a'), (1, 'd, "x"', 'Dot', 1, 'd, "x"'), (0, 'z', 'Zero', NULL, NULL);
	INSERT INTO member (tenant, code, kind, name, boss_tenant, boss_code) VALUES (1, 'acme', 'company', 'Acme', 1, 'a');
	INSERT INTO friend VALUES (1, 'a', 1, 'b'), (1, 'b', 1, 'a'), (1, 'a', 1, 'a'); COMMIT`

// One table with two entities, keys of two columns, relations to itself in a circle, by foreign key and by join table, two to one target.
func TestRelationsInACircle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, memberSQL, member, company)
	for range 2 {
		w.sweep("member")
		w.sweep("company")
	}
	a, b, c, d := w.page("member", `["1","a"]`), w.page("member", `["1","b"]`), w.page("member", `["1","c"]`), w.page("member", `["1","d, \"x\""]`)
	acme := w.page("company", `["1","acme"]`)
	w.is("boss of a", w.shows(a, "boss"), b)
	w.is("boss of b", w.shows(b, "boss"), c)
	w.is("boss of c", w.shows(c, "boss"), a)
	w.is("boss of d", w.shows(d, "boss"), d)
	w.is("chair", w.shows(acme, "chair"), a)
	w.is("friends of b", w.shows(b, "friends"), a)
	w.is("reports of a", w.shows(a, "Reports"), c)
	w.is("zero", w.link("member", `["0","z"]`).Page, "")
	w.is("nothing waits", w.one(`SELECT coalesce(string_agg(parked, ', '), '') FROM tandem.work`), "")
	w.spent()
	w.sweep("member")
	if writes := w.spent(); len(writes) != 0 {
		t.Errorf("a fixed point is none: %q", writes)
	}
	w.write("member", a, map[string]any{"boss": related(d), "deputy": related(c), "friends": related(c, d)})
	w.is("boss", w.one(`SELECT boss_code FROM member WHERE code = 'a'`), `d, "x"`)
	w.is("deputy", w.one(`SELECT deputy_code FROM member WHERE code = 'a'`), `c`)
	w.is("friends", w.one(`SELECT string_agg(b_code, '|' ORDER BY b_code) FROM friend WHERE a_code = 'a'`), `c|d, "x"`)
	// Edited on the far side: the dual property's edit is the owner's.
	w.edit(b, map[string]any{"Reports": related(c)})
	w.poll("member", b, c, a)
	// Notion adds what the far side names; the CRM keeps one, and the base shows which of them is new.
	w.is("two bosses", w.parked("member", `["1","c"]`), "")
	w.is("the page sheds the former one", w.shows(c, "boss"), b)
	if got := w.conflicts("member", `["1","c"]`); len(got) != 0 {
		t.Errorf("an ordinary edit: %+v", got)
	}
	w.is("boss of c", w.one(`SELECT boss_code FROM member WHERE code = 'c'`), `b`)
	w.write("member", c, map[string]any{"boss": related()})
	w.is("cleared", w.one(`SELECT (boss_code IS NULL AND boss_tenant IS NULL)::text FROM member WHERE code = 'c'`), "true")
	w.is("nothing waits", w.one(`SELECT coalesce(string_agg(parked, ', '), '') FROM tandem.work`), "")
	// A row that changes its kind: out of one entity, into the other.
	w.exec(`UPDATE member SET kind = 'company' WHERE code = 'd, "x"'`)
	w.touch("member", `["1","d, \"x\""]`)
	w.touch("company", `["1","d, \"x\""]`)
	if w.link("company", `["1","d, \"x\""]`).Page == "" {
		t.Error("the company has no page")
	}
	w.is("state", string(w.link("member", `["1","d, \"x\""]`).State), "out_of_scope")
	// Rekeyed.
	w.exec(`BEGIN; UPDATE member SET code = 'bb' WHERE code = 'b'; UPDATE member SET boss_code = 'bb' WHERE boss_code = 'b'; UPDATE friend SET b_code = 'bb' WHERE b_code = 'b'; UPDATE friend SET a_code = 'bb' WHERE a_code = 'b'; COMMIT`)
	w.add(ledger.Reason{Sync: "real", Entity: "member", Side: ledger.Notion, Lane: ledger.LaneLive, Why: "rekey", Key: `["1","b"]`, NewKey: `["1","bb"]`})
	w.sweep("member")
	w.is("rekeyed", w.page("member", `["1","bb"]`), b)
	w.is("boss of c", w.shows(c, "boss"), "")
	// Soft-deleted, and back.
	w.exec(`UPDATE member SET gone = true WHERE code = 'c'`)
	w.touch("member", `["1","c"]`)
	if in, _ := w.ada.InTrash(c); !in {
		t.Error("the page of a soft-deleted row is not in the trash")
	}
	w.exec(`UPDATE member SET gone = false, name = 'Cyrus' WHERE code = 'c'`)
	w.touch("member", `["1","c"]`)
	w.is("restored", w.shows(c, "name"), "Cyrus")
	// Trashed by a person: soft-deleted.
	if err := w.ada.Trash(a); err != nil {
		t.Fatal(err)
	}
	w.poll("member", a)
	w.is("gone", w.one(`SELECT gone::text FROM member WHERE code = 'a'`), "true")
	w.sweep("company")
	w.is("its chair stays in the CRM", w.one(`SELECT boss_code FROM member WHERE code = 'acme'`), "a")
	w.is("nothing is wrong", w.one(`SELECT coalesce(string_agg(parked, ', '), '') FROM tandem.work`), "")
}
