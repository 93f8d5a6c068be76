package cdc

import (
	"context"
	"strings"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// Topics lists the topics that the captured tables have now, and those of heartbeats and messages where they are on: who makes topics
// has to know them beforehand. It only reads.
func Topics(ctx context.Context, c Config) ([]string, error) {
	f, err := newFilter(c.Tables)
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
	var topics []string
	for _, t := range tables {
		topics = append(topics, topicName(c.TopicPrefix, t.schema, t.name))
	}
	if c.HeartbeatInterval > 0 {
		topics = append(topics, strings.TrimSuffix(c.HeartbeatPrefix, ".")+"."+c.TopicPrefix)
	}
	if c.Messages {
		topics = append(topics, topicName(c.TopicPrefix, "message"))
	}
	if c.TransactionInfo {
		topics = append(topics, topicName(c.TopicPrefix, transactionTopic))
	}
	return topics, nil
}
