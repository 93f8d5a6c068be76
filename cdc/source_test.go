package cdc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const contacts = `CREATE TABLE contact (id bigserial PRIMARY KEY, name text, phone text, note text)`

// The path of the brief: rows that were there, then every kind of change, each once and in order.
func TestSnapshotThenStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Ada'), ('Zoë')`)
	w.start(t)
	w.kafka.awaitCount(t, 2)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Bob')`)
	w.exec(t, `UPDATE contact SET phone = '1' WHERE id = 1`)
	w.exec(t, `UPDATE contact SET id = 7 WHERE id = 2`)
	w.exec(t, `DELETE FROM contact WHERE id = 3`)
	w.exec(t, `TRUNCATE contact`)
	w.exec(t, `INSERT INTO contact (name) VALUES ('Cyd')`)
	records := w.kafka.awaitCount(t, 10)
	want := []string{
		`r {"id":1}`, `r {"id":2}`, `c {"id":3}`, `u {"id":1}`, `d {"id":2}`, `- {"id":2}`, `c {"id":7}`, `d {"id":3}`, `- {"id":3}`, `c {"id":4}`,
	}
	if diff := cmp.Diff(want, summary(t, records)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
}
