package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// decodeStrict reads config into instance, a pointer to a struct, and reports every problem at once: names that the struct does
// not have, names given twice, values of the wrong type, required names that are missing, and values outside of an enum. Struct tags
// beside json: required:"true", enum:"a,b", doc:"one line".
func decodeStrict(config json.RawMessage, instance any) []Diagnostic {
	members, err := readObject(config)
	if err != nil {
		return []Diagnostic{Problem("", "write a JSON object", "configuration is not readable: %v", err)}
	}
	fields := settings(reflect.ValueOf(instance).Elem().Type())
	target := reflect.ValueOf(instance).Elem()
	var diags []Diagnostic
	given := map[string]bool{}
	for _, m := range members {
		if given[m.name] {
			diags = append(diags, Problem(m.name, "keep one", "%q is given twice", m.name))
			continue
		}
		given[m.name] = true
		i := slices.IndexFunc(fields, func(f setting) bool { return f.name == m.name })
		if i < 0 {
			diags = append(diags, Problem(m.name, knownNames(fields), "there is no setting %q", m.name))
			continue
		}
		diags = append(diags, fields[i].decode(m.value, target.FieldByIndex(fields[i].index))...)
	}
	for _, f := range fields {
		if f.required && !given[f.name] {
			diags = append(diags, Problem(f.name, f.doc, "%q is missing", f.name))
		}
	}
	return diags
}

type member struct {
	name  string
	value json.RawMessage
}

// readObject keeps order and repetition, which a map would hide. Nothing and null are the empty object.
func readObject(data []byte) ([]member, error) {
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || string(trimmed) == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, fmt.Errorf("want an object, got %.40s", data)
	}
	var members []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		members = append(members, member{name: name.(string), value: value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return members, nil
}

// setting is one field of a configuration struct.
type setting struct {
	name     string
	index    []int
	typ      reflect.Type
	doc      string
	required bool
	enum     []string
}

// settings lists the fields with a json tag; others are the instance's own.
func settings(t reflect.Type) []setting {
	var out []setting
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		s := setting{name: name, index: f.Index, typ: f.Type, doc: f.Tag.Get("doc"), required: f.Tag.Get("required") == "true"}
		if e := f.Tag.Get("enum"); e != "" {
			s.enum = strings.Split(e, ",")
		}
		out = append(out, s)
	}
	return out
}

func (s setting) decode(raw json.RawMessage, into reflect.Value) []Diagnostic {
	if string(raw) == "null" && s.typ.Kind() != reflect.Pointer {
		return []Diagnostic{Problem(s.name, "leave it out for its default", "%q is null", s.name)}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into.Addr().Interface()); err != nil {
		return []Diagnostic{Problem(s.name, s.doc, "%s", plainJSONError(err))}
	}
	if s.enum != nil && into.Kind() == reflect.String && !slices.Contains(s.enum, into.String()) {
		return []Diagnostic{Problem(s.name, "use one of "+strings.Join(s.enum, ", "), "%q is not known here", into.String())}
	}
	return nil
}

// plainJSONError says what a person can use of encoding/json's errors, which talk of Go types.
func plainJSONError(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("want %s, got %s", schemaType(wrong.Type), wrong.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func knownNames(fields []setting) string {
	if len(fields) == 0 {
		return "there are no settings: leave the configuration out"
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return "the settings are " + strings.Join(names, ", ")
}
