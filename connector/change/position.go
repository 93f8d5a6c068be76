package change

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// LSN is a place in PostgreSQL's write-ahead log, in bytes. Zero is no place.
// https://www.postgresql.org/docs/current/datatype-pg-lsn.html
type LSN uint64

// ParseLSN reads PostgreSQL's form, "16/B374D848".
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("parse LSN %q: want two hexadecimal numbers, as in 16/B374D848", text)
	}
	return LSN(h<<32 | l), nil
}

// String gives PostgreSQL's form.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// IsZero reports that l is no place.
func (l LSN) IsZero() bool { return l == 0 }

// Position is the place of one event in a database's history: commit order, then order within the transaction. PostgreSQL
// sends transactions in commit order, so positions of a stream only grow, which the LSNs of single changes do not.
type Position struct {
	Commit LSN    // of the commit record; of a snapshot: its consistent point
	Index  uint64 // of the event in its transaction or snapshot, from 0
}

// ParsePosition reads what String gives.
func ParsePosition(text string) (Position, error) {
	commit, index, ok := strings.Cut(text, "-")
	c, errCommit := strconv.ParseUint(commit, 16, 64)
	i, errIndex := strconv.ParseUint(index, 16, 64)
	p := Position{Commit: LSN(c), Index: i}
	if !ok || errCommit != nil || errIndex != nil || p.String() != text {
		return Position{}, fmt.Errorf("parse position %q: want two hexadecimal numbers of 16 digits with a dash between", text)
	}
	return p, nil
}

// String gives 33 characters that sort as positions do.
func (p Position) String() string { return fmt.Sprintf("%016X-%016X", uint64(p.Commit), p.Index) }

// IsZero reports that p is before everything.
func (p Position) IsZero() bool { return p == Position{} }

// Compare orders positions of one database.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Commit, q.Commit), cmp.Compare(p.Index, q.Index))
}
