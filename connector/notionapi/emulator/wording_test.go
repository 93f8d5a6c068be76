package emulator

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestWording is the table of known refusals, word for word; the official
// client's suite has those that concern property values and queries.
func TestWording(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	src, page := everything(w)
	text := func(n int) string {
		return `{"paragraph":{"rich_text":[{"text":{"content":"` + strings.Repeat("x", n) + `"}}]}}`
	}
	toggle := func(kids string) string { return `{"toggle":{"rich_text":[],"children":[` + kids + `]}}` }
	append1 := "/v1/blocks/" + page + "/children"
	query := "/v1/data_sources/" + src + "/query"
	cases := []struct{ method, path, body, want string }{
		{"PATCH", append1, `{"children":[` + text(2001) + `]}`,
			"body failed validation: body.children[0].paragraph.rich_text[0].text.content.length should be ≤ `2000`, instead was `2001`."},
		{"PATCH", append1, `{"children":[` + strings.TrimSuffix(strings.Repeat(text(1)+",", 101), ",") + `]}`,
			"body failed validation: body.children.length should be ≤ `100`, instead was `101`."},
		{"PATCH", append1, `{}`, "body failed validation: body.children should be defined, instead was `undefined`."},
		{"PATCH", append1, `{"children":"x"}`, "body failed validation: body.children should be an array, instead was `\"x\"`."},
		{"PATCH", append1, `{"children":[],"colour":"red"}`, "body failed validation: body.colour should be not present, instead was `\"red\"`."},
		{"PATCH", append1, `{"children":[` + toggle(toggle(toggle(text(1)))) + `]}`,
			"body failed validation: body.children[0].toggle.children[0].toggle.children[0].toggle.children should be not present, " +
				"instead was `[{\"paragraph\":{\"rich_text\":[{\"text\":{\"content\":\"x\"}}]}}...`."},
		{"GET", append1 + "?start_cursor=bogus", "", "query failed validation: query.start_cursor should be a valid uuid or `undefined`, instead was `\"bogus\"`."},
		{"GET", append1 + "?page_size=many", "", "query failed validation: query.page_size should be a number or `undefined`, instead was `\"many\"`."},
		{"GET", "/v1/users?start_cursor=bogus", "", "The start_cursor provided is invalid: bogus"},
		{"POST", "/v1/pages", `{}`, "body failed validation: body.parent should be defined, instead was `undefined`."},
		{"POST", "/v1/pages", `{"parent":{}}`, "body failed validation. Fix one:\nbody.parent.page_id should be defined, instead was `undefined`.\n" +
			"body.parent.workspace should be defined, instead was `undefined`.\nbody.parent.database_id should be defined, instead was `undefined`.\n" +
			"body.parent.data_source_id should be defined, instead was `undefined`."},
		{"POST", "/v1/pages", `{"parent":{"page_id":"f5820afe77ee4c589e91903f956bdda1?v=9a3e53af8585464db3e8cf8df4d3b1c6"}}`,
			"body failed validation: body.parent.page_id should be a valid uuid, instead was `\"f5820afe77ee4c589e91903f956bdda1?v=9a3e53af8585464db3e...`."},
		{"POST", "/v1/pages", `{"parent":{"workspace":true}}`,
			"Internal integrations aren't owned by a single user, so creating workspace-level private pages is not supported."},
		{"POST", "/v1/search", `{"filter":{"property":"object","value":"database"}}`,
			"body failed validation: body.filter.value should be `\"page\"` or `\"data_source\"`, instead was `\"database\"`."},
		{"POST", "/v1/search", `{"sort":{"timestamp":"last_edited_time","direction":"up"}}`,
			"body failed validation: body.sort.direction should be `\"ascending\"`, `\"descending\"`, or `undefined`, instead was `\"up\"`."},
		{"POST", query, `{"filter":{"property":"Text","rich_text":{"is_empty":false}}}`,
			"body failed validation: body.filter.rich_text.is_empty should be `true`, instead was `false`."},
		{"POST", query, `{"filter":{"property":"Name","title":{"equals":"a","contains":"b"}}}`,
			"body failed validation: body.filter.title.contains should be not present, instead was `\"b\"`."},
		{"POST", query, `{"filter":{"property":"Due","date":{"before":"soon"}}}`,
			"body failed validation: body.filter.date.before should be a valid ISO 8601 date string, instead was `\"soon\"`."},
		{"POST", query, `{"bogus":1}`, "body failed validation: body.bogus should be not present, instead was `1`."},
		{"PATCH", "/v1/pages/" + page, `{"properties":{"Due":{"date":{"start":"soon"}}}}`,
			"body failed validation: body.properties.Due.date.start should be a valid ISO 8601 date string, instead was `\"soon\"`."},
		{"PATCH", "/v1/pages/" + page, `{"properties":{"Tags":{"multi_select":[{"name":"a,b"}]}}}`, "Invalid select option, commas not allowed: a,b"},
		{"PATCH", "/v1/pages/" + page, `[]`, "body failed validation: body should be an object, instead was `[]`."},
	}
	for _, c := range cases {
		w.refused(c.method, c.path, c.body, 400, "validation_error", c.want)
	}
	w.version = "2022-06-28"
	w.refused("POST", "/v1/databases/"+w.schemaOwner(src)+"/query", `{"archived":false}`, 400, "validation_error",
		"body failed validation: body.archived should be not present, instead was `false`.")
}

// schemaOwner is the database of a data source.
func (w *world) schemaOwner(src string) string {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return w.e.st.data.Sources[src].DB
}

// TestRoomLimits meets the limits of what a workspace stores.
func TestRoomLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.RowMax = 2; c.BlockMax = 5 })
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	w.row(src, `{}`)
	w.row(src, `{}`)
	if a := w.do("POST", "/v1/pages", `{"parent":{"data_source_id":"`+src+`"}}`); a.status != 409 || a.str("code") != "row_limit_exceeded" {
		t.Errorf("a row too many: %s", a.raw)
	}
	page := `{"parent":{"page_id":"` + testRoot + `"}}`
	w.ok("POST", "/v1/pages", page)
	w.refused("POST", "/v1/pages", page, 403, "restricted_resource", "API token does not have access to this resource.")

	w = newWorld(t, nil)
	src, _ = everything(w)
	before := w.schema(src)
	var options []string
	for i := range 100 {
		options = append(options, fmt.Sprintf(`{"name":"%d%s"}`, i, strings.Repeat("o", 900)))
	}
	a := w.do("PATCH", "/v1/data_sources/"+src, `{"properties":{"Huge":{"select":{"options":[`+strings.Join(options, ",")+`]}}}}`)
	if a.status != 400 || !strings.Contains(a.str("message"), "Huge") || w.schema(src) != before {
		t.Errorf("a schema beyond 50 KB: %s", a.raw)
	}
	if a := w.do("POST", "/v1/search", `{"query":"`+strings.Repeat("q", 500<<10)+`"}`); a.status != 400 {
		t.Errorf("a body beyond 500 KB: %d", a.status)
	}
}

func TestBetaHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	req, _ := http.NewRequest("GET", "http://x/v1/users/me", nil)
	req.Header.Set("Authorization", "Bearer ntn_test")
	req.Header.Set("Notion-Version", "2025-09-03")
	req.Header.Set("Notion-Beta", "time-travel")
	resp, err := w.e.Transport().RoundTrip(req)
	if err != nil || resp.StatusCode != 400 {
		t.Errorf("an unknown beta: %v %v", resp, err)
	}
}
