package change

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says what a [Value] holds. The zero Kind is [Absent].
type Kind uint8

// The kinds. Temporal kinds follow PostgreSQL's types: a Timestamp has no zone, a TimestampTZ is an instant.
const (
	Absent      Kind = iota // not read; never written, never compared as empty
	Null                    // known to be null
	Bool                    // true or false
	Int                     // 64-bit integer
	Float                   // IEEE 754 double, with NaN and infinities
	Decimal                 // exact decimal as text, scale kept ("1.10"), or "NaN", "Infinity", "-Infinity"
	Text                    // text, possibly empty
	Bytes                   // bytes, possibly empty
	Date                    // days since 1970-01-01, or ±infinity
	Time                    // microseconds since midnight, 0..86_400_000_000 (24:00 exists)
	TimeTZ                  // text as PostgreSQL gives it ("11:51:30.123789+02")
	Timestamp               // microseconds since 1970-01-01 00:00 of a wall clock, or ±infinity
	TimestampTZ             // microseconds since 1970-01-01T00:00Z, or ±infinity
	Interval                // text as PostgreSQL gives it
	JSON                    // JSON text as given
	UUID                    // lower-case text form
	List                    // ordered values
	Set                     // values without order or repetition, kept sorted by [Compare]
)

var kindNames = [...]string{
	Absent: "absent", Null: "null", Bool: "bool", Int: "int", Float: "float", Decimal: "decimal", Text: "text", Bytes: "bytes",
	Date: "date", Time: "time", TimeTZ: "timetz", Timestamp: "timestamp", TimestampTZ: "timestamptz", Interval: "interval",
	JSON: "json", UUID: "uuid", List: "list", Set: "set",
}

// String gives the kind's name as it stands in the stored form of a value.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// The two infinities of Date, Timestamp and TimestampTZ.
const (
	Infinity    = math.MaxInt64
	NegInfinity = math.MinInt64
)

// Value is one value: immutable, comparable with [Equal], small enough to pass by value. The zero Value is absent.
type Value struct {
	_     [0]func() // what == would compare is not what [Equal] does
	kind  Kind
	num   int64
	text  string
	items *[]Value // nil for none: a value is copied and compared all the time, and few are lists
}

// NullValue is the value that is known to be null.
func NullValue() Value { return Value{kind: Null} }

// BoolValue makes a Bool.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, num: 1}
	}
	return Value{kind: Bool}
}

// IntValue makes an Int.
func IntValue(n int64) Value { return Value{kind: Int, num: n} }

// FloatValue makes a Float. All NaNs are one NaN.
func FloatValue(f float64) Value {
	if math.IsNaN(f) {
		f = math.NaN()
	}
	return Value{kind: Float, num: int64(math.Float64bits(f))}
}

// DecimalValue makes a Decimal from its exact text; see [ParseDecimal] for input that is not known to be one.
func DecimalValue(text string) Value { return Value{kind: Decimal, text: text} }

// TextValue makes a Text.
func TextValue(s string) Value { return Value{kind: Text, text: s} }

// BytesValue makes a Bytes; b is copied.
func BytesValue(b []byte) Value { return Value{kind: Bytes, text: string(b)} }

// DateValue makes a Date from days since 1970-01-01.
func DateValue(days int64) Value { return Value{kind: Date, num: days} }

// TimeValue makes a Time from microseconds since midnight.
func TimeValue(micros int64) Value { return Value{kind: Time, num: micros} }

// TimestampValue makes a Timestamp from microseconds of a wall clock since 1970-01-01 00:00.
func TimestampValue(micros int64) Value { return Value{kind: Timestamp, num: micros} }

// TimestampTZValue makes a TimestampTZ from microseconds since 1970-01-01T00:00Z.
func TimestampTZValue(micros int64) Value { return Value{kind: TimestampTZ, num: micros} }

// InstantValue makes a TimestampTZ from t, cut to microseconds.
func InstantValue(t time.Time) Value { return TimestampTZValue(t.UnixMicro()) }

// JSONValue makes a JSON from its text, which is kept as it is.
func JSONValue(text string) Value { return Value{kind: JSON, text: text} }

