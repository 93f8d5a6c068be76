package real

import (
	"fmt"
	"strings"
	"testing"
)

const wide = `{"sync": "real", "entity": "wide", "crm": {"table": "app.\"Wide Table\"", "key": "Id", "new_key": "uuid7", "time_zone": "Europe/Paris",
    "set": {"touched": "now", "version": "increment", "by": {"value": "tandem"}}},
  "notion": {"database": "Wide"}, "fields": [
  {"name": "name", "column": "name", "type": "title"}, {"name": "short", "column": "short", "type": "text"}, {"name": "money", "column": "money", "type": "number"},
  {"name": "small", "column": "small", "type": "number"}, {"name": "big", "column": "big", "type": "number"}, {"name": "real", "column": "real", "type": "number"},
  {"name": "mood", "column": "mood", "type": "select"}, {"name": "age", "column": "age", "type": "number"}, {"name": "code", "column": "code", "type": "text"},
  {"name": "must", "column": "must", "type": "text"}, {"name": "flag", "column": "flag", "type": "checkbox"}, {"name": "day", "column": "day", "type": "date"},
  {"name": "local", "column": "local", "type": "datetime"}, {"name": "instant", "column": "instant", "type": "datetime"}, {"name": "upper", "column": "upper", "type": "text"},
  {"name": "sum", "column": "sum", "type": "number", "direction": "to_notion"}, {"name": "labels", "column": "labels", "type": "multi_select"},
  {"name": "simple", "column": "simple", "type": "multi_select"}, {"name": "doc", "column": "doc", "type": "multi_select"}, {"name": "mail", "column": "mail", "type": "email"},
  {"name": "tel", "column": "tel", "type": "phone"}, {"name": "link", "column": "link", "type": "url"}, {"name": "padded", "column": "padded", "type": "text"}
  ], "$defaults"}`

const wideSQL = `CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('happy', 'sad'); CREATE DOMAIN app.code AS text CHECK (VALUE ~ '^[A-Z]{3}$');
	CREATE TABLE app."Wide Table" ("Id" uuid PRIMARY KEY, name varchar(20), short varchar(5), money numeric(5,2), small smallint, big bigint, "real" real, mood app.mood,
		age int CHECK (age >= 0), code app.code, must text NOT NULL DEFAULT 'x', flag boolean, day date, "local" timestamp(0), instant timestamptz, upper text,
		sum numeric GENERATED ALWAYS AS (age * 2) STORED, labels text[], simple text, doc json, mail varchar(180) UNIQUE, tel text, link text, padded char(8),
		touched timestamp, version int NOT NULL DEFAULT 1, "by" text, CONSTRAINT small_and_big CHECK (small IS NULL OR big IS NULL OR small < big));
	CREATE FUNCTION app.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.upper = 'forbidden' THEN RAISE EXCEPTION 'nobody may say %', NEW.upper; END IF;
		IF NEW.upper = 'skip' THEN RETURN NULL; END IF;
		NEW.upper := upper(NEW.upper); RETURN NEW; END $$;
	CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON app."Wide Table" FOR EACH ROW EXECUTE FUNCTION app.shout();
	INSERT INTO app."Wide Table" ("Id", name, mail) VALUES ('00000000-0000-4000-8000-00000000000a', 'one', 'one@example.com'), ('00000000-0000-4000-8000-00000000000b', 'two', 'two@example.com')`

const (
	keyA = "00000000-0000-4000-8000-00000000000a"
	keyB = "00000000-0000-4000-8000-00000000000b"
)

