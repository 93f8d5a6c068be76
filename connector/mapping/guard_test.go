package mapping

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// handled compiles the minimal mapping with one more field.
func handled(t *testing.T, field string) Field {
	t.Helper()
	e := compileAll(t, strings.Replace(minimal, `"fields": [`, `"fields": [`+field+`,`, 1))["e"]
	f, ok := e.Field("x")
	if !ok {
		t.Fatalf("no field x in %s", field)
	}
	return f
}

func guarded(t *testing.T, typ, guard string) Field {
	t.Helper()
	return handled(t, fmt.Sprintf(`{"name": "x", "column": "c", "type": %q, "guard": %s}`, typ, guard))
}

func TestGuards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typ, guard string
		passes     []string
		refused    map[string]string // value → a part of the reason
	}{
		{"email", `{"email": true}`,
			[]string{"ada@example.com", "ada.lovelace+crm@mail.example.co.uk", "o'neil@example.org", "ada@müller.example", "a@b.io", "a@xn--mller-kva.example"},
			map[string]string{"johndoe@gmai": `its domain "gmai" has no dot`, "ada": "it has no @", "ada@": "form", "@example.com": "form", "ada@example": "no dot",
				"ada@example..com": "", "ada@-example.com": "no domain", "ada@example.c": "no domain", "ada@example.123": "no domain", "Ada <ada@example.com>": "form",
				"ada@example.com, eve@example.com": "form", "ada@example.com.": "", "ada @example.com": "", "ada@exa mple.com": "",
				"ada\u200b@example.com": "invisible", "\u202aada@example.com\u202c": "invisible"}},
		{"phone", `{"phone": true}`,
			[]string{"+33 6 12 34 56 78", "+1 (212) 555-0123", "06 12 34 56 78", "212.555.0123", "+49 30 901820", "+44 20 7946 0018 ext. 12", "0049 30 901820"},
			map[string]string{"12": "it is too short", "+33 6 12": "too short", "+33 6 12 34 56 78 90 12 34": "too long", "call me": "what no number has", "+999 123456789": "country",
				"+": "", "123456789012345678": "too long", "06 12 34 56 7": ""}},
		{"phone", `{"phone": "FR"}`, []string{"06 12 34 56 78", "+33 6 12 34 56 78", "+1 212 555 0123"}, map[string]string{"12": "too short", "06 12": "", "06 12 34 56 78 90": "too long"}},
		{"text", `{"pattern": "[A-Z]{2}[0-9]+|none"}`, []string{"AB12", "none"}, map[string]string{"xAB12": "does not have the form", "AB12\n": "", "nonesuch": "form"}},
		{"select", `{"one_of": ["lead", "customer"]}`, []string{"lead", "customer"}, map[string]string{"Lead": "none of the values that the CRM takes: lead, customer", "prospect": "none"}},
		{"text", `{"max_length": 3}`, []string{"abc", "äöü", "日本語"}, map[string]string{"abcd": "has 4 characters; the CRM takes 3"}},
		{"number", `{"pattern": "[0-9]+"}`, []string{"12"}, map[string]string{"-1": "form", "1.5": "form"}},
	} {
		t.Run(tt.typ+tt.guard, func(t *testing.T) {
			t.Parallel()
			f := guarded(t, tt.typ, tt.guard)
			for _, text := range tt.passes {
				if reason := f.Refuses(change.TextValue(text)); reason != "" {
					t.Errorf("%q is refused: %s", text, reason)
				}
			}
			for text, want := range tt.refused {
				if tt.typ == "phone" && text == "06 12 34 56 7" {
					continue // without a region nobody can know
				}
				if reason := f.Refuses(change.TextValue(text)); reason == "" || !strings.Contains(reason, want) {
					t.Errorf("%q: %q, want %q in it", text, reason, want)
				}
			}
			for _, empty := range []change.Value{change.NullValue(), change.SetValue(), {}} {
				if reason := f.Refuses(empty); reason != "" {
					t.Errorf("an empty value is refused: %s", reason)
				}
			}
		})
	}
}

