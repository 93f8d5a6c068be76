package notionapi

import (
	"encoding/json"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// inlineMax is where Notion cuts relations, people, and the mentions in a text.
// https://developers.notion.com/reference/page-property-values
const inlineMax = 25

// DecodeProperty reads one property value object of a page. It never fails: what it does not understand is absent, with its JSON in Raw.
func DecodeProperty(name string, raw json.RawMessage) Property {
	p := Property{Name: name, Raw: raw}
	var room [8]member
	object, ok := partsOf(raw, room[:0])
	if !ok {
		return p
	}
	p.ID, p.Type = object.text("id"), object.text("type")
	inner, there := object.get(p.Type)
	if !there {
		return p
	}
	p.Value, p.Date = decodeValue(p.Type, inner)
	if more, said := object.get("has_more"); said {
		p.HasMore = string(more) == "true"
	} else {
		p.HasMore = maybeCut(p.Type, inner)
	}
	return p
}

// parts are an object's members in their order: few enough to look through.
type parts []member

type member struct{ name, value []byte }

func partsOf(raw []byte, room []member) (parts, bool) {
	err := change.Members(raw, func(name, value []byte) { room = append(room, member{name, value}) })
	return room, err == nil
}

// get gives the last member of that name, as encoding/json does.
func (m parts) get(name string) (json.RawMessage, bool) {
	for i := len(m) - 1; i >= 0; i-- {
		if string(m[i].name) == name {
			return m[i].value, true
		}
	}
	return nil, false
}

// text reads a text; "" if there is none.
func (m parts) text(name string) string {
	raw, _ := m.get(name)
	text, _ := change.JSONText(raw)
	return text
}

// decodeValue reads what stands under the type's name. Date parts come with dates alone, also with those inside formulas and rollups.
func decodeValue(propertyType string, inner json.RawMessage) (change.Value, *DateParts) {
	switch propertyType {
	case TypeDate:
		return decodeDate(inner)
	case TypeFormula, TypeRollup:
		return decodeComputed(inner)
	}
	if decode, known := decoders[propertyType]; known {
		return decode(inner), nil
	}
	return change.Value{}, nil // button, and types that came after us
}

// decoders read the types whose value is all there is to them. A shape that is not the type's gives absent.
var decoders = map[string]func(json.RawMessage) change.Value{
	TypeTitle:          decodeText,
	TypeRichText:       decodeText,
	TypeNumber:         decodeNumber,
	TypeCheckbox:       decodeCheckbox,
	TypeSelect:         decodeOption,
	TypeStatus:         decodeOption,
	TypeMultiSelect:    func(raw json.RawMessage) change.Value { return decodeSet(raw, "name", asGiven) },
	TypePeople:         func(raw json.RawMessage) change.Value { return decodeSet(raw, "id", canonObjectID) },
	TypeRelation:       func(raw json.RawMessage) change.Value { return decodeSet(raw, "id", canonObjectID) },
	TypeURL:            decodeString,
	TypeEmail:          decodeString,
	TypePhoneNumber:    decodeString,
	TypeFiles:          decodeFiles,
	TypeCreatedTime:    decodeInstant,
	TypeLastEditedTime: decodeInstant,
	TypeCreatedBy:      decodeAuthor,
	TypeLastEditedBy:   decodeAuthor,
	TypeUniqueID:       decodeUniqueID,
	TypeVerification:   decodeVerification,
	TypePlace:          decodePlace,
}

func asGiven(s string) string { return s }

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// textIn reads a string of an object; "" if there is none.
func textIn(object map[string]json.RawMessage, name string) string {
	var s string
	if json.Unmarshal(object[name], &s) != nil {
		return ""
	}
	return s
}

// emptyIsNull: Notion does not tell an empty text from none.
func emptyIsNull(s string) change.Value {
	if s == "" {
		return change.NullValue()
	}
	return change.TextValue(s)
}

// wireRichText is one piece of a text. Formatting is left aside; plain_text is missing from what was never read.
type wireRichText struct {
	Type      string  `json:"type"`
	PlainText *string `json:"plain_text"`
	Text      struct {
		Content string `json:"content"`
	} `json:"text"`
}

func decodeText(raw json.RawMessage) change.Value {
	if text, ok := plainText(raw); ok {
		return emptyIsNull(text)
	}
	var items []wireRichText
	if json.Unmarshal(raw, &items) != nil {
		return change.Value{}
	}
	return emptyIsNull(joinText(items))
}

// plainText reads a text all of whose pieces say what they are in plain text, as in all of Notion's answers.
func plainText(raw json.RawMessage) (string, bool) {
	var text string
	plain := true
	err := change.Elements(raw, func(piece []byte) {
		var room [8]member
		object, ok := partsOf(piece, room[:0])
		said, _ := object.get("plain_text")
		part, isText := change.JSONText(said)
		plain = plain && ok && isText
		text += part
	})
	return text, err == nil && plain
}

func joinText(items []wireRichText) string {
	var b strings.Builder
	for _, item := range items {
		if item.PlainText != nil {
			b.WriteString(*item.PlainText)
		} else {
			b.WriteString(item.Text.Content)
		}
	}
	return b.String()
}

// maybeCut finds the values that Notion cuts without saying so: a text with 25 mentions, 25 people. A value that Complete has read
// says so itself, also where it was stored and is read again.
func maybeCut(propertyType string, inner json.RawMessage) bool {
	switch propertyType {
	case TypePeople:
		var items []json.RawMessage
		return json.Unmarshal(inner, &items) == nil && len(items) >= inlineMax
	case TypeTitle, TypeRichText:
		n := 0
		if change.Elements(inner, func([]byte) { n++ }) != nil || n < inlineMax {
			return false
		}
		var items []wireRichText
		if json.Unmarshal(inner, &items) != nil {
			return false
		}
		mentions := 0
		for _, item := range items {
			if item.Type == "mention" {
				mentions++
			}
		}
		return mentions >= inlineMax
	}
	return false
}

func decodeNumber(raw json.RawMessage) change.Value {
	if isNull(raw) {
		return change.NullValue()
	}
	var n json.Number
	if len(raw) == 0 || raw[0] == '"' || json.Unmarshal(raw, &n) != nil {
		return change.Value{}
	}
	text, ok := canonDecimal(n.String())
	if !ok {
		return change.Value{}
	}
	return change.DecimalValue(text)
}

func decodeCheckbox(raw json.RawMessage) change.Value {
	switch string(raw) {
	case "true":
		return change.BoolValue(true)
	case "false":
		return change.BoolValue(false)
	}
	return change.Value{}
}

func decodeString(raw json.RawMessage) change.Value {
	if isNull(raw) {
		return change.NullValue()
	}
	s, ok := change.JSONText(raw)
	if !ok {
		return change.Value{}
	}
	return emptyIsNull(s)
}

func decodeOption(raw json.RawMessage) change.Value {
	if isNull(raw) {
		return change.NullValue()
	}
	var room [4]member
	option, ok := partsOf(raw, room[:0])
	if name, named := option.get("name"); !ok || named && !isNull(name) && (len(name) == 0 || name[0] != '"') {
		return change.Value{}
	}
	return emptyIsNull(option.text("name"))
}

// decodeSet reads an array of objects of which one text counts.
func decodeSet(raw json.RawMessage, name string, canon func(string) string) change.Value {
	var names []string
	whole := true
	err := change.Elements(raw, func(item []byte) {
		var room [4]member
		object, ok := partsOf(item, room[:0])
		text := object.text(name)
		whole = whole && ok && text != "" // half a set must not be taken for a whole one
		names = append(names, canon(text))
	})
	if err != nil || !whole {
		return change.Value{}
	}
	return change.TextSet(names...)
}

// wireFile is one file. Notion's own ("file") have URLs that expire within the hour.
type wireFile struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	External *struct {
		URL string `json:"url"`
	} `json:"external,omitempty"`
	File json.RawMessage `json:"file,omitempty"`
}

