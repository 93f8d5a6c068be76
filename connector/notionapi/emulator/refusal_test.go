package emulator

import (
	"strings"
	"testing"
)

// TestWrongTypesRefused: a value of the wrong type in any place is refused in
// Notion's words, never taken for an absent one.
func TestWrongTypesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.version = "2026-03-11"
	_, src := w.table("T", `{"Name":{"title":{}},"N":{"number":{}},"Tag":{"select":{}},"Calc":{"formula":{"expression":"1"}},"Nr":{"unique_id":{}}}`)
	page := w.row(src, titled("x"))
	block := w.ok("PATCH", "/v1/blocks/"+page+"/children", `{"children":[{"paragraph":{"rich_text":[]}}]}`).str("results", "0", "id")
	ds, pg, kids, one := "/v1/data_sources/"+src, "/v1/pages/"+page, "/v1/blocks/"+page+"/children", "/v1/blocks/"+block
	para := `{"children":[{"paragraph":{"rich_text":[]}}],`
	at := `{"parent":{"data_source_id":"` + src + `"},`
	talk := `{"parent":{"page_id":"` + page + `"},"rich_text":[{"text":{"content":"x"}}],`
	for _, c := range []struct{ method, path, body, message string }{
		{"PATCH", ds, `{"properties":{"N":{"name":"","number":{}}}}`, "body failed validation: body.properties.N.name should be populated, instead was `\"\"`."},
		{"PATCH", ds, `{"properties":{"N":{"name":5,"number":{}}}}`, "body failed validation: body.properties.N.name should be a string, instead was `5`."},
		{"PATCH", ds, `{"properties":{"N":{"description":5}}}`, "body failed validation: body.properties.N.description should be a string or `null`, instead was `5`."},
		{"PATCH", ds, `{"properties":{"Nr":{"unique_id":{"prefix":5}}}}`, "body failed validation: body.properties.Nr.unique_id.prefix should be a string or `null`, instead was `5`."},
		{"PATCH", ds, `{"properties":{"Calc":{"formula":{"expr":"1"}}}}`, "body failed validation: body.properties.Calc.formula.expr should be not present, instead was `\"1\"`."},
		{"PATCH", ds, `{"properties":{"N":{"type":"checkbox","number":{}}}}`, "body failed validation: body.properties.N.type should be `\"number\"` or `undefined`, instead was `\"checkbox\"`."},
		{"PATCH", ds, `{"properties":{"X":{"checkbox":{"a":1}}}}`, "body failed validation: body.properties.X.checkbox.a should be not present, instead was `1`."},
		{"PATCH", ds, `{"properties":{"Tag":{"select":{"options":[{"name":"a","description":5}]}}}}`, "body failed validation: body.properties.Tag.select.options[0].description should be a string or `null`, instead was `5`."},
		{"PATCH", pg, `{"properties":{"Tag":{"select":{"name":"a","color":"mauve"}}}}`, "body failed validation: body.properties.Tag.select.color should be `\"default\"`, `\"gray\"`, `\"brown\"`, `\"orange\"`, `\"yellow\"`, `\"green\"`, `\"blue\"`, `\"purple\"`, `\"pink\"`, `\"red\"`, or `undefined`, instead was `\"mauve\"`."},
		{"PATCH", kids, para + `"position":5}`, "body failed validation: body.position should be an object or `undefined`, instead was `5`."},
		{"PATCH", kids, para + `"position":{"type":"top"}}`, "body failed validation: body.position.type should be `\"after_block\"`, `\"start\"`, or `\"end\"`, instead was `\"top\"`."},
		{"PATCH", kids, para + `"position":{"type":"after_block","after_block":{"id":"q"}}}`, "body failed validation: body.position.after_block.id should be a valid uuid, instead was `\"q\"`."},
		{"PATCH", one, `{"colour":"red"}`, "body failed validation: body.colour should be not present, instead was `\"red\"`."},
		{"PATCH", one, `{"paragraph":{"rich_text":[]},"to_do":{"rich_text":[]}}`, "body failed validation: body.to_do should be not present, instead was `{\"rich_text\":[]}`."},
		{"PATCH", one, `{"type":"to_do","paragraph":{"rich_text":[]}}`, "body failed validation: body.type should be `\"paragraph\"` or `undefined`, instead was `\"to_do\"`."},
		{"POST", "/v1/pages", `{"parent":{"type":"page_id","data_source_id":"` + src + `"}}`, "body failed validation: body.parent.type should be `\"data_source_id\"` or `undefined`, instead was `\"page_id\"`."},
		{"POST", "/v1/pages", `{"parent":{"page_id":"` + testRoot + `","data_source_id":"` + src + `"}}`, "body failed validation: body.parent.data_source_id should be not present, instead was `\"" + src + "\"`."},
		{"POST", "/v1/pages", at + `"position":5}`, "body failed validation: body.position should be an object or `undefined`, instead was `5`."},
		{"POST", "/v1/pages", at + `"template":5}`, "body failed validation: body.template should be an object or `undefined`, instead was `5`."},
		{"POST", "/v1/pages", at + `"allow_async":"yes"}`, "body failed validation: body.allow_async should be a boolean or `undefined`, instead was `\"yes\"`."},
		{"POST", "/v1/pages", at + `"properties":{"Name":{"title":[{"text":{"content":"x"},"annotations":5}]}}}`, "body failed validation: body.properties.Name.title[0].annotations should be an object or `undefined`, instead was `5`."},
		{"POST", "/v1/comments", talk + `"attachments":5}`, "body failed validation: body.attachments should be an array or `undefined`, instead was `5`."},
		{"POST", "/v1/comments", talk + `"display_name":5}`, "body failed validation: body.display_name should be an object or `undefined`, instead was `5`."},
		{"POST", "/v1/comments", talk + `"display_name":{"type":"boss"}}`, "body failed validation: body.display_name.type should be `\"integration\"`, `\"user\"`, or `\"custom\"`, instead was `\"boss\"`."},
		{"POST", ds + "/query", `{"filter":{"property":"Calc","formula":{"number":{"equals":1},"string":{"equals":"a"}}}}`, "body failed validation: body.filter.formula.number should be not present, instead was `{\"equals\":1}`."},
		{"POST", ds + "/query", `{"filter":{"property":"N","type":"checkbox","number":{"equals":1}}}`, "body failed validation: body.filter.type should be `\"number\"` or `undefined`, instead was `\"checkbox\"`."},
		{"POST", ds + "/query", `{"sorts":[{"property":"N","timestamp":"created_time","direction":"ascending"}]}`, "body failed validation: body.sorts[0].timestamp should be not present, instead was `\"created_time\"`."},
		{"POST", ds + "/query", `{"filter":null}`, "body failed validation: body.filter should be an object or `undefined`, instead was `null`."},
		{"POST", "/v1/search", `{"sort":{"timestamp":"last_edited_time","direction":"ascending","x":1}}`, "body failed validation: body.sort.x should be not present, instead was `1`."},
	} {
		w.refused(c.method, c.path, c.body, 400, "validation_error", c.message)
	}
	w.version = "2025-09-03"
	w.refused("PATCH", kids, para+`"after":5}`, 400, "validation_error", "body failed validation: body.after should be a string, instead was `5`.")
	w.refused("PATCH", kids, para+`"after":"q"}`, 400, "validation_error", "body failed validation: body.after should be a valid uuid, instead was `\"q\"`.")
}

