package cdc

import (
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// window decides which rows of a chunk of an incremental snapshot are written, and when, so that the last event of each key is the row's newest state. It is pure: the
// tests play every order against it.
//
// A chunk shows what one snapshot of PostgreSQL's saw. Of the changes that the stream sends around it, those that the snapshot saw are in the rows already, the others
// are not. So a row has to be written after the former and before the latter, and nothing else matters. Changes of one row commit in the order in which sessions see
// them, since each waits for the one before: of one row, all that the snapshot saw come first. That gives the rules:
//
//   - A change that tells the whole row makes the chunk's row superfluous: it is left out.
//   - One that leaves a large value out (unchanged TOAST), or cannot be matched to a row, and that the snapshot did not see, comes right after the row that it changed.
//   - What is left when the stream has passed all that the snapshot saw is written then, in the chunk's order.
type window struct {
	table tableName
	key   []string // columns of the records' key; empty: the whole row identifies a row
	ready bool     // rows are there; before that, only what is gone is noted
	void  bool     // the table was truncated
	rows  []change.Event
	at    map[string][]int    // rows that are still to be written, by identity
	gone  map[string]struct{} // identities that need no row any more
	left  int
	shape change.Row // names the columns of the rows
}

// goneMax is how many rows may change while a chunk is read before the stream waits for it: it bounds the memory.
const goneMax = 50_000

func newWindow(table tableName, key []string) *window {
	return &window{table: table, key: key, gone: map[string]struct{}{}}
}

// needsRows reports that what to do with e, which the snapshot saw or not, depends on rows that are not there yet.
func (w *window) needsRows(e *change.Event, seen, written bool) bool {
	if w.ready || seen || w.void || e.Op == change.Truncate {
		return false
	}
	if len(w.gone) >= goneMax {
		return true
	}
	return !w.whole(e, seen, written) && (e.Op != change.Create || len(w.key) > 0)
}

// whole reports that e says all there is to say of a row that can be found by its key.
func (w *window) whole(e *change.Event, seen, written bool) bool {
	if len(w.key) == 0 || !w.sameKey(e) {
		return false
	}
	if e.Op == change.Delete {
		return !seen // there is nothing left to say; a row that the snapshot saw in spite of it was made anew
	}
	return written && !slices.ContainsFunc(e.After, func(c change.Column) bool { return c.Value.IsAbsent() })
}

// sameKey reports that the key of e is made of the columns that the window goes by.
func (w *window) sameKey(e *change.Event) bool {
	return slices.EqualFunc(e.Key, w.key, func(c change.Column, name string) bool { return c.Name == name })
}

// fill gives the window the chunk's rows.
func (w *window) fill(rows []change.Event) {
	w.ready, w.rows, w.at = true, rows, make(map[string][]int, len(rows))
	if len(rows) > 0 {
		w.shape = rows[0].After
	}
	for i := range rows {
		id := identityOf(w.key, rows[i].Key, rows[i].After)
		if _, gone := w.gone[id]; gone || w.void {
			rows[i] = change.Event{}
			continue
		}
		w.at[id] = append(w.at[id], i)
		w.left++
	}
	w.gone = nil
}

// change is told of each change of the table before it is written (or, if not written, left out by option), and gives the rows that come right before it. It must not
// be called when needsRows said so. seen: the chunk's snapshot saw it.
func (w *window) change(e *change.Event, seen, written bool) []change.Event {
	switch {
	case e.Op == change.Truncate:
		if !seen {
			w.rows, w.at, w.left, w.void = nil, nil, 0, true
		}
		return nil
	case w.void:
		return nil
	case w.whole(e, seen, written):
		id := identityOf(w.key, e.Key, nil)
		if !w.ready {
			w.gone[id] = struct{}{}
			return nil
		}
		for _, i := range w.at[id] {
			w.drop(i)
		}
		delete(w.at, id)
		return nil
	case seen || !w.ready:
		return nil
	case len(w.key) > 0 && !w.sameKey(e):
		return w.rest() // the key is made of other columns now: nobody knows which row it is
	case len(w.key) > 0:
		return w.take(identityOf(w.key, e.Key, nil))
	case e.Op == change.Create:
		return nil
	case e.Before == nil || !sameNames(e.Before, w.shape):
		return w.rest()
	}
	return w.take(identityOf(nil, nil, e.Before))
}

func sameNames(a, b change.Row) bool {
	return slices.EqualFunc(a, b, func(x, y change.Column) bool { return x.Name == y.Name })
}

// take gives one row of an identity: of keyless rows that are alike, each change has one.
func (w *window) take(id string) []change.Event {
	at := w.at[id]
	if len(at) == 0 {
		return nil
	}
	if w.at[id] = at[1:]; len(at) == 1 {
		delete(w.at, id)
	}
	e := w.rows[at[0]]
	w.drop(at[0])
	return []change.Event{e}
}

// drop forgets a row; its place stays, so that the others keep theirs.
func (w *window) drop(i int) {
	w.rows[i] = change.Event{}
	w.left--
}

// rest gives what is left, in the chunk's order, and leaves nothing.
func (w *window) rest() []change.Event {
	out := slices.DeleteFunc(w.rows, func(e change.Event) bool { return e.Op == "" })
	w.rows, w.at, w.left = nil, nil, 0
	return out
}

// identityOf tells rows apart: by the values of their key, or of all columns. Numbers that PostgreSQL takes for equal are equal.
func identityOf(key []string, of, row change.Row) string {
	if len(key) == 0 {
		of = row
	}
	var b strings.Builder
	for _, c := range of {
		text := c.Value.String()
		if c.Value.Kind() == change.Decimal {
			text = change.ShortestDecimal(c.Value.Text())
		}
		b.WriteByte(byte(c.Value.Kind()))
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "|", `\|`))
		b.WriteByte('|')
	}
	return b.String()
}
