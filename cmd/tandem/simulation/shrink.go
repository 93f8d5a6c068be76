package simulation

import (
	"slices"
)

// Shrink finds a smaller run that still fails by the same oracle: first with less of what people do, then with less of what goes wrong. It
// plays at most so many runs, and gives the smallest that it found with what came of it.
func Shrink(o Options, runs int) (Options, Result, error) {
	whole, err := Run(o)
	if err != nil || len(whole.Violations) == 0 {
		return o, whole, err
	}
	s := shrinking{oracle: whole.Violations[0].Oracle, left: runs, best: o, result: whole}
	if s.best.Ops == nil {
		s.best.Ops = make([]int, whole.Steps)
		for i := range s.best.Ops {
			s.best.Ops[i] = i
		}
	}
	if s.best.Faults == nil {
		s.best.Faults = whole.Firings
	}
	if !s.try(s.best) { // faults that never fired change nothing; if naming them does, they stay drawn
		s.best.Faults = o.Faults
	}
	for before := -1; before != s.size() && s.left > 0; {
		before = s.size()
		reduce(&s, s.best.Ops, func(kept []int) Options { c := s.best; c.Ops = kept; return c })
		reduce(&s, s.best.Faults, func(kept []string) Options { c := s.best; c.Faults = kept; return c })
	}
	return s.best, s.result, s.err
}

type shrinking struct {
	oracle string
	left   int // runs
	best   Options
	result Result
	err    error
}

func (s *shrinking) size() int { return len(s.best.Ops) + len(s.best.Faults) }

// try plays a candidate and keeps it if it still fails in the same way.
func (s *shrinking) try(c Options) bool {
	if s.left <= 0 || s.err != nil {
		return false
	}
	s.left--
	got, err := Run(c)
	if err != nil {
		s.err = err
		return false
	}
	if !slices.ContainsFunc(got.Violations, func(v Violation) bool { return v.Oracle == s.oracle }) {
		return false
	}
	s.best, s.result = c, got
	return true
}

// reduce leaves parts of a list out, big ones first (Zeller and Hildebrandt's ddmin).
func reduce[T any](s *shrinking, list []T, with func([]T) Options) {
	for part := (len(list) + 1) / 2; part >= 1; {
		gone := false
		for from := 0; from < len(list); {
			kept := slices.Concat(list[:from], list[min(len(list), from+part):])
			if kept == nil {
				kept = []T{} // nil would mean all
			}
			if s.try(with(kept)) {
				list, gone = kept, true
				continue
			}
			from += part
		}
		if part == 1 && !gone {
			return
		}
		part = max(1, part/2)
		if part == 1 && len(list) == 0 {
			return
		}
	}
}
