package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"
)

const (
	// recordOverhead is charged per record beside its bytes, so that the byte budget also bounds many tiny records.
	recordOverhead = 256

	// batchOverhead is what a batch of one record adds on the wire; what does not fit with it is refused before sending.
	batchOverhead = 128

	// closeDrain is how long Close waits for records in flight before it gives them up as unknown.
	closeDrain = 10 * time.Second
)

// Producer sends records, each acknowledged by all in-sync replicas, in order per partition. Safe for concurrent use. Close it.
type Producer struct {
	config   Config
	settings settings
	client   *kgo.Client
	budget   *semaphore.Weighted   // bytes in flight
	failed   atomic.Pointer[error] // the first failure
	topics   *topicStates
	verdict  func(error) error // what a failure means to whoever sends; nil: what it says
}

// OpenProducer builds the client. Nothing is sent, and no broker asked, until the first record.
func OpenProducer(config Config) (*Producer, error) { return openProducer(config, "", &topicStates{}) }

func openProducer(config Config, txID string, topics *topicStates) (*Producer, error) {
	client, s, err := config.client(producerRole, producerOptions(txID, topics))
	if err != nil {
		return nil, err
	}
	return &Producer{config: config, settings: s, client: client, budget: semaphore.NewWeighted(s.bufferBytes), topics: topics}, nil
}

// Send queues one record and returns; it blocks while the buffer is full (Kafka slow or away), so that a reader upstream
// stops reading. Records of one partition go out in the order of the calls.
//
// done is called exactly once, with nil when all in-sync replicas have the record, else with an [Error]. It runs on the
// client's goroutine (on the caller's when the record was never queued): it may only record the outcome, never block, do I/O
// or send. After a failure later records may still be delivered: whoever needs a gapless sequence stops at the first.
//
// ctx bounds the wait for room only: a queued record is not taken back, because what has been on the wire may have been applied.
func (p *Producer) Send(ctx context.Context, r Record, done func(error)) {
	if err := p.fits(r); err != nil {
		p.finish(0, done, err)
		return
	}
	charge := min(r.size()+recordOverhead, p.settings.bufferBytes)
	if err := p.budget.Acquire(ctx, charge); err != nil {
		p.finish(0, done, &Error{Op: "send", Topic: r.Topic, Err: fmt.Errorf("wait for room in the buffer: %w", err), kind: retryable})
		return
	}
	if err := p.renew(ctx, r.Topic); err != nil {
		p.finish(charge, done, err)
		return
	}
	p.topics.sending.RLock()
	defer p.topics.sending.RUnlock()
	topic, size := r.Topic, r.size() // and not r: what waits for the answer is held for each record in flight
	p.client.Produce(context.Background(), r.wire(), func(_ *kgo.Record, err error) {
		p.finish(charge, done, p.judge(topic, size, err))
	})
}

// finish gives the budget back and tells the outcome.
func (p *Producer) finish(charge int64, done func(error), err error) {
	if charge > 0 {
		p.budget.Release(charge)
	}
	if err != nil {
		p.fail(err)
		if p.verdict != nil {
			err = p.verdict(err)
		}
	}
	done(err)
}

func (p *Producer) fail(err error) { p.failed.CompareAndSwap(nil, &err) } // by itself, since err is moved to the heap here

// fits refuses what no batch can hold before anything is sent.
func (p *Producer) fits(r Record) error {
	if r.size()+batchOverhead <= int64(p.settings.recordBytesMax) {
		return nil
	}
	return wrap("send", r.Topic, fmt.Errorf("%w: the record has %d bytes, the limit is %d", kerr.MessageTooLarge, r.size(), p.settings.recordBytesMax))
}

// SendBatch sends records and waits until all are acknowledged. nil: all are. Else a [BatchError] tells each one's outcome.
// None is sent when one of them is too large for this producer. When ctx ends first, those in flight are Unknown.
func (p *Producer) SendBatch(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	for _, r := range records {
		if err := p.fits(r); err != nil {
			return err
		}
	}
	var (
		outcomes = make([]error, len(records)) // each written once, before the counter goes down
		open     atomic.Int64
		all      = make(chan struct{})
	)
	open.Store(int64(len(records)))
	for i, r := range records {
		p.Send(ctx, r, func(err error) {
			outcomes[i] = err
			if open.Add(-1) == 0 {
				close(all)
			}
		})
	}
	select {
	case <-all:
	case <-ctx.Done():
		return &Error{Op: "send", Topic: records[0].Topic, kind: unknown,
			Err: fmt.Errorf("%d of %d records unanswered: %w", open.Load(), len(records), context.Cause(ctx))}
	}
	for _, err := range outcomes {
		if err != nil {
			return &BatchError{Outcomes: outcomes}
		}
	}
	return nil
}

// Flush waits until everything queued so far has an outcome, or ctx ends.
func (p *Producer) Flush(ctx context.Context) error { return wrap("flush", "", p.client.Flush(ctx)) }

// Close waits a while for what is in flight, gives up the rest as Unknown, and ends the client. Do not send during or after it.
func (p *Producer) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeDrain)
	defer cancel()
	if err := p.client.Flush(ctx); err != nil {
		p.config.logger().Warn("records were still in flight when the producer closed; their outcome is unknown", "records", p.client.BufferedProduceRecords())
	}
	p.client.Close()
}

// BatchError is a batch of which not all records are known to be acknowledged.
type BatchError struct {
	Outcomes []error // one a record; nil: acknowledged
}

// Error names how many failed, and the first reason.
func (e *BatchError) Error() string {
	failures := e.failures()
	return fmt.Sprintf("%d of %d records not sent, first: %v", len(failures), len(e.Outcomes), failures[0])
}

// Unwrap gives the failures.
func (e *BatchError) Unwrap() []error { return e.failures() }

// Retryable: every failed record may be tried again.
func (e *BatchError) Retryable() bool {
	for _, err := range e.failures() {
		if !Retryable(err) {
			return false
		}
	}
	return true
}

// Unknown: at least one of the records may or may not have been applied.
func (e *BatchError) Unknown() bool {
	for _, err := range e.failures() {
		if Unknown(err) {
			return true
		}
	}
	return false
}

// TooLarge: at least one of the records is beyond a limit.
func (e *BatchError) TooLarge() bool {
	for _, err := range e.failures() {
		if TooLarge(err) {
			return true
		}
	}
	return false
}

func (e *BatchError) failures() (out []error) {
	for _, err := range e.Outcomes {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}
