package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Signature is the value of X-Notion-Signature for a body under a verification token.
func Signature(token string, body []byte) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

// change is one thing that happened, before aggregation.
type change struct {
	kind   string
	id     string
	parent parent
	before *rev     // page as it was, for events that an undo cancels
	props  []string // raw ids of written properties
	body   bool     // page.content_updated by blocks, which no undo cancels
	schema *schemaEdit
	row    string // data_source.content_updated: a page that came or went
	was    bool   // row was there before
}

type schemaEdit struct{ id, name, action string }

// outbox gathers changes, then holds events until they are delivered.
type outbox struct {
	url          string
	subscription string
	integration  string
	secret       string
	active       bool // false until the handshake was confirmed
	handshake    bool // the verification token must still be posted
	open         []*gather
	queue        []*event
}

// gather is what happened to one object within the aggregation window.
type gather struct {
	id      string
	since   time.Time
	last    time.Time
	created bool
	before  *rev
	parent  parent
	props   []string
	body    bool
	schema  []schemaEdit
	rows    []string            // pages that came or went, in order of first appearance
	had     map[string]bool     // which of rows were there when the window opened
	kinds   []string            // in order of first appearance
	authors map[string][]string // by kind
}

// event is one delivery that is waiting.
type event struct {
	kind     string
	id       string // entity
	entity   string // its type
	data     *object
	authors  []any
	uuid     string
	time     time.Time
	due      time.Time
	attempts int
}

func (s *State) startHooks() {
	if w := s.cfg.Webhook; w.URL != "" {
		s.subscribe(w.URL, w.Secret, w.Handshake)
	}
}

func (s *State) subscribe(to, secret string, handshake bool) {
	s.hooks = outbox{url: to, subscription: newUUID(s.reqs), integration: newUUID(s.reqs), secret: secret,
		handshake: handshake, active: !handshake}
	if secret == "" {
		s.hooks.secret = "secret_" + strings.ReplaceAll(newUUID(s.reqs)+newUUID(s.reqs), "-", "")[:43]
	}
}

// emit notes a change; it counts when the request succeeds.
func (c *call) emit(ch change) { c.events = append(c.events, ch) }

// schemaChanged notes a change of a data source's schema.
func (c *call) schemaChanged(src *source, p *property, action string) {
	src.Edited, src.EditedBy = c.now, c.actor
	c.s.dirty = true
	c.emit(change{kind: "data_source.schema_updated", id: src.ID, parent: parent{Kind: "database", ID: src.DB},
		schema: &schemaEdit{encodeID(p.ID), p.Name, action}})
}

// tell hands the call's changes to the outbox.
func (c *call) tell() {
	h := &c.s.hooks
	for _, ch := range c.events {
		switch {
		case h.url == "" || !h.active || !c.s.shared(c.s.subject(ch)) || c.s.data.Unshared[ch.row]:
		case aggregated(ch.kind):
			h.add(c.now, c.actor, ch)
		default:
			alone := outbox{}
			alone.add(c.now, c.actor, ch)
			if data, ok := c.s.eventData(alone.open[0], ch.kind); ok {
				c.s.queueEvent(c.now, alone.open[0], ch.kind, data)
			}
		}
	}
	c.events = nil
}

// aggregated tells whether changes of this kind wait for the window: comments
// and locks are told one by one (reference/webhooks-events-delivery).
func aggregated(kind string) bool {
	return !strings.HasPrefix(kind, "comment.") && kind != "page.locked" && kind != "page.unlocked"
}

// subject is what must be shared for a change to be told: the object itself, or
// what a comment stands on.
func (s *State) subject(ch change) string {
	if s.kindOf(ch.id) != "" {
		return ch.id
	}
	return ch.parent.ID
}

