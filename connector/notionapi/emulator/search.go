package emulator

import (
	"cmp"
	"sort"
	"strings"
	"time"
)

// found is a page or data source in a search.
type found struct {
	it     item    // a page
	src    *source // or a data source
	edited time.Time
	seq    int
}

// search looks for words in titles, in the lagging index.
func (c *call) search() (*object, *apiError) {
	b, e := c.bodyKeys("query", "sort", "filter", "start_cursor", "page_size")
	if e != nil {
		return nil, e
	}
	size, start, e := c.checkSearch(b)
	if e != nil {
		return nil, e
	}
	query, _ := b.get("query").(string)
	want, trash := "", false
	if f, ok := b.get("filter").(*object); ok {
		want, _ = f.get("value").(string)
		trash, _ = f.get("in_trash").(bool)
	}
	hits := c.hits(strings.ToLower(query), want, trash)
	down := true
	if s, ok := b.get("sort").(*object); ok {
		down = s.get("direction") != "ascending"
	}
	sort.SliceStable(hits, func(i, j int) bool {
		n := cmp.Or(hits[i].edited.Compare(hits[j].edited), cmp.Compare(hits[i].seq, hits[j].seq))
		return n < 0 != down && n != 0
	})
	return c.searchPage(hits, start, size)
}

func (c *call) checkSearch(b *object) (size int, start string, e *apiError) {
	size, bad := bodySize(b)
	if bad == nil {
		start, bad = bodyCursor(b)
	}
	if bad == nil && b.has("query") {
		_, bad = wantString("body.query", b.get("query"), 0, 0, false)
	}
	if f := b.get("filter"); bad == nil && b.has("filter") {
		bad = c.checkSearchFilter(f)
	}
	if bad != nil {
		return 0, "", failed("body", bad)
	}
	if !b.has("sort") {
		return size, start, nil
	}
	s, bad := wantObject("body.sort", b.get("sort"))
	if bad != nil {
		return 0, "", failed("body", bad)
	}
	if e := failed("body", allowed("body.sort", s, "property", "timestamp", "direction")); e != nil {
		return 0, "", e
	}
	if s.get("property") == "relevance" {
		return size, start, nil
	}
	if s.get("timestamp") != "last_edited_time" {
		return 0, "", invalid(`body.sort.timestamp should be "last_edited_time" when sorting by timestamp.`)
	}
	return size, start, failed("body", optOneOf("body.sort.direction", s.get("direction"), "ascending", "descending"))
}

func (c *call) checkSearchFilter(v any) []string {
	f, bad := wantObject("body.filter", v)
	if bad != nil {
		return bad
	}
	if bad := allowed("body.filter", f, "property", "value", "in_trash"); bad != nil {
		return bad
	}
	if bad := optBool("body.filter", f, "in_trash"); bad != nil {
		return bad
	}
	if f.has("in_trash") && !f.has("property") && !f.has("value") {
		return nil
	}
	other := "data_source"
	if c.ver == v2022 {
		other = "database"
	}
	if bad := wantOneOf("body.filter.value", f.get("value"), "page", other); bad != nil {
		return bad
	}
	return wantOneOf("body.filter.property", f.get("property"), "object")
}

func (c *call) hits(query, want string, trash bool) []found {
	seen := c.now.Add(-c.s.cfg.IndexLag)
	var out []found
	for seq, id := range c.s.data.Listed {
		if !c.s.shared(id) {
			continue
		}
		if src := c.s.data.Sources[id]; src != nil {
			if want != "page" && !src.Created.After(seen) && c.s.trashed(id) == trash && strings.Contains(strings.ToLower(c.s.titleOf(id)), query) {
				out = append(out, found{src: src, edited: src.Edited, seq: seq})
			}
			continue
		}
		pg := c.s.data.Pages[id]
		if pg == nil || want != "" && want != "page" {
			continue
		}
		r := pg.at(seen)
		if r == nil || r.Archived || (r.Trash || c.s.trashed(r.Parent.ID)) != trash {
			continue
		}
		title := ""
		if v := r.Props[titleID]; v != nil {
			title = c.s.plain(v.Text)
		}
		if strings.Contains(strings.ToLower(title), query) {
			out = append(out, found{it: item{pg, r}, edited: r.Edited, seq: seq})
		}
	}
	return out
}

// searchPage answers one page; its cursor is the number of hits before it.
func (c *call) searchPage(hits []found, start string, size int) (*object, *apiError) {
	first := 0
	if start != "" {
		at, ok := c.s.cursors[start]
		if !ok || at.scope != "search" {
			return nil, errCursor(start)
		}
		first = min(at.count, len(hits))
	}
	end := min(first+size, len(hits))
	var next any
	if end < len(hits) {
		next = c.s.remember(cursor{scope: "search", count: end})
	}
	out := []any{}
	for _, h := range hits[first:end] {
		switch {
		case h.src == nil:
			out = append(out, c.pageJSON(h.it.pg, h.it.r, nil))
		case c.ver == v2022:
			if db := c.s.data.Databases[h.src.DB]; len(db.Sources) == 1 {
				out = append(out, c.s.databaseJSON(db, c.ver))
			}
		default:
			out = append(out, c.s.sourceJSON(h.src, c.ver))
		}
	}
	kind := "page_or_data_source"
	if c.ver == v2022 {
		kind = "page_or_database"
	}
	return list(out, next, kind), nil
}