func TestGuardedSetsAndEmptiness(t *testing.T) {
	t.Parallel()
	tags := guarded(t, "multi_select", `{"one_of": ["a", "b"], "never_empty": true}`)
	for value, refused := range map[string]bool{"a": false, "a b": false, "a c": true, "": true} {
		if reason := tags.Refuses(change.TextSet(strings.Fields(value)...)); (reason != "") != refused {
			t.Errorf("%q: %q", value, reason)
		}
	}
	due := guarded(t, "date", `{"never_empty": true}`)
	if due.Refuses(change.NullValue()) == "" || due.Refuses(change.DateValue(1)) != "" || due.Refuses(change.Value{}) != "" {
		t.Error("never_empty: an empty date passes, or a date does not, or what was not read is taken for empty")
	}
}

// What may stand in a mapping, and what may not, with all of its problems at once.
func TestHandlingIsChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ field, want string }{
		{`"type": "text", "conflict": "newest"`, "conflict"},
		{`"type": "text", "typing_delay": "ten seconds"`, "typing_delay"},
		{`"type": "text", "typing_delay": "2h"`, "between 0 and 1h"},
		{`"type": "text", "guard": {}`, "guard"},
		{`"type": "text", "guard": {"email": false}`, "guards nothing"},
		{`"type": "text", "guard": {"pattern": "("}`, "the pattern cannot be read"},
		{`"type": "phone", "guard": {"phone": "XX"}`, "no region has the code"},
		{`"type": "phone", "guard": {"phone": "fr"}`, "phone"},
		{`"type": "text", "guard": {"one_of": ["a", "a"]}`, "stands twice"},
		{`"type": "date", "guard": {"pattern": "x"}`, "has no text to look at"},
		{`"type": "checkbox", "guard": {"never_empty": true}`, "never empty"},
		{`"type": "checkbox", "never_blank": true`, "never empty"},
		{`"type": "checkbox", "write_once": true`, "written once"},
		{`"type": "text", "direction": "to_notion", "conflict": "hold"`, "has no conflicts"},
		{`"type": "text", "direction": "to_notion", "guard": {"max_length": 3}`, "nothing of this field goes to the CRM"},
		{`"type": "text", "direction": "to_notion", "typing_delay": "3s"`, "nothing of this field goes to the CRM"},
		{`"type": "text", "unknown_options": "park"`, "unknown options belong to select"},
		{`"type": "select", "unknown_options": "drop"`, "unknown_options"},
		{`"type": "select", "unknown_options": "map"`, "map needs one of the field's options"},
		{`"type": "select", "unknown_options": "map", "unknown_as": "b", "options": [{"crm": "a"}]`, "map needs one of the field's options"},
		{`"type": "select", "unknown_options": "park", "unknown_as": "a", "options": [{"crm": "a"}]`, "where those are mapped"},
		{`"type": "multi_select", "function": {"name": "f"}, "unknown_options": "map", "unknown_as": "a", "options": [{"crm": "a"}]`, "leave one of the two away"},
		{`"type": "status", "unknown_options": "create"`, "one that somebody adds in the second"},
	} {
		_, ds := Parse([]byte(strings.Replace(minimal, `"fields": [`, `"fields": [{"name": "x", "column": "c", `+tt.field+`},`, 1)))
		if all := fmt.Sprint(ds); !strings.Contains(all, tt.want) {
			t.Errorf("%s: %q, want %q", tt.field, all, tt.want)
		}
	}
	_, ds := Parse([]byte(strings.Replace(minimal, `"fields": [`, `"fields": [{"name": "x", "column": "c", "type": "checkbox", "never_blank": true, "write_once": true, "typing_delay": "2h"},`, 1)))
	if len(ds) != 3 {
		t.Errorf("three problems are reported as %v", ds)
	}
}

