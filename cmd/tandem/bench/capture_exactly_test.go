package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/cdc"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
)

// committing is counting, exactly once: what it counts can be read.
type committing struct {
	*counting
	tx      *kafka.Transactional
	offsets *kafka.Offsets
	open    atomic.Uint64 // sent since the last commit
}

var _ cdc.Transactions = (*committing)(nil)

// newCommitting has records and positions committed together, as the program does. close ends it.
func newCommitting(ctx context.Context, c *counting, bootstrap, prefix string) (s *committing, shut func(), err error) {
	kc := kafka.Config{BootstrapServers: []string{bootstrap}}
	tx, err := kafka.OpenTransactional(kc, "bench-"+prefix)
	if err != nil {
		return nil, nil, err
	}
	offsets, err := kafka.OpenOffsets(kc, kafka.TopicSpec{Name: "bench.offsets", Partitions: 1, Cleanup: kafka.CleanupCompact})
	if err == nil {
		err = offsets.Ensure(ctx)
	}
	if err != nil {
		tx.Close()
		return nil, nil, err
	}
	c.to, c.uncounted = tx, true
	return &committing{counting: c, tx: tx, offsets: offsets}, func() { tx.Close(); offsets.Close() }, nil
}

func (s *committing) Send(ctx context.Context, r cdc.Record, done func(error)) {
	s.open.Add(1)
	s.counting.Send(ctx, r, done)
}

func (s *committing) Fence(ctx context.Context) error { return s.tx.Fence(ctx) }
func (s *committing) Abort(ctx context.Context) error { return s.tx.Abort(ctx) }
func (s *committing) Timeout() time.Duration          { return s.tx.Timeout() }
func (s *committing) Flush(ctx context.Context) error { return s.commit(ctx) }

func (s *committing) Commit(ctx context.Context, partition, offset map[string]any) error {
	r, err := s.offsets.Record(kafka.SourceOffset{Connector: "bench", Partition: partition, Offset: offset})
	if err != nil {
		return err
	}
	return s.commit(ctx, r)
}

func (s *committing) commit(ctx context.Context, last ...kafka.Record) error {
	n := s.open.Swap(0)
	err := s.tx.Commit(ctx, last...)
	s.add(n, err)
	return err
}

// Exactly once against at least once: the same changes into the same broker, in turns; their best paces from the first record to the last one that can be read are compared.
func TestCaptureExactlyOnce(t *testing.T) {
	d := captureDatabase(t)
	broker := kafkatest.SharedApache(t)[0]
	n := scaled(1_000_000)
	ways := []string{"once", "least"}
	for i := range captureRuns {
		for _, way := range ways {
			d.slot(fmt.Sprint(way, "_", i))
		}
	}
	d.insert(n, 10_000)
	costs := map[string][]captured{}
	for i := range captureRuns {
		for _, way := range ways {
			name := fmt.Sprint(way, "_", i)
			if _, err := newTopicMeter(t, broker).admin.CreateTopic(t.Context(), 1, 1, nil, name+".public.bench"); err != nil {
				t.Fatal(err)
			}
			cost := d.run(capture{Slot: name, Prefix: name, Bootstrap: broker, AtLeastOnce: way == "least", Records: uint64(n)})
			costs[way] = append(costs[way], cost)
			say("%s %s from the first record to the last, %s on a processor", name, round(cost.Writing), round(cost.Processor))
		}
	}
	best := func(way string) captured {
		return slices.MinFunc(costs[way], func(a, b captured) int { return cmp.Compare(a.Writing, b.Writing) })
	}
	once, least := best("once"), best("least")
	report(32, fmt.Sprintf("exactly once against at least once, stream of %d inserts into Apache Kafka", n), "0.8", "0.95", "%.2f: %.0f against %.0f a second; %.2f against %.2f µs of processor an event",
		least.Writing.Seconds()/once.Writing.Seconds(), float64(n)/once.Writing.Seconds(), float64(n)/least.Writing.Seconds(), once.Processor.Seconds()*1e6/float64(n), least.Processor.Seconds()*1e6/float64(n))
}
