package cdc

import (
	"crypto"
	_ "crypto/md5" // the algorithms that column.mask.hash takes
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tandem-sync/tandem/connector/change"
)

// Columns says which columns of the captured tables are written, and which in another form. Lists hold regular expressions that must match a whole
// schema.table.column, in any case of letters, as Debezium has it. Keys of records always have all of their columns, as they are.
type Columns struct {
	Include, Exclude []string
	Mask             map[string]string // column.mask.with.{n}.chars
	Hash             map[string]string // column.mask.hash.{algorithm}.with.salt.{salt}
	Truncate         map[string]string // column.truncate.to.{n}.chars
	SkipUnchanged    bool              // skip.messages.without.change
}

// columnRules are Columns, compiled; nil: every column is written as it is.
type columnRules struct {
	include, exclude []*regexp.Regexp
	changes          []columnChange // the first that matches counts
	skipUnchanged    bool
}

// columnChange is another form of the columns that match.
type columnChange struct {
	columns []*regexp.Regexp
	apply   func(t change.Type, v change.Value) change.Value
}

// newColumnRules reports every option that is wrong.
func newColumnRules(c *Columns) (*columnRules, error) {
	if len(c.Include)+len(c.Exclude)+len(c.Mask)+len(c.Hash)+len(c.Truncate) == 0 && !c.SkipUnchanged {
		return nil, nil
	}
	rules := &columnRules{skipUnchanged: c.SkipUnchanged}
	var problems []error
	compile := func(key string, patterns []string) []*regexp.Regexp {
		out, err := wholes(patterns, "(?i)")
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
		return out
	}
	rules.include, rules.exclude = compile("column.include.list", c.Include), compile("column.exclude.list", c.Exclude)
	for _, kind := range []struct {
		prefix  string
		options map[string]string
		parse   func(rest string) (func(change.Type, change.Value) change.Value, error)
	}{{maskPrefix, c.Mask, parseMask}, {hashPrefix, c.Hash, parseHash}, {truncatePrefix, c.Truncate, parseTruncate}} {
		for _, rest := range change.Sorted(kind.options) {
			apply, err := kind.parse(rest)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s%s: %w", kind.prefix, rest, err))
				continue
			}
			rules.changes = append(rules.changes, columnChange{compile(kind.prefix+rest, strings.Split(kind.options[rest], ",")), apply})
		}
	}
	return rules, errors.Join(problems...)
}

const (
	maskPrefix     = "column.mask.with."
	hashPrefix     = "column.mask.hash."
	truncatePrefix = "column.truncate.to."
)

// writes tells whether a column is part of events.
func (r *columnRules) writes(t tableName, column string) bool {
	return r == nil || chosen(r.include, r.exclude, t.String()+"."+column)
}

// changeOf finds the form of a column; nil: as it is.
func (r *columnRules) changeOf(t tableName, column string) func(change.Type, change.Value) change.Value {
	name := t.String() + "." + column
	for _, c := range r.changes {
		if matches(c.columns, name) {
			return c.apply
		}
	}
	return nil
}

// columnShape is what the rules say of one column, kept so that names are not matched row by row.
type columnShape struct {
	written bool
	apply   func(change.Type, change.Value) change.Value
}

// shaper applies the rules to rows. It belongs to one goroutine; rows that it gives are valid until the next call.
type shaper struct {
	rules  *columnRules
	known  map[tableName]map[string]columnShape
	event  change.Event
	shaped [2]change.Row // of the event, before and after
}

func newShaper(rules *columnRules) *shaper {
	if rules == nil {
		return nil
	}
	return &shaper{rules: rules, known: map[tableName]map[string]columnShape{}}
}

// shape gives the event with the rows that are to be written, valid until the next call; nil: it is not to be written. ev stays as it is: a snapshot
// reads the next row into what it holds.
func (s *shaper) shape(ev *change.Event) *change.Event {
	if s == nil || ev.Op == change.Message || ev.Op == change.Truncate {
		return ev
	}
	t := tableName{ev.Source.Schema, ev.Source.Table}
	s.event = *ev
	s.event.Before, s.event.After = s.row(0, t, ev.Before), s.row(1, t, ev.After)
	if s.rules.skipUnchanged && ev.Op == change.Update && ev.Before != nil && sameRow(s.event.Before, s.event.After) {
		return nil
	}
	return &s.event
}

// row copies: the row is also the key, and the table's next.
func (s *shaper) row(at int, t tableName, row change.Row) change.Row {
	if row == nil {
		return nil
	}
	shapes := s.known[t]
	if shapes == nil {
		shapes = map[string]columnShape{}
		s.known[t] = shapes
	}
	out := s.shaped[at][:0]
	if out == nil {
		out = change.Row{}
	}
	for _, c := range row {
		shape, ok := shapes[c.Name]
		if !ok {
			shape = columnShape{s.rules.writes(t, c.Name), s.rules.changeOf(t, c.Name)}
			shapes[c.Name] = shape
		}
		if !shape.written {
			continue
		}
		if shape.apply != nil && textual(c.Type) {
			c.Value = shape.apply(c.Type, c.Value)
		}
		out = append(out, c)
	}
	s.shaped[at] = out
	return out
}