func decodeFiles(raw json.RawMessage) change.Value {
	var files []wireFile
	if isNull(raw) || json.Unmarshal(raw, &files) != nil {
		return change.Value{}
	}
	items := make([]change.Value, 0, len(files))
	for _, f := range files {
		if f.External != nil && f.External.URL != "" {
			items = append(items, change.TextValue(f.External.URL))
		} else {
			items = append(items, change.TextValue(f.Name))
		}
	}
	return change.ListValue(items...)
}

func decodeInstant(raw json.RawMessage) change.Value {
	var t wireTime
	if json.Unmarshal(raw, &t) != nil || t.IsZero() {
		return change.Value{}
	}
	return change.InstantValue(t.Time)
}

func decodeAuthor(raw json.RawMessage) change.Value {
	var ref wireRef
	if isNull(raw) || json.Unmarshal(raw, &ref) != nil || ref.ID == "" {
		return change.Value{}
	}
	return change.TextValue(canonObjectID(ref.ID))
}

func decodeUniqueID(raw json.RawMessage) change.Value {
	var id struct {
		Prefix *string      `json:"prefix"`
		Number *json.Number `json:"number"`
	}
	if json.Unmarshal(raw, &id) != nil {
		return change.Value{}
	}
	switch {
	case id.Number == nil:
		return change.NullValue()
	case id.Prefix == nil || *id.Prefix == "":
		return change.TextValue(id.Number.String())
	}
	return change.TextValue(*id.Prefix + "-" + id.Number.String())
}

