package simulation

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var (
	seeds = flag.Uint64("seeds", 2000, "how many seeds to play")
	first = flag.Uint64("first", 1, "the first seed")
	wires = flag.Uint64("wires", 60, "how many seeds to play through the client that ships and the emulator")
)

// Two thousand histories with crashes, replays, index lag and lost webhooks, and every oracle content. The race detector makes each ten times
// slower: under it a tenth is played, and `make test` plays the rest without it.
func TestSeeds(t *testing.T) {
	n := *seeds
	if raceEnabled {
		n = max(1, n/20)
	}
	sum := play(t, Play{First: *first, Seeds: n})
	if n < 2000 {
		return
	}
	for _, point := range sum.Silent() {
		t.Errorf("fault point %s never fired in %d seeds: what it breaks was not tested", point, n)
	}
	if sum.Conflicts == 0 || sum.Windows == 0 {
		t.Errorf("%d conflicts and %d windows in %d seeds: the histories are too tame to test anything", sum.Conflicts, sum.Windows, n)
	}
}

// The same through the HTTP client, its retries, its codec and the emulator.
func TestWiredSeeds(t *testing.T) {
	n := *wires
	if raceEnabled {
		n = max(1, n/20)
	}
	play(t, Play{First: *first, Seeds: n, Wire: true})
}

func play(t *testing.T, p Play) Summary {
	t.Helper()
	sum, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wire := ""
	if p.Wire {
		wire = " --wire"
	}
	for _, r := range sum.Failing {
		for _, v := range r.Violations {
			t.Errorf("seed %d (make sim ARGS=\"--seed %d%s --shrink\" tells the story): %s", r.Seed, r.Seed, wire, v)
		}
	}
	t.Logf("%d seeds, %.0f a second, %d conflicts, %d windows, faults fired: %v", sum.Played, sum.PerSecond(), sum.Conflicts, sum.Windows, sum.Fired)
	return sum
}

// The same seed gives the same run, to the last effect: without that no failure could be looked at twice.
func TestSameSeedSameHash(t *testing.T) {
	t.Parallel()
	last := uint64(31)
	if raceEnabled {
		last = 13
	}
	for seed := uint64(11); seed < last; seed++ {
		for _, wire := range []bool{false, true} {
			hashes := make([]string, 2)
			for i := range hashes {
				r, err := Run(Options{Seed: seed, Wire: wire})
				if err != nil {
					t.Fatal(err)
				}
				hashes[i] = r.Hash
			}
			if hashes[0] != hashes[1] {
				t.Errorf("seed %d (wire %t): hash %s, then %s", seed, wire, hashes[0], hashes[1])
			}
		}
	}
}

// Whatever failed once is played for ever.
func TestFoundSeeds(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/seeds/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no seeds in testdata/seeds (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var found Found
			if err := json.Unmarshal(data, &found); err != nil || found.Why == "" {
				t.Fatalf("%v; it must say why it is kept", err)
			}
			o, err := found.Options()
			if err != nil {
				t.Fatal(err)
			}
			r, err := Run(o)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Violations {
				t.Errorf("%s (kept because: %s)", v, found.Why)
			}
		})
	}
}

func TestOpsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, ops := range [][]int{{}, {0}, {3, 4, 5}, {1, 3, 4, 9, 10, 11}} {
		got, err := ParseOps(FormatOps(ops))
		if err != nil || !slices.Equal(got, ops) {
			t.Errorf("%v became %q, and that %v (%v)", ops, FormatOps(ops), got, err)
		}
	}
	for _, bad := range []string{"", "x", "3-1", "1-9999999999", "-"} {
		if got, err := ParseOps(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}
