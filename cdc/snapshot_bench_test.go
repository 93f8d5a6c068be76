package cdc

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// BenchmarkSnapshotOfLargeRows reads b.N rows of four megabytes on four connections and reports what the program took from the machine. Run with
// -benchtime=100x: the issue allows a snapshot 96 MiB.
func BenchmarkSnapshotOfLargeRows(b *testing.B) {
	dsn := pgtest.Database(b)
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(b.Context(), `CREATE TABLE blob (id int PRIMARY KEY, b text); ALTER TABLE blob ALTER b SET STORAGE EXTERNAL`); err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Exec(b.Context(), `INSERT INTO blob SELECT i, repeat('x', 4000000) FROM generate_series(1, $1) i`, b.N); err != nil {
		b.Fatal(err)
	}
	c := Default()
	c.ExactlyOnceSupport, c.RecordBytesMax = exactlyOnceDisabled, 900_000
	c.TopicPrefix, c.Tables, c.Slot, c.SnapshotThreads, c.snapshotPages = "crm", []string{`public\.blob`}, "large", 4, 1
	c.Database.DSN = config.NewSecret(dsn)
	sink := &slowSink{left: make(chan func(error), 1000)}
	source, err := New(c, sink, &memoryOffsets{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	go sink.acknowledge()
	b.ResetTimer()
	if err := source.Start(context.WithoutCancel(b.Context())); err != nil {
		b.Fatal(err)
	}
	for sink.taken.Load() < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	source.Stop()
	close(sink.left)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
}

// slowSink keeps records in flight for a while.
type slowSink struct {
	left  chan func(error)
	taken atomic.Int64
}

func (s *slowSink) Send(_ context.Context, r Record, done func(error)) {
	s.left <- func(err error) { done(err); _ = r.Value }
}

func (s *slowSink) acknowledge() {
	for done := range s.left {
		time.Sleep(time.Millisecond)
		done(nil)
		s.taken.Add(1)
	}
}
