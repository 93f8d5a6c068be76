package emulator

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOptionalKeys are refused with "or undefined" where they are of another type.
func TestOptionalKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	src, page := everything(w)
	query := "/v1/data_sources/" + src + "/query"
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", query, `{"filter":null}`, "body.filter should be an object or `undefined`, instead was `null`."},
		{"POST", query, `{"sorts":null}`, "body.sorts should be an array or `undefined`, instead was `null`."},
		{"PATCH", "/v1/pages/" + page, `{"properties":[]}`, "body.properties should be an object or `undefined`, instead was `[]`."},
		{"POST", "/v1/pages", `{"parent":{"page_id":"` + page + `"},"children":{}}`, "body.children should be an array or `undefined`, instead was `{}`."},
		{"PATCH", "/v1/data_sources/" + src, `{"title":"x"}`, "body.title should be an array or `undefined`, instead was `\"x\"`."},
		{"PATCH", "/v1/data_sources/" + src, `{"description":[]}`, "body.description should be not present, instead was `[]`."},
	} {
		w.refused(c.method, c.path, c.body, 400, "validation_error", "body failed validation: "+c.want)
	}
}

// TestBlockElements: 1,000 in one request at all levels, 100 in one array.
func TestBlockElements(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	many := func(one string, n int) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	toggle := func(n int) string {
		return `{"toggle":{"rich_text":[],"children":[` + many(`{"divider":{}}`, n) + `]}}`
	}
	body := func(last int) string {
		return `{"children":[` + many(toggle(99), 9) + "," + toggle(last) + `]}`
	}
	w.ok("PATCH", "/v1/blocks/"+testRoot+"/children", body(99))
	w.refused("PATCH", "/v1/blocks/"+testRoot+"/children", body(100), 400, "validation_error",
		"body failed validation: body.children should hold at most `1000` block elements, instead held `1001`.")
	w.ok("PATCH", "/v1/blocks/"+testRoot+"/children", `{"children":[{"column_list":{"children":[
		{"column":{"children":[{"toggle":{"rich_text":[],"children":[{"divider":{}}]}}]}},{"column":{"children":[]}}]}}]}`)
	for body, want := range map[string]string{
		`{"paragraph":{"text":[]}}`:                             "body.children[0].paragraph.rich_text should be defined, instead was `undefined`.",
		`{"paragraph":{"rich_text":[],"size":1}}`:               "body.children[0].paragraph.size should be not present, instead was `1`.",
		`{"image":{"file_upload":{"id":"x"}}}`:                  "body.children[0].image.file_upload.id should be a valid uuid, instead was `\"x\"`.",
		`{"code":{"rich_text":[]}}`:                             "body.children[0].code.language should be defined, instead was `undefined`.",
		`{"callout":{"rich_text":[],"icon":{"emoji":5}}}`:       "body.children[0].callout.icon.emoji should be a string, instead was `5`.",
		`{"divider":{"children":[]}}`:                           "body.children[0].divider.children should be not present, instead was `[]`.",
		`{"table_row":{"cells":[[{"text":{"content":true}}]]}}`: "body.children[0].table_row.cells[0][0].text.content should be a string, instead was `true`.",
	} {
		w.refused("PATCH", "/v1/blocks/"+testRoot+"/children", `{"children":[`+body+`]}`, 400, "validation_error", "body failed validation: "+want)
	}
}

// TestRelationKeyByVersion: database_id in 2022-06-28, data_source_id since.
func TestRelationKeyByVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db, src := w.table("T", `{"Name":{"title":{}}}`)
	put := func(keys string) string {
		return `{"properties":{"R":{"relation":{` + keys + `,"single_property":{}}}}}`
	}
	w.refused("PATCH", "/v1/data_sources/"+src, put(`"database_id":"`+db+`"`), 400, "validation_error",
		"body failed validation: body.properties.R.relation.data_source_id should be defined, instead was `undefined`.")
	w.ok("PATCH", "/v1/data_sources/"+src, put(`"database_id":"`+db+`","data_source_id":"`+src+`"`))
	w.version = "2022-06-28"
	w.refused("PATCH", "/v1/databases/"+db, put(`"data_source_id":"`+src+`"`), 400, "validation_error",
		"body failed validation: body.properties.R.relation.database_id should be defined, instead was `undefined`.")
	got := w.ok("PATCH", "/v1/databases/"+db, put(`"database_id":"`+db+`"`))
	if rel := got.at("properties", "R", "relation").(map[string]any); rel["database_id"] != db || rel["data_source_id"] != nil {
		t.Errorf("a relation in 2022-06-28 is %v", rel)
	}
}

