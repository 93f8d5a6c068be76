// Package pgoutputtest builds messages as PostgreSQL's pgoutput sends them.
package pgoutputtest

import "encoding/binary"

// Message is one, field by field: Message{'I'}.U32(table).Values('N', "1").
type Message []byte

// U8 appends a byte.
func (m Message) U8(n byte) Message { return append(m, n) }

// U16 appends two bytes.
func (m Message) U16(n uint16) Message { return binary.BigEndian.AppendUint16(m, n) }

// U32 appends four bytes.
func (m Message) U32(n uint32) Message { return binary.BigEndian.AppendUint32(m, n) }

// U64 appends eight bytes.
func (m Message) U64(n uint64) Message { return binary.BigEndian.AppendUint64(m, n) }

// Str appends a text that a zero byte ends.
func (m Message) Str(s string) Message { return append(append(m, s...), 0) }

// Null and Unchanged stand for values in [Message.Values]: null, and what was not sent.
const (
	Null      = "\x00"
	Unchanged = "\x01"
)

// Values appends a tuple.
func (m Message) Values(kind byte, values ...string) Message {
	m = m.U8(kind).U16(uint16(len(values)))
	for _, v := range values {
		switch v {
		case Null:
			m = m.U8('n')
		case Unchanged:
			m = m.U8('u')
		default:
			m = append(m.U8('t').U32(uint32(len(v))), v...)
		}
	}
	return m
}

// In puts m into a block of a transaction that has not ended.
func (m Message) In(xid uint32) Message { return append(Message{m[0]}.U32(xid), m[1:]...) }

// Column is one of a table's.
type Column struct {
	Name     string
	Key      bool // part of the replica identity
	OID      uint32
	Modifier int32
}

// Describe is a relation message of a table in schema public.
func Describe(oid uint32, table string, identity byte, columns ...Column) Message {
	m := Message{'R'}.U32(oid).Str("public").Str(table).U8(identity).U16(uint16(len(columns)))
	for _, c := range columns {
		flag := byte(0)
		if c.Key {
			flag = 1
		}
		m = m.U8(flag).Str(c.Name).U32(c.OID).U32(uint32(c.Modifier))
	}
	return m
}

// Begin opens a transaction that commits at commit.
func Begin(xid uint32, commit uint64) Message { return Message{'B'}.U64(commit).U64(0).U32(xid) }

// Commit ends it; end is where the next one may begin.
func Commit(commit, end uint64) Message {
	return Message{'C'}.U8(0).U64(commit).U64(end).U64(0)
}

// Bench is the table that is measured, and Insert a row of it.
const Bench = 16384

// BenchColumns are Bench's.
var BenchColumns = []Column{
	{"id", true, 20, -1}, {"a", false, 23, -1}, {"b", false, 23, -1}, {"c", false, 23, -1},
	{"n", false, 1700, 10<<16 | 2 + 4}, {"t", false, 25, -1}, {"at", false, 1184, -1},
}

// Text is a text of a hundred and twenty characters.
const Text = "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"

// Insert is a row of Bench.
func Insert() Message {
	return Message{'I'}.U32(Bench).Values('N', "300000", "300000", "300000", "300000", "42857.14", Text, "2026-11-22 18:24:02.123456+00")
}
