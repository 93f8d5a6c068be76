package kafka_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// worktable stands for the sinks' durable work: what every member of a group handled, in the order in which it was.
type worktable struct {
	diary
	mu      sync.Mutex
	members map[string]int
}

// member is one process's handler.
func (w *worktable) member(name string) kafka.Handler {
	return handlerFunc(func(ctx context.Context, batch []kafka.Record) error {
		w.mu.Lock()
		w.members[name] += len(batch)
		w.mu.Unlock()
		return w.diary.Handle(ctx, batch)
	})
}

func (w *worktable) share(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members[name]
}

type handlerFunc func(context.Context, []kafka.Record) error

func (f handlerFunc) Handle(ctx context.Context, batch []kafka.Record) error { return f(ctx, batch) }

// Two processes share the work; the second comes and goes while records flow. Nothing is lost, nothing is handled out of
// order per key, and what is doubled is only what a moving partition may double.
func TestTwoMembersShareUnderLoadAndLoseNothing(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		const partitions, people, total = 6, 20, 3000
		topic, group := kafkatest.Topic(t, bootstrap, partitions), kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		config.ConsumerOverrides = map[string]string{"heartbeat.interval.ms": "100", "session.timeout.ms": "6000"}
		work := worktable{members: map[string]int{}}
		o := options(t, group, topic)
		o.BatchRecords = 25

		first := consumer(t, config, o, work.member("first"))
		start(t, first)
		p := producer(t, kafkatest.Config(t, bootstrap))
		want := map[string][]string{}
		dice := rand.New(rand.NewPCG(1, 2))
		var sent sync.WaitGroup
		pump := func(n int) {
			for range n {
				key := fmt.Sprintf("contact-%d", dice.IntN(people))
				value := fmt.Sprint(len(want[key]))
				want[key] = append(want[key], value)
				sent.Add(1)
				p.Send(t.Context(), kafka.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}, func(err error) {
					defer sent.Done()
					if err != nil {
						t.Error(err)
					}
				})
			}
			sent.Wait()
		}
		pump(total / 3)
		for round := range 2 { // the second process joins, works, and leaves; twice
			name := fmt.Sprintf("second-%d", round)
			second := consumer(t, config, o, work.member(name))
			start(t, second)
			pumpUntil(t, func() { pump(20) }, func() bool { return work.share(name) > 0 })
			pump(total / 6)
			second.Stop()
			pump(total / 6)
		}
		work.await(t, func() bool { return len(distinct(work.records())) >= count(want) })
		first.Stop()

		got := map[string][]string{}
		for key, values := range byKey(work.records()) {
			got[key] = withoutReplays(t, key, values)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sent (-) and handled (+) differ:\n%s", diff)
		}
		if extra := len(work.records()) - count(want); extra > 6*25 {
			t.Errorf("%d records were handled twice: orderly rebalances should double next to none", extra)
		}
		var end int64
		for _, at := range committed(t, bootstrap, group, topic) {
			end += max(at, 0)
		}
		if int(end) != count(want) {
			t.Errorf("committed up to %d records, want %d", end, count(want))
		}
	})
}

func pumpUntil(t *testing.T, pump func(), enough func() bool) {
	t.Helper()
	for deadline := time.Now().Add(kafkatest.Patience); !enough(); {
		if time.Now().After(deadline) {
			t.Fatal("the second member was never given work")
		}
		pump()
	}
}

func count(m map[string][]string) (n int) {
	for _, v := range m {
		n += len(v)
	}
	return n
}

func distinct(records []kafka.Record) map[string]bool {
	out := map[string]bool{}
	for _, r := range records {
		out[r.At()] = true
	}
	return out
}

// withoutReplays drops what came again. A replay begins at an earlier value and runs on from there; a value may never be skipped.
func withoutReplays(t *testing.T, key string, values []string) (out []string) {
	t.Helper()
	next := 0
	for i, v := range values {
		var n int
		fmt.Sscan(v, &n)
		switch {
		case n == next:
			out = append(out, v)
			next++
		case n > next:
			t.Errorf("%s: value %d came before %d (position %d)", key, n, next, i)
			return out
		}
	}
	return out
}

// A member whose handler outlives the group's patience is thrown out; another one gets its records, and its own late commit moves nothing back.
func TestAMemberThatHangsLosesItsPartitionsAndNothingElse(t *testing.T) {
	t.Parallel()
	kafkatest.Each(t, func(t *testing.T, bootstrap []string) {
		topic, group := kafkatest.Topic(t, bootstrap, 1), kafkatest.Name(t)
		config := kafkatest.Config(t, bootstrap)
		config.ConsumerOverrides = map[string]string{"heartbeat.interval.ms": "100", "session.timeout.ms": "6000", "max.poll.interval.ms": "1000"}
		p := producer(t, kafkatest.Config(t, bootstrap))
		send(t, p, topic, "k", sequence(0, 3)...)

		inHand, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		hanging := diary{do: func([]kafka.Record) error {
			once.Do(func() { close(inHand); <-goOn })
			return nil
		}}
		slow := consumer(t, config, options(t, group, topic), &hanging)
		start(t, slow)
		<-inHand

		var healthy diary
		other := consumer(t, config, options(t, group, topic), &healthy)
		start(t, other)
		healthy.await(t, func() bool { return len(healthy.records()) >= 3 })
		send(t, p, topic, "k", sequence(3, 6)...)
		healthy.await(t, func() bool { return len(healthy.records()) >= 6 })
		close(goOn)
		hanging.await(t, func() bool { return len(hanging.records()) >= 3 })
		slow.Stop()
		other.Stop()
		if diff := cmp.Diff(sequence(0, 6), healthy.values()); diff != "" {
			t.Errorf("the healthy member: want (-), got (+):\n%s", diff)
		}
		if at := committed(t, bootstrap, group, topic)[0]; at != 6 {
			t.Errorf("committed offset %d, want 6: the late member moved it", at)
		}
	})
}
