package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// admin is a plain administrative client, for what the product never does.
func admin(t *testing.T, bootstrap []string) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// expire deletes a partition's records below an offset, as retention does.
func expire(t *testing.T, bootstrap []string, topic string, partition int32, below int64) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, partition, below, -1)
	answers, err := admin(t, bootstrap).DeleteRecords(kafkatest.Context(t), offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestExpiredRecordsAreReportedBeforeReadingGoesOn(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		p := producer(t, config)
		var d diary
		send(t, p, topic, "k", sequence(0, 3)...)
		c := consumer(t, config, options(t, group, topic), &d)
		stepAll(t, c, 3)
		c.Close()

		send(t, p, topic, "k", sequence(3, 10)...)
		expire(t, bootstrap, topic, 0, 8)
		g := gaps{err: errors.New("the ledger is away")}
		o := options(t, group, topic)
		o.OnGap = g.on
		c = consumer(t, config, o, &d)
		if n, err := step(t, c); n != 0 || !errors.Is(err, g.err) {
			t.Fatalf("step = %d, %v; want OnGap's error, and nothing handled before it worked", n, err)
		}
		if at := committed(t, bootstrap, group, topic)[0]; at != 3 {
			t.Errorf("committed offset %d before the gap was dealt with, want 3", at)
		}
		g.err = nil
		stepAll(t, c, 2)
		want := kafka.Gap{Topic: topic, Partition: 0, Wanted: 3, Resumed: 8, Reason: kafka.GapOutOfRange}
		if diff := cmp.Diff([]kafka.Gap{want, want}, g.all()); diff != "" {
			t.Errorf("gaps (the first call failed): want (-), got (+):\n%s", diff)
		}
		if diff := cmp.Diff(append(sequence(0, 3), "8", "9"), d.values()); diff != "" {
			t.Errorf("records: want (-), got (+):\n%s", diff)
		}
	})
}

// A restored or re-made topic is shorter than what was committed.
func TestAnOffsetBeyondTheEndIsAGapAndReadsFromTheEarliest(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		send(t, producer(t, config), topic, "k", sequence(0, 4)...)
		beyond := kadm.Offsets{}
		beyond.AddOffset(topic, 0, 1000, -1)
		if err := admin(t, bootstrap).CommitAllOffsets(kafkatest.Context(t), group, beyond); err != nil {
			t.Fatal(err)
		}
		var g gaps
		var d diary
		o := options(t, group, topic)
		o.OnGap = g.on
		stepAll(t, consumer(t, config, o, &d), 4)
		want := []kafka.Gap{{Topic: topic, Wanted: 1000, Resumed: 0, Reason: kafka.GapOutOfRange}}
		if diff := cmp.Diff(want, g.all()); diff != "" {
			t.Errorf("gaps: want (-), got (+):\n%s", diff)
		}
		if at := committed(t, bootstrap, group, topic)[0]; at != 4 {
			t.Errorf("committed offset %d, want 4", at)
		}
	})
}

func TestANewGroupStartsAtTheEarliestAndSaysWhenThatIsNotTheBeginning(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic := kafkatest.Topic(t, bootstrap, 1)
		config := kafkatest.Config(t, bootstrap)
		send(t, producer(t, config), topic, "k", sequence(0, 5)...)

		var whole diary
		stepAll(t, consumer(t, config, options(t, kafkatest.Name(t), topic), &whole), 5) // options fail the test on a gap
		if diff := cmp.Diff(sequence(0, 5), whole.values()); diff != "" {
			t.Errorf("a new group: want (-), got (+):\n%s", diff)
		}

		expire(t, bootstrap, topic, 0, 3)
		var g gaps
		var late diary
		o := options(t, kafkatest.Name(t), topic)
		o.OnGap = g.on
		stepAll(t, consumer(t, config, o, &late), 2)
		want := []kafka.Gap{{Topic: topic, Wanted: -1, Resumed: 3, Reason: kafka.GapForgotten}}
		if diff := cmp.Diff(want, g.all()); diff != "" {
			t.Errorf("gaps: want (-), got (+):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"3", "4"}, late.values()); diff != "" {
			t.Errorf("a late group: want (-), got (+):\n%s", diff)
		}
	})
}

