package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Person edits the workspace as a member does in the application: no token, no
// rate limit, no version; what the API refuses to a bot (unknown property
// types, long relations, workspace settings) is allowed.
type Person struct {
	e  *Emulator
	id string
}

// Person returns the member with that id; an unknown id is an error of each action.
func (e *Emulator) Person(id string) *Person { return &Person{e, id} }

// do runs one action under the lock.
func (p *Person) do(action func(*call) error) error {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	s := p.e.st
	if u := s.user(p.id); u == nil || u.Bot {
		return fmt.Errorf("edit as person: %q is not a person of this workspace", p.id)
	}
	c := &call{s: s, now: p.e.cfg.Now(), ver: v2026, integ: &integration{Name: "person"}, actor: p.id}
	if err := action(c); err != nil {
		return err
	}
	c.tell()
	s.dirty = true
	if p.e.cfg.FileSync {
		return s.save(p.e.cfg.File)
	}
	return nil
}

// fix turns a nil *apiError into a nil error.
func fix(e *apiError) error {
	if e == nil {
		return nil
	}
	return e
}

// asObject turns a Go value (map, struct, json.RawMessage) into an ordered object.
func asObject(v any) (*object, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	got, err := parseJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	o, ok := got.(*object)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

// Edit writes properties of a page; props has the API's form, by name or id.
func (p *Person) Edit(pageID string, props any) error {
	return p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		o, err := asObject(props)
		if err != nil {
			return err
		}
		if e := failed("body", checkValues("body.properties", o)); e != nil {
			return e
		}
		src := c.s.rowSource(pg.now())
		writes, e := c.plan(src, o)
		if e != nil {
			return e
		}
		c.apply(pg, src, writes, obj())
		return nil
	})
}

// Clear empties properties of a page, as the delete key does.
func (p *Person) Clear(pageID string, names ...string) error {
	return p.setStored(pageID, names, func(*property) *value { return nil })
}

// setStored puts a stored value into properties without the API's checks.
func (p *Person) setStored(pageID string, names []string, val func(*property) *value) error {
	return p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		src := c.s.rowSource(pg.now())
		if src == nil {
			return errors.New("not a row of a data source")
		}
		var writes []write
		for _, n := range names {
			prop := src.byKey(n)
			if prop == nil {
				return fmt.Errorf("%s is not a property that exists", n)
			}
			writes = append(writes, write{prop: prop})
		}
		old := pg.now()
		next := c.s.edit(pg, c.now, c.actor, false, func(r *rev) {
			for _, w := range writes {
				if v := val(w.prop); v != nil {
					r.Props[w.prop.ID] = v
				} else {
					delete(r.Props, w.prop.ID)
				}
			}
		})
		for _, w := range writes {
			c.syncRelation(pg, w.prop, old.Props[w.prop.ID], next.Props[w.prop.ID])
		}
		c.emitRevision(pg, old, next, writes)
		return nil
	})
}

// SetRelation sets the whole list of a relation or people property, of any length.
func (p *Person) SetRelation(pageID, name string, ids []string) error {
	return p.setStored(pageID, []string{name}, func(*property) *value { return &value{IDs: append([]string(nil), ids...)} })
}

// SetRaw sets what a formula, a place or a property of unknown type answers.
func (p *Person) SetRaw(pageID, name string, raw json.RawMessage) error {
	if !json.Valid(raw) {
		return errors.New("set raw value: not JSON")
	}
	return p.setStored(pageID, []string{name}, func(*property) *value { return &value{Raw: raw} })
}

// SetFormula is SetRaw for a formula's answer, e.g. {"type":"number","number":3}.
func (p *Person) SetFormula(pageID, name string, raw json.RawMessage) error {
	return p.SetRaw(pageID, name, raw)
}

// Create makes a row of a data source and returns its id.
func (p *Person) Create(sourceID string, props any) (id string, err error) {
	err = p.do(func(c *call) error {
		src, e := c.findSource(sourceID)
		if e != nil {
			return e
		}
		o, err := asObject(props)
		if err != nil {
			return err
		}
		if e := failed("body", checkValues("body.properties", o)); e != nil {
			return e
		}
		writes, e := c.plan(src, o)
		if e != nil {
			return e
		}
		id = c.insertPage(parent{Kind: "source", ID: src.ID}, src, writes, obj()).ID
		return nil
	})
	return id, err
}

// Duplicate copies a row with all its properties, an external id among them,
// and returns the copy's id. Dual relations point at both afterwards.
func (p *Person) Duplicate(pageID string) (id string, err error) {
	err = p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		r := pg.now()
		src := c.s.rowSource(r)
		dup := c.insertPage(r.Parent, src, nil, obj())
		for k, v := range r.Props {
			dup.now().Props[k] = v
		}
		dup.now().Icon, dup.now().Cover = r.Icon, r.Cover
		if src != nil {
			for _, prop := range src.Props {
				c.syncRelation(dup, prop, nil, r.Props[prop.ID])
			}
		}
		id = dup.ID
		return nil
	})
	return id, err
}

// flag sets one flag of a page.
func (p *Person) flag(pageID, key string, v bool) error {
	return p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		c.apply(pg, c.s.rowSource(pg.now()), nil, obj(key, v))
		return nil
	})
}

// Trash puts a page into the trash.
func (p *Person) Trash(pageID string) error { return p.flag(pageID, "in_trash", true) }

// Restore takes a page out of the trash.
func (p *Person) Restore(pageID string) error { return p.flag(pageID, "in_trash", false) }

// Archive hides a page from queries without trashing it.
func (p *Person) Archive(pageID string) error { return p.flag(pageID, "is_archived", true) }

// Unarchive undoes Archive.
func (p *Person) Unarchive(pageID string) error { return p.flag(pageID, "is_archived", false) }

// Move makes a page a row of another data source, or a child of a page.
func (p *Person) Move(pageID, toID string) error {
	return p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		switch {
		case c.s.data.Sources[toID] != nil:
			c.move(pg, parent{Kind: "source", ID: toID})
		case c.s.data.Pages[toID] != nil:
			c.move(pg, parent{Kind: "page", ID: toID})
		default:
			return c.notFound("page", toID)
		}
		return nil
	})
}

// Purge deletes a page for good: it reads as not found from then on.
func (p *Person) Purge(pageID string) error {
	return p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		old := pg.now()
		if src := c.s.rowSource(old); src != nil {
			for _, prop := range src.Props {
				c.syncRelation(pg, prop, old.Props[prop.ID], nil)
			}
		}
		for _, src := range c.s.data.Sources {
			src.Rows = without(src.Rows, pageID)
		}
		c.s.disown(old.Parent, pageID)
		c.s.data.Listed = without(c.s.data.Listed, pageID)
		delete(c.s.data.Pages, pageID)
		return nil
	})
}

// InTrash tells whether a page is in the trash, by itself or with something above it.
func (p *Person) InTrash(pageID string) (trashed bool, err error) {
	err = p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		trashed = c.s.trashed(pg.ID)
		return nil
	})
	return trashed, err
}
