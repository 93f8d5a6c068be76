package converter

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// avroWriter writes a Connect schema as the Avro schema that Confluent's AvroData makes of it.
type avroWriter struct {
	dst     []byte
	defined map[string]bool // records that stand further up: after that their name is enough
	err     error
}

// avroSchema gives the text of the schema.
func avroSchema(s *change.Schema) (string, error) {
	w := avroWriter{defined: map[string]bool{}}
	w.schema(s)
	return string(w.dst), w.err
}

func (w *avroWriter) raw(text string)  { w.dst = append(w.dst, text...) }
func (w *avroWriter) text(text string) { w.dst = change.AppendString(w.dst, text) }

// schema writes a union with null for what is optional: null first, unless there is a default, which must be of the first branch.
func (w *avroWriter) schema(s *change.Schema) {
	switch {
	case !s.Optional:
		w.branch(s)
	case nullFirst(s):
		w.raw(`["null",`)
		w.branch(s)
		w.raw("]")
	default:
		w.raw("[")
		w.branch(s)
		w.raw(`,"null"]`)
	}
}

func nullFirst(s *change.Schema) bool { return s.Default == nil || s.Type == change.SchemaStruct }

var avroTypes = map[change.SchemaType]string{
	change.SchemaInt16: "int", change.SchemaInt32: "int", change.SchemaInt64: "long", change.SchemaFloat32: "float", change.SchemaFloat64: "double",
	change.SchemaBoolean: "boolean", change.SchemaString: "string", change.SchemaBytes: "bytes",
}

func (w *avroWriter) branch(s *change.Schema) {
	switch s.Type {
	case change.SchemaStruct:
		w.record(s)
		return
	case change.SchemaArray:
		w.raw(`{"type":"array","items":`)
		w.schema(s.Items)
	case change.SchemaMap:
		w.raw(`{"type":"map","values":`)
		w.schema(s.Items)
	default:
		name := avroTypes[s.Type]
		if s.Name == "" && s.Default == nil && s.Type != change.SchemaInt16 {
			w.text(name)
			return
		}
		w.raw(`{"type":"` + name + `"`)
		w.decimal(s)
	}
	w.properties(s)
	w.raw("}")
}

// decimal writes what Avro's logical type needs. A scale beyond the precision, or below 0, is none of Avro's: then connect.name alone says what it is.
func (w *avroWriter) decimal(s *change.Schema) {
	if s.Name != change.DecimalName {
		return
	}
	precision := s.Parameter(change.DecimalPrecision)
	if precision == "" {
		precision = "64"
	}
	w.raw(`,"scale":` + s.Parameter(change.DecimalScale) + `,"precision":` + precision)
}

func (w *avroWriter) record(s *change.Schema) {
	if w.defined[s.Name] {
		w.text(s.Name)
		return
	}
	w.defined[s.Name] = true
	space, name := "", s.Name
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		space, name = name[:at], name[at+1:]
	}
	w.check(s.Name, "schema.name.adjustment.mode", strings.Split(s.Name, ".")...)
	w.raw(`{"type":"record","name":`)
	w.text(name)
	if space != "" {
		w.raw(`,"namespace":`)
		w.text(space)
	}
	w.raw(`,"fields":[`)
	for i, f := range s.Fields {
		if i > 0 {
			w.raw(",")
		}
		w.check(f.Name, "field.name.adjustment.mode", f.Name)
		w.raw(`{"name":`)
		w.text(f.Name)
		w.raw(`,"type":`)
		w.schema(f.Schema)
		switch {
		case f.Schema.Default != nil && f.Schema.Type != change.SchemaStruct:
			w.raw(`,"default":`)
			w.value(f.Schema)
		case f.Schema.Optional:
			w.raw(`,"default":null`)
		}
		w.raw("}")
	}
	w.raw("]")
	w.properties(s)
	w.raw("}")
}

// check keeps the first name that Avro does not take.
func (w *avroWriter) check(whole, mode string, parts ...string) {
	for _, part := range parts {
		if w.err == nil && AdjustAvro.fieldName(part) != part || part == "" {
			w.err = &NameError{Name: whole, Option: mode}
		}
	}
}

// NameError is returned for a name that Avro does not take.
type NameError struct{ Name, Option string }

func (e *NameError) Error() string {
	return fmt.Sprintf("%q is no name for Avro, which takes letters, digits and underscores, a digit not first: set %s=avro (underscores for other characters) or avro_unicode",
		e.Name, e.Option)
}

// properties keep what Avro has no word for, so that Connect reads back the schema that it was.
func (w *avroWriter) properties(s *change.Schema) {
	if s.Doc != "" {
		w.raw(`,"connect.doc":`)
		w.text(s.Doc)
	}
	if s.Version != 0 {
		w.raw(`,"connect.version":` + strconv.Itoa(s.Version))
	}
	if len(s.Parameters) > 0 {
		w.raw(`,"connect.parameters":{`)
		for i, p := range s.Parameters {
			if i > 0 {
				w.raw(",")
			}
			w.text(p.Name)
			w.raw(":")
			w.text(p.Value)
		}
		w.raw("}")
	}
	if s.Default != nil {
		w.raw(`,"connect.default":`)
		w.value(s)
	}
	if s.Name != "" {
		w.raw(`,"connect.name":`)
		w.text(s.Name)
	}
	if s.Type == change.SchemaInt16 {
		w.raw(`,"connect.type":"int16"`)
	}
	if logical := logicalType(s); logical != "" {
		w.raw(`,"logicalType":"` + logical + `"`)
	}
}

func logicalType(s *change.Schema) string {
	switch s.Name {
	case change.DecimalName:
		precision, err := strconv.Atoi(s.Parameter(change.DecimalPrecision))
		if err != nil {
			precision = 64
		}
		if scale, _ := strconv.Atoi(s.Parameter(change.DecimalScale)); scale < 0 || scale > precision {
			return ""
		}
		return "decimal"
	case change.ConnectDateName:
		return "date"
	case change.ConnectTimeName:
		return "time-millis"
	case change.ConnectTimestampName:
		return "timestamp-millis"
	}
	return ""
}

// value writes a default in Avro's JSON: bytes are text of which each character is a byte.
func (w *avroWriter) value(s *change.Schema) {
	if s.Type != change.SchemaBytes {
		w.dst = append(w.dst, s.Default...)
		return
	}
	var encoded string
	err := json.Unmarshal(s.Default, &encoded)
	data, wrong := base64.StdEncoding.DecodeString(encoded)
	if err != nil || wrong != nil {
		w.err = fmt.Errorf("default %s is no base64", s.Default)
		return
	}
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	w.text(string(runes))
}
