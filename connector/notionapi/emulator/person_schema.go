package emulator

import (
	"encoding/json"
	"fmt"
)

// withProperty runs an action on one property of a data source.
func (p *Person) withProperty(sourceID, name string, action func(*call, *source, *property) error) error {
	return p.do(func(c *call) error {
		src, e := c.findSource(sourceID)
		if e != nil {
			return e
		}
		prop := src.byKey(name)
		if prop == nil {
			return fmt.Errorf("%s is not a property that exists", name)
		}
		return action(c, src, prop)
	})
}

// AddProperty adds a property of any type, unknown ones included. settings has
// the API's form for the type; nil is {}.
func (p *Person) AddProperty(sourceID, name, kind string, settings any) error {
	return p.do(func(c *call) error {
		src, e := c.findSource(sourceID)
		if e != nil {
			return e
		}
		in := obj()
		if settings != nil {
			var err error
			if in, err = asObject(settings); err != nil {
				return err
			}
		}
		if contains(schemaTypes, kind) {
			prop, e := c.newProperty(src, name, obj(kind, in))
			if e == nil {
				c.schemaChanged(src, prop, "created")
			}
			return fix(e)
		}
		if src.byName(name) != nil {
			return fmt.Errorf("a property with the name %s exists", name)
		}
		prop := &property{ID: c.s.freePropertyID(src), Name: name, Type: kind, Raw: appendJSON(nil, in)}
		src.Props = append(src.Props, prop)
		c.schemaChanged(src, prop, "created")
		return nil
	})
}

// RenameProperty gives a property another name; its id stays.
func (p *Person) RenameProperty(sourceID, name, to string) error {
	return p.withProperty(sourceID, name, func(c *call, src *source, prop *property) error {
		return fix(c.updateProperty(src, prop.ID, obj("name", to)))
	})
}

// DeleteProperty removes a property with its values.
func (p *Person) DeleteProperty(sourceID, name string) error {
	return p.withProperty(sourceID, name, func(c *call, src *source, prop *property) error {
		return fix(c.removeProperty(src, prop))
	})
}

// RestoreProperty brings a deleted property back under its id, with the values that pages had, as the app's list of deleted properties does.
// The other end of a relation does not come back.
func (p *Person) RestoreProperty(sourceID, name string) error {
	return p.do(func(c *call) error {
		src, e := c.findSource(sourceID)
		if e != nil {
			return e
		}
		for i, prop := range src.Deleted {
			if prop.Name != name || src.byName(name) != nil {
				continue
			}
			src.Deleted = append(src.Deleted[:i:i], src.Deleted[i+1:]...)
			src.Props = append(src.Props, prop)
			c.schemaChanged(src, prop, "created")
			return nil
		}
		return fmt.Errorf("no property named %s was deleted, or there is another one of that name", name)
	})
}

// RetypeProperty converts a property; values that cannot be converted are lost.
func (p *Person) RetypeProperty(sourceID, name, kind string) error {
	return p.withProperty(sourceID, name, func(c *call, src *source, prop *property) error {
		if !contains(schemaTypes, kind) {
			return fmt.Errorf("%s is not a type that a property can be converted to", kind)
		}
		e := c.convert(src, prop, kind, obj())
		if e == nil {
			c.convertRows()
			c.schemaChanged(src, prop, "updated")
		}
		return fix(e)
	})
}

// AddOption adds a choice; to a status in its first group, as the application does until it is dragged elsewhere.
func (p *Person) AddOption(sourceID, name, option string) error {
	return p.withProperty(sourceID, name, func(c *call, src *source, prop *property) error {
		if !contains([]string{"select", "multi_select", "status"}, prop.Type) || option == "" || prop.optionByName(option) != nil {
			return fmt.Errorf("option %q cannot be added to %s", option, name)
		}
		if e := checkOptionName(option); e != nil {
			return fix(e)
		}
		o := c.s.addOption(prop, option, "")
		if prop.Type == "status" {
			prop.placeOption(o.ID, "")
		}
		c.schemaChanged(src, prop, "updated")
		return nil
	})
}

// RenameOption renames a choice, which only people can do.
func (p *Person) RenameOption(sourceID, name, option, to string) error {
	return p.withProperty(sourceID, name, func(c *call, src *source, prop *property) error {
		o := prop.optionByName(option)
		if o == nil || prop.optionByName(to) != nil {
			return fmt.Errorf("option %s cannot be renamed to %s", option, to)
		}
		o.Name = to
		c.schemaChanged(src, prop, "updated")
		return nil
	})
}

// AddSource adds a data source to a database and returns its id. schema has the
// API's form; nil is a title property alone. Old API versions stop working there.
func (p *Person) AddSource(databaseID, title string, schema any) (id string, err error) {
	err = p.do(func(c *call) error {
		db, e := c.findDatabase(databaseID)
		if e != nil {
			return e
		}
		var props *object
		if schema != nil {
			if props, err = asObject(schema); err != nil {
				return err
			}
			if e := failed("body", checkProperties("body.properties", props, false, v2025)); e != nil {
				return e
			}
		}
		src, e := c.addSource(db, plainText(title), props)
		if e != nil {
			return e
		}
		id = src.ID
		c.emit(change{kind: "data_source.created", id: id, parent: parent{Kind: "database", ID: db.ID}})
		return nil
	})
	return id, err
}

// Unshare takes a page or database, and everything below it, away from the integrations.
func (p *Person) Unshare(id string) error {
	return p.do(func(c *call) error {
		if c.s.kindOf(id) == "" {
			return c.notFound("page", id)
		}
		c.s.data.Unshared[id] = true
		return nil
	})
}

// Share undoes Unshare.
func (p *Person) Share(id string) error {
	return p.do(func(c *call) error {
		delete(c.s.data.Unshared, id)
		return nil
	})
}

// Comment says something on a page, as a person.
func (p *Person) Comment(pageID, words string) (id string, err error) {
	err = p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		m := &comment{ID: newUUID(c.s.ids), Discussion: newUUID(c.s.ids), Parent: parent{Kind: "page", ID: pg.ID},
			Text: plainText(words), Created: c.now, Edited: c.now, CreatedBy: c.actor, NameType: "user", Name: c.s.user(c.actor).Name}
		c.s.data.Comments[m.ID] = m
		c.s.data.Said = append(c.s.data.Said, m.ID)
		c.emit(change{kind: "comment.created", id: m.ID, parent: m.Parent})
		id = m.ID
		return nil
	})
	return id, err
}

// Properties answers a page's properties as the API shows them: name → value.
func (p *Person) Properties(pageID string) (out map[string]json.RawMessage, err error) {
	err = p.do(func(c *call) error {
		pg, e := c.findPage(pageID)
		if e != nil {
			return e
		}
		raw := appendJSON(nil, c.pageJSON(pg, pg.now(), nil).get("properties"))
		return json.Unmarshal(raw, &out)
	})
	return out, err
}
