package simulation

import (
	"flag"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"
)

var (
	seeds = flag.Int("seeds", 200, "how many seeds to play")
	first = flag.Uint64("first", 1, "the first seed")
	trace = flag.Bool("trace", false, "show every effect")
)

// Two hundred histories with crashes, replays, index lag and lost webhooks, and every oracle content. The race detector makes each ten times
// slower: under it a tenth is played, and `make test` plays the rest without it.
func TestSeeds(t *testing.T) {
	n := uint64(*seeds)
	if raceEnabled {
		n = max(1, n/10)
	}
	results := make([]Result, n)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range results {
		group.Go(func() (err error) {
			o := Options{Seed: *first + uint64(i)}
			if *trace {
				o.Trace = t.Logf
			}
			results[i], err = Run(o)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	fired := map[string]int{}
	for _, result := range results {
		for point, n := range result.Fired {
			fired[point] += n
		}
		for _, v := range result.Violations {
			t.Errorf("seed %d (replay: make sim ARGS=\"--seed %d\"): %s", result.Seed, result.Seed, v)
		}
	}
	t.Logf("fault points fired: %v", fired)
	if n < 200 {
		return
	}
	for _, point := range Points {
		if fired[point] == 0 {
			t.Errorf("fault point %s never fired in %d seeds: what it breaks was not tested", point, n)
		}
	}
}

// The same seed gives the same run, to the last effect: without that no failure could be looked at twice.
func TestSameSeedSameHash(t *testing.T) {
	t.Parallel()
	last := uint64(31)
	if raceEnabled {
		last = 13
	}
	for seed := uint64(11); seed < last; seed++ {
		first, err := Run(Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		second, err := Run(Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if first.Hash != second.Hash {
			t.Errorf("seed %d: hash %s, then %s", seed, first.Hash, second.Hash)
		}
	}
}
