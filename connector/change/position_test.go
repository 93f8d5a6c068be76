package change

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Positions are compared as text by whoever only stores them, so both orders must agree.
func TestPositionTextRoundTripsAndSorts(t *testing.T) {
	t.Parallel()
	draw := rapid.Custom(func(t *rapid.T) Position {
		return Position{Commit: LSN(rapid.Uint64().Draw(t, "commit")), Index: rapid.Uint64().Draw(t, "index")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := draw.Draw(t, "p"), draw.Draw(t, "q")
		got, err := ParsePosition(p.String())
		if err != nil || got != p {
			t.Fatalf("%s: got %v, %v", p, got, err)
		}
		if p.Compare(q) != strings.Compare(p.String(), q.String()) {
			t.Fatalf("%s and %s: %d as positions, %d as text", p, q, p.Compare(q), strings.Compare(p.String(), q.String()))
		}
		lsn, err := ParseLSN(p.Commit.String())
		if err != nil || lsn != p.Commit {
			t.Fatalf("LSN %s: got %s, %v", p.Commit, lsn, err)
		}
	})
	for _, text := range []string{"", "0-0", "16/B374D848", strings.Repeat("0", 33), strings.ToLower(Position{Commit: 0xAB}.String())} {
		if p, err := ParsePosition(text); err == nil {
			t.Errorf("%q was read as %v", text, p)
		}
	}
}
