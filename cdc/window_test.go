package cdc

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
)

// windowWorld is a table, the stream's changes of it in the order of their commits, and what a consumer knows. A row has a value that every event tells and a large one
// that updates may leave out.
type windowWorld struct {
	keyless bool
	rows    map[int]windowRow
	log     []windowChange // committed, in order
	sent    int            // of log: what the stream has sent
	seen    int            // of log: what the chunk's snapshot saw; what commits out of order is in hidden
	hidden  map[int]bool   // committed before the snapshot, and not seen by it
	known   map[int]windowRow
	n       int
}

type windowRow struct{ value, large int }

type windowChange struct {
	op       change.Op
	id       int
	row      windowRow
	old      windowRow
	omit     bool // the large value
	truncate bool
}

const unknownLarge = -1

func (w *windowWorld) event(c windowChange) *change.Event {
	row := func(r windowRow, omit bool) change.Row {
		large := change.IntValue(int64(r.large))
		if omit {
			large = change.Value{}
		}
		return change.Row{{Name: "id", Value: change.IntValue(int64(c.id))}, {Name: "value", Value: change.IntValue(int64(r.value))}, {Name: "large", Value: large}}
	}
	e := &change.Event{Op: c.op}
	if c.op == change.Truncate {
		return e
	}
	if c.op != change.Delete {
		e.After = row(c.row, c.omit)
	}
	if w.keyless && c.op != change.Create {
		e.Before = row(c.old, false)
	}
	if !w.keyless {
		e.Key = change.Row{{Name: "id", Value: change.IntValue(int64(c.id))}}
	}
	return e
}

// tell is a consumer that keeps the newest state of each row.
func (w *windowWorld) tell(e *change.Event) {
	if e.Op == change.Truncate {
		w.known = map[int]windowRow{}
		return
	}
	id := int(e.After.Get("id").Int())
	if e.Op == change.Delete {
		if id = int(e.Key.Get("id").Int()); w.keyless {
			id = int(e.Before.Get("id").Int())
		}
		delete(w.known, id)
		return
	}
	row := windowRow{int(e.After.Get("value").Int()), unknownLarge}
	if v := e.After.Get("large"); !v.IsAbsent() {
		row.large = int(v.Int())
	} else if before, ok := w.known[id]; ok {
		row.large = before.large
	}
	w.known[id] = row
}

// Whatever is written while a chunk is read, and whichever of it the chunk's snapshot saw: in the end a consumer knows of each row what is in the table, large values included.
func TestWindowEndsInTheTablesState(t *testing.T) {
	t.Parallel()
	for _, keyless := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyless %t", keyless), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				made := func(w *window) decider { return w }
				if rapid.Bool().Draw(t, "on a standby, where it may not be known what the snapshot saw") {
					made = func(w *window) decider { return blindWindow{w} }
				}
				if err := playWindow(t, keyless, made); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// decider is what of a window the history is played against.
type decider interface {
	needsRows(e *change.Event, seen, written bool) bool
	fill(rows []change.Event)
	change(e *change.Event, seen, written bool) []change.Event
	rest() []change.Event
}

// The oracle is worth something: each of these mistakes is found.
func TestWindowFaultsAreFound(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*window) decider{
		"changes are not noticed":                      func(w *window) decider { return deafWindow{w} },
		"changes while the chunk is read are missed":   func(w *window) decider { return lateWindow{w} },
		"any change drops its row":                     func(w *window) decider { return greedyWindow{w} },
		"a truncated table's rows are written":         func(w *window) decider { return truncatedWindow{w} },
		"what the snapshot did not see counts as seen": func(w *window) decider { return trustingWindow{w} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			histories := rapid.Custom(func(t *rapid.T) error { return playWindow(t, rapid.Bool().Draw(t, "keyless"), fault) })
			for seed := range 5000 {
				if histories.Example(seed) != nil {
					return
				}
			}
			t.Error("5,000 histories did not find it")
		})
	}
}

type deafWindow struct{ *window }

func (w deafWindow) change(*change.Event, bool, bool) []change.Event { return nil }

type lateWindow struct{ *window }

func (w lateWindow) needsRows(*change.Event, bool, bool) bool { return false }

func (w lateWindow) change(e *change.Event, seen, written bool) []change.Event {
	if !w.ready {
		return nil
	}
	return w.window.change(e, seen, written)
}

type greedyWindow struct{ *window }

func (w greedyWindow) change(e *change.Event, seen, written bool) []change.Event {
	w.window.change(e, seen, written)
	return nil
}

type truncatedWindow struct{ *window }

