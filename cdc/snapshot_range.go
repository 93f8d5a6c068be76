package cdc

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

const (
	// rangePagesDefault is how many pages of a table are read by one COPY: 32 MiB. Enough that its start costs nothing, few enough that a crash
	// repeats little and that connections end together.
	rangePagesDefault = 4096

	// recheckFactor makes the ranges larger in which only rows are read that were written since: PostgreSQL looks at all pages, we at few rows.
	recheckFactor = 16

	// pageEnd is behind every page: block numbers have 32 bits, and the last is no block's (storage/block.h). A range to there is open.
	pageEnd = 1<<32 - 1
)

// span is a range of pages [From, To) of a table that was read under a snapshot whose oldest running transaction was XMin. What was written there
// by transactions from XMin on has to be read again by who goes on under another snapshot.
type span struct {
	From, To int64
	XMin     uint32
}

// MarshalJSON writes three numbers: a large table has many spans while it is read.
func (s span) MarshalJSON() ([]byte, error) {
	return json.Marshal([3]int64{s.From, s.To, int64(s.XMin)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *span) UnmarshalJSON(data []byte) error {
	var n [3]int64
	if err := json.Unmarshal(data, &n); err != nil {
		return err
	}
	if n[0] < 0 || n[0] >= n[1] || n[1] > pageEnd || n[2] < 0 || n[2] > pageEnd {
		return fmt.Errorf("pages %v are no range", n)
	}
	*s = span{From: n[0], To: n[1], XMin: uint32(n[2])}
	return nil
}

// cover puts s over what is covered and gives spans in order, neighbours of one snapshot as one.
func cover(spans []span, s span) []span {
	out := make([]span, 0, len(spans)+2)
	for _, old := range spans {
		if old.From < s.From {
			out = append(out, span{old.From, min(old.To, s.From), old.XMin})
		}
		if old.To > s.To {
			out = append(out, span{max(old.From, s.To), old.To, old.XMin})
		}
	}
	out = append(out, s)
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.From, b.From) })
	merged := out[:0]
	for _, next := range out {
		if last := len(merged) - 1; last >= 0 && merged[last].To == next.From && merged[last].XMin == next.XMin {
			merged[last].To = next.To
			continue
		}
		merged = append(merged, next)
	}
	return merged
}

// part is a range of pages that is still to be read: whole, or of it what was written since a snapshot.
type part struct {
	span
	recheck bool // XMin is the snapshot's under which it was read before
}

// partsOf cuts a table of so many pages into ranges of at most size, and leaves of what was read before only a second look. The last range is open.
func partsOf(pages, size int64, done []span) []part {
	var parts []part
	cut := func(s span, step int64, recheck bool) {
		for from := s.From; from < s.To; {
			to := min(from+step, s.To)
			if s.To == pageEnd && to >= pages {
				to = pageEnd
			}
			parts = append(parts, part{span{from, to, s.XMin}, recheck})
			from = to
		}
	}
	var at int64
	for _, d := range done {
		cut(span{From: at, To: d.From}, size, false)
		cut(d, size*recheckFactor, true)
		at = d.To
	}
	cut(span{From: at, To: pageEnd}, size, false)
	return parts
}

// condition is the range as SQL over the system column ctid; a table that is read in one go needs none. Transaction ids are compared by
// age, since they wrap around. A tuple's xmin is still its own after it was frozen (PostgreSQL 9.4 and later, "xmin" in ddl-system-columns); one that is
// 2^31 transactions old may look young, and comes once more.
func (p part) condition() []string {
	var all []string
	if p.From > 0 {
		all = append(all, fmt.Sprintf("ctid >= '(%d,0)'::pg_catalog.tid", p.From))
	}
	if p.To < pageEnd {
		all = append(all, fmt.Sprintf("ctid < '(%d,0)'::pg_catalog.tid", p.To))
	}
	if p.recheck {
		all = append(all, fmt.Sprintf("pg_catalog.age(xmin) <= pg_catalog.age('%d'::pg_catalog.xid)", max(p.XMin, firstNormalXID)))
	}
	return all
}

// firstNormalXID is the first id that a transaction can have; those below are infinitely old (access/transam.h).
const firstNormalXID = 3

// reading is how far a snapshot has come, by table ("schema.table"). It is stored with the offset while the snapshot runs.
type reading map[string]tableReading

// tableReading is what of a table Kafka has acknowledged.
type tableReading struct {
	ID   string `json:"id"` // of the table's files, columns and filter: where it is another, the pages are others too, and the table is read again
	Done []span `json:"done"`
}

// add notes that Kafka has all rows of a range, read under a snapshot whose oldest running transaction was xmin.
func (r reading) add(table, id string, p part, xmin uint32) {
	t := r[table]
	if t.ID != id {
		t = tableReading{ID: id}
	}
	t.Done = cover(t.Done, span{p.From, p.To, xmin})
	r[table] = t
}
