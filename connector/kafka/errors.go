package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Error is an operation on Kafka that failed. Ask it by behaviour; for any error, [Retryable], [Unknown] and [TooLarge] do.
type Error struct {
	Op    string // what was tried: "send", "commit transaction"
	Topic string // empty where there is none
	Err   error
	kind  kind
}

type kind int

const (
	permanent kind = iota // not applied, and the same again will fail again
	retryable             // not applied; the same again may succeed
	unknown               // it may have been applied
	tooLarge              // permanent: the record is beyond a limit
)

// Error says what was tried, and of what.
func (e *Error) Error() string {
	if e.Topic == "" {
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s to topic %s: %v", e.Op, e.Topic, e.Err)
}

// Unwrap gives kgo's or the broker's error.
func (e *Error) Unwrap() error { return e.Err }

// Retryable: it was not applied, and may succeed when tried again.
func (e *Error) Retryable() bool { return e.kind == retryable }

// Unknown: it may have been applied. Sending again may double it.
func (e *Error) Unknown() bool { return e.kind == unknown }

// TooLarge: the record is beyond the producer's max.request.size or the topic's max.message.bytes.
func (e *Error) TooLarge() bool { return e.kind == tooLarge }

// TopicMissing: the topic does not exist, or we may not see it.
func (e *Error) TopicMissing() bool {
	return e.Topic != "" && errors.Is(e.Err, kerr.UnknownTopicOrPartition)
}

// Retryable asks err, or anything it wraps, whether trying again may succeed.
func Retryable(err error) bool {
	var e interface{ Retryable() bool }
	return errors.As(err, &e) && e.Retryable()
}

// Unknown asks err, or anything it wraps, whether the operation may have been applied.
func Unknown(err error) bool {
	var e interface{ Unknown() bool }
	return errors.As(err, &e) && e.Unknown()
}

// TooLarge asks err, or anything it wraps, whether a record was beyond a limit.
func TooLarge(err error) bool {
	var e interface{ TooLarge() bool }
	return errors.As(err, &e) && e.TooLarge()
}

// wrap makes an Error; nil stays nil.
func wrap(op, topic string, err error) error {
	if err == nil {
		return nil
	}
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	return &Error{Op: op, Topic: topic, Err: advise(err), kind: classify(err)}
}

// classify knows kgo's and the broker's errors. kgo fails a record that it has put on the wire only when it got a definite
// answer, or is told to give up; so only giving up leaves it open.
func classify(err error) kind {
	switch {
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return tooLarge
	case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, kgo.ErrAborting),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, kerr.RequestTimedOut), errors.Is(err, kerr.NotEnoughReplicasAfterAppend):
		return unknown
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries), errors.Is(err, kgo.ErrMaxBuffered),
		errors.Is(err, kerr.UnknownTopicOrPartition), kgo.IsRetryableBrokerErr(err), kerr.IsRetriable(err),
		isDial(err):
		return retryable
	default:
		return permanent
	}
}

// isDial: no connection, so nothing was applied.
func isDial(err error) bool {
	var dial *kgo.ErrFirstReadEOF
	return errors.As(err, &dial) || isNetOp(err, "dial")
}

// advise adds what a person can do about errors that need one.
func advise(err error) error {
	for _, a := range []struct {
		is     error
		advice string
	}{
		{kerr.MessageTooLarge, "raise the topic's max.message.bytes and producer.override.max.request.size"},
		{kerr.UnknownTopicOrPartition, "create the topic, or grant Describe on it"},
		{kerr.TopicAuthorizationFailed, "grant this user the topic (Read for consumers; Write and Create for producers)"},
		{kerr.GroupAuthorizationFailed, "grant this user Read on the group"},
		{kerr.ClusterAuthorizationFailed, "grant this user the operation on the cluster"},
		{kerr.TransactionalIDAuthorizationFailed, "grant this user Write on the transactional id"},
		{kerr.SaslAuthenticationFailed, "check the user name and password"},
		{kerr.InvalidReplicationFactor, "the cluster has fewer brokers than the replication factor asks for"},
		{kerr.ProducerFenced, "another process with this transactional id has taken over"},
		{kerr.InvalidProducerEpoch, "another process with this transactional id has taken over"},
	} {
		if errors.Is(err, a.is) {
			return fmt.Errorf("%w (%s)", err, a.advice)
		}
	}
	return err
}

func isNetOp(err error, op string) bool {
	var net *net.OpError
	return errors.As(err, &net) && net.Op == op
}
