package emulator

func (c *call) findPage(id string) (*page, *apiError) {
	pg := c.s.data.Pages[id]
	if pg == nil || c.bot && !c.s.shared(id) {
		if kind := c.s.kindOf(id); pg == nil && (kind == "database" || kind == "data_source") && c.s.shared(id) {
			return nil, errWrongKind(id, kind, "page")
		}
		return nil, c.notFound("page", id)
	}
	return pg, nil
}

func (c *call) pathPage() (*page, *apiError) {
	id, e := c.pathID("page_id")
	if e != nil {
		return nil, e
	}
	return c.findPage(id)
}

// pageJSON is a page as revision r has it; only names the properties to show, nil for all.
func (c *call) pageJSON(pg *page, r *rev, only map[string]bool) *object {
	s := c.s
	trash := r.Trash || s.trashed(r.Parent.ID)
	title := ""
	if v := r.Props[titleID]; v != nil {
		title = s.plain(v.Text)
	}
	props := obj()
	if src := s.rowSource(r); src != nil {
		for _, p := range src.Props {
			if only == nil || only[p.ID] {
				props.set(p.Name, s.show(pg, r, p, c.now))
			}
		}
	} else if only == nil || only[titleID] {
		props.set("title", s.show(pg, r, &property{ID: titleID, Type: "title"}, c.now))
	}
	o := obj("object", "page", "id", pg.ID, "created_time", minuteTime(pg.Created), "last_edited_time", minuteTime(r.Edited),
		"created_by", s.userRef(pg.CreatedBy), "last_edited_by", s.userRef(r.EditedBy), "cover", r.Cover, "icon", r.Icon,
		"parent", s.parentJSON(r.Parent, c.ver), "in_trash", trash, "is_archived", r.Archived, "is_locked", r.Locked,
		"properties", props, "url", pageURL(title, pg.ID), "public_url", nil)
	if c.ver < v2026 {
		o.set("archived", trash)
	}
	return o
}

// shownProps reads filter_properties (ids or names, repeated or with []) for a schema.
func (c *call) shownProps(src *source) map[string]bool {
	keys := append(append([]string(nil), c.query["filter_properties"]...), c.query["filter_properties[]"]...)
	if len(keys) == 0 {
		return nil
	}
	only := map[string]bool{}
	for _, k := range keys {
		if src == nil {
			only[k] = true
		} else if p := src.byKey(k); p != nil {
			only[p.ID] = true
		}
	}
	return only
}

func (c *call) answerPage(pg *page) *object {
	r := pg.now()
	return c.pageJSON(pg, r, c.shownProps(c.s.rowSource(r)))
}

func (c *call) getPage() (*object, *apiError) {
	pg, e := c.pathPage()
	if e != nil {
		return nil, e
	}
	return c.answerPage(pg), nil
}

// checkPageParent checks the parent of a page or database of a request.
func checkPageParent(path string, p *object, also ...string) []string {
	keys := append([]string{"page_id", "workspace"}, also...)
	if bad := allowed(path, p, append(keys, "type")...); bad != nil {
		return bad
	}
	for _, k := range keys {
		if !p.has(k) {
			continue
		}
		if bad := oneParent(path, p, k); bad != nil {
			return bad
		}
		if k == "workspace" {
			return wantBool(path+".workspace", p.get(k))
		}
		_, bad := wantUUID(path+"."+k, p.get(k))
		return bad
	}
	var lines []string
	for _, k := range keys {
		lines = append(lines, should(path+"."+k, "defined", undefined{}))
	}
	return lines
}

// oneParent refuses a parent of two kinds. What was read of a row names both
// its data source and its database, and may be sent back.
func oneParent(path string, p *object, key string) []string {
	keys, types := []string{"type", key}, []string{key}
	if key == "database_id" && p.has("data_source_id") {
		keys, types = append(keys, "data_source_id"), append(types, "data_source_id")
	}
	if bad := allowed(path, p, keys...); bad != nil {
		return bad
	}
	if p.has("data_source_id") {
		types = []string{"data_source_id"}
	}
	return optOneOf(path+".type", p.get("type"), types...)
}

