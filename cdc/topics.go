package cdc

import (
	"context"
	"slices"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// Topics lists the topics that the captured tables have now, and those of heartbeats and messages where they are on: who makes topics
// has to know them beforehand. It only reads.
func Topics(ctx context.Context, c Config) ([]string, error) {
	f, err := newFilter(&c, c.Tables)
	if err != nil {
		return nil, err
	}
	conn, err := postgres.Connect(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tables, err := loadTables(ctx, conn, f)
	if err != nil {
		return nil, err
	}
	n := c.naming()
	var topics []string
	for _, t := range tables {
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
