package notionapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// OptionsMax bounds the options in one schema request: https://developers.notion.com/reference/request-limits
const OptionsMax = 100

// UpdateDataSource changes the schema and returns it as Notion then held it. It reads the schema first, because Notion takes the name
// or id of a property that is there as a change to it: adding one that exists is a [ValueError], and descriptions are kept. It costs
// two requests, one for a title alone.
func (c *Client) UpdateDataSource(ctx context.Context, id string, edit SchemaChange) (DataSource, error) {
	var now DataSource
	if edit.touchesProperties() {
		var err error
		if now, err = c.DataSource(ctx, id); err != nil {
			return DataSource{}, err
		}
	}
	return c.changeSchema(ctx, id, now, edit)
}

func (s SchemaChange) touchesProperties() bool {
	return len(s.Add)+len(s.Rename)+len(s.Remove)+len(s.Options)+len(s.Retype) > 0
}

func (c *Client) changeSchema(ctx context.Context, id string, now DataSource, edit SchemaChange) (DataSource, error) {
	id, err := idPath("data source", id)
	if err != nil {
		return DataSource{}, err
	}
	body := map[string]any{}
	if edit.Title != "" {
		body["title"] = richText(edit.Title)
	}
	if edit.touchesProperties() {
		properties, err := edit.encode(now)
		if err != nil {
			return DataSource{}, err
		}
		body["properties"] = properties
	}
	return c.dataSource(ctx, http.MethodPatch, "/v1/data_sources/"+id, body)
}

// encode gives the properties of the request; all changes to one property go into one entry.
func (s SchemaChange) encode(now DataSource) (map[string]any, error) {
	out := map[string]any{}
	entry := func(id string) (map[string]any, SchemaProperty, error) {
		prop, ok := now.Property(id)
		if !ok {
			return nil, prop, &ValueError{Property: id, Reason: "the data source has no such property"}
		}
		e, ok := out[prop.ID].(map[string]any)
		if !ok {
			e = map[string]any{}
			if prop.Description != "" { // left out is cleared
				e["description"] = prop.Description
			}
			out[prop.ID] = e
		}
		return e, prop, nil
	}
	for id, name := range s.Rename {
		e, _, err := entry(id)
		if err != nil {
			return nil, err
		}
		e["name"] = name
	}
	for id, options := range s.Options {
		e, prop, err := entry(id)
		if err != nil {
			return nil, err
		}
		if e[prop.Type], err = encodeOptions(options); err != nil {
			return nil, err
		}
	}
	for id, spec := range s.Retype {
		e, _, err := entry(id)
		if err != nil {
			return nil, err
		}
		if e[spec.Type], err = spec.settings(); err != nil {
			return nil, err
		}
	}
	for _, id := range s.Remove {
		_, prop, err := entry(id)
		if err != nil {
			return nil, err
		}
		out[prop.ID] = nil
	}
	return out, s.encodeNew(now, out)
}

func (s SchemaChange) encodeNew(now DataSource, out map[string]any) error {
	for _, spec := range s.Add {
		if prop, taken := now.ByName(spec.Name); taken {
			return &ValueError{Property: spec.Name, Reason: fmt.Sprintf("the data source has it already, as %s", prop.Type)}
		}
		if prop, taken := now.Property(spec.Name); taken {
			return &ValueError{Property: spec.Name, Reason: fmt.Sprintf("the name is the id of the property %q; Notion would change that one", prop.Name)}
		}
		entry, err := spec.encode()
		if err != nil {
			return err
		}
		out[spec.Name] = entry
	}
	return nil
}

// encode gives the entry of a new property.
func (p PropertySpec) encode() (map[string]any, error) {
	if p.Name == "" || p.Type == "" {
		return nil, &ValueError{Property: p.Name, Reason: "a property needs a name and a type"}
	}
	settings, err := p.settings()
	if err != nil {
		return nil, &ValueError{Property: p.Name, Reason: err.Error()}
	}
	entry := map[string]any{p.Type: settings}
	if p.Description != "" {
		entry["description"] = p.Description
	}
	return entry, nil
}

