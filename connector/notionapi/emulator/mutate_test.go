package emulator

import (
	"fmt"
	"strings"
	"testing"
)

// bodies are valid requests; every part of each is replaced in turn below.
var bodies = [][3]string{
	{"POST", "/v1/pages", `{"parent":{"type":"data_source_id","data_source_id":"SRC"},"properties":{"Name":{"type":"title","title":[{"type":"text","text":{"content":"x","link":{"url":"https://x"}},"annotations":{"bold":true,"color":"red"}}]},
		"Text":{"rich_text":[{"mention":{"page":{"id":"PAGE"}}},{"mention":{"date":{"start":"2026-01-01"}}},{"equation":{"expression":"e"}}]},"N":{"number":1},"Tag":{"select":{"name":"q"}},"Tags":{"multi_select":[{"name":"q"}]},
		"Stage":{"status":{"name":"Done"}},"Due":{"date":{"start":"2026-01-01T10:00","end":"2026-01-02T10:00","time_zone":"Europe/Berlin"}},"Who":{"people":[{"id":"USER"}]},
		"Docs":{"files":[{"name":"n","external":{"url":"u"}}]},"Ok":{"checkbox":true},"Site":{"url":"u"},"Mail":{"email":"m"},"Tel":{"phone_number":"1"},"Spot":{"place":{"lat":1,"lon":2}},"Rel":{"relation":[{"id":"PAGE"}]}},
		"children":[{"type":"toggle","toggle":{"rich_text":[],"children":[{"paragraph":{"rich_text":[]}}]}}],"icon":{"emoji":"x"},"cover":{"external":{"url":"u"}},"markdown":"a"}`},
	{"PATCH", "/v1/pages/PAGE", `{"properties":{"Tag":{"select":null},"Rel":{"relation":[]}},"in_trash":false,"is_archived":false,"is_locked":true,"erase_content":true,"icon":null,"cover":null}`},
	{"POST", "/v1/pages/PAGE/move", `{"parent":{"type":"page_id","page_id":"ROOT"}}`},
	{"POST", "/v1/databases", `{"parent":{"type":"page_id","page_id":"ROOT"},"title":[{"text":{"content":"d"}}],"description":[],"is_inline":true,"icon":{"emoji":"x"},"initial_data_source":{"properties":{"T":{"title":{}},
		"S":{"type":"select","description":"about","select":{"options":[{"name":"a","color":"red","description":"d"}]}},"R":{"relation":{"data_source_id":"SRC","type":"dual_property","dual_property":{"synced_property_name":"Back"}}},
		"U":{"unique_id":{"prefix":"P"}},"St":{"status":{"options":[{"name":"a","group":"Complete"}]}},"Ro":{"rollup":{"function":"count","relation_property_name":"R","rollup_property_name":"Name"}},"F":{"formula":{"expression":"1"}}}}}`},
	{"PATCH", "/v1/databases/DB", `{"title":[{"text":{"content":"d"}}],"description":[{"text":{"content":"d"}}],"parent":{"type":"page_id","page_id":"ROOT"},"is_inline":true,"is_locked":true,"in_trash":false}`},
	{"PATCH", "/v1/data_sources/SRC", `{"title":[{"text":{"content":"d"}}],"icon":{"emoji":"x"},"in_trash":false,"properties":{"N":{"name":"M","number":{"format":"euro"}},"Text":null,"New":{"url":{}},"Tag":{"select":{"options":[{"name":"a"}]}},"Due":{"rich_text":{}},"Rel":{"relation":{"data_source_id":"SRC","single_property":{}}}}}`},
	{"POST", "/v1/data_sources", `{"parent":{"type":"database_id","database_id":"DB"},"title":[],"properties":{"T":{"title":{}}}}`},
	{"POST", "/v1/data_sources/SRC/query", `{"filter":{"and":[{"property":"N","number":{"greater_than":0}},{"or":[{"property":"Tag","select":{"equals":["a"]}},{"timestamp":"created_time","created_time":{"on_or_after":"today"}},{"property":"Due","date":{"past_week":{}}},
		{"property":"Roll","rollup":{"any":{"rich_text":{"contains":"x"}}}},{"property":"Roll","rollup":{"number":{"equals":1}}},{"property":"Calc","formula":{"string":{"equals":"x"}}},{"property":"Who","people":{"contains":"me"}},{"property":"Rel","relation":{"contains":"PAGE"}}]}]},
		"sorts":[{"property":"Roll","direction":"ascending"},{"property":"Who","direction":"descending"},{"timestamp":"created_time","direction":"ascending"}],"page_size":3,"in_trash":false,"result_type":"page"}`},
	{"PATCH", "/v1/blocks/PAGE/children", `{"children":[{"to_do":{"rich_text":[{"text":{"content":"x"}}],"checked":true,"color":"red"}}]}`},
	{"PATCH", "/v1/blocks/PAGE/children", `{"children":[{"image":{"external":{"url":"u"},"caption":[{"text":{"content":"x"}}]}},{"link_to_page":{"page_id":"PAGE"}},{"file":{"file_upload":{"id":"PAGE"}}},
		{"table":{"table_width":1,"children":[{"table_row":{"cells":[[{"text":{"content":"x"}}]]}}]}},{"synced_block":{"synced_from":{"block_id":"PAGE"}}},
		{"callout":{"rich_text":[{"mention":{"template_mention":{"template_mention_date":"today"}}},{"mention":{"custom_emoji":{"id":"PAGE"}}}],"icon":{"icon":{"name":"n","color":"red"}}}},
		{"column_list":{"children":[{"column":{"children":[{"divider":{}}],"width_ratio":0.5}}]}}]}`},
	{"POST", "/v1/comments", `{"parent":{"page_id":"PAGE"},"rich_text":[{"text":{"content":"x"}}],"display_name":{"type":"custom","custom":{"name":"n"}},"attachments":[]}`},
	{"POST", "/v1/search", `{"query":"a","sort":{"timestamp":"last_edited_time","direction":"ascending"},"filter":{"property":"object","value":"page","in_trash":false},"page_size":2}`},
	{"POST", "/v1/file_uploads", `{"mode":"multi_part","filename":"f","content_type":"t","number_of_parts":2}`},
}

