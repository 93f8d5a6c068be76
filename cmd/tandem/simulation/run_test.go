package simulation

import (
	"flag"
	"testing"
)

var (
	seeds = flag.Int("seeds", 200, "how many seeds to play")
	first = flag.Uint64("first", 1, "the first seed")
	trace = flag.Bool("trace", false, "show every effect")
)

// Two hundred histories with crashes, replays, index lag and lost webhooks, and every oracle content.
func TestSeeds(t *testing.T) {
	fired := map[string]int{}
	failed := 0
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		o := Options{Seed: seed}
		if *trace {
			o.Trace = t.Logf
		}
		result, err := Run(o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for point, n := range result.Fired {
			fired[point] += n
		}
		for _, v := range result.Violations {
			t.Errorf("seed %d: %s", seed, v)
		}
		if len(result.Violations) > 0 {
			if failed++; failed == 10 {
				t.Fatal("ten seeds failed: that is enough to begin with")
			}
		}
	}
	t.Logf("fault points fired: %v", fired)
}
