package simulation

import (
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/sink"
	source "github.com/tandem-sync/tandem/source/notion"
)

// Options say which run.
type Options struct {
	Seed  uint64
	Steps int               // what people do, in all; 0 draws it
	Wire  bool              // through the client that ships and the emulator, over HTTP: some forty times slower
	Calm  bool              // nothing goes wrong
	Trace func(line string) // told of every effect; nil is nobody

	// What a shrunk run keeps; nil keeps all.
	Ops    []int    // what people do, by number
	Faults []string // what goes wrong: "notion.409#17", the seventeenth time that it could
}

// Violation is what an oracle found.
type Violation struct {
	Oracle string
	Text   string
	At     time.Duration // since the run began
}

// String is the violation in one line.
func (v Violation) String() string { return v.Oracle + ": " + v.Text }

// Result is what a run came to.
type Result struct {
	Seed       uint64
	Wire       bool   `json:",omitempty"`
	Hash       string // of all effects in order: the same seed gives the same
	Steps      int
	Violations []Violation    // none is a pass
	Fired      map[string]int // fault points that fired
	Firings    []string       `json:"-"` // the same one by one, for shrinking
	Windows    int            // values overwritten in the window that no client can close
	Conflicts  int
	Writes     int
	Requests   int
}

// shape is what kind of run a seed is.
type shape struct {
	contacts, deals, steps int
	busy                   time.Duration // how long people act
	poll                   time.Duration // between polls
	lag                    time.Duration // of the index
	rowsAnswered           int           // of a query
	webhooks               bool
	rules                  rules
}

// Most runs are small: three or four records and two dozen edits find most faults soonest. Every twenty-fifth is big, for what needs many.
func (w *world) drawShape() {
	dice := w.dice("shape")
	s := shape{contacts: 2 + dice.IntN(2), deals: 1 + dice.IntN(2), steps: 12 + dice.IntN(20), rowsAnswered: 100, rules: rules{tie: "crm"}}
	s.busy = []time.Duration{3 * time.Minute, 8 * time.Minute, 25 * time.Minute}[dice.IntN(3)]
	s.poll = []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute}[dice.IntN(3)]
	s.webhooks = dice.IntN(3) > 0
	if dice.IntN(4) == 0 {
		s.rules.tie = "notion"
	}
	deletes := 1000
	if dice.IntN(5) == 0 {
		deletes = 1 + dice.IntN(2)
	}
	s.rules.limits = w.drawBrakes(deletes)
	if dice.IntN(4) == 0 {
		s.rowsAnswered = 2
	}
	if w.options.Seed%25 == 0 {
		s.contacts, s.deals, s.steps = 5+dice.IntN(6), 2+dice.IntN(5), 50+dice.IntN(60)
	}
	if w.options.Steps > 0 {
		s.steps = w.options.Steps
	}
	if w.always(indexLag) {
		s.lag = jitter(dice, time.Second, simulatedLag-2*time.Second)
	}
	w.shape = s
}

// How long a run takes after people have left, in its own time.
const (
	settle  = 15 * time.Minute // the dead start again, leases end, two polls pass; no sweep is needed for what people edit
	healing = 40 * time.Minute // nothing goes wrong any more; back-offs run out, a sweep passes
	still   = 15 * time.Minute // nothing may happen any more
)

// Run plays one seed.
func Run(o Options) (Result, error) {
	w, err := build(o, nil)
	if err != nil {
		return Result{}, err
	}
	dice := w.dice("run")
	w.users.seedRows()
	w.system.start()
	plan := w.users.plan()
	w.advance(jitter(dice, 0, 90*time.Second)) // the first sync has begun, or is done, when people come
	w.users.live(plan)
	if len(plan) > 0 {
		w.advance(max(w.shape.busy, plan[len(plan)-1].at))
	}
	return w.end(len(plan))
}

// build makes a world that has not begun; adjust, if there is one, changes what kind of run the seed draws.
func build(o Options, adjust func(*shape)) (*world, error) {
	w := &world{options: o, now: epoch, ledger: memledger.New(), touched: map[string]map[string]time.Time{}, began: map[string]time.Time{}, journal: journal{on: o.Seed%journalEvery == 0}, effects: make([]byte, 0, 16<<10)}
	w.drawFaults()
	w.drawShape()
	if adjust != nil {
		adjust(&w.shape)
	}
	var err error
	if w.entities, err = w.shape.rules.entities(); err != nil {
		return nil, err
	}
	w.crm, w.broker, w.truth = newCRM(w), newBroker(w), newTruth(w)
	w.users = newUsers(w)
	w.system = newSystem(w)
	w.notion = newModel(w)
	if o.Wire {
		w.notion = newEmulated(w)
	}
	return w, nil
}

// end heals the world, lets it come to rest, and judges it.
func (w *world) end(steps int) (Result, error) {
	if err := w.heal(); err != nil {
		return Result{}, err
	}
	writes := w.writes
	w.advance(still)
	j := judge{w: w}
	if w.writes != writes {
		j.fault("fixed point", "%d more writes after everything was still", w.writes-writes)
	}
	j.all()
	return Result{Seed: w.options.Seed, Wire: w.options.Wire, Hash: w.hash(), Steps: steps, Violations: w.found, Fired: w.faults.counts(), Firings: w.faults.fired,
		Windows: len(w.truth.windows), Conflicts: len(j.conflicts), Writes: w.writes, Requests: w.budget.gets + w.budget.queries + w.budget.writes}, nil
}

// heal ends all trouble and lets time pass: sweeps find what was lost, leases of the dead run out, what waits is looked at.
func (w *world) heal() error {
	w.faults.healed = true
	w.effect("heal")
	w.advance(settle)
	if counts := w.faults.counts(); counts[pauseCommit]+counts[pauseWrite] == 0 {
		(&judge{w: w}).prompt() // several pauses of six minutes are longer than polls look back
	}
	for round := range 1 {
		if err := sink.RequestSweep(w.context(), w.ledger, sink.RowSweepName(syncName), "heal", w.now, "heal"); err != nil {
			return fmt.Errorf("ask for a sweep of rows: %w", err)
		}
		for _, e := range w.entities {
			if err := source.RequestSweep(w.context(), w.ledger, syncName, e.Name, fmt.Sprint("heal", round), w.now, "heal"); err != nil {
				return fmt.Errorf("ask for a sweep of pages: %w", err)
			}
		}
		w.system.sweeping = w.now.Add(30 * time.Second)
		w.system.wake("sweep")
		w.system.wake("poll")
		w.system.wake("relay")
		w.advance(healing)
	}
	return nil
}
