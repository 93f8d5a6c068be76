package cdc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// decoder turns pgoutput's messages (protocols 1 to 4) into events. It is a pure function of its fields and the messages in their
// order: no I/O, no clock. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
//
// Not safe for concurrent use.
type decoder struct {
	source      change.Source         // what all events have in common: version, name, database
	types       *postgres.Types       // replaced when a type is unknown
	lenient     bool                  // types that are not known are what the stream calls them
	guessed     func()                // told of a column whose type is text because nobody knows it; nil: nobody is
	named       map[uint32]string     // types that are not PostgreSQL's own, as the stream calls them
	keys        map[uint32][][]string // record keys in key order as the catalog named them, newest first, by table
	messageKeys messageKeys           // … and as the configuration does, which wins
	includes    func(tableName) bool  // tables that are wanted
	tables      map[uint32]*relation  // as the stream described them
	held        heldState             // transactions that have not ended
	tx          transaction           // the open one
	ended       transaction           // the one that was committed last
	last        change.LSN            // end of the transaction before; 0: none seen
	events      [2]change.Event       // of the last row: overwritten by the next
	large       *relation             // the last row was one of it, and large
}

type tableName struct{ schema, name string }

func (t tableName) String() string { return t.schema + "." + t.name }

// transaction is what BEGIN told, and how many events followed.
type transaction struct {
	open      bool
	id        int64
	commit    change.LSN
	time      time.Time
	origin    string
	originLSN change.LSN
	mark      string // of the tandem.origin message that came in it, if one did
	index     uint64
}

// step is what one message amounts to.
type step struct {
	kind   stepKind
	events []change.Event // of wanted tables only; positions count the others too
	end    change.LSN     // commits: where the transaction ends. Messages outside of transactions: their place

	// Of transactions that are sent before they end.
	xid, sub uint32 // the transaction, and the part of it that this belongs to
	message  byte   // stepHold: the message without its transaction's id; body is valid until the next call
	body     []byte
}

type stepKind int

const (
	stepNothing stepKind = iota // a description of a table or a type, an origin
	stepBegin
	stepEvents
	stepCommit
	stepLoose   // an event outside of transactions: a non-transactional message
	stepHold    // a message of a transaction that has not ended: to be kept
	stepAbort   // what is kept of it, or of a part of it, is void
	stepPrepare // it is prepared, or about to be: it may end long after we have started again, and the server does not send it a second time
	stepReplay  // it has committed: what is kept of it is decoded now, up to replayed
)

// decode reads one message that was sent with WAL position at. data may be reused after it returns; the step's events are valid until the
// next call, since they are what every change costs.
func (d *decoder) decode(data []byte, at change.LSN) (step, error) {
	if len(data) == 0 {
		return step{}, errors.New("decode: empty message")
	}
	if d.large != nil {
		d.large.forget()
		d.large = nil
	}
	s, err := d.read(data[0], &wire{data: data[1:]}, at)
	if err != nil {
		return step{}, fmt.Errorf("decode %q message: %w", data[0], err)
	}
	return s, nil
}

func (d *decoder) read(kind byte, w *wire, at change.LSN) (step, error) {
	if d.held.block != 0 {
		return d.inBlock(kind, w)
	}
	switch kind {
	case 'I', 'U', 'D':
		return d.row(kind, w, at)
	case 'B':
		return d.begin(w)
	case 'C':
		return d.commit(w)
	case 'O':
		return d.from(w)
	case 'R':
		return step{}, d.describe(w)
	case 'T':
		return d.truncate(w, at)
	case 'M':
		return d.message(w)
	case 'Y':
		return step{}, d.nameType(w)
	}
	return d.ending(kind, w)
}

// ending reads what protocols 2 to 4 say of transactions whose changes came before their end.
func (d *decoder) ending(kind byte, w *wire) (step, error) {
	switch kind {
	case 'S':
		return d.streamStart(w)
	case 'c':
		return d.streamCommit(w)
	case 'A':
		return d.streamAbort(w)
	case 'b':
		return d.beginPrepare(w)
	case 'p':
		return d.streamPrepare(w)
	case 'K':
		return d.commitPrepared(w)
	case 'r':
		return d.rollbackPrepared(w)
	}
	return step{}, errors.New("no message of a protocol that was asked for")
}

func (d *decoder) begin(w *wire) (step, error) {
	tx := transaction{open: true, commit: change.LSN(w.uint64()), time: w.time(), id: int64(w.uint32())}
	if w.short {
		return step{}, errShort
	}
	d.tx = tx
	return step{kind: stepBegin}, nil
}

func (d *decoder) commit(w *wire) (step, error) {
	_, _, end, _ := w.uint8(), w.uint64(), change.LSN(w.uint64()), w.uint64()
	switch {
	case w.short:
		return step{}, errShort
	case !d.tx.open:
		return step{}, errors.New("a commit without a begin")
	}
	d.last, d.ended, d.tx = end, d.tx, transaction{}
	return step{kind: stepCommit, end: end}, nil
}

func (d *decoder) from(w *wire) (step, error) {
	lsn, name := change.LSN(w.uint64()), w.text()
	if w.short {
		return step{}, errShort
	}
	d.tx.origin, d.tx.originLSN = name, lsn
	return step{}, nil
}

func (d *decoder) describe(w *wire) error {
	said, err := readDescription(w)
	if err != nil {
		return err
	}
	r, err := newRelation(said, d.typeOf, d.keys[said.oid])
	if err != nil {
		return fmt.Errorf("describe table %s: %w", said.tableName, err)
	}
	r.included = d.includes(said.tableName)
	if before, ok := d.table(said.oid); ok && len(r.key) == 0 {
		r.inherit(before)
	}
	r.setMessageKey(d.messageKeys.of(r.tableName, r.columns))
	if d.held.replaying != 0 {
		d.held.overlay[said.oid] = r
		return nil
	}
	d.held.described++
	r.came = d.held.described
	d.install(said.oid, r)
	return nil
}

