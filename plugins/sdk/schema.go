package sdk

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// schemaOf derives the JSON Schema of an instance's configuration from its struct, so that the two cannot disagree. What New
// has preset becomes the defaults.
func schemaOf(instance any) (json.RawMessage, error) {
	v := reflect.ValueOf(instance)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%T: want a pointer to a struct", instance)
	}
	properties := map[string]any{}
	required := []string{}
	for _, s := range settings(v.Elem().Type()) {
		p := map[string]any{}
		addType(p, s.typ)
		if s.doc != "" {
			p["description"] = s.doc
		}
		if s.enum != nil {
			p["enum"] = s.enum
		}
		if preset := v.Elem().FieldByIndex(s.index); !preset.IsZero() && !s.required {
			p["default"] = preset.Interface()
		}
		if s.required {
			required = append(required, s.name)
		}
		properties[s.name] = p
	}
	schema := map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"type":                 "object",
		"additionalProperties": false,
		"properties":           properties,
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	return json.Marshal(schema)
}

func addType(p map[string]any, t reflect.Type) {
	name := schemaType(t)
	if name == "any value" {
		return
	}
	p["type"] = name
	switch t.Kind() {
	case reflect.Pointer:
		addType(p, t.Elem())
	case reflect.Slice, reflect.Array:
		items := map[string]any{}
		addType(items, t.Elem())
		p["items"] = items
	case reflect.Map:
		values := map[string]any{}
		addType(values, t.Elem())
		p["additionalProperties"] = values
	}
}

var (
	rawJSON    = reflect.TypeFor[json.RawMessage]()
	jsonNumber = reflect.TypeFor[json.Number]()
	unmarshals = reflect.TypeFor[json.Unmarshaler]()
)

// schemaType names t as JSON Schema does, "any value" where it cannot.
func schemaType(t reflect.Type) string {
	switch {
	case t == rawJSON || reflect.PointerTo(t).Implements(unmarshals):
		return "any value"
	case t == jsonNumber:
		return "number"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Pointer:
		return schemaType(t.Elem())
	default:
		return "any value"
	}
}
