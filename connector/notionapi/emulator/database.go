package emulator

func (c *call) findDatabase(id string) (*database, *apiError) {
	db := c.s.data.Databases[id]
	if db == nil || c.bot && !c.s.shared(id) {
		if db == nil && c.s.data.Pages[id] != nil && c.s.shared(id) {
			return nil, errWrongKind(id, "page", "database")
		}
		return nil, c.notFound("database", id)
	}
	return db, nil
}

// onlySource is the data source of a database for clients that name only the database.
func (c *call) onlySource(db *database) (*source, *apiError) {
	if len(db.Sources) > 1 {
		return nil, c.errManySources(db)
	}
	return c.s.data.Sources[db.Sources[0]], nil
}

func (s *State) databaseJSON(db *database, ver version) *object {
	trash := s.trashed(db.ID)
	o := obj("object", "database", "id", db.ID)
	if ver == v2022 {
		o.set("cover", db.Cover).set("icon", db.Icon).set("created_time", minuteTime(db.Created)).
			set("created_by", s.userRef(db.CreatedBy)).set("last_edited_by", s.userRef(db.EditedBy)).
			set("last_edited_time", minuteTime(db.Edited))
	}
	o.set("title", s.rich(db.Title, 0)).set("description", s.rich(db.About, 0))
	if ver == v2022 {
		o.set("is_inline", db.Inline).set("properties", s.schemaJSON(s.data.Sources[db.Sources[0]], ver)).
			set("parent", s.parentJSON(db.Parent, ver)).set("url", pageURL("", db.ID)).set("public_url", nil).
			set("archived", trash).set("in_trash", trash)
		return o
	}
	o.set("parent", s.parentJSON(db.Parent, ver)).set("is_inline", db.Inline).set("in_trash", trash).
		set("is_locked", db.Locked).set("created_time", msTime(db.Created)).set("last_edited_time", msTime(db.Edited))
	list := []any{}
	for _, id := range db.Sources {
		list = append(list, obj("id", id, "name", s.plain(s.data.Sources[id].Title)))
	}
	o.set("data_sources", list).set("icon", db.Icon).set("cover", db.Cover).set("url", pageURL("", db.ID)).set("public_url", nil)
	if ver < v2026 {
		o.set("archived", trash)
	}
	return o
}

func (c *call) getDatabase() (*object, *apiError) {
	id, e := c.pathID("database_id")
	if e != nil {
		return nil, e
	}
	db, e := c.findDatabase(id)
	if e != nil {
		return nil, e
	}
	if c.ver == v2022 && len(db.Sources) > 1 {
		return nil, c.errManySources(db)
	}
	return c.s.databaseJSON(db, c.ver), nil
}

func (c *call) createDatabase() (*object, *apiError) {
	keys := []string{"parent", "title", "description", "is_inline", "initial_data_source", "icon", "cover"}
	if c.ver == v2022 {
		keys = []string{"parent", "title", "description", "is_inline", "properties", "icon", "cover"}
	}
	b, e := c.bodyKeys(keys...)
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkDatabaseBody(b, c.ver)); e != nil {
		return nil, e
	}
	par, e := c.pageParent(b.get("parent").(*object))
	if e != nil {
		return nil, e
	}
	if e := c.room(1); e != nil {
		return nil, e
	}
	db := &database{
		ID: newUUID(c.s.ids), Parent: par, Created: c.now, Edited: c.now, CreatedBy: c.actor, EditedBy: c.actor,
		Title: c.s.readRich(b.get("title")), About: c.s.readRich(b.get("description")),
	}
	c.dress(b, &db.Icon, &db.Cover)
	db.Inline, _ = b.get("is_inline").(bool)
	c.s.data.Databases[db.ID] = db
	props, _ := b.get("properties").(*object)
	if in, ok := b.get("initial_data_source").(*object); ok {
		props, _ = in.get("properties").(*object)
	}
	src, e := c.addSource(db, db.Title, props)
	if e != nil {
		delete(c.s.data.Databases, db.ID)
		return nil, e
	}
	c.s.adopt(par, db.ID)
	c.made = db.ID
	c.s.dirty = true
	c.emit(change{kind: "database.created", id: db.ID, parent: par})
	c.emit(change{kind: "data_source.created", id: src.ID, parent: parent{Kind: "database", ID: db.ID}})
	return c.s.databaseJSON(db, c.ver), nil
}

func checkDatabaseBody(b *object, ver version) []string {
	p, bad := wantObject("body.parent", b.get("parent"))
	if bad != nil {
		return bad
	}
	if bad := checkPageParent("body.parent", p); bad != nil {
		return bad
	}
	if bad := checkTitles(b); bad != nil {
		return bad
	}
	if ver == v2022 {
		return checkProperties("body.properties", b.get("properties"), false, ver)
	}
	if !b.has("initial_data_source") {
		return nil
	}
	in, bad := wantObject("body.initial_data_source", b.get("initial_data_source"))
	if bad != nil {
		return bad
	}
	if bad := allowed("body.initial_data_source", in, "properties"); bad != nil {
		return bad
	}
	if !in.has("properties") {
		return nil
	}
	return checkProperties("body.initial_data_source.properties", in.get("properties"), false, ver)
}

