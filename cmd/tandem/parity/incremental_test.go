package parity

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/debezium"
)

// TestParityIncremental asks both for the same tables with the same signals, through Kafka, while the stream goes on: what is read has to be the same, as what a snapshot
// at the start reads is. Tables without a key are left out: Debezium does not read them.
func TestParityIncremental(t *testing.T) {
	if !*compare {
		t.Skip("SKIPPED: make parity runs it, with Debezium beside us")
	}
	if err := debezium.Missing(); err != nil {
		t.Fatal(err)
	}
	themes := readThemes(t)
	found := ledger{themes: themes, pairs: pairs{any: true, met: map[string]map[string]bool{}}} // which columns differ is said by the rules; their values are compared in the snapshots at the start
	ctx, cancel := context.WithTimeoutCause(t.Context(), runMax, errors.New("the run's patience of "+runMax.String()+" is over"))
	defer cancel()
	w := newWorld(t, ctx)
	w.exec(t, ctx, "CREATE TABLE "+endTable+" (id int PRIMARY KEY)", "CREATE TABLE public.zz_last (id int PRIMARY KEY); INSERT INTO public.zz_last VALUES (1)",
		"CREATE TABLE public.filtered (id int PRIMARY KEY, n text); INSERT INTO public.filtered SELECT i, 'n' || i FROM generate_series(1, 2500) i")
	for _, th := range themes {
		if slices.Contains(streamed, th.name) {
			continue
		}
		w.exec(t, ctx, th.schema...)
		w.exec(t, ctx, th.both...)
	}
	topic := w.prefixes[0] + "-asked"
	w.makeTopic(t, ctx, topic)
	w.startEach(t, ctx, map[string]string{"snapshot.mode": "no_data", "read.only": "true", "signal.enabled.channels": "kafka", "signal.kafka.topic": topic},
		map[string]string{"signal.kafka.bootstrap.servers": strings.Join(w.bootstrap, ","), "signal.consumer.auto.offset.reset": "earliest"})
	asked := append(w.keyed(t, ctx), "public.filtered", "public.zz_last")
	w.ask(t, ctx, topic, map[string]any{"data-collections": asked, "type": "INCREMENTAL",
		"additional-conditions": []map[string]string{{"data-collection": "public.filtered", "filter": "id % 100 = 1 OR n = 'n7'"}}})
	for _, prefix := range w.prefixes {
		w.awaitRecord(t, ctx, "public.zz_last", prefix)
	}
	w.finish(t, ctx)
	theirs, ours := w.collect(t, ctx, w.prefixes[0]), w.collect(t, ctx, w.prefixes[1])
	var differ []difference
	events := 0
	for _, table := range asked {
		a, b := w.events(t, theirs[table], w.prefixes[0]), w.events(t, ours[table], w.prefixes[1])
		events += len(a)
		differ = append(differ, compareTopic("incremental", table, a, b)...)
	}
	if err := showColumns(ctx, w.conn, differ); err != nil {
		t.Error(err)
	}
	t.Logf("%d tables, %d rows of Debezium's compared, %d fields differ", len(asked), events, len(differ))
	found.add(t, differ)
}

// keyed lists the tables that both can read.
func (w *world) keyed(t *testing.T, ctx context.Context) []string {
	t.Helper()
	rows, err := w.conn.Query(ctx, `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND c.relname ~ '^[a-z0-9_]+$'
		AND c.relname NOT IN ('parity_end', 'zz_last', 'filtered') AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func (w *world) makeTopic(t *testing.T, ctx context.Context, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// ask sends one signal to each.
func (w *world) ask(t *testing.T, ctx context.Context, topic string, data map[string]any) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	value, err := json.Marshal(map[string]any{"type": "execute-snapshot", "data": data})
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range w.prefixes {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(prefix), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// startEach is start with options that only Debezium is given.
func (w *world) startEach(t *testing.T, ctx context.Context, common, theirs map[string]string) {
	t.Helper()
	all := map[string]string{"name": "parity", "table.include.list": `.*`, "publication.autocreate.mode": "filtered"}
	maps.Copy(all, common)
	first := map[string]string{"topic.prefix": w.prefixes[0], "slot.name": "theirs", "publication.name": "theirs", "publish.via.partition.root": "true", "errors.max.retries": "0"}
	second := map[string]string{"topic.prefix": w.prefixes[1], "slot.name": "ours", "publication.name": "ours"}
	maps.Copy(first, all)
	maps.Copy(first, theirs)
	maps.Copy(second, all)
	var err error
	if w.theirs, err = debezium.Start(ctx, debezium.Config{Bootstrap: w.bootstrap[0], DSN: w.dsn, Connector: first}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.theirs.Stop)
	w.ours = startTandem(t, w.dsn, w.bootstrap, second)
	if err := w.theirs.AwaitStreaming(ctx); err != nil {
		t.Fatal(err)
	}
	w.awaitOurs(t, ctx)
	for !strings.Contains(w.ours.log.String(), "listens for signals") { // what comes before that is not for it
		select {
		case <-ctx.Done():
			t.Fatalf("tandem does not listen:\n%s", w.ours.log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
