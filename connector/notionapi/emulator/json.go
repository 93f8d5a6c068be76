package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// object is a JSON object that keeps the order of its keys: answers must come
// in the service's order, and error messages quote what was sent.
type object struct {
	keys []string
	vals []any
	idx  map[string]int // only above a few keys; a linear search is faster below
}

// undefined stands for a value that is not there, as JavaScript has it.
type undefined struct{}

// obj builds an object from alternating keys and values.
func obj(kv ...any) *object {
	o := &object{keys: make([]string, 0, len(kv)/2), vals: make([]any, 0, len(kv)/2)}
	for i := 0; i < len(kv); i += 2 {
		o.keys = append(o.keys, kv[i].(string))
		o.vals = append(o.vals, kv[i+1])
	}
	return o
}

func (o *object) find(k string) int {
	if o == nil {
		return -1
	}
	if o.idx != nil {
		if i, ok := o.idx[k]; ok {
			return i
		}
		return -1
	}
	for i, have := range o.keys {
		if have == k {
			return i
		}
	}
	return -1
}

// get returns the value of k, or undefined{}.
func (o *object) get(k string) any {
	if i := o.find(k); i >= 0 {
		return o.vals[i]
	}
	return undefined{}
}

func (o *object) has(k string) bool { return o.find(k) >= 0 }

// set adds k, or replaces its value in place: the last of two equal keys wins.
func (o *object) set(k string, v any) *object {
	if i := o.find(k); i >= 0 {
		o.vals[i] = v
		return o
	}
	o.keys = append(o.keys, k)
	o.vals = append(o.vals, v)
	if o.idx != nil {
		o.idx[k] = len(o.keys) - 1
	} else if len(o.keys) > 16 {
		o.idx = make(map[string]int, len(o.keys))
		for i, have := range o.keys {
			o.idx[have] = i
		}
	}
	return o
}

// MarshalJSON lets an object be stored inside the state file.
func (o *object) MarshalJSON() ([]byte, error) { return appendJSON(nil, o), nil }

// UnmarshalJSON is the inverse of MarshalJSON.
func (o *object) UnmarshalJSON(b []byte) error {
	v, err := parseJSON(b)
	if err != nil {
		return err
	}
	got, ok := v.(*object)
	if !ok {
		return errors.New("not a JSON object")
	}
	*o = *got
	return nil
}

// appendJSON writes v as JSON.stringify would: no HTML escapes, no spaces.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case undefined:
		return append(b, "undefined"...)
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		return appendString(b, v)
	case *string:
		if v == nil {
			return append(b, "null"...)
		}
		return appendString(b, *v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return appendNumber(b, v)
	case json.Number:
		f, _ := v.Float64()
		return appendNumber(b, f)
	case json.RawMessage:
		return append(b, v...)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case []string:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, e)
		}
		return append(b, ']')
	case *object:
		if v == nil {
			return append(b, "null"...)
		}
		b = append(b, '{')
		for i, k := range v.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			b = appendJSON(b, v.vals[i])
		}
		return append(b, '}')
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return append(b, "null"...)
		}
		return append(b, raw...)
	}
}

// appendNumber writes a double the way ECMAScript does (ECMA-262, Number::toString).
func appendNumber(b []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return append(b, "null"...)
	}
	if f == 0 {
		return append(b, '0') // also for -0
	}
	raw, _ := json.Marshal(f)
	return append(b, raw...)
}

func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, '\\', 'n')
			case c == '\r':
				b = append(b, '\\', 'r')
			case c == '\t':
				b = append(b, '\\', 't')
			case c == '\b':
				b = append(b, '\\', 'b')
			case c == '\f':
				b = append(b, '\\', 'f')
			case c < 0x20:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, "\ufffd"...)
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '"')
}

// jsonDepthMax bounds nesting, so that a hostile body cannot exhaust the stack.
const jsonDepthMax = 128

var errJSON = errors.New("not JSON")

// parseJSON reads one JSON document, keeping the order of keys. Numbers become
// float64, as they do in the service.
func parseJSON(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errJSON
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	if depth > jsonDepthMax {
		return nil, errJSON
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return parseArray(d, depth)
		}
		if t == '{' {
			return parseObject(d, depth)
		}
		return nil, errJSON
	case json.Number:
		f, err := strconv.ParseFloat(string(t), 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, err
		}
		return f, nil
	default:
		return t, nil // string, bool, nil
	}
}

func parseArray(d *json.Decoder, depth int) (any, error) {
	out := []any{}
	for d.More() {
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err := d.Token()
	return out, err
}

func parseObject(d *json.Decoder, depth int) (any, error) {
	o := &object{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, errJSON
		}
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		o.set(key, v)
	}
	_, err := d.Token()
	return o, err
}
