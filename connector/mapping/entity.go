package mapping

import (
	"slices"
	"time"
)

// Type is a field's type: how Notion holds it, and with it the field's canonical form.
type Type string

// The types.
const (
	Title       Type = "title"
	Text        Type = "text"
	Number      Type = "number"
	Checkbox    Type = "checkbox"
	Date        Type = "date"
	DateTime    Type = "datetime"
	Select      Type = "select"
	Status      Type = "status"
	MultiSelect Type = "multi_select"
	URL         Type = "url"
	Email       Type = "email"
	Phone       Type = "phone"
	RelationTo  Type = "relation"
)

// Types lists all types in the order of the documents.
var Types = []Type{Title, Text, Number, Checkbox, Date, DateTime, Select, Status, MultiSelect, URL, Email, Phone, RelationTo}

// Direction says which way a field's values travel.
type Direction string

// The directions.
const (
	Both     Direction = "both"
	ToNotion Direction = "to_notion"
	ToCRM    Direction = "to_crm"
)

// CustomPrefix begins the names of custom fields: custom.<key>.
const CustomPrefix = "custom."

// Entity is a compiled mapping. It is immutable and may be used by many goroutines.
type Entity struct {
	Sync     string
	Name     string
	Hash     string // of the document with its defaults; the ledger keeps it
	Rank     int    // parents before children; entities of a cycle share a rank
	Fields   []Field
	Document Document // with defaults filled in

	root     tableName
	tables   []Table
	zone     *time.Location
	byName   map[string]int
	reverses []Reverse
	targets  map[string]*Entity // by name, of the same compilation
}

// Field is one compiled field.
type Field struct {
	Name      string
	Property  string // its name in Notion when it is created; known by id afterwards
	Type      Type
	Direction Direction
	Critical  bool
	Tie       string // "crm" or "notion": who wins what the clocks cannot decide
	Initial   string // "crm" or "notion": who wins without a base
	Rule      string // hash of what makes the value; a base of another rule is none
	Relation  string // target entity, "" if none
	Reverse   string // name of the dual property on the target's database, "" for a one-sided relation
	Function  *FunctionUse
	Custom    bool
	Nullable  bool     // whether the canonical form can be null: checkboxes are false and sets are empty instead
	Options   []Option // in the document's order, Notion filled in
	Format    string   // Notion's number format

	rule   Rule
	single bool // a foreign key: at most one target
	zone   *time.Location
}

// Reverse is a dual property that another entity's relation puts on this entity's database.
type Reverse struct {
	Entity   string // who owns the relation
	Field    string
	Property string // its name here
}

// Field finds a field that the document names.
func (e *Entity) Field(name string) (Field, bool) {
	i, ok := e.byName[name]
	if !ok {
		return Field{}, false
	}
	return e.Fields[i], true
}

// Title is the field that is the page's title.
func (e *Entity) Title() Field {
	return e.Fields[slices.IndexFunc(e.Fields, func(f Field) bool { return f.Type == Title })]
}

// Reverses are the dual properties that other entities' relations put on this entity's database.
func (e *Entity) Reverses() []Reverse { return e.reverses }

// Zone is the zone of the CRM's timestamps that have none.
func (e *Entity) Zone() *time.Location { return e.zone }

// Quiet is how long a new page must rest before it becomes a row.
func (e *Entity) Quiet() time.Duration { return time.Duration(e.Document.Creates.Quiet) * time.Second }

// CreatesToNotion reports whether new rows become pages.
func (e *Entity) CreatesToNotion() bool { return *e.Document.Creates.ToNotion }

// CreatesToCRM reports whether new pages become rows.
func (e *Entity) CreatesToCRM() bool { return *e.Document.Creates.ToCRM }

// Target is the entity that a relation field points to.
func (e *Entity) Target(f Field) (*Entity, bool) {
	t, ok := e.targets[f.Relation]
	return t, ok
}

// ToNotion reports whether the field's values travel to Notion.
func (f Field) ToNotion() bool { return f.Direction != ToCRM }

// ToCRM reports whether the field's values travel to the CRM.
func (f Field) ToCRM() bool { return f.Direction != ToNotion }

// Single reports that a relation holds at most one target, as a foreign key does.
func (f Field) Single() bool { return f.single }
