package crm

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// decode reads what to_json made of a column. JSON shows dates in ISO 8601 and numbers exactly whatever the session's DateStyle,
// IntervalStyle and time zone are (PostgreSQL manual, 9.16); SQL null is null.
func decode(c mapping.ColumnInfo, text *string, zone *time.Location) (change.Value, error) {
	if text == nil {
		return change.NullValue(), nil
	}
	if c.Category == "A" {
		return decodeArray(c, *text, zone)
	}
	return decodeScalar(c.Builtin(), *text, zone)
}

func decodeScalar(typeName, raw string, zone *time.Location) (change.Value, error) {
	switch typeName {
	case "json", "jsonb":
		return change.JSONValue(raw), nil
	case "bool":
		return change.BoolValue(raw == "true"), nil
	}
	s := raw
	if strings.HasPrefix(raw, `"`) {
		if err := json.Unmarshal([]byte(raw), &s); err != nil {
			return change.Value{}, fmt.Errorf("read %s: %w", typeName, err)
		}
	}
	switch typeName {
	case "int2", "int4", "int8", "oid":
		n, err := strconv.ParseInt(s, 10, 64)
		return change.IntValue(n), err
	case "float4", "float8":
		f, err := strconv.ParseFloat(s, 64)
		return change.FloatValue(f), err
	case "numeric":
		return change.DecimalValue(s), nil
	case "date":
		return change.ParseDate(beforeChrist(s))
	case "timestamp":
		v, err := change.ParseTimestamp(beforeChrist(s))
		if err != nil {
			return v, err
		}
		return mapping.WallClock(v, zone), nil
	case "timestamptz":
		return decodeInstant(beforeChrist(s))
	case "time":
		return change.ParseTime(s)
	case "timetz":
		return change.TextKindValue(change.TimeTZ, s), nil
	case "interval":
		return change.TextKindValue(change.Interval, s), nil
	case "uuid":
		return change.UUIDValue(s), nil
	case "bytea":
		b, err := hex.DecodeString(strings.TrimPrefix(s, `\x`))
		if err != nil {
			return change.Value{}, fmt.Errorf("read bytea: set bytea_output to hex")
		}
		return change.BytesValue(b), nil
	}
	return change.TextValue(s), nil
}

// beforeChrist turns PostgreSQL's "0044-03-15 BC" into a signed astronomical year: 1 BC is the year 0.
func beforeChrist(s string) string {
	date, ok := strings.CutSuffix(s, " BC")
	if !ok {
		return s
	}
	year, rest, _ := strings.Cut(date, "-")
	n, err := strconv.Atoi(year)
	if err != nil {
		return s
	}
	if n == 1 {
		return "0000-" + rest
	}
	return fmt.Sprintf("-%04d-%s", n-1, rest)
}

// decodeInstant also reads offsets with seconds, as zones had before standard time.
func decodeInstant(s string) (change.Value, error) {
	v, err := change.ParseTimestampTZ(s)
	if err == nil {
		return v, nil
	}
	if t, terr := time.Parse("2006-01-02T15:04:05.999999-07:00:00", s); terr == nil {
		return change.InstantValue(t), nil
	}
	return v, err
}

// decodeArray keeps the order; PostgreSQL's arrays of arrays are refused.
func decodeArray(c mapping.ColumnInfo, text string, zone *time.Location) (change.Value, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return change.Value{}, fmt.Errorf("read an array: %w", err)
	}
	items := make([]change.Value, len(raw))
	for i, r := range raw {
		if string(r) == "null" {
			items[i] = change.NullValue()
			continue
		}
		if strings.HasPrefix(string(r), "[") && c.Element != "json" && c.Element != "jsonb" {
			return change.Value{}, fmt.Errorf("it is an array of arrays, which no property can hold")
		}
		var err error
		if items[i], err = decodeScalar(c.Element, string(r), zone); err != nil {
			return change.Value{}, err
		}
	}
	return change.ListValue(items...), nil
}

func decodeLabels(c mapping.ColumnInfo, text *string, zone *time.Location) (change.Value, error) {
	if text == nil {
		return change.SetValue(), nil
	}
	c.Element = c.Builtin()
	list, err := decodeArray(c, *text, zone)
	if err != nil {
		return change.Value{}, err
	}
	return change.SetValue(list.Items()...), nil
}

