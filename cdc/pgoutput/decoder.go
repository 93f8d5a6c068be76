package pgoutput

import (
	"errors"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// Decoder turns messages (protocols 1 to 4) into events. It is a pure function of its fields and the messages in their
// order: no I/O, no clock. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
//
// Not safe for concurrent use.
type Decoder struct {
	Source     change.Source                           // what all events have in common: version, name, database
	Types      *postgres.Types                         // replaced when a type is unknown
	Lenient    bool                                    // types that are not known are what the stream calls them
	Guessed    func()                                  // told of a column whose type is text because nobody knows it; nil: nobody is
	Keys       map[uint32][][]string                   // record keys in key order as the catalog named them, newest first, by table
	MessageKey func(t Table, columns change.Row) []int // … and as the configuration does, which wins: positions; nil: it does not
	Includes   func(Table) bool                        // tables that are wanted

	named  map[uint32]string    // types that are not PostgreSQL's own, as the stream calls them
	tables map[uint32]*relation // as the stream described them
	held   heldState            // transactions that have not ended
	tx     Transaction          // the open one
	ended  Transaction          // the one that was committed last
	last   change.LSN           // end of the transaction before; 0: none seen
	events [2]change.Event      // of the last row: overwritten by the next
	large  *relation            // the last row was one of it, and large
}

// Table is a table's full name.
type Table struct{ Schema, Name string }

func (t Table) String() string { return t.Schema + "." + t.Name }

// Transaction is what BEGIN told.
type Transaction struct {
	Open      bool // it has not ended
	ID        int64
	Commit    change.LSN
	Time      time.Time
	Origin    string
	OriginLSN change.LSN
	Mark      string // of the tandem.origin message that came in it, if one did

	index uint64 // how many events followed
}

// Next is where the event stands that comes next in it.
func (t *Transaction) Next() change.Position {
	return change.Position{Commit: t.Commit, Index: t.index}
}

// Resume says where the transaction before the first ended.
func (d *Decoder) Resume(last change.LSN) { d.last = last }

// Transaction is the open one.
func (d *Decoder) Transaction() *Transaction { return &d.tx }

// Ended is the transaction that was committed last.
func (d *Decoder) Ended() *Transaction { return &d.ended }

// Last is where it ended; 0: none was seen.
func (d *Decoder) Last() change.LSN { return d.last }

// Step is what one message amounts to.
type Step struct {
	Kind   Kind
	Events []change.Event // of wanted tables only; positions count the others too
	End    change.LSN     // commits: where the transaction ends. Messages outside of transactions: their place

	// Of transactions that are sent before they end.
	Xid, Sub uint32 // the transaction, and the part of it that this belongs to
	Message  byte   // Hold: the message without its transaction's id; Body is valid until the next call
	Body     []byte
}

// Kind is what there is to do.
type Kind int

// The kinds of steps.
const (
	Nothing Kind = iota // a description of a table or a type, an origin
	Begin
	Events
	Commit
	Loose   // an event outside of transactions: a non-transactional message
	Hold    // a message of a transaction that has not ended: to be kept
	Abort   // what is kept of it, or of a part of it, is void
	Prepare // it is prepared, or about to be: it may end long after we have started again, and the server does not send it a second time
	Replay  // it has committed: what is kept of it is decoded now, up to Replayed
)

// Decode reads one message that was sent with WAL position at. data may be reused after it returns; the step's events are valid until the
// next call, since they are what every change costs.
func (d *Decoder) Decode(data []byte, at change.LSN) (Step, error) {
	if len(data) == 0 {
		return Step{}, errors.New("decode: empty message")
	}
	if d.large != nil {
		d.large.forget()
		d.large = nil
	}
	s, err := d.read(data[0], &wire{data: data[1:]}, at)
	if err != nil {
		return Step{}, fmt.Errorf("decode %q message: %w", data[0], err)
	}
	return s, nil
}

func (d *Decoder) read(kind byte, w *wire, at change.LSN) (Step, error) {
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
		return Step{}, d.describe(w)
	case 'T':
		return d.truncate(w, at)
	case 'M':
		return d.message(w)
	case 'Y':
		return Step{}, d.nameType(w)
	}
	return d.ending(kind, w)
}

// ending reads what protocols 2 to 4 say of transactions whose changes came before their end.
func (d *Decoder) ending(kind byte, w *wire) (Step, error) {
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
	return Step{}, errors.New("no message of a protocol that was asked for")
}

func (d *Decoder) begin(w *wire) (Step, error) {
	tx := Transaction{Open: true, Commit: change.LSN(w.uint64()), Time: w.time(), ID: int64(w.uint32())}
	if w.short {
		return Step{}, errShort
	}
	d.tx = tx
	return Step{Kind: Begin}, nil
}

func (d *Decoder) commit(w *wire) (Step, error) {
	_, _, end, _ := w.uint8(), w.uint64(), change.LSN(w.uint64()), w.uint64()
	switch {
	case w.short:
		return Step{}, errShort
	case !d.tx.Open:
		return Step{}, errors.New("a commit without a begin")
	}
	d.last, d.ended, d.tx = end, d.tx, Transaction{}
	return Step{Kind: Commit, End: end}, nil
}

func (d *Decoder) from(w *wire) (Step, error) {
	lsn, name := change.LSN(w.uint64()), w.text()
	if w.short {
		return Step{}, errShort
	}
	d.tx.Origin, d.tx.OriginLSN = name, lsn
	return Step{}, nil
}

