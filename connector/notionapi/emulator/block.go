package emulator

import "time"

// block is a block of a page's body that is neither a page nor a database.
type block struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Body      *object   `json:"body"` // under the type's key, rich text apart
	Text      []*text   `json:"text,omitempty"`
	HasText   bool      `json:"has_text,omitempty"`
	Parent    parent    `json:"parent"`
	Trash     bool      `json:"trash,omitempty"`
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
	Edited    time.Time `json:"edited"`
	EditedBy  string    `json:"edited_by"`
	Children  []string  `json:"children,omitempty"`
}

// addBlocks stores checked blocks at the end of a parent and returns their ids.
func (c *call) addBlocks(par parent, items []any) []string {
	var ids []string
	for _, it := range items {
		o, ok := it.(*object)
		if !ok {
			continue
		}
		t := blockType(o)
		b := &block{
			ID: newUUID(c.s.ids), Type: t, Parent: par, Body: obj(),
			Created: c.now, CreatedBy: c.actor, Edited: c.now, EditedBy: c.actor,
		}
		in := o.get(t).(*object)
		c.fillBlock(b, in)
		c.s.data.Blocks[b.ID] = b
		c.s.adopt(par, b.ID)
		ids = append(ids, b.ID)
		if kids, ok := in.get("children").([]any); ok {
			c.addBlocks(parent{Kind: "block", ID: b.ID}, kids)
		}
	}
	c.blocks = ids
	c.s.dirty = c.s.dirty || len(ids) > 0
	return ids
}

// blockJSON is any child as a block: pages and databases too.
func (c *call) blockJSON(id string) *object {
	s := c.s
	trash := s.trashed(id)
	o := obj("object", "block", "id", id)
	head := func(p parent, made, edited time.Time, by, last string, kids bool) {
		o.set("parent", s.parentJSON(p, c.ver)).set("created_time", minuteTime(made)).set("last_edited_time", minuteTime(edited)).
			set("created_by", s.userRef(by)).set("last_edited_by", s.userRef(last)).set("has_children", kids).set("in_trash", trash)
	}
	switch {
	case s.data.Pages[id] != nil:
		pg := s.data.Pages[id]
		r := pg.now()
		head(r.Parent, pg.Created, r.Edited, pg.CreatedBy, r.EditedBy, len(pg.Children) > 0)
		o.set("type", "child_page").set("child_page", obj("title", s.titleOf(id)))
	case s.data.Databases[id] != nil:
		db := s.data.Databases[id]
		head(db.Parent, db.Created, db.Edited, db.CreatedBy, db.EditedBy, false)
		o.set("type", "child_database").set("child_database", obj("title", s.titleOf(id)))
	default:
		b := s.data.Blocks[id]
		head(b.Parent, b.Created, b.Edited, b.CreatedBy, b.EditedBy, len(b.Children) > 0)
		in := obj()
		if b.HasText {
			in.set("rich_text", s.rich(b.Text, 0))
		}
		for i, k := range b.Body.keys {
			in.set(k, b.Body.vals[i])
		}
		o.set("type", b.Type).set(b.Type, in)
	}
	if c.ver < v2026 {
		o.set("archived", trash)
	}
	return o
}

// pathBlock finds what a block id names: a block, page or database.
func (c *call) pathBlock() (string, *apiError) {
	id, e := c.pathID("block_id")
	if e != nil {
		return "", e
	}
	if kind := c.s.kindOf(id); kind == "" || kind == "data_source" || !c.s.shared(id) {
		return "", c.notFound("block", id)
	}
	return id, nil
}

func (c *call) getBlock() (*object, *apiError) {
	id, e := c.pathBlock()
	if e != nil {
		return nil, e
	}
	return c.blockJSON(id), nil
}

func (c *call) children(id string) []string {
	switch {
	case c.s.data.Pages[id] != nil:
		return c.s.data.Pages[id].Children
	case c.s.data.Blocks[id] != nil:
		return c.s.data.Blocks[id].Children
	}
	return nil
}

func (c *call) listChildren() (*object, *apiError) {
	id, e := c.pathBlock()
	if e != nil {
		return nil, e
	}
	var ids []string
	for _, kid := range c.children(id) {
		if c.s.kindOf(kid) != "" && !c.s.data.Unshared[kid] && c.s.trashed(kid) == c.s.trashed(id) {
			ids = append(ids, kid)
		}
	}
	part, next, e := c.slice(ids, true)
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, kid := range part {
		out = append(out, c.blockJSON(kid))
	}
	return list(out, next, "block"), nil
}

func (c *call) appendChildren() (*object, *apiError) {
	key := "after"
	if c.ver == v2026 {
		key = "position"
	}
	b, e := c.bodyKeys("children", key)
	if e != nil {
		return nil, e
	}
	bad := checkAllBlocks("body.children", b.get("children"))
	if bad == nil {
		bad = checkPlaceOf(b)
	}
	if e := failed("body", bad); e != nil {
		return nil, e
	}
	id, e := c.pathBlock()
	if e != nil {
		return nil, e
	}
	if c.s.trashed(id) {
		return nil, errTrashed()
	}
	items := b.get("children").([]any)
	if e := c.room(len(items)); e != nil {
		return nil, e
	}
	at, e := c.insertAt(id, b)
	if e != nil {
		return nil, e
	}
	par := parent{Kind: c.s.kindOf(id), ID: id}
	if par.Kind == "database" {
		return nil, invalid("Cannot append blocks to a database.")
	}
	if blk := c.s.data.Blocks[id]; blk != nil && childless[blk.Type] {
		return nil, invalid("Block does not support children.")
	}
	before := append([]string(nil), c.children(id)...)
	ids := c.addBlocks(par, items)
	if at < len(before) {
		moved := append(append(append([]string(nil), before[:at]...), ids...), before[at:]...)
		if pg := c.s.data.Pages[id]; pg != nil {
			pg.Children = moved
		} else {
			c.s.data.Blocks[id].Children = moved
		}
	}
	c.emitContent(id)
	out := []any{}
	for _, kid := range ids {
		out = append(out, c.blockJSON(kid))
	}
	return list(out, nil, "block"), nil
}