// TestManySources: the same answer in every version for a parent that names only the database.
func TestManySources(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	db, src := w.table("T", `{"Name":{"title":{}}}`)
	other, _ := w.table("O", `{"Name":{"title":{}}}`)
	second := w.ok("POST", "/v1/data_sources", `{"parent":{"database_id":"`+db+`"},"properties":{"N":{"title":{}}}}`).str("id")
	for _, w.version = range []string{"2022-06-28", "2025-09-03", "2026-03-11"} {
		w.refused("POST", "/v1/pages", `{"parent":{"database_id":"`+db+`"}}`, 400, "validation_error",
			"Databases with multiple data sources are not supported in this API version.")
	}
	_, links := w.table("L", `{"Name":{"title":{}},"To":{"relation":{"data_source_id":"`+src+`","single_property":{}}}}`)
	from, to := w.row(links, `{}`), w.row(src, `{}`)
	link := `{"properties":{"To":{"relation":[{"id":"` + to + `"}]}}}`
	w.version = "2022-06-28"
	w.refused("PATCH", "/v1/pages/"+from, link, 400, "validation_error", "Databases with multiple data sources are not supported in this API version.")
	w.version = "2026-03-11"
	w.ok("PATCH", "/v1/pages/"+from, link)
	w.refused("GET", "/v1/data_sources/"+db, "", 404, "object_not_found", "Could not find data_source with ID: "+db+
		`. Make sure the relevant pages and databases are shared with your integration "Tandem".`)

	row := w.row(second, `{}`)
	moved := w.ok("PATCH", "/v1/data_sources/"+second, `{"parent":{"type":"database_id","database_id":"`+other+`"}}`)
	if moved.str("parent", "database_id") != other {
		t.Errorf("moved data source %s", moved.raw)
	}
	if got := w.ok("GET", "/v1/pages/"+row, ""); got.str("parent", "database_id") != other || got.str("parent", "data_source_id") != second {
		t.Errorf("its row has the parent %v", got.at("parent"))
	}
	if a := w.do("PATCH", "/v1/data_sources/"+src, `{"parent":{"database_id":"`+other+`"}}`); a.status != 400 {
		t.Errorf("the only data source moved: %s", a.raw)
	}
}

