package cdc

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// countingSink acknowledges at once and keeps nothing.
type countingSink struct {
	n    atomic.Int64
	want int64
	done chan struct{}
}

func (s *countingSink) Send(_ context.Context, _ Record, done func(error)) {
	if s.n.Add(1) == s.want {
		close(s.done)
	}
	done(nil)
}

const benchTable = `CREATE TABLE bench (id bigserial PRIMARY KEY, a int, b int, c int, n numeric(10,2), t text, at timestamptz)`

const benchRows = `INSERT INTO bench (a, b, c, n, t, at) SELECT i, i, i, i / 7.0, repeat('t', 120), now() FROM generate_series(1, %d) i`

// BenchmarkSnapshot and BenchmarkStream read b.N rows of about 190 bytes; rows a second are reported. Run with -benchtime=300000x.
func BenchmarkSnapshot(b *testing.B) { benchmark(b, true) }

func BenchmarkStream(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, snapshot bool) {
	dsn := pgtest.Database(b)
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	exec := func(sql string) {
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	exec(benchTable)
	c := Default()
	c.ExactlyOnceSupport = exactlyOnceDisabled
	c.TopicPrefix, c.Tables, c.Slot = "crm", []string{`public\.bench`}, "bench"
	c.Database.DSN = config.NewSecret(dsn)
	sink, offsets := &countingSink{want: int64(b.N), done: make(chan struct{})}, &memoryOffsets{}
	source, err := New(c, sink, offsets, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	start := func() {
		if err := source.Start(context.WithoutCancel(b.Context())); err != nil {
			b.Fatal(err)
		}
	}
	if !snapshot { // the slot first, then the rows, then the time
		start()
		for source.Status().Phase != phaseStreaming.String() { // ready is said while the tables are read, and a stop then would mean to read them again
			time.Sleep(time.Millisecond)
		}
		source.Stop()
	}
	exec(fmt.Sprintf(benchRows, b.N))
	b.ResetTimer()
	start()
	<-sink.done
	b.StopTimer()
	source.Stop()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
}
