package cdc

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/cdc/pgoutput/pgoutputtest"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// discarding takes records and keeps nothing.
type discarding struct{ bytes int }

func (s *discarding) Send(_ context.Context, r Record, done func(error)) {
	s.bytes += len(r.Value)
	done(nil)
}

// BenchmarkChange is the way of one insert from the message to the record, without the server.
func BenchmarkChange(b *testing.B) {
	d := &pgoutput.Decoder{
		Source: change.Source{Version: "1.0.0", Connector: "postgresql", Name: "crm", DB: "crm", Snapshot: change.NoSnapshot},
		Types:  postgres.BuiltinTypes(), Includes: func(pgoutput.Table) bool { return true },
	}
	for _, m := range []pgoutputtest.Message{pgoutputtest.Begin(852, 30_000_000), pgoutputtest.Describe(pgoutputtest.Bench, "bench", 'd', pgoutputtest.BenchColumns...)} {
		if _, err := d.Decode(m, 1); err != nil {
			b.Fatal(err)
		}
	}
	insert := pgoutputtest.Insert()
	c := Default()
	c.TopicPrefix = "crm"
	sink := &discarding{}
	e := newEmitter(&c, sink, "run", new(atomic.Uint64), slog.New(slog.DiscardHandler))
	f := (&tracker{}).begin()
	b.ReportAllocs()
	for b.Loop() {
		step, err := d.Decode(insert, 30_000_001)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.emit(b.Context(), &step.Events[0], f); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(sink.bytes / b.N))
}
