package notionapi

import (
	"encoding/json"

	jomei "github.com/jomei/notionapi"

	"github.com/tandem-sync/tandem/connector/change"
)

// Types of properties. Others exist and more will: code must not fail on them. https://developers.notion.com/reference/page-property-values
const (
	TypeTitle          = "title"
	TypeRichText       = "rich_text"
	TypeNumber         = "number"
	TypeSelect         = "select"
	TypeMultiSelect    = "multi_select"
	TypeStatus         = "status"
	TypeDate           = "date"
	TypePeople         = "people"
	TypeFiles          = "files"
	TypeCheckbox       = "checkbox"
	TypeURL            = "url"
	TypeEmail          = "email"
	TypePhoneNumber    = "phone_number"
	TypeFormula        = "formula"
	TypeRelation       = "relation"
	TypeRollup         = "rollup"
	TypeCreatedTime    = "created_time"
	TypeCreatedBy      = "created_by"
	TypeLastEditedTime = "last_edited_time"
	TypeLastEditedBy   = "last_edited_by"
	TypeUniqueID       = "unique_id"
	TypeVerification   = "verification"
	TypeButton         = "button"
	TypePlace          = "place"
)

// Property is what a page says for one property.
//
// Value is canonical ([Canon]), by type:
//
//	title, rich_text            Text (plain text, formatting aside); Null when empty
//	number                      Decimal, without exponent or needless zeros; Null
//	checkbox                    Bool, never Null
//	select, status              Text (the option's name); Null
//	multi_select                Set of Text
//	date                        Date, or TimestampTZ cut to the minute; Null. The end stands in Date
//	url, email, phone_number    Text; Null
//	people, relation            Set of Text (ids)
//	files                       List of Text: the URL of an external file, the name of one that Notion hosts (its URLs expire)
//	formula, rollup             by the type inside; a rollup's array is a List; absent where Notion does not say
//	created_time, last_edited_time  TimestampTZ, cut to the minute
//	created_by, last_edited_by  Text (user id)
//	unique_id                   Text "PRE-12" or "12"; Null
//	verification                Text (state); Null
//	place                       JSON, names sorted; Null
//	button, unknown types       absent
type Property struct {
	ID    string // as Notion gave it (URL-encoded)
	Name  string
	Type  string
	Value change.Value
	// HasMore: Notion cut the value (25 entries); Value is a part of it. [Client.Complete] reads the rest. Never write a cut value back.
	HasMore bool
	// Date holds what Value leaves out of a date; nil for other types and empty dates.
	Date *DateParts
	// Raw is the whole property value object, as Notion sent it.
	Raw json.RawMessage
}

// DateParts are a date's texts as Notion gave them.
type DateParts struct {
	Start, End, TimeZone string // End and TimeZone are "" when null
}

// PropertyWrite is one encoded property value, ready to send. Make it with [EncodeProperty].
type PropertyWrite struct {
	Type string
	// Value is what a read after the write will find: Canon of what was encoded.
	Value change.Value
	// DroppedEnd is the end of a date that could not be kept, because it would lie before the new start or is of the other kind
	// (date against time); "" if nothing was lost.
	DroppedEnd string

	body json.RawMessage // {"<type>": …}
}

// PropertyWrite goes through the library as one of its own properties: its interface is the hook that it leaves.
var _ jomei.Property = PropertyWrite{}

// GetID implements the library's interface; the id stands in the map's key.
func (PropertyWrite) GetID() string { return "" }

// GetType implements the library's interface.
func (w PropertyWrite) GetType() jomei.PropertyType { return jomei.PropertyType(w.Type) }

// MarshalJSON gives the wire form.
func (w PropertyWrite) MarshalJSON() ([]byte, error) {
	if w.body == nil {
		return nil, valueErrorf("an empty property write: make it with EncodeProperty")
	}
	return w.body, nil
}

// EncodeOptions say what the page holds and what the schema allows, where the encoding depends on it. All are optional.
type EncodeOptions struct {
	// Keep is the property as it was last read: a date keeps its end and time zone, a file list its hosted files and its names.
	Keep *Property
	// Schema refuses unknown status options before Notion does, and is used for nothing else.
	Schema *SchemaProperty
}
