// Package lifecycletest judges services by the contract of package lifecycle. For tests only.
package lifecycletest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// How hard Stress tries: enough to meet the races under -race, short enough (well under a second for a service that starts in
// microseconds) to stand in every package.
const (
	stressGoroutines = 8
	stressRounds     = 25

	// stopMax is how long any Stop may take in a test before it counts as hanging.
	stopMax = 20 * time.Second
)

// Stress hammers a service with the contract: Stop before Start, twice, and during it, Start twice, starts after stops, a
// cancelled parent, and all of it from several goroutines at once. It leaves the service stopped. Errors of Start that any of tolerated matches
// (errors.Is) are accepted, beside ErrStop and the context's.
//
// Leaks are found by goleak in the package's TestMain.
func Stress(t testing.TB, s lifecycle.Service, tolerated ...error) {
	t.Helper()
	tolerated = append(tolerated, lifecycle.ErrStop, context.Canceled)
	stop(t, s, "before the first Start")
	once(t, s, tolerated)
	cancelled(t, s, tolerated)
	together(t, s, tolerated)
	once(t, s, tolerated)
}

// once is the ordinary life, with everything said twice.
func once(t testing.TB, s lifecycle.Service, tolerated []error) {
	t.Helper()
	for range 2 {
		start(t, t.Context(), s, tolerated)
		start(t, t.Context(), s, tolerated)
		stop(t, s, "after Start")
		stop(t, s, "after Stop")
	}
	if w, ok := s.(lifecycle.Watched); ok {
		select {
		case <-w.Done():
		default:
			t.Errorf("Done is open after Stop")
		}
		if err := w.Err(); err != nil {
			t.Errorf("Err after a controlled stop = %v, want nil", err)
		}
	}
}

// cancelled starts under a context that has ended, and under one that ends while the service runs.
func cancelled(t testing.TB, s lifecycle.Service, tolerated []error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	start(t, ctx, s, tolerated)
	cancel()
	if w, ok := s.(lifecycle.Watched); ok {
		await(t, w.Done(), "the service did not end with its context")
	}
	stop(t, s, "after its context ended")
	start(t, ctx, s, tolerated) // already cancelled
	stop(t, s, "after Start under an ended context")
}

// together does it all at once.
func together(t testing.TB, s lifecycle.Service, tolerated []error) {
	t.Helper()
	var all sync.WaitGroup
	for i := range stressGoroutines {
		all.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(i), 1))
			for range stressRounds {
				start(t, t.Context(), s, tolerated)
				for range dice.IntN(4) {
					runtime.Gosched()
				}
				stop(t, s, "among others")
			}
		})
	}
	all.Wait()
}

func start(t testing.TB, ctx context.Context, s lifecycle.Service, tolerated []error) {
	t.Helper()
	err := s.Start(ctx)
	if err == nil {
		return
	}
	for _, ok := range tolerated {
		if errors.Is(err, ok) {
			return
		}
	}
	t.Errorf("Start: %v", err)
}

func stop(t testing.TB, s lifecycle.Service, when string) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); s.Stop() }()
	await(t, done, "Stop hangs "+when)
}

func await(t testing.TB, done <-chan struct{}, complaint string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(stopMax):
		stacks := make([]byte, 1<<20)
		t.Errorf("%s; goroutines:\n%s", complaint, stacks[:runtime.Stack(stacks, true)])
	}
}
