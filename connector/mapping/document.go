package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Document is one mapping file as its author wrote it, with defaults filled in by [Parse]. mapping.schema.json describes
// each key for authors; a test keeps the two alike.
type Document struct {
	Schema  string       `json:"$schema,omitempty"`
	Sync    string       `json:"sync"`   // ties mappings and connectors together
	Entity  string       `json:"entity"` // contact, opportunity, task …
	CRM     CRM          `json:"crm"`
	Notion  Notion       `json:"notion"`
	Fields  []Rule       `json:"fields"`
	Mapper  *FunctionUse `json:"mapper,omitempty"`
	Custom  *Custom      `json:"custom,omitempty"`
	Deletes Deletes      `json:"deletes,omitzero"`
	Creates Creates      `json:"creates,omitzero"`
	Mode    Modes        `json:"mode,omitzero"`
	Brakes  Brakes       `json:"brakes,omitzero"`

	Match []Columns `json:"match,omitempty"` // fields by which unlinked rows and pages are the same record; the first key that says anything decides

	TypingDelay string   `json:"typing_delay,omitempty"` // of every field that is typed letter by letter and says nothing of its own
	Defaults    Defaults `json:"defaults,omitzero"`
}

// Defaults are what is said of every field of the entity that says nothing of its own, custom ones among them. What a field's type or direction
// makes no sense of is not said of it.
type Defaults struct {
	Direction  Direction `json:"direction,omitempty"`
	Conflict   string    `json:"conflict,omitempty"`
	Tie        string    `json:"tie,omitempty"`
	Initial    string    `json:"initial,omitempty"`
	NeverBlank bool      `json:"never_blank,omitempty"`
	Critical   bool      `json:"critical,omitempty"`
}

// CRM says which rows the entity is made of and how rows are written.
type CRM struct {
	Table       string             `json:"table"`                   // schema.table; the schema is never guessed
	Where       string             `json:"where,omitempty"`         // SQL boolean over the root row; empty: all rows
	Key         Columns            `json:"key"`                     // column or columns
	NewKey      string             `json:"new_key,omitempty"`       // default, sequence:schema.name, uuid4, uuid7, ulid
	Set         map[string]Setting `json:"set,omitempty"`           // columns set on every write
	SetOnInsert map[string]Setting `json:"set_on_insert,omitempty"` // columns set on inserts only
	SoftDelete  string             `json:"soft_delete,omitempty"`   // a timestamp (set means deleted) or boolean column
	TimeZone    string             `json:"time_zone,omitempty"`     // IANA zone of timestamps without one; default UTC
}

// Columns is one column's name or several; JSON has a string or an array.
type Columns []string

// UnmarshalJSON reads "id" or ["tenant_id", "id"].
func (c *Columns) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var one string
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		*c = Columns{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(c))
}

// MarshalJSON writes one column as a string.
func (c Columns) MarshalJSON() ([]byte, error) {
	if len(c) == 1 {
		return json.Marshal(c[0])
	}
	return json.Marshal([]string(c))
}

// SettingKind says what a column that is set on writes gets.
type SettingKind string

// The kinds of settings.
const (
	SetNow       SettingKind = "now"       // the transaction's time
	SetIncrement SettingKind = "increment" // one more than it was; 1 on insert
	SetConstant  SettingKind = "constant"
)

// Setting is "now", "increment", a boolean, a number, or {"value": …} for any constant, text among them.
type Setting struct {
	Kind  SettingKind
	Value json.RawMessage // of a constant: true, 1, "text" or null
}

// UnmarshalJSON reads a setting.
func (s *Setting) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	var text string
	switch {
	case len(data) > 0 && data[0] == '"':
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		if text != string(SetNow) && text != string(SetIncrement) {
			return fmt.Errorf(`want "now", "increment", or {"value": %q} for a constant text`, text)
		}
		*s = Setting{Kind: SettingKind(text)}
		return nil
	case len(data) > 0 && data[0] == '{':
		var box struct {
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(data, &box); err != nil {
			return err
		}
		*s = Setting{Kind: SetConstant, Value: box.Value}
		return nil
	}
	*s = Setting{Kind: SetConstant, Value: bytes.Clone(data)}
	return nil
}

// MarshalJSON writes the form that UnmarshalJSON reads.
func (s Setting) MarshalJSON() ([]byte, error) {
	if s.Kind == SetConstant {
		return json.Marshal(map[string]json.RawMessage{"value": s.Value})
	}
	return json.Marshal(string(s.Kind))
}

// Notion says where the entity's pages are.
type Notion struct {
	Database       string `json:"database"`                  // title; created at the first sync if it is missing
	DataSource     string `json:"data_source,omitempty"`     // id of one that exists
	ExternalID     string `json:"external_id,omitempty"`     // name of the property that carries our id
	StatusProperty string `json:"status_property,omitempty"` // name of the property in which a page says what keeps its record back; none if it is empty
	Comments       bool   `json:"comments,omitempty"`        // a conflict is told by a comment on the page, to who edited it last
}

// Rule is one field. Exactly one of Column, Lookup and Relation says where its value is in the CRM.
type Rule struct {
	Name      string       `json:"name"`
	Column    string       `json:"column,omitempty"`
	Lookup    *Lookup      `json:"lookup,omitempty"`
	Relation  *Relation    `json:"relation,omitempty"`
	Property  string       `json:"property,omitempty"` // default: the name
	Type      Type         `json:"type"`
	Direction Direction    `json:"direction,omitempty"`
	Critical  *bool        `json:"critical,omitempty"`
	Tie       string       `json:"tie,omitempty"`     // crm (default) or notion
	Initial   string       `json:"initial,omitempty"` // crm (default) or notion
	Function  *FunctionUse `json:"function,omitempty"`
	Options   []Option     `json:"options,omitempty"`
	Unknown   string       `json:"unknown_options,omitempty"` // create, park, map: see [UnknownOptions]
	UnknownAs string       `json:"unknown_as,omitempty"`      // the option of map, by its name in Notion
	Empty     *string      `json:"empty,omitempty"`           // "" writes an empty text where Notion holds nothing; else null
	Format    string       `json:"format,omitempty"`          // Notion's number format

	Handling
}

