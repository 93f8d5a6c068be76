package cdc

import (
	"context"
	"testing"

	"github.com/tandem-sync/tandem/cdc/pgoutput/pgoutputtest"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// A transaction that the slot has sent may not be seen by others yet: its key order was asked too early, and was the table's instead of the key's.
func TestTheCatalogIsAskedWhenItSeesTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	control, err := postgres.Connect(t.Context(), w.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close(context.Background())
	r := &reader{session: &session{control: control, facts: &facts{}}}
	tx, err := w.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var xid int64
	if err := tx.QueryRow(t.Context(), `SELECT txid_current()`).Scan(&xid); err != nil {
		t.Fatal(err)
	}
	read(t, r, pgoutputtest.Begin(uint32(xid), 100))
	early, stop := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { waited <- r.awaitVisible(early) }()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil || r.seen != change.LSN(100) {
		t.Errorf("committed: %v, seen %s", err, r.seen)
	}
	stop()
	read(t, r, pgoutputtest.Commit(100, 110), pgoutputtest.Begin(uint32(xid+1000), 200)) // nobody has begun it
	if err := r.awaitVisible(early); err == nil || r.seen == 200 {
		t.Errorf("a transaction that is not seen: %v", err)
	}
}

func read(t *testing.T, r *reader, messages ...pgoutputtest.Message) {
	t.Helper()
	for _, m := range messages {
		if _, err := r.decoder.Decode(m, 1); err != nil {
			t.Fatal(err)
		}
	}
}
