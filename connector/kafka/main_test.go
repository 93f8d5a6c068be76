package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// producer is one for the test, closed at its end.
func producer(t *testing.T, config kafka.Config) *kafka.Producer {
	t.Helper()
	p, err := kafka.OpenProducer(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// transactional is a producer of transactions that has taken its id over.
func transactional(t *testing.T, config kafka.Config, id string) *kafka.Transactional {
	t.Helper()
	p, err := kafka.OpenTransactional(config, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	fence(t, p)
	return p
}

func fence(t *testing.T, p *kafka.Transactional) {
	t.Helper()
	if err := p.Fence(kafkatest.Context(t)); err != nil {
		t.Fatal(err)
	}
}

// put queues values in p's transaction. What becomes of them, Commit tells.
func put(t *testing.T, p *kafka.Transactional, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		p.Send(kafkatest.Context(t), kafka.Record{Topic: topic, Key: []byte("k"), Value: []byte(v)}, func(error) {})
	}
}

// arrive is put that waits until the broker has the value.
func arrive(t *testing.T, p *kafka.Transactional, topic, value string) {
	t.Helper()
	taken := make(chan error, 1)
	p.Send(kafkatest.Context(t), kafka.Record{Topic: topic, Key: []byte(`["k",{}]`), Value: []byte(value)}, func(err error) { taken <- err })
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, p *kafka.Transactional, last ...kafka.Record) {
	t.Helper()
	if err := p.Commit(kafkatest.Context(t), last...); err != nil {
		t.Fatal(err)
	}
}

// send sends values v0, v1 … under one key and fails the test when one is not acknowledged.
func send(t *testing.T, p *kafka.Producer, topic, key string, values ...string) {
	t.Helper()
	var records []kafka.Record
	for _, v := range values {
		records = append(records, kafka.Record{Topic: topic, Key: []byte(key), Value: []byte(v)})
	}
	if err := p.SendBatch(kafkatest.Context(t), records); err != nil {
		t.Fatal(err)
	}
}

// sequence is from..to-1 as text.
func sequence(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

// diary is a handler that remembers what it was given, and does with it as told.
type diary struct {
	do func(batch []kafka.Record) error // nil: nothing

	mu      sync.Mutex
	changed chan struct{} // closed and renewed at each batch
	seen    []kafka.Record
}

func (d *diary) Handle(_ context.Context, batch []kafka.Record) error {
	var err error
	if d.do != nil {
		err = d.do(batch)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var rejects kafka.Rejects
	if err == nil || errors.As(err, &rejects) {
		d.seen = append(d.seen, batch...)
	}
	if d.changed != nil {
		close(d.changed)
	}
	d.changed = make(chan struct{})
	return err
}

func (d *diary) records() []kafka.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen)
}

func (d *diary) values() (out []string) {
	for _, r := range d.records() {
		out = append(out, string(r.Value))
	}
	return out
}

// last is the offset of the newest record, -1 before the first.
func (d *diary) last() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seen) == 0 {
		return -1
	}
	return d.seen[len(d.seen)-1].Offset
}

// await waits until enough holds, looking at each batch.
func (d *diary) await(t *testing.T, enough func() bool) {
	t.Helper()
	deadline := time.NewTimer(kafkatest.Patience)
	defer deadline.Stop()
	for {
		d.mu.Lock()
		if d.changed == nil {
			d.changed = make(chan struct{})
		}
		changed := d.changed
		d.mu.Unlock()
		if enough() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("still not enough after %s; %d records seen", kafkatest.Patience, len(d.records()))
		}
	}
}

// gaps is an OnGap that remembers.
type gaps struct {
	mu   sync.Mutex
	err  error
	seen []kafka.Gap
}

func (g *gaps) on(_ context.Context, gap kafka.Gap) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, gap)
	return g.err
}

func (g *gaps) all() []kafka.Gap {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// noGap fails the test when a gap is reported.
func noGap(t *testing.T) func(context.Context, kafka.Gap) error {
	return func(_ context.Context, g kafka.Gap) error {
		t.Errorf("unexpected gap: %s", g)
		return nil
	}
}

// options are a consumer's with short pauses.
func options(t *testing.T, group string, topics ...string) kafka.ConsumerConfig {
	return kafka.ConsumerConfig{
		Group: group, Topics: topics, OnGap: noGap(t), PollWait: 200 * time.Millisecond,
		RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond,
	}
}

// consumer is one for the test, stopped and closed at its end.
func consumer(t *testing.T, config kafka.Config, o kafka.ConsumerConfig, h kafka.Handler) *kafka.Consumer {
	t.Helper()
	c, err := kafka.NewConsumer(config, o, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(); c.Close() })
	return c
}

func start(t *testing.T, c *kafka.Consumer) {
	t.Helper()
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// step runs steps until one handled records or failed.
func step(t *testing.T, c *kafka.Consumer) (int, error) {
	t.Helper()
	ctx := kafkatest.Context(t)
	for {
		n, err := c.RunOnce(ctx)
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// stepAll runs steps until n records were handled.
func stepAll(t *testing.T, c *kafka.Consumer, n int) {
	t.Helper()
	for n > 0 {
		did, err := step(t, c)
		if err != nil {
			t.Fatal(err)
		}
		n -= did
	}
}

// committed are the group's offsets by partition, of one topic.
func committed(t *testing.T, bootstrap []string, group, topic string) map[int32]int64 {
	t.Helper()
	admin, err := kafka.OpenAdmin(kafkatest.Config(t, bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	lags, err := admin.Lag(kafkatest.Context(t), group, topic)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int32]int64{}
	for _, l := range lags {
		out[l.Partition] = l.Committed
	}
	return out
}

// readAll is every committed record of a topic, by key.
func readAll(t *testing.T, bootstrap []string, topic string, n int) []kafka.Record {
	t.Helper()
	var d diary
	c := consumer(t, kafkatest.Config(t, bootstrap), options(t, kafkatest.Name(t), topic), &d)
	stepAll(t, c, n)
	c.Close()
	return d.records()
}

// byKey are values in the order of arrival, per key.
func byKey(records []kafka.Record) map[string][]string {
	out := map[string][]string{}
	for _, r := range records {
		out[string(r.Key)] = append(out[string(r.Key)], string(r.Value))
	}
	return out
}
