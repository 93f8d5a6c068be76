package change

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// defaultOf gives a column's default as JSON, nil where it has none that can be written. As in Debezium (PostgresDefaultValueConverter), whose readers see
// schemas that are compatible or not because of it: a literal is itself; a function that the server calls for each row (now(), nextval(…)) is the type's zero;
// arrays, bytea, points, domains and types of text only have none.
func (f Format) defaultOf(s *Schema, t Type, d Definition) json.RawMessage {
	if d.Default == "" || d.Domain || !hasDefaults[t.Name] || s.Type == SchemaStruct {
		return nil
	}
	v, ok := literal(t, d.Default)
	if !ok {
		return nil
	}
	out := f.AppendColumn(nil, t, v)
	if s.Type != SchemaString && len(out) > 0 && out[0] == '"' && s.Type != SchemaBytes {
		return nil // NaN where numbers belong
	}
	return out
}

var hasDefaults = map[string]bool{
	"bit": true, "varbit": true, "bool": true, "bpchar": true, "varchar": true, "text": true, "numeric": true, "float4": true, "float8": true, "int2": true, "int4": true,
	"int8": true, "json": true, "jsonb": true, "xml": true, "uuid": true, "date": true, "time": true, "timestamp": true, "timestamptz": true, "interval": true, "enum": true,
}

var (
	// pg_get_expr prints a constant as 7, '-1'::integer, 'it''s'::text, B'101'::"bit" or NULL::text.
	quotedLiteral = regexp.MustCompile(`^[BE]?'((?:[^']|'')*)'(?:::[\w ".\[\](),]+)?$`)
	numberLiteral = regexp.MustCompile(`^\(?(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\)?(?:::[\w ".(),]+)?$`)
	functionCall  = regexp.MustCompile(`^[\w".]+\(.*\)$|^(?:CURRENT_|LOCAL|SESSION_USER|USER)\w*(?:\(\d\))?$`)
	booleanWord   = regexp.MustCompile(`^(?:true|false)$`)
)

// literal reads a default that is a constant, or a call of a function, which is the zero of its type.
func literal(t Type, sql string) (Value, bool) {
	if m := quotedLiteral.FindStringSubmatch(sql); m != nil {
		return constant(t, strings.ReplaceAll(m[1], "''", "'"))
	}
	if m := numberLiteral.FindStringSubmatch(sql); m != nil {
		return constant(t, m[1])
	}
	if booleanWord.MatchString(sql) {
		return constant(t, sql)
	}
	if functionCall.MatchString(sql) {
		return zeroOf(t)
	}
	return Value{}, false
}

// constant reads the text of a literal, which is as the user wrote it for some types and as PostgreSQL prints it for others.
func constant(t Type, text string) (Value, bool) {
	var v Value
	var err error
	switch t.Name {
	case "bool":
		return BoolValue(text == "true" || text == "t"), text == "true" || text == "t" || text == "false" || text == "f"
	case "int2", "int4", "int8":
		n, err := strconv.ParseInt(text, 10, 64)
		return IntValue(n), err == nil
	case "float4", "float8":
		x, err := strconv.ParseFloat(text, bits(t.Name))
		return FloatValue(x), err == nil
	case "numeric":
		return scaled(t, text)
	case "date":
		v, err = ParseDate(before(text))
	case "time":
		v, err = ParseTime(text)
	case "timestamp":
		v, err = ParseTimestamp(before(text))
	case "timestamptz":
		v, err = ParseTimestampTZ(zoned(before(text)))
	case "interval":
		_, ok := parseInterval(text)
		return TextKindValue(Interval, text), ok
	case "json", "jsonb":
		return JSONValue(text), json.Valid([]byte(text))
	case "uuid":
		return UUIDValue(text), len(text) == 36
	default:
		return TextValue(text), true
	}
	return v, err == nil
}

// scaled writes a decimal with as many digits behind the point as its column has.
func scaled(t Type, text string) (Value, bool) {
	_, scale, ok := unscale(text)
	if declared, limited := (Format{}).declaredScale(t); ok && limited && declared > scale {
		if scale == 0 {
			text += "."
		}
		text += strings.Repeat("0", declared-scale)
	}
	return DecimalValue(text), ok
}

// before makes a year of ISO 8601 of one that PostgreSQL prints with BC behind it: 1 BC is 0.
func before(text string) string {
	rest, bc := strings.CutSuffix(text, " BC")
	year, rest, ok := strings.Cut(rest, "-")
	n, err := strconv.Atoi(year)
	if !bc || !ok || err != nil {
		return text
	}
	if n--; n > 0 {
		return fmt.Sprintf("-%04d-%s", n, rest)
	}
	return "0000-" + rest
}

// zoned makes RFC 3339 of "2020-01-01 00:00:00+02".
func zoned(text string) string {
	at := strings.LastIndexAny(text, "+-")
	if at < 11 {
		return text
	}
	if offset := text[at+1:]; len(offset) == 2 {
		return text + ":00"
	}
	return text
}

const zeroUUID = "00000000-0000-0000-0000-000000000000"

// zeroOf is what stands for a value that is not known in a place where null must not stand.
func zeroOf(t Type) (Value, bool) {
	if _, isArray := t.Elem(); isArray || t.Name == "int2vector" || t.Name == "oidvector" {
		return ListValue(), true
	}
	switch t.Name {
	case "bool":
		return BoolValue(false), true
	case "int2", "int4", "int8", "oid":
		return IntValue(0), true
	case "float4", "float8":
		return FloatValue(0), true
	case "numeric", "money":
		return DecimalValue("0"), true
	case "date":
		return DateValue(0), true
	case "time":
		return TimeValue(0), true
	case "timestamp":
		return TimestampValue(0), true
	case "timestamptz":
		return TimestampTZValue(0), true
	case "timetz":
		return TextKindValue(TimeTZ, "00:00:00+00"), true
	case "interval":
		return TextKindValue(Interval, "00:00:00"), true
	case "uuid":
		return UUIDValue(zeroUUID), true
	case "json", "jsonb":
		return JSONValue("{}"), true
	case "bytea":
		return BytesValue(nil), true
	case "bit", "varbit":
		return TextValue("0"), true
	case "point":
		return TextValue("(0,0)"), true
	}
	return TextValue(""), true
}
