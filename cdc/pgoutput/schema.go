package pgoutput

import (
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// What the stream says of tables and types is how they were at the change, and is believed first. The catalog says how they are now, which may be after changes that are
// still to come. It is asked only for what the stream leaves out: which columns are the key where the identity is the whole row or nothing, their order where
// they are several, and what a type is.

// LacksKey says whether a message describes a table whose key it leaves open.
func (d *Decoder) LacksKey(message []byte) (oid uint32, lacks bool) {
	if len(message) == 0 || message[0] != 'R' || d.held.block != 0 && !d.held.preparing {
		return 0, false // within a block it is kept, and read when the transaction has committed
	}
	said, err := readDescription(&wire{data: message[1:]})
	if err != nil {
		return 0, false // Decode says so
	}
	told := said.identity == IdentityDefault || said.identity == IdentityIndex
	return said.oid, !told || len(said.flagged()) != 1
}

// Described is the table that a message describes, and the types of its columns; false where it describes none, and in a block of a transaction that has not ended.
func (d *Decoder) Described(message []byte) (t Table, types map[string]uint32, ok bool) {
	if len(message) == 0 || message[0] != 'R' || d.held.block != 0 {
		return t, nil, false
	}
	said, err := readDescription(&wire{data: message[1:]})
	types = map[string]uint32{}
	for _, c := range said.columns {
		types[c.name] = c.oid
	}
	return said.Table, types, err == nil // Decode says what is wrong
}

// nameType remembers what the stream calls a type: of a domain it is the name of what is under it. That serves for one that has been dropped since.
func (d *Decoder) nameType(w *wire) error {
	oid, schema, name := w.uint32(), w.text(), w.text()
	if w.short {
		return errShort
	}
	if len(d.named) >= namedMax {
		clear(d.named)
	}
	if d.named == nil {
		d.named = map[uint32]string{}
	}
	if schema != "" && !extensionTypes[strings.TrimPrefix(name, "_")] { // "" is pg_catalog: the name says what it is
		name = plainName(name)
	}
	d.named[oid] = name
	return nil
}

// namedMax bounds what is remembered of a stream that names types without end; the server names a type again with each table that has it.
const namedMax = 10_000

// extensionTypes have values of their own in events. Others that are not PostgreSQL's are text: enums, composites.
var extensionTypes = map[string]bool{"hstore": true, "citext": true, "ltree": true}

// plainName is text, or an array of it.
func plainName(name string) string {
	if strings.HasPrefix(name, "_") {
		return "_text"
	}
	return "text"
}

// typeOf finds a column's type: as the catalog has it, or had it; else it is asked for; and if it is gone there too, as the stream calls it.
func (d *Decoder) typeOf(oid uint32, modifier int32) (change.Type, error) {
	if d.Types.Known(oid) {
		return d.Types.Type(oid, modifier), nil
	}
	if !d.Lenient {
		return change.Type{}, &UnknownTypeError{OID: oid}
	}
	if name, ok := d.named[oid]; ok {
		return change.Type{Name: name, Modifier: modifier}, nil
	}
	if d.Guessed != nil {
		d.Guessed()
	}
	return change.Type{Name: "text", Modifier: -1}, nil
}
