package memledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Age gives the age that the ledger has for a sync; its Count is 0 where there is none.
func (s *Store) Age(_ context.Context, sync string) (ledger.Age, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.age(sync), nil
}

func (s *Store) age(sync string) ledger.Age {
	a := s.state.ages[sync]
	a.System, a.Timeline, a.Database = "memory", 1, 1
	return a
}

// Aging takes the next step of a ledger's age, unless the ledger turns out to be older than what is known of it.
func (s *Store) Aging(_ context.Context, sync string, known ledger.Age, now time.Time) (ledger.Aged, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ledger.Aged{}
	out.Verdict, out.Why = known.Recognise(s.age(sync))
	s.steps++
	out.Age = known.Next(s.age(sync), fmt.Sprintf("step-%d", s.steps), book.Cut(now))
	s.state.ages[sync] = out.Age
	s.seen[sync] = max(s.seen[sync], out.Age.Count)
	if out.Verdict == ledger.AgeRestored || out.Verdict == ledger.AgeMoved && known.System != out.Age.System {
		s.state.book.Unbind(sync)
	}
	if out.Verdict != ledger.AgeRestored {
		return out, nil
	}
	s.state.book.Leap(sync, now)
	if !slices.ContainsFunc(s.state.controls.pauses, func(p ledger.Pausing) bool { return p.Sync == sync && p.Kind == ledger.PauseRestored }) {
		s.suspend(ledger.Pausing{Sync: sync, Since: now, By: "tandem", Reason: ledger.RestoredReason(out.Why), Kind: ledger.PauseRestored})
		s.state.book.Raise(ledger.RestoredAlert(sync, known, out.Age, out.Why))
	}
	return out, nil
}
