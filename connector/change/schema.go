package change

import (
	"encoding/json"
	"strconv"
)

// SchemaType is one of Kafka Connect's types (org.apache.kafka.connect.data.Schema.Type), by its name in JSON.
type SchemaType string

// The types.
const (
	SchemaInt16   SchemaType = "int16"
	SchemaInt32   SchemaType = "int32"
	SchemaInt64   SchemaType = "int64"
	SchemaFloat32 SchemaType = "float"
	SchemaFloat64 SchemaType = "double"
	SchemaBoolean SchemaType = "boolean"
	SchemaString  SchemaType = "string"
	SchemaBytes   SchemaType = "bytes"
	SchemaArray   SchemaType = "array"
	SchemaMap     SchemaType = "map"
	SchemaStruct  SchemaType = "struct"
)

// Schema is what Kafka Connect would say of a value. Schemas are immutable once they are built: they are shared.
type Schema struct {
	Type       SchemaType
	Optional   bool
	Name       string // of a struct, or of what a simple type stands for (io.debezium.time.Date)
	Version    int    // 0: none
	Doc        string
	Parameters []Parameter
	Default    json.RawMessage // as a value of this schema stands in JSON; nil: none
	Fields     []Field         // of a struct
	Items      *Schema         // of an array, and the values of a map, whose keys are strings
}

// Field is one field of a struct.
type Field struct {
	Name   string
	Schema *Schema
}

// Parameter is a detail that a schema's name calls for, such as a scale.
type Parameter struct{ Name, Value string }

// The names of schemas that converters treat as more than their types.
const (
	DecimalName          = "org.apache.kafka.connect.data.Decimal"
	ConnectDateName      = "org.apache.kafka.connect.data.Date"
	ConnectTimeName      = "org.apache.kafka.connect.data.Time"
	ConnectTimestampName = "org.apache.kafka.connect.data.Timestamp"

	DecimalScale     = "scale"
	DecimalPrecision = "connect.decimal.precision"
)

// Parameter gives a parameter's value, "" if there is none.
func (s *Schema) Parameter(name string) string {
	for _, p := range s.Parameters {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// Field gives a field's schema, nil if there is no such field.
func (s *Schema) Field(name string) *Schema {
	for _, f := range s.Fields {
		if f.Name == name {
			return f.Schema
		}
	}
	return nil
}

// as gives a copy that is optional or not.
func (s *Schema) as(optional bool) *Schema {
	other := *s
	other.Optional = optional
	return &other
}

// AppendJSON writes the schema as Connect's JsonConverter does, in its order of members.
func (s *Schema) AppendJSON(dst []byte) []byte { return s.appendJSON(dst, "") }

// appendJSON writes the schema of a field, or one that is no field's.
func (s *Schema) appendJSON(dst []byte, field string) []byte {
	dst = append(append(append(dst, `{"type":"`...), s.Type...), '"')
	switch s.Type {
	case SchemaStruct:
		dst = append(dst, `,"fields":[`...)
		for i, f := range s.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = f.Schema.appendJSON(dst, f.Name)
		}
		dst = append(dst, ']')
	case SchemaArray:
		dst = s.Items.appendJSON(append(dst, `,"items":`...), "")
	case SchemaMap:
		dst = append(dst, `,"keys":{"type":"string","optional":false},"values":`...)
		dst = s.Items.appendJSON(dst, "")
	}
	dst = strconv.AppendBool(append(dst, `,"optional":`...), s.Optional)
	if s.Name != "" {
		dst = appendString(append(dst, `,"name":`...), s.Name)
	}
	if s.Version != 0 {
		dst = strconv.AppendInt(append(dst, `,"version":`...), int64(s.Version), 10)
	}
	if s.Doc != "" {
		dst = appendString(append(dst, `,"doc":`...), s.Doc)
	}
	if len(s.Parameters) > 0 {
		dst = append(dst, `,"parameters":{`...)
		for i, p := range s.Parameters {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(append(appendString(dst, p.Name), ':'), p.Value)
		}
		dst = append(dst, '}')
	}
	if s.Default != nil {
		dst = append(append(dst, `,"default":`...), s.Default...)
	}
	if field != "" {
		dst = appendString(append(dst, `,"field":`...), field)
	}
	return append(dst, '}')
}
