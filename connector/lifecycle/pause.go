package lifecycle

import (
	"context"
	"time"
)

// Pause waits for d. It gives the context's cause where that ends sooner.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
