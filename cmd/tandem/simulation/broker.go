package simulation

import (
	"context"

	"github.com/tandem-sync/tandem/connector/kafka"
)

// broker is a Kafka in memory: topics of one partition, and the groups' offsets.
type broker struct {
	w       *world
	topics  map[string][]kafka.Record
	offsets map[string]int64 // group/topic → next
}

func newBroker(w *world) *broker {
	return &broker{w: w, topics: map[string][]kafka.Record{}, offsets: map[string]int64{}}
}

func (b *broker) append(r kafka.Record) {
	r.Offset, r.Time = int64(len(b.topics[r.Topic])), b.w.now
	b.topics[r.Topic] = append(b.topics[r.Topic], r)
}

// publisher is a process's way to the broker.
type publisher struct{ p *process }

// SendBatch puts records at the end of their topics; a crash may come when some of them, or all, are there.
func (pub publisher) SendBatch(_ context.Context, records []kafka.Record) error {
	for i, r := range records {
		if err := pub.p.alive(); err != nil {
			return err
		}
		pub.p.w.broker.append(r)
		if i == len(records)-1 && pub.p.w.fires(crashAfterProduce) {
			return pub.p.crash()
		}
	}
	return nil
}

// consumer is one group member that has all partitions.
type consumer struct {
	p       *process
	group   string
	topics  []string
	handler kafka.Handler
}

// batchMax is small, so that a crash falls between batches too.
const batchMax = 20

// runOnce polls, handles and commits, as connector/kafka does.
func (c *consumer) runOnce(ctx context.Context) (int, error) {
	b := c.p.w.broker
	n := 0
	for _, topic := range c.topics {
		name := c.group + "/" + topic
		from := b.offsets[name]
		if from > 0 && c.p.w.fires(replay) {
			from = max(0, from-int64(1+c.p.dice.IntN(10))) // a rebalance replays from an older commit
		}
		batch := b.topics[topic][from:]
		if len(batch) > batchMax {
			batch = batch[:batchMax]
		}
		if len(batch) == 0 {
			continue
		}
		if err := c.handler.Handle(ctx, batch); err != nil {
			return n, err
		}
		if c.p.w.fires(crashBeforeOffset) {
			return n, c.p.crash()
		}
		if err := c.p.alive(); err != nil {
			return n, err
		}
		b.offsets[name] = from + int64(len(batch))
		n += len(batch)
	}
	return n, nil
}
