package lifecycle

import (
	"context"
	"time"
)

// Outlive gives the context of work that was taken in under ctx: it goes on for up to drain after ctx ended, so that what is in flight is
// finished and not cut off. Intake stops with ctx. The cancel function must be called.
func Outlive(ctx context.Context, drain time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(drain)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(context.Cause(ctx))
		case <-work.Done():
		}
	})
	return work, func() {
		release()
		cancel(nil)
	}
}
