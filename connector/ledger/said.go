package ledger

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// InSync is what a page says of its record when nothing keeps it back.
const InSync = "In sync"

// Said is what a page says of its record's state, where that is not InSync.
type Said struct {
	Link  int64
	Text  string // "" is InSync, about to be said
	Shown bool   // Notion has answered that the page says so
}

// What a page is told, and when: trouble that is over in a moment is not worth two requests, and a reason is no report.
const (
	saidAfter    = 15 * time.Second
	saidAttempts = 3
	saidMax      = 300 // characters
)

// StateOf says in one line what keeps a record back, for its page; "" if nothing does that is worth saying: it is short, or will pass.
func StateOf(p Pending, now time.Time) string {
	holds := slices.Clone(p.Holds)
	slices.SortStableFunc(holds, func(a, b Hold) int { return cmp.Compare(rankOf(a), rankOf(b)) })
	for _, h := range holds {
		if now.Sub(h.At) < saidAfter {
			continue
		}
		switch h.Kind {
		case "conflict":
			return line("Conflict: ", h.Reason)
		case "grace", "paused":
			return line("Waiting: ", h.Reason)
		}
		return line("Waiting for a decision: ", h.Reason)
	}
	for _, w := range p.Work {
		if w.Parked != "" && now.Sub(w.FirstSeen) >= saidAfter {
			return line("Waiting: ", w.Parked)
		}
	}
	for _, w := range p.Work {
		if w.Parked == "" && w.Attempts >= saidAttempts && now.Sub(w.FirstSeen) >= saidAfter {
			return line("Being tried again: ", cmp.Or(w.Trouble, "the reason is not known"))
		}
	}
	return ""
}

func rankOf(h Hold) int { return cmp.Or(slices.Index([]string{"", "conflict"}, h.Kind), 2) }

func line(kind, reason string) string {
	text := []rune(kind + strings.Join(strings.Fields(reason), " "))
	if len(text) > saidMax {
		return string(text[:saidMax]) + "…"
	}
	return string(text)
}
