package notionapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// ArrayMax bounds multi_select, people, relation and files in one write. A relation may hold more, but a write replaces all of it.
// https://developers.notion.com/reference/request-limits
const ArrayMax = 100

const unverified = "unverified"

// codec is how a type is written: canon refuses what Notion cannot hold and gives what it will hold; body writes that.
type codec struct {
	canon func(change.Value) (change.Value, error)
	body  func(change.Value) (any, error)
}

// codecs are the writable types. Dates and files are written by EncodeProperty itself: their body depends on what the page holds.
var codecs = map[string]codec{
	TypeTitle:        {canonText, textBody},
	TypeRichText:     {canonText, textBody},
	TypeNumber:       {canonNumber, numberBody},
	TypeCheckbox:     {canonCheckbox, func(v change.Value) (any, error) { return v.Bool(), nil }},
	TypeSelect:       {canonOption, optionBody},
	TypeStatus:       {canonOption, optionBody},
	TypeMultiSelect:  {canonOptions, func(v change.Value) (any, error) { return objects(v, "name"), nil }},
	TypePeople:       {canonIDs("user"), func(v change.Value) (any, error) { return objects(v, "id"), nil }},
	TypeRelation:     {canonIDs("page"), func(v change.Value) (any, error) { return objects(v, "id"), nil }},
	TypeURL:          {canonString(TypeURL, URLUnitsMax), stringBody},
	TypeEmail:        {canonString(TypeEmail, EmailUnitsMax), stringBody},
	TypePhoneNumber:  {canonString("phone number", PhoneUnitsMax), stringBody},
	TypeDate:         {canonDate, nil},
	TypeFiles:        {canonFiles, nil},
	TypeVerification: {canonVerification, func(v change.Value) (any, error) { return map[string]any{"state": v.Text()}, nil }},
	TypePlace:        {canonPlaceValue, placeBody},
}

// Writable reports that pages can be given a value of the type.
func Writable(propertyType string) bool {
	_, ok := codecs[propertyType]
	return ok
}

// Canon gives the value that a read finds after v was written to a property of the type, or a [ValueError] that says why v cannot be
// held. Canon(Canon(v)) is Canon(v). Values of types that are not writable are canonical as they are.
func Canon(propertyType string, v change.Value) (change.Value, error) {
	c, ok := codecs[propertyType]
	if !ok || v.IsAbsent() {
		return v, nil
	}
	return c.canon(v)
}

// EncodeProperty gives the wire form of a value for a property of the type. Null clears: to empty, to unchecked, and a status to its
// default option, which Notion puts there. Option names are one to Notion when they differ by case alone: a name that the schema has in
// another spelling reads back in that one. What Notion cannot hold is a [ValueError].
func EncodeProperty(propertyType string, v change.Value, opts EncodeOptions) (PropertyWrite, error) {
	w, err := encodeProperty(propertyType, v, opts)
	var value *ValueError
	if errors.As(err, &value) && value.Property == "" {
		switch {
		case opts.Schema != nil:
			value.Property = opts.Schema.Name
		case opts.Keep != nil:
			value.Property = opts.Keep.Name
		}
	}
	return w, err
}

func encodeProperty(propertyType string, v change.Value, opts EncodeOptions) (PropertyWrite, error) {
	c, ok := codecs[propertyType]
	if !ok {
		return PropertyWrite{}, valueErrorf("Notion computes %s properties; they cannot be written", propertyType)
	}
	if v.IsAbsent() {
		return PropertyWrite{}, valueErrorf("an absent value: what was not read must not be written")
	}
	canonical, err := c.canon(v)
	if err != nil {
		return PropertyWrite{}, err
	}
	if err := knownStatus(propertyType, canonical, opts.Schema); err != nil {
		return PropertyWrite{}, err
	}
	w := PropertyWrite{Type: propertyType, Value: canonical}
	var inner any
	switch propertyType {
	case TypeDate:
		inner, w.DroppedEnd = dateBody(canonical, opts.Keep)
	case TypeFiles:
		inner, err = filesBody(canonical, opts.Keep)
	default:
		inner, err = c.body(canonical)
	}
	if err != nil {
		return PropertyWrite{}, err
	}
	w.body, err = marshal(map[string]any{propertyType: inner})
	return w, err
}

