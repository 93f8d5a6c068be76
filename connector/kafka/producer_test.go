package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

func TestTooLargeIsATypedErrorAndNothingOfTheBatchIsSent(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic := kafkatest.Topic(t, bootstrap, 1)
		p := producer(t, kafkatest.Config(t, bootstrap))
		err := p.SendBatch(kafkatest.Context(t), []kafka.Record{
			{Topic: topic, Value: []byte("small")},
			{Topic: topic, Value: make([]byte, 1_100_000)},
		})
		if !kafka.TooLarge(err) || kafka.Retryable(err) || kafka.Unknown(err) {
			t.Errorf("beyond the producer's limit: %v; want too large, definite", err)
		}
		if err == nil || !strings.Contains(err.Error(), "max.message.bytes") {
			t.Errorf("the error says not what to do: %v", err)
		}
		send(t, p, topic, "k", "after")
		if got := readAll(t, bootstrap, topic, 1); len(got) != 1 || string(got[0].Value) != "after" {
			t.Errorf("the topic holds %d records", len(got))
		}

		narrow := kafkatest.Create(t, bootstrap, kafka.TopicSpec{Name: kafkatest.Name(t), Partitions: 1,
			Configs: map[string]string{"max.message.bytes": "2000"}})
		config := kafkatest.Config(t, bootstrap)
		config.ProducerOverrides = map[string]string{"compression.type": "none"}
		err = producer(t, config).SendBatch(kafkatest.Context(t), []kafka.Record{{Topic: narrow, Value: make([]byte, 5000)}})
		if !kafka.TooLarge(err) || kafka.Retryable(err) || kafka.Unknown(err) {
			t.Errorf("beyond the topic's limit: %v; want too large, definite", err)
		}
	})
}

// A topic may take less than a batch of ours: each record fits, and none of them may be stuck for ever.
func TestBatchesShrinkToWhatTheTopicTakes(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		narrow := kafkatest.Create(t, bootstrap, kafka.TopicSpec{Name: kafkatest.Name(t), Partitions: 1, Configs: map[string]string{"max.message.bytes": "20000"}})
		config := kafkatest.Config(t, bootstrap)
		config.ProducerOverrides = map[string]string{"compression.type": "none", "linger.ms": "50"}
		p := producer(t, config)
		var records []kafka.Record
		for i := range 300 {
			records = append(records, kafka.Record{Topic: narrow, Key: []byte("k"), Value: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 3000))})
		}
		err := p.SendBatch(kafkatest.Context(t), records)
		if !kafka.Retryable(err) || kafka.TooLarge(err) {
			t.Fatalf("batches beyond the topic's limit: got %v, want an error that is worth another try", err)
		}
		if err := p.SendBatch(kafkatest.Context(t), records); err != nil {
			t.Errorf("the next try: %v", err)
		}
		err = p.SendBatch(kafkatest.Context(t), []kafka.Record{{Topic: narrow, Value: make([]byte, 30_000)}})
		if !kafka.TooLarge(err) || kafka.Retryable(err) {
			t.Errorf("a record beyond the topic's limit: got %v, want too large, definite", err)
		}
	})
}

func TestATopicThatDoesNotExistIsSaidSo(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		err := producer(t, kafkatest.Config(t, bootstrap)).SendBatch(kafkatest.Context(t), []kafka.Record{{Topic: kafkatest.Name(t), Value: []byte("v")}})
		if !errors.Is(err, kerr.UnknownTopicOrPartition) || !kafka.Retryable(err) || kafka.Unknown(err) {
			t.Errorf("SendBatch = %v; want unknown topic, which may be created yet", err)
		}
	})
}

