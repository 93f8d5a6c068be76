package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-sync/tandem/connector/lifecycle"
)

func TestWorkOutlivesIntakeByItsDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		intake, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
		work, done := lifecycle.WithDrain(intake, 10*time.Second)
		defer done()
		if work.Value(key{}) != "kept" {
			t.Error("the work context lost its parent's values")
		}
		stop()
		synctest.Wait()
		if work.Err() != nil {
			t.Fatal("work ended together with intake")
		}
		began := time.Now()
		<-work.Done()
		if took := time.Since(began); took != 10*time.Second || !errors.Is(context.Cause(work), lifecycle.ErrDrained) {
			t.Errorf("work ended after %v with %v", took, context.Cause(work))
		}
	})
}

func TestDoneEndsTheWorkAndItsTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails if the timer's goroutine is left
		intake, stop := context.WithCancel(t.Context())
		work, done := lifecycle.WithDrain(intake, time.Hour)
		stop()
		synctest.Wait()
		done()
		<-work.Done()
		if errors.Is(context.Cause(work), lifecycle.ErrDrained) {
			t.Error("done looks like a drain that took too long")
		}
	})
}
