package sdk

import (
	"errors"
	"fmt"
)

// Class says what becomes of work whose value a plugin could not turn.
type Class int

// The classes. An error without a class is a bad value: a record that cannot be turned hurts only itself.
const (
	ClassBadValue Class = iota + 1 // the value will never pass: the record is parked with the reason
	ClassRetry                     // the same value may pass later
	ClassFatal                     // no value will pass until a person does something
)

// String names the class as people read it.
func (c Class) String() string {
	switch c {
	case ClassBadValue:
		return "bad value"
	case ClassRetry:
		return "retry"
	case ClassFatal:
		return "fatal"
	default:
		return fmt.Sprintf("class(%d)", int(c))
	}
}

// Error is why one value could not be turned. Callers outside of plugins need not know the type: they ask for
// BadValue() bool, Retryable() bool and Fatal() bool.
type Error struct {
	Class  Class
	Reason string // for the person who reads the parked record: what is wrong with the value, and what to do
}

// Error gives the reason.
func (e *Error) Error() string { return e.Reason }

// BadValue reports that this value will never pass.
func (e *Error) BadValue() bool { return e.Class == ClassBadValue }

// Retryable reports that the same value may pass later.
func (e *Error) Retryable() bool { return e.Class == ClassRetry }

// Fatal reports that no value will pass until a person does something.
func (e *Error) Fatal() bool { return e.Class == ClassFatal }

// BadValue makes the error of a value that will never pass.
func BadValue(format string, args ...any) error {
	return &Error{Class: ClassBadValue, Reason: fmt.Sprintf(format, args...)}
}

// Retry makes the error of a value that may pass later.
func Retry(format string, args ...any) error {
	return &Error{Class: ClassRetry, Reason: fmt.Sprintf(format, args...)}
}

// Fatal makes the error after which no value will pass until a person does something.
func Fatal(format string, args ...any) error {
	return &Error{Class: ClassFatal, Reason: fmt.Sprintf(format, args...)}
}

// ClassOf gives the class of err; an error without one is a bad value.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) && e.Class >= ClassBadValue && e.Class <= ClassFatal {
		return e.Class
	}
	return ClassBadValue
}

// Severity tells a problem that stops from one that does not.
type Severity int

// The severities.
const (
	SeverityError   Severity = iota + 1 // the configuration is refused
	SeverityWarning                     // it works, and a person should know
)

// String names the severity.
func (s Severity) String() string {
	switch s {
	case SeverityError:
		return "error"
	case SeverityWarning:
		return "warning"
	default:
		return fmt.Sprintf("severity(%d)", int(s))
	}
}

// Diagnostic is one problem of a configuration, shown unchanged by the command line and the console.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`          // one line: what is wrong
	Detail   string   `json:"detail,omitempty"` // what to do about it
	Path     string   `json:"path,omitempty"`   // where, from the top of this configuration: "labels.4"
}

// String writes "path: summary; detail".
func (d Diagnostic) String() string {
	s := d.Summary
	if d.Path != "" {
		s = d.Path + ": " + s
	}
	if d.Detail != "" {
		s += "; " + d.Detail
	}
	return s
}

// Problem makes a Diagnostic that refuses the configuration.
func Problem(path, detail, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: SeverityError, Path: path, Detail: detail, Summary: fmt.Sprintf(format, args...)}
}

// Warning makes a Diagnostic that lets the configuration pass.
func Warning(path, detail, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: SeverityWarning, Path: path, Detail: detail, Summary: fmt.Sprintf(format, args...)}
}

// Refused reports whether any diagnostic is an error.
func Refused(diags []Diagnostic) bool {
	for _, d := range diags {
		if d.Severity != SeverityWarning {
			return true
		}
	}
	return false
}

// ConfigError is why an instance could not be made: every diagnostic of its configuration.
type ConfigError struct {
	Offer       string
	Diagnostics []Diagnostic
}

// Error lists the problems.
func (e *ConfigError) Error() string {
	s := fmt.Sprintf("configure %s:", e.Offer)
	for i, d := range e.Diagnostics {
		if i > 0 {
			s += ";"
		}
		s += " " + d.String()
	}
	return s
}