func (h *outbox) add(now time.Time, author string, ch change) {
	g := h.gatherOf(ch.id)
	if g == nil {
		g = &gather{id: ch.id, since: now, before: ch.before, authors: map[string][]string{}}
		h.open = append(h.open, g)
	}
	g.last, g.parent = now, ch.parent
	if g.before == nil {
		g.before = ch.before
	}
	if _, seen := g.authors[ch.kind]; !seen {
		g.kinds = append(g.kinds, ch.kind)
	}
	if !contains(g.authors[ch.kind], author) {
		g.authors[ch.kind] = append(g.authors[ch.kind], author)
	}
	g.created = g.created || strings.HasSuffix(ch.kind, ".created")
	g.body = g.body || ch.body
	for _, p := range ch.props {
		if !contains(g.props, p) {
			g.props = append(g.props, p)
		}
	}
	if ch.schema != nil {
		g.schema = append(g.schema, *ch.schema)
	}
	if ch.row != "" && !contains(g.rows, ch.row) {
		if g.had == nil {
			g.had = map[string]bool{}
		}
		g.rows, g.had[ch.row] = append(g.rows, ch.row), ch.was
	}
}

// rowChanged notes that a row came to a data source, or left it: the data
// source's content, as the rows' own values are not.
func (c *call) rowChanged(src *source, row string, was bool) {
	if src != nil {
		c.emit(change{kind: "data_source.content_updated", id: src.ID, parent: parent{Kind: "database", ID: src.DB}, row: row, was: was})
	}
}

// gatherOf finds the open window of an object.
func (h *outbox) gatherOf(id string) *gather {
	for _, g := range h.open {
		if g.id == id {
			return g
		}
	}
	return nil
}

// closeWindows turns windows that ended by now into events.
func (s *State) closeWindows(now time.Time) {
	h := &s.hooks
	var still []*gather
	for _, g := range h.open {
		if now.Sub(g.since) < s.cfg.Webhook.Window {
			still = append(still, g)
			continue
		}
		for _, kind := range g.kinds {
			if data, ok := s.eventData(g, kind); ok {
				s.queueEvent(now, g, kind, data)
			}
		}
	}
	h.open = still
}

func (s *State) queueEvent(now time.Time, g *gather, kind string, data *object) {
	entity, _, _ := strings.Cut(kind, ".")
	ev := &event{kind: kind, id: g.id, entity: entity, data: data, uuid: newUUID(s.reqs), time: g.last, due: now}
	if s.cfg.Webhook.APIVersion == "2022-06-28" && entity == "data_source" {
		src := s.data.Sources[g.id]
		what := strings.TrimPrefix(kind, "data_source.")
		if what != "schema_updated" && what != "content_updated" || src == nil {
			return // that version has no data sources
		}
		ev.kind, ev.entity, ev.id = "database."+what, "database", src.DB
	}
	for _, id := range g.authors[kind] {
		t := "person"
		if u := s.user(id); u != nil && u.Bot {
			t = "bot"
		}
		ev.authors = append(ev.authors, obj("id", id, "type", t))
	}
	if c := s.cfg.Webhook.LossChance; c > 0 && s.chance.Float64() < c {
		return
	}
	s.hooks.queue = append(s.hooks.queue, ev)
	if c := s.cfg.Webhook.RepeatChance; c > 0 && s.chance.Float64() < c {
		again := *ev
		s.hooks.queue = append(s.hooks.queue, &again)
	}
}

// eventData is the data of an event, or false when the change was undone.
func (s *State) eventData(g *gather, kind string) (*object, bool) {
	data := obj("parent", s.hookParent(g.parent))
	pg := s.data.Pages[g.id]
	switch {
	case strings.HasPrefix(kind, "comment."):
		typ := g.parent.Kind
		page := s.pageAbove(g.parent.ID)
		return obj("parent", obj("id", g.parent.ID, "type", typ), "page_id", page), true
	case kind == "data_source.schema_updated":
		return s.schemaData(g, data)
	case kind == "data_source.content_updated":
		return s.rowsData(g, data)
	case pg == nil:
		return data, s.lifeEvent(g, kind)
	case g.created && s.trashed(g.id):
		return nil, false // made and gone within the window
	case kind == "page.created":
		return data, true
	case g.created:
		return nil, false // told by page.created
	}
	return s.pageData(g, kind, pg.now(), data)
}

