package notionapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Waits between attempts where Notion does not say how long: 1 s, 2 s, 4 s … up to a minute, the official SDK's figures.
const (
	backoffFirst = time.Second
	backoffMax   = time.Minute
)

// retry repeats what is safe to repeat, and nothing else:
//
//	429, 529                      every method: Notion did not take the request
//	no connection                 every method: it never left
//	no answer, 408, 5xx           reads only: a write may have been applied
//	everything else               never (a 409 asks for a new decision, which is not ours)
type retry struct {
	next        http.RoundTripper
	attemptsMax int
	elapsedMax  time.Duration
	now         func() time.Time
	sleep       func(context.Context, time.Duration) error
	jitter      func() float64
}

func newRetry(next http.RoundTripper, cfg Config) retry {
	return retry{next: next, attemptsMax: cfg.AttemptsMax, elapsedMax: cfg.RetryElapsedMax, now: cfg.Now, sleep: cfg.Sleep, jitter: cfg.Jitter}
}

// RoundTrip implements http.RoundTripper.
func (r retry) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	pause := r.backoff()
	var waited time.Duration
	for attempt := 1; ; attempt++ {
		again, err := replay(req)
		if err != nil {
			return nil, err
		}
		resp, err := r.next.RoundTrip(again)
		if err == nil {
			return resp, nil
		}
		wait, ok := r.wait(req, err, pause)
		if !ok || attempt >= r.attemptsMax || waited+wait > r.elapsedMax || !r.inTime(ctx, wait) {
			return nil, err
		}
		waited += wait
		if stop := r.sleep(ctx, wait); stop != nil {
			return nil, fmt.Errorf("%w; stopped waiting to try again: %w", err, stop)
		}
	}
}

// replay gives the request a body that was not read yet.
func replay(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("read request body again: %w", err)
		}
		again.Body = body
	}
	return again, nil
}

// wait says how long to wait before the request may be sent again, if it may.
func (r retry) wait(req *http.Request, err error, pause backoff.BackOff) (time.Duration, bool) {
	var e *Error
	if !errors.As(err, &e) || req.Context().Err() != nil || !repeatable(req, e) {
		return 0, false
	}
	wait := pause.NextBackOff()
	if e.RetryAfter > 0 {
		// Not all at the same moment: they were stopped at the same moment.
		return e.RetryAfter + time.Duration(r.jitter()*float64(backoffFirst)), true
	}
	return wait/2 + time.Duration(r.jitter()*float64(wait/2)), true
}

func repeatable(req *http.Request, e *Error) bool {
	switch {
	case limited(e):
		return true
	case e.Status == 0:
		return e.Outcome == NotApplied
	case isWrite(req):
		return false
	}
	return e.Status == http.StatusOK || e.Status == http.StatusRequestTimeout || (e.Status >= 500 && e.Status != statusOverload)
}

// inTime reports that the caller would still be there after the wait.
func (r retry) inTime(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || r.now().Add(wait).Before(deadline)
}

func (r retry) backoff() backoff.BackOff {
	b := &backoff.ExponentialBackOff{
		InitialInterval: backoffFirst,
		// The library's randomness is global; ours is the caller's, so that a simulation can be replayed.
		RandomizationFactor: 0,
		Multiplier:          2,
		MaxInterval:         backoffMax,
		MaxElapsedTime:      0, // elapsedMax counts the waits, Retry-After included
		Stop:                backoff.Stop,
		Clock:               clock(r.now),
	}
	b.Reset()
	return b
}

type clock func() time.Time

// Now implements backoff.Clock.
func (c clock) Now() time.Time { return c() }
