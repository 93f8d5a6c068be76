package config

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a problem stops what was asked for.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // nothing starts before this is mended
	SeverityWarning Severity = "warning" // works, but probably not as meant
)

// Problem is one thing wrong with a configuration, in a form that people and programs can show unchanged.
type Problem struct {
	Path     string   `json:"path"`    // the key, or file and key
	Summary  string   `json:"summary"` // one clause without a full stop: what is wrong
	Detail   string   `json:"detail,omitempty"`
	Severity Severity `json:"severity"`
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Summary)
	if p.Detail != "" {
		b.WriteString(" (" + p.Detail + ")")
	}
	return b.String()
}

// Problems is everything that is wrong, at once. As an error it says that what was asked for cannot be done; see Err.
type Problems []Problem

// Error is one problem, or one a line.
func (ps Problems) Error() string {
	switch len(ps) {
	case 0:
		return "no problem"
	case 1:
		return ps[0].String()
	}
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return fmt.Sprintf("%d problems:\n  %s", len(ps), strings.Join(lines, "\n  "))
}

// Err is the problems as an error where one of them is an error, else nil: warnings stop nothing.
func (ps Problems) Err() error {
	if errs := ps.Errors(); len(errs) > 0 {
		return errs
	}
	return nil
}

// Errors leaves the warnings out.
func (ps Problems) Errors() Problems { return ps.only(SeverityError) }

// Warnings leaves the errors out.
func (ps Problems) Warnings() Problems { return ps.only(SeverityWarning) }

// In puts where (a file's name) before every path.
func (ps Problems) In(where string) Problems {
	out := slices.Clone(ps)
	for i := range out {
		if out[i].Path == "" {
			out[i].Path = where
			continue
		}
		out[i].Path = where + ": " + out[i].Path
	}
	return out
}

// Errorf adds an error at path.
func (ps *Problems) Errorf(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Summary: fmt.Sprintf(format, args...), Severity: SeverityError})
}

// Warnf adds a warning at path.
func (ps *Problems) Warnf(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Summary: fmt.Sprintf(format, args...), Severity: SeverityWarning})
}

func (ps Problems) only(s Severity) Problems {
	var out Problems
	for _, p := range ps {
		if p.Severity == s {
			out = append(out, p)
		}
	}
	return out
}

// has tells whether an error stands at path.
func (ps Problems) has(path string) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Path == path && p.Severity == SeverityError })
}
