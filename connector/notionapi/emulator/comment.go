package emulator

import "time"

// comment is one comment of a discussion on a page or block.
type comment struct {
	ID         string    `json:"id"`
	Parent     parent    `json:"parent"`
	Discussion string    `json:"discussion"`
	Text       []*text   `json:"text"`
	Created    time.Time `json:"created"`
	Edited     time.Time `json:"edited"`
	CreatedBy  string    `json:"created_by"`
	NameType   string    `json:"name_type"`
	Name       string    `json:"name"`
}

func (c *call) commentJSON(m *comment) *object {
	return obj("object", "comment", "id", m.ID, "parent", c.s.parentJSON(m.Parent, c.ver), "discussion_id", m.Discussion,
		"created_time", minuteTime(m.Created), "last_edited_time", minuteTime(m.Edited), "created_by", c.s.userRef(m.CreatedBy),
		"rich_text", c.s.rich(m.Text, 0), "display_name", obj("type", m.NameType, "resolved_name", m.Name))
}

func (c *call) createComment() (*object, *apiError) {
	b, e := c.bodyKeys("parent", "discussion_id", "rich_text", "markdown", "attachments", "display_name")
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkComment(b)); e != nil {
		return nil, e
	}
	m := &comment{Created: c.now, Edited: c.now, CreatedBy: c.actor, NameType: "integration", Name: c.integ.Name}
	if e := c.commentPlace(m, b); e != nil {
		return nil, e
	}
	m.ID = newUUID(c.s.ids)
	if m.Discussion == "" {
		m.Discussion = newUUID(c.s.ids)
	}
	m.Text = c.commentText(b)
	c.commentName(m, b)
	c.s.data.Comments[m.ID] = m
	c.s.data.Said = append(c.s.data.Said, m.ID)
	c.s.dirty = true
	c.made = m.ID
	c.emit(change{kind: "comment.created", id: m.ID, parent: m.Parent})
	return c.commentJSON(m), nil
}

func checkComment(b *object) []string {
	if b.has("parent") == b.has("discussion_id") {
		return []string{should("body.parent", "defined", b.get("parent")), should("body.discussion_id", "defined", b.get("discussion_id"))}
	}
	if b.has("parent") {
		p, bad := wantObject("body.parent", b.get("parent"))
		if bad != nil {
			return bad
		}
		key := "page_id"
		if p.has("block_id") {
			key = "block_id"
		}
		if _, bad := wantUUID("body.parent."+key, p.get(key)); bad != nil {
			return bad
		}
	} else if _, bad := wantUUID("body.discussion_id", b.get("discussion_id")); bad != nil {
		return bad
	}
	bad := optArray("body.attachments", b.get("attachments"), func(at string, v any) []string {
		_, bad := wantArray(at, v, 3)
		return bad
	})
	if bad == nil && b.has("display_name") {
		bad = checkDisplayName("body.display_name", b.get("display_name"))
	}
	if bad != nil {
		return bad
	}
	return checkCommentText(b)
}

func checkDisplayName(path string, v any) []string {
	o, bad := optObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := wantOneOf(path+".type", o.get("type"), "integration", "user", "custom"); bad != nil || o.get("type") != "custom" {
		return bad
	}
	in, bad := wantObject(path+".custom", o.get("custom"))
	if bad != nil {
		return bad
	}
	_, bad = wantString(path+".custom.name", in.get("name"), 1, 0, false)
	return bad
}

func checkCommentText(b *object) []string {
	if b.has("markdown") && !b.has("rich_text") {
		_, bad := wantString("body.markdown", b.get("markdown"), 1, 0, false)
		return bad
	}
	return checkRich("body.rich_text", b.get("rich_text"))
}

func (c *call) commentText(b *object) []*text {
	if md, ok := b.get("markdown").(string); ok {
		return plainText(md)
	}
	return c.s.readRich(b.get("rich_text"))
}

func (c *call) commentName(m *comment, b *object) {
	d, _ := b.get("display_name").(*object)
	if d.get("type") == "custom" {
		in, _ := d.get("custom").(*object)
		m.NameType = "custom"
		m.Name, _ = in.get("name").(string)
	}
}

// commentPlace finds the page, block or discussion that a comment belongs to.
func (c *call) commentPlace(m *comment, b *object) *apiError {
	if raw, ok := b.get("discussion_id").(string); ok {
		id, _ := parseUUID(raw)
		for _, said := range c.s.data.Said {
			if have := c.s.data.Comments[said]; have != nil && have.Discussion == id && c.s.shared(have.Parent.ID) {
				m.Parent, m.Discussion = have.Parent, id
				return nil
			}
		}
		return c.notFound("discussion", id)
	}
	p := b.get("parent").(*object)
	kind, key := "page", "page_id"
	if p.has("block_id") {
		kind, key = "block", "block_id"
	}
	raw, _ := p.get(key).(string)
	id, _ := parseUUID(raw)
	if is := c.s.kindOf(id); is == "" || kind == "page" && is != "page" || !c.s.shared(id) {
		return c.notFound(kind, id)
	}
	if c.s.kindOf(id) == "page" {
		kind = "page"
	}
	m.Parent = parent{Kind: kind, ID: id}
	return nil
}

func (c *call) pathComment() (*comment, *apiError) {
	id, e := c.pathID("comment_id")
	if e != nil {
		return nil, e
	}
	m := c.s.data.Comments[id]
	if m == nil || !c.s.shared(m.Parent.ID) {
		return nil, c.notFound("comment", id)
	}
	return m, nil
}

func (c *call) getComment() (*object, *apiError) {
	m, e := c.pathComment()
	if e != nil {
		return nil, e
	}
	return c.commentJSON(m), nil
}

func (c *call) updateComment() (*object, *apiError) {
	b, e := c.bodyKeys("rich_text", "markdown")
	if e != nil {
		return nil, e
	}
	if e := failed("body", checkCommentText(b)); e != nil {
		return nil, e
	}
	m, e := c.pathComment()
	if e != nil {
		return nil, e
	}
	if m.CreatedBy != c.actor {
		return nil, errRestricted()
	}
	m.Text, m.Edited = c.commentText(b), c.now
	c.s.dirty = true
	c.emit(change{kind: "comment.updated", id: m.ID, parent: m.Parent})
	return c.commentJSON(m), nil
}

func (c *call) deleteComment() (*object, *apiError) {
	m, e := c.pathComment()
	if e != nil {
		return nil, e
	}
	if m.CreatedBy != c.actor {
		return nil, errRestricted()
	}
	delete(c.s.data.Comments, m.ID)
	c.s.data.Said = without(c.s.data.Said, m.ID)
	c.s.dirty = true
	c.emit(change{kind: "comment.deleted", id: m.ID, parent: m.Parent})
	return c.commentJSON(m), nil
}

// listComments lists the comments of a page or block, oldest first.
func (c *call) listComments() (*object, *apiError) {
	raw := c.query.Get("block_id")
	if raw == "" {
		return nil, failed("query", one(should("query.block_id", "defined", undefined{})))
	}
	id, bad := wantUUID("query.block_id", raw)
	if bad != nil {
		return nil, failed("query", bad)
	}
	if c.s.kindOf(id) == "" || !c.s.shared(id) {
		return nil, c.notFound("block", id)
	}
	var ids []string
	for _, said := range c.s.data.Said {
		if m := c.s.data.Comments[said]; m.Parent.ID == id {
			ids = append(ids, said)
		}
	}
	part, next, e := c.slice(ids, true)
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, said := range part {
		out = append(out, c.commentJSON(c.s.data.Comments[said]))
	}
	return list(out, next, "comment"), nil
}
