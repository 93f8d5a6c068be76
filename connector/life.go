package connector

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// life is one connector from its start to its end. Nothing that the connector does in its own methods can hurt or hang the
// supervisor: they run beside it, and panics become errors.
type life struct {
	connector lifecycle.Watched
	kill      context.CancelCauseFunc // ends the connector's context, which the runtime's end does not
	ready     chan struct{}           // closed when Start returned nil
	ended     chan struct{}           // closed when the connector has ended, or never started
	stopOnce  sync.Once
	stopped   chan struct{} // closed when Stop has returned

	mu       sync.Mutex
	err      error
	stopping bool // Stop was or is about to be called
}

// newLife builds a connector and begins to start it.
func newLife(ctx context.Context, build func(config.Document) (lifecycle.Watched, error), doc config.Document) (*life, error) {
	var c lifecycle.Watched
	err := guard(func() (err error) { c, err = build(doc); return err })
	if err == nil && c == nil {
		err = errors.New("factory returned no connector")
	}
	if err != nil {
		return nil, fmt.Errorf("build connector: %w", err)
	}
	work, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	l := &life{connector: c, kill: kill, ready: make(chan struct{}), ended: make(chan struct{}), stopped: make(chan struct{})}
	go l.run(work)
	return l, nil
}

// run starts the connector and waits for its end. What it still holds then is freed by stop.
func (l *life) run(ctx context.Context) {
	defer close(l.ended)
	if err := guard(func() error { return l.connector.Start(ctx) }); err != nil {
		l.fail(fmt.Errorf("start: %w", err))
		return
	}
	done := l.connector.Done()
	close(l.ready)
	if l.isStopping() { // Stop may have come before Start had begun, and found nothing to stop
		_ = guard(func() error { l.connector.Stop(); return nil })
	}
	<-done
	err := l.connector.Err()
	if err == nil {
		err = lifecycle.ErrEnded
	}
	l.fail(err)
}

// stop asks the connector to end, after drain makes it, and tells whether it ended within kill after that. It is also how a connector
// that ended by itself gives back what it holds.
func (l *life) stop(drain, kill time.Duration) bool {
	defer l.kill(nil)
	l.beginStop()
	if !l.isReady() { // nothing was taken in yet, so nothing needs to drain
		l.kill(lifecycle.ErrStop)
	}
	if l.over(drain) {
		return true
	}
	l.kill(ErrDrainTimeout)
	return l.over(kill)
}

// beginStop calls the connector's Stop, once, beside us.
func (l *life) beginStop() {
	l.stopOnce.Do(func() {
		l.mu.Lock()
		l.stopping = true
		l.mu.Unlock()
		go func() {
			defer close(l.stopped)
			if err := guard(func() error { l.connector.Stop(); return nil }); err != nil {
				l.fail(fmt.Errorf("stop: %w", err))
			}
		}()
	})
}

// over waits for Stop to have returned and for Start or the loop to have ended.
func (l *life) over(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for _, end := range []<-chan struct{}{l.stopped, l.ended} {
		select {
		case <-end:
		case <-timer.C:
			return false
		}
	}
	return true
}

// fail keeps the first reason of the end.
func (l *life) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

func (l *life) isStopping() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopping
}

func (l *life) isReady() bool {
	select {
	case <-l.ready:
		return true
	default:
		return false
	}
}

func (l *life) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// describe asks the connector what it has to say; a panic there says nothing.
func (l *life) describe() (out []Detail) {
	d, ok := l.connector.(Describer)
	if !ok {
		return nil
	}
	if err := guard(func() error { out = d.Describe(); return nil }); err != nil {
		return []Detail{{Name: "status", Value: errorLine(err)}}
	}
	return out
}

// guard turns a panic into an error.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &lifecycle.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
