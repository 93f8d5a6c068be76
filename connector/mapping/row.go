package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// FromRow brings a value of the row domain, after the field's function if it has one, into the canonical form.
func (f Field) FromRow(v change.Value) (change.Value, error) {
	if v.IsAbsent() {
		return v, nil
	}
	v, err := unpack(f.Type, v)
	if err != nil {
		return change.Value{}, err
	}
	if f.Custom && v.Kind() == change.JSON {
		return change.Value{}, fmt.Errorf("it is a JSON object or array, which no property can hold and give back")
	}
	if v, err = f.mapOptions(v, f.optionFor); err != nil {
		return change.Value{}, err
	}
	return f.Canon(v)
}

// ToRow brings a canonical value into the row domain, before the field's function if it has one. The row domain's scalar
// kinds are fixed by the field's type; the writer turns them into what the column's type wants.
func (f Field) ToRow(v change.Value) (change.Value, error) {
	v, err := f.Canon(v)
	if err != nil || v.IsAbsent() {
		return v, err
	}
	if f.Relation != "" && !f.Many && len(v.Items()) > 1 {
		return change.Value{}, fmt.Errorf("the CRM keeps one related %s here, the page names %d", f.Relation, len(v.Items()))
	}
	if v, err = f.mapOptions(v, f.valueFor); err != nil {
		return change.Value{}, err
	}
	if v.IsNull() && f.rule.Empty != nil {
		return change.TextValue(*f.rule.Empty), nil
	}
	return v, nil
}

// unpack takes the members out of what a column of options is kept in: an array, a JSON array, or text with commas
// (Doctrine's simple_array).
func unpack(t Type, v change.Value) (change.Value, error) {
	switch {
	case v.Kind() == change.JSON && t == TypeMultiSelect:
		return jsonMembers(v.Text())
	case v.Kind() == change.JSON:
		return Scalar(v.Text()), nil
	case t == TypeMultiSelect && v.Kind() == change.Text:
		var members []change.Value
		for _, part := range strings.Split(v.Text(), ",") {
			members = append(members, change.TextValue(part))
		}
		return change.ListValue(members...), nil
	}
	return v, nil
}

// Scalar is what JSON text means as one value; an object or array stays JSON.
func Scalar(text string) change.Value {
	text = strings.TrimSpace(text)
	if text == "" {
		return change.NullValue()
	}
	switch text[0] {
	case 'n':
		return change.NullValue()
	case 't', 'f':
		return change.BoolValue(text[0] == 't')
	case '"':
		var s string
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return change.JSONValue(text)
		}
		return change.TextValue(s)
	case '{', '[':
		return change.JSONValue(text)
	}
	return change.DecimalValue(text)
}

func jsonMembers(text string) (change.Value, error) {
	scalar := Scalar(text)
	if scalar.Kind() != change.JSON {
		return scalar, nil
	}
	var raw []json.RawMessage
	if err := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&raw); err != nil {
		return change.Value{}, fmt.Errorf("want a JSON array of texts, got %s", shorten(text))
	}
	members := make([]change.Value, len(raw))
	for i, r := range raw {
		if members[i] = Scalar(string(r)); members[i].Kind() == change.JSON {
			return change.Value{}, fmt.Errorf("want a JSON array of texts, got %s within it", shorten(string(r)))
		}
	}
	return change.ListValue(members...), nil
}
