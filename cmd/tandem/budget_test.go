package main

import (
	"testing"

	"github.com/tandem-sync/tandem/connector/config"
)

// The share of the budget that we may use is said once, in a number that makes sense.
func TestTheShareOfTheBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		share string
		rate  int
		wrong bool
	}{{"", 180, false}, {"0.5", 90, false}, {"1", 180, false}, {".001", 1, false}, {"0", 0, true}, {"0.0", 0, true}, {"1.5", 0, true}, {"half", 0, true}, {"-0.5", 0, true}} {
		m := config.Map{"notion.token": "ntn_x"}
		if c.share != "" {
			m["notion.budget.share"] = c.share
		}
		k := &notionKeys{}
		err := config.Decode(m, config.Resolver{}, k).Err()
		if (err != nil) != c.wrong || err == nil && k.rate() != c.rate {
			t.Errorf("%q: %d a minute, %v", c.share, k.rate(), err)
		}
	}
}
