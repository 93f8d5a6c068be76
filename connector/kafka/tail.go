package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Tail reads a topic from a position on that its user keeps, without a group: every reader sees every record. Not safe for concurrent use. Close it.
type Tail struct {
	config  Config
	topic   string
	past    time.Duration
	client  *kgo.Client
	at      map[int32]int64 // the next offset of each partition
	waiting []*kgo.Record
}

// NewTail connects to nothing before Begin. past is how old records may be that are read by who has no position yet.
func NewTail(config Config, topic string, past time.Duration) *Tail {
	return &Tail{config: config, topic: topic, past: past}
}

// Begin makes the next record the first behind position, and gives the position that says so; "" stands for the topic's end as it is now, or was a while ago. What a position
// says nothing of, or what is not kept any more, is read from its beginning.
func (t *Tail) Begin(ctx context.Context, position string) (string, error) {
	t.Close()
	at := map[int32]int64{}
	if position != "" {
		if err := json.Unmarshal([]byte(position), &at); err != nil {
			return "", fmt.Errorf("read the position %q in %s: %w", position, t.topic, err)
		}
	}
	admin, _, err := t.config.client(adminRole, noOptions)
	if err != nil {
		return "", err
	}
	defer admin.Close()
	list := kadm.NewClient(admin).ListStartOffsets
	if position == "" {
		list = kadm.NewClient(admin).ListEndOffsets
	}
	if position == "" && t.past > 0 {
		list = func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return kadm.NewClient(admin).ListOffsetsAfterMilli(ctx, time.Now().Add(-t.past).UnixMilli(), topics...)
		}
	}
	ends, err := list(ctx, t.topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return "", wrap("look at the topic", t.topic, err)
	}
	offsets := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		at[o.Partition] = max(at[o.Partition], o.Offset)
		offsets[o.Partition] = kgo.NewOffset().At(at[o.Partition])
	})
	t.client, _, err = t.config.client(consumerRole, func(settings) []kgo.Opt {
		return []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.topic: offsets}), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	})
	if err != nil {
		return "", err
	}
	t.at = at
	return t.position(), nil
}

func (t *Tail) position() string {
	text, err := json.Marshal(t.at)
	if err != nil {
		panic(err) // numbers
	}
	return string(text)
}

// Next waits for a record, and gives it with the position behind it.
func (t *Tail) Next(ctx context.Context) (Record, string, error) {
	for len(t.waiting) == 0 {
		fetches := t.client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return Record{}, "", context.Cause(ctx)
		}
		if err := fetches.Err(); err != nil {
			return Record{}, "", wrap("fetch", t.topic, err)
		}
		t.waiting = fetches.Records()
	}
	r := t.waiting[0]
	t.waiting = t.waiting[1:]
	t.at[r.Partition] = r.Offset + 1
	return Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Time: r.Timestamp}, t.position(), nil
}

// Close may be called twice.
func (t *Tail) Close() {
	if t.client != nil {
		t.client.Close()
	}
	t.client, t.waiting = nil, nil
}
