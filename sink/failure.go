package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// failed records a failure with its record: parked if trying again cannot help, else later. What concerns every record goes up.
func (r *reconciliation) failed(ctx context.Context, cause error) error {
	var data *DataError
	switch {
	case ctx.Err() != nil:
		return cause
	case errors.As(cause, &data), Permanent(cause):
		r.w.Log.WarnContext(ctx, "record parked", "entity", r.link().Entity, "key", r.link().Key, "page", r.link().Page, "reason", cause.Error())
		f := r.done()
		f.Parked = cause.Error()
		if data != nil {
			f.Parked = data.Error() // for people, who need not know at which step
		}
		r.observeParked()
		return r.commitFailure(ctx, cause, ledger.Commit{Finish: f})
	case Fatal(cause):
		return fmt.Errorf("%w: %w", errRound, cause)
	}
	r.w.Log.WarnContext(ctx, "will look again", "entity", r.link().Entity, "key", r.link().Key, "page", r.link().Page, "attempt", r.work.Attempts+1, "reason", cause.Error())
	f := r.later(r.w.Now().Add(pauseAfter(failDelay, failDelayMax, r.work.Attempts)), true)
	f.Trouble = troubleOf(cause)
	return r.commitFailure(ctx, cause, ledger.Commit{Finish: f})
}

// troubleOf is an error as a list of issues bears it.
func troubleOf(err error) string {
	text := []rune(err.Error())
	if len(text) > troubleMax {
		return string(text[:troubleMax]) + "…"
	}
	return string(text)
}

// troubleMax bounds what is kept of a failure, in characters.
const troubleMax = 500

func (r *reconciliation) commitFailure(ctx context.Context, cause error, c ledger.Commit) error {
	err := r.commit(ctx, c)
	if err == nil || errors.Is(err, ledger.ErrFenced) {
		return nil
	}
	return errors.Join(cause, err)
}

// tellParked puts an alert beside work that is parked: once for each link and reason, however often it is looked at again. Work that waits
// for a person has its hold's alert.
func (r *reconciliation) tellParked(c *ledger.Commit) {
	if c.Finish == nil || c.Finish.Parked == "" || len(c.Holds) > 0 {
		return
	}
	a := r.alert("parked", "", c.Finish.Parked, false, "")
	a.ID = stableID("parked", r.link().ID, c.Finish.Parked)
	c.Alerts = append(c.Alerts, a)
}

// Permanent reports that trying again as it is cannot help: the error, or one that it wraps, says so itself.
func Permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// Fatal reports an error that every record would meet: a withdrawn token, a database that is gone.
func Fatal(err error) bool {
	var f interface{ Fatal() bool }
	return errors.As(err, &f) && f.Fatal()
}

func (r *reconciliation) observe(outcome string, d ledger.Decision) {
	if r.w.Observe == nil {
		return
	}
	r.w.Observe.Reconciled(r.link().Entity, r.w.Side, outcome)
	for range d.Parked {
		r.observeParked()
	}
}

func (r *reconciliation) observeParked() {
	if r.w.Observe != nil {
		r.w.Observe.Parked(r.link().Entity, r.w.Side)
	}
}