func sameRow(a, b change.Row) bool {
	return slices.EqualFunc(a, b, func(x, y change.Column) bool { return x.Name == y.Name && change.Equal(x.Value, y.Value) })
}

// textual types are those that are masked, hashed and truncated.
func textual(t change.Type) bool {
	return slices.Contains([]string{"text", "varchar", "bpchar", "name", "citext", "enum", "char", change.UserType}, t.Name)
}

func charsOf(rest string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(rest, ".chars"))
	if err != nil || n < 0 || !strings.HasSuffix(rest, ".chars") {
		return 0, errors.New("must end in a number and .chars, as in 10.chars")
	}
	return n, nil
}

// parseMask makes asterisks of every value, of null and of what was not sent too: how it was is not to be seen.
func parseMask(rest string) (func(change.Type, change.Value) change.Value, error) {
	n, err := charsOf(rest)
	if err != nil {
		return nil, err
	}
	mask := change.TextValue(strings.Repeat("*", n))
	return func(change.Type, change.Value) change.Value { return mask }, nil
}

// parseTruncate cuts as Java counts: a character beyond the first plane is two.
func parseTruncate(rest string) (func(change.Type, change.Value) change.Value, error) {
	n, err := charsOf(rest)
	if err != nil {
		return nil, err
	}
	return func(_ change.Type, v change.Value) change.Value {
		if v.Kind() != change.Text || len(v.Text()) <= n {
			return v
		}
		return change.TextValue(cutText(v.Text(), n))
	}, nil
}

func cutText(text string, units int) string {
	for at, r := range text {
		if units -= max(utf16.RuneLen(r), 1); units < 0 {
			return text[:at]
		}
	}
	return text
}

// hashed are Java's names of what Go has.
var hashed = map[string]crypto.Hash{
	"MD5": crypto.MD5, "SHA-1": crypto.SHA1, "SHA-224": crypto.SHA224, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512,
	"SHA-512/224": crypto.SHA512_224, "SHA-512/256": crypto.SHA512_256,
}

var hashOption = regexp.MustCompile(`^(v2\.)?([^.]+)\.with\.salt\.(.+)$`)

// parseHash reads "SHA-256.with.salt.abc", and "v2." before it. The first version hashes a text as Java serializes it, the second its bytes.
func parseHash(rest string) (func(change.Type, change.Value) change.Value, error) {
	parts := hashOption.FindStringSubmatch(rest)
	if parts == nil {
		return nil, errors.New("must be an algorithm and a salt, as in SHA-256.with.salt.abc")
	}
	algorithm, ok := hashed[strings.ToUpper(parts[2])]
	if !ok {
		return nil, fmt.Errorf("%q is none of %s", parts[2], strings.Join(change.Sorted(hashed), ", "))
	}
	plain, salt := parts[1] != "", parts[3]
	return func(t change.Type, v change.Value) change.Value {
		if v.Kind() != change.Text {
			return v
		}
		h := algorithm.New()
		h.Write([]byte(salt))
		if plain {
			h.Write([]byte(v.Text()))
		} else {
			h.Write(serialized(v.Text()))
		}
		out := hex.EncodeToString(h.Sum(nil))
		if n := int(t.Modifier) - 4; (t.Name == "varchar" || t.Name == "bpchar") && n > 0 && n < len(out) {
			out = out[:n] // no longer than the column
		}
		return change.TextValue(out)
	}, nil
}

// serialized is a String as java.io.ObjectOutputStream writes it: a header, a tag, the length, and UTF-8 in which zero has two bytes and characters
// beyond the first plane are two of three. https://docs.oracle.com/javase/8/docs/platform/serialization/spec/protocol.html
func serialized(text string) []byte {
	var utf []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		switch {
		case unit != 0 && unit < 0x80:
			utf = append(utf, byte(unit))
		case unit < 0x800:
			utf = append(utf, 0xc0|byte(unit>>6), 0x80|byte(unit&0x3f))
		default:
			utf = append(utf, 0xe0|byte(unit>>12), 0x80|byte(unit>>6&0x3f), 0x80|byte(unit&0x3f))
		}
	}
	out := []byte{0xac, 0xed, 0, 5}
	if len(utf) < 1<<16 {
		out = binary.BigEndian.AppendUint16(append(out, 0x74), uint16(len(utf)))
	} else {
		out = binary.BigEndian.AppendUint64(append(out, 0x7c), uint64(len(utf)))
	}
	return append(out, utf...)
}
