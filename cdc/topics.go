package cdc

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/config"
)

// Topics lists the topics that the captured tables have now, and those of heartbeats and messages where they are on: who makes topics
// has to know them beforehand. It only reads, and a database that a start would refuse is a [CheckError] here already, so that no topics are left behind.
func Topics(ctx context.Context, c Config) (topics []string, err error) {
	err = inspect(ctx, c, func(_ *pgx.Conn, got *facts, problems config.Problems) error {
		if err := problems.Err(); err != nil {
			return &CheckError{err: fmt.Errorf("check the database: %w", err)}
		}
		topics = got.topics(c)
		return nil
	})
	return topics, err
}

func (f *facts) topics(c Config) (topics []string) {
	told, _ := newFilter(&c, c.Tables) // it is a part of what is captured
	n := c.naming()
	for _, t := range f.tables {
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
	return topics
}