// pageParent resolves a checked parent of a page or database.
func (c *call) pageParent(p *object) (parent, *apiError) {
	id := func(k string) string {
		raw, _ := p.get(k).(string)
		id, _ := parseUUID(raw)
		return id
	}
	var par parent
	switch {
	case p.has("data_source_id"):
		src, e := c.findSource(id("data_source_id"))
		if e != nil {
			return par, e
		}
		par = parent{Kind: "source", ID: src.ID}
	case p.has("database_id"):
		db, e := c.findDatabase(id("database_id"))
		if e != nil {
			return par, e
		}
		src, e := c.onlySource(db)
		if e != nil {
			return par, e
		}
		par = parent{Kind: "source", ID: src.ID}
	case p.has("page_id"):
		pg, e := c.findPage(id("page_id"))
		if e != nil {
			return par, e
		}
		par = parent{Kind: "page", ID: pg.ID}
	default:
		return par, invalid("Internal integrations aren't owned by a single user, so creating workspace-level private pages is not supported.")
	}
	if c.s.trashed(par.ID) {
		return par, errTrashed()
	}
	return par, nil
}

// room refuses creates in a workspace that is full.
func (c *call) room(n int) *apiError {
	if c.s.cfg.BlockMax > 0 && len(c.s.data.Pages)+len(c.s.data.Blocks)+len(c.s.data.Databases)+n > c.s.cfg.BlockMax {
		return errRestricted()
	}
	return nil
}

// adopt lists id among the children of its parent.
func (s *State) adopt(p parent, id string) {
	switch {
	case p.Kind == "page" && s.data.Pages[p.ID] != nil:
		s.data.Pages[p.ID].Children = append(s.data.Pages[p.ID].Children, id)
	case p.Kind == "block" && s.data.Blocks[p.ID] != nil:
		s.data.Blocks[p.ID].Children = append(s.data.Blocks[p.ID].Children, id)
	case p.Kind == "source" && s.data.Sources[p.ID] != nil:
		src := s.data.Sources[p.ID]
		src.Rows = append(src.Rows, id)
		src.NextRow++
		s.data.Pages[id].Unique = src.NextRow
	}
}

func (s *State) disown(p parent, id string) {
	switch {
	case p.Kind == "page" && s.data.Pages[p.ID] != nil:
		s.data.Pages[p.ID].Children = without(s.data.Pages[p.ID].Children, id)
	case p.Kind == "block" && s.data.Blocks[p.ID] != nil:
		s.data.Blocks[p.ID].Children = without(s.data.Blocks[p.ID].Children, id)
	}
	// Rows stay listed in the source they left: a lagging query may still show them there.
}

var createKeys = []string{"parent", "properties", "icon", "cover", "content", "children", "markdown", "allow_async", "template", "position"}

func (c *call) createPage() (*object, *apiError) {
	b, e := c.bodyKeys(createKeys...)
	if e != nil {
		return nil, e
	}
	if e := failed("body", c.checkCreate(b)); e != nil {
		return nil, e
	}
	par, e := c.pageParent(b.get("parent").(*object))
	if e != nil {
		return nil, e
	}
	props, _ := b.get("properties").(*object)
	src := c.s.data.Sources[par.ID]
	writes, e := c.plan(src, props)
	if e != nil {
		return nil, e
	}
	if e := c.room(1); e != nil {
		return nil, e
	}
	if src != nil && len(src.Rows) >= c.s.cfg.RowMax {
		return nil, &apiError{status: 409, code: "row_limit_exceeded",
			message: "The data source has reached its limit of rows."}
	}
	pg := c.insertPage(par, src, writes, b)
	children, _ := b.get("children").([]any)
	if more, ok := b.get("content").([]any); ok {
		children = append(children, more...)
	}
	c.addBlocks(parent{Kind: "page", ID: pg.ID}, children)
	c.addMarkdown(pg, b)
	c.blocks = nil
	c.made = pg.ID
	return c.answerPage(pg), nil
}

func (c *call) checkCreate(b *object) []string {
	p, bad := wantObject("body.parent", b.get("parent"))
	if bad != nil {
		return bad
	}
	also := []string{"database_id"}
	if c.ver >= v2025 {
		also = append(also, "data_source_id")
	}
	if bad := checkPageParent("body.parent", p, also...); bad != nil {
		return bad
	}
	if bad := checkOptValues("body.properties", b.get("properties")); bad != nil {
		return bad
	}
	for _, k := range []string{"children", "content"} {
		if bad := optArray("body."+k, b.get(k), checkAllBlocks); bad != nil {
			return bad
		}
	}
	if b.has("markdown") {
		if _, bad := wantString("body.markdown", b.get("markdown"), 0, 0, false); bad != nil {
			return bad
		}
	}
	for _, k := range []string{"position", "template"} {
		if b.has(k) {
			if _, bad := optObject("body."+k, b.get(k)); bad != nil {
				return bad
			}
		}
	}
	if bad := optBool("body", b, "allow_async"); bad != nil {
		return bad
	}
	return checkDress(b)
}

