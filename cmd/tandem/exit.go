package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/tandem-sync/tandem/connector/config"
)

// The exit codes. They are documented in the help of every command, and a promise.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitEnvironment = 3
	exitInterrupted = 130
)

// exitCodes is the table as the help shows it.
var exitCodes = []struct {
	code int
	text string
}{
	{exitOK, "done; for run: ended cleanly after Ctrl-C or SIGTERM"},
	{exitFailed, "what was asked for failed, or a check found errors"},
	{exitUsage, "the command line or a configuration file is wrong"},
	{exitEnvironment, "PostgreSQL, Kafka or Notion cannot be reached or refuses us"},
	{exitInterrupted, "interrupted before the end"},
}

func exitTable() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.text)
	}
	return b.String()
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// Unwrap gives the cause.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// unreachableError is a system that is not there, or does not let us in.
type unreachableError struct {
	system string
	err    error
}

// Error names the system.
func (e *unreachableError) Error() string { return e.system + ": " + e.err.Error() }

// Unwrap gives the cause.
func (e *unreachableError) Unwrap() error { return e.err }

func unreachable(system string, err error) error {
	if err == nil {
		return nil
	}
	return &unreachableError{system, err}
}

// errSaid is a failure of which everything has been printed.
var errSaid = errors.New("failed")

// exitCode gives the code for what a command came to.
func exitCode(err error) int {
	var problems config.Problems
	var usage usageError
	var away *unreachableError
	var dial *net.OpError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &problems), errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &away), errors.As(err, &dial), errors.Is(err, syscall.ECONNREFUSED):
		return exitEnvironment
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}
