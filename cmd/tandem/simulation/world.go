package simulation

import (
	"container/heap"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// world is one run's clock, dice and durable things.
type world struct {
	seed   uint64
	now    time.Time
	events events
	order  int // of events, so that equal times keep their order

	crm    *crm
	broker *broker
	notion *emulator.Emulator
	ledger *memledger.Store
	truth  *truth

	faults  faults
	effects hash.Hash
	trace   func(format string, args ...any)
	fired   map[string]int // fault point → times
	writes  int            // remote writes and row writes by Tandem, for the fixed point
}

// epoch is when every run begins: not on a whole minute, for floors to matter.
var epoch = time.Date(2026, 3, 2, 9, 0, 17, 0, time.UTC)

// dice gives a component its own source, so that one more draw in one does not shift all others.
func (w *world) dice(component string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(component)) // never fails
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// event is something that happens at a time.
type event struct {
	at    time.Time
	order int
	run   func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].order < e[j].order
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// at makes something happen.
func (w *world) at(t time.Time, run func()) {
	if t.Before(w.now) {
		t = w.now
	}
	w.order++
	heap.Push(&w.events, event{t, w.order, run})
}

// after is at, from now.
func (w *world) after(d time.Duration, run func()) { w.at(w.now.Add(d), run) }

// advance lets time pass: whatever is due happens meanwhile.
func (w *world) advance(d time.Duration) {
	until := w.now.Add(d)
	for len(w.events) > 0 && !w.events[0].at.After(until) {
		next := heap.Pop(&w.events).(event)
		if next.at.After(w.now) {
			w.now = next.at
		}
		next.run()
	}
	if until.After(w.now) {
		w.now = until
	}
}

// effect goes into the hash, and into the trace if somebody listens.
func (w *world) effect(format string, args ...any) {
	line := fmt.Sprintf("%s "+format+"\n", append([]any{w.now.Format("15:04:05.000")}, args...)...)
	_, _ = w.effects.Write([]byte(line)) // never fails
	if w.trace != nil {
		w.trace("%s", line)
	}
}

func (w *world) hash() string { return hex.EncodeToString(w.effects.Sum(nil))[:32] }

func newHash() hash.Hash { return sha256.New() }