// TestNoCycles: nothing may be moved below itself, where no one would see it again.
func TestNoCycles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db, src := w.table("Outer", `{"Name":{"title":{}}}`)
	page := w.row(src, titled("row"))
	inner := w.ok("POST", "/v1/databases", `{"parent":{"page_id":"`+page+`"},"title":[{"text":{"content":"Inner"}}]}`).str("id")
	second := w.ok("POST", "/v1/data_sources", `{"parent":{"database_id":"`+db+`"},"properties":{"Name":{"title":{}}}}`).str("id")
	below := w.row(second, titled("row of the second"))
	deep := w.ok("POST", "/v1/databases", `{"parent":{"page_id":"`+below+`"},"title":[{"text":{"content":"Deep"}}]}`).str("id")
	for _, c := range [][2]string{
		{"/v1/databases/" + db, `{"parent":{"page_id":"` + page + `"}}`},
		{"/v1/data_sources/" + second, `{"parent":{"database_id":"` + deep + `"}}`},
	} {
		if a := w.do("PATCH", c[0], c[1]); a.status != 400 || a.str("code") != "validation_error" || !strings.Contains(a.str("message"), "itself") {
			t.Errorf("%s %s = %s", c[0], c[1], a.raw)
		}
	}
	w.ok("GET", "/v1/databases/"+inner, "")
	w.ok("GET", "/v1/databases/"+deep, "")
}

