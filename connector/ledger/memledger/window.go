package memledger

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// takeWindows takes over what the book's call opened and closed.
func (st *state) takeWindows() {
	b := st.book
	for _, c := range b.Closings {
		st.windows = slices.DeleteFunc(st.windows, func(w ledger.Window) bool { return w.Link == c.Link && w.Closed.IsZero() && c.At.IsZero() })
		for i, w := range st.windows {
			if w.Link == c.Link && w.Closed.IsZero() {
				st.windows[i].Closed, st.windows[i].Shown = c.At, c.Shown
			}
		}
	}
	st.windows = append(st.windows, b.Windows...)
	b.Closings, b.Windows = nil, nil
}

// Windows lists the windows of pages that closed after a time, or are open, oldest first.
func (s *Store) Windows(_ context.Context, sync string, pages []string, after time.Time) ([]ledger.Window, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Window{}
	for _, w := range s.state.windows {
		if w.Sync == sync && slices.Contains(pages, w.Page) && (w.Closed.IsZero() || w.Closed.After(book.Cut(after))) {
			found = append(found, w)
		}
	}
	return found, nil
}

// Overwrites lists the possibly overwritten edits of a sync, oldest first.
func (s *Store) Overwrites(sync string) []ledger.Overwrite {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []ledger.Overwrite
	for _, o := range s.state.lost {
		if o.Window.Sync == sync {
			found = append(found, o)
		}
	}
	return found
}

// PruneWindows forgets windows that opened before a time.
func (s *Store) PruneWindows(_ context.Context, before time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.state.windows)
	s.state.windows = slices.DeleteFunc(s.state.windows, func(w ledger.Window) bool { return w.Opened.Before(book.Cut(before)) })
	s.state.told = slices.DeleteFunc(slices.Clone(s.state.told), func(t toldEdit) bool { return t.edit.At.Before(book.Cut(before)) })
	return n - len(s.state.windows), nil
}

// Overwrote lists edits as possibly overwritten, each with an alert unless a conflict told it.
func (s *Store) Overwrote(_ context.Context, lost []ledger.Overwrite, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range lost {
		o, news := o.Beyond(s.state.lost)
		if !news {
			continue
		}
		s.state.lost = append(s.state.lost, o)
		var conflicts []ledger.Conflict
		for _, c := range s.state.book.Conflicts {
			if c.Link == o.Window.Link {
				conflicts = append(conflicts, c.Conflict)
			}
		}
		if !o.Told(conflicts) {
			s.state.book.Raise(o.Alert(now))
		}
	}
	return nil
}

// toldEdit is what a webhook told.
type toldEdit struct {
	sync string
	edit ledger.Edit
}

// KeepEdit keeps what a webhook told of people's edits.
func (s *Store) KeepEdit(_ context.Context, sync string, e ledger.Edit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.At = book.Cut(e.At)
	if !slices.ContainsFunc(s.state.told, func(t toldEdit) bool { return t.sync == sync && t.edit.Name() == e.Name() }) {
		s.state.told = append(s.state.told, toldEdit{sync, e})
	}
	return nil
}

// KeptEdits lists what was told of edits after a time, in their order.
func (s *Store) KeptEdits(_ context.Context, sync string, after time.Time) ([]ledger.Edit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Edit{}
	for _, t := range s.state.told {
		if t.sync == sync && t.edit.At.After(book.Cut(after)) {
			found = append(found, t.edit)
		}
	}
	slices.SortFunc(found, func(a, b ledger.Edit) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Name(), b.Name())) })
	return found, nil
}
