package host

import "fmt"

// Error is why a call did not reach the plugin or was not answered: the plugin, not the value, is at fault. The value may
// be given again; parking the work that needs it is what a caller does.
type Error struct {
	Plugin string
	State  State // at the moment of the failure
	Err    error
}

// Error says which plugin failed, and how.
func (e *Error) Error() string {
	if e.State == Degraded {
		return fmt.Sprintf("plugin %s is degraded: %v", e.Plugin, e.Err)
	}
	return fmt.Sprintf("plugin %s: %v", e.Plugin, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable is always true: nothing is known against the value.
func (e *Error) Retryable() bool { return true }

// Degraded reports that the plugin has used up its restarts and will not answer for minutes: whoever depends on it is
// degraded too.
func (e *Error) Degraded() bool { return e.State == Degraded }

// StartError is why a plugin did not come up: each names what to do.
type StartError struct {
	Plugin string
	Reason string
	Stderr []string // its last lines
	Err    error    // may be nil
}

// Error gives the reason and the plugin's last words.
func (e *StartError) Error() string {
	s := fmt.Sprintf("start plugin %s: %s", e.Plugin, e.Reason)
	if n := len(e.Stderr); n > 0 {
		s += fmt.Sprintf("; its last line: %s", e.Stderr[n-1])
	}
	return s
}

// Unwrap gives the cause.
func (e *StartError) Unwrap() error { return e.Err }
