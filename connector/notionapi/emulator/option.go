package emulator

import (
	"fmt"
	"strings"
)

// option is a choice of a select, multi_select or status property.
type option struct {
	ID    string  `json:"id"`
	Name  string  `json:"name"`
	Color string  `json:"color"`
	About *string `json:"about,omitempty"`
}

// group is a group of status options.
type group struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Color   string   `json:"color"`
	Options []string `json:"options"`
}

func (p *property) optionByID(id string) *option {
	for _, o := range p.Options {
		if o.ID == id {
			return o
		}
	}
	return nil
}

// optionByName ignores case: names are unique ignoring it.
func (p *property) optionByName(name string) *option {
	for _, o := range p.Options {
		if strings.EqualFold(o.Name, name) {
			return o
		}
	}
	return nil
}

// optionJSON is the option inside a page value; nil for none.
func (p *property) optionJSON(id string) any {
	if o := p.optionByID(id); o != nil {
		return obj("id", o.ID, "name", o.Name, "color", o.Color)
	}
	return nil
}

// addOption makes an option with a drawn id and, unless given, a drawn color.
func (s *State) addOption(p *property, name, color string) *option {
	if color == "" {
		color = colors[s.ids.IntN(len(colors))]
	}
	o := &option{ID: newUUID(s.ids), Name: name, Color: color}
	p.Options = append(p.Options, o)
	s.dirty = true
	return o
}

// defaultOption is what a status falls back to: the first of its first group.
func (p *property) defaultOption() string {
	for _, g := range p.Groups {
		if len(g.Options) > 0 {
			return g.Options[0]
		}
	}
	return ""
}

// statusGroups are the three groups that every status property has.
func (s *State) statusGroups() []*group {
	return []*group{
		{ID: newUUID(s.ids), Name: "To-do", Color: "gray"},
		{ID: newUUID(s.ids), Name: "In progress", Color: "blue"},
		{ID: newUUID(s.ids), Name: "Complete", Color: "green"},
	}
}

// placeOption puts an option into the named group, by default the first.
func (p *property) placeOption(id, groupName string) {
	to := p.Groups[0]
	for _, g := range p.Groups {
		g.Options = without(g.Options, id)
		if strings.EqualFold(g.Name, groupName) || groupName != "" && g.ID == groupName {
			to = g
		}
	}
	to.Options = append(to.Options, id)
}

func without(ids []string, id string) []string {
	out := make([]string, 0, len(ids))
	for _, have := range ids {
		if have != id {
			out = append(out, have)
		}
	}
	return out
}

// optionNameMax is the type text's bound in a page write. The 100 that is often quoted is not confirmed.
const optionNameMax = 2000

func checkOptionName(name string) *apiError {
	if strings.Contains(name, ",") {
		return invalid("Invalid select option, commas not allowed: %s", name)
	}
	return nil
}

// checkOptions checks the options array of a schema request.
func checkOptions(path string, v any, update bool) []string {
	items, bad := wantArray(path, v, arrayMax)
	if bad != nil {
		return bad
	}
	for i, it := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		o, bad := wantObject(at, it)
		if bad != nil {
			return bad
		}
		if bad := allowed(at, o, "id", "name", "color", "description", "group"); bad != nil {
			return bad
		}
		if !o.has("name") && (!update || !o.has("id")) {
			return one(should(at+".name", "defined", undefined{}))
		}
		if o.has("name") {
			if _, bad := wantString(at+".name", o.get("name"), 1, optionNameMax, false); bad != nil {
				return bad
			}
		}
		if bad := optOneOf(at+".color", o.get("color"), colors...); bad != nil {
			return bad
		}
		if d := o.get("description"); o.has("description") && d != nil {
			if _, bad := wantString(at+".description", d, 0, 0, true); bad != nil {
				return bad
			}
		}
	}
	return nil
}

// readOptions replaces p's options by the complete list of a schema request:
// what is left out is removed, what exists keeps its id, name and color.
func (s *State) readOptions(p *property, v any) *apiError {
	items, _ := v.([]any)
	old := p.Options
	before := &property{Options: old}
	p.Options = nil
	for _, it := range items {
		o := it.(*object)
		name, _ := o.get("name").(string)
		id, _ := o.get("id").(string)
		color, _ := o.get("color").(string)
		groupName, _ := o.get("group").(string)
		have := before.optionByID(id)
		if have == nil && name != "" {
			have = before.optionByName(name)
		}
		e := checkOptionName(name)
		switch {
		case e != nil:
		case have == nil && name == "":
			e = invalid("Option with id %s does not exist.", id)
		case have != nil && name != "" && have.Name != name:
			e = invalid("Cannot update name of select with name: %s.", have.Name)
		case have != nil && color != "" && have.Color != color:
			e = invalid("Cannot update color of select with name: %s.", have.Name)
		case p.optionByName(nameOf(have, name)) != nil:
			e = invalid("Select options must be unique: %s is given twice.", nameOf(have, name))
		}
		if e != nil {
			p.Options = old
			return e
		}
		if have != nil {
			p.Options = append(p.Options, have)
		} else {
			have = s.addOption(p, name, color)
		}
		if about, ok := o.get("description").(string); ok {
			have.About = &about
		}
		if p.Type == "status" && (groupName != "" || before.optionByID(have.ID) == nil) {
			p.placeOption(have.ID, groupName)
		}
	}
	p.dropLostOptions()
	return nil
}

func nameOf(have *option, name string) string {
	if have != nil {
		return have.Name
	}
	return name
}

// dropLostOptions takes removed options out of the status groups.
func (p *property) dropLostOptions() {
	for _, g := range p.Groups {
		kept := []string{}
		for _, id := range g.Options {
			if p.optionByID(id) != nil {
				kept = append(kept, id)
			}
		}
		g.Options = kept
	}
}
