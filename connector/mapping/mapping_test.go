package mapping

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
)

const examples = "../../deploy/examples/mappings/"

func exampleText(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(examples + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func compileAll(t testing.TB, texts ...string) map[string]*Entity {
	t.Helper()
	var docs []Document
	for _, text := range texts {
		d, ds := Parse([]byte(text))
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		docs = append(docs, d)
	}
	entities, ds := Compile(docs)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	byName := map[string]*Entity{}
	for _, e := range entities {
		byName[e.Name] = e
	}
	return byName
}

func compileExamples(t testing.TB) map[string]*Entity {
	t.Helper()
	return compileAll(t, exampleText(t, "task"), exampleText(t, "opportunity"), exampleText(t, "contact"))
}

func TestExamplesCompile(t *testing.T) {
	t.Parallel()
	all := compileExamples(t)
	ranks := map[string]int{}
	for name, e := range all {
		ranks[name] = e.Rank
	}
	if diff := cmp.Diff(map[string]int{"contact": 0, "opportunity": 1, "task": 2}, ranks); diff != "" {
		t.Error("parents come before children: ", diff)
	}
	contact := all["contact"]
	phone, _ := contact.Field("phone")
	if !phone.Critical || phone.Function.Name != "phone.e164" || !strings.Contains(string(phone.Function.Config), "FR") {
		t.Errorf("phone is %+v", phone)
	}
	want := []Reverse{{"task", "contact", "Tasks"}, {"opportunity", "contact", "Opportunities"}, {"opportunity", "stakeholders", "Involved in"}}
	if diff := cmp.Diff(want, contact.Reverses()); diff != "" {
		t.Error(diff)
	}
	if contact.Title().Name != "name" || contact.Hash == all["task"].Hash || len(contact.Hash) != 32 {
		t.Errorf("title %q, hash %q", contact.Title().Name, contact.Hash)
	}
}

const minimal = `{"sync": "s", "entity": "e", "crm": {"table": "public.t", "key": "id"}, "notion": {"database": "T"}, "fields": [{"name": "n", "column": "n", "type": "title"}]}`

func TestParseTellsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, ds := Parse([]byte(`{"sync": "s", "entiti": "e", "crm": {"table": "contact", "key": [], "new_key": "uid4"}, "notion": {"database": ""},
		"fields": [{"name": "n", "colum": "n", "type": "titel"}], "mode": {"to_crm": "writes"}, "sync": "again", "brakes": {"share": 2}}`))
	var got []string
	for _, d := range ds {
		got = append(got, d.Path+": "+d.Summary+" "+d.Detail)
	}
	for _, want := range []string{
		`entiti: there is no such key did you mean "entity"?`, "entity: this key is missing", "crm.table: ", "crm.key: ", "crm.new_key: ", "notion.database: ",
		`fields[0].colum: there is no such key did you mean "column"?`, `fields[0].type: "titel" is not one of`, `did you mean "title"?`,
		`mode.to_crm: "writes" is not one of observe, write did you mean "write"?`, "sync: this key stands twice", "brakes.share: ",
	} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("nothing says %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if _, ds := Parse([]byte("{\n  \"sync\": x}")); len(ds) != 1 || !strings.Contains(ds[0].Detail, "line 2") {
		t.Errorf("broken JSON: %v", ds)
	}
}

func TestParseFindsContradictions(t *testing.T) {
	t.Parallel()
	with := func(crm, fields, rest string) string {
		return fmt.Sprintf(`{"sync": "s", "entity": "e", "crm": {"table": "public.t", "key": "id" %s}, "notion": {"database": "T"},
			"fields": [{"name": "n", "column": "n", "type": "title"} %s] %s}`, crm, fields, rest)
	}
	tests := []struct{ crm, fields, rest, want string }{
		{`, "where": "a = 1; DROP TABLE t"`, "", "", "crm.where: it is one SQL expression"},
		{`, "where": "(a = 'x'"`, "", "", "crm.where: a parenthesis is not closed"},
		{`, "where": "a = 1) OR (b = 1"`, ``, ``, ""},
		{`, "where": "a = 1 -- all"`, "", "", "crm.where: it holds no comments"},
		{`, "time_zone": "Mars/Phobos"`, "", "", "crm.time_zone: no time zone is named"},
		{`, "set": {"updated_at": "nov"}`, "", "", "the document cannot be read"},
		{`, "set": {"id": 1}`, "", "", "crm.set.id: the key is not set"},
		{`, "set": {"n": 1}`, "", "", "crm.set.n: a field writes this column too"},
		{`, "set_on_insert": {"v": "increment"}`, "", "", "a new row has nothing to increment"},
		{"", `, {"name": "n", "column": "m", "type": "text"}`, "", `fields[1].name: the field "n" is named twice`},
		{"", `, {"name": "m", "property": " N ", "column": "m", "type": "text"}`, "", `fields[1].property: two properties`},
		{"", `, {"name": "m", "property": "tandem id", "column": "m", "type": "text"}`, "", `the other one is notion.external_id`},
		{"", `, {"name": "m", "column": "n", "type": "text"}`, "", `two fields write the column "n"`},
		{"", `, {"name": "m", "column": "m", "type": "title"}`, "", "exactly one field has the type title, not 2"},
		{"", `, {"name": "m", "type": "text"}`, "", "fields[1]: give exactly one of column, lookup and relation"},
		{"", `, {"name": "m", "column": "m", "type": "relation"}`, "", "the type relation and a relation go together"},
		{"", `, {"name": "m", "column": "id", "type": "number"}`, "", "the key cannot be edited"},
		{"", `, {"name": "m", "column": "m", "type": "text", "options": [{"crm": "a"}]}`, "", "options belong to select"},
		{"", `, {"name": "m", "column": "m", "type": "select", "options": [{"crm": "a"}, {"crm": "b", "notion": "A"}]}`, "", "capital letters"},
		{"", `, {"name": "m", "column": "m", "type": "select", "options": [{"crm": "a,b"}]}`, "", "comma"},
		{"", `, {"name": "m", "column": "m", "type": "number", "empty": ""}`, "", "empty text cannot be written"},
		{"", `, {"name": "custom.x", "column": "m", "type": "text"}`, "", "is reserved"},
		{"", "", `, "custom": {}`, "give exactly one of both"},
		{"", "", `, "deletes": {"to_crm": "soft"}`, "soft deletes need crm.soft_delete"},
	}
	for _, tt := range tests {
		_, ds := Parse([]byte(with(tt.crm, tt.fields, tt.rest)))
		all := fmt.Sprint(ds)
		if tt.want != "" && (!ds.HasErrors() || !strings.Contains(all, tt.want)) {
			t.Errorf("%s%s%s: %s; want %q", tt.crm, tt.fields, tt.rest, all, tt.want)
		}
		if tt.want == "" && !strings.Contains(all, "closes that was not opened") {
			t.Errorf("%s: %s", tt.crm, all)
		}
	}
}

func TestCompileFindsWhatDocumentsDisagreeOn(t *testing.T) {
	t.Parallel()
	relation := func(sync, entity, database, table, rel string) string {
		return fmt.Sprintf(`{"sync": %q, "entity": %q, "crm": {"table": %q, "key": "id"}, "notion": {"database": %q},
			"fields": [{"name": "n", "property": "Name", "column": "n", "type": "title"}, {"name": "r", "type": "relation", "relation": %s}]}`, sync, entity, table, database, rel)
	}
	join := `"join": {"table": "public.j", "source": "a", "target": "b"}`
	tests := []struct {
		docs []string
		want string
	}{
		{[]string{relation("s", "a", "A", "public.a", `{"entity": "contcat", "column": "c"}`), relation("s", "contact", "C", "public.c", `{"entity": "a", "column": "c"}`)}, `did you mean "contact"?`},
		{[]string{minimal, strings.Replace(minimal, `"sync": "s"`, `"sync": "other"`, 1)}, "two documents describe"},
		{[]string{minimal, strings.NewReplacer(`"sync": "s"`, `"sync": "o"`, `"entity": "e"`, `"entity": "f"`).Replace(minimal)}, "different syncs"},
		{[]string{minimal, strings.Replace(minimal, `"entity": "e"`, `"entity": "f"`, 1)}, "same Notion database"},
		{[]string{relation("s", "a", "A", "public.a", `{"entity": "b", `+join+`}`), relation("s", "b", "B", "public.b", `{"entity": "a", `+join+`}`)}, "belongs to another relation"},
		{[]string{relation("s", "a", "A", "public.a", `{"entity": "a", "column": "p", "reverse": "name"}`)}, "has a property"},
		{[]string{relation("s", "a", "A", "public.a", `{"entity": "b", "column": ["p", "q"]}`), relation("s", "b", "B", "public.b", `{"entity": "a", "column": "p"}`)}, "has 1 columns, not 2"},
	}
	for _, tt := range tests {
		var docs []Document
		for _, text := range tt.docs {
			d, ds := Parse([]byte(text))
			if ds.HasErrors() {
				t.Fatal(ds)
			}
			docs = append(docs, d)
		}
		entities, ds := Compile(docs)
		if all := fmt.Sprint(ds); entities != nil || !strings.Contains(all, tt.want) {
			t.Errorf("%s; want %q", all, tt.want)
		}
	}
	circle := compileAll(t, relation("s", "a", "A", "public.a", `{"entity": "b", "column": "x"}`), relation("s", "b", "B", "public.b", `{"entity": "a", "column": "x"}`),
		relation("s", "c", "C", "public.c", `{"entity": "a", "column": "x"}`), relation("s", "d", "D", "public.d", `{"entity": "d", "column": "parent"}`))
	if circle["a"].Rank != circle["b"].Rank || circle["c"].Rank <= circle["a"].Rank || circle["d"].Rank != 0 {
		t.Errorf("ranks: a %d, b %d, c %d, d %d", circle["a"].Rank, circle["b"].Rank, circle["c"].Rank, circle["d"].Rank)
	}
}

// The schema that authors see and the structs that decode have the same keys.
func TestSchemaAndStructsAgree(t *testing.T) {
	t.Parallel()
	var tree map[string]any
	if err := json.Unmarshal(Schema, &tree); err != nil {
		t.Fatal(err)
	}
	for url, typ := range map[string]any{
		"#": Document{}, "#/$defs/crm": CRM{}, "#/$defs/notion": Notion{}, "#/$defs/field": Rule{}, "#/$defs/lookup": Lookup{}, "#/$defs/join": Join{},
		"#/$defs/relation": Relation{}, "#/$defs/use": FunctionUse{}, "#/$defs/option": Option{}, "#/$defs/custom": Custom{}, "#/$defs/rows": Attributes{},
		"#/$defs/custom_name": CustomRule{}, "#/$defs/deletes": Deletes{}, "#/$defs/creates": Creates{}, "#/$defs/mode": Modes{}, "#/$defs/brakes": Brakes{}, "#/$defs/brake": Brake{},
		"#/$defs/guard": Guard{},
	} {
		var keys []string
		for _, field := range reflect.VisibleFields(reflect.TypeOf(typ)) {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); !field.Anonymous {
				keys = append(keys, name)
			}
		}
		slices.Sort(keys)
		if diff := cmp.Diff(propertiesAt(tree, url), keys); diff != "" {
			t.Errorf("%s: %s", url, diff)
		}
	}
	types := tree["$defs"].(map[string]any)["type"].(map[string]any)["enum"].([]any)
	if len(types) != len(Types) {
		t.Errorf("the schema knows %d types, the code %d", len(types), len(Types))
	}
}

