package pgoutput

import (
	"slices"

	"github.com/tandem-sync/tandem/connector/change"
)

// Key is which of a table's columns are the key of its records, in key order. The zero value is no key.
type Key struct {
	at  []int
	run bool // they stand in the table side by side, in that order
}

// NewKey makes one of positions among the table's columns.
func NewKey(at []int) Key {
	k := Key{at: at, run: true}
	for i, column := range at {
		k.run = k.run && column == at[0]+i
	}
	return k
}

// Of takes the key out of a row; nil if the row does not have all of it. Where it can, it is a part of the row.
func (k Key) Of(row change.Row) change.Row {
	if len(k.at) == 0 || row == nil {
		return nil
	}
	var key change.Row
	if first, n := k.at[0], len(k.at); k.run {
		key = row[first : first+n : first+n]
	} else {
		key = make(change.Row, n)
		for i, at := range k.at {
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

// Positions finds columns by their names; nil if one is not there: the catalog is ahead of the stream, and a column of today's key did not exist yet.
func Positions(columns []change.Column, names []string) []int {
	var at []int
	for _, name := range names {
		i := slices.IndexFunc(columns, func(c change.Column) bool { return c.Name == name })
		if i < 0 {
			return nil
		}
		at = append(at, i)
	}
	return at
}

// SameColumns reports that a and b are the same names, in any order.
func SameColumns(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(name string) bool { return !slices.Contains(b, name) })
}
