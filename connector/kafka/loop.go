package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// HandlerError is a handler's failure: the batch comes again.
type HandlerError struct {
	Records int
	First   string // the batch's first record: topic/partition@offset
	Err     error
}

// Error says which batch.
func (e *HandlerError) Error() string {
	return fmt.Sprintf("handle %d records from %s: %v", e.Records, e.First, e.Err)
}

// Unwrap gives the handler's own error.
func (e *HandlerError) Unwrap() error { return e.Err }

// StoppedError ends a consumer: only a person can mend it. Err is a plain sentence.
type StoppedError struct{ Err error }

// Error is the sentence.
func (e *StoppedError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *StoppedError) Unwrap() error { return e.Err }

// GaveUpError ends a consumer that tried for as long as it was told to (errors.retry.timeout). As Kafka Connect's task it has failed then, however
// much its reason would be worth another try: that it was tried again was somebody's wish, and so was that it ends.
type GaveUpError struct{ Err error }

// Error says after how long, and why.
func (e *GaveUpError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *GaveUpError) Unwrap() error { return e.Err }

// Retryable is false.
func (e *GaveUpError) Retryable() bool { return false }

// trouble is what a consumer has said about a failure that lasts.
type trouble struct {
	since   time.Time // zero: all is well
	handler bool      // the handler's failure, which only a handled batch ends
	message string
}

// loop runs step after step. Failures pause it longer each time, and are said once each.
func (c *Consumer) loop(ctx context.Context, ready func()) error {
	if err := c.open(); err != nil {
		return err
	}
	defer c.Close()
	ready()
	pauses := c.pauses()
	look := time.Now().Add(c.options.TopicGrace)
	for ctx.Err() == nil {
		handled, err := c.RunOnce(ctx)
		if !look.IsZero() && time.Now().After(look) {
			c.sayMissing(ctx)
			look = time.Time{}
		}
		var stop *StoppedError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &stop):
			c.log.Error("consumer stops", "err", err)
			return err
		case err != nil:
			c.failed(err)
			wait := pauses.NextBackOff()
			if wait == backoff.Stop {
				return &GaveUpError{Err: fmt.Errorf("gave up after %s (errors.retry.timeout): %w", c.options.RetryFor, err)}
			}
			sleep(ctx, wait)
		case handled > 0 || !c.trouble.handler:
			c.recovered()
			pauses.Reset()
		}
	}
	return context.Cause(ctx)
}

// pauses grow by half each time, with jitter, so that two copies do not hammer a struggling database in step.
func (c *Consumer) pauses() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(c.options.RetryMin),
		backoff.WithMaxInterval(c.options.RetryMax),
		backoff.WithMaxElapsedTime(c.options.RetryFor), // 0: for ever
	)
}

// sayMissing looks once whether the topics are there: the library waits for them without a word, and a misspelt name would
// look like an idle one.
func (c *Consumer) sayMissing(ctx context.Context) {
	if c.client == nil || len(c.options.Topics) == 0 {
		return
	}
	details, err := kadm.NewClient(c.client).ListTopics(ctx, c.options.Topics...)
	if err != nil {
		return // Kafka's absence is said elsewhere
	}
	var missing []string
	for _, topic := range c.options.Topics {
		if errors.Is(details[topic].Err, kerr.UnknownTopicOrPartition) {
			missing = append(missing, topic)
		}
	}
	if len(missing) > 0 {
		c.log.WarnContext(ctx, "topics do not exist yet: waiting for them (check their names, and the source that makes them)", "topics", missing)
	}
}

func (c *Consumer) failed(err error) {
	var h *HandlerError
	isHandler := errors.As(err, &h)
	said := err.Error()
	if isHandler {
		said = h.Err.Error() // the batch may grow from try to try
	}
	if said == c.trouble.message {
		return
	}
	if session := (*kgo.ErrGroupSession)(nil); errors.As(err, &session) && unreachable(err) {
		c.log.Debug("the group cannot be joined while Kafka is away", "err", err) // reach says that it is, once; this comes with every try
		return
	}
	if c.trouble.since.IsZero() {
		c.trouble.since = time.Now()
	}
	c.trouble.handler, c.trouble.message = isHandler, said
	c.log.Warn("consumer waits and tries again", "err", err)
}

// unreachable tells whether no broker answered at all.
func unreachable(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial)
}

func (c *Consumer) recovered() {
	if !c.trouble.since.IsZero() {
		c.log.Info("consumer goes on", "after", time.Since(c.trouble.since).Round(time.Millisecond))
	}
	c.trouble = trouble{}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
