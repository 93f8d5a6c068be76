package mapping

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Type is a field's type: how Notion holds it, and with it the field's canonical form.
type Type string

// The types.
const (
	TypeTitle       Type = "title"
	TypeText        Type = "text"
	TypeNumber      Type = "number"
	TypeCheckbox    Type = "checkbox"
	TypeDate        Type = "date"
	TypeDateTime    Type = "datetime"
	TypeSelect      Type = "select"
	TypeStatus      Type = "status"
	TypeMultiSelect Type = "multi_select"
	TypeURL         Type = "url"
	TypeEmail       Type = "email"
	TypePhone       Type = "phone"
	TypeRelation    Type = "relation"
)

// Types lists all types in the order of the documents.
var Types = []Type{
	TypeTitle, TypeText, TypeNumber, TypeCheckbox, TypeDate, TypeDateTime, TypeSelect, TypeStatus, TypeMultiSelect,
	TypeURL, TypeEmail, TypePhone, TypeRelation,
}

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

	WriteNotion    bool // false: observe
	WriteCRM       bool
	CreatePages    bool
	CreateRows     bool
	Quiet          time.Duration // how long a person's new page must rest before it becomes a row
	DeletesToPages ledger.DeletePolicy
	DeletesToRows  ledger.DeletePolicy
	Grace          time.Duration // how long deletes wait
	Limits         ledger.Limits // the brakes
	Match          [][]string    // keys by which unlinked rows and pages are the same record, in order; none: they are never compared
	Mapper         string        // plugin that maps records as a whole, "" if none

	root     tableName
	tables   []Table
	allowed  []Column // sorted
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
	Many      bool   // a relation through a join table; a foreign key holds one target
	Reverse   string // name of the dual property on the target's database, "" for a one-sided relation
	Function  *FunctionUse
	Custom    bool
	Nullable  bool     // whether the canonical form can be null: checkboxes are false and sets are empty instead
	Options   []Option // in the document's order, Notion filled in
	Unknown   UnknownOptions
	Format    string // Notion's number format

	Conflict    ledger.ConflictRule
	NeverBlank  bool
	WriteOnce   bool
	TypingDelay time.Duration // 0: none

	rule     Rule
	zone     *time.Location
	handling Handling
	pattern  *regexp.Regexp // of the guard, nil if it has none
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
	return e.Fields[slices.IndexFunc(e.Fields, func(f Field) bool { return f.Type == TypeTitle })]
}

// Reverses are the dual properties that other entities' relations put on this entity's database.
func (e *Entity) Reverses() []Reverse { return e.reverses }

// Zone is the zone of the CRM's timestamps that have none.
func (e *Entity) Zone() *time.Location { return e.zone }

// Target is the entity that a relation field points to.
func (e *Entity) Target(f Field) (*Entity, bool) {
	t, ok := e.targets[f.Relation]
	return t, ok
}

// ToNotion reports whether the field's values travel to Notion.
func (f Field) ToNotion() bool { return f.Direction != ToCRM }

// ToCRM reports whether the field's values travel to the CRM.
func (f Field) ToCRM() bool { return f.Direction != ToNotion }

// Source is the document's rule for the field: where its value is in the CRM. It is empty for a custom field.
func (f Field) Source() Rule { return f.rule }

// Place is a column in which a field's value is kept.
type Place struct{ Table, Column string } // schema.table

// Places are the columns that hold the field's value; root is the entity's table.
func (f Field) Places(root string) []Place {
	r := f.rule
	var places []Place
	add := func(table string, columns ...string) {
		if t, err := parseTable(table); err == nil {
			table = t.String()
		}
		for _, c := range columns {
			if c != "" {
				places = append(places, Place{table, c})
			}
		}
	}
	if f.Custom {
		return nil
	}
	add(root, r.Column)
	if r.Lookup != nil {
		add(root, r.Lookup.Column)
		add(r.Lookup.Table, r.Lookup.Label)
		if r.Lookup.Join != nil {
			add(r.Lookup.Join.Table, r.Lookup.Join.Target...)
		}
	}
	if r.Relation != nil {
		add(root, r.Relation.Column...)
		if r.Relation.Join != nil {
			add(r.Relation.Join.Table, r.Relation.Join.Target...)
		}
	}
	return places
}

// IsCustom reports that a field's name is a custom field's.
func IsCustom(name string) bool { return strings.HasPrefix(name, CustomPrefix) }
