package kafka_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
)

func TestRecordsArriveWholeAndInOrderPerKey(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		const people, edits = 7, 200
		topic := kafkatest.Topic(t, bootstrap, 3)
		p := producer(t, kafkatest.Config(t, bootstrap))
		answers := make(chan error, people*edits)
		want := map[string][]string{}
		for edit := range edits {
			for person := range people {
				key, value := fmt.Sprintf("contact-%d", person), fmt.Sprint(edit)
				want[key] = append(want[key], value)
				p.Send(t.Context(), kafka.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}, func(err error) { answers <- err })
			}
		}
		for range people * edits {
			if err := <-answers; err != nil {
				t.Fatal(err)
			}
		}
		got := byKey(readAll(t, bootstrap, topic, people*edits))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("per key, sent (-) and received (+) differ:\n%s", diff)
		}
	})
}

func TestNullEmptyHeadersAndTimeSurvive(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic := kafkatest.Topic(t, bootstrap, 1)
		at := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli()) // not before the retention: that would remove them while they are read
		sent := []kafka.Record{
			{Topic: topic, Key: []byte("k"), Value: nil, Time: at},
			{Topic: topic, Key: []byte(""), Value: []byte(""), Time: at},
			{Topic: topic, Key: nil, Value: []byte("\x00\xff"), Time: at, Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "n", Value: nil}, {Key: "a", Value: []byte("2")}}},
		}
		if err := producer(t, kafkatest.Config(t, bootstrap)).SendBatch(kafkatest.Context(t), sent); err != nil {
			t.Fatal(err)
		}
		got := readAll(t, bootstrap, topic, len(sent))
		for i := range sent {
			sent[i].Offset = int64(i)
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Errorf("sent (-) and received (+) differ:\n%s", diff)
		}
		if v, ok := got[2].Header("a"); !ok || string(v) != "2" {
			t.Errorf("last header a = %q, %t", v, ok)
		}
	})
}

// Invariant 1: a consumed offset is committed once its reason is durable.
func TestNothingIsCommittedBeforeTheHandlerMadeItDurable(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", sequence(0, 5)...)

		full := errors.New("the ledger's disk is full")
		failing := diary{do: func([]kafka.Record) error {
			if at := committed(t, bootstrap, group, topic)[0]; at != -1 {
				t.Errorf("offset %d was committed before the handler returned", at)
			}
			return full
		}}
		c := consumer(t, kafkatest.Config(t, bootstrap), options(t, group, topic), &failing)
		if n, err := step(t, c); n != 0 || !errors.Is(err, full) {
			t.Fatalf("step = %d, %v; want the handler's error", n, err)
		}
		if n, err := step(t, c); n != 0 || !errors.Is(err, full) {
			t.Fatalf("the same consumer's next step = %d, %v; want the same records, so the same error", n, err)
		}
		c.Close()
		if at := committed(t, bootstrap, group, topic)[0]; at != -1 {
			t.Fatalf("offset %d was committed though nothing was made durable", at)
		}

		var works diary
		after := consumer(t, kafkatest.Config(t, bootstrap), options(t, group, topic), &works)
		stepAll(t, after, 5)
		if diff := cmp.Diff(sequence(0, 5), works.values()); diff != "" {
			t.Errorf("after the restart: want (-), got (+):\n%s", diff)
		}
		if at := committed(t, bootstrap, group, topic)[0]; at != 5 {
			t.Errorf("committed offset %d, want 5", at)
		}
	})
}

func TestAFailingHandlerIsTriedAgainUntilItWorks(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 2), kafkatest.Name(t)
		p := producer(t, kafkatest.Config(t, bootstrap))
		var tries atomic.Int32
		d := diary{do: func([]kafka.Record) error {
			if tries.Add(1) <= 3 {
				return errors.New("connection to the database lost")
			}
			return nil
		}}
		c := consumer(t, kafkatest.Config(t, bootstrap), options(t, group, topic), &d)
		start(t, c)
		send(t, p, topic, "a", sequence(0, 20)...)
		send(t, p, topic, "b", sequence(20, 40)...)
		d.await(t, func() bool { return len(d.records()) >= 40 })
		c.Stop()
		if diff := cmp.Diff(map[string][]string{"a": sequence(0, 20), "b": sequence(20, 40)}, byKey(d.records())); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
		if c.Err() != nil {
			t.Errorf("Err after Stop = %v", c.Err())
		}
	})
}

func TestReadCommittedSkipsAbortedRecords(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic := kafkatest.Topic(t, bootstrap, 1)
		p := transactional(t, kafkatest.Config(t, bootstrap), kafkatest.Name(t))
		put(t, p, topic, sequence(0, 3)...)
		commit(t, p)
		put(t, p, topic, sequence(3, 6)...)
		if err := p.Abort(kafkatest.Context(t)); err != nil {
			t.Fatal(err)
		}
		fence(t, p)
		put(t, p, topic, sequence(6, 9)...)
		commit(t, p)
		var d diary
		c := consumer(t, kafkatest.Config(t, bootstrap), options(t, kafkatest.Name(t), topic), &d)
		stepAll(t, c, 6)
		if diff := cmp.Diff(append(sequence(0, 3), sequence(6, 9)...), d.values()); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}

