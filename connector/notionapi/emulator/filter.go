package emulator

import (
	"fmt"
	"time"
)

// compoundDepth is how deep and/or may nest.
const compoundDepth = 2

// filterTypes is every key under which a property filter may stand, in the
// order in which a refused filter lists its branches.
var filterTypes = []string{
	"title", "rich_text", "number", "checkbox", "select", "multi_select", "status", "date", "people", "files", "url",
	"email", "phone_number", "relation", "created_by", "created_time", "last_edited_by", "last_edited_time",
	"formula", "unique_id", "rollup", "verification",
}

type predicate func(item) bool

// compileFilter makes a predicate of the checked body's filter; all rows match without one.
func (c *call) compileFilter(src *source, b *object) (func(item) bool, *apiError) {
	f, ok := b.get("filter").(*object)
	if !ok {
		return func(item) bool { return true }, nil
	}
	return c.filter(src, "body.filter", f, compoundDepth)
}

func (c *call) filter(src *source, path string, f *object, depth int) (predicate, *apiError) {
	for _, word := range []string{"and", "or"} {
		if f.has(word) {
			return c.compound(src, path, f, word, depth)
		}
	}
	if f.has("timestamp") {
		return c.timestampFilter(path, f)
	}
	kind := ""
	for _, t := range filterTypes {
		if f.has(t) {
			kind = t
			break
		}
	}
	if kind == "" {
		lines := []string{should(path+".or", "defined", undefined{}), should(path+".and", "defined", undefined{})}
		for _, t := range filterTypes {
			lines = append(lines, should(path+"."+t, "defined", undefined{}))
		}
		return nil, failed("body", lines)
	}
	bad := allowed(path, f, "property", "type", kind)
	if bad == nil {
		bad = optOneOf(path+".type", f.get("type"), kind)
	}
	if bad != nil {
		return nil, failed("body", bad)
	}
	name, bad := wantString(path+".property", f.get("property"), 1, 0, false)
	if bad != nil {
		return nil, failed("body", bad)
	}
	cond, bad := wantObject(path+"."+kind, f.get(kind))
	if bad != nil {
		return nil, failed("body", bad)
	}
	test, bad := c.condition(path+"."+kind, kind, cond)
	if bad != nil {
		return nil, failed("body", bad)
	}
	p := src.byKey(name)
	if p == nil {
		return nil, invalid("Could not find property with name or id: %s", name)
	}
	if p.Type != kind {
		return nil, invalid("The property type in the database does not match the property type of the filter provided: database property %s does not match filter %s", p.Type, kind)
	}
	return func(it item) bool { return test(c.operand(it, p)) }, nil
}

func (c *call) compound(src *source, path string, f *object, word string, depth int) (predicate, *apiError) {
	if bad := allowed(path, f, word); bad != nil {
		return nil, failed("body", bad)
	}
	path += "." + word
	if depth == 0 {
		return nil, failed("body", one(should(path, "not present", f.get(word))))
	}
	parts, bad := wantArray(path, f.get(word), arrayMax)
	if bad != nil {
		return nil, failed("body", bad)
	}
	tests := make([]predicate, 0, len(parts))
	for i, v := range parts {
		at := fmt.Sprintf("%s[%d]", path, i)
		o, bad := wantObject(at, v)
		if bad != nil {
			return nil, failed("body", bad)
		}
		t, e := c.filter(src, at, o, depth-1)
		if e != nil {
			return nil, e
		}
		tests = append(tests, t)
	}
	all := word == "and"
	return func(it item) bool {
		for _, t := range tests {
			if t(it) != all {
				return !all
			}
		}
		return all || len(tests) == 0
	}, nil
}

