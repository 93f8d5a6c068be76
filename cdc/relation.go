package cdc

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// relation is a table as the stream described it, right before the first change that needs it. It says how the table looked
// when the change was made, which the catalog does not.
type relation struct {
	tableName
	columns  []change.Column // names and types; values absent
	identity identity
	key      []int // columns of the key, in key order; empty: the table has none
	inKey    []bool
	run      bool // … which stand in the table side by side, in that order
	included bool
	came     uint64     // after how many other descriptions this one did
	old, now change.Row // of the last change: overwritten by the next
}

// largeRow is the size of a row's message from which its values are not held until the table's next change.
const largeRow = 64 << 10

// forget lets go of the last change's values.
func (r *relation) forget() { r.old, r.now = nil, nil }

// identity is pg_class.relreplident: what of the old row an update or delete has.
type identity byte

const (
	identityDefault identity = 'd' // the primary key
	identityNothing identity = 'n'
	identityFull    identity = 'f' // the whole row
	identityIndex   identity = 'i' // a unique index's columns
)

// UnknownTypeError is returned when a table has a type that was made after the types were loaded: load them and decode the
// same message again.
type UnknownTypeError struct{ OID uint32 }

func (e *UnknownTypeError) Error() string { return fmt.Sprintf("type %d is not known yet", e.OID) }

// description is what a relation message says.
type description struct {
	tableName
	oid      uint32
	identity identity
	columns  []described
}

type described struct {
	name     string
	flagged  bool // part of the identity
	oid      uint32
	modifier int32
}

func readDescription(w *wire) (description, error) {
	d := description{oid: w.uint32(), tableName: tableName{schema: w.text(), name: w.text()}, identity: identity(w.uint8())}
	if d.schema == "" {
		d.schema = "pg_catalog" // pgoutput's short form, protocol-logicalrep-message-formats
	}
	for range w.uint16() {
		d.columns = append(d.columns, described{flagged: w.uint8()&1 != 0, name: w.text(), oid: w.uint32(), modifier: int32(w.uint32())})
		if w.short {
			break
		}
	}
	if w.short {
		return description{}, errShort
	}
	return d, nil
}

// flagged are the columns of the identity, in table order.
func (d *description) flagged() (names []string) {
	for _, c := range d.columns {
		if c.flagged {
			names = append(names, c.name)
		}
	}
	return names
}

// newRelation resolves types and finds the key. said are the keys that the catalog named, newest first.
func newRelation(d description, typeOf func(oid uint32, modifier int32) (change.Type, error), said [][]string) (*relation, error) {
	r := &relation{tableName: d.tableName, identity: d.identity}
	for _, c := range d.columns {
		t, err := typeOf(c.oid, c.modifier)
		if err != nil {
			return nil, err
		}
		r.columns = append(r.columns, change.Column{Name: c.name, Type: t})
	}
	r.setKey(r.chooseKey(d.flagged(), said))
	return r, nil
}

func (r *relation) setKey(at []int) {
	r.key, r.inKey, r.run = at, make([]bool, len(r.columns)), true
	for i, column := range at {
		r.inKey[column] = true
		r.run = r.run && column == at[0]+i
	}
}

// chooseKey finds the key's columns. Those that the stream flags are the key at the time of the change, but in table order; under FULL
// they are all columns, under NOTHING none: there, and for the order, the catalog knows better. What it said comes newest first: it
// may be ahead of the stream.
func (r *relation) chooseKey(flagged []string, said [][]string) []int {
	unflagged := r.identity == identityFull || len(flagged) == 0
	for _, key := range said {
		if unflagged || sameColumns(key, flagged) {
			if at := r.positions(key); at != nil {
				return at
			}
		}
	}
	if unflagged {
		return nil
	}
	return r.positions(flagged)
}

func sameColumns(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(name string) bool { return !slices.Contains(b, name) })
}

// inherit takes the key of the table as it was described before, when the catalog is ahead of the stream and the stream flags no
// columns: the same columns, or, in a table of as many columns, those that were renamed.
func (r *relation) inherit(before *relation) {
	names := make([]string, len(before.key))
	for i, at := range before.key {
		names[i] = before.columns[at].Name
	}
	at := r.positions(names)
	if at == nil && len(r.columns) == len(before.columns) {
		at = before.key
	}
	r.setKey(at)
}

func (r *relation) positions(names []string) []int {
	var at []int
	for _, name := range names {
		i := slices.IndexFunc(r.columns, func(c change.Column) bool { return c.Name == name })
		if i < 0 {
			return nil // the catalog is ahead of the stream: a column of today's key did not exist yet
		}
		at = append(at, i)
	}
	return at
}

// keyOf takes the key out of a row; nil if the row does not have all of it. Where it can, it is a part of the row.
func (r *relation) keyOf(row change.Row) change.Row {
	if len(r.key) == 0 || row == nil {
		return nil
	}
	var key change.Row
	if first, n := r.key[0], len(r.key); r.run {
		key = row[first : first+n : first+n]
	} else {
		key = make(change.Row, n)
		for i, at := range r.key {
			key[i] = row[at]
		}
	}
	for i := range key {
		if key[i].Value.IsAbsent() {
			return nil
		}
	}
	return key
}

var (
	errShort = errors.New("the message ends early")
	errTuple = errors.New("row data ends early")
)

// rows reads the old row, if there is one, and the new one, if there is one. The next call overwrites them.
func (r *relation) rows(kind byte, src []byte) (old, now change.Row, err error) {
	text := string(src) // all values are parts of it: one allocation a change, and src is the connection's
	if len(src) > 0 && (src[0] == 'K' || src[0] == 'O') {
		if r.old == nil {
			r.old = slices.Clone(r.columns)
		}
		if old, text, err = r.tuple(r.old, text[1:], src[0] == 'K'); err != nil {
			return nil, nil, err
		}
	}
	if kind == 'D' {
		if old == nil {
			return nil, nil, errors.New("a delete without the old row")
		}
		return old, nil, nil
	}
	if len(text) == 0 || text[0] != 'N' {
		return nil, nil, errTuple
	}
	if r.now == nil {
		r.now = slices.Clone(r.columns)
	}
	now, _, err = r.tuple(r.now, text[1:], false)
	return old, now, err
}

// tuple reads a row into row, which has the table's columns. keyOnly rows hold nulls for all that is not in the identity: those become absent.
func (r *relation) tuple(row change.Row, src string, keyOnly bool) (change.Row, string, error) {
	if len(src) < 2 {
		return nil, "", errTuple
	}
	n, src := int(src[0])<<8|int(src[1]), src[2:]
	if n != len(row) {
		return nil, "", fmt.Errorf("row of %s has %d columns, its description %d", r.tableName, n, len(row))
	}
	for i := range row {
		if len(src) == 0 {
			return nil, "", errTuple
		}
		kind := src[0]
		src = src[1:]
		switch kind {
		case 'n':
			row[i].Value = change.NullValue()
			if keyOnly && !r.inKey[i] {
				row[i].Value = change.Value{}
			}
		case 'u': // unchanged TOAST
			row[i].Value = change.Value{}
		case 't':
			if len(src) < 4 {
				return nil, "", errTuple
			}
			size := int(src[0])<<24 | int(src[1])<<16 | int(src[2])<<8 | int(src[3])
			if src = src[4:]; size > len(src) {
				return nil, "", errTuple
			}
			row[i].Value = postgres.ParseValue(row[i].Type, src[:size])
			src = src[size:]
		default:
			return nil, "", fmt.Errorf("row of %s has a value of kind %q, want n, u or t", r.tableName, kind)
		}
	}
	return row, src, nil
}
