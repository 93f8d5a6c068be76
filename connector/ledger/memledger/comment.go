package memledger

import (
	"context"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// told is what became of a conflict's comment.
type told struct {
	attempts int
	before   time.Time
	done     bool
}

// Comments lists conflicts that are to be told by a comment, and whose time has come.
func (s *Store) Comments(_ context.Context, sync string, now time.Time, most int) ([]ledger.Comment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Comment{}
	for _, c := range s.state.book.Conflicts {
		t := s.state.comments[c.Conflict.ID]
		if c.Sync != sync || !c.Conflict.Tell || t.done || t.before.After(book.Cut(now)) || len(found) >= most {
			continue
		}
		out := ledger.Comment{Conflict: c.Conflict, Link: c.Link, Entity: c.Entity, Attempts: t.attempts}
		if r := s.state.book.Row(c.Link); r != nil {
			out.Key, out.Page = r.Link.Key, r.Link.Page
		}
		found = append(found, out)
	}
	return found, nil
}

// CommentTried counts an attempt before it is made.
func (s *Store) CommentTried(_ context.Context, conflict string, next time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.state.comments[conflict]
	t.attempts, t.before = t.attempts+1, book.Cut(next)
	s.state.comments[conflict] = t
	return nil
}

// CommentDone ends it.
func (s *Store) CommentDone(_ context.Context, conflict, _ string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.state.comments[conflict]
	t.done = true
	s.state.comments[conflict] = t
	return nil
}
