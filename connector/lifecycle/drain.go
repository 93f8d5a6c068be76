package lifecycle

import (
	"context"
	"errors"
	"time"
)

// ErrDrained is the cancel cause of a work context whose time to drain is over.
var ErrDrained = errors.New("time to drain is over")

// WithDrain makes a service's second context. The first, ctx, is for intake: when it ends nothing new is taken. work lives on, at most
// drain longer, for what was taken already; the progress that was made is flushed last, under a context of its own
// (context.WithoutCancel, with a timeout). Call done when the work has ended; it frees the timer.
//
//	work, done := lifecycle.WithDrain(ctx, 10*time.Second)
//	defer done()
//	for item := range take(ctx) {
//		handle(work, item)
//	}
func WithDrain(ctx context.Context, drain time.Duration) (work context.Context, done context.CancelFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(drain)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(ErrDrained)
		case <-work.Done():
		}
	})
	return work, func() { release(); cancel(context.Canceled) }
}
