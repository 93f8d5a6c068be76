package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/connector/telemetry"
	"github.com/tandem-sync/tandem/sink"
)

// countedAlerts counts alerts once they are published.
type countedAlerts struct {
	sink.Publisher
	metrics *telemetry.Metrics
}

// SendBatch implements sink.Publisher.
func (c countedAlerts) SendBatch(ctx context.Context, records []kafka.Record) error {
	if err := c.Publisher.SendBatch(ctx, records); err != nil {
		return err
	}
	for _, r := range records {
		var a ledger.Alert
		if json.Unmarshal(r.Value, &a) == nil { // what we wrote ourselves can be read
			c.metrics.Alerted(a.Kind)
		}
	}
	return nil
}

// lagEvery is how often the server is asked how much WAL it keeps for us; a scrape comes every 15 s by default.
const lagEvery = 10 * time.Second

// lag is a service that measures how far a slot is behind.
func (a *app) lag(name string, c cdc.Config) *sink.Loop {
	db := c.Database
	db.ApplicationName = "tandem " + name + " lag"
	step := func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, lagEvery)
		defer cancel()
		bytes, ok, err := slotLag(ctx, db, c.Slot)
		a.metrics.Reachable("postgres", err == nil)
		if ok {
			a.metrics.Connector(name).ReplicationLag(bytes)
		}
		return 0, nil // the source itself says what is wrong
	}
	return sink.NewLoop(name+" lag", nil, step, lagEvery, a.log)
}

// slotLag gives the bytes of WAL between what a slot has confirmed and the server's end; false while there is no slot.
func slotLag(ctx context.Context, db postgres.Config, slot string) (bytes uint64, ok bool, err error) {
	conn, err := postgres.Connect(ctx, db)
	if err != nil {
		return 0, false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const ask = `SELECT greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn))::bigint FROM pg_replication_slots
		WHERE slot_name = $1 AND confirmed_flush_lsn IS NOT NULL`
	rows, err := conn.Query(ctx, ask, slot)
	if err != nil {
		return 0, false, fmt.Errorf("measure the slot's lag: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(found) == 0 {
		return 0, false, err
	}
	return uint64(found[0]), true, nil
}
