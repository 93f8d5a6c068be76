package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Transactional sends records in transactions: who reads committed sees all that was sent since the last Commit at once, or none of it, ever.
//
//	Fence ──► Send … ──► Commit ──► Send … ──► Commit …
//	  ▲         │           │
//	  └─────────┴───────────┘ any failure: what was sent since the last Commit is void, or its outcome unknown
//
// Its transactional id is stable for the work (Connect's is <group>-<connector>-<task>), so that Fence ends what a predecessor left open and keeps
// that predecessor from ever committing again. What is read (committed) after Fence is therefore final: that answers whether a commit
// of unknown outcome happened.
//
// Send may be called from several goroutines; while a transaction ends, they wait. Close it.
type Transactional struct {
	config Config
	id     string
	topics *topicStates // what is learnt of topics outlives the clients

	turn     sync.RWMutex              // read: while a record is queued; written: while a transaction ends or the client is replaced
	producer *Producer                 // nil: Fence comes first
	begin    sync.Mutex                // held while a transaction begins
	began    atomic.Pointer[time.Time] // of the open transaction; nil: none is
}

// FencedError is returned by a producer whose transactional id another one has taken over. Nothing of it is or will be committed.
type FencedError struct {
	ID  string
	err error
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("another producer has taken over the transactional id %q (%v)", e.ID, e.err)
}

// Unwrap gives the broker's error.
func (e *FencedError) Unwrap() error { return e.err }

// Fenced is for callers that do not know this package.
func (e *FencedError) Fenced() bool { return true }

// Retryable is false: of two with one id, each would throw the other out for ever.
func (e *FencedError) Retryable() bool { return false }

// OpenTransactional checks the configuration; no broker is asked yet. producer.override.transactional.id comes before id.
func OpenTransactional(config Config, id string) (*Transactional, error) {
	s, err := config.settings(producerRole)
	if err != nil {
		return nil, err
	}
	if id = cmp.Or(s.transactionalID, id); id == "" {
		return nil, errors.New("transactional id: must not be empty")
	}
	return &Transactional{config: config, id: id, topics: &topicStates{}}, nil
}

// Timeout is how long a transaction may stay open before the broker gives it up: transaction.timeout.ms.
func (t *Transactional) Timeout() time.Duration {
	s, _ := t.config.settings(producerRole) // it was looked at when it was opened
	return s.transactionTimeout
}

// Fence takes the transactional id over, from a predecessor or from ourselves after a failure. When it returns nil, a transaction that was open is
// aborted, one that was being committed is committed, whole, and neither can change any more.
func (t *Transactional) Fence(ctx context.Context) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	t.discard()
	p, err := openProducer(t.config, t.id, t.topics)
	if err != nil {
		return err
	}
	if _, _, err := p.client.ProducerID(ctx); err != nil {
		p.client.Close()
		return t.judge("take over transactional id "+t.id, err)
	}
	p.verdict = func(err error) error { return t.judge("send", err) }
	t.producer = p
	return nil
}

// discard ends the client without waiting for anything.
func (t *Transactional) discard() {
	if t.producer != nil {
		t.producer.client.Close()
	}
	t.producer = nil
	t.began.Store(nil)
}

// errUnfenced is the answer to a caller that goes on after a failure.
var errUnfenced = &Error{Op: "send", Err: errors.New("the transaction has failed"), kind: retryable}

// Send queues one record as part of the open transaction, and begins one if need be. done and ctx are as in [Producer.Send]; nil means that the
// broker has the record, not that anybody may read it. After a failure nothing can be committed before the next Fence.
func (t *Transactional) Send(ctx context.Context, r Record, done func(error)) {
	t.turn.RLock()
	defer t.turn.RUnlock()
	if err := t.ensureOpen(); err != nil {
		done(err)
		return
	}
	t.producer.Send(ctx, r, done)
}

// ensureOpen begins a transaction unless one is open. Callers hold turn.
func (t *Transactional) ensureOpen() error {
	t.begin.Lock()
	defer t.begin.Unlock()
	switch {
	case t.producer == nil:
		return errUnfenced
	case t.began.Load() != nil:
		return nil
	}
	if err := t.producer.client.BeginTransaction(); err != nil {
		return t.judge("begin transaction", err)
	}
	t.producer.failed.Store(nil)
	now := time.Now()
	t.began.Store(&now)
	return nil
}