// UUIDValue makes a UUID from its text form.
func UUIDValue(text string) Value { return Value{kind: UUID, text: strings.ToLower(text)} }

// TextKindValue makes a value of a kind that is kept as text: TimeTZ, Interval, Decimal, Text, JSON, UUID.
func TextKindValue(kind Kind, text string) Value { return Value{kind: kind, text: text} }

// ListValue makes a List; items are not copied.
func ListValue(items ...Value) Value { return Value{kind: List, items: some(items)} }

// SetValue makes a Set: sorted, without repetition. The argument is left as it is.
func SetValue(items ...Value) Value {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, Compare)
	return Value{kind: Set, items: some(slices.CompactFunc(sorted, Equal))}
}

// TextSet makes a Set of Texts.
func TextSet(names ...string) Value {
	items := make([]Value, len(names))
	for i, n := range names {
		items[i] = TextValue(n)
	}
	return SetValue(items...)
}

// Kind says what v holds.
func (v Value) Kind() Kind { return v.kind }

// IsAbsent reports that v was not read.
func (v Value) IsAbsent() bool { return v.kind == Absent }

// IsNull reports that v is known to be null.
func (v Value) IsNull() bool { return v.kind == Null }

// Bool is the value of a Bool, else false.
func (v Value) Bool() bool { return v.kind == Bool && v.num == 1 }

// Int is the number of an Int, Date (days), Time, Timestamp or TimestampTZ (microseconds), else 0.
func (v Value) Int() int64 {
	if v.kind == Float {
		return 0
	}
	return v.num
}

// Float is the value of a Float, else 0.
func (v Value) Float() float64 {
	if v.kind != Float {
		return 0
	}
	return math.Float64frombits(uint64(v.num))
}

// Text is the text of every kind that is kept as text (Decimal, Text, Bytes, TimeTZ, Interval, JSON, UUID), else "".
func (v Value) Text() string { return v.text }

// Items are the members of a List or Set; the caller must not change them.
func (v Value) Items() []Value {
	if v.items == nil {
		return nil
	}
	return *v.items
}

func some(items []Value) *[]Value {
	if len(items) == 0 {
		return nil
	}
	return &items
}

// Instant is the time of a TimestampTZ that is not infinite.
func (v Value) Instant() (time.Time, bool) {
	if v.kind != TimestampTZ || v.num == Infinity || v.num == NegInfinity {
		return time.Time{}, false
	}
	return time.UnixMicro(v.num).UTC(), true
}

// Equal reports that a and b are of one kind and hold the same. NaN equals NaN.
func Equal(a, b Value) bool {
	return a.kind == b.kind && a.num == b.num && a.text == b.text && (a.items == b.items || slices.EqualFunc(a.Items(), b.Items(), Equal))
}

// Equal makes go-cmp and friends use [Equal].
func (v Value) Equal(w Value) bool { return Equal(v, w) }

// Compare orders values by kind, then content; it exists to keep sets sorted and answers deterministic, not to rank values.
func Compare(a, b Value) int {
	return cmp.Or(
		cmp.Compare(a.kind, b.kind),
		cmp.Compare(a.num, b.num),
		strings.Compare(a.text, b.text),
		slices.CompareFunc(a.Items(), b.Items(), Compare),
	)
}

// ShortestDecimal leaves out zeros at the end, behind the point: 1.5 and 1.50 are one number, and PostgreSQL sends both.
func ShortestDecimal(number string) string {
	if !strings.Contains(number, ".") {
		return number
	}
	return strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
}

// Image is an entity's field values on one side at one moment, by field name. A field that is missing was not read.
type Image map[string]Value

// Get gives the field's value, absent if it was not read.
func (im Image) Get(field string) Value { return im[field] }

// Clone copies the image; nil stays nil.
func (im Image) Clone() Image {
	if im == nil {
		return nil
	}
	out := make(Image, len(im))
	for k, v := range im {
		out[k] = v
	}
	return out
}

// Fields lists the names in order.
func (im Image) Fields() []string {
	return Sorted(im)
}

// Sorted gives a map's names in order: what is done for each of them is done in the same order every time.
func Sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
