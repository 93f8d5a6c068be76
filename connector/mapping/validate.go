package mapping

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// validate reports what is wrong with a document by itself, beyond its schema.
func (d *Document) validate(ds *Diagnostics) {
	d.validateCRM(ds)
	names, columns := map[string]string{}, map[string]string{}
	properties := map[string]string{fold(d.Notion.ExternalID): "notion.external_id"}
	if d.Notion.StatusProperty != "" {
		once(ds, properties, fold(d.Notion.StatusProperty), "notion.status_property", "two properties are named %q", d.Notion.StatusProperty)
	}
	titles := 0
	for i, r := range d.Fields {
		path := fmt.Sprintf("fields[%d]", i)
		once(ds, names, r.Name, join(path, "name"), "the field %q is named twice", r.Name)
		once(ds, properties, fold(r.Property), join(path, "property"), "two properties are named %q", r.Property)
		if r.Direction != ToNotion && r.Column != "" {
			once(ds, columns, r.Column, join(path, "column"), "two fields write the column %q", r.Column)
		}
		if strings.HasPrefix(r.Name, CustomPrefix) {
			ds.errorf(join(path, "name"), "names that begin with custom. belong to custom fields", "the name %q is reserved", r.Name)
		}
		if r.Type == TypeTitle {
			titles++
		}
		r.validate(path, ds)
		d.validateTarget(r, path, ds)
	}
	if titles != 1 {
		ds.errorf("fields", "a page's title is what people see in lists and relations", "exactly one field has the type title, not %d", titles)
	}
	d.validateCustom(ds)
	d.validateMatch(names, ds)
	d.validatePolicies(ds)
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// once reports a value that was there before, with the place of the first.
func once(ds *Diagnostics, seen map[string]string, key, path, summary string, args ...any) {
	if first, ok := seen[key]; ok {
		ds.errorf(path, "the other one is "+first, summary, args...)
		return
	}
	seen[key] = path
}

func (d *Document) validateCRM(ds *Diagnostics) {
	c := d.CRM
	checkTable(ds, "crm.table", c.Table)
	if err := checkWhere(c.Where); err != nil {
		ds.errorf("crm.where", "", "%v", err)
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "Local" {
		ds.errorf("crm.time_zone", "give a name such as Europe/Paris", "no time zone is named %q", c.TimeZone)
	}
	checkDistinct(ds, "crm.key", c.Key)
	checkNewKey(ds, "crm.new_key", c.NewKey)
	if len(c.Key) > 1 && c.NewKey != defaultKey {
		ds.errorf("crm.new_key", "", "a key of several columns cannot be made")
	}
	for place, set := range map[string]map[string]Setting{"crm.set": c.Set, "crm.set_on_insert": c.SetOnInsert} {
		for _, column := range sortedKeys(set) {
			switch {
			case slices.Contains(c.Key, column):
				ds.errorf(join(place, column), "", "the key is not set on writes")
			case column == c.SoftDelete:
				ds.errorf(join(place, column), "", "the soft-delete column is written by deletes alone")
			case place == "crm.set" && d.writes(column):
				ds.errorf(join(place, column), "", "a field writes this column too")
			}
			if place == "crm.set_on_insert" && set[column].Kind == SetIncrement {
				ds.errorf(join(place, column), "", "a new row has nothing to increment")
			}
		}
	}
}

// writes reports that a field's value goes into the column of the root.
func (d *Document) writes(column string) bool {
	for _, r := range d.Fields {
		if r.Direction == ToNotion {
			continue
		}
		if r.Column == column || r.Lookup != nil && r.Lookup.Column == column || r.Relation != nil && slices.Contains(r.Relation.Column, column) {
			return true
		}
	}
	return d.Custom != nil && d.Custom.Column == column && d.Custom.Direction != ToNotion
}

// validateTarget reports a field that would write what is not its own.
func (d *Document) validateTarget(r Rule, path string, ds *Diagnostics) {
	if r.Direction == ToNotion || r.Column == "" {
		return
	}
	if slices.Contains(d.CRM.Key, r.Column) {
		ds.errorf(join(path, "column"), `set "direction": "to_notion"`, "the key cannot be edited in Notion")
	}
	if r.Column == d.CRM.SoftDelete {
		ds.errorf(join(path, "column"), `set "direction": "to_notion"`, "the soft-delete column is written by deletes alone")
	}
}

// checkWhere refuses what cannot be one expression. It is no defence against a malicious author, who may write any SQL
// function into it; the read-only transaction and the role's privileges are.
func checkWhere(where string) error {
	depth := 0
	for i := 0; i < len(where); i++ {
		switch c := where[i]; c {
		case '\'', '"':
			end := strings.IndexByte(where[i+1:], c)
			if end < 0 {
				return fmt.Errorf("a quote has no end")
			}
			i += end + 1
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return fmt.Errorf("a parenthesis closes that was not opened")
			}
		case ';':
			return fmt.Errorf("it is one SQL expression, without a semicolon")
		case '$':
			return fmt.Errorf("it holds no parameters and no dollar quotes")
		case '-', '/':
			if rest := where[i:]; strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*") {
				return fmt.Errorf("it holds no comments")
			}
		}
	}
	if depth > 0 {
		return fmt.Errorf("a parenthesis is not closed")
	}
	return nil
}

