package emulator

func (c *call) movePage() (*object, *apiError) {
	b, e := c.bodyKeys("parent")
	if e != nil {
		return nil, e
	}
	p, bad := wantObject("body.parent", b.get("parent"))
	if bad == nil {
		also := []string{"database_id"}
		if c.ver >= v2025 {
			also = append(also, "data_source_id")
		}
		bad = checkPageParent("body.parent", p, also...)
	}
	if e := failed("body", bad); e != nil {
		return nil, e
	}
	pg, e := c.pathPage()
	if e != nil {
		return nil, e
	}
	if c.s.trashed(pg.ID) {
		return nil, errTrashed()
	}
	to, e := c.pageParent(p)
	if e != nil {
		return nil, e
	}
	if c.s.inside(to.ID, pg.ID) {
		return nil, invalid("Cannot move a page into itself or one of its descendants.")
	}
	c.move(pg, to)
	return c.answerPage(pg), nil
}

// inside tells whether id is of, or hangs below of: what moves there is lost to everyone.
func (s *State) inside(id, of string) bool {
	for id != "" && id != of {
		id = s.parentOf(id).ID
	}
	return id == of
}

func (s *State) parentOf(id string) parent {
	switch {
	case s.data.Pages[id] != nil:
		return s.data.Pages[id].now().Parent
	case s.data.Sources[id] != nil:
		return parent{Kind: "database", ID: s.data.Sources[id].DB}
	case s.data.Databases[id] != nil:
		return s.data.Databases[id].Parent
	case s.data.Blocks[id] != nil:
		return s.data.Blocks[id].Parent
	}
	return parent{}
}

// move gives a page another parent. Values go along where the new data source
// has a property of the same name and type; the rest is dropped.
func (c *call) move(pg *page, to parent) {
	old := pg.now()
	if old.Parent == to {
		return
	}
	from, dest := c.s.rowSource(old), c.s.data.Sources[to.ID]
	props := map[string]*value{titleID: old.Props[titleID]}
	if from != nil && dest != nil {
		for _, p := range from.Props {
			q := dest.byName(p.Name)
			if q == nil || q.Type != p.Type || old.Props[p.ID] == nil {
				continue
			}
			if len(q.Options) == 0 && len(p.Options) == 0 {
				props[q.ID] = old.Props[p.ID]
			} else {
				props[q.ID] = c.translate(p, q, old.Props[p.ID])
			}
		}
	}
	if from != nil {
		for _, p := range from.Props {
			c.syncRelation(pg, p, old.Props[p.ID], nil)
		}
	}
	c.s.disown(old.Parent, pg.ID)
	next := c.s.edit(pg, c.now, c.actor, false, func(r *rev) { r.Parent, r.Props = to, props })
	if dest != nil {
		dest.Rows = without(dest.Rows, pg.ID) // it may have lived here before
	}
	c.s.adopt(to, pg.ID)
	if dest != nil {
		for _, p := range dest.Props {
			c.syncRelation(pg, p, nil, props[p.ID])
		}
	}
	c.emit(change{kind: "page.moved", id: pg.ID, parent: to, before: old})
	c.rowChanged(from, pg.ID, true)
	c.rowChanged(dest, pg.ID, false)
	_ = next
}

// translate carries option values over by name.
func (c *call) translate(p, q *property, v *value) *value {
	name := func(id string) string {
		o := p.optionByID(id)
		if o == nil {
			return ""
		}
		have := q.optionByName(o.Name)
		if have == nil && q.Type != "status" {
			have = c.s.addOption(q, o.Name, o.Color)
		}
		if have == nil {
			return ""
		}
		return have.ID
	}
	out := &value{}
	if v.Option != "" {
		out.Option = name(v.Option)
	}
	for _, id := range v.Options {
		if got := name(id); got != "" {
			out.Options = append(out.Options, got)
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}
