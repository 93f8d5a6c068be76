package memledger

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// ByKey looks links up by their rows' keys.
func (s *Store) ByKey(_ context.Context, sync, entity string, keys []string) (map[string]ledger.Link, error) {
	return lookup(s, keys, func(b *book.Book, key string) *book.Row { return b.ByKey(sync, entity, key) })
}

// ByPage looks links up by their pages' ids.
func (s *Store) ByPage(_ context.Context, sync string, pages []string) (map[string]ledger.Link, error) {
	return lookup(s, pages, func(b *book.Book, page string) *book.Row { return b.ByPage(sync, page) })
}

// ByID looks links up by their ids.
func (s *Store) ByID(_ context.Context, ids []int64) (map[int64]ledger.Link, error) {
	return lookup(s, ids, func(b *book.Book, id int64) *book.Row { return b.Row(id) })
}

// ByExternal looks links up by the external ids that their pages carry.
func (s *Store) ByExternal(_ context.Context, sync string, externals []string) (map[string]ledger.Link, error) {
	return lookup(s, externals, func(b *book.Book, ext string) *book.Row { return b.ByExternal(sync, ext) })
}

func lookup[K comparable](s *Store, names []K, find func(*book.Book, K) *book.Row) (map[K]ledger.Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	links := map[K]ledger.Link{}
	for _, name := range names {
		if r := find(s.state.book, name); r != nil {
			links[name] = book.CopyLink(r.Link)
		}
	}
	return links, nil
}

// Keys lists row keys after one, in byte order.
func (s *Store) Keys(_ context.Context, sync, entity, after string, max int) ([]string, error) {
	return s.list(sync, entity, after, max, func(l ledger.Link) string { return l.Key }), nil
}

// Pages lists page ids after one, in byte order.
func (s *Store) Pages(_ context.Context, sync, entity, after string, max int) ([]string, error) {
	return s.list(sync, entity, after, max, func(l ledger.Link) string { return l.Page }), nil
}

func (s *Store) list(sync, entity, after string, most int, name func(ledger.Link) string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for r := range s.state.book.Rows() {
		if n := name(r.Link); r.Link.Sync == sync && r.Link.Entity == entity && n > after {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), max(most, 0))]
}

// Emitted tells the poller what it emitted last for each page, known or not.
func (s *Store) Emitted(_ context.Context, sync, _ string, pages []string) (map[string]ledger.Emitted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]ledger.Emitted, len(pages))
	for _, page := range pages {
		e := ledger.Emitted{Page: page}
		if r := s.state.book.ByPage(sync, page); r != nil {
			e = r.Emitted()
		}
		out[page] = e
	}
	return out, nil
}

// SetEmitted stores what the poller emitted, and makes half links for pages that have none.
func (s *Store) SetEmitted(_ context.Context, sync, entity string, emitted map[string]ledger.Emission) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, page := range slices.Sorted(maps.Keys(emitted)) {
		s.state.book.Emit(sync, entity, page, emitted[page])
	}
	return nil
}

// Tallies sums work up by entity, side and lane, in that order.
func (s *Store) Tallies(_ context.Context, sync string, now time.Time) ([]ledger.Tally, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type group struct {
		entity string
		side   ledger.Side
		lane   ledger.Lane
	}
	sums := map[group]*ledger.Tally{}
	for r := range s.state.book.Rows() {
		for _, w := range r.Works {
			if r.Link.Sync != sync {
				continue
			}
			g := group{r.Link.Entity, w.Side, w.Lane}
			if sums[g] == nil {
				sums[g] = &ledger.Tally{Entity: g.entity, Side: g.side, Lane: g.lane}
			}
			tally(sums[g], w, now)
		}
	}
	tallies := []ledger.Tally{}
	for _, t := range sums {
		tallies = append(tallies, *t)
	}
	slices.SortFunc(tallies, func(a, b ledger.Tally) int {
		return cmp.Or(cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Side, b.Side), -cmp.Compare(a.Lane, b.Lane))
	})
	return tallies, nil
}

