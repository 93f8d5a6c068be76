package cdc

import (
	"context"
	"fmt"
	"slices"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// Topics lists the topics that the captured tables have now, and those of heartbeats and messages where they are on: who makes topics
// has to know them beforehand. It only reads, and a database that a start would refuse is a [CheckError] here already, so that no topics are left behind.
func Topics(ctx context.Context, c Config) ([]string, error) {
	captured, err := newFilter(&c, c.captured())
	if err != nil {
		return nil, err
	}
	told, _ := newFilter(&c, c.Tables) // it is a part of those
	conn, err := postgres.Connect(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	got, problems, err := examine(ctx, conn, c, captured)
	if err != nil {
		return nil, err
	}
	if err := problems.Err(); err != nil {
		return nil, &CheckError{err: fmt.Errorf("check the database: %w", err)}
	}
	n := c.naming()
	var topics []string
	for _, t := range got.tables {
		if !told.includes(t.tableName) {
			continue
		}
		if topic, _, _ := n.table(t.tableName); !slices.Contains(topics, topic) {
			topics = append(topics, topic)
		}
	}
	if c.HeartbeatInterval > 0 {
		topics = append(topics, n.heartbeat())
	}
	if c.Messages {
		topics = append(topics, n.message())
	}
	if c.TransactionInfo {
		topics = append(topics, n.transaction())
	}
	return topics, nil
}
