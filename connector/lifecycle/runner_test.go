package lifecycle_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
)

// loopService is a service made of a function.
type loopService struct {
	lifecycle.Runner
	loop func(context.Context) error
}

func (s *loopService) Start(ctx context.Context) error { s.Run(ctx, s.loop); return nil }

// readyService is a service made of a function that says when it is ready.
type readyService struct {
	lifecycle.Runner
	loop func(context.Context, func()) error
}

func (s *readyService) Start(ctx context.Context) error { return s.RunReady(ctx, s.loop) }

func untilDone(ctx context.Context) error { <-ctx.Done(); return nil }

func readyUntilDone(ctx context.Context, ready func()) error { ready(); <-ctx.Done(); return ctx.Err() }

func TestRunnerKeepsTheContractUnderStress(t *testing.T) {
	t.Parallel()
	var alive, most atomic.Int32
	counted := func(ctx context.Context) error {
		most.Store(max(most.Load(), alive.Add(1)))
		defer alive.Add(-1)
		return untilDone(ctx)
	}
	lifecycletest.Stress(t, &loopService{loop: counted})
	if alive.Load() != 0 || most.Load() != 1 {
		t.Errorf("%d loops alive at the end, want 0; %d at once, want 1", alive.Load(), most.Load())
	}
}

func TestRunReadyKeepsTheContractUnderStress(t *testing.T) {
	t.Parallel()
	t.Run("ready at once", func(t *testing.T) {
		t.Parallel()
		lifecycletest.Stress(t, &readyService{loop: readyUntilDone})
	})
	t.Run("fails now and then", func(t *testing.T) {
		t.Parallel()
		errFlaky := errors.New("port taken")
		var n atomic.Int32
		lifecycletest.Stress(t, &readyService{loop: func(ctx context.Context, ready func()) error {
			if n.Add(1)%3 == 0 {
				return errFlaky
			}
			return readyUntilDone(ctx, ready)
		}}, errFlaky)
	})
}

func TestStopIsToldFromACancelledParent(t *testing.T) {
	t.Parallel()
	causes := make(chan error, 1)
	s := &loopService{loop: func(ctx context.Context) error {
		<-ctx.Done()
		causes <- context.Cause(ctx)
		if got, want := lifecycle.Stopping(ctx), errors.Is(context.Cause(ctx), lifecycle.ErrStop); got != want {
			t.Errorf("Stopping = %v, want %v", got, want)
		}
		return ctx.Err()
	}}
	_ = s.Start(t.Context())
	s.Stop()
	if got := <-causes; !errors.Is(got, lifecycle.ErrStop) {
		t.Errorf("cause after Stop = %v, want ErrStop", got)
	}
	if err := s.Err(); err != nil {
		t.Errorf("Err after Stop = %v, want nil", err)
	}

	why := errors.New("the process shuts down")
	ctx, cancel := context.WithCancelCause(t.Context())
	_ = s.Start(ctx)
	cancel(why)
	<-s.Done()
	if got := <-causes; got != why {
		t.Errorf("cause after the parent's cancel = %v, want the parent's", got)
	}
	if got := s.Err(); !errors.Is(got, why) {
		t.Errorf("Err = %v, want the parent's cause", got)
	}
	s.Stop()
}

func TestALoopThatEndsByItselfIsSeenAndMayStartAgain(t *testing.T) {
	t.Parallel()
	boom := errors.New("slot is gone")
	fail := true
	s := &loopService{}
	s.loop = func(ctx context.Context) error {
		if fail {
			return boom
		}
		return untilDone(ctx)
	}
	_ = s.Start(t.Context())
	<-s.Done()
	if got := s.Err(); got != boom {
		t.Errorf("Err = %v, want %v", got, boom)
	}
	fail = false
	_ = s.Start(t.Context())
	select {
	case <-s.Done():
		t.Error("Done is closed though the second run lives")
	default:
	}
	if got := s.Err(); got != nil {
		t.Errorf("Err of the second run = %v, want nil while it runs", got)
	}
	s.Stop()
}

func TestAPanicEndsTheServiceNotTheProcess(t *testing.T) {
	t.Parallel()
	cause := errors.New("index out of range")
	s := &loopService{loop: func(context.Context) error { panic(cause) }}
	_ = s.Start(t.Context())
	<-s.Done()
	var p *lifecycle.PanicError
	if !errors.As(s.Err(), &p) || !errors.Is(s.Err(), cause) {
		t.Fatalf("Err = %v, want a PanicError around the cause", s.Err())
	}
	if !strings.Contains(string(p.Stack), "runner_test.go") {
		t.Errorf("stack does not name the place:\n%s", p.Stack)
	}
	s.Stop()
	if !errors.Is(s.Err(), cause) {
		t.Errorf("Stop after the panic made Err forget it: %v", s.Err())
	}
}

func TestRunReady(t *testing.T) {
	t.Parallel()

	t.Run("waits for ready", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			s := &readyService{loop: func(ctx context.Context, ready func()) error {
				<-gate
				ready()
				ready() // said twice is said once
				return untilDone(ctx)
			}}
			started := make(chan error, 1)
			go func() { started <- s.Start(t.Context()) }()
			synctest.Wait()
			select {
			case err := <-started:
				t.Fatalf("Start returned %v before the service was ready", err)
			default:
			}
			close(gate)
			if err := <-started; err != nil {
				t.Errorf("Start = %v, want nil", err)
			}
			s.Stop()
		})
	})

	t.Run("a failed start can be tried again", func(t *testing.T) {
		t.Parallel()
		broken := true
		s := &readyService{}
		s.loop = func(ctx context.Context, ready func()) error {
			if broken {
				return errors.New("no route to host")
			}
			return readyUntilDone(ctx, ready)
		}
		if err := s.Start(t.Context()); err == nil || err.Error() != "no route to host" {
			t.Errorf("Start = %v, want the loop's error", err)
		}
		broken = false
		if err := s.Start(t.Context()); err != nil {
			t.Errorf("second Start = %v, want nil", err)
		}
		s.Stop()
	})

	t.Run("a loop that returns nil too early is an error", func(t *testing.T) {
		t.Parallel()
		s := &readyService{loop: func(context.Context, func()) error { return nil }}
		if err := s.Start(t.Context()); err == nil {
			t.Error("Start = nil for a service that never was ready")
		}
	})

	t.Run("Stop during Start interrupts it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &readyService{loop: func(ctx context.Context, _ func()) error { return untilDone(ctx) }}
			started := make(chan error, 1)
			go func() { started <- s.Start(t.Context()) }()
			synctest.Wait()
			s.Stop()
			if err := <-started; !errors.Is(err, lifecycle.ErrStop) {
				t.Errorf("Start = %v, want ErrStop", err)
			}
		})
	})
}