// Retention overtakes a reader that is at work: its database is away, and the records behind its small buffer expire.
func TestAReaderOvertakenByRetentionReportsIt(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		config.ConsumerOverrides = map[string]string{"max.partition.fetch.bytes": "4000", "fetch.max.bytes": "4000"}
		p := producer(t, config)
		for range 50 { // a batch each, so that a fetch holds only a few
			send(t, p, topic, "k", strings.Repeat("x", 1000))
		}
		var g gaps
		fail := errors.New("database away")
		d := diary{do: func([]kafka.Record) error { return fail }}
		o := options(t, group, topic)
		o.OnGap = g.on
		c := consumer(t, config, o, &d)
		if _, err := step(t, c); !errors.Is(err, fail) {
			t.Fatal(err)
		}
		expire(t, bootstrap, topic, 0, 40)
		fail = nil
		for d.last() < 49 {
			if _, err := step(t, c); err != nil {
				t.Fatal(err)
			}
		}
		seen := g.all()
		if len(seen) != 1 || seen[0].Resumed != 40 || seen[0].Reason != kafka.GapOutOfRange {
			t.Errorf("gaps = %v, want one that resumes at 40", seen)
		}
		if at := committed(t, bootstrap, group, topic)[0]; at != 50 {
			t.Errorf("committed offset %d, want 50", at)
		}
	})
}

// readRaw is what a partition holds right now, with no group.
func readRaw(t *testing.T, bootstrap []string, topic string) (out []kafka.Record) {
	t.Helper()
	lags := committedEnds(t, bootstrap, topic)
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.ConsumeTopics(topic), kgo.KeepControlRecords(), kgo.FetchMaxWait(100_000_000))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(kafkatest.Context(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		fetches.EachRecord(func(r *kgo.Record) {
			out = append(out, kafka.Record{Key: r.Key, Value: r.Value, Offset: r.Offset})
			last = r.Offset
		})
		if last+1 >= lags {
			return out
		}
	}
}

func committedEnds(t *testing.T, bootstrap []string, topic string) int64 {
	t.Helper()
	ends, err := admin(t, bootstrap).ListEndOffsets(kafkatest.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	return end.Offset
}

// Somebody deletes a topic and makes it anew: the library would ask for the old one until the process ends.
func TestATopicThatIsMadeAnewIsWrittenAndReadAgain(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, config := kafkatest.Topic(t, bootstrap, 1), kafkatest.Config(t, bootstrap)
		p, d := producer(t, config), &diary{}
		send(t, p, topic, "k", sequence(0, 50)...)
		gaps := make(chan kafka.Gap, 10)
		c, err := kafka.NewConsumer(config, kafka.ConsumerConfig{Group: kafkatest.Name(t), Topics: []string{topic},
			OnGap: func(_ context.Context, g kafka.Gap) error { gaps <- g; return nil }}, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer c.Stop()
		d.await(t, func() bool { return len(d.records()) == 50 })
		recreate(t, bootstrap, topic)
		ctx := kafkatest.Context(t)
		for err := errors.New("not yet tried"); err != nil; {
			if err = p.SendBatch(ctx, []kafka.Record{{Topic: topic, Key: []byte("k"), Value: []byte("new")}}); err != nil && !kafka.Retryable(err) {
				t.Fatalf("write to the new topic: %v", err)
			}
		}
		d.await(t, func() bool { return d.last() == 0 && slices.Contains(d.values(), "new") })
		if g := <-gaps; g.Reason != kafka.GapRecreated || g.Topic != topic {
			t.Errorf("got gap %v", g)
		}
	})
}

func recreate(t *testing.T, bootstrap []string, topic string) {
	t.Helper()
	admin := admin(t, bootstrap)
	if answers, err := admin.DeleteTopics(t.Context(), topic); err != nil || answers.Error() != nil {
		t.Fatalf("delete the topic: %v, %v", err, answers.Error())
	}
	for ctx := kafkatest.Context(t); ctx.Err() == nil; { // Kafka deletes in its own time
		if answers, err := admin.CreateTopics(ctx, 1, 1, nil, topic); err == nil && answers.Error() == nil {
			return
		}
	}
	t.Fatal("the topic was not made anew in time")
}
