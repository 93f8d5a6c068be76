package change

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// The stored form of a value is JSON that a person can read in the ledger: null, true, "text", [list] for the four plain
// kinds, and an object with the kind as its only name for all others: {"int":"42"}, {"date":"2026-11-22"}, {"set":["a"]}.

// MarshalJSON writes the stored form. An absent value has none: it is left out of images.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case Absent:
		return nil, fmt.Errorf("store value: an absent value is not stored")
	case Null:
		return []byte("null"), nil
	case Bool:
		return strconv.AppendBool(nil, v.num == 1), nil
	case Text:
		return json.Marshal(v.text)
	case List:
		return marshalItems(v.Items())
	case Set:
		items, err := marshalItems(v.Items())
		if err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, `{"set":%s}`, items), nil
	default:
		text, err := json.Marshal(v.String())
		if err != nil {
			return nil, fmt.Errorf("store value: %w", err)
		}
		return fmt.Appendf(nil, `{%q:%s}`, v.kind.String(), text), nil
	}
}

func marshalItems(items []Value) ([]byte, error) {
	if items == nil {
		items = []Value{}
	}
	return json.Marshal(items)
}

// UnmarshalJSON reads the stored form.
func (v *Value) UnmarshalJSON(data []byte) error {
	var any json.RawMessage = data
	switch {
	case string(data) == "null":
		*v = NullValue()
		return nil
	case data[0] == 't' || data[0] == 'f':
		*v = BoolValue(data[0] == 't')
		return nil
	case data[0] == '"':
		v.kind = Text
		return json.Unmarshal(any, &v.text)
	case data[0] == '[':
		v.kind = List
		var items []Value
		err := json.Unmarshal(any, &items)
		v.items = some(items)
		return err
	}
	return v.unmarshalTagged(data)
}

func (v *Value) unmarshalTagged(data []byte) error {
	var tagged map[string]json.RawMessage
	if err := json.Unmarshal(data, &tagged); err != nil {
		return fmt.Errorf("read stored value: %w", err)
	}
	if len(tagged) != 1 {
		return fmt.Errorf("read stored value: want one kind, got %d names", len(tagged))
	}
	for name, raw := range tagged {
		if name == "set" {
			var items []Value
			if err := json.Unmarshal(raw, &items); err != nil {
				return err
			}
			*v = SetValue(items...)
			return nil
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("read stored %s: %w", name, err)
		}
		parsed, err := parseStored(name, text)
		if err != nil {
			return err
		}
		*v = parsed
	}
	return nil
}

func parseStored(name, text string) (Value, error) {
	switch name {
	case "int":
		n, err := strconv.ParseInt(text, 10, 64)
		return IntValue(n), err
	case "float":
		f, err := strconv.ParseFloat(text, 64)
		return FloatValue(f), err
	case "bytes":
		b, err := base64.StdEncoding.DecodeString(text)
		return BytesValue(b), err
	case "date":
		return ParseDate(text)
	case "time":
		n, err := parseClock(text)
		return TimeValue(n), err
	case "timestamp":
		return ParseTimestamp(text)
	case "timestamptz":
		return ParseTimestampTZ(text)
	case "decimal":
		return DecimalValue(text), nil
	case "timetz":
		return TextKindValue(TimeTZ, text), nil
	case "interval":
		return TextKindValue(Interval, text), nil
	case "json":
		return JSONValue(text), nil
	case "uuid":
		return UUIDValue(text), nil
	}
	return Value{}, fmt.Errorf("read stored value: unknown kind %q", name)
}

// String gives the value as people read it: ISO dates, exact numbers; "" for null and absent. It is the text that the
// tagged stored form carries.
func (v Value) String() string {
	switch v.kind {
	case Absent, Null:
		return ""
	case Bool:
		return strconv.FormatBool(v.num == 1)
	case Int:
		return strconv.FormatInt(v.num, 10)
	case Float:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case Bytes:
		return base64.StdEncoding.EncodeToString([]byte(v.text))
	case Date:
		return formatDate(v.num)
	case Time:
		return formatClock(v.num)
	case Timestamp:
		return formatMicros(v.num, timestampLayout)
	case TimestampTZ:
		return formatMicros(v.num, time.RFC3339Nano)
	case List, Set:
		b, err := marshalItems(v.Items())
		if err != nil {
			return err.Error()
		}
		return string(b)
	default:
		return v.text
	}
}
