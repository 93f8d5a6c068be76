package simulation

import (
	"math/rand/v2"
	"strconv"
	"strings"
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
	pauseWrite        = "zombie.pause_before_row_write"
	dropAfter         = "notion.answer_lost_after_write"
	dropBefore        = "notion.request_lost"
	badGateway        = "notion.bad_gateway"
	committed503      = "notion.503_after_commit"
	gateway504        = "notion.504_after_commit"
	conflict409       = "notion.409"
	rateLimited       = "notion.429"
	overload          = "notion.529"
	slowRequest       = "notion.slow"
	webhookLost       = "webhook.lost"
	webhookLate       = "webhook.late"
	webhookTwice      = "webhook.twice"
	webhookShuffled   = "webhook.shuffled"
	replay            = "kafka.replay"
	duplicate         = "kafka.duplicate"
	produceRefused    = "kafka.produce_refused"
	staleOffset       = "kafka.offset_commit_lost"
	indexLag          = "notion.index_lag"
	commitFailed      = "ledger.commit_refused"
	addRefused        = "ledger.add_refused"
	clockJump         = "clock.jump"
	visibleLate       = "crm.commit_visible_late"
	editInWindow      = "person.edit_between_read_and_write"
)

// Points lists all fault points: a run over many seeds in which one never fired tested less than it says.
var Points = []string{
	crashBeforeCommit, crashAfterCommit, crashBeforeWrite, crashAfterWrite, crashBeforeOffset, crashAfterProduce, crashBeforeRow, pauseCommit, pauseWrite,
	dropAfter, dropBefore, badGateway, committed503, gateway504, conflict409, rateLimited, overload, slowRequest,
	webhookLost, webhookLate, webhookTwice, webhookShuffled, replay, duplicate, produceRefused, staleOffset, indexLag, commitFailed, addRefused, clockJump, visibleLate, editInWindow,
}

// faults are what can go wrong in one run.
type faults struct {
	points map[string]*point
	healed bool
	allow  map[string]bool // firings that may happen ("notion.409#3"); nil is all
	fired  []string        // what happened, in order
}

// point is one fault point: with dice of its own, so that a shrunk run meets the others where they were.
type point struct {
	chance float64 // per call
	dice   *rand.Rand
	calls  int
	count  int
}

// drawFaults chooses a third of the points, each with a rate of its own.
func (w *world) drawFaults() {
	w.faults.points = map[string]*point{}
	if w.options.Faults != nil {
		w.faults.allow = map[string]bool{}
		for _, firing := range w.options.Faults {
			w.faults.allow[firing] = true
		}
	}
	if w.faults.allow != nil {
		for firing := range w.faults.allow {
			name, _, _ := strings.Cut(firing, "#")
			w.faults.points[name] = &point{}
		}
		return
	}
	if w.options.Calm || w.dice("faults").IntN(10) == 0 {
		return // nothing goes wrong: what fails here fails everywhere
	}
	for _, name := range Points {
		dice := w.dice(name) // one more point shifts no other
		if on, rate := dice.IntN(3) == 0, dice.IntN(4); on {
			w.faults.points[name] = &point{chance: []float64{0.005, 0.02, 0.05, 0.15}[rate], dice: dice}
		}
	}
}

// fires tells whether the fault happens now.
func (w *world) fires(name string) bool {
	p := w.faults.points[name]
	if p == nil || w.faults.healed {
		return false
	}
	p.calls++
	if w.faults.allow == nil && p.dice.Float64() >= p.chance {
		return false
	}
	firing := name + "#" + strconv.Itoa(p.calls)
	if w.faults.allow != nil && !w.faults.allow[firing] {
		return false
	}
	p.count++
	w.faults.fired = append(w.faults.fired, firing)
	w.effect("fault", name)
	return true
}

// always counts a fault that is there all the time, as an index that lags.
func (w *world) always(name string) bool {
	p := w.faults.points[name]
	firing := name + "#0"
	if p == nil || w.faults.allow != nil && !w.faults.allow[firing] {
		return false
	}
	p.count++
	w.faults.fired = append(w.faults.fired, firing)
	return true
}

// counts are the points that fired, with how often.
func (f *faults) counts() map[string]int {
	out := map[string]int{}
	for name, p := range f.points {
		if p.count > 0 {
			out[name] = p.count
		}
	}
	return out
}