func (d *Decoder) describe(w *wire) error {
	said, err := readDescription(w)
	if err != nil {
		return err
	}
	r, err := newRelation(said, d.typeOf, d.Keys[said.oid])
	if err != nil {
		return fmt.Errorf("describe table %s: %w", said.Table, err)
	}
	r.included = d.Includes(said.Table)
	if before, ok := d.table(said.oid); ok && len(r.key.at) == 0 {
		r.inherit(before)
	}
	if d.MessageKey != nil {
		r.setMessageKey(d.MessageKey(r.Table, r.columns))
	}
	if d.held.replaying != 0 {
		d.held.overlay[said.oid] = r
		return nil
	}
	d.held.described++
	r.came = d.held.described
	d.install(said.oid, r)
	return nil
}

func (d *Decoder) row(kind byte, w *wire, at change.LSN) (Step, error) {
	r, ok := d.table(w.uint32())
	switch {
	case w.short:
		return Step{}, errShort
	case !ok || !d.tx.Open:
		return Step{}, errors.New("its table was not described, or no transaction is open")
	}
	if len(w.data) > largeRow {
		d.large = r
	}
	old, now, err := r.rows(kind, w.data)
	if err != nil {
		return Step{}, err
	}
	events := d.rowEvents(kind, r, old, now, at)
	for i := range events {
		events[i].Position, events[i].Mark = d.next(), d.tx.Mark
	}
	if !r.included {
		events = nil
	}
	return Step{Kind: Events, Events: events}, nil
}

func (d *Decoder) rowEvents(kind byte, r *relation, old, now change.Row, at change.LSN) []change.Event {
	e := &d.events[0]
	*e = change.Event{Before: old, After: now, Source: d.sourceOf(r.Table, at)}
	switch kind {
	case 'I':
		e.Op, e.Key = change.Create, r.key.Of(now)
	case 'D':
		e.Op, e.Key = change.Delete, r.key.Of(old)
	default:
		restore(now, old)
		e.Op, e.Key = change.Update, r.key.Of(now)
		if oldKey := r.key.Of(old); oldKey != nil && !sameKey(oldKey, e.Key) {
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
	return a.Kind() == change.Decimal && b.Kind() == change.Decimal && change.ShortestDecimal(a.Text()) == change.ShortestDecimal(b.Text())
}

// rekey makes two events of an update that changed the key, each with the other's key in a header, as Debezium does.
func (d *Decoder) rekey(oldKey change.Row) []change.Event {
	gone, made := &d.events[0], &d.events[1]
	*made = *gone
	gone.Op, gone.Key, gone.After, gone.NewKey = change.Delete, oldKey, nil, made.Key
	made.Op, made.Before, made.OldKey = change.Create, nil, oldKey
	return d.events[:2]
}

func (d *Decoder) truncate(w *wire, at change.LSN) (Step, error) {
	n, _ := w.uint32(), w.uint8()
	switch {
	case w.short || uint64(n)*4 > uint64(len(w.data)):
		return Step{}, errShort
	case !d.tx.Open:
		return Step{}, errors.New("a truncate outside of a transaction")
	}
	var events []change.Event
	for range n {
		id := w.uint32()
		r, ok := d.table(id)
		if !ok {
			return Step{}, fmt.Errorf("table %d was not described", id)
		}
		position := d.next()
		if r.included {
			events = append(events, change.Event{Op: change.Truncate, Position: position, Mark: d.tx.Mark, Source: d.sourceOf(r.Table, at)})
		}
	}
	return Step{Kind: Events, Events: events}, nil
}

// message reads what pg_logical_emit_message wrote. One that is not transactional stands by itself, wherever it comes.
func (d *Decoder) message(w *wire) (Step, error) {
	transactional, lsn, prefix := w.uint8()&1 != 0, change.LSN(w.uint64()), w.text()
	content := w.take(int(w.uint32()))
	if w.short {
		return Step{}, errShort
	}
	e := change.Event{
		Op: change.Message, Source: d.sourceOf(Table{}, lsn),
		Message: &change.LogicalMessage{Prefix: prefix, Content: append([]byte{}, content...), Transactional: transactional},
	}
	if !transactional {
		e.Source.TxID, e.Source.Time, e.Source.Origin, e.Source.OriginLSN = 0, time.Time{}, "", 0
		// Its LSN is the end of its record, where the next record, a commit perhaps, begins: stay below that one's events.
		e.Position = change.Position{Commit: lsn - 1}
		return Step{Kind: Loose, Events: []change.Event{e}, End: lsn}, nil
	}
	if !d.tx.Open {
		return Step{}, errors.New("a transactional message outside of a transaction")
	}
	if prefix == change.HeaderOrigin {
		d.tx.Mark = string(content)
		return Step{}, nil
	}
	e.Position, e.Mark = d.next(), d.tx.Mark
	return Step{Kind: Events, Events: []change.Event{e}}, nil
}

func (d *Decoder) next() change.Position {
	p := d.tx.Next()
	d.tx.index++
	return p
}

func (d *Decoder) sourceOf(table Table, at change.LSN) change.Source {
	s := d.Source
	s.Schema, s.Table, s.LSN, s.LastCommit = table.Schema, table.Name, at, d.last
	s.TxID, s.Time, s.Origin, s.OriginLSN = d.tx.ID, d.tx.Time, d.tx.Origin, d.tx.OriginLSN
	return s
}
