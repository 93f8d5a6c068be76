//go:build !linux

package jvm

import "errors"

// Usage needs Linux's /proc.
func (p *Process) Usage() (Usage, error) { return UsageOf(0) }

// UsageOf needs Linux's /proc.
func UsageOf(int) (Usage, error) {
	return Usage{}, errors.New("what a process uses is read from /proc: measure on Linux")
}