// TestRefusedUpdateChangesNothing: when one property of a schema request is
// refused, the conversions before it did not touch the rows.
func TestRefusedUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db, src := w.table("T", `{"Name":{"title":{}},"A":{"rich_text":{}},"B":{"number":{}}}`)
	page := w.row(src, `{"Name":{"title":[{"text":{"content":"x"}}]},"A":{"rich_text":[{"text":{"content":"kept"}}]}}`)
	before := w.ok("GET", "/v1/pages/"+page, "").at("properties", "A", "rich_text", "0", "plain_text")
	w.refused("PATCH", "/v1/data_sources/"+src, `{"properties":{"A":{"checkbox":{}},"Nope":null}}`, 400, "validation_error", "Nope is not a property that exists.")
	if now := w.ok("GET", "/v1/pages/"+page, "").at("properties", "A", "rich_text", "0", "plain_text"); before != "kept" || now != before {
		t.Errorf("A was %v, after a refused request it is %v", before, now)
	}
	home := w.ok("POST", "/v1/pages", `{"parent":{"page_id":"`+testRoot+`"},"properties":{"title":[{"text":{"content":"home"}}]}}`).str("id")
	w.version = "2022-06-28"
	w.refused("PATCH", "/v1/databases/"+db, `{"parent":{"page_id":"`+home+`"},"properties":{"Nope":null}}`, 400, "validation_error", "Nope is not a property that exists.")
	if p := w.ok("GET", "/v1/databases/"+db, "").str("parent", "page_id"); p != testRoot {
		t.Errorf("a refused request moved the database to %s", p)
	}
}

// TestUniqueIDAfterMoves: a number is given once in a data source, also to rows that come back.
func TestUniqueIDAfterMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	schema := `{"Name":{"title":{}},"Nr":{"unique_id":{"prefix":"T"}}}`
	_, a := w.table("A", schema)
	_, b := w.table("B", schema)
	first, second := w.row(a, titled("1")), w.row(a, titled("2"))
	for _, to := range []string{b, a} {
		w.ok("POST", "/v1/pages/"+second+"/move", `{"parent":{"data_source_id":"`+to+`"}}`)
	}
	number := func(id string) any {
		return w.ok("GET", "/v1/pages/"+id, "").at("properties", "Nr", "unique_id", "number")
	}
	if x, y := number(first), number(second); x == y {
		t.Errorf("two rows have number %v", x)
	}
}

// TestChildlessBlocks take no children later either.
func TestChildlessBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.ok("PATCH", "/v1/blocks/"+testRoot+"/children", `{"children":[{"divider":{}}]}`).str("results", "0", "id")
	w.refused("PATCH", "/v1/blocks/"+id+"/children", `{"children":[{"divider":{}}]}`, 400, "validation_error", "Block does not support children.")
}
