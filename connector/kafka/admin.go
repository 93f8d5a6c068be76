package kafka

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Admin asks and changes the cluster: topics and lag. Safe for concurrent use. Close it.
type Admin struct {
	config Config
	client *kgo.Client
	admin  *kadm.Client
}

// OpenAdmin builds the client; no broker is asked yet.
func OpenAdmin(config Config) (*Admin, error) {
	client, _, err := config.client(adminRole, noOptions)
	if err != nil {
		return nil, err
	}
	return &Admin{config: config, client: client, admin: kadm.NewClient(client)}, nil
}

// Close ends the client's connections.
func (a *Admin) Close() { a.client.Close() }

// Ping asks any broker whether it is there.
func (a *Admin) Ping(ctx context.Context) error { return wrap("reach kafka", "", a.client.Ping(ctx)) }

// PartitionLag is how far a group is behind in one partition.
type PartitionLag struct {
	Topic     string
	Partition int32
	Committed int64 // the next offset to be read; -1: none yet
	End       int64 // the last stable offset: what read_committed consumers can see
	Lag       int64 // what is still to be read, from the log's start when nothing is committed. Counts markers too.
}

// Lag is the group's distance from the end of every partition of topics, sorted. A group that does not exist has read nothing.
func (a *Admin) Lag(ctx context.Context, group string, topics ...string) ([]PartitionLag, error) {
	committed, err := a.admin.FetchOffsetsForTopics(ctx, group, topics...)
	if errors.Is(err, kerr.GroupIDNotFound) { // some brokers say so (KIP-1043), others answer with nothing
		committed, err = nil, nil
	}
	if err != nil {
		return nil, wrap("read committed offsets of group "+group, "", err)
	}
	starts, err := a.admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, wrap("list first offsets", "", err)
	}
	ends, err := a.admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, wrap("list last offsets", "", err)
	}
	var lags []PartitionLag
	ends.Each(func(end kadm.ListedOffset) {
		lag := PartitionLag{Topic: end.Topic, Partition: end.Partition, Committed: -1, End: end.Offset}
		from := int64(0)
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok {
			from = start.Offset
		}
		if c, ok := committed.Lookup(end.Topic, end.Partition); ok && c.Err == nil && c.At >= 0 {
			lag.Committed = c.At
			from = max(from, c.At)
		}
		lag.Lag = max(0, end.Offset-from)
		lags = append(lags, lag)
	})
	slices.SortFunc(lags, func(a, b PartitionLag) int {
		if a.Topic != b.Topic {
			if a.Topic < b.Topic {
				return -1
			}
			return 1
		}
		return int(a.Partition - b.Partition)
	})
	return lags, nil
}
