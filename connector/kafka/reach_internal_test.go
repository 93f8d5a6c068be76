package kafka

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type heard []bool

func (h *heard) observe(e Event) { *h = append(*h, e.(Reachability).Reachable) }

// An hour without Kafka, an attempt a second: one line when it is sure, one when it is over.
func TestAwayIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var h heard
		r := &reach{log: slog.New(slog.NewTextHandler(&log, nil)), observe: h.observe}
		refused := errors.New("connection refused")

		r.OnBrokerConnect(kgo.BrokerMetadata{}, 0, nil, refused)
		<-time.After(2 * time.Second)
		r.OnBrokerE2E(kgo.BrokerMetadata{}, 0, kgo.BrokerE2E{})
		r.OnBrokerConnect(kgo.BrokerMetadata{}, 0, nil, refused)
		if log.Len() > 0 {
			t.Fatalf("a moment's failure was said: %s", log.String())
		}
		for range 3600 {
			<-time.After(time.Second)
			r.OnBrokerE2E(kgo.BrokerMetadata{}, 0, kgo.BrokerE2E{ReadErr: refused})
		}
		r.OnBrokerE2E(kgo.BrokerMetadata{}, 0, kgo.BrokerE2E{})
		r.OnBrokerE2E(kgo.BrokerMetadata{}, 0, kgo.BrokerE2E{})
		if n := strings.Count(log.String(), "\n"); n != 2 || len(h) != 2 || h[0] || !h[1] {
			t.Errorf("%d lines, events %v; want one for away and one for back:\n%s", n, h, log.String())
		}
		if !strings.Contains(log.String(), "after=1h0m0s") {
			t.Errorf("the time away is missing:\n%s", log.String())
		}
		for range 10 { // closing a client cancels its requests
			<-time.After(time.Second)
			r.OnBrokerE2E(kgo.BrokerMetadata{}, 0, kgo.BrokerE2E{ReadErr: context.Canceled})
		}
		if len(h) != 2 {
			t.Errorf("our own closing was taken for Kafka's absence")
		}
	})
}

// A failure that lasts is one line, however often it is tried; another failure is another line.
func TestTroubleIsSaidOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := &Consumer{log: slog.New(slog.NewTextHandler(&log, nil))}
	down, full := errors.New("database down"), errors.New("disk full")
	for i := range 5 {
		c.failed(&HandlerError{Records: 10 + i, First: "t/0@1", Err: down})
	}
	c.failed(&HandlerError{Records: 3, First: "t/0@1", Err: full})
	c.recovered()
	c.recovered()
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("%d lines, want 3:\n%s", n, log.String())
	}
}

// Work goes on for a while after the intake has ended, and not for ever.
func TestWorkOutlivesIntake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("stop")
		intake, stop := context.WithCancelCause(t.Context())
		work, release := outlive(intake, 10*time.Second)
		defer release()
		stop(why)
		<-time.After(9 * time.Second)
		if work.Err() != nil {
			t.Error("work was cut off within its drain time")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if !errors.Is(context.Cause(work), why) {
			t.Errorf("after the drain time: %v", context.Cause(work))
		}
	})
}