// checkTitles checks what databases and data sources have in common.
func checkTitles(b *object) []string {
	for _, k := range []string{"title", "description"} {
		if bad := optArray("body."+k, b.get(k), checkRich); bad != nil {
			return bad
		}
	}
	for _, k := range []string{"is_inline", "in_trash", "archived", "is_locked", "is_archived", "erase_content"} {
		if bad := optBool("body", b, k); bad != nil {
			return bad
		}
	}
	return checkDress(b)
}

func (c *call) updateDatabase() (*object, *apiError) {
	id, e := c.pathID("database_id")
	if e != nil {
		return nil, e
	}
	keys := []string{"parent", "title", "description", "is_inline", "icon", "cover", "in_trash", "is_locked"}
	if c.ver < v2026 {
		keys = append(keys, "archived")
	}
	if c.ver == v2022 {
		keys = append(keys, "properties")
	}
	b, e := c.bodyKeys(keys...)
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkDatabaseUpdate(b)); e != nil {
		return nil, e
	}
	db, e := c.findDatabase(id)
	if e != nil {
		return nil, e
	}
	if c.ver == v2022 && len(db.Sources) > 1 {
		return nil, c.errManySources(db)
	}
	if e := c.trashRule(id, db.Trash, b); e != nil {
		return nil, e
	}
	to, e := c.newParent(db, b)
	if e != nil {
		return nil, e
	}
	if props, ok := b.get("properties").(*object); ok {
		if e := c.updateSchema(c.s.data.Sources[db.Sources[0]], props); e != nil {
			return nil, e
		}
	}
	c.moveDatabase(db, to)
	c.retitle(db, b)
	c.s.dirty = true
	return c.s.databaseJSON(db, c.ver), nil
}

func checkDatabaseUpdate(b *object) []string {
	if b.has("parent") {
		p, bad := wantObject("body.parent", b.get("parent"))
		if bad != nil {
			return bad
		}
		if bad := checkPageParent("body.parent", p); bad != nil {
			return bad
		}
	}
	if b.has("properties") {
		if bad := checkProperties("body.properties", b.get("properties"), true, v2022); bad != nil {
			return bad
		}
	}
	return checkTitles(b)
}

// newParent is where a checked update moves db to: where it is, unless it says so.
func (c *call) newParent(db *database, b *object) (parent, *apiError) {
	p, ok := b.get("parent").(*object)
	if !ok {
		return db.Parent, nil
	}
	to, e := c.pageParent(p)
	if e == nil && c.s.inside(to.ID, db.ID) {
		e = invalid("Cannot move a database into itself or one of its descendants.")
	}
	return to, e
}

func (c *call) moveDatabase(db *database, to parent) {
	if db.Parent == to {
		return
	}
	c.s.disown(db.Parent, db.ID)
	c.s.adopt(to, db.ID)
	db.Parent = to
	c.emit(change{kind: "database.moved", id: db.ID, parent: to})
}

// retitle applies the plain fields of a database update. With one data source
// the title of the database is the data source's as well.
func (c *call) retitle(db *database, b *object) {
	if b.has("title") {
		db.Title = c.s.readRich(b.get("title"))
		if len(db.Sources) == 1 {
			c.s.data.Sources[db.Sources[0]].Title = db.Title
		}
	}
	if b.has("description") {
		db.About = c.s.readRich(b.get("description"))
	}
	if v, ok := b.get("is_inline").(bool); ok {
		db.Inline = v
	}
	if v, ok := b.get("is_locked").(bool); ok {
		db.Locked = v
	}
	c.dress(b, &db.Icon, &db.Cover)
	if v, ok := trashFlag(b); ok && v != db.Trash {
		db.Trash = v
		kind := "database.undeleted"
		if v {
			kind = "database.deleted"
		}
		c.emit(change{kind: kind, id: db.ID, parent: db.Parent})
	}
	db.Edited, db.EditedBy = c.now, c.actor
}

// trashFlag reads in_trash or its old name.
func trashFlag(b *object) (v, given bool) {
	if v, ok := b.get("in_trash").(bool); ok {
		return v, true
	}
	v, given = b.get("archived").(bool)
	return v, given
}

// trashRule refuses edits of what is in the trash, unless the request takes it out.
func (c *call) trashRule(id string, own bool, b *object) *apiError {
	v, given := trashFlag(b)
	if !c.s.trashed(id) {
		return nil
	}
	if given && (!v && own || v && len(b.keys) == 1) {
		return nil
	}
	return errTrashed()
}
