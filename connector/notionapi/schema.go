package notionapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// DataSource is a table: the schema that its rows follow.
type DataSource struct {
	ID         string
	DatabaseID string
	Title      string
	InTrash    bool
	URL        string
	Properties map[string]SchemaProperty // by CanonicalID
	// ReadFrom and ReadTo bracket the read on our clock.
	ReadFrom, ReadTo time.Time
	RequestID        string
}

// SchemaProperty is one column of a data source.
type SchemaProperty struct {
	ID          string // as Notion gave it (URL-encoded)
	Name        string
	Type        string
	Description string
	Options     []Option        // select, multi_select, status
	Groups      []OptionGroup   // status
	Relation    *RelationSchema // relation
	Format      string          // number
	Prefix      string          // unique_id
	Expression  string          // formula
	Raw         json.RawMessage // the whole entry, as Notion sent it
}

// Option is one choice of a select, multi_select or status.
type Option struct {
	ID, Name, Color, Description string
	Group                        string // status only: the group's name
}

// OptionGroup is one group of a status.
type OptionGroup struct {
	ID, Name, Color string
	OptionIDs       []string
}

// RelationSchema says where a relation points. A dual one has a property in the other data source that Notion keeps equal.
type RelationSchema struct {
	DataSourceID string
	DatabaseID   string
	Dual         bool
	SyncedID     string // the other side's property
	SyncedName   string
}

// PropertySpec describes a property to make.
type PropertySpec struct {
	Name        string
	Type        string
	Description string
	Options     []Option        // select, multi_select, status; none for status means Notion's three
	Relation    *RelationSchema // DataSourceID, Dual, and SyncedName where the other side's name matters
	Format      string          // number; "" means "number"
	Prefix      string          // unique_id
	Expression  string          // formula
	// Config replaces the type's settings for types that have no field above (rollup).
	Config json.RawMessage
}

// SchemaChange is one change to a data source; everything left out stays.
type SchemaChange struct {
	Title  string            // "" leaves it
	Add    []PropertySpec    // new properties
	Rename map[string]string // id → new name
	Remove []string          // ids; their values are lost
	// Options replaces the whole list of a select, multi_select or status, by id: what is missing is REMOVED from every page. Use
	// [Client.AddOptions] to add some.
	Options map[string][]Option
	// Retype changes a property's type or settings, by id. Values that do not fit the new type are lost.
	Retype map[string]PropertySpec
}

// DataSource reads the schema. It costs one request.
func (c *Client) DataSource(ctx context.Context, id string) (DataSource, error) {
	id, err := idPath("data source", id)
	if err != nil {
		return DataSource{}, err
	}
	return c.dataSource(ctx, http.MethodGet, "/v1/data_sources/"+id, nil)
}

// dataSource makes a call that answers with a data source.
func (c *Client) dataSource(ctx context.Context, method, path string, body any) (DataSource, error) {
	var cl call
	var wire wireDataSource
	if err := c.do(ctx, method, path, &cl, body, &wire); err != nil {
		return DataSource{}, err
	}
	return wire.dataSource(&cl), nil
}

// Property gives the column with the id, in any form of it.
func (d DataSource) Property(id string) (SchemaProperty, bool) {
	prop, ok := d.Properties[CanonicalID(id)]
	return prop, ok
}

// ByName finds a column by its present name.
func (d DataSource) ByName(name string) (SchemaProperty, bool) {
	for _, prop := range d.Properties {
		if prop.Name == name {
			return prop, true
		}
	}
	return SchemaProperty{}, false
}

// TitleProperty gives the title column, which every data source has; its id is "title".
func (d DataSource) TitleProperty() SchemaProperty {
	for _, prop := range d.Properties {
		if prop.Type == TypeTitle {
			return prop
		}
	}
	return SchemaProperty{}
}

// Option finds an option by name.
func (p SchemaProperty) Option(name string) (Option, bool) {
	for _, o := range p.Options {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}

// wireDataSource is a data source as Notion sends it.
type wireDataSource struct {
	Object     string                     `json:"object"`
	ID         string                     `json:"id"`
	Title      []wireRichText             `json:"title"`
	Parent     wireParent                 `json:"parent"`
	InTrash    bool                       `json:"in_trash"`
	URL        string                     `json:"url"`
	Properties map[string]json.RawMessage `json:"properties"`
	RequestID  string                     `json:"request_id"`
}

func (w wireDataSource) dataSource(cl *call) DataSource {
	d := DataSource{
		ID: canonObjectID(w.ID), DatabaseID: canonObjectID(w.Parent.DatabaseID), Title: joinText(w.Title), InTrash: w.InTrash, URL: w.URL,
		Properties: make(map[string]SchemaProperty, len(w.Properties)),
		ReadFrom:   cl.from, ReadTo: cl.to, RequestID: cmp.Or(w.RequestID, cl.requestID),
	}
	for name, raw := range w.Properties {
		prop := decodeSchemaProperty(name, raw)
		d.Properties[CanonicalID(prop.ID)] = prop
	}
	return d
}

// wireSettings are the settings of all types in one; each type has some of them.
type wireSettings struct {
	Options []struct {
		ID          string  `json:"id"`
		Name        string  `json:"name"`
		Color       string  `json:"color"`
		Description *string `json:"description"`
	} `json:"options"`
	Groups []struct {
		ID        string   `json:"id"`
		Name      string   `json:"name"`
		Color     string   `json:"color"`
		OptionIDs []string `json:"option_ids"`
	} `json:"groups"`
	Format       string  `json:"format"`
	Prefix       *string `json:"prefix"`
	Expression   string  `json:"expression"`
	DatabaseID   string  `json:"database_id"`
	DataSourceID string  `json:"data_source_id"`
	Type         string  `json:"type"`
	Dual         struct {
		ID   string `json:"synced_property_id"`
		Name string `json:"synced_property_name"`
	} `json:"dual_property"`
}

// decodeSchemaProperty never fails: what it does not understand stays in Raw.
func decodeSchemaProperty(name string, raw json.RawMessage) SchemaProperty {
	p := SchemaProperty{Name: name, Raw: raw}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return p
	}
	p.ID, p.Type, p.Description = textIn(object, "id"), textIn(object, "type"), textIn(object, "description")
	var s wireSettings
	if json.Unmarshal(object[p.Type], &s) != nil {
		return p
	}
	p.Format, p.Expression = s.Format, s.Expression
	if s.Prefix != nil {
		p.Prefix = *s.Prefix
	}
	for _, g := range s.Groups {
		p.Groups = append(p.Groups, OptionGroup{ID: g.ID, Name: g.Name, Color: g.Color, OptionIDs: g.OptionIDs})
	}
	for _, o := range s.Options {
		option := Option{ID: o.ID, Name: o.Name, Color: o.Color, Group: p.groupOf(o.ID)}
		if o.Description != nil {
			option.Description = *o.Description
		}
		p.Options = append(p.Options, option)
	}
	if p.Type == TypeRelation {
		p.Relation = &RelationSchema{
			DataSourceID: canonObjectID(s.DataSourceID), DatabaseID: canonObjectID(s.DatabaseID),
			Dual: s.Type == "dual_property", SyncedID: s.Dual.ID, SyncedName: s.Dual.Name,
		}
	}
	return p
}

func (p SchemaProperty) groupOf(optionID string) string {
	for _, g := range p.Groups {
		if slices.Contains(g.OptionIDs, optionID) {
			return g.Name
		}
	}
	return ""
}
