package sink

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// How often records are looked at again that wait for what tells nobody when it is over (a constraint that was dropped, a value that another row gave
// up, a page that is shared again), and how many at a time: in turn, for each look may cost a request or two. Of those that wait for the same the first
// that goes on frees all.
const (
	relookEvery = 5 * time.Minute
	relookMax   = 20
)

// waitsForSame is what records have in common that wait for the same: their reason without what is their own in it.
type waitsForSame struct{ entity, reason string }

var ownWords = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[0-9]+`)

// lookedAt is a record that was looked at again.
type lookedAt struct {
	link int64
	same waitsForSame
}

// relook chooses the records that are looked at again, and those that one of the last look has freed.
func (w *Worker) relook(pending []ledger.Pending, now time.Time) []ledger.Reason {
	switch {
	case w.relooked.IsZero(): // what was put aside a moment ago can wait
		w.relooked = now
		return nil
	case now.Sub(w.relooked) < relookEvery:
		return nil
	}
	w.relooked = now
	waiting := map[int64]waitsForSame{}
	var order []int64
	reasons := map[int64]ledger.Reason{}
	for _, p := range pending {
		if why, reason := w.untold(p); why != "" {
			waiting[p.Link.ID] = waitsForSame{p.Link.Entity, ownWords.ReplaceAllString(why, "")}
			reasons[p.Link.ID] = reason
			order = append(order, p.Link.ID)
		}
	}
	freed := map[waitsForSame]bool{}
	for _, l := range w.looked {
		if waiting[l.link] != l.same {
			freed[l.same] = true
		}
	}
	w.looked = nil
	var chosen []ledger.Reason
	slices.SortFunc(order, func(a, b int64) int { return cmp.Or(boolCompare(a <= w.turn, b <= w.turn), cmp.Compare(a, b)) }) // those behind the last one come first
	for _, id := range order {
		switch {
		case freed[waiting[id]]:
		case len(w.looked) < relookMax:
			w.turn = id
			w.looked = append(w.looked, lookedAt{id, waiting[id]})
		default:
			continue
		}
		chosen = append(chosen, reasons[id])
	}
	return chosen
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// nobodyTells reports that the cause of parked work may go without an edit of its record. What a guard refuses, a page cannot hold, or comes back
// different whenever it is written, ends with an edit, which tells.
func nobodyTells(w ledger.Work) bool {
	switch {
	case w.Parked == "" || waitsForPerson(w.Parked) || strings.Contains(w.Parked, " came back, twice: ") || ledger.Classify("", w.Parked, false) == ledger.ClassInvalid:
		return false
	case w.Side == ledger.Notion:
		return strings.Contains(w.Parked, "Notion refuses") || strings.Contains(w.Parked, "cannot be found")
	}
	return true
}

// RetryParked has all work of an entity looked at again that was put aside: its mapping is another one now.
func RetryParked(ctx context.Context, l interface {
	Adder
	Pending(ctx context.Context, sync string, max int) ([]ledger.Pending, error)
}, e *mapping.Entity, now time.Time) error {
	pending, err := l.Pending(ctx, e.Sync, wakeMax)
	if err != nil {
		return fmt.Errorf("look for what was put aside: %w", err)
	}
	var reasons []ledger.Reason
	for _, p := range pending {
		for _, w := range p.Work {
			if p.Link.Entity == e.Name && w.Parked != "" {
				reasons = append(reasons, ledger.Reason{Link: p.Link.ID, Sync: e.Sync, Entity: e.Name, Side: w.Side, Lane: ledger.LaneBackfill, Rank: e.Rank, Why: "retry"})
			}
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return l.Add(ctx, now, reasons)
}

// untold tells why a record waits, and how it is looked at again, if nobody tells when that is over; "" if a person has to decide, or something tells.
func (w *Worker) untold(p ledger.Pending) (why string, again ledger.Reason) {
	again = ledger.Reason{Link: p.Link.ID, Sync: p.Link.Sync, Entity: p.Link.Entity, Side: w.Side, Lane: ledger.LaneBackfill, Why: "retry"}
	if e := w.Entities[p.Link.Entity]; e == nil {
		return "", again
	}
	for _, h := range p.Holds {
		if h.Kind == "vanished" && w.Side == ledger.Notion {
			again.Why = "sync" // with a read of the page
			return h.Reason, again
		}
	}
	if len(p.Holds) > 0 {
		return "", again
	}
	for _, work := range p.Work {
		if work.Side == w.Side && nobodyTells(work) {
			again.Rank = work.Rank
			return work.Parked, again
		}
	}
	return "", again
}
