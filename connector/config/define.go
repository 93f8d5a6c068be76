package config

import (
	"fmt"
	"strings"
	"time"
)

// Type is a key's type, with the names of Kafka Connect's REST API.
type Type string

// The types. A duration is a LONG of milliseconds there.
const (
	TypeBoolean  Type = "BOOLEAN"
	TypeString   Type = "STRING"
	TypeInt      Type = "INT"
	TypeLong     Type = "LONG"
	TypeDouble   Type = "DOUBLE"
	TypeList     Type = "LIST"
	TypeClass    Type = "CLASS"
	TypePassword Type = "PASSWORD"
)

// Importance says who should read about a key: everybody, most, or those who tune.
type Importance string

// The importances.
const (
	High   Importance = "HIGH"
	Medium Importance = "MEDIUM"
	Low    Importance = "LOW"
)

// Key is what a component says of one of its keys.
type Key struct {
	Name       string
	Default    string // as it would stand in a file; "" where there is none
	Required   bool   // must be given, and not empty
	Importance Importance
	Group      string // what the key is about, such as "Connection"; keys of a group are shown together
	Doc        string // whole sentences: what it does, its unit, its limits, what to choose

	// Validate says what is wrong with a value, as a clause that follows the key's name: "must be a port". It sees the resolved
	// text, after the type's own check, and is not asked about empty values. Nil where every value of the type will do.
	Validate func(value string) error

	// Values are all that is allowed, or what is recommended where Validate allows more.
	Values []string
}

// Definition is a key in the shape in which the REST API documents it.
type Definition struct {
	Key
	Type   Type
	Prefix bool // Name is the beginning of many keys
}

// Definable is a configuration struct. Define tells the set about each key and the field that it fills:
//
//	func (c *Config) Define(s *config.Set) {
//		s.String(&c.Slot, config.Key{Name: "slot.name", Default: "tandem", Doc: "…"})
//		s.Duration(&c.Interval, config.Key{Name: "poll.interval.ms", Default: "300000", Doc: "…"})
//	}
//
// Define has no side effect but on the set. A struct that is embedded defines its own keys: c.Common.Define(s).
// Where the struct also has Validate() error, Decode asks it for what spans several keys.
type Definable interface {
	Define(s *Set)
}

// Definitions lists the keys of a configuration struct, in the order in which it defines them.
func Definitions(d Definable) []Definition {
	set := define(d)
	out := make([]Definition, len(set.entries))
	for i, e := range set.entries {
		out[i] = e.Definition
	}
	return out
}

// Set collects keys and where they go. Its methods are called from Define only; a key defined twice is a mistake in the program and panics.
type Set struct {
	entries []entry
	byName  map[string]int
}

type entry struct {
	Definition
	parse func(text string) error // fills the field; the error is a clause without the value
	many  func(Map)               // fills the field of a prefix
}

func define(d Definable) *Set {
	s := &Set{byName: map[string]int{}}
	d.Define(s)
	return s
}

// String defines a key for text, taken as it stands.
func (s *Set) String(dst *string, k Key) {
	s.add(TypeString, k, func(text string) error { *dst = text; return nil })
}

// Class defines a key that names a class.
func (s *Set) Class(dst *string, k Key) {
	s.add(TypeClass, k, func(text string) error { *dst = strings.TrimSpace(text); return nil })
}

// Password defines a key whose value never shows.
func (s *Set) Password(dst *Secret, k Key) {
	s.add(TypePassword, k, func(text string) error { *dst = NewSecret(text); return nil })
}

// Bool defines a key for true or false.
func (s *Set) Bool(dst *bool, k Key) { add(s, TypeBoolean, dst, k, parseBool) }

// Int defines a key for a whole number of 32 bits.
func (s *Set) Int(dst *int, k Key) { add(s, TypeInt, dst, k, parseInt) }

// Long defines a key for a whole number of 64 bits.
func (s *Set) Long(dst *int64, k Key) { add(s, TypeLong, dst, k, parseLong) }

// Double defines a key for a number.
func (s *Set) Double(dst *float64, k Key) { add(s, TypeDouble, dst, k, parseDouble) }

// Duration defines a key for a time span in milliseconds. Its name ends in .ms; -1, where Validate lets it pass, becomes -1 ms.
func (s *Set) Duration(dst *time.Duration, k Key) { add(s, TypeLong, dst, k, parseMillis) }

// List defines a key for words with commas between them.
func (s *Set) List(dst *[]string, k Key) { add(s, TypeList, dst, k, parseList) }

// Prefix defines all keys that begin with k.Name ("producer.override."); dst gets them without the beginning.
func (s *Set) Prefix(dst *map[string]string, k Key) {
	s.add(TypeString, k, nil)
	last := &s.entries[len(s.entries)-1]
	last.Prefix = true
	last.many = func(m Map) { *dst = m }
}

// Enum defines a key that takes one of a few words.
func Enum[T ~string](s *Set, dst *T, k Key, values ...T) {
	for _, v := range values {
		k.Values = append(k.Values, string(v))
	}
	k.Validate = OneOf(k.Values...)
	s.add(TypeString, k, func(text string) error { *dst = T(text); return nil })
}

// add defines a key whose text parse turns into a T.
func add[T any](s *Set, t Type, dst *T, k Key, parse func(string) (T, error)) {
	s.add(t, k, func(text string) error {
		v, err := parse(text)
		if err == nil {
			*dst = v
		}
		return err
	})
}

func (s *Set) add(t Type, k Key, parse func(string) error) {
	if _, twice := s.byName[k.Name]; twice || k.Name == "" {
		panic(fmt.Sprintf("config: key %q is defined twice or has no name", k.Name))
	}
	if k.Importance == "" {
		k.Importance = Medium
	}
	s.byName[k.Name] = len(s.entries)
	s.entries = append(s.entries, entry{Definition: Definition{Key: k, Type: t}, parse: parse})
}
