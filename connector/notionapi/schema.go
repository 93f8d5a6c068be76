package notionapi

import (
	"context"
	"encoding/json"
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
	Group                        string // status only, on write: the group's name
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
	return c.getDataSource(ctx, id)
}

// UpdateDataSource changes the schema and returns it as Notion then held it. It costs one request.
func (c *Client) UpdateDataSource(ctx context.Context, id string, change SchemaChange) (DataSource, error) {
	return c.updateDataSource(ctx, id, change)
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

// Title gives the title column, which every data source has; its id is "title".
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
