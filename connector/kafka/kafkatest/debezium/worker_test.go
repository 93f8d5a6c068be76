package debezium_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/debezium"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, func(code int) int {
		kafkatest.Stop()
		if err := goleak.Find(); err != nil && code == 0 {
			println(err.Error())
			return 1
		}
		return code
	})
}

func need(t *testing.T) {
	t.Helper()
	if testing.Short() && os.Getenv("CI") == "" {
		t.Skip("SKIPPED: Debezium is left out by -short")
	}
	switch err := debezium.Missing(); {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
}

// What is committed after AwaitStreaming is an event of the stream, what was there before is read; Stop leaves nothing behind.
func TestDebeziumReadsAndStreams(t *testing.T) {
	t.Parallel()
	need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dsn, bootstrap := pgtest.Database(t), kafkatest.SharedApache(t)
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE TABLE pair (id int PRIMARY KEY, v text); INSERT INTO pair VALUES (1, 'before')"); err != nil {
		t.Fatal(err)
	}
	prefix := kafkatest.Name(t)
	worker, err := debezium.Start(ctx, debezium.Config{Bootstrap: bootstrap[0], DSN: dsn, Connector: map[string]string{
		"topic.prefix": prefix, "slot.name": "slot_" + strings.ToLower(t.Name()), "publication.autocreate.mode": "filtered", "table.include.list": "public.pair",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Stop()
	if err := worker.AwaitStreaming(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "INSERT INTO pair VALUES (2, 'after')"); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.ConsumeTopics(prefix+".public.pair"), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var values []string
	for len(values) < 2 && ctx.Err() == nil {
		for _, r := range client.PollFetches(ctx).Records() {
			values = append(values, string(r.Value))
		}
	}
	if len(values) != 2 || !strings.Contains(values[0], `"op":"r"`) || !strings.Contains(values[1], `"op":"c"`) {
		t.Fatalf("got %q, want a row read and a row created", values)
	}
	if used, err := worker.Usage(); err != nil || used.RSS < 20<<20 || used.Peak < used.RSS || used.CPU <= 0 {
		t.Errorf("a JVM that has worked used %+v (%v)", used, err)
	}
	worker.Stop()
	if _, err := os.Stat(worker.Dir()); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
}

func TestAFailedTaskIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	worker, err := debezium.Start(ctx, debezium.Config{Bootstrap: kafkatest.SharedApache(t)[0], DSN: pgtest.Database(t), Connector: map[string]string{
		"topic.prefix": kafkatest.Name(t), "slot.name": "refused", "publication.autocreate.mode": "disabled",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Stop()
	if err := worker.AwaitStreaming(ctx); err == nil || !strings.Contains(err.Error(), "ublication") {
		t.Errorf("AwaitStreaming = %v; want Debezium's complaint about the missing publication", err)
	}
}
