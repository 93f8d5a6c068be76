package simulation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger/memledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// world is one run's clock, dice and durable things.
type world struct {
	options Options
	shape   shape
	now     time.Time
	events  queue

	entities []*mapping.Entity
	crm      *crm
	broker   *broker
	notion   workspace
	ledger   *memledger.Store
	truth    *truth
	users    *users
	system   *system

	faults  faults
	effects []byte // every effect in order, for the hash
	found   []Violation
	writes  int // remote writes and row writes by Tandem, for the fixed point
	budget  budget
	touched map[string]map[string]time.Time // brake → record → when it was last written
	began   map[string]time.Time            // entity → when the first of its records was made
	journal journal
}

// epoch is when every run begins: not on a whole minute, for floors to matter.
var epoch = time.Date(2026, 3, 2, 9, 0, 17, 0, time.UTC)

// dice gives a component its own source, so that one more draw in one does not shift all others.
func (w *world) dice(component string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(component)) // never fails
	return rand.New(rand.NewPCG(w.options.Seed, h.Sum64()))
}

// jitter draws a time between two.
func jitter(dice *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(dice.Int64N(int64(to-from)+1))
}

// event is something that happens at a time.
type event struct {
	at    time.Time
	order int64 // equal times keep the order in which they were planned
	run   func()
}

func (e *event) before(f *event) bool {
	if e.at.Equal(f.at) {
		return e.order < f.order
	}
	return e.at.Before(f.at)
}

// queue is a heap of events, without the boxes that container/heap needs.
type queue struct {
	heap  []event
	order int64
}

func (q *queue) push(at time.Time, run func()) {
	q.order++
	q.heap = append(q.heap, event{at, q.order, run})
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.heap[i].before(&q.heap[up]) {
			return
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

func (q *queue) pop() event {
	top := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return top
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}

// at makes something happen.
func (w *world) at(t time.Time, run func()) {
	if t.Before(w.now) {
		t = w.now
	}
	w.events.push(t, run)
}

// after is at, from now.
func (w *world) after(d time.Duration, run func()) { w.at(w.now.Add(d), run) }

// advance lets time pass: whatever is due happens meanwhile. Time jumps from event to event; a quiet hour costs nothing.
func (w *world) advance(d time.Duration) {
	until := w.now.Add(d)
	for len(w.events.heap) > 0 && !w.events.heap[0].at.After(until) {
		next := w.events.pop()
		if next.at.After(w.now) {
			w.now = next.at
		}
		next.run()
	}
	if until.After(w.now) {
		w.now = until
	}
}

// effect goes into the hash, and into the trace if somebody listens. Its parts are strings: formatting would cost more than the rest.
func (w *world) effect(parts ...string) {
	w.effects = strconv.AppendInt(w.effects, w.now.Sub(epoch).Milliseconds(), 10)
	for _, part := range parts {
		w.effects = append(w.effects, ' ')
		w.effects = append(w.effects, part...)
	}
	w.effects = append(w.effects, '\n')
	if w.options.Trace != nil {
		w.options.Trace(w.now.Format("15:04:05.000 ") + strings.Join(parts, " "))
	}
}

// violation is what an oracle found. The first few of an oracle say enough.
func (w *world) violation(oracle, format string, args ...any) {
	v := Violation{Oracle: oracle, Text: fmt.Sprintf(format, args...), At: w.now.Sub(epoch).Round(time.Millisecond)}
	if len(w.found) < violationsMax {
		w.found = append(w.found, v)
	}
	w.effect("violation", oracle, v.Text)
}

const violationsMax = 20

func (w *world) hash() string {
	sum := sha256.Sum256(w.effects)
	return hex.EncodeToString(sum[:16])
}