// What the broker answers decides what may be done next.
func TestOutcomesAreTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer             *kerr.Error
		times              int
		delivered          bool
		retryable, unknown bool
	}{
		{answer: kerr.NotLeaderForPartition, times: 2, delivered: true},
		{answer: kerr.NotEnoughReplicas, times: 2, delivered: true},
		{answer: kerr.NotEnoughReplicasAfterAppend, times: 2, delivered: true}, // retried, and not doubled: idempotence
		{answer: kerr.InvalidTimestamp, times: 1},
		{answer: kerr.TopicAuthorizationFailed, times: 1},
	} {
		t.Run(c.answer.Message, func(t *testing.T) {
			t.Parallel()
			cluster, bootstrap := kafkatest.OwnKfake(t)
			topic := kafkatest.Topic(t, bootstrap, 1)
			p := producer(t, kafkatest.Config(t, bootstrap))
			fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: c.answer, Count: c.times})
			err := p.SendBatch(kafkatest.Context(t), []kafka.Record{{Topic: topic, Value: []byte("v")}})
			if fault.Hits() != c.times {
				t.Errorf("the fault was met %d times, want %d", fault.Hits(), c.times)
			}
			if (err == nil) != c.delivered || kafka.Retryable(err) != c.retryable || kafka.Unknown(err) != c.unknown {
				t.Errorf("SendBatch = %v (retryable %t, unknown %t)", err, kafka.Retryable(err), kafka.Unknown(err))
			}
			want := 0
			if c.delivered {
				want = 1
			}
			if n := len(readRawOrNone(t, bootstrap, topic)); n != want {
				t.Errorf("the topic holds %d records, want %d", n, want)
			}
		})
	}
}

func readRawOrNone(t *testing.T, bootstrap []string, topic string) []kafka.Record {
	t.Helper()
	if committedEnds(t, bootstrap, topic) == 0 {
		return nil
	}
	return readRaw(t, bootstrap, topic)
}

// A connection that dies after the broker has applied a batch: retried, in order, not doubled.
func TestALostAnswerDoublesNothing(t *testing.T) {
	t.Parallel()
	cluster, bootstrap := kafkatest.OwnKfake(t)
	topic := kafkatest.Topic(t, bootstrap, 1)
	p := producer(t, kafkatest.Config(t, bootstrap))
	send(t, p, topic, "k", "0")
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.RequestTimedOut, Count: 3}) // answered so after it was applied
	send(t, p, topic, "k", sequence(1, 20)...)
	if fault.Hits() == 0 {
		t.Fatal("the fault was not met")
	}
	if diff := cmp.Diff(sequence(0, 20), values(readRaw(t, bootstrap, topic))); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func values(records []kafka.Record) (out []string) {
	for _, r := range records {
		out = append(out, string(r.Value))
	}
	return out
}

// Kafka away and the buffer full: the sender blocks, and its context frees it; what is queued stays queued.
func TestAFullBufferBlocksTheSender(t *testing.T) {
	t.Parallel()
	broker := kafkatest.OwnEmbedded(t)
	topic := kafkatest.Topic(t, broker.Bootstrap, 1)
	config := kafkatest.Config(t, broker.Bootstrap)
	config.ProducerOverrides = map[string]string{"buffer.memory": "20000", "max.request.size": "10000"}
	p := producer(t, config)
	broker.Halt()

	var acknowledged, refused atomic.Int32
	outcome := func(err error) {
		if err == nil {
			acknowledged.Add(1)
			return
		}
		refused.Add(1)
		if !kafka.Retryable(err) || kafka.Unknown(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("refused with %v; want retryable, with the context's reason", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	sent := 0
	for ctx.Err() == nil {
		p.Send(ctx, kafka.Record{Topic: topic, Value: fmt.Appendf(nil, "%04000d", sent)}, outcome)
		sent++
	}
	if sent != 5 { // 4 of 4000 bytes and their overhead fit 20000; the fifth waits
		t.Errorf("%d records were taken in, want 4 and one refused", sent)
	}
	if refused.Load() != 1 || acknowledged.Load() != 0 {
		t.Errorf("refused %d, acknowledged %d", refused.Load(), acknowledged.Load())
	}
	broker.Resume()
	if err := p.Flush(kafkatest.Context(t)); err != nil {
		t.Fatal(err)
	}
	if acknowledged.Load() != 4 {
		t.Errorf("acknowledged %d after Kafka came back, want 4", acknowledged.Load())
	}
}

// A batch whose caller gives up is unknown: it may still arrive.
func TestGivingUpIsUnknown(t *testing.T) {
	t.Parallel()
	broker := kafkatest.OwnEmbedded(t)
	topic := kafkatest.Topic(t, broker.Bootstrap, 1)
	p := producer(t, kafkatest.Config(t, broker.Bootstrap))
	broker.Halt()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := p.SendBatch(ctx, []kafka.Record{{Topic: topic, Value: []byte("v")}})
	if !kafka.Unknown(err) || kafka.Retryable(err) {
		t.Errorf("SendBatch = %v; want unknown", err)
	}
	broker.Resume()
	if err := p.Flush(kafkatest.Context(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(readRaw(t, broker.Bootstrap, topic)); n != 1 {
		t.Errorf("%d records arrived", n)
	}
}
