package connector

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// RestartPolicy says when a connector that failed is started again. Zero fields mean their defaults.
type RestartPolicy struct {
	First      time.Duration // pause before the first restart; 1 s
	Longest    time.Duration // no pause is longer; 1 min
	Budget     int           // restarts in a row after errors that do not say that they are worth a retry; 5
	ResetAfter time.Duration // a connector that ran for so long has a full budget again; 5 min
}

func (p RestartPolicy) withDefaults() RestartPolicy {
	if p.First == 0 {
		p.First = time.Second
	}
	if p.Longest == 0 {
		p.Longest = time.Minute
	}
	if p.Budget == 0 {
		p.Budget = 5
	}
	if p.ResetAfter == 0 {
		p.ResetAfter = 5 * time.Minute
	}
	return p
}

// restarts counts the failures of one connector in a row. One goroutine uses it.
type restarts struct {
	policy RestartPolicy
	pauses *backoff.ExponentialBackOff
	row    int       // failures since the last healthy life
	spent  int       // those among them that cost budget
	since  time.Time // of the first of the row
	said   string    // the error that was logged last in this row
	toldUp bool      // that it runs again was logged in this row
}

func newRestarts(p RestartPolicy) *restarts {
	p = p.withDefaults()
	pauses := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(p.First),
		backoff.WithMaxInterval(p.Longest),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0.3), // connectors that fell together should not rise together
		backoff.WithMaxElapsedTime(0),        // the budget decides, not the clock
	)
	return &restarts{policy: p, pauses: pauses}
}

// failed says after which pause to start again, or false for never. lived is how long the connector was ready.
func (r *restarts) failed(err error, lived time.Duration) (pause time.Duration, again bool) {
	if lived >= r.policy.ResetAfter {
		r.reset()
	}
	if r.row++; r.row == 1 {
		r.since = time.Now()
	}
	switch worthRetry(err) {
	case no:
		return 0, false
	case unsaid:
		if r.spent++; r.spent > r.policy.Budget {
			return 0, false
		}
	case yes:
	}
	return r.pauses.NextBackOff(), true
}

// news tells whether a failure is to be logged: the first of its kind in a row.
func (r *restarts) news(err error) bool {
	line := errorLine(err)
	news := line != r.said
	r.said = line
	return news
}

func (r *restarts) reset() {
	r.pauses.Reset()
	r.row, r.spent, r.said, r.toldUp = 0, 0, "", false
}

// verdict is what an error says about trying again.
type verdict int

const (
	unsaid verdict = iota
	yes
	no
)

// worthRetry asks the error, or the first one that it wraps that has an answer.
func worthRetry(err error) verdict {
	var r interface{ Retryable() bool }
	switch {
	case !errors.As(err, &r):
		return unsaid
	case r.Retryable():
		return yes
	}
	return no
}