func (w truncatedWindow) change(e *change.Event, seen, written bool) []change.Event {
	if e.Op == change.Truncate {
		return nil
	}
	return w.window.change(e, seen, written)
}

type blindWindow struct{ *window }

func (w blindWindow) change(e *change.Event, _, written bool) []change.Event {
	return w.window.change(e, false, written)
}

// playWindow plays one history. Rows that were there before the stream are known from the chunk alone.
func playWindow(t *rapid.T, keyless bool, made func(*window) decider) error {
	w := &windowWorld{keyless: keyless, rows: map[int]windowRow{}, hidden: map[int]bool{}, known: map[int]windowRow{}}
	const ids = 4
	next := func() int { w.n++; return w.n }
	for id := range ids {
		if rapid.Bool().Draw(t, "there") {
			w.rows[id] = windowRow{next(), next()}
		}
	}
	write := func(invisible map[int]bool) {
		id := rapid.IntRange(0, ids-1).Draw(t, "id")
		old, there := w.rows[id]
		c := windowChange{op: change.Create, id: id, old: old, row: windowRow{next(), next()}}
		switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
		case kind == 9 && invisible == nil:
			c = windowChange{op: change.Truncate}
			clear(w.rows)
			w.log = append(w.log, c)
			return
		case there && kind < 2:
			c.op = change.Delete
		case there && kind < 6:
			c.op, c.omit, c.row.large = change.Update, !keyless, old.large // keyless tables tell the whole old row
		case there:
			c.op = change.Update
		}
		if c.op == change.Delete {
			delete(w.rows, id)
		} else {
			w.rows[id] = c.row
		}
		if invisible != nil {
			if !invisible[id] && rapid.Bool().Draw(t, "hidden") {
				invisible[id] = true
			}
			w.hidden[len(w.log)] = invisible[id] // what follows an unseen change of a row is not seen either
		}
		w.log = append(w.log, c)
	}
	for range rapid.IntRange(0, 4).Draw(t, "before") {
		write(nil)
	}
	base := maps.Clone(w.rows) // hidden changes are not in the chunk
	w.seen = len(w.log)
	unseen := map[int]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "around") {
		write(unseen)
		if !w.hidden[len(w.log)-1] {
			base = maps.Clone(base)
			c := w.log[len(w.log)-1]
			if delete(base, c.id); c.op != change.Delete {
				base[c.id] = c.row
			}
		}
	}
	w.seen = len(w.log)
	var filled bool
	send := func(win decider) {
		i := w.sent
		w.sent++
		e := w.event(w.log[i])
		seen := i < w.seen && !w.hidden[i]
		if win != nil {
			if win.needsRows(e, seen, true) {
				win.fill(w.chunk(base))
				filled = true
			}
			for _, r := range win.change(e, seen, true) {
				w.tell(&r)
			}
		}
		w.tell(e)
	}
	for w.sent < len(w.log) && !w.hidden[w.sent] && rapid.Bool().Draw(t, "sent before the snapshot is taken") {
		send(nil) // the snapshot sees all that was sent before it was taken: see recent
	}
	var key []string
	if !keyless {
		key = []string{"id"}
	}
	win := made(newWindow(tableName{"public", "t"}, key))
	for range rapid.IntRange(0, 6).Draw(t, "after") {
		write(nil)
	}
	reading := rapid.IntRange(w.sent, len(w.log)).Draw(t, "sent while it is read")
	for w.sent < reading {
		send(win)
	}
	if !filled {
		win.fill(w.chunk(base))
	}
	end := rapid.IntRange(max(w.sent, w.seen), max(w.sent, len(w.log))).Draw(t, "the window's end")
	for w.sent < end {
		send(win)
	}
	for _, r := range win.rest() {
		w.tell(&r)
	}
	for w.sent < len(w.log) {
		send(nil)
	}
	if !maps.Equal(w.known, w.rows) {
		return fmt.Errorf("the consumer knows %v, the table has %v; the chunk was %v, the log %+v, hidden %v", w.known, w.rows, base, w.log, w.hidden)
	}
	return nil
}

func (w *windowWorld) chunk(rows map[int]windowRow) []change.Event {
	var out []change.Event
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		e := w.event(windowChange{op: change.Read, id: id, row: rows[id]})
		e.Before = nil
		out = append(out, *e)
	}
	return out
}

func (w blindWindow) needsRows(e *change.Event, _, written bool) bool {
	return w.window.needsRows(e, false, written)
}

type trustingWindow struct{ *window }

func (w trustingWindow) change(e *change.Event, _, written bool) []change.Event {
	return w.window.change(e, true, written)
}

func (w trustingWindow) needsRows(e *change.Event, _, written bool) bool {
	return w.window.needsRows(e, true, written)
}
