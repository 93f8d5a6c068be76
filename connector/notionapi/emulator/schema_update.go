package emulator

// updateSchema applies the "properties" of an update: null removes, {name}
// renames, settings of another type convert. It works on a copy so that a
// refused request changes nothing.
func (c *call) updateSchema(src *source, props *object) *apiError {
	undo := c.snapshotSchemas()
	c.late = nil
	for i, key := range props.keys {
		if e := c.updateProperty(src, key, props.vals[i]); e != nil {
			undo()
			return e
		}
	}
	if name, size := c.s.largestProperty(src); size > schemaMax {
		undo()
		return invalid("The schema of this data source is too large: it would exceed %d KB. The largest property is %s.", schemaMax>>10, name)
	}
	c.convertRows()
	return nil
}

// convertRows carries out the conversions of rows that the schema request asked for.
func (c *call) convertRows() {
	for _, convert := range c.late {
		convert()
	}
	c.late = nil
}

// schemaMax is the recommended size of a schema; a larger update is blocked
// (reference/update-a-data-source).
const schemaMax = 50 << 10

// largestProperty names the property with the largest settings, and the size of the whole schema.
func (s *State) largestProperty(src *source) (name string, size int) {
	most := -1
	for _, p := range src.Props {
		n := len(p.Name) + len(appendJSON(nil, s.settings(p, v2026)))
		if size += n; n > most {
			name, most = p.Name, n
		}
	}
	return name, size
}

// snapshotSchemas remembers every schema (a dual relation changes two) and
// returns a function that puts them back.
func (c *call) snapshotSchemas() func() {
	s := c.s
	type saved struct {
		props []*property
		rows  int
	}
	all := make(map[string]saved, len(s.data.Sources))
	for id, src := range s.data.Sources {
		all[id] = saved{copyProps(src.Props), src.NextRow}
	}
	said := len(c.events)
	return func() {
		for id, v := range all {
			s.data.Sources[id].Props = v.props
			s.data.Sources[id].NextRow = v.rows
		}
		c.events = c.events[:said]
	}
}

func copyProps(in []*property) []*property {
	out := make([]*property, len(in))
	for i, p := range in {
		q := *p
		q.Options = append([]*option(nil), p.Options...)
		q.Groups = make([]*group, len(p.Groups))
		for j, g := range p.Groups {
			h := *g
			h.Options = append([]string(nil), g.Options...)
			q.Groups[j] = &h
		}
		if p.Relation != nil {
			r := *p.Relation
			q.Relation = &r
		}
		out[i] = &q
	}
	return out
}

func (c *call) updateProperty(src *source, key string, v any) *apiError {
	p := src.byKey(key)
	if v == nil {
		if p == nil {
			return invalid("%s is not a property that exists.", key)
		}
		return c.removeProperty(src, p)
	}
	o := v.(*object)
	if p == nil {
		if schemaType(o) == "" {
			return invalid("%s is not a property that exists.", key)
		}
		p, e := c.newProperty(src, key, o)
		if e == nil {
			c.schemaChanged(src, p, "created")
		}
		return e
	}
	if name, ok := o.get("name").(string); ok && name != p.Name {
		if src.byName(name) != nil {
			return invalid("Cannot rename property to %s: a property with that name exists.", name)
		}
		p.Name = name
	}
	t := schemaType(o)
	if t != "" {
		// The description is part of the settings: leaving it out clears it.
		p.About = nil
		if e := c.convert(src, p, t, o.get(t).(*object)); e != nil {
			return e
		}
	}
	if d, ok := o.get("description").(string); ok {
		p.About = &d
	}
	c.schemaChanged(src, p, "updated")
	return nil
}

func (c *call) removeProperty(src *source, p *property) *apiError {
	if p.Type == "title" {
		return invalid("Cannot delete property %s: the title property cannot be removed.", p.Name)
	}
	c.unrelate(p)
	src.drop(p)
	src.Deleted = append(src.Deleted, p)
	c.schemaChanged(src, p, "deleted")
	return nil
}

// convert gives p the settings of type t; a type of its own converts the
// values of every row as far as they can be.
func (c *call) convert(src *source, p *property, t string, in *object) *apiError {
	if t == p.Type {
		return c.configure(src, p, in)
	}
	if p.Type == "title" || t == "title" {
		return invalid("Cannot change the type of property %s: the title property cannot be converted.", p.Name)
	}
	if c.bot && (p.Type == "status" || t == "unique_id" && c.ver < v2022) {
		return invalid("Cannot change the type of property %s from %s to %s.", p.Name, p.Type, t)
	}
	old := *p
	c.unrelate(p)
	p.Type = t
	p.Format, p.Options, p.Groups, p.Relation, p.Rollup, p.Prefix, p.Raw, p.Expression = "", nil, nil, nil, nil, nil, nil, ""
	if (t == "select" || t == "multi_select") && (old.Type == "select" || old.Type == "multi_select" || old.Type == "status") {
		p.Options = old.Options
	}
	if e := c.configure(src, p, in); e != nil {
		return e
	}
	c.late = append(c.late, func() { c.convertValues(src, &old, p) })
	return nil
}

// convertValues keeps what text can carry; everything else is lost, as in the application.
func (c *call) convertValues(src *source, old, p *property) {
	for _, id := range src.Rows {
		pg := c.s.data.Pages[id]
		r := pg.now()
		v := r.Props[p.ID]
		if v == nil || r.Parent.ID != src.ID {
			continue
		}
		next := c.converted(pg, r, old, p, v)
		c.s.edit(pg, c.now, c.actor, true, func(r *rev) {
			delete(r.Props, p.ID)
			if next != nil {
				r.Props[p.ID] = next
			}
		})
	}
}

func (c *call) converted(pg *page, r *rev, old, p *property, v *value) *value {
	text := c.s.textOf(pg, r, old)
	switch p.Type {
	case "rich_text":
		return &value{Text: plainText(text)}
	case "url", "email", "phone_number":
		if text == "" {
			return nil
		}
		return &value{String: &text}
	case "select":
		id := v.Option
		if old.Type == "multi_select" && len(v.Options) > 0 {
			id = v.Options[0]
		}
		if p.optionByID(id) != nil {
			return &value{Option: id}
		}
	case "multi_select":
		if v.Option != "" && p.optionByID(v.Option) != nil {
			return &value{Options: []string{v.Option}}
		}
	case "number":
		if f, ok := parseFloat(text); ok {
			return &value{Number: &f}
		}
	case "checkbox":
		return &value{Bool: text != ""}
	}
	return nil
}
