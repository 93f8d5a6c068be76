package bench

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/cmd/tandem/simulation"
)

// Decisions a second, as connector/ledger's own benchmark counts them, on the processor's clock.
func TestDecisionsASecond(t *testing.T) {
	needs(t)
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "BenchmarkDecide/(unread|equal)$", "-benchtime", "2s", "github.com/tandem-sync/tandem/connector/ledger").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`BenchmarkDecide/(\w+).*?([\d.e+]+) decisions/s`).FindAllSubmatch(out, -1) {
		n, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		found[string(m[1])] = strconv.FormatFloat(n/1e6, 'f', 1, 64) + " M"
	}
	report(13, "`Decide` a second a core: the page not read; both sides read and equal", "1 M", "3 M", "%s; %s", found["unread"], found["equal"])
}

// Simulated histories a second of one core.
func TestHistoriesASecond(t *testing.T) {
	needs(t)
	const most = 20 * time.Second
	n, before := 0, processor()
	for seed := uint64(1); processor()-before < most; seed++ {
		result, err := simulation.Run(simulation.Options{Seed: seed})
		if err != nil || len(result.Violations) > 0 {
			t.Fatalf("seed %d: %v %v", seed, err, result.Violations)
		}
		n++
	}
	report(14, "simulated histories a second a core", "500", "5,000", "%.0f", float64(n)/(processor()-before).Seconds())
}