func TestTypingDelaysOfEntityAndField(t *testing.T) {
	t.Parallel()
	with := func(field string) time.Duration {
		text := strings.Replace(minimal, `"fields": [`, `"typing_delay": "10s", "fields": [`+field+`,`, 1)
		f, _ := compileAll(t, text)["e"].Field("x")
		return f.TypingDelay
	}
	for field, want := range map[string]time.Duration{
		`{"name": "x", "column": "c", "type": "text"}`:                              10 * time.Second,
		`{"name": "x", "column": "c", "type": "text", "typing_delay": "1m30s"}`:     90 * time.Second,
		`{"name": "x", "column": "c", "type": "text", "typing_delay": "0s"}`:        0,
		`{"name": "x", "column": "c", "type": "text", "direction": "to_notion"}`:    0, // nothing of it goes to the CRM
		`{"name": "x", "column": "c", "type": "select"}`:                            0, // chosen, not typed
		`{"name": "x", "column": "c", "type": "select", "typing_delay": "5s"}`:      5 * time.Second,
		`{"name": "x", "column": "c", "type": "checkbox", "direction": "to_crm"}`:   0,
		`{"name": "x", "column": "c", "type": "email", "direction": "to_crm"}`:      10 * time.Second,
		`{"name": "x", "column": "c", "type": "phone", "guard": {"phone": "FR"}}`:   10 * time.Second,
		`{"name": "x", "column": "c", "type": "number", "conflict": "notion_wins"}`: 10 * time.Second,
	} {
		if got := with(field); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
	if f := handled(t, `{"name": "x", "column": "c", "type": "text"}`); f.Conflict != ledger.LastWriteWins || f.NeverBlank || f.WriteOnce || f.TypingDelay != 0 {
		t.Errorf("without a word: %+v", f)
	}
}

// What an entity says of all of its fields is said of those that say nothing of their own, and of those that it makes sense of.
func TestDefaultsOfAnEntity(t *testing.T) {
	t.Parallel()
	said := `"defaults": {"conflict": "notion_wins", "tie": "notion", "initial": "notion", "never_blank": true, "critical": true},
		"custom": {"column": "extra", "names": {"note": {"type": "text"}, "own": {"type": "text", "conflict": "hold", "never_blank": false, "critical": false}}}, "fields": [
		{"name": "plain", "column": "c1", "type": "text"}, {"name": "own", "column": "c2", "type": "text", "conflict": "hold", "tie": "crm", "initial": "crm", "never_blank": false, "critical": false},
		{"name": "box", "column": "c3", "type": "checkbox"}, {"name": "down", "column": "c4", "type": "text", "direction": "to_notion"},`
	text := strings.Replace(minimal, `"fields": [`, said, 1)
	if _, ds := Parse([]byte(text)); len(ds) > 0 {
		t.Fatalf("defaults make %v", ds)
	}
	e := compileAll(t, text)["e"]
	note, _ := e.CustomField(CustomPrefix+"note", TypeText)
	own, _ := e.CustomField(CustomPrefix+"own", TypeText)
	fields := map[string]Field{"custom note": note, "custom own": own}
	for _, f := range e.Fields {
		fields[f.Name] = f
	}
	for name, want := range map[string]string{
		"plain": "notion_wins notion notion true true", "own": "hold crm crm false false", "box": "notion_wins notion notion false true",
		"down": "notion_wins notion notion true true", "custom note": "notion_wins notion notion true true", "custom own": "hold notion notion false false",
	} {
		f := fields[name]
		if got := fmt.Sprint(f.Conflict, " ", f.Tie, " ", f.Initial, " ", f.NeverBlank, " ", f.Critical); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	oneWay := strings.Replace(minimal, `"fields": [`, `"defaults": {"direction": "to_notion"}, "fields": [{"name": "up", "column": "c1", "type": "text", "direction": "both"}, {"name": "x", "column": "c", "type": "text"},`, 1)
	e = compileAll(t, oneWay)["e"]
	if x, _ := e.Field("x"); x.ToCRM() {
		t.Error("the entity's fields go to Notion only, and this one goes to the CRM")
	}
	if up, _ := e.Field("up"); !up.ToCRM() {
		t.Error("the field's own word counts for nothing")
	}
	for _, wrong := range []string{`{"conflict": "newest"}`, `{"guard": {}}`, `{"tie": "both"}`} {
		if _, ds := Parse([]byte(strings.Replace(minimal, `"fields": [`, `"defaults": `+wrong+`, "fields": [`, 1))); len(ds) == 0 {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

// A custom field is handled as any other.
func TestCustomFieldsAreHandled(t *testing.T) {
	t.Parallel()
	text := strings.Replace(minimal, `"fields": [`, `"custom": {"column": "extra", "names": {"vat": {"type": "text", "write_once": true, "conflict": "crm_wins", "guard": {"pattern": "[A-Z]{2}[0-9]+"}}}}, "fields": [`, 1)
	f, ok := compileAll(t, text)["e"].FieldFor("custom.vat", change.TextValue("x"))
	if !ok || !f.WriteOnce || f.Conflict != ledger.CRMWins || f.Refuses(change.TextValue("x")) == "" || f.Refuses(change.TextValue("FR12")) != "" {
		t.Errorf("%+v, %t", f, ok)
	}
}