// Whatever the CRM's database refuses parks this one edit, with a sentence; everything else goes on, and the next good value goes through.
func TestEveryRefusalOfTheCRM(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wideSQL, wide)
	w.sweep("wide")
	page, other := w.page("wide", keyA), w.page("wide", keyB)
	for _, c := range []struct {
		property string
		bad      map[string]any
		want     []string
		good     map[string]any
		then     string // what the column holds then
	}{
		{"short", rich("longer"), []string{"short", "5"}, rich("fits"), "fits"},
		{"short", rich("éééé🙂🙂"), []string{"short", "5"}, rich("éééé🙂"), "éééé🙂"},
		{"money", number(1000), []string{"money", "beyond"}, number(999.99), "999.99"},
		{"small", number(40000), []string{"small", "beyond"}, number(-32768), "-32768"},
		{"small", number(1.5), []string{"small", "whole"}, number(7), "7"},
		{"small", number(1e300), []string{"small"}, number(8), "8"},
		{"big", number(5), []string{"small_and_big"}, number(9007199254740991), "9007199254740991"},
		{"mood", option("furious"), []string{"mood", "furious"}, option("sad"), "sad"},
		{"age", number(-1), []string{"age", "Wide Table_age_check"}, number(40), "40"},
		{"code", rich("abc"), []string{"code"}, rich("ABC"), "ABC"},
		{"must", rich(""), []string{"must"}, rich("y"), "y"},
		{"mail", map[string]any{"email": "TWO@example.com"}, []string{"mail", "another row"}, map[string]any{"email": "three@example.com"}, "three@example.com"},
		{"upper", rich("forbidden"), []string{"nobody may say forbidden"}, rich("LOUD"), "LOUD"},
		{"upper", rich("skip"), []string{"skipped the write"}, rich("LOUDER"), "LOUDER"},
		{"day", date("0000-01-01"), []string{"day", "years"}, date("2026-02-28"), "2026-02-28"},
		{"padded", rich("nine char"), []string{"padded", "8"}, rich("pad"), "pad"},
	} {
		if err := w.ada.Edit(page, map[string]any{c.property: c.bad}); err != nil {
			t.Fatal(err)
		}
		w.poll("wide", page)
		reason := w.parked("wide", keyA)
		w.says("reason", reason, c.want...)
		if strings.Contains(reason, "SQLSTATE") {
			t.Errorf("not plain: %s", reason)
		}
		// The other row goes on.
		w.write("wide", other, map[string]any{"tel": map[string]any{"phone_number": c.property}})
		w.is("other goes on", w.one(`SELECT tel FROM app."Wide Table" WHERE "Id" = $1`, keyB), c.property)
		w.write("wide", page, map[string]any{c.property: c.good})
		w.is("column "+c.property, w.one(`SELECT "`+c.property+`"::text FROM app."Wide Table" WHERE "Id" = $1`, keyA), c.then)
		w.is("parked", w.parked("wide", keyA), "")
	}
	w.is("trigger's sum", w.shows(page, "sum"), "80")
	w.is("by", w.one(`SELECT "by" FROM app."Wide Table" WHERE "Id" = $1`, keyA), "tandem")
	// A trigger that changes what is written: its form travels back.
	w.write("wide", page, map[string]any{"upper": rich("quiet")})
	w.is("upper row", w.one(`SELECT upper FROM app."Wide Table" WHERE "Id" = $1`, keyA), "QUIET")
	w.is("upper page", w.shows(page, "upper"), "QUIET")
	w.write("wide", page, map[string]any{"upper": rich("quieter")})
	w.is("upper page", w.shows(page, "upper"), "QUIETER")
	w.write("wide", page, map[string]any{"money": number(1.005)})
	w.is("money row", w.one(`SELECT money::text FROM app."Wide Table" WHERE "Id" = $1`, keyA), "1.01")
	w.is("money page", w.shows(page, "money"), "1.01")
	w.write("wide", page, map[string]any{"real": number(0.1)})
	w.is("real row", w.one(`SELECT "real"::text FROM app."Wide Table" WHERE "Id" = $1`, keyA), "0.1")
	w.write("wide", page, map[string]any{"real": number(16777217)}) // a float4 has not so many digits
	w.is("real page", w.shows(page, "real"), "16777216")
	w.is("parked", w.parked("wide", keyA), "")
	if n := len(w.conflicts("wide", keyA)); n != 0 {
		t.Errorf("%d conflicts", n)
	}
}

