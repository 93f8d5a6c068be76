package bench

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"

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

// Simulated histories a second of one core, on the processor's clock, played as `tandem simulate` plays them.
func TestHistoriesASecond(t *testing.T) {
	needs(t)
	before := processor()
	sum, err := simulation.Play{First: 1, Seeds: 3000, Workers: 1}.Run(t.Context())
	if err != nil || sum.Failed > 0 {
		t.Fatalf("%v, %d seeds failed", err, sum.Failed)
	}
	report(14, "simulated histories a second a core", "500", "5,000", "%.0f", float64(sum.Played)/(processor()-before).Seconds())
}