// checkPlaceOf checks where new blocks go: after, or position since 2026-03-11.
func checkPlaceOf(b *object) (bad []string) {
	if b.has("after") {
		_, bad = wantUUID("body.after", b.get("after"))
		return bad
	}
	if !b.has("position") {
		return nil
	}
	p, bad := optObject("body.position", b.get("position"))
	if bad != nil {
		return bad
	}
	if bad := wantOneOf("body.position.type", p.get("type"), "after_block", "start", "end"); bad != nil || p.get("type") != "after_block" {
		return bad
	}
	in, bad := wantObject("body.position.after_block", p.get("after_block"))
	if bad != nil {
		return bad
	}
	_, bad = wantUUID("body.position.after_block.id", in.get("id"))
	return bad
}

// insertAt is the index among the children of id at which new blocks go.
func (c *call) insertAt(id string, b *object) (int, *apiError) {
	kids := c.children(id)
	after := ""
	switch p := b.get("position").(type) {
	case *object:
		switch p.get("type") {
		case "start":
			return 0, nil
		case "after_block":
			in, _ := p.get("after_block").(*object)
			after = idOf(in)
		}
	default:
		if raw, ok := b.get("after").(string); ok {
			after, _ = parseUUID(raw)
		} else {
			return len(kids), nil
		}
	}
	for i, kid := range kids {
		if kid == after {
			return i + 1, nil
		}
	}
	if b.has("position") && after == "" {
		return len(kids), nil
	}
	return 0, invalid("Block to append children after, with ID %s, is not a child of the parent.", after)
}

func (c *call) updateBlock() (*object, *apiError) {
	b, e := c.bodyObject()
	if e != nil {
		return nil, e
	}
	if c.ver == v2026 && b.has("archived") {
		return nil, failed("body", one(should("body.archived", "not present", b.get("archived"))))
	}
	if e := failed("body", checkTitles(obj("in_trash", orFalse(b, "in_trash"), "archived", orFalse(b, "archived")))); e != nil {
		return nil, e
	}
	t := blockType(b)
	if e := failed("body", checkBlockUpdate(b, t)); e != nil {
		return nil, e
	}
	id, e := c.pathBlock()
	if e != nil {
		return nil, e
	}
	blk := c.s.data.Blocks[id]
	if blk == nil {
		return nil, invalid("Block type %s cannot be updated through this endpoint.", "child_"+c.s.kindOf(id))
	}
	if e := c.trashRule(id, blk.Trash, b); e != nil {
		return nil, e
	}
	if t != "" && t != blk.Type {
		return nil, invalid("Expected block type %s in request body", blk.Type)
	}
	if in, ok := b.get(t).(*object); ok && t != "" {
		c.fillBlock(blk, in)
	}
	if v, given := trashFlag(b); given {
		blk.Trash = v
	}
	c.touchBlock(blk)
	return c.blockJSON(id), nil
}

// checkBlockUpdate checks the keys of an update, and the fields under the block's type t; "" is none.
func checkBlockUpdate(b *object, t string) []string {
	if t == "" {
		return allowed("body", b, "type", "in_trash", "archived")
	}
	if bad := allowed("body", b, "type", "object", "in_trash", "archived", t); bad != nil {
		return bad
	}
	if bad := optOneOf("body.type", b.get("type"), t); bad != nil {
		return bad
	}
	in, bad := wantObject("body."+t, b.get(t))
	if bad != nil {
		return bad
	}
	return checkBlockFields("body."+t, t, in)
}

func orFalse(b *object, k string) any {
	if b.has(k) {
		return b.get(k)
	}
	return false
}

func (c *call) touchBlock(b *block) {
	b.Edited, b.EditedBy = c.now, c.actor
	c.s.dirty = true
	c.emitContent(b.Parent.ID)
}

// emitContent tells that the body of the page above id changed. The page's
// own last_edited_time stays, as reported for edits through the API.
func (c *call) emitContent(id string) {
	for range 100 {
		if pg := c.s.data.Pages[id]; pg != nil {
			c.emit(change{kind: "page.content_updated", id: id, parent: pg.now().Parent, body: true})
			return
		}
		b := c.s.data.Blocks[id]
		if b == nil {
			return
		}
		id = b.Parent.ID
	}
}

// deleteBlock puts a block, page or database into the trash; again is no error.
func (c *call) deleteBlock() (*object, *apiError) {
	id, e := c.pathBlock()
	if e != nil {
		return nil, e
	}
	in := obj("in_trash", true)
	switch {
	case c.s.data.Pages[id] != nil:
		if pg := c.s.data.Pages[id]; !pg.now().Trash {
			c.apply(pg, c.s.rowSource(pg.now()), nil, in)
		}
	case c.s.data.Databases[id] != nil:
		if db := c.s.data.Databases[id]; !db.Trash {
			c.retitle(db, in)
		}
	default:
		b := c.s.data.Blocks[id]
		b.Trash = true
		c.touchBlock(b)
	}
	c.s.dirty = true
	return c.blockJSON(id), nil
}

func (c *call) eraseContent(pg *page) {
	for _, id := range pg.Children {
		if b := c.s.data.Blocks[id]; b != nil {
			b.Trash = true
		}
	}
}
