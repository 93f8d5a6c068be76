package pgoutput

import (
	"errors"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// relation is a table as the stream described it, right before the first change that needs it. It says how the table looked
// when the change was made, which the catalog does not.
type relation struct {
	Table
	columns  []change.Column // names and types; values absent
	identity Identity
	key      Key // empty: the table has none
	inKey    []bool
	included bool
	came     uint64     // after how many other descriptions this one did
	old, now change.Row // of the last change: overwritten by the next
}

// largeRow is the size of a row's message from which its values are not held until the table's next change.
const largeRow = 64 << 10

// forget lets go of the last change's values.
func (r *relation) forget() { r.old, r.now = nil, nil }

// Identity is pg_class.relreplident: what of the old row an update or delete has.
type Identity byte

const (
	IdentityDefault Identity = 'd' // the primary key
	IdentityNothing Identity = 'n'
	IdentityFull    Identity = 'f' // the whole row
	IdentityIndex   Identity = 'i' // a unique index's columns
)

// UnknownTypeError is returned when a table has a type that was made after the types were loaded: load them and decode the
// same message again.
type UnknownTypeError struct{ OID uint32 }

func (e *UnknownTypeError) Error() string { return fmt.Sprintf("type %d is not known yet", e.OID) }

// description is what a relation message says.
type description struct {
	Table
	oid      uint32
	identity Identity
	columns  []described
}

type described struct {
	name     string
	flagged  bool // part of the identity
	oid      uint32
	modifier int32
}

func readDescription(w *wire) (description, error) {
	d := description{oid: w.uint32(), Table: Table{Schema: w.text(), Name: w.text()}, identity: Identity(w.uint8())}
	if d.Schema == "" {
		d.Schema = "pg_catalog" // pgoutput's short form, protocol-logicalrep-message-formats
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
	r := &relation{Table: d.Table, identity: d.identity}
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
	r.key, r.inKey = NewKey(at), make([]bool, len(r.columns))
	for _, column := range at {
		r.inKey[column] = true
	}
}

// chooseKey finds the key's columns. Those that the stream flags are the key at the time of the change, but in table order; under FULL
// they are all columns, under NOTHING none: there, and for the order, the catalog knows better. What it said comes newest first: it
// may be ahead of the stream.
func (r *relation) chooseKey(flagged []string, said [][]string) []int {
	unflagged := r.identity == IdentityFull || len(flagged) == 0
	for _, key := range said {
		if unflagged || SameColumns(key, flagged) {
			if at := Positions(r.columns, key); at != nil {
				return at
			}
		}
	}
	if unflagged {
		return nil
	}
	return Positions(r.columns, flagged)
}

// inherit takes the key of the table as it was described before, when the catalog is ahead of the stream and the stream flags no
// columns: the same columns, or, in a table of as many columns, those that were renamed.
func (r *relation) inherit(before *relation) {
	names := make([]string, len(before.key.at))
	for i, at := range before.key.at {
		names[i] = before.columns[at].Name
	}
	at := Positions(r.columns, names)
	if at == nil && len(r.columns) == len(before.columns) {
		at = before.key.at
	}
	r.setKey(at)
}

// setMessageKey replaces the key of records. What an old row holds is still what the identity says, so inKey stays.
func (r *relation) setMessageKey(at []int) {
	if len(at) == 0 {
		return
	}
	inIdentity := r.inKey
	r.setKey(at)
	r.inKey = inIdentity
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
			r.old = append(change.Row{}, r.columns...) // not nil, though a table may have no columns
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
		r.now = append(change.Row{}, r.columns...)
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
		return nil, "", fmt.Errorf("row of %s has %d columns, its description %d", r.Table, n, len(row))
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
			return nil, "", fmt.Errorf("row of %s has a value of kind %q, want n, u or t", r.Table, kind)
		}
	}
	return row, src, nil
}