// Lookup is a foreign key shown as an option's name: the label of the row it refers to.
type Lookup struct {
	Column  string `json:"column,omitempty"` // the root's foreign key, or
	Join    *Join  `json:"join,omitempty"`   // a join table, for multi_select
	Table   string `json:"table"`            // schema.table of the labels
	Key     string `json:"key"`
	Label   string `json:"label"`
	Unknown string `json:"unknown,omitempty"` // park (default) or create
	NewKey  string `json:"new_key,omitempty"` // how created rows get their keys
}

// Join is a join table's name with the columns that refer to this entity's row and to the other one.
type Join struct {
	Table  string  `json:"table"`
	Source Columns `json:"source"`
	Target Columns `json:"target"`
}

// Relation ties the entity to another entity, or to itself.
type Relation struct {
	Entity  string  `json:"entity"`
	Column  Columns `json:"column,omitempty"` // the root's foreign key, or
	Join    *Join   `json:"join,omitempty"`   // a join table
	Reverse string  `json:"reverse,omitempty"`
}

// FunctionUse names a plugin's function or mapper with its configuration.
type FunctionUse struct {
	Name   string          `json:"name"`
	Config json.RawMessage `json:"config,omitempty"`
}

// Option pairs a value of the CRM with an option of Notion.
type Option struct {
	CRM    *string `json:"crm"`              // null: the option that stands for no value
	Notion string  `json:"notion,omitempty"` // default: the CRM's value
	Color  string  `json:"color,omitempty"`
	Group  string  `json:"group,omitempty"` // of a status
}

// Custom says where fields that the CRM's users defined are kept: in one JSON column, or in rows of their own.
type Custom struct {
	Column  string                `json:"column,omitempty"` // JSON or JSONB object of the root, or
	Rows    *Attributes           `json:"rows,omitempty"`   // entity-attribute-value rows
	Include []string              `json:"include,omitempty"`
	Exclude []string              `json:"exclude,omitempty"`
	Names   map[string]CustomRule `json:"names,omitempty"` // what is said explicitly; everything else is inferred
	// Empty says what a value emptied in Notion becomes: remove (default; the key or row goes) or null.
	Empty     string    `json:"empty,omitempty"`
	Direction Direction `json:"direction,omitempty"`
	Tie       string    `json:"tie,omitempty"`
	Initial   string    `json:"initial,omitempty"`
}

// Attributes is an entity-attribute-value table.
type Attributes struct {
	Table  string  `json:"table"`
	Entity Columns `json:"entity"` // refers to the root row
	Name   string  `json:"name"`
	Value  string  `json:"value"`
	Type   string  `json:"type,omitempty"`    // column that names the value's type
	NewKey string  `json:"new_key,omitempty"` // of the table's own key, if it has one without default
	Key    string  `json:"key,omitempty"`     // column that new_key fills
}

// CustomRule is what a document says of one custom field.
type CustomRule struct {
	Type     Type   `json:"type,omitempty"`
	Property string `json:"property,omitempty"`
	Critical *bool  `json:"critical,omitempty"`

	Handling
}

// Deletes says what a delete on one side does to the other.
type Deletes struct {
	ToNotion string `json:"to_notion,omitempty"` // trash (default), hold, keep
	ToCRM    string `json:"to_crm,omitempty"`    // hold (default), soft, delete, keep
	Children string `json:"children,omitempty"`  // stream (default) or sweep: deletes in child tables are found by sweeps alone
	Grace    string `json:"grace,omitempty"`     // how long a delete waits before it travels; default 0s
}

// Creates says whether new records travel.
type Creates struct {
	ToNotion *bool `json:"to_notion,omitempty"`     // default true
	ToCRM    *bool `json:"to_crm,omitempty"`        // default false
	Quiet    *int  `json:"quiet_seconds,omitempty"` // how long a new page must rest; default 60
}

// Mode is observe (decide and record, write nothing) or write.
type Mode string

// The modes.
const (
	Observe Mode = "observe"
	Write   Mode = "write"
)

// Modes switches each direction on. The default of both is observe: writing is switched on by a person.
type Modes struct {
	ToNotion Mode `json:"to_notion,omitempty"`
	ToCRM    Mode `json:"to_crm,omitempty"`
}

// Brakes hold what comes in too great a number: see ledger.DefaultLimits for what each has where nothing is said. Max and Share by themselves are
// those of deletes.
type Brakes struct {
	Max   int      `json:"max,omitempty"`
	Share *float64 `json:"share,omitempty"`

	Deletes     *Brake `json:"deletes,omitempty"`
	Creates     *Brake `json:"creates,omitempty"`
	Updates     *Brake `json:"updates,omitempty"`     // of one field
	Blanks      *Brake `json:"blanks,omitempty"`      // of one field
	Transaction *Brake `json:"transaction,omitempty"` // records that one transaction of the CRM touched
	Window      string `json:"window,omitempty"`      // default 1h
}

// Brake is one limit: max(Max, Share of the links). Share 1 switches it off.
type Brake struct {
	Max   *int     `json:"max,omitempty"`
	Share *float64 `json:"share,omitempty"`
}
