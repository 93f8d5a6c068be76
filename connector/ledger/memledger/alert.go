package memledger

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// outbox is what became of the alerts in the book.
type outbox struct {
	issued    map[string]time.Time
	delivered map[string]time.Time
	ended     map[string]bool
	due       map[delivery]attempt
}

type delivery struct{ target, alert string }

type attempt struct {
	n      int
	before time.Time
}

func newOutbox() outbox {
	return outbox{issued: map[string]time.Time{}, delivered: map[string]time.Time{}, ended: map[string]bool{}, due: map[delivery]attempt{}}
}

func (o outbox) clone() outbox {
	return outbox{issued: maps.Clone(o.issued), delivered: maps.Clone(o.delivered), ended: maps.Clone(o.ended), due: maps.Clone(o.due)}
}

// Raise stores alerts that belong to no commit.
func (s *Store) Raise(_ context.Context, alerts []ledger.Alert) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range alerts {
		s.state.book.Raise(a)
	}
	return nil
}

// Outbox lists alerts that are not on the topic yet, oldest first.
func (s *Store) Outbox(_ context.Context, sync string, most int) ([]ledger.Alert, error) {
	return s.listed(sync, most, func(a ledger.Alert) bool { _, done := s.state.outbox.delivered[a.ID]; return !done }), nil
}

// Waiting lists alerts that nobody has decided to tell yet, oldest first.
func (s *Store) Waiting(_ context.Context, sync string, most int) ([]ledger.Alert, error) {
	return s.listed(sync, most, func(a ledger.Alert) bool { _, done := s.state.outbox.issued[a.ID]; return !done }), nil
}

func (s *Store) listed(sync string, most int, which func(ledger.Alert) bool) []ledger.Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Alert{}
	for _, a := range s.state.book.Alerts {
		if a.Sync == sync && len(found) < most && which(a) {
			found = append(found, a)
		}
	}
	return found
}

// Issue decides that messages are told, to each of the targets.
func (s *Store) Issue(_ context.Context, issues []ledger.Issue, targets []string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = book.Cut(now)
	o := s.state.outbox
	for _, i := range issues {
		if i.Members != nil {
			s.state.book.Raise(i.Alert)
			for _, id := range i.Members {
				if _, done := o.issued[id]; !done {
					o.issued[id], o.delivered[id] = now, now
				}
			}
		}
		if _, done := o.issued[i.Alert.ID]; done {
			continue
		}
		o.issued[i.Alert.ID] = now
		for _, target := range targets {
			o.due[delivery{target, i.Alert.ID}] = attempt{before: now}
		}
	}
	return nil
}

// Deliveries lists what a target has to be told now, oldest first.
func (s *Store) Deliveries(_ context.Context, sync, target string, now time.Time, most int) ([]ledger.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Delivery{}
	for _, a := range s.state.book.Alerts {
		at, ok := s.state.outbox.due[delivery{target, a.ID}]
		if ok && a.Sync == sync && !at.before.After(book.Cut(now)) && len(found) < most {
			found = append(found, ledger.Delivery{Alert: a, Attempts: at.n})
		}
	}
	return found, nil
}

// Delivered marks alerts as taken by a target.
func (s *Store) Delivered(_ context.Context, target string, ids []string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.state.outbox
	for _, id := range ids {
		delete(o.due, delivery{target, id})
		if _, done := o.delivered[id]; !done && target == ledger.TopicTarget {
			o.delivered[id] = book.Cut(at)
		}
	}
	return nil
}

// Postpone has a target tried again later with an alert that it did not take, and counts the attempt.
func (s *Store) Postpone(_ context.Context, target, id string, until time.Time, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := delivery{target, id}
	if at, ok := s.state.outbox.due[d]; ok {
		s.state.outbox.due[d] = attempt{n: at.n + 1, before: book.Cut(until)}
	}
	return nil
}

// Recover makes the message that a state has ended, for each alert that told of one.
func (s *Store) Recover(_ context.Context, sync string, now time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, o := s.state.book, s.state.outbox
	n := 0
	for _, a := range slices.Clone(b.Alerts) {
		if _, told := o.issued[a.ID]; !told || o.ended[a.ID] || a.Sync != sync || !a.Stateful() || lasts(b, a) {
			continue
		}
		s.end(a, now)
		n++
	}
	return n, nil
}

// end is called under mu.
func (s *Store) end(a ledger.Alert, now time.Time) {
	s.state.outbox.ended[a.ID] = true
	s.state.book.Ended(a.ID)
	s.state.book.Raise(a.Recovery(now))
}

// End makes the message that a state has ended of which the ledger itself knows nothing.
func (s *Store) End(_ context.Context, sync, kind, state string, now time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range slices.Clone(s.state.book.Alerts) {
		if a.Sync == sync && a.Kind == kind && a.State == state && !s.state.outbox.ended[a.ID] {
			s.end(a, now)
			n++
		}
	}
	return n, nil
}

// lasts reports that the state which an alert tells of is there still.
func lasts(b *book.Book, a ledger.Alert) bool {
	if a.Kind == ledger.AlertBrake {
		for r := range b.Rows() {
			if r.Link.Sync == a.Sync && r.Link.Entity == a.Entity && slices.ContainsFunc(r.Holds, func(h ledger.Hold) bool {
				return h.Kind == ledger.AlertBrake && ledger.Meter{Side: h.Side, Op: h.Op, Field: h.Field}.Name() == a.State
			}) {
				return true
			}
		}
		return false
	}
	switch r := b.Row(a.Link); {
	case r == nil:
		return false
	case a.Kind == ledger.AlertHold:
		return slices.ContainsFunc(r.Holds, func(h ledger.Hold) bool { return h.Kind == a.State && h.Field == a.Field })
	default:
		return len(r.Works) > 0
	}
}

// Prune forgets alerts that were delivered before a time and tell of no state that lasts.
func (s *Store) Prune(_ context.Context, before time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, o := s.state.book, s.state.outbox
	kept := make([]ledger.Alert, 0, len(b.Alerts))
	for _, a := range b.Alerts {
		if at, done := o.delivered[a.ID]; !done || !at.Before(before) || a.Stateful() && !o.ended[a.ID] {
			kept = append(kept, a)
		}
	}
	n := len(b.Alerts) - len(kept)
	b.Alerts = kept
	return n, nil
}