func (d *decoder) row(kind byte, w *wire, at change.LSN) (step, error) {
	r, ok := d.table(w.uint32())
	switch {
	case w.short:
		return step{}, errShort
	case !ok || !d.tx.open:
		return step{}, errors.New("its table was not described, or no transaction is open")
	}
	if len(w.data) > largeRow {
		d.large = r
	}
	old, now, err := r.rows(kind, w.data)
	if err != nil {
		return step{}, err
	}
	events := d.rowEvents(kind, r, old, now, at)
	for i := range events {
		events[i].Position, events[i].Mark = d.next(), d.tx.mark
	}
	if !r.included {
		events = nil
	}
	return step{kind: stepEvents, events: events}, nil
}

func (d *decoder) rowEvents(kind byte, r *relation, old, now change.Row, at change.LSN) []change.Event {
	e := &d.events[0]
	*e = change.Event{Before: old, After: now, Source: d.sourceOf(r.tableName, at)}
	switch kind {
	case 'I':
		e.Op, e.Key = change.Create, r.keyOf(now)
	case 'D':
		e.Op, e.Key = change.Delete, r.keyOf(old)
	default:
		restore(now, old)
		e.Op, e.Key = change.Update, r.keyOf(now)
		if oldKey := r.keyOf(old); oldKey != nil && !sameKey(oldKey, e.Key) {
			return d.rekey(oldKey)
		}
	}
	return d.events[:1]
}

// restore fills in what an update did not send because it was unchanged, where the old row is whole.
func restore(now, old change.Row) {
	for i := range old {
		if now[i].Value.IsAbsent() {
			now[i].Value = old[i].Value
		}
	}
}

func sameKey(a, b change.Row) bool {
	for i := range a {
		if i >= len(b) || !change.Equal(a[i].Value, b[i].Value) && !sameNumber(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

// sameNumber tells that two decimals differ by zeros behind the point: 1.5 and 1.50 are one key, though PostgreSQL sends both.
func sameNumber(a, b change.Value) bool {
	return a.Kind() == change.Decimal && b.Kind() == change.Decimal && shortest(a.Text()) == shortest(b.Text())
}

func shortest(number string) string {
	if !strings.Contains(number, ".") {
		return number
	}
	return strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
}

// rekey makes two events of an update that changed the key, each with the other's key in a header, as Debezium does.
func (d *decoder) rekey(oldKey change.Row) []change.Event {
	gone, made := &d.events[0], &d.events[1]
	*made = *gone
	gone.Op, gone.Key, gone.After, gone.NewKey = change.Delete, oldKey, nil, made.Key
	made.Op, made.Before, made.OldKey = change.Create, nil, oldKey
	return d.events[:2]
}

func (d *decoder) truncate(w *wire, at change.LSN) (step, error) {
	n, _ := w.uint32(), w.uint8()
	switch {
	case w.short || uint64(n)*4 > uint64(len(w.data)):
		return step{}, errShort
	case !d.tx.open:
		return step{}, errors.New("a truncate outside of a transaction")
	}
	var events []change.Event
	for range n {
		id := w.uint32()
		r, ok := d.table(id)
		if !ok {
			return step{}, fmt.Errorf("table %d was not described", id)
		}
		position := d.next()
		if r.included {
			events = append(events, change.Event{Op: change.Truncate, Position: position, Mark: d.tx.mark, Source: d.sourceOf(r.tableName, at)})
		}
	}
	return step{kind: stepEvents, events: events}, nil
}

// message reads what pg_logical_emit_message wrote. One that is not transactional stands by itself, wherever it comes.
func (d *decoder) message(w *wire) (step, error) {
	transactional, lsn, prefix := w.uint8()&1 != 0, change.LSN(w.uint64()), w.text()
	content := w.take(int(w.uint32()))
	if w.short {
		return step{}, errShort
	}
	e := change.Event{
		Op: change.Message, Source: d.sourceOf(tableName{}, lsn),
		Message: &change.LogicalMessage{Prefix: prefix, Content: append([]byte{}, content...), Transactional: transactional},
	}
	if !transactional {
		e.Source.TxID, e.Source.Time, e.Source.Origin, e.Source.OriginLSN = 0, time.Time{}, "", 0
		// Its LSN is the end of its record, where the next record, a commit perhaps, begins: stay below that one's events.
		e.Position = change.Position{Commit: lsn - 1}
		return step{kind: stepLoose, events: []change.Event{e}, end: lsn}, nil
	}
	if !d.tx.open {
		return step{}, errors.New("a transactional message outside of a transaction")
	}
	if prefix == change.HeaderOrigin {
		d.tx.mark = string(content)
		return step{}, nil
	}
	e.Position, e.Mark = d.next(), d.tx.mark
	return step{kind: stepEvents, events: []change.Event{e}}, nil
}

func (d *decoder) next() change.Position {
	p := change.Position{Commit: d.tx.commit, Index: d.tx.index}
	d.tx.index++
	return p
}

func (d *decoder) sourceOf(table tableName, at change.LSN) change.Source {
	s := d.source
	s.Schema, s.Table, s.LSN, s.LastCommit = table.schema, table.name, at, d.last
	s.TxID, s.Time, s.Origin, s.OriginLSN = d.tx.id, d.tx.time, d.tx.origin, d.tx.originLSN
	return s
}