func TestRulesHashWhatMakesTheValue(t *testing.T) {
	t.Parallel()
	rule := func(text string) (hash, document string) {
		e := compileAll(t, strings.Replace(minimal, `"fields": [`, `"fields": [`+text+`,`, 1))["e"]
		f, _ := e.Field("x")
		return f.Rule, e.Hash
	}
	base, doc := rule(`{"name": "x", "column": "c", "type": "text"}`)
	for _, same := range []string{`{"name": "x", "column": "c", "type": "text", "property": "Other"}`, `{"name": "x", "column": "c", "type": "text", "critical": true, "direction": "to_crm", "tie": "notion"}`,
		`{"name": "x", "column": "c", "type": "text", "conflict": "hold", "never_blank": true, "write_once": true, "typing_delay": "10s", "guard": {"max_length": 3}}`} {
		r, d := rule(same)
		if r != base || d == doc {
			t.Errorf("%s: rule changed %v, document changed %v; want only the document to", same, r != base, d != doc)
		}
	}
	for _, other := range []string{`{"name": "x", "column": "d", "type": "text"}`, `{"name": "x", "column": "c", "type": "email"}`, `{"name": "x", "column": "c", "type": "text", "function": {"name": "f"}}`, `{"name": "x", "column": "c", "type": "text", "empty": ""}`} {
		if r, _ := rule(other); r == base {
			t.Errorf("%s has the rule of another", other)
		}
	}
}

func TestKeysRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`.{1,8}`), 1, 3).Draw(t, "parts")
		got, err := SplitKey(JoinKey(parts...), len(parts))
		if err != nil || !slices.Equal(got, parts) {
			t.Fatalf("%q became %q, %v", parts, got, err)
		}
	})
	if key := EncodeKey(change.IntValue(1), change.NullValue()); key != "" {
		t.Errorf("a key with a null in it became %q", key)
	}
	if key := EncodeKey(change.UUIDValue("A0"), change.TextValue("<b>")); key != `["a0","<b>"]` {
		t.Errorf("got %s", key)
	}
	for _, bad := range []string{"", "[1,2]", `["a"]`, "x"} {
		if got, err := SplitKey(bad, 2); err == nil {
			t.Errorf("%q was read as %q", bad, got)
		}
	}
}

func TestRootKeys(t *testing.T) {
	t.Parallel()
	all := compileExamples(t)
	tests := []struct {
		entity, table string
		row           map[string]change.Value
		want          []string
	}{
		{"contact", "public.contact", map[string]change.Value{"id": change.IntValue(7), "company_id": change.IntValue(1)}, []string{"7"}},
		{"contact", "public.contact_tag", map[string]change.Value{"contact_id": change.IntValue(7), "tag_id": change.IntValue(1)}, []string{"7"}},
		{"contact", "public.company", map[string]change.Value{"id": change.IntValue(1)}, nil}, // the reverse of a foreign key is never asked
		{"contact", "public.opportunity_contact", map[string]change.Value{"opportunity_id": change.IntValue(1), "contact_id": change.IntValue(2)}, nil},
		{"opportunity", "public.opportunity_contact", map[string]change.Value{"opportunity_id": change.IntValue(1), "contact_id": change.IntValue(2)}, []string{"1"}},
		{"opportunity", "public.opportunity_attribute", map[string]change.Value{"id": change.IntValue(5)}, nil}, // a delete without the identity
		{"opportunity", "public.opportunity_attribute", map[string]change.Value{"opportunity_id": change.IntValue(9)}, []string{"9"}},
		{"task", "public.contact", map[string]change.Value{"id": change.IntValue(7)}, nil},
	}
	for _, tt := range tests {
		got := all[tt.entity].RootKeys(tt.table, func(name string) (change.Value, bool) { v, ok := tt.row[name]; return v, ok })
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s, %s: got %v, want %v", tt.entity, tt.table, got, tt.want)
		}
	}
	var tables []string
	for _, table := range all["opportunity"].Tables() {
		tables = append(tables, table.String())
	}
	if diff := cmp.Diff([]string{"public.opportunity", "public.opportunity_contact", "public.opportunity_attribute"}, tables); diff != "" {
		t.Error(diff)
	}
}

