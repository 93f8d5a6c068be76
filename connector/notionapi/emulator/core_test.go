package emulator

import "testing"

func TestCreateQueryPatchGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, src := w.table("Contacts", `{"Name":{"title":{}},"Age":{"number":{}},"Tag":{"select":{"options":[{"name":"A","color":"red"}]}}}`)
	id := w.row(src, `{"Name":{"title":[{"text":{"content":"Ada"}}]},"Age":{"number":36},"Tag":{"select":{"name":"B"}}}`)
	q := w.ok("POST", "/v1/data_sources/"+src+"/query", `{"filter":{"property":"Age","number":{"equals":36}}}`)
	if got := q.str("results", "0", "id"); got != id {
		t.Errorf("query found %q, want %q: %s", got, id, q.raw)
	}
	w.ok("PATCH", "/v1/pages/"+id, `{"properties":{"Age":{"number":null}}}`)
	g := w.ok("GET", "/v1/pages/"+id, "")
	if g.at("properties", "Age", "number") != nil || g.str("properties", "Tag", "select", "name") != "B" {
		t.Errorf("page reads %s", g.raw)
	}
	t.Log(g.raw)
}
