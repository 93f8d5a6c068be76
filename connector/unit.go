package connector

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// unit is one connector and its supervisor, a loop that brings the connector into the state that is wanted.
type unit struct {
	lifecycle.Runner

	class    Class
	doc      config.Document
	config   Config
	log      *slog.Logger
	restarts *restarts // the supervisor's own

	asked chan struct{} // capacity one: want or again changed

	mu     sync.Mutex
	want   State // Running, Paused or Stopped
	again  bool  // a restart was asked for
	status Status
	life   *life     // the present one, for Describe; nil between lives
	told   [2]string // state and error that the observer heard last
}

func newUnit(class Class, doc config.Document, c Config, target State) *unit {
	return &unit{
		class: class, doc: doc, config: c, want: target, asked: make(chan struct{}, 1), restarts: newRestarts(c.Restart),
		log:    c.Log.With("component", "runtime", "connector", doc.Name),
		status: Status{Name: doc.Name, Class: class.Name, Kind: class.Kind, State: Unassigned, Since: time.Now()},
	}
}

// start starts the supervisor. It outlives ctx by what its connector needs to drain.
func (u *unit) start(ctx context.Context) { u.Run(ctx, u.supervise) }

// wanted is the state that was asked for last.
func (u *unit) wanted() State {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.want
}

// ask asks for a state, and with again for a new start even if that state is there.
func (u *unit) ask(target State, again bool) {
	u.mu.Lock()
	u.again = u.again || again || u.status.State == Failed && target == Running
	u.want = target
	u.mu.Unlock()
	select {
	case u.asked <- struct{}{}:
	default:
	}
}

// Status is the unit at this moment.
func (u *unit) Status() Status {
	u.mu.Lock()
	s, l := u.status, u.life
	u.mu.Unlock()
	if l != nil {
		s.Details = l.describe()
	}
	return s
}

// supervise is the loop: one turn is one life of the connector, or one wait for somebody to ask.
func (u *unit) supervise(ctx context.Context) error {
	for ctx.Err() == nil {
		switch want := u.wanted(); want {
		case Paused, Stopped:
			u.enter(want, nil, time.Time{})
			u.wait(ctx, nil)
		case Running:
			u.takeAgain()
			if lived, err := u.live(ctx); err != nil {
				u.afterFailure(ctx, lived, err)
			}
		default:
			panic("connector: wanted state " + string(want))
		}
	}
	if u.State() != Failed {
		u.enter(Unassigned, nil, time.Time{})
	}
	return nil
}

// live runs the connector once. The error is nil when it ended on request, else says why it ended; lived is how long it had been ready.
func (u *unit) live(ctx context.Context) (lived time.Duration, err error) {
	u.enter(Unassigned, nil, time.Time{})
	l, err := newLife(ctx, u.class.New, u.doc)
	if err != nil {
		return 0, err
	}
	u.hold(l)
	defer u.hold(nil)

	ready := l.ready
	var since time.Time
	defer func() {
		if !since.IsZero() {
			lived = time.Since(since)
		}
	}()
	for {
		select {
		case <-ready:
			ready, since = nil, time.Now()
			u.isUp()
		case <-l.ended:
			return 0, cmp.Or(u.finish(l), l.why())
		case <-ctx.Done():
			return 0, u.finish(l)
		case <-u.asked:
			if again := u.takeAgain(); again || u.wanted() != Running {
				return 0, u.finish(l)
			}
		}
	}
}

// finish ends a life. That it does not end is the one failure left.
func (u *unit) finish(l *life) error {
	if l.stop(u.config.StopTimeout, u.config.KillTimeout) {
		return nil
	}
	return errLeftBehind
}

// errLeftBehind is the failure of a connector that did not stop. A second copy beside it would only add to the harm.
var errLeftBehind error = leftBehind{}

type leftBehind struct{}

func (leftBehind) Error() string   { return "did not end when it was asked to; restart the process" }
func (leftBehind) Retryable() bool { return false }

// afterFailure waits until the connector is worth another try.
func (u *unit) afterFailure(ctx context.Context, lived time.Duration, err error) {
	pause, again := u.restarts.failed(err, lived)
	switch {
	case !again:
		u.log.Error("connector failed, and is not started again by itself", "err", err, "failures", u.restarts.row)
		u.enter(Failed, err, time.Time{})
		u.restarts.reset()
		u.wait(ctx, nil)
		return
	case u.restarts.news(err):
		u.log.Warn("connector failed, and is started again until it holds", "err", err, "pause", pause.Round(time.Millisecond))
	default:
		u.log.Debug("connector failed again", "err", err, "failures", u.restarts.row, "pause", pause.Round(time.Millisecond))
	}
	u.enter(Restarting, err, time.Now().Add(pause))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	if u.wait(ctx, timer.C) {
		u.countRestart()
	}
}

// wait blocks until somebody asks for something, the runtime ends, or the timer fires: then it returns true.
func (u *unit) wait(ctx context.Context, timer <-chan time.Time) (fired bool) {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer:
			return true
		case <-u.asked:
			if u.worthATurn() {
				return false
			}
		}
	}
}

// worthATurn tells whether what was asked for differs from what is.
func (u *unit) worthATurn() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch u.status.State {
	case Paused, Stopped:
		return u.want != u.status.State
	case Failed:
		return u.again || u.want != Running
	case Restarting, Running, Unassigned:
		return true
	}
	return true
}

// isUp says that the connector is ready; once in a row of failures that it is again.
func (u *unit) isUp() {
	switch n := u.restarts.row; {
	case n == 0:
		u.log.Info("connector runs", "class", u.class.Name)
	case !u.restarts.toldUp:
		u.restarts.toldUp = true
		u.log.Info("connector runs again", "failures", n, "after", time.Since(u.restarts.since).Round(time.Millisecond))
	}
	u.enter(Running, nil, time.Time{})
}

// enter changes the state, and tells the observer what it has not been told.
func (u *unit) enter(state State, err error, nextTry time.Time) {
	u.mu.Lock()
	if u.status.State != state {
		u.status.Since = time.Now()
	}
	u.status.State, u.status.Error, u.status.Cause, u.status.Trace, u.status.NextTry = state, errorLine(err), err, stackOf(err), nextTry
	news := u.told != [2]string{string(state), u.status.Error}
	u.told = [2]string{string(state), u.status.Error}
	status := u.status
	u.mu.Unlock()
	if news && u.config.Observer != nil {
		u.config.Observer.StateChanged(status)
	}
}

// State is the present state.
func (u *unit) State() State {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status.State
}

func (u *unit) hold(l *life) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.life = l
}

func (u *unit) takeAgain() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	again := u.again
	u.again = false
	return again
}

func (u *unit) countRestart() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Restarts++
}

// ErrDrainTimeout is the cancel cause of a connector's context when it did not end within Config.StopTimeout.
var ErrDrainTimeout = errors.New("connector did not drain in time")