// marshal is json.Marshal without the escapes that are for HTML: a text of 2000 ampersands stays one of 2000 bytes.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// knownStatus: a page write never creates a status option.
func knownStatus(propertyType string, v change.Value, schema *SchemaProperty) error {
	if propertyType != TypeStatus || v.IsNull() || schema == nil {
		return nil
	}
	names := make([]string, len(schema.Options))
	for i, o := range schema.Options {
		if o.Name == v.Text() {
			return nil
		}
		names[i] = o.Name
	}
	return valueErrorf("the status %q does not exist; Notion has: %s", v.Text(), strings.Join(names, ", "))
}

func canonCheckbox(v change.Value) (change.Value, error) {
	switch v.Kind() {
	case change.Null:
		return change.BoolValue(false), nil
	case change.Bool:
		return v, nil
	}
	return v, valueErrorf("a %s for a checkbox property", v.Kind())
}

func canonOption(v change.Value) (change.Value, error) {
	name, err := scalarText(v, "select")
	if err != nil {
		return v, err
	}
	if strings.Contains(name, ",") {
		return v, valueErrorf("the option %q has a comma, which Notion does not allow", shorten(name))
	}
	if n := units(name); n > OptionUnitsMax {
		return v, valueErrorf("an option of %d characters; Notion takes %d", n, OptionUnitsMax)
	}
	return emptyIsNull(name), nil
}

func optionBody(v change.Value) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	return map[string]any{"name": v.Text()}, nil
}

// members gives the elements of a value for an array property: null is none, a single value is one.
func members(v change.Value) []change.Value {
	switch v.Kind() {
	case change.Null:
		return nil
	case change.List, change.Set:
		return v.Items()
	}
	return []change.Value{v}
}

func canonOptions(v change.Value) (change.Value, error) {
	var names []change.Value
	for _, item := range members(v) {
		name, err := canonOption(item)
		if err != nil {
			return v, err
		}
		if !name.IsNull() {
			names = append(names, name)
		}
	}
	set, err := boundedSet(names)
	if err != nil {
		return v, err
	}
	byFold := map[string]string{}
	for _, name := range set.Items() {
		fold := strings.ToLower(name.Text())
		if other, twice := byFold[fold]; twice {
			return v, valueErrorf("the options %q and %q are one to Notion, which ignores case", shorten(other), shorten(name.Text()))
		}
		byFold[fold] = name.Text()
	}
	return set, nil
}

func boundedSet(items []change.Value) (change.Value, error) {
	set := change.SetValue(items...)
	if n := len(set.Items()); n > ArrayMax {
		return set, valueErrorf("%d entries; Notion takes %d in one write", n, ArrayMax)
	}
	return set, nil
}

func canonIDs(what string) func(change.Value) (change.Value, error) {
	return func(v change.Value) (change.Value, error) {
		var ids []change.Value
		for _, item := range members(v) {
			if k := item.Kind(); k != change.Text && k != change.UUID {
				return v, valueErrorf("a %s where the id of a %s is wanted", k, what)
			}
			id, ok := ObjectID(item.Text())
			if !ok {
				return v, valueErrorf("%q is not the id of a %s in Notion", shorten(item.Text()), what)
			}
			ids = append(ids, change.TextValue(id))
		}
		return boundedSet(ids)
	}
}

// objects writes a set as an array of objects with one name each; never nil, because null is refused where [] clears.
func objects(v change.Value, name string) []map[string]any {
	out := make([]map[string]any, 0, len(v.Items()))
	for _, item := range v.Items() {
		out = append(out, map[string]any{name: item.Text()})
	}
	return out
}

