package emulator

import "encoding/json"

// titleID is the id of the title property of every data source and page.
const titleID = "title"

// property is one column of a data source. ID is raw; answers encode it.
type property struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	About      *string         `json:"about,omitempty"`
	Format     string          `json:"format,omitempty"` // number
	Options    []*option       `json:"options,omitempty"`
	Groups     []*group        `json:"groups,omitempty"` // status
	Expression string          `json:"expression,omitempty"`
	Relation   *relation       `json:"relation,omitempty"`
	Rollup     *rollup         `json:"rollup,omitempty"`
	Prefix     *string         `json:"prefix,omitempty"` // unique_id
	Raw        json.RawMessage `json:"raw,omitempty"`    // settings of types unknown here
}

// relation is a relation's settings. Synced is the id of the property on the
// other side; empty for single_property.
type relation struct {
	Source string `json:"source"`
	Synced string `json:"synced,omitempty"`
}

// rollup names its properties by raw id.
type rollup struct {
	Relation string `json:"relation"`
	Property string `json:"property"`
	Function string `json:"function"`
}

// emptyTypes have {} for settings.
var emptyTypes = map[string]bool{
	"title": true, "rich_text": true, "date": true, "people": true, "files": true, "checkbox": true, "url": true,
	"email": true, "phone_number": true, "created_time": true, "created_by": true, "last_edited_time": true,
	"last_edited_by": true, "button": true, "place": true, "verification": true, "last_visited_time": true, "location": true,
}

// schemaTypes is the order in which a refused property lists its branches.
var schemaTypes = []string{
	"number", "formula", "select", "multi_select", "status", "relation", "rollup", "unique_id", "title", "rich_text",
	"url", "people", "files", "email", "phone_number", "date", "checkbox", "created_by", "created_time",
	"last_edited_by", "last_edited_time", "button", "location", "verification", "last_visited_time", "place",
}

var numberFormats = []string{
	"number", "number_with_commas", "percent", "dollar", "australian_dollar", "canadian_dollar", "singapore_dollar", "euro",
	"pound", "yen", "ruble", "rupee", "won", "yuan", "real", "lira", "rupiah", "franc", "hong_kong_dollar",
	"new_zealand_dollar", "krona", "norwegian_krone", "mexican_peso", "rand", "new_taiwan_dollar", "danish_krone", "zloty",
	"baht", "forint", "koruna", "shekel", "chilean_peso", "philippine_peso", "dirham", "colombian_peso", "riyal",
	"ringgit", "leu", "argentine_peso", "uruguayan_peso", "peruvian_sol",
}

var rollupFunctions = []string{
	"count", "count_values", "empty", "not_empty", "unique", "show_unique", "percent_empty", "percent_not_empty", "sum",
	"average", "median", "min", "max", "range", "earliest_date", "latest_date", "date_range", "checked", "unchecked",
	"percent_checked", "percent_unchecked", "count_per_group", "percent_per_group", "show_original",
}

// byKey finds a property by raw id, encoded id or name; ids win.
func (src *source) byKey(key string) *property {
	for _, p := range src.Props {
		if p.ID == key || encodeID(p.ID) == key {
			return p
		}
	}
	return src.byName(key)
}

