package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// FuzzHandler sends anything to a workspace with everything in it: no panic,
// and each answer is JSON that carries its request id.
func FuzzHandler(f *testing.F) {
	seeds := [][3]string{
		{"POST", "/v1/data_sources/SRC/query", `{"filter":{"and":[{"property":"N","number":{"equals":1}}]},"sorts":[{"property":"Name","direction":"ascending"}],"page_size":3}`},
		{"POST", "/v1/pages", `{"parent":{"data_source_id":"SRC"},"properties":{"Name":{"title":[{"text":{"content":"x"}}]},"Tag":{"select":{"name":"q"}}}}`},
		{"PATCH", "/v1/pages/PAGE", `{"properties":{"Due":{"date":{"start":"2026-01-01","time_zone":"Europe/Berlin"}},"Rel":{"relation":[{"id":"PAGE"}]}},"in_trash":true}`},
		{"PATCH", "/v1/data_sources/SRC", `{"properties":{"N":{"rich_text":{}},"Z":{"rollup":{"function":"sum","relation_property_name":"Rel","rollup_property_name":"N"}}}}`},
		{"PATCH", "/v1/data_sources/SRC", `{"properties":{"Rel":null,"Tag":{"select":{"options":[{"name":"w"}]}},"Stage":{"status":{"options":[]}}}}`},
		{"POST", "/v1/databases", `{"parent":{"page_id":"ROOT"},"initial_data_source":{"properties":{"T":{"title":{}}}},"icon":{"emoji":"x"}}`},
		{"PATCH", "/v1/blocks/PAGE/children", `{"children":[{"paragraph":{"rich_text":[]}}],"after":"PAGE"}`},
		{"POST", "/v1/comments", `{"parent":{"page_id":"PAGE"},"rich_text":[{"mention":{"user":{"id":"PAGE"}}}]}`},
		{"POST", "/v1/search", `{"query":"a","sort":{"timestamp":"last_edited_time","direction":"ascending"},"filter":{"property":"object","value":"page"}}`},
		{"GET", "/v1/pages/PAGE/properties/title?page_size=2", ``},
		{"POST", "/v1/pages/PAGE/move", `{"parent":{"page_id":"ROOT"}}`},
		{"POST", "/v1/file_uploads", `{"mode":"multi_part","number_of_parts":2}`},
		{"DELETE", "/v1/blocks/PAGE", ``},
	}
	for _, s := range seeds {
		for v := range versions {
			f.Add(s[0], s[1], v, s[2])
		}
	}
	f.Fuzz(func(t *testing.T, method, path, version, body string) {
		w := newWorld(t, nil)
		src, page := everything(w)
		r := strings.NewReplacer("SRC", src, "PAGE", page, "ROOT", testRoot)
		req, err := http.NewRequest(method, "http://notion.test"+r.Replace(path), strings.NewReader(r.Replace(body)))
		if err != nil || strings.HasPrefix(req.URL.Path, adminPrefix) {
			return // no request, or none of Notion's
		}
		req.Header.Set("Authorization", "Bearer ntn_test")
		req.Header.Set("Notion-Version", version)
		for range 2 { // again: many paths change what the second one finds
			again := req.Clone(t.Context())
			again.Body, _ = req.GetBody()
			resp, err := w.e.Transport().RoundTrip(again)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := io.ReadAll(resp.Body)
			if !json.Valid(raw) || resp.Header.Get("X-Notion-Request-Id") == "" {
				t.Fatalf("answer %d %s", resp.StatusCode, raw)
			}
		}
		for _, p := range []string{"/v1/pages/" + page, "/v1/data_sources/" + src} {
			if a := w.do("GET", p, ""); !json.Valid([]byte(a.raw)) {
				t.Fatalf("%s reads %s", p, a.raw)
			}
		}
		w.do("POST", "/v1/data_sources/"+src+"/query", "{}")
	})
}

// everything makes a data source with a property of every type and one row.
func everything(w *world) (src, page string) {
	_, src = w.table("E", `{"Name":{"title":{}},"Text":{"rich_text":{}},"N":{"number":{}},"Tag":{"select":{}},"Tags":{"multi_select":{}},
		"Stage":{"status":{}},"Due":{"date":{}},"Who":{"people":{}},"Docs":{"files":{}},"Ok":{"checkbox":{}},"Site":{"url":{}},
		"Mail":{"email":{}},"Tel":{"phone_number":{}},"Made":{"created_time":{}},"By":{"created_by":{}},"Edited":{"last_edited_time":{}},
		"Editor":{"last_edited_by":{}},"Nr":{"unique_id":{}},"Calc":{"formula":{}},"Spot":{"place":{}}}`)
	w.ok("PATCH", "/v1/data_sources/"+src, `{"properties":{"Rel":{"relation":{"data_source_id":"`+src+`","dual_property":{}}}}}`)
	w.ok("PATCH", "/v1/data_sources/"+src, `{"properties":{"Roll":{"rollup":{"function":"show_original","relation_property_name":"Rel","rollup_property_name":"Name"}}}}`)
	page = w.row(src, `{"Name":{"title":[{"text":{"content":"x"}}]},"N":{"number":1},"Tag":{"select":{"name":"a"}},"Due":{"date":{"start":"2026-01-01"}}}`)
	w.ok("PATCH", "/v1/pages/"+page, `{"properties":{"Rel":{"relation":[{"id":"`+page+`"}]}}}`)
	return src, page
}
