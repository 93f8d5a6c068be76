package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// columns is the width that everything fits in.
const columns = 80

// screen is where the demo speaks to people. Its methods may be called from any goroutine.
type screen struct {
	mu  sync.Mutex
	out io.Writer
}

// say prints one line.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// terminal tells whether somebody watches, who likes things that move.
func (s *screen) terminal() bool {
	f, ok := s.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// bar is a progress bar: done of total, rate and time left. It is silent where nobody watches.
func (s *screen) bar(total int, what string) *progressbar.ProgressBar {
	out := io.Discard
	if s.terminal() {
		out = s.out
	}
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("  "+what), progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("records"),
		progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true))
}

// The table of edits.
var tableWidths = []int{6, 6, 34, 19, 5}

func (s *screen) row(cells ...string) {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString("  ")
		b.WriteString(fit(cell, tableWidths[i]))
	}
	s.say("%s", strings.TrimRight(b.String(), " "))
}

// fit makes a text just as wide as a column, as terminals count: many characters are two columns wide, some none.
func fit(text string, width int) string {
	text = short(text, width)
	return text + strings.Repeat(" ", max(0, width-uniseg.StringWidth(text)))
}

// short cuts a text to what a column can show, between characters as people see them.
func short(text string, width int) string {
	text = printable(text)
	if uniseg.StringWidth(text) <= width {
		return text
	}
	var b strings.Builder
	used := 0
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if used += g.Width(); used > width-1 {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}

// printable keeps data from moving the cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case string(r) == listMark:
			return ','
		case unicode.IsControl(r):
			return '\uFFFD'
		}
		return r
	}, text)
}

// seconds is a duration as people like it.
func seconds(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// wrap breaks a text into lines that fit, with an indent; the first line's may hold a mark.
func wrap(text, first string) string {
	var b strings.Builder
	indent, width := first, 0
	for word := range strings.FieldsSeq(text) {
		w := uniseg.StringWidth(word)
		switch {
		case width == 0:
			b.WriteString(first)
			width = len(first)
			indent = strings.Repeat(" ", width)
		case width+1+w > columns:
			b.WriteString("\n" + indent)
			width = len(indent)
		default:
			b.WriteString(" ")
			width++
		}
		b.WriteString(word)
		width += w
	}
	return b.String()
}