// decodeTargets gives the set of keys that a foreign key (one array of its columns) or a join table (an array of such) names.
func decodeTargets(text *string, single bool) (change.Value, error) {
	if text == nil {
		return change.SetValue(), nil
	}
	var targets [][]json.RawMessage
	var err error
	if single {
		targets = make([][]json.RawMessage, 1)
		err = json.Unmarshal([]byte(*text), &targets[0])
	} else {
		err = json.Unmarshal([]byte(*text), &targets)
	}
	if err != nil {
		return change.Value{}, fmt.Errorf("read related keys: %w", err)
	}
	var keys []change.Value
	for _, columns := range targets {
		parts := make([]change.Value, len(columns))
		for i, c := range columns {
			parts[i] = mapping.Scalar(string(c))
		}
		if key := mapping.EncodeKey(parts...); key != "" {
			keys = append(keys, change.TextValue(key))
		}
	}
	return change.SetValue(keys...), nil
}

// customColumn takes the custom fields out of the JSON column. No object at all is no fields; an empty array is what PHP makes of an
// empty object. Anything else is a problem of all custom fields, named by the bare prefix.
func (p *plan) customColumn(row *sink.Row, text *string) {
	if text == nil {
		return
	}
	members, err := parseObject(*text)
	if err != nil {
		p.problem(row, mapping.CustomPrefix, "the column of custom fields holds no JSON object")
		return
	}
	for _, m := range members {
		if name, ok := p.entity.CustomNameOf(m.name); ok {
			row.Image[name] = mapping.Scalar(m.value)
		}
	}
}

// attributes takes the custom fields out of entity-attribute-value rows.
func (p *plan) attributes(row *sink.Row, column mapping.ColumnInfo, text *string) {
	if text == nil {
		return
	}
	var rows [][]json.RawMessage
	if err := json.Unmarshal([]byte(*text), &rows); err != nil {
		p.problem(row, mapping.CustomPrefix, "the custom fields cannot be read: %v", err)
		return
	}
	seen := map[string]bool{}
	for _, parts := range rows {
		name, ok := p.entity.CustomNameOf(mapping.Scalar(string(parts[0])).String())
		if !ok {
			continue
		}
		if seen[name] {
			p.problem(row, name, "two rows hold this custom field, so that it has no one value")
			continue
		}
		seen[name] = true
		v, err := attribute(column, parts, p.entity.Zone())
		if err != nil {
			p.problem(row, name, "%v", err)
			continue
		}
		row.Image[name] = v
	}
}

// attribute is one value, as its type column says where there is one.
func attribute(column mapping.ColumnInfo, parts []json.RawMessage, zone *time.Location) (change.Value, error) {
	if string(parts[1]) == "null" {
		return change.NullValue(), nil
	}
	raw := string(parts[1])
	v, err := decode(column, &raw, zone)
	if err != nil || len(parts) < 3 || v.Kind() != change.Text {
		return v, err
	}
	said := strings.ToLower(mapping.Scalar(string(parts[2])).String())
	t, ok := attributeTypes[said]
	if !ok {
		return v, nil
	}
	typed, err := mapping.Field{Type: t}.Canon(v)
	if err != nil {
		return v, fmt.Errorf("its type is %s, but %w", said, err)
	}
	return typed, nil
}

// attributeTypes are the names that type columns use, of types whose values are no texts.
var attributeTypes = map[string]mapping.Type{
	"int": mapping.TypeNumber, "integer": mapping.TypeNumber, "float": mapping.TypeNumber, "double": mapping.TypeNumber,
	"decimal": mapping.TypeNumber, "number": mapping.TypeNumber, "numeric": mapping.TypeNumber, "bool": mapping.TypeCheckbox,
	"boolean": mapping.TypeCheckbox, "checkbox": mapping.TypeCheckbox, "date": mapping.TypeDate, "datetime": mapping.TypeDateTime,
	"datetime_immutable": mapping.TypeDateTime, "date_immutable": mapping.TypeDate, "timestamp": mapping.TypeDateTime,
}

type member struct{ name, value string }

// parseObject gives an object's members in order, their values as they stand.
func parseObject(text string) ([]member, error) {
	text = strings.TrimSpace(text)
	if text == "[]" || text == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("no JSON object")
	}
	var members []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read a JSON object: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("read a JSON object: %w", err)
		}
		members = append(members, member{fmt.Sprint(name), string(value)})
	}
	return members, nil
}
