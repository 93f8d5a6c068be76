package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Limits on what a plugin prints.
const (
	tailLines    = 50      // last lines kept for Status and for the log of a degraded plugin
	lineBytesMax = 8 << 10 // the rest of a longer line is dropped
)

// tail keeps a plugin's last lines. Any goroutine may call.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailLines {
		t.lines = slices.Delete(t.lines, 0, 1)
	}
	t.lines = append(t.lines, line)
}

func (t *tail) read() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}

// readLines hands every line of r on, cut to lineBytesMax, until r ends.
func readLines(r io.Reader, each func(string)) {
	br := bufio.NewReaderSize(r, lineBytesMax)
	for {
		line, err := br.ReadSlice('\n')
		cut := strings.ToValidUTF8(string(bytes.TrimRight(line, "\r\n")), "\uFFFD")
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n') // the rest of a line that is too long
		}
		if cut != "" {
			each(cut)
		}
		if err != nil {
			return
		}
	}
}

// logLine writes one line of a plugin's standard error to our log: hclog's JSON keeps level, message and fields, any other line is
// the message of an Info record (a plugin that prints wants to be read).
//
// go-plugin has a reader for this, which panics, in our process, on a line such as {"@message":1}.
func logLine(log *slog.Logger, line string) {
	var fields map[string]any
	if line[0] != '{' || json.Unmarshal([]byte(line), &fields) != nil {
		log.Info("plugin printed", "line", line)
		return
	}
	message, ok := fields["@message"].(string)
	if !ok {
		log.Info("plugin printed", "line", line)
		return
	}
	level := levelOf(fields["@level"])
	var attrs []slog.Attr
	for name, v := range fields {
		if !strings.HasPrefix(name, "@") {
			attrs = append(attrs, slog.Any(name, v))
		}
	}
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	log.LogAttrs(context.Background(), level, message, slog.GroupAttrs("plugin_fields", attrs...))
}

func levelOf(v any) slog.Level {
	switch v {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// lineWriter hands lines on as they are written. go-plugin writes stdout and stderr from one goroutine.
type lineWriter struct {
	each func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 && len(w.rest) < lineBytesMax {
			return len(p), nil
		}
		if i < 0 || i > lineBytesMax {
			i = lineBytesMax
		}
		line := strings.ToValidUTF8(strings.TrimRight(string(w.rest[:i]), "\r"), "\uFFFD")
		w.rest = w.rest[min(i+1, len(w.rest)):]
		if line != "" {
			w.each(line)
		}
	}
}