func canonFiles(v change.Value) (change.Value, error) {
	items := []change.Value{}
	for _, item := range members(v) {
		text, err := scalarText(item, "files")
		if err != nil {
			return v, err
		}
		if text == "" {
			return v, valueErrorf("a file without a URL")
		}
		if n := units(text); n > URLUnitsMax {
			return v, valueErrorf("a file URL of %d characters; Notion takes %d", n, URLUnitsMax)
		}
		items = append(items, change.TextValue(text))
	}
	if len(items) > ArrayMax {
		return v, valueErrorf("%d files; Notion takes %d", len(items), ArrayMax)
	}
	return change.ListValue(items...), nil
}

// filesBody writes URLs as external files. A name that is no URL stands for a file that Notion hosts: it stays if the page has it
// (Notion keeps a file object that it is handed back), and cannot be made.
func filesBody(v change.Value, keep *Property) (any, error) {
	var held []wireFile
	if keep != nil {
		var object struct {
			Files []wireFile `json:"files"`
		}
		if err := json.Unmarshal(keep.Raw, &object); err == nil {
			held = object.Files
		}
	}
	out := make([]any, 0, len(v.Items()))
	for _, item := range v.Items() {
		i := slices.IndexFunc(held, func(f wireFile) bool { return f.key() == item.Text() })
		switch {
		case i >= 0:
			out = append(out, held[i])
			held = slices.Delete(held, i, i+1)
		case isWebURL(item.Text()):
			out = append(out, map[string]any{
				"type": "external", "name": fileName(item.Text()), "external": map[string]any{"url": item.Text()},
			})
		default:
			return nil, valueErrorf("the file %q is no web address, and the page holds no such file", shorten(item.Text()))
		}
	}
	return out, nil
}

// key is what stands for the file in a value.
func (f wireFile) key() string {
	if f.External != nil && f.External.URL != "" {
		return f.External.URL
	}
	return f.Name
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// fileName is what people see: the last part of the path, bounded as Notion bounds names.
func fileName(text string) string {
	const unitsMax = 100
	name := text
	if u, err := url.Parse(text); err == nil {
		name = u.Host
		if base := path.Base(u.Path); base != "." && base != "/" {
			name = base
		}
	}
	runes := []rune(cmp.Or(name, "file"))
	for units(string(runes)) > unitsMax {
		runes = runes[:len(runes)-1]
	}
	return string(runes)
}

func canonVerification(v change.Value) (change.Value, error) {
	if v.IsNull() {
		return change.TextValue(unverified), nil
	}
	if text := v.Text(); v.Kind() == change.Text && (text == "verified" || text == unverified) {
		return v, nil
	}
	return v, valueErrorf("the verification state %q; Notion takes verified and unverified", shorten(v.String()))
}

func canonPlaceValue(v change.Value) (change.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	if k := v.Kind(); k != change.JSON && k != change.Text {
		return v, valueErrorf("a %s for a place property; give a JSON object with lat and lon", k)
	}
	text, err := canonPlace(v.Text())
	if err != nil {
		return v, err
	}
	return change.JSONValue(text), nil
}

// canonPlace sorts names, leaves out nulls, and gives numbers their one text.
func canonPlace(text string) (string, error) {
	bad := valueErrorf("a place must be a JSON object with numbers lat and lon and texts")
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil || object == nil {
		return "", bad
	}
	out := make(map[string]any, len(object))
	for name, raw := range object {
		var s string
		switch {
		case isNull(raw):
		case name == "lat" || name == "lon":
			n, err := canonNumber(decodeNumber(raw))
			if err != nil || n.IsNull() {
				return "", bad
			}
			out[name] = json.Number(n.Text())
		case json.Unmarshal(raw, &s) == nil:
			out[name] = s
		default:
			return "", bad
		}
	}
	if out["lat"] == nil || out["lon"] == nil {
		return "", bad
	}
	body, err := marshal(out)
	return string(body), err
}

func placeBody(v change.Value) (any, error) {
	if v.IsNull() {
		return nil, nil
	}
	return json.RawMessage(v.Text()), nil
}