func (c *call) timestampFilter(path string, f *object) (predicate, *apiError) {
	which, _ := f.get("timestamp").(string)
	if bad := wantOneOf(path+".timestamp", f.get("timestamp"), "created_time", "last_edited_time"); bad != nil {
		return nil, failed("body", bad)
	}
	bad := allowed(path, f, "timestamp", "type", which)
	if bad == nil {
		bad = optOneOf(path+".type", f.get("type"), which)
	}
	if bad != nil {
		return nil, failed("body", bad)
	}
	cond, bad := wantObject(path+"."+which, f.get(which))
	if bad != nil {
		return nil, failed("body", bad)
	}
	test, bad := c.condition(path+"."+which, "date", cond)
	if bad != nil {
		return nil, failed("body", bad)
	}
	return func(it item) bool {
		t := it.pg.Created
		if which == "last_edited_time" {
			t = it.r.Edited
		}
		return test(instant(t))
	}, nil
}

// span is a date as filters see it.
type span struct {
	start, end time.Time
	day        bool
}

// instant is a page's own time: cut to the minute like everything that shows it.
func instant(t time.Time) *span {
	t = t.UTC().Truncate(time.Minute)
	return &span{start: t, end: t}
}

// operand is the value that conditions on p look at: string for text, option
// names for choices, ids for people and relations, *float64, bool, *span.
func (c *call) operand(it item, p *property) any {
	s, v := c.s, it.r.Props[p.ID]
	if v == nil {
		v = &value{}
	}
	switch p.Type {
	case "title", "rich_text":
		return s.plain(v.Text)
	case "url", "email", "phone_number":
		if v.String == nil {
			return ""
		}
		return *v.String
	case "number":
		return v.Number
	case "checkbox":
		return v.Bool
	case "select", "status":
		if o := p.optionByID(v.Option); o != nil {
			return o.Name
		}
		return ""
	case "multi_select":
		names := []string{}
		for _, id := range v.Options {
			if o := p.optionByID(id); o != nil {
				names = append(names, o.Name)
			}
		}
		return names
	case "date":
		return dateSpan(v.Date)
	case "people":
		return v.IDs
	case "relation":
		return s.visibleRelation(p, v)
	case "files":
		return len(v.Files)
	case "created_by":
		return []string{it.pg.CreatedBy}
	case "last_edited_by":
		return []string{it.r.EditedBy}
	case "created_time":
		return instant(it.pg.Created)
	case "last_edited_time":
		return instant(it.r.Edited)
	case "unique_id":
		if it.pg.Unique == 0 {
			return (*float64)(nil)
		}
		n := float64(it.pg.Unique)
		return &n
	case "verification":
		if v.Verified == nil || v.Verified.State == "unverified" {
			return "none"
		}
		return v.Verified.State
	case "formula":
		return formulaOperand(v)
	case "rollup":
		return rolled{c.rollOperands(it.r, p), s.rollup(it.r, p, c.now, 0)}
	}
	return nil
}

func dateSpan(d *date) *span {
	if d == nil {
		return nil
	}
	start, end, day := d.bounds()
	return &span{start, end, day}
}

// formulaOperand reads a formula's stored answer.
func formulaOperand(v *value) any {
	raw, err := parseJSON(v.Raw)
	o, ok := raw.(*object)
	if err != nil || !ok {
		return nil
	}
	switch x := o.get(fmt.Sprint(o.get("type"))).(type) {
	case string, bool:
		return x
	case float64:
		return &x
	case *object:
		if s, ok := x.get("start").(string); ok {
			return dateSpan(&date{Start: s})
		}
	}
	return nil
}

// textOf is a value as plain text, for conversions and titles.
func (s *State) textOf(pg *page, r *rev, p *property) string {
	c := &call{s: s}
	switch v := c.operand(item{pg, r}, p).(type) {
	case string:
		return v
	case *float64:
		if v != nil {
			return string(appendNumber(nil, *v))
		}
	case bool:
		if v {
			return "Yes"
		}
	case []string:
		out := ""
		for i, n := range v {
			if i > 0 {
				out += ", "
			}
			out += n
		}
		return out
	case *span:
		if v != nil {
			return r.Props[p.ID].Date.Start
		}
	}
	return ""
}
