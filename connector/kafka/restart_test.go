package kafka_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// Kafka is away for a while in mid-stream: senders and readers wait, say so once, and go on; nothing is lost or doubled.
func TestKafkaAwayForAWhile(t *testing.T) {
	t.Parallel()
	kafkatest.EachOwn(t, func(t *testing.T, broker kafkatest.Own) {
		topic, group := kafkatest.Topic(t, broker.Bootstrap, 1), kafkatest.Name(t)
		var log lines
		var seen reachability
		config := kafkatest.Config(t, broker.Bootstrap)
		config.Logger, config.Observer = slog.New(slog.NewTextHandler(&log, nil)), &seen
		var d diary
		c := consumer(t, config, options(t, group, topic), &d)
		start(t, c)
		p := producer(t, config)
		send(t, p, topic, "k", sequence(0, 100)...)
		d.await(t, func() bool { return len(d.records()) >= 100 })
		for deadline := time.Now().Add(kafkatest.Patience); committed(t, broker.Bootstrap, group, topic)[0] < 100; { // else the last batch may rightly come again
			if time.Now().After(deadline) {
				t.Fatal("what was handled is never committed")
			}
			<-time.After(10 * time.Millisecond) // only the server knows
		}

		broker.Halt()
		answers := make(chan error, 100)
		for _, v := range sequence(100, 200) {
			p.Send(t.Context(), kafka.Record{Topic: topic, Key: []byte("k"), Value: []byte(v)}, func(err error) { answers <- err })
		}
		away := kafkatest.Context(t)
		for !seen.said(false) { // both clients: the hook needs 3 s without a success
			select {
			case <-away.Done():
				t.Fatalf("nobody said that Kafka is away:\n%s", log.String())
			case err := <-answers:
				t.Fatalf("a record was answered while Kafka was away: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
		}
		broker.Resume()
		for range 100 {
			if err := answered(t, answers); err != nil {
				t.Errorf("a record was lost: %v", err)
			}
		}
		d.await(t, func() bool { return len(d.records()) >= 200 })
		c.Stop()

		if diff := cmp.Diff(sequence(0, 200), d.values()); diff != "" {
			t.Errorf("want (-), got (+):\n%s", diff)
		}
		if at := committed(t, broker.Bootstrap, group, topic)[0]; at != 200 {
			t.Errorf("committed offset %d, want 200", at)
		}
		if n := strings.Count(log.String(), "cannot be reached"); n < 1 || n > 2 {
			t.Errorf("said %d times that Kafka is away, want once per client:\n%s", n, log.String())
		}
	})
}

// A start before Kafka's own waits instead of failing.
func TestStartedBeforeKafka(t *testing.T) {
	t.Parallel()
	kafkatest.EachOwn(t, func(t *testing.T, broker kafkatest.Own) {
		topic, group := kafkatest.Topic(t, broker.Bootstrap, 1), kafkatest.Name(t)
		broker.Halt()
		var d diary
		c := consumer(t, kafkatest.Config(t, broker.Bootstrap), options(t, group, topic), &d)
		start(t, c)
		p := producer(t, kafkatest.Config(t, broker.Bootstrap))
		answer := make(chan error, 1)
		p.Send(t.Context(), kafka.Record{Topic: topic, Value: []byte("early")}, func(err error) { answer <- err })
		broker.Resume()
		if err := answered(t, answer); err != nil {
			t.Fatal(err)
		}
		d.await(t, func() bool { return len(d.records()) == 1 })
	})
}

// answered waits for the next answer to a record that was sent.
func answered(t *testing.T, answers <-chan error) error {
	t.Helper()
	select {
	case err := <-answers:
		return err
	case <-kafkatest.Context(t).Done():
		t.Fatal("a record was never answered")
		return nil
	}
}

// Stop must end while Kafka is away, in bounded time.
func TestStopWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	cluster, bootstrap := kafkatest.OwnKfake(t)
	topic := kafkatest.Topic(t, bootstrap, 1)
	var d diary
	c := consumer(t, kafkatest.Config(t, bootstrap), options(t, kafkatest.Name(t), topic), &d)
	start(t, c)
	send(t, producer(t, kafkatest.Config(t, bootstrap)), topic, "k", "1")
	d.await(t, func() bool { return len(d.records()) == 1 })
	cluster.Close()
	began := time.Now()
	c.Stop()
	if took := time.Since(began); took > 45*time.Second {
		t.Errorf("Stop took %s", took)
	}
}

// lines is a log that tests may read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }

type reachability struct {
	mu   sync.Mutex
	seen []bool
}

func (r *reachability) Observe(e kafka.Event) {
	if e, ok := e.(kafka.Reachability); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, e.Reachable)
	}
}

func (r *reachability) said(reachable bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seen {
		if s == reachable {
			return true
		}
	}
	return false
}