func decodeVerification(raw json.RawMessage) change.Value {
	var v *struct {
		State string `json:"state"`
	}
	switch err := json.Unmarshal(raw, &v); {
	case err != nil:
		return change.Value{}
	case v == nil || v.State == "":
		return change.TextValue(unverified)
	}
	return change.TextValue(v.State)
}

func decodePlace(raw json.RawMessage) change.Value {
	if isNull(raw) {
		return change.NullValue()
	}
	text, err := canonPlace(string(raw))
	if err != nil {
		return change.Value{}
	}
	return change.JSONValue(text)
}

// decodeComputed reads a formula or a rollup: {"type": "number", "number": 1}. "unsupported" and "incomplete" say nothing: absent.
func decodeComputed(raw json.RawMessage) (change.Value, *DateParts) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return change.Value{}, nil
	}
	kind := textIn(object, "type")
	inner, there := object[kind]
	if !there {
		return change.Value{}, nil
	}
	switch kind {
	case "string":
		return decodeString(inner), nil
	case "number":
		return decodeNumber(inner), nil
	case "boolean":
		if isNull(inner) {
			return change.NullValue(), nil
		}
		return decodeCheckbox(inner), nil
	case "date":
		return decodeDate(inner)
	case "array":
		return decodeArray(inner), nil
	}
	return change.Value{}, nil
}

// decodeArray reads a rollup's array. One element that is not understood makes the whole absent.
func decodeArray(raw json.RawMessage) change.Value {
	var elements []map[string]json.RawMessage
	if isNull(raw) || json.Unmarshal(raw, &elements) != nil {
		return change.Value{}
	}
	items := make([]change.Value, 0, len(elements))
	for _, element := range elements {
		kind := textIn(element, "type")
		inner, there := element[kind]
		if !there || kind == TypeRollup { // Notion has no rollup of a rollup; a hostile one must not nest without end
			return change.Value{}
		}
		v, _ := decodeValue(kind, inner)
		if v.IsAbsent() {
			return change.Value{}
		}
		items = append(items, v)
	}
	return change.ListValue(items...)
}
