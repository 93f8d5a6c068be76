package emulator

import (
	"sort"
	"time"
)

// cursorsMax bounds the cursors that are remembered; older ones become invalid.
const cursorsMax = 1000

// cursor is where a query stopped. It keeps the last row's revision, so that
// the next page begins after it in the query's order even if rows moved.
type cursor struct {
	scope string // data source id, or "search"
	last  item
	count int // rows answered so far
}

// item is a page as the index shows it.
type item struct {
	pg *page
	r  *rev
}

func (c *call) querySource() (*object, *apiError) {
	return c.query1((*call).pathSource, "page_or_data_source")
}

// queryDatabase is the query of 2022-06-28, which works while a database has one data source.
func (c *call) queryDatabase() (*object, *apiError) {
	return c.query1(func(c *call) (*source, *apiError) {
		id, e := c.pathID("database_id")
		if e != nil {
			return nil, e
		}
		db, e := c.findDatabase(id)
		if e != nil {
			return nil, e
		}
		return c.onlySource(db)
	}, "page_or_database")
}

// query1 checks the body before it looks for the data source, as the service does.
func (c *call) query1(find func(*call) (*source, *apiError), kind string) (*object, *apiError) {
	keys := []string{"filter", "sorts", "start_cursor", "page_size", "in_trash", "result_type"}
	if c.ver == v2025 {
		keys = append(keys, "archived")
	}
	b, e := c.bodyKeys(keys...)
	if e != nil {
		return nil, e
	}
	size, start, e := checkQuery(b)
	if e != nil {
		return nil, e
	}
	src, e := find(c)
	if e != nil {
		return nil, e
	}
	match, e := c.compileFilter(src, b)
	if e != nil {
		return nil, e
	}
	order, e := c.compileSorts(src, b)
	if e != nil {
		return nil, e
	}
	trash, _ := trashFlag(b)
	var items []item
	if b.get("result_type") != "data_source" {
		items = c.rows(src, trash, match)
	}
	sort.SliceStable(items, func(i, j int) bool { return order(items[i], items[j]) < 0 })
	only := c.shownProps(src)
	return c.cut(items, order, src.ID, start, size, kind, func(it item) any { return c.pageJSON(it.pg, it.r, only) })
}

func checkQuery(b *object) (size int, start string, e *apiError) {
	size, bad := bodySize(b)
	if bad == nil {
		start, bad = bodyCursor(b)
	}
	for _, k := range []string{"in_trash", "archived"} {
		if bad == nil {
			bad = optBool("body", b, k)
		}
	}
	if bad == nil {
		bad = optOneOf("body.result_type", b.get("result_type"), "page", "data_source")
	}
	if v := b.get("filter"); bad == nil && b.has("filter") {
		_, bad = optObject("body.filter", v)
	}
	if bad == nil {
		bad = optArray("body.sorts", b.get("sorts"), func(at string, v any) []string { return checkEach(at, v, checkSort) })
	}
	return size, start, failed("body", bad)
}

// rows are the pages that the index shows in src: as of now - lag, out of the
// trash (or in it) and not archived.
func (c *call) rows(src *source, trash bool, match func(item) bool) []item {
	seen := c.now.Add(-c.s.cfg.IndexLag)
	above := c.s.trashed(src.ID)
	var out []item
	for _, id := range src.Rows {
		pg := c.s.data.Pages[id]
		r := pg.at(seen)
		if r == nil || r.Parent.ID != src.ID || r.Archived || (r.Trash || above) != trash || c.s.data.Unshared[id] {
			continue
		}
		if it := (item{pg, r}); match(it) {
			out = append(out, it)
		}
	}
	return out
}

// cut answers one page of sorted items and remembers where it stopped.
func (c *call) cut(items []item, order func(a, b item) int, scope, start string, size int, kind string, show func(item) any) (*object, *apiError) {
	var at cursor
	if start != "" {
		known, ok := c.s.cursors[start]
		if !ok || known.scope != scope {
			return nil, errCursor(start)
		}
		at = known
		first := sort.Search(len(items), func(i int) bool { return order(items[i], at.last) > 0 })
		items = items[first:]
	}
	if c.s.cfg.ShortPages && size > 1 {
		size = 1 + c.s.chance.IntN(size)
	}
	size = min(size, c.s.cfg.QueryMax-at.count)
	more := len(items) > size
	items = items[:min(size, len(items))]
	results := make([]any, 0, len(items))
	for _, it := range items {
		results = append(results, show(it))
	}
	done := at.count + len(items)
	capped := more && done >= c.s.cfg.QueryMax
	var next any
	if more && !capped {
		next = c.s.remember(cursor{scope: scope, last: items[len(items)-1], count: done})
	}
	out := list(results, next, kind)
	if capped {
		out.set("request_status", obj("type", "incomplete", "incomplete_reason", "query_result_limit_reached"))
	}
	return out, nil
}

// remember stores a cursor under a drawn id, from the stream of request ids, so
// that reading does not shift the ids of objects.
func (s *State) remember(at cursor) string {
	if len(s.order) >= cursorsMax {
		delete(s.cursors, s.order[0])
		s.order = s.order[1:]
	}
	id := newUUID(s.reqs)
	s.cursors[id] = at
	s.order = append(s.order, id)
	return id
}

// day is midnight UTC of t.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
