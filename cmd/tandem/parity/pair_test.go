package parity

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// pairs are the values that differ, one by one: what Debezium wrote and what we did. Rules say of which columns to expect differences and why;
// a value of such a column that differs in another way than yesterday is still found, because its pair is new.
type pairs struct {
	known map[string]bool // as pairsPath has them
	met   map[string]bool
	any   bool // every pair is taken: they are being written
}

const pairsPath = "testdata/pairs.txt"

func readPairs(t *testing.T) pairs {
	t.Helper()
	p := pairs{known: map[string]bool{}, met: map[string]bool{}, any: *rewrite || *folder != "testdata"}
	text, err := os.ReadFile(pairsPath)
	if err != nil && !p.any {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		p.known[strings.TrimSuffix(line, "\n")] = true
	}
	return p
}

// meet books a pair and tells whether it is known.
func (p *pairs) meet(theme string, d difference) bool {
	line := pairLine(theme, d)
	if p.any || p.known[line] {
		if p.met == nil {
			p.met = map[string]bool{}
		}
		p.met[line] = true
		return true
	}
	return false
}

// settle fails for pairs that were not met, or writes those that were.
func (p *pairs) settle(t *testing.T) {
	t.Helper()
	if *rewrite {
		text := strings.Join(slices.Sorted(maps.Keys(p.met)), "\n") + "\n"
		if err := os.WriteFile(pairsPath, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, line := range slices.Sorted(maps.Keys(p.known)) {
		if !p.met[line] {
			t.Errorf("%s: no difference any more: %s", pairsPath, line)
		}
	}
}

// pairLine is a difference without what is another in every run.
func pairLine(theme string, d difference) string {
	side := func(text string) string {
		switch d.field {
		case "event":
			return masked(d, text)
		case "data_collections": // Debezium's order is another in every run where messages are among them
			return "[…]"
		}
		if text = steady(d, text); len(text) > 160 {
			text = fmt.Sprintf("%s… (%d bytes, %x)", text[:80], len(text), sha256.Sum256([]byte(text)))[:140]
		}
		return strings.NewReplacer("\n", `\n`).Replace(text)
	}
	return fmt.Sprintf("%s | %s %s %s %s | %s | %s", theme, d.run, d.phase, d.table, d.field, side(d.debezium), side(d.ours))
}

// A rule without its pair is not enough: another value in the same column is a difference of its own.
func TestAPairIsExact(t *testing.T) {
	t.Parallel()
	d := difference{run: "default", phase: "stream", table: "public.t", op: "c", field: "after.v", debezium: "null", ours: `"NaN"`}
	p := pairs{known: map[string]bool{pairLine("x", d): true}}
	if !p.meet("x", d) {
		t.Errorf("%s is known, and not met", pairLine("x", d))
	}
	d.ours = "0"
	if p.meet("x", d) {
		t.Errorf("%s was never seen, and is taken", pairLine("x", d))
	}
}