// settings gives what stands under the type's name. https://developers.notion.com/reference/property-object
func (p PropertySpec) settings() (any, error) {
	if p.Config != nil {
		return p.Config, nil
	}
	switch p.Type {
	case TypeSelect, TypeMultiSelect, TypeStatus:
		if len(p.Options) == 0 {
			return map[string]any{}, nil
		}
		return encodeOptions(p.Options)
	case TypeRelation:
		return p.Relation.settings()
	case TypeNumber:
		if p.Format != "" {
			return map[string]any{"format": p.Format}, nil
		}
	case TypeUniqueID:
		if p.Prefix != "" {
			return map[string]any{"prefix": p.Prefix}, nil
		}
	case TypeFormula:
		return map[string]any{"expression": p.Expression}, nil
	case TypeRollup:
		return nil, valueErrorf("a rollup needs its settings in Config")
	case TypeVerification, TypeButton:
		return nil, valueErrorf("Notion lets nobody make a %s property through its API", p.Type)
	}
	return map[string]any{}, nil
}

func (r *RelationSchema) settings() (any, error) {
	if r == nil {
		return nil, valueErrorf("a relation needs a data source to point to")
	}
	id, err := idPath("data source", r.DataSourceID)
	if err != nil {
		return nil, err
	}
	if !r.Dual {
		return map[string]any{"data_source_id": id, "type": "single_property", "single_property": map[string]any{}}, nil
	}
	dual := map[string]any{}
	if r.SyncedName != "" {
		dual["synced_property_name"] = r.SyncedName
	}
	return map[string]any{"data_source_id": id, "type": "dual_property", "dual_property": dual}, nil
}

func encodeOptions(options []Option) (any, error) {
	if len(options) > OptionsMax {
		return nil, valueErrorf("%d options; Notion takes %d in one request", len(options), OptionsMax)
	}
	out := make([]map[string]any, len(options))
	for i, o := range options {
		name, err := canonOption(change.TextValue(o.Name))
		if err != nil {
			return nil, err
		}
		if name.IsNull() {
			return nil, valueErrorf("an option without a name")
		}
		out[i] = map[string]any{"name": name.Text()}
		for key, text := range map[string]string{"id": o.ID, "color": o.Color, "description": o.Description} {
			if text != "" {
				out[i][key] = text
			}
		}
		if o.Group != "" && o.ID == "" { // those that are there stay where they are
			out[i]["group"] = o.Group
		}
	}
	return map[string]any{"options": out}, nil
}

// AddOptions makes sure that a select, multi_select or status offers options of these names, keeping those that it has, and returns the schema as
// Notion then held it. Page writes make options of selects and multi_selects by themselves; a status needs this. It costs one request,
// two if names are missing. Notion takes whole lists only: an option that a person adds between the two requests is lost, so add few and
// seldom.
func (c *Client) AddOptions(ctx context.Context, dataSourceID, propertyID string, want ...Option) (DataSource, error) {
	now, err := c.DataSource(ctx, dataSourceID)
	if err != nil {
		return DataSource{}, err
	}
	prop, ok := now.Property(propertyID)
	if !ok {
		return DataSource{}, &ValueError{Property: propertyID, Reason: "the data source has no such property"}
	}
	options := slices.Clone(prop.Options)
	for _, one := range want {
		if !slices.ContainsFunc(options, func(o Option) bool { return strings.EqualFold(o.Name, one.Name) }) {
			options = append(options, one)
		}
	}
	if len(options) == len(prop.Options) {
		return now, nil
	}
	after, err := c.changeSchema(ctx, dataSourceID, now, SchemaChange{Options: map[string][]Option{prop.ID: options}})
	if err != nil {
		return DataSource{}, err
	}
	return after, missingOptions(after, prop.ID, options)
}

// missingOptions compares what was asked for with what is there.
func missingOptions(after DataSource, propertyID string, want []Option) error {
	prop, _ := after.Property(propertyID)
	for _, o := range want {
		if _, ok := prop.Option(o.Name); !ok {
			return &ValueError{Property: prop.Name, Reason: fmt.Sprintf("Notion did not keep the option %q", o.Name)}
		}
	}
	return nil
}
