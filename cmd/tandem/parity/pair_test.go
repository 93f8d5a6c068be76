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
	known map[string]map[string]bool // where each pair is seen, as pairsPath has it: run and phase
	met   map[string]map[string]bool
	any   bool // every pair is taken: they are being written
}

const pairsPath = "testdata/pairs.txt"

func readPairs(t *testing.T) pairs {
	t.Helper()
	p := pairs{known: map[string]map[string]bool{}, met: map[string]map[string]bool{}, any: *rewrite || *folder != "testdata"}
	text, err := os.ReadFile(pairsPath)
	if err != nil && !p.any {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		pair, where, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		for one := range strings.SplitSeq(where, ", ") {
			book(p.known, pair, one)
		}
	}
	return p
}

func book(of map[string]map[string]bool, pair, where string) {
	if of[pair] == nil {
		of[pair] = map[string]bool{}
	}
	of[pair][where] = true
}

// meet books a pair and tells whether it is known.
func (p *pairs) meet(theme string, d difference) bool {
	pair, where := pairOf(theme, d), d.run+" "+d.phase
	if !p.any && !p.known[pair][where] {
		return false
	}
	book(p.met, pair, where)
	return true
}

// settle fails for pairs that were not met, or writes those that were.
func (p *pairs) settle(t *testing.T) {
	t.Helper()
	for pair, places := range p.known { // what another seed may not meet stays
		for where := range places {
			if strings.HasPrefix(where, "random ") {
				book(p.met, pair, where)
			}
		}
	}
	if *rewrite {
		var b strings.Builder
		for _, pair := range slices.Sorted(maps.Keys(p.met)) {
			fmt.Fprintf(&b, "%s\t%s\n", pair, strings.Join(slices.Sorted(maps.Keys(p.met[pair])), ", "))
		}
		if err := os.WriteFile(pairsPath, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, pair := range slices.Sorted(maps.Keys(p.known)) {
		for _, where := range slices.Sorted(maps.Keys(p.known[pair])) {
			if !p.met[pair][where] {
				t.Errorf("%s: no difference any more in %s: %s", pairsPath, where, pair)
			}
		}
	}
}

// pairOf is a difference without what is another in every run.
func pairOf(theme string, d difference) string {
	side := func(text string) string {
		switch d.field {
		case "event":
			return masked(d, text)
		case "data_collections": // Debezium's order is another in every run where messages are among them
			return "[…]"
		}
		if text = steady(d, text); len(text) > 100 {
			text = fmt.Sprintf("%.60s… (%d bytes, %x)", text, len(text), sha256.Sum256([]byte(text)))
			text = text[:len(text)-49] + ")" // of the sum the beginning
		}
		return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(text)
	}
	table := d.table
	if d.run == "random" {
		table = "random" // whose names are others at each seed
	}
	return fmt.Sprintf("%s | %s %s | %s | %s", theme, table, d.field, side(d.debezium), side(d.ours))
}

// A rule without its pair is not enough: another value in the same column is a difference of its own.
func TestAPairIsExact(t *testing.T) {
	t.Parallel()
	d := difference{run: "default", phase: "stream", table: "public.t", op: "c", field: "after.v", debezium: "null", ours: `"NaN"`}
	p := pairs{known: map[string]map[string]bool{pairOf("x", d): {"default stream": true}}, met: map[string]map[string]bool{}}
	if !p.meet("x", d) {
		t.Errorf("%s is known, and not met", pairOf("x", d))
	}
	d.ours = "0"
	if p.meet("x", d) {
		t.Errorf("%s was never seen, and is taken", pairOf("x", d))
	}
}
