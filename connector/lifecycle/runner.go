package lifecycle

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
)

// Runner gives a service its Stop, Done and Err. Embed it, and call Run or RunReady once from Start:
//
//	type Poller struct {
//		lifecycle.Runner
//		…
//	}
//
//	func (p *Poller) Start(ctx context.Context) error { p.Run(ctx, p.loop); return nil }
//
// The zero Runner is ready for use. All methods may be called from any goroutine except Stop from the loop itself.
// A Runner must not be copied after first use.
type Runner struct {
	stopping sync.Mutex // held while Stop waits, so that no new run begins before the old one ended; taken before mu

	mu      sync.Mutex
	current *run // nil before the first Run and after Stop
	lastErr error
}

// run is one life of a service.
type run struct {
	cancel context.CancelCauseFunc
	ready  chan struct{} // closed when the loop called ready
	done   chan struct{} // closed when the loop has returned
	err    error         // why the loop ended; written before done is closed
}

// Run starts loop in the background. A running service is left alone.
//
// loop ends when its context does, and then returns nil or the context's error; any other error, and a panic, is what Err answers.
func (r *Runner) Run(ctx context.Context, loop func(context.Context) error) {
	r.begin(ctx, func(ctx context.Context, ready func()) error {
		ready()
		return loop(ctx)
	})
}

// RunReady starts loop in the background and waits until it has called ready or ended. When it ended without having been
// ready, its error is returned (ErrStop or the context's where it has none) and the service counts as never started.
func (r *Runner) RunReady(ctx context.Context, loop func(ctx context.Context, ready func()) error) error {
	this := r.begin(ctx, loop)
	select {
	case <-this.ready:
		return nil
	case <-this.done:
	}
	if isClosed(this.ready) { // ready, and ended at once: the start succeeded, Err tells the rest
		return nil
	}
	r.forget(this, nil) // the error is returned, so Err has nothing to tell
	if this.err != nil {
		return this.err
	}
	return errors.New("service ended before it was ready")
}

// Stop cancels the loop with cause ErrStop and waits for it.
func (r *Runner) Stop() {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.mu.Lock()
	this := r.current
	r.mu.Unlock()
	if this == nil {
		return
	}
	this.cancel(ErrStop)
	<-this.done
	r.forget(this, uncontrolled(this.err))
}

// Done is closed when the current run has ended.
func (r *Runner) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		return closed
	}
	return r.current.done
}

// Err says why the last run ended; nil while it runs and after a controlled end.
func (r *Runner) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		return r.lastErr
	}
	if isClosed(r.current.done) {
		return uncontrolled(r.current.err)
	}
	return nil
}

// begin starts a run, or returns the one that is alive.
func (r *Runner) begin(parent context.Context, loop func(context.Context, func()) error) *run {
	r.stopping.Lock()
	defer r.stopping.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && !isClosed(r.current.done) {
		return r.current
	}
	ctx, cancel := context.WithCancelCause(parent)
	this := &run{cancel: cancel, ready: make(chan struct{}), done: make(chan struct{})}
	r.current, r.lastErr = this, nil
	go func() {
		defer close(this.done)
		defer cancel(nil) // frees the context of a loop that ended by itself
		this.err = protect(ctx, this.ready, loop)
	}()
	return this
}

// forget drops a run that has ended, unless another has begun since.
func (r *Runner) forget(this *run, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == this {
		r.current, r.lastErr = nil, why
	}
}

// protect runs loop and turns a panic into an error. A loop that ends on its context without an error of its own gets the
// context's cause, so that a start that was interrupted can say by what.
func protect(ctx context.Context, isReady chan struct{}, loop func(context.Context, func()) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	err = loop(ctx, sync.OnceFunc(func() { close(isReady) }))
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return context.Cause(ctx)
	}
	return err
}

// uncontrolled drops what is no failure: a stop that was asked for.
func uncontrolled(err error) error {
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// closed is the Done of a service that does not run.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
