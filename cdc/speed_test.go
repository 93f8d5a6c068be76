package cdc

import (
	"context"
	"encoding/binary"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// pgoutput builds messages as the server does.
type pgoutput []byte

func (m pgoutput) u8(n byte) pgoutput    { return append(m, n) }
func (m pgoutput) u16(n uint16) pgoutput { return binary.BigEndian.AppendUint16(m, n) }
func (m pgoutput) u32(n uint32) pgoutput { return binary.BigEndian.AppendUint32(m, n) }
func (m pgoutput) u64(n uint64) pgoutput { return binary.BigEndian.AppendUint64(m, n) }
func (m pgoutput) str(s string) pgoutput { return append(append(m, s...), 0) }

// values is a tuple; "\x00" stands for null, "\x01" for a value that was not sent.
func (m pgoutput) values(kind byte, values ...string) pgoutput {
	m = m.u8(kind).u16(uint16(len(values)))
	for _, v := range values {
		switch v {
		case "\x00":
			m = m.u8('n')
		case "\x01":
			m = m.u8('u')
		default:
			m = append(m.u8('t').u32(uint32(len(v))), v...)
		}
	}
	return m
}

type testColumn struct {
	name  string
	key   bool
	oid   uint32
	typed int32
}

func describing(oid uint32, table string, identity byte, columns ...testColumn) pgoutput {
	m := pgoutput{}.u8('R').u32(oid).str("public").str(table).u8(identity).u16(uint16(len(columns)))
	for _, c := range columns {
		flag := byte(0)
		if c.key {
			flag = 1
		}
		m = m.u8(flag).str(c.name).u32(c.oid).u32(uint32(c.typed))
	}
	return m
}

func beginning(xid uint32, commit uint64) pgoutput {
	return pgoutput{}.u8('B').u64(commit).u64(0).u32(xid)
}

func committing(commit, end uint64) pgoutput {
	return pgoutput{}.u8('C').u8(0).u64(commit).u64(end).u64(0)
}

const longText = "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"

var benchColumns = []testColumn{{"id", true, 20, -1}, {"a", false, 23, -1}, {"b", false, 23, -1}, {"c", false, 23, -1}, {"n", false, 1700, 10<<16 | 2 + 4}, {"t", false, 25, -1}, {"at", false, 1184, -1}}

// benchStream is a table as the measurements have it, and an insert into it.
func benchStream(t testing.TB) (*decoder, pgoutput) {
	d := &decoder{
		source: change.Source{Version: "1.0.0", Connector: "postgresql", Name: "crm", DB: "crm", Snapshot: change.NoSnapshot},
		types:  postgres.BuiltinTypes(), includes: func(tableName) bool { return true }, last: 29_000_000,
	}
	table := describing(16384, "bench", 'd', benchColumns...)
	for _, m := range []pgoutput{beginning(852, 30_000_000), table} {
		if _, err := d.decode(m, 1); err != nil {
			t.Fatal(err)
		}
	}
	return d, pgoutput{}.u8('I').u32(16384).values('N', "300000", "300000", "300000", "300000", "42857.14", longText, "2026-11-22 18:24:02.123456+00")
}

// discarding takes records and keeps nothing.
type discarding struct{ bytes int }

func (s *discarding) Send(_ context.Context, r Record, done func(error)) {
	s.bytes += len(r.Value)
	done(nil)
}

// BenchmarkChange is the way of one insert from the message to the record, without the server.
func BenchmarkChange(b *testing.B) {
	d, insert := benchStream(b)
	c := Default()
	c.TopicPrefix = "crm"
	sink := &discarding{}
	e := newEmitter(&c, sink, "run", new(atomic.Uint64), slog.New(slog.DiscardHandler))
	f := (&tracker{}).begin()
	b.ReportAllocs()
	for b.Loop() {
		step, err := d.decode(insert, 30_000_001)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.emit(b.Context(), &step.events[0], f); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(sink.bytes / b.N))
}

// BenchmarkDecode is the first half of it.
func BenchmarkDecode(b *testing.B) {
	d, insert := benchStream(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.decode(insert, 30_000_001); err != nil {
			b.Fatal(err)
		}
	}
}

// A change costs one allocation to read: the text that all its values are parts of. More than that is felt at a quarter of a million a second.
func TestReadingAChangeAllocatesOnce(t *testing.T) {
	d, insert := benchStream(t)
	update := pgoutput{}.u8('U').u32(16384).values('N', "1", "2", "3", "4", "5.00", "\x01", "\x00")
	for name, m := range map[string]pgoutput{"insert": insert, "update": update} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := d.decode(m, 1); err != nil {
				t.Fatal(err)
			}
		})
		if got > 1 {
			t.Errorf("%s: %v allocations, want 1", name, got)
		}
	}
}

// What a row of many megabytes held is let go of with the next message, whatever table that is of.
func TestALargeRowIsNotHeld(t *testing.T) {
	t.Parallel()
	d, _ := benchStream(t)
	large := pgoutput{}.u8('I').u32(16384).values('N', "1", "2", "3", "4", "5.00", strings.Repeat("x", largeRow), "\x00")
	if _, err := d.decode(large, 1); err != nil {
		t.Fatal(err)
	}
	if d.tables[16384].now == nil {
		t.Fatal("the row is gone before anybody read it")
	}
	if _, err := d.decode(committing(1, 2), 1); err != nil {
		t.Fatal(err)
	}
	if d.tables[16384].now != nil {
		t.Error("the row is still held")
	}
}