// insertPage puts a new page in place. writes were planned; status properties
// start at their default, as rows do that are added by hand.
func (c *call) insertPage(par parent, src *source, writes []write, b *object) *page {
	s := c.s
	s.data.Seq++
	r := &rev{At: c.now, Edited: c.now, EditedBy: c.actor, Parent: par, Props: map[string]*value{}}
	c.dress(b, &r.Icon, &r.Cover)
	pg := &page{ID: newUUID(s.ids), Seq: s.data.Seq, Created: c.now, CreatedBy: c.actor, Revs: []*rev{r}}
	s.data.Pages[pg.ID] = pg
	s.data.Listed = append(s.data.Listed, pg.ID)
	s.adopt(par, pg.ID)
	if src != nil {
		for _, p := range src.Props {
			if d := p.defaultOption(); p.Type == "status" && d != "" {
				r.Props[p.ID] = &value{Option: d}
			}
		}
	}
	for _, w := range writes {
		r.Props[w.prop.ID] = c.store(src, w)
	}
	for _, w := range writes {
		c.syncRelation(pg, w.prop, nil, r.Props[w.prop.ID])
	}
	s.dirty = true
	c.emit(change{kind: "page.created", id: pg.ID, parent: par})
	c.rowChanged(src, pg.ID, false)
	return pg
}

func (c *call) updatePage() (*object, *apiError) {
	keys := []string{"properties", "icon", "cover", "is_locked", "template", "erase_content", "in_trash", "is_archived"}
	if c.ver < v2026 {
		keys = append(keys, "archived")
	}
	b, e := c.bodyKeys(keys...)
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkOptValues("body.properties", b.get("properties"))); e != nil {
		return nil, e
	}
	if e := failed("body", checkTitles(b)); e != nil {
		return nil, e
	}
	pg, e := c.pathPage()
	if e != nil {
		return nil, e
	}
	if e := c.trashRule(pg.ID, pg.now().Trash, b); e != nil {
		return nil, e
	}
	props, _ := b.get("properties").(*object)
	src := c.s.rowSource(pg.now())
	writes, e := c.plan(src, props)
	if e != nil {
		return nil, e
	}
	if len(b.keys) > 0 {
		c.apply(pg, src, writes, b)
	}
	return c.answerPage(pg), nil
}

// apply makes the next revision of a page from planned writes and the plain fields of b.
func (c *call) apply(pg *page, src *source, writes []write, b *object) {
	old := pg.now()
	next := c.s.edit(pg, c.now, c.actor, false, func(r *rev) {
		for _, w := range writes {
			r.Props[w.prop.ID] = c.store(src, w)
		}
		if v, ok := trashFlag(b); ok {
			r.Trash = v
		}
		if v, ok := b.get("is_archived").(bool); ok {
			r.Archived = v
		}
		if v, ok := b.get("is_locked").(bool); ok {
			r.Locked = v
		}
		c.dress(b, &r.Icon, &r.Cover)
	})
	for _, w := range writes {
		c.syncRelation(pg, w.prop, old.Props[w.prop.ID], next.Props[w.prop.ID])
	}
	if erase, _ := b.get("erase_content").(bool); erase {
		c.eraseContent(pg)
	}
	c.emitRevision(pg, old, next, writes)
}

func (c *call) emitRevision(pg *page, old, next *rev, writes []write) {
	at := change{id: pg.ID, parent: next.Parent, before: old}
	if len(writes) > 0 {
		up := at
		up.kind = "page.properties_updated"
		for _, w := range writes {
			up.props = append(up.props, w.prop.ID)
			if w.prop.ID == titleID {
				body := at
				body.kind = "page.content_updated"
				c.emit(body)
			}
		}
		c.emit(up)
	}
	flip := func(was, is bool, on, off string) {
		if was != is {
			ev := at
			ev.kind = off
			if is {
				ev.kind = on
			}
			c.emit(ev)
		}
	}
	flip(old.Trash, next.Trash, "page.deleted", "page.undeleted")
	if old.Trash != next.Trash {
		c.rowChanged(c.s.rowSource(next), pg.ID, !old.Trash)
	}
	flip(old.Locked, next.Locked, "page.locked", "page.unlocked")
}
