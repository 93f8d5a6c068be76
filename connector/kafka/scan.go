package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	scanBytes = 4 << 20                // one fetch
	scanWait  = 100 * time.Millisecond // how long a broker may hold a fetch at the end of a log
)

// scanTopic reads every committed record of a topic from its beginning to the end that it has now, and calls each in
// order per partition.
//
// The end is the last record's, not the last stable offset: behind a transaction that somebody else has open there may be committed records.
// They are waited for: as long as that transaction takes, at most its transaction.timeout.ms.
//
// It sends its own fetch requests instead of polling: after compaction the offsets before the end need not hold a record any
// more, and only a fetch's answer tells "nothing there" from "not yet arrived". Reading a state topic short would be a
// start from a stale position.
func scanTopic(ctx context.Context, client *kgo.Client, topic string, each func(Record)) error {
	admin := kadm.NewClient(client)
	firsts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = firsts.Error()
	}
	if err != nil {
		return wrap("list first offsets of "+topic, "", err)
	}
	lasts, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = lasts.Error()
	}
	if err != nil {
		return wrap("list last offsets of "+topic, "", err)
	}
	for _, last := range lasts.Offsets().Sorted() {
		first, _ := firsts.Lookup(topic, last.Partition)
		s := scan{client: client, admin: admin, topic: topic, partition: last.Partition, at: first.Offset, end: last.At, each: each}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("read %s/%d: %w", topic, last.Partition, err)
		}
	}
	return nil
}

// scan is the reading of one partition.
type scan struct {
	client    *kgo.Client
	admin     *kadm.Client
	topic     string
	partition int32
	at, end   int64
	each      func(Record)
}

// run fetches until at reaches end. A leader that moves or is away for a moment is waited for until ctx ends.
func (s *scan) run(ctx context.Context) error {
	pauses := backoff.WithContext(backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0)), ctx)
	for s.at < s.end {
		err := backoff.Retry(func() error {
			err := s.fetch(ctx)
			if errors.Is(err, kerr.OffsetOutOfRange) && s.follow(ctx) {
				return nil
			}
			if err != nil && !Retryable(err) && classify(err) == permanent {
				return backoff.Permanent(err)
			}
			return err
		}, pauses)
		if err != nil {
			return wrap("fetch", s.topic, err)
		}
	}
	return nil
}

// follow goes on where the partition begins by now: the cleaner may move that on between the list of offsets and a fetch. What it took is superseded further on.
func (s *scan) follow(ctx context.Context) bool {
	firsts, err := s.admin.ListStartOffsets(ctx, s.topic)
	if err != nil {
		return false
	}
	first, ok := firsts.Lookup(s.topic, s.partition)
	if !ok || first.Err != nil || first.Offset <= s.at {
		return false
	}
	s.at = first.Offset
	return true
}

// fetch asks the leader once and moves at past what it got.
func (s *scan) fetch(ctx context.Context) error {
	details, err := s.admin.ListTopics(ctx, s.topic)
	if err != nil {
		return err
	}
	detail := details[s.topic]
	part, ok := detail.Partitions[s.partition]
	if err := errors.Join(detail.Err, part.Err); err != nil || !ok {
		return errors.Join(err, kerr.UnknownTopicOrPartition)
	}
	answer, err := s.request(detail).RequestWith(ctx, s.client.Broker(int(part.Leader)))
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return fmt.Errorf("the broker's answer lacks the partition: %w", kerr.UnknownTopicOrPartition)
	}
	return s.take(&answer.Topics[0].Partitions[0])
}

func (s *scan) request(detail kadm.TopicDetail) *kmsg.FetchRequest {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = s.partition, s.at, scanBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = s.topic, detail.ID // by name up to version 12, by id from 13 on
	topic.Partitions = append(topic.Partitions, part)
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(scanWait.Milliseconds()), 1, scanBytes
	req.IsolationLevel = 1 // read committed
	req.SessionEpoch = -1  // no fetch session (KIP-227)
	req.Topics = append(req.Topics, topic)
	return req
}

// errShort is an answer that ends before the end that we asked for at the beginning.
var errShort = &Error{Op: "fetch", Err: errors.New("a transaction is open, or the leader has not caught up yet"), kind: retryable}

// take hands the records on. An answer without a single batch, below the end, says that compaction left nothing there; but
// only if it comes from a leader that can see that far (after an election its high watermark may still be behind).
func (s *scan) take(part *kmsg.FetchResponseTopicPartition) error {
	if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
		return err
	}
	empty := len(part.RecordBatches) == 0
	got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: s.at, IsolationLevel: kgo.ReadCommitted(), Topic: s.topic, Partition: s.partition,
	}, part, kgo.DefaultDecompressor(), nil)
	if got.Err != nil {
		return got.Err
	}
	for _, r := range got.Records {
		if r.Offset < s.end {
			s.each(fromWire(r))
		}
	}
	switch {
	case empty && part.LastStableOffset < s.end:
		return errShort
	case empty:
		s.at = s.end
	case next <= s.at:
		return fmt.Errorf("no progress at offset %d", s.at)
	default:
		s.at = next
	}
	return nil
}
