package change

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// errNotObject and errNotArray are what [Members] and [Elements] answer to JSON of another shape, and to what is no JSON.
var (
	errNotObject = errors.New("want an object")
	errNotArray  = errors.New("want an array")
	errMore      = errors.New("more after the object")
)

// Members walks over the members of one JSON object in their order: name and value, as parts of data where nothing had to be unescaped. It takes what
// encoding/json takes and nothing else, and costs a tenth: nothing is kept, sorted or reflected on. visit is told of members before what is wrong behind them is found.
func Members(data []byte, visit func(name, value []byte)) error {
	s := scan{data: data}
	s.space()
	if !s.members(visit) {
		return errNotObject
	}
	return s.end()
}

// Elements walks over the elements of one JSON array, as [Members] does.
func Elements(data []byte, visit func(value []byte)) error {
	s := scan{data: data}
	s.space()
	if !s.elements(visit) {
		return errNotArray
	}
	return s.end()
}

// JSONText reads a JSON text; false if it is none.
func JSONText(data []byte) (string, bool) {
	s := scan{data: data}
	if !s.text() || s.at != len(data) {
		return "", false
	}
	return unescaped(data)
}

// unescaped is the content of a text that was scanned.
func unescaped(quoted []byte) (string, bool) {
	inner := quoted[1 : len(quoted)-1]
	if !plainText(inner) {
		var text string
		err := json.Unmarshal(quoted, &text)
		return text, err == nil
	}
	return string(inner), true
}

// plainText reports that a text stands there as it is: without escapes, and in UTF-8, what is none of which is replaced.
func plainText(inner []byte) bool {
	ascii := true
	for _, c := range inner {
		if c == '\\' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(inner)
}

// scan is a place in a JSON text. Each of its methods moves behind what it reads and reports whether it was there.
type scan struct {
	data  []byte
	at    int
	depth int
}

// depthMax is encoding/json's.
const depthMax = 10000

func (s *scan) end() error {
	if s.space(); s.at != len(s.data) {
		return errMore
	}
	return nil
}

func (s *scan) space() {
	for s.at < len(s.data) && (s.data[s.at] == ' ' || s.data[s.at] == '\n' || s.data[s.at] == '\t' || s.data[s.at] == '\r') {
		s.at++
	}
}

// byte reads one byte, and the space around it.
func (s *scan) byte(c byte) bool {
	s.space()
	if s.at == len(s.data) || s.data[s.at] != c {
		return false
	}
	s.at++
	s.space()
	return true
}

func (s *scan) members(visit func(name, value []byte)) bool {
	if s.depth++; s.depth > depthMax || !s.byte('{') {
		return false
	}
	defer func() { s.depth-- }()
	for first := true; ; first = false {
		if first && s.byte('}') {
			return true
		}
		from := s.at
		if !s.text() {
			return false
		}
		name := s.data[from:s.at]
		if !s.byte(':') {
			return false
		}
		from = s.at
		if !s.value() {
			return false
		}
		if visit != nil {
			visit(nameOf(name), s.data[from:s.at])
		}
		if s.byte('}') {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}

func nameOf(quoted []byte) []byte {
	if inner := quoted[1 : len(quoted)-1]; plainText(inner) {
		return inner
	}
	name, _ := unescaped(quoted)
	return []byte(name)
}

func (s *scan) elements(visit func(value []byte)) bool {
	if s.depth++; s.depth > depthMax || !s.byte('[') {
		return false
	}
	defer func() { s.depth-- }()
	for first := true; ; first = false {
		if first && s.byte(']') {
			return true
		}
		from := s.at
		if !s.value() {
			return false
		}
		if visit != nil {
			visit(s.data[from:s.at])
		}
		if s.byte(']') {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}

func (s *scan) value() bool {
	if s.at == len(s.data) {
		return false
	}
	switch c := s.data[s.at]; {
	case c == '"':
		return s.text()
	case c == '{':
		ok := s.members(nil)
		s.unspace()
		return ok
	case c == '[':
		ok := s.elements(nil)
		s.unspace()
		return ok
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.number()
}

// unspace goes back over the space behind an object or array, which is no part of it.
func (s *scan) unspace() {
	for s.at > 0 && (s.data[s.at-1] == ' ' || s.data[s.at-1] == '\n' || s.data[s.at-1] == '\t' || s.data[s.at-1] == '\r') {
		s.at--
	}
}

func (s *scan) word(word string) bool {
	if len(s.data)-s.at < len(word) || string(s.data[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scan) text() bool {
	if s.at == len(s.data) || s.data[s.at] != '"' {
		return false
	}
	for i := s.at + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.at = i + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			n := escape(s.data[i:])
			if n == 0 {
				return false
			}
			i += n - 1
		}
	}
	return false
}

// escape is the length of the escape that data begins with, 0 if it is none.
func escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(data) < 6 {
			return 0
		}
		for _, c := range data[2:6] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (s *scan) number() bool {
	if s.at < len(s.data) && s.data[s.at] == '-' {
		s.at++
	}
	zero := s.at < len(s.data) && s.data[s.at] == '0'
	if n := s.digits(); n == 0 || zero && n > 1 {
		return false
	}
	if s.at < len(s.data) && s.data[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return false
		}
	}
	if s.at < len(s.data) && (s.data[s.at] == 'e' || s.data[s.at] == 'E') {
		s.at++
		if s.at < len(s.data) && (s.data[s.at] == '+' || s.data[s.at] == '-') {
			s.at++
		}
		return s.digits() > 0
	}
	return true
}

func (s *scan) digits() int {
	from := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at - from
}

// ValidJSON reports that data is one JSON value.
func ValidJSON(data []byte) bool {
	s := scan{data: data}
	s.space()
	return s.value() && s.end() == nil
}

// Compact gives JSON as encoding/json writes it: without space, and with <, > and & escaped. Nearly all is so already, and comes back as it is.
func Compact(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) > 0 && isCompact(raw) {
		return raw, nil
	}
	return json.Marshal(raw)
}

// lineEnd is how U+2028 and U+2029 begin, which JavaScript takes for line ends and encoding/json escapes.
const lineEnd = "\xe2\x80"

func breaksLine[T string | []byte](at T) bool {
	return len(at) > 2 && at[0] == lineEnd[0] && at[1] == lineEnd[1] && at[2]&^1 == 0xa8
}

// Object writes an object as encoding/json does: names in order, values compact.
func Object(members map[string]json.RawMessage) (json.RawMessage, error) {
	size := 2
	for name, raw := range members {
		size += len(name) + len(raw) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for i, name := range Sorted(members) {
		raw, err := Compact(members[name])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(appendJSONText(out, name), ':'), raw...)
	}
	return append(out, '}'), nil
}

func isCompact(raw []byte) bool {
	quoted := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\':
			i++
		case c == '<' || c == '>' || c == '&' || c == lineEnd[0] && breaksLine(raw[i:]):
			return false
		case c <= ' ' && !quoted:
			return false
		}
	}
	return true
}
