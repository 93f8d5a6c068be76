package change

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// The stored form of a value is JSON that a person can read in the ledger: null, true, "text", [list] for the four plain
// kinds, and an object with the kind as its only name for all others: {"int":"42"}, {"date":"2026-11-22"}, {"set":["a"]}.

// MarshalJSON writes the stored form. An absent value has none: it is left out of images.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.holdsAbsent() {
		return nil, errAbsent
	}
	return v.AppendJSON(make([]byte, 0, 16+len(v.text))), nil
}

var errAbsent = errors.New("store value: an absent value is not stored")

func (v Value) holdsAbsent() bool {
	return v.kind == Absent || slices.ContainsFunc(v.Items(), Value.holdsAbsent)
}

// AppendJSON appends the stored form as encoding/json writes it; null for an absent value, which has none.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case Absent, Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.num == 1)
	case Text:
		return appendJSONText(dst, v.text)
	case List:
		return appendItems(dst, v.Items())
	case Set:
		return append(appendItems(append(dst, `{"set":`...), v.Items()), '}')
	}
	dst = append(append(append(dst, `{"`...), v.kind.String()...), `":`...)
	return append(appendJSONText(dst, v.String()), '}')
}

func appendItems(dst []byte, items []Value) []byte {
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = item.AppendJSON(dst)
	}
	return append(dst, ']')
}

// appendJSONText writes a text as encoding/json does. Most hold nothing that must be escaped.
func appendJSONText(dst []byte, text string) []byte {
	if !asItIs(text) {
		if quoted, err := json.Marshal(text); err == nil { // a text has no error
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

func asItIs(text string) bool {
	ascii := true
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == lineEnd[0] && breaksLine(text[i:]):
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.ValidString(text)
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
		return string(appendItems(nil, v.Items()))
	default:
		return v.text
	}
}