// TestWebhookUnaggregated: comments and locks are told one by one, and nothing of what is not shared.
func TestWebhookUnaggregated(t *testing.T) {
	t.Parallel()
	w, b := hooked(t, nil)
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	id := w.row(src, `{}`)
	w.deliver(time.Minute)
	b.got = nil
	for _, on := range []string{"true", "false"} {
		w.ok("PATCH", "/v1/pages/"+id, `{"is_locked":`+on+`}`)
	}
	say := w.ok("POST", "/v1/comments", `{"parent":{"page_id":"`+id+`"},"rich_text":[{"text":{"content":"a"}}]}`).str("id")
	for _, words := range []string{"b", "c"} {
		w.ok("PATCH", "/v1/comments/"+say, `{"rich_text":[{"text":{"content":"`+words+`"}}]}`)
	}
	w.ok("DELETE", "/v1/comments/"+say, "")
	w.deliver(0)
	if got := b.kinds(); got != "page.locked page.unlocked comment.created comment.updated comment.updated comment.deleted" {
		t.Errorf("told %s", got)
	}

	b.got = nil
	ada := w.e.Person(w.e.PersonID("Ada Lovelace"))
	for _, err := range []error{ada.Unshare(id), ada.Edit(id, map[string]any{"Name": map[string]any{"title": []any{}}}), ada.Trash(id)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if w.deliver(time.Minute); len(b.got) > 0 {
		t.Errorf("told of an unshared page: %s", b.kinds())
	}
}

// TestSortByRollup orders by the computed number, empty ones last.
func TestSortByRollup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, to := w.table("To", `{"Name":{"title":{}},"N":{"number":{}}}`)
	_, src := w.table("T", `{"Name":{"title":{}},"R":{"relation":{"data_source_id":"`+to+`","single_property":{}}},
		"Sum":{"rollup":{"relation_property_name":"R","rollup_property_name":"N","function":"sum"}}}`)
	for i, n := range []int{2, 9, 5} {
		id := w.row(to, fmt.Sprintf(`{"N":{"number":%d}}`, n))
		w.row(src, fmt.Sprintf(`{"Name":{"title":[{"text":{"content":"%d"}}]},"R":{"relation":[{"id":"%s"}]}}`, i, id))
	}
	w.row(src, titled("none"))
	for direction, want := range map[string]string{"ascending": "0 2 1 none", "descending": "1 2 0 none"} {
		a := w.ok("POST", "/v1/data_sources/"+src+"/query", `{"sorts":[{"property":"Sum","direction":"`+direction+`"}]}`)
		var got []string
		for i := range a.at("results").([]any) {
			got = append(got, a.str("results", fmt.Sprint(i), "properties", "Name", "title", "0", "plain_text"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", direction, got, want)
		}
	}
}

// TestVerificationDate needs a time, and must not end the request in a panic.
func TestVerificationDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	if err := w.e.Person(w.e.PersonID("Ada Lovelace")).AddProperty(src, "V", "verification", nil); err != nil {
		t.Fatal(err)
	}
	id := w.row(src, `{}`)
	put := func(v string) string { return `{"properties":{"V":{"verification":` + v + `}}}` }
	w.refused("PATCH", "/v1/pages/"+id, put(`{"state":"verified","date":{"start":"x","time_zone":"n"}}`), 400, "validation_error",
		"body failed validation: body.properties.V.verification.date.time_zone should be a valid time zone, instead was `\"n\"`.")
	if a := w.do("PATCH", "/v1/pages/"+id, put(`{"state":"verified","date":{"start":"2026-01-01"}}`)); a.status != 400 {
		t.Errorf("a day for a verification: %s", a.raw)
	}
	got := w.ok("PATCH", "/v1/pages/"+id, put(`{"state":"verified","date":{"start":"2026-01-01T10:00:00Z","end":null}}`))
	if got.str("properties", "V", "verification", "state") != "verified" {
		t.Errorf("verified reads %s", got.raw)
	}
	got = w.ok("PATCH", "/v1/pages/"+id, put(`{"state":"unverified"}`))
	if v := got.at("properties", "V", "verification").(map[string]any); v["state"] != "unverified" || v["verified_by"] != nil {
		t.Errorf("unverified reads %v", v)
	}
}

// TestRestartKeepsAnswers reads a workspace with every kind of thing in it before and after a restart.
func TestRestartKeepsAnswers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "workspace.json")
	open := func() *world { return newWorld(t, func(c *Config) { c.File, c.FileSync = file, true }) }
	w := open()
	src, page := everything(w)
	w.ok("PATCH", "/v1/blocks/"+page+"/children", `{"children":[{"callout":{"rich_text":[{"mention":{"page":{"id":"`+page+`"}}}],"icon":{"emoji":"x"}}},
		{"table":{"table_width":1,"children":[{"table_row":{"cells":[[{"text":{"content":"c"}}]]}}]}},{"image":{"external":{"url":"u"},"caption":[{"equation":{"expression":"e"}}]}}]}`)
	w.ok("PATCH", "/v1/pages/"+page, `{"icon":{"icon":{"name":"n"}},"properties":{"Spot":{"place":{"lat":1,"lon":2}},"Text":{"rich_text":[{"mention":{"date":{"start":"2026-01-01","end":"2026-01-02"}}}]}}}`)
	w.ok("POST", "/v1/comments", `{"parent":{"page_id":"`+page+`"},"rich_text":[{"text":{"content":"hello"}}]}`)
	w.ok("POST", "/v1/file_uploads", `{"filename":"f"}`)
	read := func() (out []string) {
		for _, path := range []string{"pages/" + page, "blocks/" + page + "/children", "comments?block_id=" + page, "data_sources/" + src, "users", "file_uploads"} {
			a := w.ok("GET", "/v1/"+path, "")
			out = append(out, strings.ReplaceAll(a.raw, a.str("request_id"), "")) // each answer has its own
		}
		return out
	}
	before := read()
	w = open()
	if diff := cmp.Diff(before, read()); diff != "" {
		t.Errorf("after the restart (-before +after):\n%s", diff)
	}
}