func (src *source) byName(name string) *property {
	for _, p := range src.Props {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (src *source) byID(id string) *property {
	for _, p := range src.Props {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// schemaJSON is the "properties" of a data source, or of a database in 2022-06-28.
func (s *State) schemaJSON(src *source, ver version) *object {
	o := obj()
	for _, p := range src.Props {
		o.set(p.Name, obj("id", encodeID(p.ID), "name", p.Name, "description", p.About, "type", p.Type, p.Type, s.settings(p, ver)))
	}
	return o
}

func (s *State) settings(p *property, ver version) any {
	switch p.Type {
	case "number":
		return obj("format", p.Format)
	case "select", "multi_select":
		return obj("options", optionsJSON(p))
	case "status":
		groups := []any{}
		for _, g := range p.Groups {
			groups = append(groups, obj("id", g.ID, "name", g.Name, "color", g.Color, "option_ids", g.Options))
		}
		return obj("options", optionsJSON(p), "groups", groups)
	case "formula":
		return obj("expression", p.Expression)
	case "relation":
		return s.relationSettings(p, ver)
	case "rollup":
		return s.rollupSettings(p)
	case "unique_id":
		return obj("prefix", p.Prefix)
	}
	if p.Raw != nil {
		return p.Raw
	}
	return obj()
}

func optionsJSON(p *property) []any {
	out := []any{}
	for _, o := range p.Options {
		out = append(out, obj("id", o.ID, "name", o.Name, "color", o.Color, "description", o.About))
	}
	return out
}

func (s *State) relationSettings(p *property, ver version) *object {
	other := s.data.Sources[p.Relation.Source]
	o := obj()
	if other != nil {
		o.set("database_id", other.DB)
	}
	if ver >= v2025 {
		o.set("data_source_id", p.Relation.Source)
	}
	if p.Relation.Synced == "" {
		return o.set("type", "single_property").set("single_property", obj())
	}
	name := ""
	if other != nil {
		if back := other.byID(p.Relation.Synced); back != nil {
			name = back.Name
		}
	}
	return o.set("type", "dual_property").
		set("dual_property", obj("synced_property_name", name, "synced_property_id", encodeID(p.Relation.Synced)))
}

func (s *State) rollupSettings(p *property) *object {
	var rel, target *property
	for _, src := range s.data.Sources { // at most one source holds p
		if src.byID(p.ID) == p {
			rel = src.byID(p.Rollup.Relation)
			break
		}
	}
	if rel != nil && rel.Relation != nil && s.data.Sources[rel.Relation.Source] != nil {
		target = s.data.Sources[rel.Relation.Source].byID(p.Rollup.Property)
	}
	name := func(q *property) string {
		if q == nil {
			return ""
		}
		return q.Name
	}
	return obj("rollup_property_name", name(target), "relation_property_name", name(rel),
		"rollup_property_id", encodeID(p.Rollup.Property), "relation_property_id", encodeID(p.Rollup.Relation),
		"function", p.Rollup.Function)
}

// schemaType finds the type of a property in a schema request: "type", else its one known key.
func schemaType(o *object) string {
	for _, t := range schemaTypes {
		if o.has(t) {
			return t
		}
	}
	return ""
}

// checkProperty checks the shape of one property of a schema request.
func checkProperty(path string, v any, update bool, ver version) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	if bad := checkPropertyText(path, o); bad != nil {
		return bad
	}
	t := schemaType(o)
	if t == "" {
		if update && (o.has("name") || o.has("description")) {
			return nil
		}
		var lines []string
		for _, t := range schemaTypes {
			lines = append(lines, should(path+"."+t, "defined", undefined{}))
		}
		return lines
	}
	keys := []string{"type", "description", t}
	if update {
		keys = append(keys, "name")
	}
	keys = append(keys, "id", "name") // people send back what they read
	if bad := allowed(path, o, keys...); bad != nil {
		return bad
	}
	if bad := optOneOf(path+".type", o.get("type"), t); bad != nil {
		return bad
	}
	in, bad := wantObject(path+"."+t, o.get(t))
	if bad != nil {
		return bad
	}
	return checkSettings(path+"."+t, t, in, update, ver)
}

// checkPropertyText checks a property's name and description, both of which may be left out.
func checkPropertyText(path string, o *object) []string {
	if o.has("name") {
		if _, bad := wantString(path+".name", o.get("name"), 1, 0, false); bad != nil {
			return bad
		}
	}
	if !o.has("description") || o.get("description") == nil {
		return nil
	}
	_, bad := wantString(path+".description", o.get("description"), 1, descriptionMax, true)
	return bad
}

// descriptionMax bounds a property's description (reference/update-a-data-source).
const descriptionMax = 280

func checkSettings(path, t string, in *object, update bool, ver version) []string {
	switch t {
	case "number":
		if bad := allowed(path, in, "format"); bad != nil {
			return bad
		}
		return optOneOf(path+".format", in.get("format"), numberFormats...)
	case "select", "multi_select", "status":
		if bad := allowed(path, in, "options", "groups"); bad != nil {
			return bad
		}
		if !in.has("options") {
			return nil
		}
		return checkOptions(path+".options", in.get("options"), update)
	case "relation":
		return checkRelation(path, in, ver)
	case "rollup":
		return optRollup(path, in)
	case "formula":
		if e := in.get("expression"); in.has("expression") {
			if _, bad := wantString(path+".expression", e, 0, 0, false); bad != nil {
				return bad
			}
		}
		return allowed(path, in, "expression")
	case "unique_id":
		if pre := in.get("prefix"); in.has("prefix") && pre != nil {
			if _, bad := wantString(path+".prefix", pre, 0, 0, true); bad != nil {
				return bad
			}
		}
		return allowed(path, in, "prefix")
	}
	return allowed(path, in)
}

// checkRelation wants the key of the version: the database's id in 2022-06-28, the
// data source's since. What was read holds both, and may be sent back.
func checkRelation(path string, in *object, ver version) []string {
	if bad := allowed(path, in, "database_id", "data_source_id", "type", "single_property", "dual_property"); bad != nil {
		return bad
	}
	if bad := optOneOf(path+".type", in.get("type"), "single_property", "dual_property"); bad != nil {
		return bad
	}
	key := "data_source_id"
	if ver == v2022 {
		key = "database_id"
	}
	if _, bad := wantUUID(path+"."+key, in.get(key)); bad != nil {
		return bad
	}
	if !in.has("single_property") && !in.has("dual_property") {
		return []string{
			should(path+".single_property", "defined", undefined{}),
			should(path+".dual_property", "defined", undefined{}),
		}
	}
	return nil
}

func optRollup(path string, in *object) []string {
	if bad := wantOneOf(path+".function", in.get("function"), rollupFunctions...); bad != nil {
		return bad
	}
	for _, k := range []string{"relation_property", "rollup_property"} {
		if !in.has(k+"_name") && !in.has(k+"_id") {
			return []string{should(path+"."+k+"_name", "defined", undefined{}), should(path+"."+k+"_id", "defined", undefined{})}
		}
	}
	return nil
}

// checkProperties checks the "properties" of a schema request.
func checkProperties(path string, v any, update bool, ver version) []string {
	o, bad := wantObject(path, v)
	if bad != nil {
		return bad
	}
	for i, name := range o.keys {
		if update && o.vals[i] == nil {
			continue
		}
		if bad := checkProperty(path+"."+name, o.vals[i], update, ver); bad != nil {
			return bad
		}
	}
	return nil
}

// newProperty adds a property of a checked request to src.
func (c *call) newProperty(src *source, name string, o *object) (*property, *apiError) {
	t := schemaType(o)
	switch {
	case t == "title" && src.byID(titleID) != nil:
		return nil, invalid("Cannot create new title property %s: a data source has exactly one.", name)
	case src.byName(name) != nil:
		return nil, invalid("Cannot create property %s: a property with that name exists.", name)
	case c.bot && (t == "button" || t == "verification" || t == "location" || t == "last_visited_time"):
		return nil, invalid("%s properties cannot be created through the API.", t)
	}
	p := &property{ID: c.s.freePropertyID(src), Name: name, Type: t}
	if t == "title" {
		p.ID = titleID
	}
	if d, ok := o.get("description").(string); ok {
		p.About = &d
	}
	src.Props = append(src.Props, p)
	if e := c.configure(src, p, o.get(t).(*object)); e != nil {
		src.Props = src.Props[:len(src.Props)-1]
		return nil, e
	}
	return p, nil
}

func (s *State) freePropertyID(src *source) string {
	for {
		if id := newPropertyID(s.ids); src.byID(id) == nil {
			return id
		}
	}
}

// configure applies the settings of a checked request to p, whose type is set.
func (c *call) configure(src *source, p *property, in *object) *apiError {
	switch p.Type {
	case "number":
		if f, ok := in.get("format").(string); ok {
			p.Format = f
		} else if p.Format == "" {
			p.Format = "number"
		}
	case "select", "multi_select":
		if in.has("options") {
			return c.s.readOptions(p, in.get("options"))
		}
	case "status":
		return c.configureStatus(p, in)
	case "formula":
		if e, ok := in.get("expression").(string); ok {
			p.Expression = e
		}
	case "unique_id":
		if pre, ok := in.get("prefix").(string); ok && pre != "" {
			p.Prefix = &pre
		}
		c.number(src)
	case "relation":
		return c.relate(src, p, in)
	case "rollup":
		return c.rollUp(src, p, in)
	}
	if p.Type == "place" || !emptyTypes[p.Type] && p.Raw == nil && !c.bot {
		p.Raw = appendJSON(nil, in)
	}
	return nil
}

func (c *call) configureStatus(p *property, in *object) *apiError {
	fresh := len(p.Groups) == 0
	if fresh {
		p.Groups = c.s.statusGroups()
	}
	if in.has("options") {
		return c.s.readOptions(p, in.get("options"))
	}
	if fresh {
		for i, d := range []struct{ name, color string }{{"Not started", "default"}, {"In progress", "blue"}, {"Done", "green"}} {
			o := c.s.addOption(p, d.name, d.color)
			p.Groups[i].Options = []string{o.ID}
		}
	}
	return nil
}

// number gives every row of src its unique id, in order of arrival; trashed rows count too.
func (c *call) number(src *source) {
	for _, id := range src.Rows {
		if pg := c.s.data.Pages[id]; pg.Unique == 0 {
			src.NextRow++
			pg.Unique = src.NextRow
		}
	}
}

// rollUp reads a rollup's settings, which name its properties by name or id.
func (c *call) rollUp(src *source, p *property, in *object) *apiError {
	pick := func(from *source, key string) (*property, *apiError) {
		if name, ok := in.get(key + "_name").(string); ok {
			if q := from.byName(name); q != nil {
				return q, nil
			}
			return nil, invalid("Could not find property with name or id: %s", name)
		}
		id, _ := in.get(key + "_id").(string)
		if q := from.byKey(id); q != nil {
			return q, nil
		}
		return nil, invalid("Could not find property with name or id: %s", id)
	}
	rel, e := pick(src, "relation_property")
	if e != nil {
		return e
	}
	if rel.Type != "relation" {
		return invalid("%s is expected to be relation.", rel.Name)
	}
	target := c.s.data.Sources[rel.Relation.Source]
	if target == nil {
		return c.notFound("data_source", rel.Relation.Source)
	}
	prop, e := pick(target, "rollup_property")
	if e != nil {
		return e
	}
	f, _ := in.get("function").(string)
	p.Rollup = &rollup{Relation: rel.ID, Property: prop.ID, Function: f}
	return nil
}
