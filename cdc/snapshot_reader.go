package cdc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
)

// rangeQueue hands out ranges in order: what is read stays in few pieces, and tables end one after the other.
type rangeQueue struct {
	mu      sync.Mutex
	waiting []*rangeRead
}

// next gives nil when all were handed out.
func (q *rangeQueue) next() *rangeRead {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	r := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	r.table.began.CompareAndSwap(0, time.Now().UnixNano())
	return r
}

// end reports that r was the last of its table.
func (q *rangeQueue) end(r *rangeRead) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	r.table.left--
	r.table.passed.Add(r.length())
	if r.table.left > 0 {
		return false
	}
	r.table.ended.Store(time.Now().UnixNano())
	return true
}

// giantRow is from how many bytes of text on a row is worked on while no other large one is: its values, its event and its record are several times as much.
const giantRow = 1 << 20

// rangeReader reads range after range on one connection. It belongs to one goroutine.
type rangeReader struct {
	*snapshot
	conn    *pgconn.PgConn
	emitter *emitter
	of      *rangeRead
	key     func(change.Row) change.Row
	held    *heldRow // the newest row of the range
	spare   *heldRow // an event to fill
}

func newRangeReader(s *snapshot, conn *pgconn.PgConn) *rangeReader {
	return &rangeReader{snapshot: s, conn: conn, emitter: s.emitter.fork()}
}

// emit gives the last step of a row's way.
func (r *rangeReader) emit(ctx context.Context) emitRow {
	return func(e *change.Event, of *rangeRead) error { return r.emitter.emit(ctx, e, of.flight) }
}

func (r *rangeReader) run(ctx context.Context) error {
	for next := r.queue.next(); next != nil; next = r.queue.next() {
		if err := r.read(ctx, next); err != nil {
			return &tableError{next.table.String(), explain(err)}
		}
	}
	return nil
}

func (r *rangeReader) read(ctx context.Context, next *rangeRead) error {
	r.of, r.key = next, newKeyReader(next.table.table, next.table.columns)
	emit := r.emit(ctx)
	r.spare = nil // it has another table's columns
	rows := &copyReader{columns: next.table.columns, large: &r.large, room: r.room, row: func(row change.Row) error { return r.row(row, emit) }}
	if _, err := r.conn.CopyTo(ctx, rows, next.copySQL()); err != nil {
		if next.table.overridden {
			err = fmt.Errorf("with the statement of %s: %w", next.table.statedIn, err)
		}
		return alteredOr(err)
	}
	last := r.held
	r.held = nil
	if last == nil {
		next.seal()
	}
	if err := r.marks.endRange(&next.table.marks, last, emit); err != nil {
		return err
	}
	if r.queue.end(next) {
		return r.marks.endTable(&next.table.marks, emit)
	}
	return nil
}

// row sends the row before, now that it is known not to be the last of its range.
func (r *rangeReader) row(row change.Row, emit emitRow) error {
	h, t := r.spare, r.of.table
	if r.spare = nil; h == nil {
		h = &heldRow{of: r.of, event: change.Event{Op: change.Read, Source: r.source, Position: change.Position{Commit: r.at}}}
		h.event.Source.Schema, h.event.Source.Table = t.schema, t.name
	}
	h.event.Key, h.event.After = r.key(row), row
	t.rows.Add(1)
	r.rows.Add(1)
	before := r.held
	r.held = h
	if before == nil {
		return nil
	}
	err := r.marks.send(&t.marks, before, false, false, emit)
	r.spare = before
	return err
}

// room gives the row of the spare event, which was sent.
func (r *rangeReader) room() change.Row {
	if r.spare == nil {
		return nil
	}
	return r.spare.event.After
}

// newKeyReader gives a function that takes the key out of a row of t.
func newKeyReader(t *table, columns []change.Column) func(change.Row) change.Row {
	at := t.keys.of(t.tableName, columns)
	if at == nil {
		at = pgoutput.Positions(columns, t.key)
	}
	return pgoutput.NewKey(at).Of
}

// fork gives an emitter for another goroutine: they share Kafka and the budget.
func (e *emitter) fork() *emitter {
	own := *e
	if e.shaper != nil {
		own.shaper = newShaper(e.shaper.rules)
	}
	own.scratch = nil
	own.topics, own.cut, own.orders = map[tableName]destination{}, map[tableName]bool{}, map[tableName]int64{}
	return &own
}
