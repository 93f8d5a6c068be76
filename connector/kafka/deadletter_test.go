package kafka_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// picky rejects what is not JSON and what has no key, as the sinks do.
func picky(batch []kafka.Record) error {
	var rejects kafka.Rejects
	for _, r := range batch {
		var value any
		switch err := json.Unmarshal(r.Value, &value); {
		case len(r.Key) == 0:
			rejects = append(rejects, kafka.Reject{Record: r, Stage: kafka.StageKeyConverter, Err: errors.New("the record has no key")})
		case err != nil:
			rejects = append(rejects, kafka.Reject{Record: r, Stage: kafka.StageValueConverter, Err: fmt.Errorf("decode change: %w", err)})
		}
	}
	return rejects.OrNil()
}

func tolerant(t *testing.T, bootstrap []string, group, topic string) kafka.ConsumerConfig {
	o := options(t, group, topic)
	o.Name, o.Task, o.Class = "notion-sink", 3, "sink.NotionSink"
	o.Errors = kafka.ErrorPolicy{Tolerance: kafka.ToleranceAll, DeadLetters: kafka.TopicSpec{Name: topic + ".dlq", Partitions: 1}}
	return o
}

func TestWhatCannotBeUsedIsSetAsideWithConnectsHeaders(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		at := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli()) // within the retention
		own := []kafka.Header{{Key: "trace", Value: []byte("abc")}}
		if err := producer(t, kafkatest.Config(t, bootstrap)).SendBatch(kafkatest.Context(t), []kafka.Record{
			{Topic: topic, Key: []byte("1"), Value: []byte(`{"good":1}`)},
			{Topic: topic, Key: []byte("2"), Value: []byte(`{"bad`), Time: at, Headers: own},
			{Topic: topic, Value: []byte(`{"no":"key"}`)},
			{Topic: topic, Key: []byte("3"), Value: []byte(`{"good":2}`)},
		}); err != nil {
			t.Fatal(err)
		}
		o := tolerant(t, bootstrap, group, topic)
		c := consumer(t, kafkatest.Config(t, bootstrap), o, &diary{do: picky})
		stepAll(t, c, 4)
		if at := committed(t, bootstrap, group, topic)[0]; at != 4 {
			t.Errorf("committed offset %d, want 4: the good records go on", at)
		}
		letters := readAll(t, bootstrap, o.Errors.DeadLetters.Name, 2)
		if len(letters) != 2 {
			t.Fatalf("%d dead letters, want 2", len(letters))
		}
		bad := letters[0]
		if string(bad.Key) != "2" || string(bad.Value) != `{"bad` || !bad.Time.Equal(at) {
			t.Errorf("the dead letter is not the record as it came: key %q value %q time %s", bad.Key, bad.Value, bad.Time)
		}
		got := map[string]string{}
		for _, h := range bad.Headers {
			got[h.Key] = string(h.Value)
		}
		want := map[string]string{
			"trace":                                 "abc",
			"__connect.errors.topic":                topic,
			"__connect.errors.partition":            "0",
			"__connect.errors.offset":               "1",
			"__connect.errors.connector.name":       "notion-sink",
			"__connect.errors.task.id":              "3",
			"__connect.errors.stage":                "VALUE_CONVERTER",
			"__connect.errors.class.name":           "sink.NotionSink",
			"__connect.errors.exception.class.name": "*json.SyntaxError",
			"__connect.errors.exception.message":    "decode change: unexpected end of JSON input",
			"__connect.errors.exception.stacktrace": "*fmt.wrapError: decode change: unexpected end of JSON input\nCaused by: *json.SyntaxError: unexpected end of JSON input\n",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers: want (-), got (+):\n%s", diff)
		}
		if letters[1].Key != nil {
			t.Errorf("the record without a key got one: %q", letters[1].Key)
		}
	})
}

