package change

import (
	"encoding/json"
	"strconv"
	"time"
)

// plain reads a page event as we write it. It reports false of any other, which encoding/json has to read.
func (w *wirePageEvent) plain(value []byte) bool {
	p := plainly{ok: true}
	p.members(value, func(name string, v []byte) {
		switch name {
		case "before":
			p.once(w.Before == nil)
			w.Before = p.page(v)
		case "after":
			p.once(w.After == nil)
			w.After = p.page(v)
		case "source":
			p.members(v, func(name string, v []byte) { p.source(&w.Source, name, v) })
		case "transaction":
			p.ok = p.ok && string(v) == "null"
		case "op":
			w.Op = Op(p.text(v))
		case "ts_ms":
			w.Millis = p.number(v)
		case "ts_us":
			w.Micros = p.number(v)
		case "ts_ns":
			w.Nanos = p.number(v)
		default:
			p.other(name)
		}
	})
	return p.ok
}

// plainly reads values that are as they should be; ok is false once one was not.
type plainly struct{ ok bool }

func (p *plainly) members(object []byte, visit func(name string, v []byte)) {
	if err := Members(object, func(name, v []byte) { visit(string(name), v) }); err != nil {
		p.ok = false
	}
}

func (p *plainly) text(v []byte) string {
	text, ok := JSONText(v)
	p.ok = p.ok && ok
	return text
}

func (p *plainly) number(v []byte) int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	p.ok = p.ok && err == nil
	return n
}

func (p *plainly) time(v []byte) (t time.Time) {
	p.ok = p.ok && string(v) != "null" && t.UnmarshalJSON(v) == nil
	return t
}

// once refuses an object under a name that came before: encoding/json makes one of the two.
func (p *plainly) once(first bool) { p.ok = p.ok && first }

// other is a member that nobody knows, unless encoding/json, which does not mind capitals, does.
func (p *plainly) other(name string) { p.ok = p.ok && !looksLike([]byte(name)) }

func (p *plainly) page(v []byte) *Page {
	if string(v) == "null" {
		return nil
	}
	page := &Page{}
	p.members(v, func(name string, v []byte) {
		switch name {
		case "page_id":
			page.ID = p.text(v)
		case "parent":
			page.Parent = v
		case "in_trash":
			page.InTrash = string(v) == "true"
			p.ok = p.ok && (page.InTrash || string(v) == "false")
		case "properties":
			p.once(page.Properties == nil)
			page.Properties = map[string]json.RawMessage{}
			p.members(v, func(id string, property []byte) { page.Properties[id] = property })
		default:
			p.other(name)
		}
	})
	return page
}

func (p *plainly) source(s *wirePageSource, name string, v []byte) {
	switch name {
	case "version":
		s.Version = p.text(v)
	case "connector":
		s.Connector = p.text(v)
	case "name":
		s.Name = p.text(v)
	case "ts_ms":
		s.Millis = p.number(v)
	case "ts_us":
		s.Micros = p.number(v)
	case "ts_ns":
		s.Nanos = p.number(v)
	case "snapshot":
		s.Snapshot = SnapshotMark(p.text(v))
	case "entity":
		s.Entity = p.text(v)
	case "data_source":
		s.DataSource = p.text(v)
	case "edited":
		s.Edited = p.time(v)
	case "read_from":
		s.ReadFrom = p.time(v)
	case "read_to":
		s.ReadTo = p.time(v)
	case "seq":
		s.Seq = p.number(v)
	case "via":
		s.Via = Via(p.text(v))
	case "created":
		if string(v) != "null" {
			at := p.time(v)
			s.Created = &at
		}
	case "created_by":
		s.CreatedBy = p.text(v)
	case "last_edited_by":
		s.LastEditedBy = p.text(v)
	case "authors":
		p.ok = p.ok && string(v) == "null" // nobody writes them yet
	case "external_id":
		s.External = p.text(v)
	case "content_hash":
		s.Hash = p.text(v)
	case "hints":
		p.once(s.Hints == nil)
		s.Hints = map[string]time.Time{}
		p.members(v, func(id string, at []byte) { s.Hints[id] = p.time(at) })
	default:
		p.other(name)
	}
}
