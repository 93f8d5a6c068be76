package lifecycle

import (
	"context"
	"errors"
	"fmt"
)

// Service is anything with a life of its own. The package comment has the contract.
type Service interface {
	Start(ctx context.Context) error
	Stop()
}

// Watched is a Service that can end by itself and says so.
type Watched interface {
	Service

	// Done is closed when the service has ended, for whatever reason. It belongs to the run that is current at the
	// call; before the first Start and after Stop it is a closed channel.
	Done() <-chan struct{}

	// Err says why the last run ended: nil while it runs, before the first Start, and after a controlled stop.
	Err() error
}

// ErrStop is the cancel cause of a service's context when Stop was called, so that a controlled stop can be told from a
// cancelled parent (see [Stopping]). It is also what Start returns when Stop came before the service was ready.
var ErrStop = errors.New("service stopped")

// ErrEnded is what a group says of a member that ended by itself without an error.
var ErrEnded = errors.New("service ended by itself")

// Stopping tells whether ctx ended because Stop was called on the service that it was handed to.
func Stopping(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), ErrStop)
}

// PanicError is what becomes of a panic in a service's loop: the service ends with it, the process goes on.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the goroutine that panicked
}

// Error leaves the stack out: it is for the log of whoever restarts the service.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap gives the error that was panicked with, if it was one.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