// lifeEvent tells whether an event of a database or data source still holds.
func (s *State) lifeEvent(g *gather, kind string) bool {
	on := s.trashed(g.id)
	switch {
	case strings.HasSuffix(kind, ".created"):
		return !on
	case g.created:
		return false
	case strings.HasSuffix(kind, ".deleted"):
		return on
	case strings.HasSuffix(kind, ".undeleted"):
		return !on && !contains(g.kinds, strings.Replace(kind, "undeleted", "deleted", 1))
	}
	return true
}

func (s *State) pageData(g *gather, kind string, now *rev, data *object) (*object, bool) {
	was := g.before
	switch kind {
	case "page.deleted":
		return data, now.Trash && (was == nil || !was.Trash)
	case "page.undeleted":
		return data, !now.Trash && (was == nil || was.Trash)
	case "page.moved":
		return data, was == nil || was.Parent != now.Parent
	case "page.locked", "page.unlocked":
		return data, (kind == "page.locked") == now.Locked && (was == nil || was.Locked != now.Locked)
	case "page.content_updated":
		if !g.body && was != nil && same(was.Props[titleID], now.Props[titleID]) {
			return nil, false
		}
		return data.set("updated_blocks", []any{obj("id", g.id, "type", "page")}), true
	}
	ids := []string{}
	for _, p := range g.props {
		if was == nil || !same(was.Props[p], now.Props[p]) {
			ids = append(ids, encodeID(p))
		}
	}
	return data.set("updated_properties", ids), len(ids) > 0
}

// rowsData lists the rows that are there now and were not, or the other way round.
func (s *State) rowsData(g *gather, data *object) (*object, bool) {
	if g.created {
		return nil, false
	}
	list := []any{}
	for _, id := range g.rows {
		pg := s.data.Pages[id]
		is := pg != nil && pg.now().Parent.ID == g.id && !pg.now().Trash
		if is != g.had[id] {
			list = append(list, obj("id", id, "type", "page"))
		}
	}
	return data.set("updated_blocks", list), len(list) > 0
}

func (s *State) schemaData(g *gather, data *object) (*object, bool) {
	if g.created {
		return nil, false
	}
	var order []string
	net := map[string]schemaEdit{}
	for _, e := range g.schema {
		have, seen := net[e.id]
		if !seen {
			order = append(order, e.id)
		} else if have.action == "created" {
			if e.action == "deleted" {
				order = without(order, e.id)
				delete(net, e.id)
				continue
			}
			e.action = "created"
		}
		net[e.id] = e
	}
	list := []any{}
	for _, id := range order {
		list = append(list, obj("id", id, "name", net[id].name, "action", net[id].action))
	}
	return data.set("updated_properties", list), len(list) > 0
}

func (s *State) hookParent(p parent) *object {
	switch p.Kind {
	case "source":
		db := ""
		if src := s.data.Sources[p.ID]; src != nil {
			db = src.DB
		}
		o := obj("id", db, "type", "database")
		if s.cfg.Webhook.APIVersion != "2022-06-28" {
			o.set("data_source_id", p.ID)
		}
		return o
	case "workspace":
		return obj("id", s.data.SpaceID, "type", "space")
	default:
		return obj("id", p.ID, "type", p.Kind)
	}
}

func (s *State) pageAbove(id string) string {
	for range 100 {
		if s.data.Pages[id] != nil {
			return id
		}
		id = s.parentOf(id).ID
	}
	return ""
}

func (s *State) eventBody(ev *event) []byte {
	return appendJSON(nil, obj("id", ev.uuid, "timestamp", zuluTime(ev.time), "workspace_id", s.data.SpaceID,
		"workspace_name", s.cfg.WorkspaceName, "subscription_id", s.hooks.subscription, "integration_id", s.hooks.integration,
		"type", ev.kind, "authors", ev.authors, "attempt_number", ev.attempts+1, "api_version", s.cfg.Webhook.APIVersion,
		"entity", obj("id", ev.id, "type", ev.entity), "data", ev.data))
}
