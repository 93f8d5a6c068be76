package simulation

import (
	"context"
	"errors"
	"time"

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
	b.w.system.wake("consume")
}

// publisher is a process's way to the broker.
type publisher struct{ p *process }

var errNoBroker = errors.New("no broker can be reached")

// SendBatch puts records at the end of their topics; a crash may come when some of them, or all, are there, and a producer that was not
// answered sends again.
func (pub publisher) SendBatch(_ context.Context, records []kafka.Record) error {
	w := pub.p.w
	for i, r := range records {
		if err := pub.p.alive(); err != nil {
			return err
		}
		if w.fires(produceRefused) {
			return errNoBroker
		}
		w.broker.append(r)
		if w.fires(duplicate) {
			w.broker.append(r)
		}
		if i == len(records)-1 && w.fires(crashAfterProduce) {
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
	names   []string // group/topic
	handler kafka.Handler
	own     map[string]int64 // where this member is, which a lost commit does not take back
}

func newConsumer(p *process, group string, topics []string, handler kafka.Handler) *consumer {
	c := &consumer{p: p, group: group, topics: topics, handler: handler, own: map[string]int64{}}
	for _, topic := range topics {
		c.names = append(c.names, group+"/"+topic)
	}
	return c
}

// batchMax is small, so that a crash falls between batches too.
const batchMax = 20

func (c *consumer) position(i int) int64 {
	if own, ok := c.own[c.names[i]]; ok && own > c.p.w.broker.offsets[c.names[i]] {
		return own
	}
	return c.p.w.broker.offsets[c.names[i]]
}

func (c *consumer) due() (time.Time, bool) {
	for i, topic := range c.topics {
		if c.position(i) < int64(len(c.p.w.broker.topics[topic])) {
			return time.Time{}, true
		}
	}
	return time.Time{}, false
}

// runOnce polls, handles and commits, as connector/kafka does.
func (c *consumer) runOnce(ctx context.Context) (int, error) {
	b := c.p.w.broker
	n := 0
	for i, topic := range c.topics {
		name := c.names[i]
		from := c.position(i)
		if from == int64(len(b.topics[topic])) {
			continue
		}
		if from > 0 && c.p.w.fires(replay) {
			from = max(0, from-int64(1+c.p.dice.IntN(10))) // a rebalance replays from an older commit
		}
		batch := b.topics[topic][from:]
		if len(batch) > batchMax {
			batch = batch[:batchMax]
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
		next := from + int64(len(batch))
		c.own[name] = next
		if !c.p.w.fires(staleOffset) { // the next member begins where this one began
			b.offsets[name] = next
		}
		n += len(batch)
	}
	return n, nil
}
