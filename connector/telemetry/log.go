package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
)

// LogConfig says how logs look.
type LogConfig struct {
	Format string     // "text" or "json"; "" is text
	Level  slog.Level // the least severe level that is written where a component has none of its own
}

// Validate reports what is wrong with the configuration.
func (c LogConfig) Validate() error {
	switch c.Format {
	case "", "text", "json":
		return nil
	}
	return fmt.Errorf("log format must be text or json, got %q", c.Format)
}

// ParseLevel reads debug, info, warn or error, in any case, and Kafka Connect's names (TRACE, FATAL, WARNING).
func ParseLevel(text string) (slog.Level, error) {
	switch strings.ToLower(text) {
	case "trace", "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error", "fatal":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level must be debug, info, warn or error, got %q", text)
}

// componentKey is the attribute that names who wrote a line.
const componentKey = "component"

// NewLogger makes the process's logger, and the levels by which it can be turned up and down while it runs. It writes one line at a time to w.
func NewLogger(w io.Writer, c LogConfig) (*slog.Logger, *Levels) {
	levels := &Levels{root: c.Level, own: map[string]slog.Level{}}
	options := &slog.HandlerOptions{Level: slog.LevelDebug - 4} // the levels decide
	var out slog.Handler = slog.NewTextHandler(w, options)
	if c.Format == "json" {
		out = slog.NewJSONHandler(w, options)
	}
	return slog.New(&levelHandler{Handler: out, levels: levels}), levels
}

// Component gives the logger that a component gets by its constructor. Components of components have dotted names ("cdc.slot").
func Component(l *slog.Logger, name string) *slog.Logger { return l.With(componentKey, name) }

// Levels are the levels of all components. Any goroutine may call it.
type Levels struct {
	mu   sync.RWMutex
	root slog.Level
	own  map[string]slog.Level
}

// Set gives a component, and the components under it ("cdc" has "cdc.slot" under it), a level. "" and "root" stand for all that have none of their own.
func (l *Levels) Set(component string, level slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if component == "" || component == "root" {
		l.root = level
		return
	}
	l.own[component] = level
}

// All lists what was set, "root" among it.
func (l *Levels) All() map[string]slog.Level {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := maps.Clone(l.own)
	out["root"] = l.root
	return out
}

// of finds the level of the nearest component above, the component itself first.
func (l *Levels) of(component string) slog.Level {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for name := component; name != ""; {
		if level, ok := l.own[name]; ok {
			return level
		}
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			break
		}
		name = name[:dot]
	}
	return l.root
}

// levelHandler asks Levels before it writes. It learns its component from With.
type levelHandler struct {
	slog.Handler
	levels    *Levels
	component string
	grouped   bool // inside a group "component" is somebody's own word
}

func (h *levelHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.levels.of(h.component)
}

func (h *levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	out.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == componentKey && !h.grouped {
			out.component = a.Value.String()
		}
	}
	return &out
}

func (h *levelHandler) WithGroup(name string) slog.Handler {
	out := *h
	out.Handler, out.grouped = h.Handler.WithGroup(name), true
	return &out
}