func tally(t *ledger.Tally, w ledger.Work, now time.Time) {
	if w.Parked != "" {
		t.Parked++
		return
	}
	t.Due++
	if w.NotBefore.After(now) {
		t.Later++
	}
	if t.Oldest.IsZero() || w.FirstSeen.Before(t.Oldest) {
		t.Oldest = w.FirstSeen
	}
}

// Counts sums entities up, in order of their names.
func (s *Store) Counts(_ context.Context, sync string) ([]ledger.Count, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sums := map[string]*ledger.Count{}
	of := func(entity string) *ledger.Count {
		if sums[entity] == nil {
			sums[entity] = &ledger.Count{Entity: entity}
		}
		return sums[entity]
	}
	for r := range s.state.book.Rows() {
		if r.Link.Sync == sync {
			count(of(r.Link.Entity), r)
		}
	}
	for _, c := range s.state.book.Conflicts {
		if c.Sync == sync {
			of(c.Entity).Conflicts++
		}
	}
	for _, a := range s.state.book.Alerts {
		if _, done := s.state.outbox.delivered[a.ID]; a.Sync == sync && !done {
			of(a.Entity).Alerts++
		}
	}
	counts := []ledger.Count{}
	for _, entity := range slices.Sorted(maps.Keys(sums)) {
		counts = append(counts, *sums[entity])
	}
	return counts, nil
}

func count(c *ledger.Count, r *book.Row) {
	switch r.Link.State {
	case ledger.Live:
		c.Links++
	case ledger.Half:
		c.Half++
	case ledger.Vanished:
		c.Vanished++
	case ledger.OutOfScope, ledger.PageTrashed, ledger.Trashed, ledger.RowDeleted:
	}
	c.Holds += len(r.Holds)
}

// Based lists the keys of links whose bases hold these values, in byte order and at most max.
func (s *Store) Based(_ context.Context, sync, entity string, values change.Image, max int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := []string{}
	for r := range s.state.book.Rows() {
		l := r.Link
		holds := l.Sync == sync && l.Entity == entity && l.Key != ""
		for name, v := range values {
			base, ok := l.Base[name]
			holds = holds && ok && change.Equal(base.Value, v)
		}
		if holds {
			keys = append(keys, l.Key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), max)], nil
}

// Loose lists links that have a page and no row, by page and at most max.
func (s *Store) Loose(_ context.Context, sync, entity string, max int) ([]ledger.Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Link{}
	for r := range s.state.book.Rows() {
		if l := r.Link; l.Sync == sync && l.Entity == entity && l.Key == "" && l.Page != "" {
			found = append(found, book.CopyLink(l))
		}
	}
	slices.SortFunc(found, func(a, b ledger.Link) int { return cmp.Compare(a.Page, b.Page) })
	return found[:min(len(found), max)], nil
}

// Conflicts lists the newest conflicts of a link, or of all links if it is 0.
func (s *Store) Conflicts(_ context.Context, sync string, link int64, max int) ([]ledger.Conflict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Conflict{}
	for _, c := range slices.Backward(s.state.book.Conflicts) {
		if c.Sync == sync && (link == 0 || c.Link == link) && len(found) < max {
			found = append(found, c.Conflict)
		}
	}
	return found, nil
}

// Audit lists the recorded writes of a link, oldest first.
func (s *Store) Audit(link int64) []ledger.Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []ledger.Write
	for _, w := range s.state.book.Writes {
		if w.Link == link {
			found = append(found, w.Write)
		}
	}
	return found
}

// Holds lists a link's holds by kind.
func (s *Store) Holds(_ context.Context, link int64) ([]ledger.Hold, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.state.book.Row(link); r != nil {
		return append([]ledger.Hold{}, r.Holds...), nil
	}
	return []ledger.Hold{}, nil
}

// Pending lists links with parked, held or failing work, in order of their ids.
func (s *Store) Pending(_ context.Context, sync string, max int) ([]ledger.Pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Pending{}
	for r := range s.state.book.Rows() {
		waits := len(r.Holds) > 0 || slices.ContainsFunc(r.Works, func(w ledger.Work) bool { return w.Parked != "" || w.Attempts > 0 })
		if r.Link.Sync == sync && waits && len(found) < max {
			found = append(found, r.Pending())
		}
	}
	return found, nil
}
