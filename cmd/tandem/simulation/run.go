package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/sink"
	source "github.com/tandem-sync/tandem/source/notion"
)

// Options say which run.
type Options struct {
	Seed  uint64
	Steps int                              // what people do, in all; 0 draws 10 to 50
	Trace func(format string, args ...any) // told of every effect; nil is nobody
}

// Result is what a run came to.
type Result struct {
	Seed       uint64
	Hash       string // of all effects in order: the same seed gives the same
	Steps      int
	Violations []string       // what an oracle found; none is a pass
	Fired      map[string]int // fault points that fired
	Windows    int            // values overwritten in the window that no client can close
	Conflicts  int
	Writes     int
}

// How long a run takes, in its own time.
const (
	busy    = 12 * time.Minute // people act
	healing = 40 * time.Minute // nothing goes wrong any more; leases end, back-offs run out, two sweeps pass
	still   = 10 * time.Minute // nothing may happen any more
)

// Run plays one seed.
func Run(o Options) (Result, error) {
	es, err := entities()
	if err != nil {
		return Result{}, err
	}
	w := newWorld(o)
	hook := &hook{w: w}
	dice := w.dice("run")
	w.notion = w.workspace(hook, dice)
	u := newUsers(w)
	u.seedRows(2 + dice.IntN(4))
	s := newSystem(w, es, hook)
	s.start()
	w.pump(w.notion)
	steps := o.Steps
	if steps == 0 {
		steps = 10 + dice.IntN(40)
	}
	w.advance(jitter(dice, 0, 90*time.Second)) // the first sync has begun, or is done, when people come
	u.live(steps, busy)
	w.advance(busy)
	if err := w.heal(es); err != nil {
		return Result{}, err
	}
	writes := w.writes
	w.advance(still)
	j := judge{w: w, users: u, entities: es}
	if w.writes != writes {
		j.fault("not a fixed point: %d more writes after everything was still", w.writes-writes)
	}
	j.all()
	return Result{Seed: o.Seed, Hash: w.hash(), Steps: steps, Violations: append(w.truth.wrong, j.found...), Fired: w.fired, Windows: len(w.truth.windows),
		Conflicts: j.conflicts, Writes: w.writes}, nil
}

func newWorld(o Options) *world {
	w := &world{seed: o.Seed, now: epoch, effects: newHash(), trace: o.Trace, fired: map[string]int{}, ledger: memledger.New()}
	w.faults = drawFaults(w.dice("faults"))
	w.crm, w.broker, w.truth = newCRM(w), newBroker(w), newTruth(w)
	return w
}

func (w *world) context() context.Context { return context.Background() }

// workspace is the emulator with the quirks of this run.
func (w *world) workspace(hook *hook, dice *rand.Rand) *emulator.Emulator {
	lag := time.Duration(0)
	if w.faults.chance[indexLag] > 0 {
		lag = jitter(dice, time.Second, simulatedLag-2*time.Second)
		w.fired[indexLag]++
	}
	return emulator.New(emulator.Config{
		Token: token, Limit: -1, IndexLag: lag, Now: func() time.Time { return w.now },
		Random: rand.NewPCG(w.seed, 7), Sleep: func(_ context.Context, d time.Duration) { w.advance(d) },
		Webhook: emulator.WebhookConfig{URL: "http://tandem.test/notion/webhook", Secret: webhookSecret, Shuffle: true, Client: &http.Client{Transport: hook}},
	})
}

// heal ends all trouble and lets time pass: sweeps find what was lost, leases of the dead run out, what waits is looked at.
func (w *world) heal(es []*mapping.Entity) error {
	w.faults.healed = true
	w.effect("heal")
	w.advance(5 * time.Minute)
	for round := range 2 {
		if err := sink.RequestSweep(w.context(), w.ledger, sink.RowSweepName(syncName), "heal", w.now, "heal"); err != nil {
			return fmt.Errorf("ask for a sweep of rows: %w", err)
		}
		for _, e := range es {
			if err := source.RequestSweep(w.context(), w.ledger, syncName, e.Name, fmt.Sprint("heal", round), w.now, "heal"); err != nil {
				return fmt.Errorf("ask for a sweep of pages: %w", err)
			}
		}
		w.advance(healing / 2)
	}
	return nil
}