func checkTable(ds *Diagnostics, path, table string) {
	if _, err := parseTable(table); err != nil {
		ds.errorf(path, "", "%v", err)
	}
}

func checkDistinct(ds *Diagnostics, path string, columns Columns) {
	seen := map[string]string{}
	for _, c := range columns {
		once(ds, seen, c, path, "the column %q stands twice", c)
	}
}

func checkNewKey(ds *Diagnostics, path, newKey string) {
	if name, ok := strings.CutPrefix(newKey, "sequence:"); ok {
		checkTable(ds, path, name)
	}
}

func (d *Document) validateCustom(ds *Diagnostics) {
	c := d.Custom
	if c == nil {
		return
	}
	if (c.Column == "") == (c.Rows == nil) {
		ds.errorf("custom", "", "custom fields are in a column or in rows: give exactly one of both")
	}
	if r := c.Rows; r != nil {
		checkTable(ds, "custom.rows.table", r.Table)
		checkNewKey(ds, "custom.rows.new_key", r.NewKey)
		checkArity(ds, "custom.rows.entity", r.Entity, len(d.CRM.Key))
		if (r.Key == "") != (r.NewKey == "" || r.NewKey == defaultKey) {
			ds.errorf("custom.rows.key", "", "key and new_key go together")
		}
	}
	properties := map[string]string{}
	for _, name := range sortedKeys(c.Names) {
		if property := c.Names[name].Property; property != "" {
			at := join(join("custom.names", name), "property")
			once(ds, properties, fold(property), at, "two custom fields have the property %q", property)
			if owner := d.property(property); owner != "" {
				ds.errorf(at, "", "the property %q is taken: %s", property, owner)
			}
		}
		if !c.included(name) {
			ds.warnf(join("custom.names", name), "", "include and exclude leave this name out")
		}
		said := c.Names[name]
		said.Handling.validate(join("custom.names", name), said.Type, c.Direction, ds)
	}
}

func checkArity(ds *Diagnostics, path string, columns Columns, want int) {
	checkDistinct(ds, path, columns)
	if len(columns) != want {
		ds.errorf(path, "", "the key that it refers to has %d columns, not %d", want, len(columns))
	}
}

func (d *Document) validatePolicies(ds *Diagnostics) {
	d.validateBrakes(ds)
	if d.TypingDelay != "" {
		checkDelay("typing_delay", d.TypingDelay, ds)
	}
	if d.Deletes.ToCRM == "soft" && d.CRM.SoftDelete == "" {
		ds.errorf("deletes.to_crm", "", "soft deletes need crm.soft_delete")
	}
	if d.Deletes.ToCRM == "delete" && d.CRM.SoftDelete != "" {
		ds.warnf("deletes.to_crm", "the row is marked in "+d.CRM.SoftDelete+", which is what soft says", "rows are soft-deleted here")
	}
	if *d.Creates.ToCRM && len(d.CRM.Key) > 1 {
		ds.errorf("creates.to_crm", "", "rows with a key of several columns cannot be made")
	}
	if *d.Creates.ToCRM && d.Mode.ToCRM == Observe {
		ds.warnf("creates.to_crm", `set "mode": {"to_crm": "write"} when it is time`, "no rows are made while the CRM is only observed")
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
