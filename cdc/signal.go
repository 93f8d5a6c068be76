package cdc

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
)

// Signal asks something of a running connector, in Debezium's words: see https://debezium.io/documentation/reference/stable/configuration/signalling.html
type Signal struct {
	ID   string     `json:"id,omitempty"`
	Type SignalType `json:"type"`
	Data SignalData `json:"data"`
}

// SignalType is what is asked.
type SignalType string

// The types.
const (
	SignalExecute SignalType = "execute-snapshot"
	SignalStop    SignalType = "stop-snapshot"
	SignalPause   SignalType = "pause-snapshot"
	SignalResume  SignalType = "resume-snapshot"
	SignalLog     SignalType = "log"
)

// SignalData says of what.
type SignalData struct {
	Collections []string          `json:"data-collections,omitempty"` // regular expressions over schema.table
	Type        string            `json:"type,omitempty"`             // INCREMENTAL (default) or BLOCKING, in any case
	Conditions  []SignalCondition `json:"additional-conditions,omitempty"`
	Condition   string            `json:"additional-condition,omitempty"` // one for all: Debezium's older form
	Surrogate   string            `json:"surrogate-key,omitempty"`
	Message     string            `json:"message,omitempty"` // of log
}

// SignalCondition filters the rows of the tables that match.
type SignalCondition struct {
	Collection string `json:"data-collection"`
	Filter     string `json:"filter"`
}

// The kinds of snapshot that can be asked for: one is read while the stream goes on, the other while it stands still.
const (
	snapshotIncremental = "INCREMENTAL"
	snapshotBlocking    = "BLOCKING"
)

// kind is the kind of snapshot that is meant.
func (s *Signal) kind() string {
	if kind := strings.ToUpper(strings.TrimSpace(s.Data.Type)); kind != "" {
		return kind
	}
	return snapshotIncremental
}

// ParseSignal reads a signal and checks what can be checked without the database; the error says all that is wrong.
func ParseSignal(value []byte) (Signal, error) {
	var s Signal
	if err := json.Unmarshal(value, &s); err != nil {
		return Signal{}, fmt.Errorf(`not a signal, which is JSON like {"type":"execute-snapshot","data":{"data-collections":["public.orders"],"type":"INCREMENTAL"}}: %w`, err)
	}
	return s, s.validate()
}

func (s *Signal) validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	kind := s.kind()
	switch s.Type {
	case SignalExecute:
		if len(s.Data.Collections) == 0 {
			bad("data-collections is missing: name the tables, as schema.table")
		}
		if kind != snapshotIncremental && kind != snapshotBlocking {
			bad("type %q is none: it is INCREMENTAL or BLOCKING", s.Data.Type)
		}
	case SignalStop:
		if kind != snapshotIncremental && kind != snapshotBlocking {
			bad("type %q is none that can be stopped: it is INCREMENTAL or BLOCKING", s.Data.Type)
		}
	case SignalPause, SignalResume:
		if kind != snapshotIncremental {
			bad("type %q is none that can be paused: it is INCREMENTAL", s.Data.Type)
		}
	case SignalLog:
	default:
		bad("type %q is none of %s, %s, %s, %s, %s", s.Type, SignalExecute, SignalStop, SignalPause, SignalResume, SignalLog)
	}
	for _, pattern := range s.Data.Collections {
		if _, err := tablePattern(pattern); err != nil {
			bad("data-collections: %q: %v", pattern, err)
		}
	}
	for _, c := range s.Data.Conditions {
		if _, err := tablePattern(c.Collection); err != nil {
			bad("additional-conditions: %q: %v", c.Collection, err)
		}
		if err := checkFilter(c.Filter); err != nil {
			bad("additional-conditions: the filter of %s: %v", c.Collection, err)
		}
	}
	if s.Data.Condition != "" {
		if err := checkFilter(s.Data.Condition); err != nil {
			bad("additional-condition: %v", err)
		}
	}
	return errors.Join(problems...)
}

// tablePattern reads a regular expression over schema.table, as table.include.list's are. Quotes around the parts, as in SQL, are no part of names.
func tablePattern(pattern string) (*regexp.Regexp, error) {
	return config.Anchored(strings.ReplaceAll(pattern, `"`, ""))
}

// filterOf gives the filter that the signal has for a table; "" for none.
func (s *Signal) filterOf(table string) string {
	for _, c := range s.Data.Conditions {
		if p, err := tablePattern(c.Collection); err == nil && p.MatchString(table) {
			return strings.TrimSpace(c.Filter)
		}
	}
	return strings.TrimSpace(s.Data.Condition)
}

// checkFilter makes sure that a filter is one expression by itself, so that within parentheses it cannot reach what is around it. What it may do beyond that is
// bounded by its transaction, which only reads, and by the connector's role.
func checkFilter(filter string) error {
	depth := 0
	for i := 0; i < len(filter); {
		switch c := filter[i]; {
		case c == '\'' && strings.HasSuffix(strings.TrimSpace(filter[:i]), "'"):
			return errors.New("a text follows a text: make it one") // it might go on in the other's way of escaping
		case c == '\'' || c == '"':
			end := quotedEnd(filter, i)
			if end < 0 {
				return fmt.Errorf("a %c is not closed", c)
			}
			i = end
			continue
		case c == '$' && (i == 0 || !isWord(filter[i-1])):
			if tag := dollarTag(filter[i:]); tag != "" {
				end := strings.Index(filter[i+len(tag):], tag)
				if end < 0 {
					return fmt.Errorf("%s is not closed", tag)
				}
				i += end + 2*len(tag)
				continue
			}
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return errors.New("a parenthesis is closed that was not opened")
			}
		case c == ';':
			return errors.New("it must be one expression, without a semicolon")
		case strings.HasPrefix(filter[i:], "--") || strings.HasPrefix(filter[i:], "/*"):
			return errors.New("it must have no comment")
		}
		i++
	}
	if depth > 0 {
		return errors.New("a parenthesis is not closed")
	}
	if strings.TrimSpace(filter) == "" {
		return errors.New("it is empty")
	}
	return nil
}

// quotedEnd is where the quoted text that begins at i ends; -1 if it does not. A backslash escapes in E'…' only.
func quotedEnd(s string, i int) int {
	quote := s[i]
	escapes := quote == '\'' && i > 0 && (s[i-1] == 'E' || s[i-1] == 'e') && (i == 1 || !isWord(s[i-2]))
	for j := i + 1; j < len(s); j++ {
		switch {
		case escapes && s[j] == '\\':
			j++
		case s[j] == quote && j+1 < len(s) && s[j+1] == quote:
			j++
		case s[j] == quote:
			return j + 1
		}
	}
	return -1
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

var dollarQuote = regexp.MustCompile(`^\$([A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$`)

// dollarTag gives the opening of a dollar-quoted text; "" if s does not begin with one.
func dollarTag(s string) string { return dollarQuote.FindString(s) }
