package emulator

import (
	"net/url"
	"strconv"
)

// getPropertyItem reads one property of a page in full: lists of one value
// each for the types that a page object cuts, one item for the others.
func (c *call) getPropertyItem() (*object, *apiError) {
	pg, e := c.pathPage()
	if e != nil {
		return nil, e
	}
	r := pg.now()
	key := c.path["property_id"]
	p := &property{ID: titleID, Name: "title", Type: "title"}
	if src := c.s.rowSource(r); src != nil {
		p = src.byKey(key)
	} else if key != titleID {
		p = nil
	}
	if p == nil {
		return nil, &apiError{status: 404, code: "object_not_found",
			message: "Could not find property with ID: " + key + "."}
	}
	all, listed := c.itemValues(pg, r, p)
	if !listed {
		return obj("object", "property_item", "type", p.Type, "id", encodeID(p.ID), p.Type, c.s.bare(pg, r, p, c.now)), nil
	}
	return c.itemList(pg, r, p, all)
}

// pagedTypes come one value an item; files and multi_select stay whole.
var pagedTypes = map[string]bool{"title": true, "rich_text": true, "people": true, "relation": true}

// itemValues are the single values of a listed property; listed is false for the other types.
func (c *call) itemValues(pg *page, r *rev, p *property) (all []any, listed bool) {
	v := r.Props[p.ID]
	if v == nil {
		v = &value{}
	}
	wrap := func(t string, x any) {
		all = append(all, obj("object", "property_item", "type", t, "id", encodeID(p.ID), t, x))
	}
	switch p.Type {
	case "title", "rich_text":
		for _, x := range c.s.rich(v.Text, 0) {
			wrap(p.Type, x)
		}
	case "people":
		for _, id := range v.IDs {
			wrap(p.Type, c.s.userJSON(id))
		}
	case "relation":
		for _, id := range c.s.visibleRelation(p, v) {
			wrap(p.Type, obj("id", id))
		}
	case "rollup":
		if q, items := c.s.rollTarget(r, p, 0); q != nil && (p.Rollup.Function == "show_original" || p.Rollup.Function == "show_unique") {
			for _, x := range c.rollArray(items, q, p.Rollup.Function == "show_unique") {
				o := x.(*object)
				t, _ := o.get("type").(string)
				if many, ok := o.get(t).([]any); ok && pagedTypes[t] {
					for _, one := range many {
						wrap(t, one)
					}
					continue
				}
				wrap(t, o.get(t))
			}
		}
	default:
		return nil, false
	}
	return all, true
}

func (c *call) itemList(pg *page, r *rev, p *property, all []any) (*object, *apiError) {
	size, e := c.querySize()
	if e != nil {
		return nil, e
	}
	first := 0
	if raw := c.query.Get("start_cursor"); raw != "" {
		id, ok := parseUUID(raw)
		at, known := c.s.cursors[id]
		if !ok || !known || at.scope != pg.ID+p.ID {
			return nil, errCursor(raw)
		}
		first = min(at.count, len(all))
	}
	end := min(first+size, len(all))
	var next, nextURL any
	if end < len(all) {
		id := c.s.remember(cursor{scope: pg.ID + p.ID, count: end})
		next = id
		nextURL = "https://api.notion.com/v1/pages/" + pg.ID + "/properties/" + url.PathEscape(encodeID(p.ID)) +
			"?start_cursor=" + id + "&page_size=" + strconv.Itoa(size)
	}
	about := obj("id", encodeID(p.ID), "next_url", nextURL, "type", p.Type, p.Type, obj())
	if p.Type == "rollup" {
		about.set("rollup", c.itemRollup(r, p))
	}
	results := append([]any{}, all[first:end]...)
	return obj("object", "list", "results", results, "next_cursor", next, "has_more", next != nil,
		"type", "property_item", "property_item", about), nil
}

func (c *call) itemRollup(r *rev, p *property) *object {
	o := c.s.rollup(r, p, c.now, 0)
	if o.get("type") == "array" {
		o.set("array", []any{})
	}
	return o
}
