package emulator

import "fmt"

// relate makes p a relation and, when it is dual, the property on the other side.
func (c *call) relate(src *source, p *property, in *object) *apiError {
	target, e := c.relationTarget(in)
	if e != nil {
		return e
	}
	dual := in.has("dual_property")
	if p.Relation != nil && p.Relation.Source == target.ID && (p.Relation.Synced != "") == dual {
		return c.renameSynced(target, p, in)
	}
	c.unrelate(p)
	p.Relation = &relation{Source: target.ID}
	if !dual {
		return nil
	}
	name := fmt.Sprintf("Related to %s (%s)", c.s.plain(src.Title), p.Name)
	if d, ok := in.get("dual_property").(*object); ok {
		if n, ok := d.get("synced_property_name").(string); ok && n != "" {
			name = n
		}
	}
	if target.byName(name) != nil {
		return invalid("Cannot create property %s: a property with that name exists.", name)
	}
	back := &property{ID: c.s.freePropertyID(target), Name: name, Type: "relation", Relation: &relation{Source: src.ID, Synced: p.ID}}
	target.Props = append(target.Props, back)
	p.Relation.Synced = back.ID
	c.schemaChanged(target, back, "created")
	return nil
}

func (c *call) renameSynced(target *source, p *property, in *object) *apiError {
	d, _ := in.get("dual_property").(*object)
	name, ok := d.get("synced_property_name").(string)
	back := target.byID(p.Relation.Synced)
	if !ok || back == nil || back.Name == name {
		return nil
	}
	if target.byName(name) != nil {
		return invalid("Cannot rename property to %s: a property with that name exists.", name)
	}
	back.Name = name
	c.schemaChanged(target, back, "updated")
	return nil
}

// relationTarget reads data_source_id, or database_id in 2022-06-28.
func (c *call) relationTarget(in *object) (*source, *apiError) {
	if c.ver >= v2025 {
		raw, _ := in.get("data_source_id").(string)
		id, _ := parseUUID(raw)
		return c.findSource(id)
	}
	raw, _ := in.get("database_id").(string)
	id, _ := parseUUID(raw)
	db, e := c.findDatabase(id)
	if e != nil {
		return nil, e
	}
	return c.onlySource(db)
}

// unrelate turns the other side of a dual relation into nothing.
func (c *call) unrelate(p *property) {
	if p.Relation == nil || p.Relation.Synced == "" {
		return
	}
	target := c.s.data.Sources[p.Relation.Source]
	if target == nil {
		return
	}
	if back := target.byID(p.Relation.Synced); back != nil {
		target.drop(back)
		c.schemaChanged(target, back, "deleted")
	}
}

func (src *source) drop(p *property) {
	for i, have := range src.Props {
		if have == p {
			src.Props = append(src.Props[:i:i], src.Props[i+1:]...)
			return
		}
	}
}
