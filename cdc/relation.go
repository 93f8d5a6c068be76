package cdc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pglogrepl"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// relation is a table as the stream described it, right before the first change that needs it. It says how the table looked
// when the change was made, which the catalog does not.
type relation struct {
	schema, name string
	columns      []change.Column // names and types; values absent
	identity     identity
	key          []int // columns of the key, in key order; empty: the table has none
	included     bool
}

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

// newRelation resolves types and finds the key. said are the keys that the catalog named, newest first. A type that is not
// known is an error if strict, else text: it has been dropped since.
func newRelation(m *pglogrepl.RelationMessage, types *postgres.Types, said [][]string, strict bool) (*relation, error) {
	r := &relation{schema: m.Namespace, name: m.RelationName, identity: identity(m.ReplicaIdentity)}
	if r.schema == "" {
		r.schema = "pg_catalog" // pgoutput's short form, protocol-logicalrep-message-formats
	}
	var flagged []string
	for _, c := range m.Columns {
		if strict && !types.Known(c.DataType) {
			return nil, &UnknownTypeError{OID: c.DataType}
		}
		r.columns = append(r.columns, change.Column{Name: c.Name, Type: types.Type(c.DataType, c.TypeModifier)})
		if c.Flags&1 != 0 {
			flagged = append(flagged, c.Name)
		}
	}
	r.key = r.chooseKey(flagged, said)
	return r, nil
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
	if r.key = r.positions(names); r.key == nil && len(r.columns) == len(before.columns) {
		r.key = before.key
	}
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

// keyOf takes the key out of a row; nil if the row does not have all of it.
func (r *relation) keyOf(row change.Row) change.Row {
	if len(r.key) == 0 || row == nil {
		return nil
	}
	key := make(change.Row, len(r.key))
	for i, at := range r.key {
		if key[i] = row[at]; key[i].Value.IsAbsent() {
			return nil
		}
	}
	return key
}

var errTuple = errors.New("row data ends early")

// tuple reads a row. keyOnly rows hold nulls for all that is not in the identity: those become absent. Values are copied out
// of src, which is the connection's read buffer.
func (r *relation) tuple(src []byte, keyOnly bool) (change.Row, []byte, error) {
	if len(src) < 2 {
		return nil, nil, errTuple
	}
	n, src := int(binary.BigEndian.Uint16(src)), src[2:]
	if n != len(r.columns) {
		return nil, nil, fmt.Errorf("row of %s.%s has %d columns, its description %d", r.schema, r.name, n, len(r.columns))
	}
	row := make(change.Row, n)
	for i := range row {
		row[i] = r.columns[i]
		if len(src) == 0 {
			return nil, nil, errTuple
		}
		kind := src[0]
		src = src[1:]
		switch kind {
		case 'n':
			if !keyOnly || slices.Contains(r.key, i) {
				row[i].Value = change.NullValue()
			}
		case 'u': // unchanged TOAST: stays absent
		case 't':
			if len(src) < 4 {
				return nil, nil, errTuple
			}
			size := int(binary.BigEndian.Uint32(src))
			if src = src[4:]; size > len(src) {
				return nil, nil, errTuple
			}
			row[i].Value = postgres.ParseValue(row[i].Type, string(src[:size]))
			src = src[size:]
		default:
			return nil, nil, fmt.Errorf("row of %s.%s has a value of kind %q, want n, u or t", r.schema, r.name, kind)
		}
	}
	return row, src, nil
}
