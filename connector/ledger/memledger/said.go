package memledger

import (
	"context"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Said lists what pages say of their records, by link.
func (s *Store) Said(_ context.Context, sync string) ([]ledger.Said, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Said{}
	for id, what := range s.state.said {
		if r := s.state.book.Row(id); r != nil && r.Link.Sync == sync {
			found = append(found, what)
		}
	}
	slices.SortFunc(found, func(a, b ledger.Said) int { return int(a.Link - b.Link) })
	return found, nil
}

// Say keeps what a page is about to say, or says.
func (s *Store) Say(_ context.Context, sync string, what ledger.Said, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := s.state.book.Row(what.Link); {
	case what.Text == "" && what.Shown:
		delete(s.state.said, what.Link)
	case r != nil && r.Link.Sync == sync:
		s.state.said[what.Link] = what
	}
	return nil
}
