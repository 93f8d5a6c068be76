package kafka

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// topicStates is what a producer learns of topics by being refused. The library looks at a topic once: when it is deleted and made
// anew, or takes smaller batches than ours, every later record would be refused too, until the process ends. So such a topic is
// forgotten before the next record, and looked at again.
type topicStates struct {
	sending sync.RWMutex // read: while a record is queued; written: while a topic is forgotten

	mu     sync.Mutex
	stale  map[string]bool  // to be forgotten; true: its batches were too large
	limits map[string]int32 // batches of these are smaller than max.request.size
}

// batchMax is how large a batch of topic may be.
func (t *topicStates) batchMax(topic string, otherwise int32) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit, ok := t.limits[topic]; ok {
		return limit
	}
	return otherwise
}

func (t *topicStates) refused(topic string, tooLarge bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stale == nil {
		t.stale, t.limits = map[string]bool{}, map[string]int32{}
	}
	t.stale[topic] = t.stale[topic] || tooLarge
}

func (t *topicStates) isStale(topic string) (tooLarge, stale bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tooLarge, stale = t.stale[topic]
	return tooLarge, stale
}

func (t *topicStates) renewed(topic string, limit int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.stale, topic)
	if limit > 0 {
		t.limits[topic] = limit
	}
}

// judge gives a record's outcome its kind, and remembers what it says of the topic. It runs on the client's goroutine.
func (p *Producer) judge(topic string, size int64, err error) error {
	outcome := wrap("send", topic, err)
	switch {
	case err == nil:
	case errors.Is(err, kerr.UnknownTopicID):
		p.topics.refused(topic, false)
	case errors.Is(err, kerr.MessageTooLarge):
		// The broker measures batches. Smaller ones may do, unless this record alone is more than the topic's limit.
		if size+batchOverhead > int64(p.topics.batchMax(topic, p.settings.recordBytesMax)) || alone(size, err) {
			break
		}
		p.topics.refused(topic, true)
		if refused := (*Error)(nil); errors.As(outcome, &refused) {
			refused.kind = retryable
		}
	}
	return outcome
}

// alone tells from what kgo says of the refused batch ("uncompressed_bytes=…", sink.go) whether there was nothing in it but a record of so many bytes. When
// that cannot be read, another try with smaller batches answers it.
func alone(record int64, refused error) bool {
	_, after, _ := strings.Cut(refused.Error(), "uncompressed_bytes=")
	digits, _, _ := strings.Cut(after, ",")
	size, err := strconv.ParseInt(digits, 10, 64)
	return err == nil && size <= record+batchOverhead
}

// renew forgets a topic that refused a record, when nothing of any topic is in flight.
func (p *Producer) renew(ctx context.Context, topic string) error {
	if _, stale := p.topics.isStale(topic); !stale {
		return nil
	}
	p.topics.sending.Lock()
	defer p.topics.sending.Unlock()
	tooLarge, stale := p.topics.isStale(topic)
	if !stale {
		return nil // another sender was here
	}
	if err := p.client.Flush(ctx); err != nil {
		return &Error{Op: "send", Topic: topic, Err: err, kind: retryable}
	}
	limit := int32(0)
	if tooLarge {
		limit = p.smaller(ctx, topic)
		p.config.logger().Info("the topic takes smaller batches than ours: they are made smaller", "topic", topic, "bytes", limit)
	}
	p.topics.renewed(topic, limit)
	p.client.PurgeTopicsFromProducing(topic)
	return nil
}

// batchMin is less than any topic's limit that makes sense.
const batchMin = 1024

// smaller asks for the topic's limit; when that is not allowed, or is not less than what was refused, half of that is tried.
func (p *Producer) smaller(ctx context.Context, topic string) int32 {
	refused := p.topics.batchMax(topic, p.settings.recordBytesMax)
	described, err := kadm.NewClient(p.client).DescribeTopicConfigs(ctx, topic)
	if err == nil && len(described) == 1 {
		for _, c := range described[0].Configs {
			if n, err := strconv.ParseInt(c.MaybeValue(), 10, 32); c.Key == "max.message.bytes" && err == nil && n < int64(refused) {
				return max(int32(n), batchMin)
			}
		}
	}
	return max(refused/2, batchMin)
}
