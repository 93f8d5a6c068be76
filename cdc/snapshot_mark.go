package cdc

import (
	"sync"
	"sync/atomic"

	"github.com/tandem-sync/tandem/connector/change"
)

// heldRow is the newest row of a range, whose mark depends on whether another follows.
type heldRow struct {
	event change.Event
	of    *rangeRead
}

// marks puts Debezium's marks on rows that come from many connections at once. The first of all is sent before any other, the first of a table before
// any other of its table; the last of a range waits in the table until a later range has one, and the last of a table until a later table has one.
//
// Where the first table has no row, no row is marked as the first of all, as with Debezium.
type marks struct {
	opening sync.Mutex
	lead    *tableMarks // the first table
	opened  bool        // the first row was sent, or there is none
	mu      sync.Mutex
	last    *heldRow // of the tables that are read
}

// tableMarks is the part of a table.
type tableMarks struct {
	opening sync.Mutex
	opened  atomic.Bool
	mu      sync.Mutex
	last    *heldRow // of the ranges that are read
}

// emitRow sends a row that has its mark.
type emitRow func(*change.Event, *rangeRead) error

// send marks a row of t and sends it. closing: it is the table's last; last: it is the last of all.
func (m *marks) send(t *tableMarks, h *heldRow, closing, last bool, emit emitRow) error {
	if t.opened.Load() {
		h.event.Source.Snapshot = mark(false, false, closing, last)
		return emit(&h.event, h.of)
	}
	if !closing && !last { // another row of t follows, so that the last one of a table before is not the last of all
		if err := m.release(emit); err != nil {
			return err
		}
	}
	t.opening.Lock()
	defer t.opening.Unlock()
	opening := !t.opened.Load()
	if opening {
		m.opening.Lock()
		defer m.opening.Unlock()
	}
	h.event.Source.Snapshot = mark(opening && !m.opened, opening, closing, last)
	if err := emit(&h.event, h.of); err != nil {
		return err
	}
	if opening {
		m.opened = true
		t.opened.Store(true)
	}
	return nil
}

// release sends what waits for a later table.
func (m *marks) release(emit emitRow) error {
	m.mu.Lock()
	before := m.last
	m.last = nil
	m.mu.Unlock()
	if before == nil {
		return nil
	}
	return finish(m.send(&before.of.table.marks, before, true, false, emit), before)
}

// endRange takes the last row of a range (nil: it had none) and sends the one that waited for it.
func (m *marks) endRange(t *tableMarks, h *heldRow, emit emitRow) error {
	if h == nil {
		return nil
	}
	t.mu.Lock()
	before := t.last
	t.last = h
	t.mu.Unlock()
	if before == nil {
		return nil
	}
	return finish(m.send(t, before, false, false, emit), before)
}

// endTable is called when all ranges of t have ended.
func (m *marks) endTable(t *tableMarks, emit emitRow) error {
	if t.last == nil {
		if t == m.lead {
			m.opening.Lock()
			m.opened = true
			m.opening.Unlock()
		}
		return nil
	}
	m.mu.Lock()
	before := m.last
	m.last = t.last
	m.mu.Unlock()
	if before == nil {
		return nil
	}
	return finish(m.send(&before.of.table.marks, before, true, false, emit), before)
}

// end is called when all tables have ended.
func (m *marks) end(emit emitRow) error {
	if m.last == nil {
		return nil
	}
	return finish(m.send(&m.last.of.table.marks, m.last, true, true, emit), m.last)
}

// finish lets a range end with its last row.
func finish(err error, h *heldRow) error {
	if err == nil {
		h.of.seal()
	}
	return err
}

// mark orders Debezium's marks: the last of all, the first of all, the last of a table, the first of one.
func mark(first, opening, closing, last bool) change.SnapshotMark {
	switch {
	case last:
		return change.SnapshotLast
	case first:
		return change.SnapshotFirst
	case closing:
		return change.SnapshotLastOf
	case opening:
		return change.SnapshotFirstOf
	}
	return change.SnapshotRow
}
