package simulation

import (
	"math/rand/v2"
	"time"
)

// Fault points by name. Each seed draws which are on and how often they fire (swarm testing: a run with few kinds of faults goes deeper
// into each than one with all).
const (
	crashBeforeCommit = "crash.before_ledger_commit"
	crashAfterCommit  = "crash.after_ledger_commit"
	crashBeforeWrite  = "crash.before_notion_write"
	crashAfterWrite   = "crash.after_notion_write"
	crashBeforeOffset = "crash.before_offset_commit"
	crashAfterProduce = "crash.after_produce"
	crashBeforeRow    = "crash.before_row_write"
	pauseCommit       = "zombie.pause_before_commit"
	dropAfter         = "notion.answer_lost_after_write"
	dropBefore        = "notion.request_lost"
	badGateway        = "notion.bad_gateway"
	committed503      = "notion.503_after_commit"
	gateway504        = "notion.504_after_commit"
	conflict409       = "notion.409"
	rateLimited       = "notion.429"
	overload          = "notion.529"
	webhookLost       = "webhook.lost"
	webhookLate       = "webhook.late"
	replay            = "kafka.replay"
	indexLag          = "notion.index_lag"
	commitFailed      = "ledger.commit_refused"
	clockJump         = "clock.jump"
)

// Points lists all fault points: a run over many seeds in which one never fired tested less than it says.
var Points = []string{
	crashBeforeCommit, crashAfterCommit, crashBeforeWrite, crashAfterWrite, crashBeforeOffset, crashAfterProduce, crashBeforeRow, pauseCommit,
	dropAfter, dropBefore, badGateway, committed503, gateway504, conflict409, rateLimited, overload, webhookLost, webhookLate, replay, indexLag,
	commitFailed, clockJump,
}

// faults are what can go wrong in one run.
type faults struct {
	dice   *rand.Rand
	chance map[string]float64 // per call at the point
	healed bool
}

// drawFaults chooses a third of the points, each with a rate of its own.
func drawFaults(dice *rand.Rand) faults {
	f := faults{dice: dice, chance: map[string]float64{}}
	if dice.IntN(10) == 0 {
		return f // nothing goes wrong: what fails here fails everywhere
	}
	for _, point := range Points {
		if dice.IntN(3) == 0 {
			f.chance[point] = []float64{0.005, 0.02, 0.05, 0.15}[dice.IntN(4)]
		}
	}
	return f
}

// fires tells whether the fault happens now.
func (w *world) fires(point string) bool {
	chance, on := w.faults.chance[point]
	if !on || w.faults.healed || w.faults.dice.Float64() >= chance {
		return false
	}
	w.fired[point]++
	w.effect("fault %s", point)
	return true
}

// jitter draws a time between two.
func jitter(dice *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(dice.Int64N(int64(to-from)+1))
}
