package emulator

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// readDate stores a checked date. A time without offset or zone is UTC; a zone
// becomes the offset that it has then.
func (s *State) readDate(o *object) *date {
	loc := time.UTC
	if z, ok := o.get("time_zone").(string); ok {
		loc, _ = time.LoadLocation(z)
	}
	norm := func(v string) string {
		t, day, offset, _ := parseDate(v)
		if day {
			return t.Format("2006-01-02")
		}
		if !offset {
			t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
		}
		if s.cfg.MinuteDates {
			t = t.Truncate(time.Minute)
		}
		return t.Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000-07:00")
	}
	d := &date{}
	start, _ := o.get("start").(string)
	d.Start = norm(start)
	if end, ok := o.get("end").(string); ok {
		end = norm(end)
		d.End = &end
	}
	return d
}

// write is one planned property write: its shape and meaning were checked.
type write struct {
	prop *property
	val  any // what is under the type's key
}

// plan resolves property names or ids and checks meaning, changing nothing.
func (c *call) plan(src *source, props *object) ([]write, *apiError) {
	if props == nil {
		return nil, nil
	}
	var out []write
	for i, key := range props.keys {
		p := &property{ID: titleID, Name: "title", Type: "title"}
		if src != nil {
			p = src.byKey(key)
		} else if key != titleID {
			p = nil
		}
		if p == nil {
			return nil, invalid("%s is not a property that exists.", key)
		}
		v := props.vals[i]
		if o, ok := v.(*object); ok {
			t := valueType(o)
			if t == "" {
				continue // a button
			}
			if t != p.Type {
				return nil, invalid("%s is expected to be %s.", p.Name, p.Type)
			}
			v = o.get(t)
		} else if p.Type != "title" {
			return nil, invalid("%s is expected to be %s.", p.Name, p.Type)
		}
		if e := c.checkMeaning(p, v); e != nil {
			return nil, e
		}
		out = append(out, write{p, v})
	}
	return out, nil
}

func (c *call) checkMeaning(p *property, v any) *apiError {
	switch p.Type {
	case "select", "status":
		if v == nil {
			return nil
		}
		return c.checkOption(p, v.(*object))
	case "multi_select":
		for _, it := range v.([]any) {
			if e := c.checkOption(p, it.(*object)); e != nil {
				return e
			}
		}
	case "people":
		for _, it := range v.([]any) {
			if id := idOf(it); c.s.user(id) == nil {
				return invalid("Could not find user with ID: %s.", id)
			}
		}
	case "relation":
		return c.checkRelated(p, v.([]any))
	case "files":
		for _, it := range v.([]any) {
			up, ok := it.(*object).get("file_upload").(*object)
			if !ok {
				continue
			}
			u := c.s.data.Uploads[idOf(up)]
			if u == nil {
				return c.notFound("file_upload", idOf(up))
			}
			if u.Status != "uploaded" {
				return invalid("File upload %s has status %s and cannot be attached.", u.ID, u.Status)
			}
		}
	case "date":
		if o, ok := v.(*object); ok {
			if start, end, _ := c.s.readDate(o).bounds(); end.Before(start) {
				return invalid("%s: the end of a date must not be before its start.", p.Name)
			}
		}
	}
	return nil
}

func idOf(v any) string {
	o, _ := v.(*object)
	raw, _ := o.get("id").(string)
	id, _ := parseUUID(raw)
	return id
}

func (c *call) checkOption(p *property, o *object) *apiError {
	if id, ok := o.get("id").(string); ok {
		if p.optionByID(id) == nil {
			return invalid("Invalid %s option. %s option with id %q does not exist.", label(p), title(label(p)), id)
		}
		return nil
	}
	name, _ := o.get("name").(string)
	if p.Type == "status" {
		if p.optionByName(name) == nil {
			return invalid("Invalid status option. Status option %q does not exist.", name)
		}
		return nil
	}
	return checkOptionName(name)
}

func label(p *property) string { return strings.ReplaceAll(p.Type, "_", "-") }

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (c *call) checkRelated(p *property, items []any) *apiError {
	if src := c.s.data.Sources[p.Relation.Source]; c.ver == v2022 && c.bot && src != nil && len(items) > 0 {
		if _, e := c.onlySource(c.s.data.Databases[src.DB]); e != nil { // upgrade guide of 2025-09-03
			return e
		}
	}
	for _, it := range items {
		id := idOf(it)
		pg := c.s.data.Pages[id]
		if pg == nil || c.bot && !c.s.shared(id) {
			return c.notFound("page", id)
		}
		if pg.now().Parent.ID != p.Relation.Source {
			return invalid("Page with ID %s is not in the data source that %s relates to.", id, p.Name)
		}
	}
	return nil
}