// Commit adds the last records, waits until the broker has all, and makes the transaction readable. Without records it does nothing. After an
// error Fence comes next, and what can be read then tells whether the commit happened.
func (t *Transactional) Commit(ctx context.Context, last ...Record) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	if t.producer != nil && t.began.Load() == nil && len(last) == 0 {
		return nil
	}
	if err := t.ensureOpen(); err != nil {
		return err
	}
	for _, r := range last {
		t.producer.Send(ctx, r, func(error) {}) // the producer remembers its first failure
	}
	err := t.producer.client.Flush(ctx)
	if first := t.producer.failed.Load(); first != nil {
		err = *first
	}
	if err == nil {
		err = t.settleTopics(ctx)
	}
	if err == nil {
		err = t.producer.client.EndTransaction(ctx, kgo.TryCommit)
	}
	if err == nil {
		t.began.Store(nil)
		return nil
	}
	err = t.judge("commit transaction", err)
	t.discard() // an EndTransaction that is still on its way is overtaken by the next Fence
	return err
}

// settleTopics waits until the client has stored the partitions of topics that it met for the first time. It produces to them before that
// (franz-go v1.22.2, storePartitionsUpdate), and EndTransaction, finding none that was produced to, would abort the transaction and return nil:
// records that are lost and counted as committed. With nothing buffered any more AbortBufferedRecords aborts nothing; it waits for the lock that is
// held until the partitions are stored.
func (t *Transactional) settleTopics(ctx context.Context) error {
	return t.producer.client.AbortBufferedRecords(ctx)
}

// Abort voids what was sent since the last Commit, so that readers need not wait for the transaction's timeout. Fence comes next.
func (t *Transactional) Abort(ctx context.Context) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	if t.producer == nil {
		return nil
	}
	defer t.discard()
	if t.began.Load() == nil {
		return nil
	}
	err := t.producer.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = t.producer.client.EndTransaction(ctx, kgo.TryAbort)
	}
	return wrap("abort transaction", "", err)
}

// Close aborts what is open, and ends the client.
func (t *Transactional) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeDrain)
	defer cancel()
	if err := t.Abort(ctx); err != nil {
		t.config.logger().Warn("a transaction could not be aborted: who reads committed waits until it times out", "transactional.id", t.id, "err", err)
	}
}

// judge tells what a failure means to somebody who takes the id over again and looks what was committed: nearly everything can be tried again
// then. What stays is what a person has to mend.
func (t *Transactional) judge(op string, err error) error {
	var known *Error
	if !errors.As(err, &known) {
		known = &Error{Op: op, Err: advise(err), kind: classify(err)}
	}
	switch {
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return &Error{Op: op, kind: permanent, Err: fmt.Errorf("%w: grant this Kafka user Write and Describe on the transactional id (kafka-acls.sh --add --allow-principal "+
			"User:… --operation Write --operation Describe --transactional-id %s)", err, t.id)}
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return &Error{Op: op, kind: permanent, Err: fmt.Errorf("%w: producer.override.transaction.timeout.ms is %d, more than the broker's transaction.max.timeout.ms: lower the one or raise the other",
			err, t.Timeout().Milliseconds())}
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
		if began := t.began.Load(); began != nil && time.Since(*began) > t.Timeout()*9/10 { // the broker fences whom it has timed out
			return &Error{Op: op, kind: retryable, Err: fmt.Errorf("%w: the transaction was open for %s, and transaction.timeout.ms is %s",
				err, time.Since(*began).Round(time.Millisecond), t.Timeout())}
		}
		return &FencedError{ID: t.id, err: err}
	case known.kind == permanent && recoverable(err):
		return &Error{Op: known.Op, Topic: known.Topic, Err: known.Err, kind: retryable}
	}
	return known
}

// recoverable are answers that end a producer's life and not its successor's.
func recoverable(err error) bool {
	for _, is := range []error{
		kerr.TransactionAbortable, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber,
		kerr.DuplicateSequenceNumber, kerr.ConcurrentTransactions, kerr.OperationNotAttempted, kerr.UnknownServerError,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}
