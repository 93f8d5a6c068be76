package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that Kafka Connect takes for Debezium is taken as it is: what means nothing here is named, all at once, and none of it is an error.
func TestDebeziumsConfigurationLoads(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inventory.json")
	text := `{"name": "inventory", "config": {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1", "bootstrap.servers": "kafka:9092",
		"database.hostname": "postgres", "database.port": "5432", "database.user": "postgres", "database.password": "secret", "database.dbname": "postgres",
		"database.server.name": "dbserver1", "schema.include.list": "inventory", "plugin.name": "pgoutput", "slot.name": "debezium", "max.queue.size": "8192",
		"snapshot.mode": "initial", "decimal.handling.mode": "string", "tombstones.on.delete": "true", "column.exclude.list": "inventory.customers.email"}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	docs, problems := readDocuments([]string{file})
	if err := problems.Err(); err != nil || len(docs) != 1 {
		t.Fatalf("got %d documents, %v", len(docs), err)
	}
	a := newApp(slog.New(slog.DiscardHandler))
	found := a.checkDocuments(docs)
	if err := found.Err(); err != nil {
		t.Fatalf("it is refused: %v", err)
	}
	said := found.Error()
	for _, want := range []string{"plugin.name: a key of Debezium's, which has no effect here (changes are read with pgoutput", "max.queue.size: a key of Debezium's"} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing says %q:\n%s", want, said)
		}
	}
	var k cdcKeys
	if err := a.decode(docs[0].Document, &k).Err(); err != nil {
		t.Fatal(err)
	}
	if k.TopicPrefix != "dbserver1" || strings.Join(k.Tables, ",") != ".*" || strings.Join(k.Selection.Schemas, ",") != "inventory" || strings.Join(k.Columns.Exclude, ",") != "inventory.customers.email" {
		t.Errorf("got prefix %q, tables %q of schemas %q without %q", k.TopicPrefix, k.Tables, k.Selection.Schemas, k.Columns.Exclude)
	}
}