// store turns a planned write into a stored value; unknown select options are made.
func (c *call) store(src *source, w write) *value {
	switch w.prop.Type {
	case "title", "rich_text":
		return &value{Text: c.s.readRich(w.val)}
	case "number":
		if f, ok := w.val.(float64); ok {
			return &value{Number: &f}
		}
	case "checkbox":
		b, _ := w.val.(bool)
		return &value{Bool: b}
	case "url", "email", "phone_number":
		if s, ok := w.val.(string); ok {
			return &value{String: &s}
		}
	case "select":
		if o, ok := w.val.(*object); ok {
			return &value{Option: c.choose(src, w.prop, o)}
		}
	case "status":
		if o, ok := w.val.(*object); ok {
			return &value{Option: c.choose(src, w.prop, o)}
		}
		return &value{Option: w.prop.defaultOption()}
	case "multi_select", "people", "relation", "files":
		return c.storeList(src, w)
	case "date":
		if o, ok := w.val.(*object); ok {
			return &value{Date: c.s.readDate(o)}
		}
	case "place":
		if o, ok := w.val.(*object); ok {
			full := obj()
			for _, k := range []string{"lat", "lon", "name", "address", "aws_place_id", "google_place_id"} {
				full.set(k, nil)
				if v := o.get(k); o.has(k) {
					full.set(k, v)
				}
			}
			return &value{Raw: appendJSON(nil, full)}
		}
	case "verification":
		o := w.val.(*object)
		state, _ := o.get("state").(string)
		v := &verification{State: state, By: c.actor}
		if d, ok := o.get("date").(*object); ok && d.has("start") {
			v.Date = c.s.readDate(d)
		}
		return &value{Verified: v}
	}
	return nil
}

func (c *call) storeList(src *source, w write) *value {
	out := &value{}
	for _, it := range w.val.([]any) {
		o := it.(*object)
		switch w.prop.Type {
		case "multi_select":
			if id := c.choose(src, w.prop, o); !contains(out.Options, id) {
				out.Options = append(out.Options, id)
			}
		case "files":
			out.Files = append(out.Files, c.storeFile(o))
		default:
			if id := idOf(o); !contains(out.IDs, id) {
				out.IDs = append(out.IDs, id)
			}
		}
	}
	return out
}

func (c *call) storeFile(o *object) *file {
	f := &file{}
	f.Name, _ = o.get("name").(string)
	if up, ok := o.get("file_upload").(*object); ok {
		f.Upload = idOf(up)
		if u := c.s.data.Uploads[f.Upload]; u != nil && f.Name == "" {
			f.Name = u.Filename
		}
		return f
	}
	for _, k := range []string{"external", "file"} {
		if in, ok := o.get(k).(*object); ok {
			f.URL, _ = in.get("url").(string)
		}
	}
	if _, rest, ok := strings.Cut(f.URL, "/"+c.s.data.SpaceID+"/"); ok { // a hosted file sent back
		f.Upload, _, _ = strings.Cut(rest, "/")
		f.URL = ""
	}
	return f
}

// choose finds an option by id or name and makes it when it is not there.
func (c *call) choose(src *source, p *property, o *object) string {
	if id, ok := o.get("id").(string); ok {
		return id
	}
	name, _ := o.get("name").(string)
	if have := p.optionByName(name); have != nil {
		return have.ID
	}
	color, _ := o.get("color").(string)
	made := c.s.addOption(p, name, color)
	c.schemaChanged(src, p, "updated")
	return made.ID
}

// syncRelation keeps the other side of a dual relation in step. The other page
// changes without counting as edited.
func (c *call) syncRelation(pg *page, p *property, before, after *value) {
	if p.Relation == nil || p.Relation.Synced == "" {
		return
	}
	var was, is []string
	if before != nil {
		was = before.IDs
	}
	if after != nil {
		is = after.IDs
	}
	for _, id := range was {
		if !contains(is, id) {
			c.editBack(id, p.Relation.Synced, func(ids []string) []string { return without(ids, pg.ID) })
		}
	}
	for _, id := range is {
		if !contains(was, id) {
			c.editBack(id, p.Relation.Synced, func(ids []string) []string { return append(without(ids, pg.ID), pg.ID) })
		}
	}
}

func (c *call) editBack(id, prop string, change func([]string) []string) {
	other := c.s.data.Pages[id]
	if other == nil {
		return
	}
	c.s.edit(other, c.now, c.actor, true, func(r *rev) {
		var ids []string
		if v := r.Props[prop]; v != nil {
			ids = v.IDs
		}
		r.Props[prop] = &value{IDs: change(ids)}
	})
}

func parseFloat(s string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}