func TestStopLetsTheBatchInHandFinishAndCommitsIt(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", sequence(0, 4)...)
		inHand, finish := make(chan struct{}), make(chan struct{})
		d := diary{do: func([]kafka.Record) error {
			close(inHand)
			<-finish
			return nil
		}}
		c := consumer(t, kafkatest.Config(t, bootstrap), options(t, group, topic), &d)
		start(t, c)
		<-inHand
		stopped := make(chan struct{})
		go func() { defer close(stopped); c.Stop() }()
		select {
		case <-stopped:
			t.Fatal("Stop returned while the handler was at work")
		case <-time.After(50 * time.Millisecond): // it has begun to stop
		}
		close(finish)
		<-stopped
		if at := committed(t, bootstrap, group, topic)[0]; at != 4 {
			t.Errorf("committed offset %d, want 4", at)
		}
	})
}

func TestLagIsWhatIsStillToBeRead(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 2), kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		admin, err := kafka.OpenAdmin(config)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		total := func() (n int64) {
			lags, err := admin.Lag(kafkatest.Context(t), group, topic)
			if err != nil {
				t.Fatal(err)
			}
			if len(lags) != 2 {
				t.Fatalf("lag of %d partitions, want 2", len(lags))
			}
			for _, l := range lags {
				n += l.Lag
			}
			return n
		}
		if n := total(); n != 0 {
			t.Errorf("lag of an empty topic = %d", n)
		}
		p := producer(t, config)
		send(t, p, topic, "a", sequence(0, 7)...)
		if n := total(); n != 7 {
			t.Errorf("lag of a group that does not exist yet = %d, want 7", n)
		}
		var d diary
		c := consumer(t, config, options(t, group, topic), &d)
		stepAll(t, c, 7)
		send(t, p, topic, "a", sequence(7, 9)...)
		if n := total(); n != 2 {
			t.Errorf("lag = %d, want 2", n)
		}
	})
}

// A pattern picks topics up that come later, within metadata.max.age.ms.
func TestTopicsByPattern(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		prefix := kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		config.ConsumerOverrides = map[string]string{"metadata.max.age.ms": "1000"}
		p := producer(t, kafkatest.Config(t, bootstrap))
		o := options(t, kafkatest.Name(t))
		o.Pattern = "^" + strings.ReplaceAll(prefix, ".", `\.`) + `\.public\..*$`
		var d diary
		c := consumer(t, config, o, &d)
		for _, table := range []string{"contact", "task"} {
			topic := kafkatest.Create(t, bootstrap, kafka.TopicSpec{Name: prefix + ".public." + table, Partitions: 1})
			send(t, p, topic, "k", table)
			stepAll(t, c, 1)
		}
		if diff := cmp.Diff([]string{"contact", "task"}, d.values()); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
	})
}

func TestConsumerKeepsTheServiceContract(t *testing.T) {
	t.Parallel()
	_, bootstrap := kafkatest.OwnKfake(t)
	topic := kafkatest.Topic(t, bootstrap, 1)
	var d diary
	c := consumer(t, kafkatest.Config(t, bootstrap), options(t, kafkatest.Name(t), topic), &d)
	lifecycletest.Stress(t, c)
}

// The client that a hook or a metric sees is built in one place, whatever the role.
func TestHooksReachEveryClient(t *testing.T) {
	t.Parallel()
	_, bootstrap := kafkatest.OwnKfake(t)
	config := kafkatest.Config(t, bootstrap)
	var hook counting
	config.Hooks = []kgo.Hook{&hook}
	p := producer(t, config)
	admin, err := kafka.OpenAdmin(config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var d diary
	c := consumer(t, config, options(t, "g", kafkatest.Topic(t, bootstrap, 1)), &d)
	if _, err := c.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = p
	if n := hook.clients.Load(); n != 3 {
		t.Errorf("the hook met %d clients, want 3", n)
	}
}

type counting struct{ clients atomic.Int32 }

func (c *counting) OnNewClient(*kgo.Client) { c.clients.Add(1) }

// A sink may be started before its source has made the topics: it says so, waits, and reads them when they come.
func TestATopicThatComesLaterIsRead(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic := kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		var log lines
		config.Logger = slog.New(slog.NewTextHandler(&log, nil))
		var d diary
		o := options(t, kafkatest.Name(t), topic)
		o.TopicGrace = 300 * time.Millisecond
		start(t, consumer(t, config, o, &d))
		for ctx := kafkatest.Context(t); !strings.Contains(log.String(), "do not exist yet"); {
			select {
			case <-ctx.Done():
				t.Fatalf("it waits without a word:\n%s", log.String())
			case <-time.After(10 * time.Millisecond):
			}
		}
		kafkatest.Create(t, bootstrap, kafka.TopicSpec{Name: topic, Partitions: 1})
		send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", "first")
		d.await(t, func() bool { return len(d.records()) == 1 })
		if n := strings.Count(log.String(), "do not exist yet"); n != 1 {
			t.Errorf("said %d times:\n%s", n, log.String())
		}
	})
}