// The hour that a clock shows twice, and the one that it skips.
func TestTimesWithoutAZone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wideSQL+`; UPDATE app."Wide Table" SET local = '2026-03-29 02:30:00', instant = '2026-10-25 01:30:45Z' WHERE "Id" = '`+keyA+`'; UPDATE app."Wide Table" SET local = '2026-10-25 02:30:15' WHERE "Id" = '`+keyB+`'`, wide)
	w.sweep("wide")
	page, other := w.page("wide", keyA), w.page("wide", keyB)
	w.is("gap", w.shows(page, "local"), "2026-03-29T01:30:00Z")
	w.is("fold", w.shows(other, "local"), "2026-10-25T01:30:00Z") // as PostgreSQL reads it: the second
	// The first 02:30 cannot be said without a zone: it is read back as the second, and the page says so.
	w.write("wide", other, map[string]any{"local": date("2026-10-25T02:31:00+02:00")})
	w.is("the first, row", w.one(`SELECT local::text FROM app."Wide Table" WHERE "Id" = $1`, keyB), "2026-10-25 02:31:00")
	w.is("the first, page", w.shows(other, "local"), "2026-10-25T01:31:00Z")
	w.is("parked", w.parked("wide", keyB), "")
	w.write("wide", other, map[string]any{"local": date("2026-07-01T12:00:00.000Z")})
	w.is("summer", w.one(`SELECT local::text FROM app."Wide Table" WHERE "Id" = $1`, keyB), "2026-07-01 14:00:00")
	w.write("wide", other, map[string]any{"local": date("2026-07-02")})
	w.is("a day", w.one(`SELECT local::text FROM app."Wide Table" WHERE "Id" = $1`, keyB), "2026-07-02 00:00:00")
	w.is("parked", w.parked("wide", keyA), "")
	w.is("gap stays", w.one(`SELECT local::text FROM app."Wide Table" WHERE "Id" = $1`, keyA), "2026-03-29 02:30:00")
}

// What a page cannot hold parks the row's fields; all that it can hold goes through as it is.
func TestEveryRefusalOfNotion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wideSQL, wide)
	w.sweep("wide")
	page := w.page("wide", keyA)
	for i, c := range []struct{ column, value, want, shows string }{
		{"must", strings.Repeat("x", 200_000), "", strings.Repeat("x", 200_000)},
		{"must", strings.Repeat("x", 200_001), "200001", ""},
		{"must", strings.Repeat("🙂", 1001) + "é\u200fשלום\t\u00a0x", "", strings.Repeat("🙂", 1001) + "é\u200fשלום\t\u00a0x"},
		{"must", "\n", "", ""},
		{"must", "\u00a0a\r\nb ", "", "a\nb"},
		{"mail", strings.Repeat("a", 95) + "@b.c", "", strings.Repeat("a", 95) + "@b.c"},
		{"mail", strings.Repeat("a", 100) + "@b.c", "100", ""},
		{"mail", "no address at all", "", "no address at all"},
		{"tel", "+33 (0)6 12;ext=4", "", "+33 (0)6 12;ext=4"},
		{"link", "javascript:alert(1)", "", "javascript:alert(1)"},
		{"link", "not a link", "", "not a link"},
		{"big", "9007199254740993", "digits", ""},
		{"big", "9007199254740992", "", "9007199254740992"},
		{"day", "10000-01-01", "9999", ""},
		{"day", "0001-01-01", "", "0001-01-01"},
		{"day", "0044-03-15 BC", "9999", ""},
		{"day", "-infinity", "infinite", ""},
		{"real", "NaN", "NaN", ""},
		{"real", "0.1", "", "0.1"},
		{"labels", "{\"a,b\",c}", "comma", ""},
		{"labels", "{A,a}", "case", ""},
		{"labels", "{b,NULL,a,a}", "", "a|b"},
		{"simple", "x,y ,,z", "", "x|y|z"},
		{"doc", `["q", 1, true]`, "", "1|q|true"},
		{"doc", `{"no": 1}`, "JSON", ""},
	} {
		w.exec(`UPDATE app."Wide Table" SET must = $2, mail = NULL, big = NULL, day = NULL, "real" = NULL, labels = NULL, simple = NULL, doc = NULL WHERE "Id" = $1`, keyA, fmt.Sprintf("before %d", i))
		w.touch("wide", keyA)
		w.exec(`UPDATE app."Wide Table" SET "`+c.column+`" = $2::text::`+map[string]string{"big": "bigint", "day": "date", "real": "real", "labels": "text[]", "doc": "json"}[c.column]+map[bool]string{true: "text", false: ""}[strings.Contains("must mail tel link simple", c.column)]+` WHERE "Id" = $1`, keyA, c.value)
		w.touch("wide", keyA)
		reason := w.parked("wide", keyA)
		if c.want == "" {
			w.is("parked", reason, "")
			if got := w.shows(page, c.column); got != c.shows {
				t.Errorf("%s shows %.80q, want %.80q", c.column, got, c.shows)
			}
			continue
		}
		w.says("reason", reason, c.column, c.want)
	}
}
