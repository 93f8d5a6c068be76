package cdc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// decoder turns pgoutput's messages (protocol 1) into events. It is a pure function of its fields and the messages in their
// order: no I/O, no clock. https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
//
// Not safe for concurrent use.
type decoder struct {
	source   change.Source         // what all events have in common: version, name, database
	types    *postgres.Types       // replaced when a type is unknown
	lenient  bool                  // types that are not known are text
	keys     map[uint32][][]string // record keys in key order as the catalog named them, newest first, by table
	includes func(tableName) bool  // tables that are wanted
	tables   map[uint32]*relation  // as the stream described them
	tx       transaction           // the open one
	ended    transaction           // the one that was committed last
	last     change.LSN            // commit of the transaction before
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
	index     uint64
}

// step is what one message amounts to.
type step struct {
	kind   stepKind
	events []change.Event // of wanted tables only; positions count the others too
	end    change.LSN     // commits: where the transaction ends. Messages outside of transactions: their place
}

type stepKind int

const (
	stepNothing stepKind = iota // a description of a table or a type, an origin
	stepBegin
	stepEvents
	stepCommit
	stepLoose // an event outside of transactions: a non-transactional message
)

// decode reads one message that was sent with WAL position at. data may be reused after it returns.
func (d *decoder) decode(data []byte, at change.LSN) (step, error) {
	if len(data) == 0 {
		return step{}, errors.New("decode: empty message")
	}
	switch data[0] {
	case 'I', 'U', 'D':
		return d.row(data, at)
	}
	message, err := parse(data)
	if err != nil {
		return step{}, fmt.Errorf("decode %q message: %w", data[0], err)
	}
	switch m := message.(type) {
	case *pglogrepl.BeginMessage:
		d.tx = transaction{open: true, id: int64(m.Xid), commit: change.LSN(m.FinalLSN), time: m.CommitTime.UTC()}
		return step{kind: stepBegin}, nil
	case *pglogrepl.CommitMessage:
		if !d.tx.open {
			return step{}, errors.New("decode: a commit without a begin")
		}
		d.last, d.ended, d.tx = change.LSN(m.CommitLSN), d.tx, transaction{}
		return step{kind: stepCommit, end: change.LSN(m.TransactionEndLSN)}, nil
	case *pglogrepl.OriginMessage:
		d.tx.origin, d.tx.originLSN = m.Name, change.LSN(m.CommitLSN)
		return step{}, nil
	case *pglogrepl.RelationMessage:
		return step{}, d.describe(m)
	case *pglogrepl.TruncateMessage:
		return d.truncate(m, at)
	case *pglogrepl.LogicalDecodingMessage:
		return d.message(m)
	default: // types have a description of their own in the catalog
		return step{}, nil
	}
}

// parse guards pglogrepl's parsers, which index and allocate without looking: a short message is an error here, not a panic.
func parse(data []byte) (m pglogrepl.Message, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed: %v", r)
		}
	}()
	if data[0] == 'T' && (len(data) < 6 || uint64(binary.BigEndian.Uint32(data[1:]))*4 > uint64(len(data)-6)) {
		return nil, errTuple // it would make room for what the message says it has, which no recover undoes
	}
	return pglogrepl.Parse(data)
}

func (d *decoder) describe(m *pglogrepl.RelationMessage) error {
	name := tableName{m.Namespace, m.RelationName}
	r, err := newRelation(m, d.types, d.keys[m.RelationID], !d.lenient)
	if err != nil {
		return fmt.Errorf("describe table %s: %w", name, err)
	}
	r.included = d.includes(name)
	if before := d.tables[m.RelationID]; before != nil && len(r.key) == 0 {
		r.inherit(before)
	}
	if d.tables == nil {
		d.tables = map[uint32]*relation{}
	}
	d.tables[m.RelationID] = r
	return nil
}

