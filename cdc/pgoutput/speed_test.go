package pgoutput

import (
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/cdc/pgoutput/pgoutputtest"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// benchStream is in a transaction, and knows the table that is measured.
func benchStream(t testing.TB) *Decoder {
	d := &Decoder{
		Source: change.Source{Version: "1.0.0", Connector: "postgresql", Name: "crm", DB: "crm", Snapshot: change.NoSnapshot},
		Types:  postgres.BuiltinTypes(), Includes: func(Table) bool { return true }, last: 29_000_000,
	}
	for _, m := range []pgoutputtest.Message{pgoutputtest.Begin(852, 30_000_000), pgoutputtest.Describe(pgoutputtest.Bench, "bench", 'd', pgoutputtest.BenchColumns...)} {
		if _, err := d.Decode(m, 1); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// BenchmarkDecode is the first half of the way of a change: cdc has the whole.
func BenchmarkDecode(b *testing.B) {
	d, insert := benchStream(b), pgoutputtest.Insert()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(insert, 30_000_001); err != nil {
			b.Fatal(err)
		}
	}
}

// A change costs one allocation to read: the text that all its values are parts of. More than that is felt at a quarter of a million a second.
func TestReadingAChangeAllocatesOnce(t *testing.T) {
	d, insert := benchStream(t), pgoutputtest.Insert()
	update := pgoutputtest.Message{}.U8('U').U32(16384).Values('N', "1", "2", "3", "4", "5.00", pgoutputtest.Unchanged, pgoutputtest.Null)
	for name, m := range map[string]pgoutputtest.Message{"insert": insert, "update": update} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := d.Decode(m, 1); err != nil {
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
	d := benchStream(t)
	large := pgoutputtest.Message{}.U8('I').U32(16384).Values('N', "1", "2", "3", "4", "5.00", strings.Repeat("x", largeRow), pgoutputtest.Null)
	if _, err := d.Decode(large, 1); err != nil {
		t.Fatal(err)
	}
	if d.tables[16384].now == nil {
		t.Fatal("the row is gone before anybody read it")
	}
	if _, err := d.Decode(pgoutputtest.Commit(1, 2), 1); err != nil {
		t.Fatal(err)
	}
	if d.tables[16384].now != nil {
		t.Error("the row is still held")
	}
}

// A description that a transaction brought counts after it, unless a newer one came from another meanwhile.
func TestTheNewestDescriptionCounts(t *testing.T) {
	t.Parallel()
	narrow := pgoutputtest.BenchColumns[:2]
	for name, newer := range map[string]bool{"the streamed one": false, "another since": true} {
		d := benchStream(t)
		d.tx = Transaction{}
		messages := []pgoutputtest.Message{pgoutputtest.Message{}.U8('S').U32(10).U8(1), append(pgoutputtest.Message{}.U8('R').U32(10), pgoutputtest.Describe(16384, "bench", 'd', narrow...)[1:]...), pgoutputtest.Message{}.U8('E')}
		if newer {
			messages = append(messages, pgoutputtest.Begin(30, 800), pgoutputtest.Describe(16384, "bench", 'd', pgoutputtest.BenchColumns[:3]...), pgoutputtest.Commit(800, 810))
		}
		for _, m := range append(messages, pgoutputtest.Message{}.U8('c').U32(10).U8(0).U64(900).U64(950).U64(0), pgoutputtest.Describe(16384, "bench", 'd', narrow...)) {
			if _, err := d.Decode(m, 5); err != nil {
				t.Fatal(err)
			}
		}
		d.Replayed()
		if got, want := len(d.tables[pgoutputtest.Bench].columns), map[bool]int{false: 2, true: 3}[newer]; got != want {
			t.Errorf("%s: %d columns, want %d", name, got, want)
		}
	}
}