func TestInference(t *testing.T) {
	t.Parallel()
	e := compileExamples(t)["contact"]
	text := change.TextValue
	tests := []struct {
		sample change.Value
		want   Type
	}{
		{change.BoolValue(true), TypeCheckbox}, {change.DecimalValue("1.5"), TypeNumber}, {change.DecimalValue("12345678901234567890.5"), TypeText},
		{text("2026-05-01"), TypeDate}, {text("2026-13-01"), TypeText}, {text("2026-05-01T10:00:00Z"), TypeDateTime}, {text("https://e.com/x y"), TypeText},
		{text("https://e.com/x"), TypeURL}, {text("a@b.fr"), TypeEmail}, {text("a@b"), TypeText}, {text("+33 6 12 34 56 78"), TypePhone}, {text("06.12.34.56.78"), TypePhone},
		{text("2026"), TypeText}, {text("hello"), TypeText}, {change.JSONValue(`["a","b"]`), TypeMultiSelect},
		{change.NullValue(), ""}, {text(" "), ""}, {change.JSONValue("[]"), ""}, {change.JSONValue(`{"a": 1}`), ""},
		{change.ListValue(text("2026-05-01"), change.NullValue(), text("2026-05-01T10:00:00Z")), TypeDateTime},
		{change.ListValue(change.DecimalValue("1"), text("n/a")), TypeText}, {change.ListValue(), ""},
	}
	for _, tt := range tests {
		f, ok := e.FieldFor("custom.k", tt.sample)
		if ok != (tt.want != "") || f.Type != tt.want {
			t.Errorf("%s %q: got %q, %v; want %q", tt.sample.Kind(), tt.sample, f.Type, ok, tt.want)
		}
	}
	for name, want := range map[string]string{"custom.k": "k", "custom.email": "email (custom)", "custom.tasks": "tasks (custom)", "custom.tandem id": "tandem id (custom)"} {
		if f, _ := e.CustomField(name, "rich_text"); f.Property != want || f.Type != TypeText {
			t.Errorf("%s has the property %q of type %q, want %q of text", name, f.Property, f.Type, want)
		}
	}
	for _, name := range []string{"custom._secret", "custom.", "k"} {
		if _, ok := e.CustomField(name, TypeText); ok {
			t.Errorf("%q became a field", name)
		}
	}
	few := CustomName{Name: "custom.plan", Rows: 40, Distinct: 2, Samples: []change.Value{text("Gold"), text("Silver")}}
	if f, _ := e.CustomFieldOf(few); f.Type != TypeSelect {
		t.Errorf("two values in 40 rows are %s, want options", f.Type)
	}
	few.Samples[0] = text("Gold, really")
	if f, _ := e.CustomFieldOf(few); f.Type != TypeText {
		t.Errorf("values with commas are %s, want text", f.Type)
	}
}

func TestAllowList(t *testing.T) {
	t.Parallel()
	e := compileExamples(t)["contact"]
	for column, want := range map[string]bool{"email": true, "company_id": true, "updated_at": true, "deleted_at": true, "custom_fields": true, "created_at": true,
		"id": true, "password_hash": false, "": false, "EMAIL": false} {
		if got := e.MayWrite("public", "contact", column); got != want {
			t.Errorf("%s may be written: %v, want %v", column, got, want)
		}
	}
	if e.MayWrite("other", "contact", "email") || e.MayWrite("public", "task", "title") {
		t.Error("a column of another table may be written")
	}
}
