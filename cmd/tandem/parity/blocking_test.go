package parity

import (
	"context"
	"errors"
	"testing"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/debezium"
)

// TestParityBlocking asks both for blocking snapshots of tables that nobody writes to: the rows, their marks and what comes after them have to be the same.
func TestParityBlocking(t *testing.T) {
	if !*compare {
		t.Skip("SKIPPED: make parity runs it, with Debezium beside us")
	}
	if err := debezium.Missing(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), runMax, errors.New("the run's patience of "+runMax.String()+" is over"))
	defer cancel()
	w := newWorld(t, ctx)
	tables := []string{"public.a", "public.b", "public.c", "public.empty", "public.keyless", "public.one", "public.root", "public.zz_last"}
	w.exec(t, ctx, "CREATE TABLE "+endTable+" (id int PRIMARY KEY)", `CREATE TABLE a (id int PRIMARY KEY, t text, n numeric(9, 2), at timestamptz); INSERT INTO a SELECT i, 'row ' || i, i / 3.0, '2026-01-01Z' FROM generate_series(1, 700) i;
		CREATE TABLE b (y int, x text, v bool, PRIMARY KEY (x, y)); INSERT INTO b SELECT i, 'x' || i % 7, i % 2 = 0 FROM generate_series(1, 90) i; CREATE TABLE c (id int PRIMARY KEY, j jsonb, n int); INSERT INTO c SELECT i, '[1]', i FROM generate_series(1, 40) i;
		CREATE TABLE empty (id int PRIMARY KEY); CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (1); CREATE TABLE keyless (t text); ALTER TABLE keyless REPLICA IDENTITY FULL; INSERT INTO keyless VALUES ('k'), (NULL);
		CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE root_1 PARTITION OF root FOR VALUES FROM (0) TO (9); INSERT INTO root VALUES (3), (4);
		CREATE TABLE zz_last (id int PRIMARY KEY); INSERT INTO zz_last VALUES (1)`)
	topic := w.prefixes[0] + "-asked"
	w.makeTopic(t, ctx, topic)
	w.startEach(t, ctx, map[string]string{"snapshot.mode": "no_data", "signal.enabled.channels": "kafka", "signal.kafka.topic": topic, "snapshot.max.threads": "1"},
		map[string]string{"signal.kafka.bootstrap.servers": w.bootstrap[0], "signal.consumer.auto.offset.reset": "earliest"})
	w.ask(t, ctx, topic, map[string]any{"data-collections": tables, "type": "blocking", "additional-conditions": []map[string]string{{"data-collection": "public.c", "filter": "SELECT * FROM public.c WHERE id % 2 = 0"}}})
	for _, prefix := range w.prefixes {
		w.awaitRecord(t, ctx, "public.zz_last", prefix)
	}
	w.exec(t, ctx, "UPDATE a SET t = 'after' WHERE id = 5; INSERT INTO keyless VALUES ('after')")
	w.finish(t, ctx)
	theirs, ours := w.collect(t, ctx, w.prefixes[0]), w.collect(t, ctx, w.prefixes[1])
	events := 0
	for _, table := range tables {
		a, b := w.events(t, theirs[table], w.prefixes[0]), w.events(t, ours[table], w.prefixes[1])
		events += len(a)
		for _, d := range compareTopic("blocking", table, a, b) {
			t.Errorf("%s, %s, %s: Debezium %s, we %s", table, d.key, d.field, d.debezium, d.ours)
		}
	}
	if want := 700 + 90 + 20 + 1 + 2 + 2 + 1 + 2; events != want {
		t.Errorf("Debezium told %d events, want %d: this compares less than it says", events, want)
	}
	t.Logf("%d tables, %d events of Debezium's compared", len(tables), events)
}
