package mapping

import (
	"fmt"
	"strings"
)

// Severity says how bad a finding is.
type Severity string

// The severities. Nothing starts with an error; a warning is for a person to weigh.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one finding about a mapping, shown unchanged by the command line and the console.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Path     string   `json:"path"`    // where in the document: fields[2].relation.entity, with the entity before it once it is known
	Summary  string   `json:"summary"` // one sentence
	Detail   string   `json:"detail,omitempty"`
}

// String is the finding as one or two lines of text.
func (d Diagnostic) String() string {
	s := string(d.Severity) + ": "
	if d.Path != "" {
		s += d.Path + ": "
	}
	s += d.Summary
	if d.Detail != "" {
		s += "\n    " + strings.ReplaceAll(d.Detail, "\n", "\n    ")
	}
	return s
}

// Diagnostics are all findings at once, in the order of the document.
type Diagnostics []Diagnostic

// HasErrors reports that at least one finding is an error.
func (ds Diagnostics) HasErrors() bool {
	for _, d := range ds {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Err is nil without errors, else one error that lists them all.
func (ds Diagnostics) Err() error {
	var lines []string
	for _, d := range ds {
		if d.Severity == Error {
			lines = append(lines, d.String())
		}
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("the mapping has %d errors:\n%s", len(lines), strings.Join(lines, "\n"))
}

func (ds *Diagnostics) errorf(path, detail, summary string, args ...any) {
	*ds = append(*ds, Diagnostic{Error, path, fmt.Sprintf(summary, args...), detail})
}

func (ds *Diagnostics) warnf(path, detail, summary string, args ...any) {
	*ds = append(*ds, Diagnostic{Warning, path, fmt.Sprintf(summary, args...), detail})
}

// under puts a prefix before each path.
func (ds Diagnostics) under(prefix string) Diagnostics {
	for i := range ds {
		ds[i].Path = strings.TrimSuffix(prefix+"."+ds[i].Path, ".")
	}
	return ds
}