// errors.deadletterqueue.context.headers.enable and errors.log.* were taken and did nothing.
func TestWhatIsSaidOfADeadLetterIsForThePolicyToSay(t *testing.T) {
	t.Parallel()
	_, bootstrap := kafkatest.OwnKfake(t)
	for _, tc := range []struct {
		policy  kafka.ErrorPolicy
		headers int
		log     string
	}{
		{kafka.ErrorPolicy{LogRecords: true}, 10, `value="{\"secret"`},
		{kafka.ErrorPolicy{WithoutHeaders: true, WithoutLog: true}, 0, ""},
	} {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", `{"secret`)
		o := tolerant(t, bootstrap, group, topic)
		tc.policy.Tolerance, tc.policy.DeadLetters = o.Errors.Tolerance, o.Errors.DeadLetters
		o.Errors = tc.policy
		var log bytes.Buffer
		config := kafkatest.Config(t, bootstrap)
		config.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		stepAll(t, consumer(t, config, o, &diary{do: picky}), 1)
		letters := readAll(t, bootstrap, o.Errors.DeadLetters.Name, 1)
		if len(letters) != 1 || len(letters[0].Headers) != tc.headers {
			t.Errorf("%+v: dead letters %v, want one with %d headers", tc.policy, letters, tc.headers)
		}
		if said := log.String(); tc.log == "" && strings.Contains(said, "set aside") || !strings.Contains(said, tc.log) {
			t.Errorf("%+v: logged %s", tc.policy, said)
		}
	}
}

// errors.retry.timeout is somebody's wish that the connector fails: the runtime must not start it again because the cause would be worth it.
func TestAConsumerThatGaveUpIsNotWorthARetry(t *testing.T) {
	t.Parallel()
	_, bootstrap := kafkatest.OwnKfake(t)
	topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
	send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", "1")
	o := options(t, group, topic)
	o.RetryFor = time.Nanosecond
	c := consumer(t, kafkatest.Config(t, bootstrap), o, &diary{do: func([]kafka.Record) error { return errors.New("the database is away") }})
	start(t, c)
	select {
	case <-c.Done():
	case <-kafkatest.Context(t).Done():
		t.Fatal("the consumer goes on")
	}
	var why interface{ Retryable() bool }
	if err := c.Err(); !errors.As(err, &why) || why.Retryable() || !strings.Contains(err.Error(), "errors.retry.timeout") || !strings.Contains(err.Error(), "the database is away") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutToleranceTheConsumerStopsBeforeTheRecord(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", "1", "2", "{", "4")
		c := consumer(t, kafkatest.Config(t, bootstrap), options(t, group, topic), &diary{do: picky})
		start(t, c)
		select {
		case <-c.Done():
		case <-kafkatest.Context(t).Done():
			t.Fatal("the consumer goes on")
		}
		var stopped *kafka.StoppedError
		err := c.Err()
		if !errors.As(err, &stopped) {
			t.Fatalf("Err = %v, want a StoppedError", err)
		}
		for _, part := range []string{topic + "/0@2", "VALUE_CONVERTER", "errors.tolerance=all", "errors.deadletterqueue.topic.name"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the sentence lacks %q: %s", part, err)
			}
		}
		if at := committed(t, bootstrap, group, topic)[0]; at != 2 {
			t.Errorf("committed offset %d, want 2: where the mending starts", at)
		}
	})
}

// A dead letter that Kafka did not take must not be forgotten by a commit.
func TestARecordIsNotCommittedBeforeItsDeadLetterIsAcknowledged(t *testing.T) {
	t.Parallel()
	cluster, bootstrap := kafkatest.OwnKfake(t)
	topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
	send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", "{")
	o := tolerant(t, bootstrap, group, topic)
	fault := cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: o.Errors.DeadLetters.Name, Err: kerr.InvalidTimestamp, Count: 1,
	})
	c := consumer(t, kafkatest.Config(t, bootstrap), o, &diary{do: picky})
	_, err := step(t, c)
	var stopped *kafka.StoppedError
	if !errors.As(err, &stopped) || !strings.Contains(err.Error(), o.Errors.DeadLetters.Name) {
		t.Fatalf("step = %v; want a stop that names the dead-letter topic", err)
	}
	if fault.Hits() != 1 {
		t.Fatalf("the fault was met %d times", fault.Hits())
	}
	if at := committed(t, bootstrap, group, topic)[0]; at != -1 {
		t.Fatalf("offset %d was committed without its dead letter", at)
	}
	stepAll(t, c, 1) // the topic takes it now
	if at := committed(t, bootstrap, group, topic)[0]; at != 1 {
		t.Errorf("committed offset %d, want 1", at)
	}
	if n := len(readAll(t, bootstrap, o.Errors.DeadLetters.Name, 1)); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
}

// The largest record that can be read must fit the dead-letter topic with its headers; where it does not, the consumer stops.
func TestALargeRecordFitsTheDeadLetterTopic(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		large := strings.Repeat("{", 999_800) // just within the producer's limit: the headers go beyond it
		send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", large)
		o := tolerant(t, bootstrap, group, topic)
		stepAll(t, consumer(t, kafkatest.Config(t, bootstrap), o, &diary{do: picky}), 1)
		if got := readAll(t, bootstrap, o.Errors.DeadLetters.Name, 1); len(got) != 1 || string(got[0].Value) != large {
			t.Errorf("%d dead letters, or another value", len(got))
		}

		topic2 := kafkatest.Topic(t, bootstrap, 1)
		send(t, producer(t, kafkatest.Config(t, bootstrap)), topic2, "k", large)
		narrow := tolerant(t, bootstrap, kafkatest.Name(t), topic2)
		narrow.Errors.DeadLetters.Configs = map[string]string{"max.message.bytes": "2000"}
		_, err := step(t, consumer(t, kafkatest.Config(t, bootstrap), narrow, &diary{do: picky}))
		var stopped *kafka.StoppedError
		if !errors.As(err, &stopped) || !kafka.TooLarge(err) {
			t.Errorf("step = %v; want a stop, because a record is never dropped", err)
		}
	})
}
