package bench

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// From the moment that COMMIT has returned to the moment that a consumer, who reads committed, has the record, exactly once: with a hundred transactions a second, and after a minute without any.
func TestCaptureLatency(t *testing.T) {
	d := captureDatabase(t)
	broker := kafkatest.SharedApache(t)[0]
	meter := newTopicMeter(t, broker)
	if _, err := meter.admin.CreateTopic(t.Context(), 1, 1, nil, "quick.public.bench"); err != nil {
		t.Fatal(err)
	}
	d.follow(capture{DSN: d.dsn, Slot: d.slot("quick"), Prefix: "quick", Bootstrap: broker})
	consumer, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("quick.public.bench"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	writer, err := pgx.Connect(t.Context(), d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close(context.Background())
	arrived := make(chan time.Time, 1)
	go func() {
		for t.Context().Err() == nil {
			consumer.PollFetches(t.Context()).EachRecord(func(*kgo.Record) { arrived <- time.Now() })
		}
	}()
	insert := func() time.Duration {
		if _, err := writer.Exec(t.Context(), `INSERT INTO bench (a, t) VALUES (1, 'x')`); err != nil {
			t.Fatal(err)
		}
		committed := time.Now()
		return max(0, (<-arrived).Sub(committed))
	}
	for range 100 { // connections, metadata, the first batches
		insert()
	}
	took := make([]time.Duration, 0, scaled(3000))
	for tick := time.NewTicker(10 * time.Millisecond); len(took) < cap(took); <-tick.C {
		took = append(took, insert())
	}
	report(30, fmt.Sprintf("commit to readable record, %d transactions at up to 100 a second", len(took)), "p99 50 ms", "p99 10 ms", "p50 %s, p99 %s, longest %s",
		percentile(took, 50).Round(10*time.Microsecond), percentile(took, 99).Round(10*time.Microsecond), percentile(took, 100).Round(10*time.Microsecond))
	time.Sleep(time.Minute)
	report(31, "first event after an idle minute", "20 ms", "5 ms", "%s", insert().Round(10*time.Microsecond))
}

// follow runs a source in this process until the test ends.
func (d *database) follow(c capture) {
	d.t.Helper()
	var keys cdc.Config
	if err := config.Decode(c.keys(), config.Resolver{}, &keys).Err(); err != nil {
		d.t.Fatal(err)
	}
	keys.Database.DSN, keys.Database.Host, keys.Database.Database = config.NewSecret(c.DSN), "", ""
	sink, shut, err := c.sink(d.t.Context(), &counting{done: make(chan error, 1)})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(shut)
	source, err := cdc.New(keys, sink, &forgetful{}, slog.New(slog.DiscardHandler))
	if err != nil {
		d.t.Fatal(err)
	}
	if err := source.Start(context.WithoutCancel(d.t.Context())); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(source.Stop)
	d.until("the source streams", `SELECT active::text FROM pg_replication_slots WHERE slot_name = $1`, c.Slot)
}
