package emulator

func (c *call) findSource(id string) (*source, *apiError) {
	src := c.s.data.Sources[id]
	if src == nil || c.bot && !c.s.shared(id) {
		return nil, c.notFound("data_source", id)
	}
	return src, nil
}

func (c *call) pathSource() (*source, *apiError) {
	id, e := c.pathID("data_source_id")
	if e != nil {
		return nil, e
	}
	return c.findSource(id)
}

func (s *State) sourceJSON(src *source, ver version) *object {
	db := s.data.Databases[src.DB]
	trash := s.trashed(src.ID)
	o := obj("object", "data_source", "id", src.ID, "cover", db.Cover, "icon", src.Icon,
		"created_time", minuteTime(src.Created), "created_by", s.userRef(src.CreatedBy),
		"last_edited_by", s.userRef(src.EditedBy), "last_edited_time", minuteTime(src.Edited),
		"title", s.rich(src.Title, 0), "description", s.rich(db.About, 0), "is_inline", db.Inline,
		"properties", s.schemaJSON(src, ver), "parent", obj("type", "database_id", "database_id", db.ID),
		"database_parent", s.parentJSON(db.Parent, ver), "url", pageURL("", db.ID), "public_url", nil, "in_trash", trash)
	if ver < v2026 {
		o.set("archived", trash)
	}
	return o
}

// addSource makes a data source with a schema; without one it has a title property only.
func (c *call) addSource(db *database, title []*text, props *object) (*source, *apiError) {
	src := &source{
		ID: newUUID(c.s.ids), DB: db.ID, Title: title,
		Created: c.now, Edited: c.now, CreatedBy: c.actor, EditedBy: c.actor,
	}
	if props == nil {
		props = obj("Name", obj("title", obj()))
	}
	undo := c.snapshotSchemas()
	c.s.data.Sources[src.ID] = src
	db.Sources = append(db.Sources, src.ID)
	fail := func(e *apiError) (*source, *apiError) {
		undo()
		delete(c.s.data.Sources, src.ID)
		db.Sources = without(db.Sources, src.ID)
		return nil, e
	}
	for pass := range 2 { // rollups name relations that may come after them
		for i, name := range props.keys {
			o := props.vals[i].(*object)
			if (schemaType(o) == "rollup") != (pass == 1) {
				continue
			}
			if _, e := c.newProperty(src, name, o); e != nil {
				return fail(e)
			}
		}
	}
	if src.byID(titleID) == nil {
		return fail(invalid("Title is not provided"))
	}
	c.s.data.Listed = append(c.s.data.Listed, src.ID)
	c.s.dirty = true
	return src, nil
}

func (c *call) createSource() (*object, *apiError) {
	b, e := c.bodyKeys("parent", "properties", "title", "icon")
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkSourceBody(b)); e != nil {
		return nil, e
	}
	raw, _ := b.get("parent").(*object).get("database_id").(string)
	id, _ := parseUUID(raw)
	db, e := c.findDatabase(id)
	if e != nil {
		return nil, e
	}
	if c.s.trashed(id) {
		return nil, errTrashed()
	}
	src, e := c.addSource(db, c.s.readRich(b.get("title")), b.get("properties").(*object))
	if e != nil {
		return nil, e
	}
	c.dress(b, &src.Icon, nil)
	c.made = src.ID
	c.emit(change{kind: "data_source.created", id: src.ID, parent: parent{Kind: "database", ID: db.ID}})
	return c.s.sourceJSON(src, c.ver), nil
}

func checkSourceBody(b *object) []string {
	if bad := checkSourceParent(b.get("parent")); bad != nil {
		return bad
	}
	if bad := checkProperties("body.properties", b.get("properties"), false, v2025); bad != nil {
		return bad
	}
	return checkTitles(b)
}

func (c *call) getSource() (*object, *apiError) {
	src, e := c.pathSource()
	if e != nil {
		return nil, e
	}
	return c.s.sourceJSON(src, c.ver), nil
}

func (c *call) updateSource() (*object, *apiError) {
	keys := []string{"title", "icon", "properties", "in_trash", "parent"}
	if c.ver < v2026 {
		keys = append(keys, "archived")
	}
	b, e := c.bodyKeys(keys...)
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkSourceUpdate(b)); e != nil {
		return nil, e
	}
	src, e := c.pathSource()
	if e != nil {
		return nil, e
	}
	if e := c.trashRule(src.ID, src.Trash, b); e != nil {
		return nil, e
	}
	to, e := c.newHome(src, b)
	if e != nil {
		return nil, e
	}
	if props, ok := b.get("properties").(*object); ok {
		if e := c.updateSchema(src, props); e != nil {
			return nil, e
		}
	}
	if to != nil {
		c.moveSource(src, to)
	}
	c.retitleSource(src, b)
	return c.s.sourceJSON(src, c.ver), nil
}

func checkSourceParent(v any) []string {
	p, bad := wantObject("body.parent", v)
	if bad != nil {
		return bad
	}
	if bad := allowed("body.parent", p, "type", "database_id"); bad != nil {
		return bad
	}
	_, bad = wantUUID("body.parent.database_id", p.get("database_id"))
	return bad
}

func checkSourceUpdate(b *object) []string {
	if b.has("parent") {
		if bad := checkSourceParent(b.get("parent")); bad != nil {
			return bad
		}
	}
	if b.has("properties") {
		if _, bad := optObject("body.properties", b.get("properties")); bad != nil {
			return bad
		}
		if bad := checkProperties("body.properties", b.get("properties"), true, v2025); bad != nil {
			return bad
		}
	}
	return checkTitles(b)
}

// newHome is the database that a checked update moves src to; nil when it stays.
func (c *call) newHome(src *source, b *object) (*database, *apiError) {
	p, ok := b.get("parent").(*object)
	if !ok {
		return nil, nil
	}
	raw, _ := p.get("database_id").(string)
	id, _ := parseUUID(raw)
	db, e := c.findDatabase(id)
	switch {
	case e != nil:
		return nil, e
	case db.ID == src.DB:
		return nil, nil
	case c.s.trashed(id):
		return nil, errTrashed()
	case c.s.inside(db.ID, src.ID):
		return nil, invalid("Cannot move a data source into itself or one of its descendants.")
	case len(c.s.data.Databases[src.DB].Sources) == 1:
		return nil, invalid("Cannot move the only data source of a database.")
	}
	return db, nil
}

func (c *call) moveSource(src *source, to *database) {
	from := c.s.data.Databases[src.DB]
	from.Sources = without(from.Sources, src.ID)
	to.Sources = append(to.Sources, src.ID)
	src.DB = to.ID
	c.emit(change{kind: "data_source.moved", id: src.ID, parent: parent{Kind: "database", ID: to.ID}})
}

func (c *call) retitleSource(src *source, b *object) {
	if b.has("title") {
		src.Title = c.s.readRich(b.get("title"))
	}
	c.dress(b, &src.Icon, nil)
	if v, ok := trashFlag(b); ok && v != src.Trash {
		src.Trash = v
		kind := "data_source.undeleted"
		if v {
			kind = "data_source.deleted"
		}
		c.emit(change{kind: kind, id: src.ID, parent: parent{Kind: "database", ID: src.DB}})
	}
	src.Edited, src.EditedBy = c.now, c.actor
	c.s.dirty = true
}

// listTemplates answers none: templates are made in the application only.
func (c *call) listTemplates() (*object, *apiError) {
	if _, e := c.pathSource(); e != nil {
		return nil, e
	}
	return obj("templates", []any{}, "has_more", false, "next_cursor", nil), nil
}
