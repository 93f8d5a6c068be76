package sink

import (
	"context"
	"log/slog"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Rounds of a lane that may be under way at once. A round ends with its slowest record, and Notion works on a request for up to a minute: with
// one round at a time a record that answers slowly would hold up all others. Two let any one such record hold up only itself.
const roundsPerLane = 2

// backfillLook is how much less often the backfill is looked at while there is none; its loops are woken by what this process adds.
const backfillLook = 5

// WorkLoops are the loops that do a worker's work at Notion, where requests are few and an edit that somebody waits for must not wait for a round of a
// first sync, which takes some 20 s: each lane has rounds of its own, and the request budget says whose request goes first. The first loop
// prepares, the others wait for that with prepared.
func WorkLoops(name string, w *Worker, prepare, prepared func(context.Context) error, idle time.Duration, log *slog.Logger) []*Loop {
	var loops []*Loop
	for _, lane := range []ledger.Lane{ledger.LaneLive, ledger.LaneBackfill} {
		for n := range roundsPerLane {
			own := *w
			own.Lane = lane
			before, rest, suffix := prepared, idle, ""
			if lane == ledger.LaneBackfill {
				rest = idle * backfillLook
			} else if n == 0 {
				before = prepare
			}
			if n > 0 {
				suffix = " beside"
			}
			loops = append(loops, NewLoop(name+" "+string(lane)+" work"+suffix, before, own.RunOnce, rest, log))
		}
	}
	return loops
}
