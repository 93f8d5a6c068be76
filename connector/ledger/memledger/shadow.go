package memledger

import (
	"cmp"
	"context"
	"slices"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// shadowKey is what the newest unmade write is kept of.
type shadowKey struct {
	link  int64
	side  ledger.Side
	field string
}

// kept is an unmade write with when the first of its kind was seen.
type kept struct {
	ledger.Shadow
	first ledger.Shadow
}

// Shadowed remembers writes that were not made. What a look says again counts once.
func (s *Store) Shadowed(_ context.Context, shadows []ledger.Shadow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shadows == nil {
		s.shadows = map[shadowKey]kept{}
	}
	for _, w := range shadows {
		row := s.state.book.Row(w.Link)
		if row == nil {
			continue
		}
		key := shadowKey{w.Link, w.Side, w.Field}
		have, ok := s.shadows[key]
		if ok && have.Same(w) {
			continue
		}
		w.Times = have.Times + 1
		w.Sync, w.Entity, w.Key, w.Page = row.Link.Sync, row.Link.Entity, row.Link.Key, row.Link.Page
		if !ok {
			have.first = w
		}
		s.shadows[key] = kept{w, have.first}
	}
	return nil
}

// living are the unmade writes of links that are there still, in order, the newest first within a sum.
func (s *Store) living(sync string) []kept {
	var out []kept
	for key, k := range s.shadows {
		if row := s.state.book.Row(key.link); row != nil && k.Sync == sync {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b kept) int {
		return cmp.Or(compareSums(a, b), b.At.Compare(a.At), cmp.Compare(a.Link, b.Link))
	})
	return out
}

func compareSums(a, b kept) int {
	return cmp.Or(cmp.Compare(a.Entity, b.Entity), cmp.Compare(b.Side, a.Side), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Field, b.Field))
}

// Shadows sums up what would have been written, in order.
func (s *Store) Shadows(_ context.Context, sync string) ([]ledger.ShadowSum, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sums := []ledger.ShadowSum{}
	var last kept
	for _, k := range s.living(sync) {
		if len(sums) == 0 || compareSums(last, k) != 0 {
			sums = append(sums, ledger.ShadowSum{Entity: k.Entity, Side: k.Side, Op: k.Op, Field: k.Field, First: k.first.At, Last: k.At})
		}
		sum := &sums[len(sums)-1]
		sum.Records, sum.Writes = sum.Records+1, sum.Writes+k.Times
		if k.first.At.Before(sum.First) {
			sum.First = k.first.At
		}
		if k.At.After(sum.Last) {
			sum.Last = k.At
		}
		last = k
	}
	return sums, nil
}

// ShadowSamples gives the newest of each sum, at most so many, in order.
func (s *Store) ShadowSamples(_ context.Context, sync string, most int) ([]ledger.Shadow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	samples := []ledger.Shadow{}
	var last kept
	place := 0
	for _, k := range s.living(sync) {
		if compareSums(last, k) != 0 {
			place = 0
		}
		if place++; place <= most {
			samples = append(samples, k.Shadow)
		}
		last = k
	}
	return samples, nil
}

// ForgetShadows begins anew.
func (s *Store) ForgetShadows(_ context.Context, sync string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, k := range s.shadows {
		if k.Sync == sync {
			delete(s.shadows, key)
		}
	}
	return nil
}