// row reads an insert, update or delete without pglogrepl, whose rows cost an allocation a byte run and trust every length.
func (d *decoder) row(data []byte, at change.LSN) (step, error) {
	if len(data) < 6 {
		return step{}, fmt.Errorf("decode %q message: %w", data[0], errTuple)
	}
	r, ok := d.tables[binary.BigEndian.Uint32(data[1:])]
	if !ok || !d.tx.open {
		return step{}, fmt.Errorf("decode %q message: its table was not described, or no transaction is open", data[0])
	}
	old, now, err := r.rows(data[0], data[5:])
	if err != nil {
		return step{}, fmt.Errorf("decode %q message: %w", data[0], err)
	}
	events := d.rowEvents(data[0], r, old, now, at)
	for i := range events {
		events[i].Position = d.next()
	}
	if !r.included {
		events = nil
	}
	return step{kind: stepEvents, events: events}, nil
}

// rows reads the old row, if there is one, and the new one, if there is one.
func (r *relation) rows(kind byte, src []byte) (old, now change.Row, err error) {
	if src[0] == 'K' || src[0] == 'O' {
		if old, src, err = r.tuple(src[1:], src[0] == 'K'); err != nil {
			return nil, nil, err
		}
	}
	if kind == 'D' {
		if old == nil {
			return nil, nil, errors.New("a delete without the old row")
		}
		return old, nil, nil
	}
	if len(src) == 0 || src[0] != 'N' {
		return nil, nil, errTuple
	}
	now, _, err = r.tuple(src[1:], false)
	return old, now, err
}

func (d *decoder) rowEvents(kind byte, r *relation, old, now change.Row, at change.LSN) []change.Event {
	e := change.Event{Before: old, After: now, Source: d.sourceOf(tableName{r.schema, r.name}, at)}
	switch kind {
	case 'I':
		e.Op, e.Key = change.Create, r.keyOf(now)
	case 'D':
		e.Op, e.Key = change.Delete, r.keyOf(old)
	default:
		restore(now, old)
		e.Op, e.Key = change.Update, r.keyOf(now)
		if oldKey := r.keyOf(old); oldKey != nil && !sameKey(oldKey, e.Key) {
			return rekey(e, oldKey)
		}
	}
	return []change.Event{e}
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
		if i >= len(b) || !change.Equal(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

// rekey makes two events of an update that changed the key, each with the other's key in a header, as Debezium does.
func rekey(e change.Event, oldKey change.Row) []change.Event {
	gone, made := e, e
	gone.Op, gone.Key, gone.After, gone.NewKey = change.Delete, oldKey, nil, e.Key
	made.Op, made.Before, made.OldKey = change.Create, nil, oldKey
	return []change.Event{gone, made}
}

func (d *decoder) truncate(m *pglogrepl.TruncateMessage, at change.LSN) (step, error) {
	if !d.tx.open {
		return step{}, errors.New("decode: a truncate outside of a transaction")
	}
	var events []change.Event
	for _, id := range m.RelationIDs {
		r, ok := d.tables[id]
		if !ok {
			return step{}, fmt.Errorf("decode truncate: table %d was not described", id)
		}
		position := d.next()
		if r.included {
			events = append(events, change.Event{
				Op: change.Truncate, Position: position, Source: d.sourceOf(tableName{r.schema, r.name}, at),
			})
		}
	}
	return step{kind: stepEvents, events: events}, nil
}

// message reads what pg_logical_emit_message wrote. One that is not transactional stands by itself, wherever it comes.
func (d *decoder) message(m *pglogrepl.LogicalDecodingMessage) (step, error) {
	e := change.Event{
		Op: change.Message, Source: d.sourceOf(tableName{}, change.LSN(m.LSN)),
		Message: &change.LogicalMessage{Prefix: m.Prefix, Content: append([]byte{}, m.Content...), Transactional: m.Transactional},
	}
	if !m.Transactional {
		e.Source.TxID, e.Source.Time, e.Source.Origin, e.Source.OriginLSN = 0, time.Time{}, "", 0
		// Its LSN is the end of its record, where the next record, a commit perhaps, begins: stay below that one's events.
		e.Position = change.Position{Commit: change.LSN(m.LSN) - 1}
		return step{kind: stepLoose, events: []change.Event{e}, end: change.LSN(m.LSN)}, nil
	}
	if !d.tx.open {
		return step{}, errors.New("decode: a transactional message outside of a transaction")
	}
	e.Position = d.next()
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
