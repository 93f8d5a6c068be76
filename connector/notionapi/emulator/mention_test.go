package emulator

import (
	"fmt"
	"strings"
	"testing"
)

// TestTitlesThatMentionEachOther must end: a title may mention its own page.
func TestTitlesThatMentionEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	a, b := w.row(src, titled("a")), w.row(src, titled("b"))
	mention := func(id string) string { return `{"mention":{"page":{"id":"` + id + `"}}}` }
	name := func(parts ...string) string {
		return `{"properties":{"Name":{"title":[` + strings.Join(parts, ",") + `]}}}`
	}
	w.ok("PATCH", "/v1/pages/"+a, name(mention(a), mention(b)))
	got := w.ok("PATCH", "/v1/pages/"+b, name(mention(a), `{"text":{"content":"!"}}`))
	if text := got.str("properties", "Name", "title", "0", "plain_text"); text != "UntitledUntitled" {
		t.Errorf("a title in a title reads %q", text)
	}
	w.ok("POST", "/v1/search", `{"query":"untitled"}`)
	w.ok("POST", "/v1/data_sources/"+src+"/query", `{"filter":{"property":"Name","title":{"contains":"!"}}}`)
}

// TestMentionLimit counts page and person mentions, not dates or text.
func TestMentionLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, src := w.table("T", `{"Name":{"title":{}},"Text":{"rich_text":{}}}`)
	id := w.row(src, `{}`)
	part := func(kind, value string, n int) string {
		one := `{"mention":{"` + kind + `":` + value + `}}`
		return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
	}
	for _, c := range []struct {
		items string
		want  int
	}{
		{part("page", `{"id":"`+id+`"}`, 25), 25},
		{part("page", `{"id":"`+id+`"}`, 26), 25},
		{part("date", `{"start":"2026-01-01"}`, 40), 40},
	} {
		a := w.ok("PATCH", "/v1/pages/"+id, `{"properties":{"Text":{"rich_text":[`+c.items+`]}}}`)
		if n := len(a.at("properties", "Text", "rich_text").([]any)); n != c.want {
			t.Errorf("%d items shown of %.60s..., want %d", n, c.items, c.want)
		}
		all := w.ok("GET", "/v1/pages/"+id+"/properties/"+w.propID(src, "Text"), "")
		if n := len(all.at("results").([]any)); n != strings.Count(c.items, "mention") {
			t.Errorf("the property item has %d of %d", n, strings.Count(c.items, "mention"))
		}
	}
}

// propID is the encoded id of a column.
func (w *world) propID(src, name string) string {
	w.Helper()
	id := w.ok("GET", "/v1/data_sources/"+src, "").str("properties", name, "id")
	if id == "" {
		w.Fatal(fmt.Errorf("no column %s", name))
	}
	return id
}