// odd is what stands in for a part of a valid body.
func odd() []any {
	return []any{nil, undefined{}, true, -1.5, 1e308, "", "x", "2026-01-01", strings.Repeat("y", 2100), []any{}, []any{nil}, []any{obj()}, obj(), obj("name", "z"), obj("id", 3.0)}
}

// variants calls f with v once for each part replaced by each odd value.
func variants(v any, f func(any)) {
	switch v := v.(type) {
	case *object:
		for i := range v.keys {
			was := v.vals[i]
			for _, o := range odd() {
				if _, gone := o.(undefined); gone {
					less := &object{}
					for j, k := range v.keys {
						if j != i {
							less.set(k, v.vals[j])
						}
					}
					keys, vals, idx := v.keys, v.vals, v.idx
					v.keys, v.vals, v.idx = less.keys, less.vals, less.idx
					f(nil)
					v.keys, v.vals, v.idx = keys, vals, idx
					continue
				}
				v.vals[i] = o
				f(nil)
			}
			v.vals[i] = was
			variants(was, f)
		}
	case []any:
		for i := range v {
			was := v[i]
			for _, o := range odd() {
				if _, gone := o.(undefined); !gone {
					v[i] = o
					f(nil)
				}
			}
			v[i] = was
			variants(was, f)
		}
	}
}

// TestMutatedBodies replaces each part of each valid body by each odd value: no
// panic, nothing but 200, 400 and 404, and a refusal changes nothing.
func TestMutatedBodies(t *testing.T) {
	t.Parallel()
	for n, b := range bodies {
		t.Run(fmt.Sprint(n, " ", b[0], " ", b[1]), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			src, page := everything(w)
			db := w.ok("GET", "/v1/data_sources/"+src, "").str("parent", "database_id")
			r := strings.NewReplacer("SRC", src, "PAGE", page, "ROOT", testRoot, "DB", db, "USER", w.e.who(""))
			body, err := parseJSON([]byte(r.Replace(b[2])))
			if err != nil {
				t.Fatal(err)
			}
			w.ok(b[0], r.Replace(b[1]), string(appendJSON(nil, body)))
			tried := 0
			variants(body, func(any) {
				tried++
				if tried%40 == 0 { // a fresh world, before what succeeded piles up
					w = newWorld(t, nil)
					everything(w)
				}
				raw := string(appendJSON(nil, body))
				state := w.schema(src)
				a := w.do(b[0], r.Replace(b[1]), raw)
				switch a.status {
				case 200:
				case 400, 404:
					if now := w.schema(src); now != state {
						t.Errorf("refused with %s, but the schema changed\nbody %s\nfrom %s\nto %s", a.raw, raw, state, now)
					}
				default:
					t.Errorf("%s\n%s", raw, a.raw)
				}
			})
			t.Logf("%d bodies", tried)
		})
	}
}

// schema is the stored schema of a data source.
func (w *world) schema(src string) string {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return string(appendJSON(nil, w.e.st.schemaJSON(w.e.st.data.Sources[src], v2026)))
}
