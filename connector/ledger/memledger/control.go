package memledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// controls are what brakes counted, what is paused, and what people said.
type controls struct {
	touched   map[metered]map[int64]time.Time
	pauses    []ledger.Pausing
	approvals []ledger.Approval
	lastPause int64
}

type metered struct {
	entity entity
	meter  ledger.Meter
}

func newControls() controls { return controls{touched: map[metered]map[int64]time.Time{}} }

func (c controls) clone() controls {
	c.touched = maps.Clone(c.touched)
	for k, links := range c.touched {
		c.touched[k] = maps.Clone(links)
	}
	c.pauses, c.approvals = slices.Clone(c.pauses), slices.Clip(c.approvals)
	return c
}

// control refuses a commit that a pause or a brake does not allow, and adds the alerts of brakes that begin to hold. Called under mu.
func (s *Store) control(c *ledger.Commit) error {
	l := s.state.book.Row(c.Link).Link
	if len(c.Writes) > 0 && s.state.ages[l.Sync].Count < s.seen[l.Sync] {
		return fmt.Errorf("commit link %d: %w: the database is older than it was a moment ago", c.Link, ledger.ErrPaused)
	}
	if by, refused := ledger.Refused(s.state.controls.pauses, l, *c); refused {
		return fmt.Errorf("commit link %d: %w by %s since %s", c.Link, ledger.ErrPaused, by.By, by.Since.Format(time.RFC3339))
	}
	for _, b := range c.Brakes {
		if n := s.touched(l.Sync, l.Entity, c.Link, c.Now.Add(-b.Window), b.Max, b.Meter); book.Braked(b, n) {
			return fmt.Errorf("commit link %d, after %d of %s %s %s: %w", c.Link, n, b.Side, b.Op, b.Field, ledger.ErrBraked)
		}
	}
	for _, t := range c.Tripped {
		if !s.braking(l, t.Meter, c.Now) {
			c.Alerts = append(slices.Clone(c.Alerts), t.Alert)
		}
	}
	return nil
}

func (s *Store) braking(l ledger.Link, m ledger.Meter, now time.Time) bool {
	for r := range s.state.book.Rows() {
		if r.Link.Sync != l.Sync || r.Link.Entity != l.Entity {
			continue
		}
		for _, h := range r.Holds {
			if h.Kind == "brake" && h.Side == m.Side && h.Op == m.Op && h.Field == m.Field && !h.Chosen(now) {
				return true
			}
		}
	}
	return false
}

// Braking reports that a brake holds something of which nobody has said what is to become of it.
func (s *Store) Braking(_ context.Context, sync, entity string, m ledger.Meter, now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.braking(ledger.Link{Sync: sync, Entity: entity}, m, now), nil
}

// counted records what the brakes count. Called under mu, after the commit.
func (s *Store) counted(c ledger.Commit) {
	r := s.state.book.Row(c.Link)
	if r == nil {
		return
	}
	for _, m := range c.Counts {
		k := metered{entity{r.Link.Sync, r.Link.Entity}, m}
		if s.state.controls.touched[k] == nil {
			s.state.controls.touched[k] = map[int64]time.Time{}
		}
		s.state.controls.touched[k][c.Link] = book.Cut(c.Now)
	}
}

func (s *Store) touched(sync, name string, beside int64, since time.Time, most int, m ledger.Meter) int {
	n := 0
	for link, at := range s.state.controls.touched[metered{entity{sync, name}, m}] {
		if n < most && link != beside && at.After(book.Cut(since)) && s.state.book.Row(link) != nil {
			n++
		}
	}
	return n
}

// Touched counts, for each meter, the links beside one that it counted after a time, up to a most.
func (s *Store) Touched(_ context.Context, sync, entity string, beside int64, since time.Time, most int, meters []ledger.Meter) ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make([]int, len(meters))
	for i, m := range meters {
		counts[i] = s.touched(sync, entity, beside, since, most, m)
	}
	return counts, nil
}

// Census gives how many live links an entity has, and when the first write of it was recorded: zero if never.
func (s *Store) Census(_ context.Context, sync, entity string) (links int, began time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.state.book.Rows() {
		if r.Link.Sync == sync && r.Link.Entity == entity && r.Link.State == ledger.Live {
			links++
		}
	}
	for _, w := range s.state.book.Writes {
		if w.Sync == sync && w.Entity == entity && (w.Write.Op == ledger.OpCreate || w.Write.Op == ledger.OpUpdate) && (began.IsZero() || w.At.Before(began)) {
			began = w.At
		}
	}
	return links, began, nil
}

// Transaction gives the largest of these transactions of the CRM, the zero one if none of them touched more than one link.
func (s *Store) Transaction(_ context.Context, sync, entity string, xids []uint32) (ledger.Transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var largest ledger.Transaction
	for _, xid := range xids {
		t := s.state.book.Groups[book.Group{Sync: sync, Entity: entity, Xid: xid}]
		if t.Links < 2 {
			continue
		}
		if t.Links > largest.Links {
			largest.Xid, largest.Links = xid, t.Links
		}
		largest.Deletes = max(largest.Deletes, t.Deletes)
	}
	return largest, nil
}

// Forget drops what brakes counted before a time.
func (s *Store) Forget(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, links := range s.state.controls.touched {
		maps.DeleteFunc(links, func(_ int64, at time.Time) bool { return at.Before(before) })
	}
	return nil
}

// Pauses lists what is paused in a sync, oldest first.
func (s *Store) Pauses(_ context.Context, sync string) ([]ledger.Pausing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Pausing{}
	for _, p := range s.state.controls.pauses {
		if p.Sync == "" || p.Sync == sync {
			found = append(found, p)
		}
	}
	return found, nil
}

// Suspend adds a pause.
func (s *Store) Suspend(_ context.Context, p ledger.Pausing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspend(p)
	return nil
}

func (s *Store) suspend(p ledger.Pausing) {
	s.state.controls.lastPause++
	p.ID, p.Since = s.state.controls.lastPause, book.Cut(p.Since)
	s.state.controls.pauses = append(slices.Clip(s.state.controls.pauses), p)
}

// Resume removes pauses by their ids, and says how many there were.
func (s *Store) Resume(_ context.Context, ids []int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := len(s.state.controls.pauses)
	s.state.controls.pauses = slices.DeleteFunc(slices.Clone(s.state.controls.pauses), func(p ledger.Pausing) bool { return slices.Contains(ids, p.ID) })
	return was - len(s.state.controls.pauses), nil
}

// Awake lists links that are held by a pause of a field that is not there any more, at most so many.
func (s *Store) Awake(_ context.Context, sync string, most int) ([]ledger.Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var links []ledger.Link
	for r := range s.state.book.Rows() {
		if r.Link.Sync != sync || len(links) >= most {
			continue
		}
		if slices.ContainsFunc(r.Holds, func(h ledger.Hold) bool { return h.Kind == "paused" && !s.pausing(r.Link, h.Field) }) {
			links = append(links, book.CopyLink(r.Link))
		}
	}
	return links, nil
}

func (s *Store) pausing(l ledger.Link, field string) bool {
	return slices.ContainsFunc(s.state.controls.pauses, func(p ledger.Pausing) bool {
		return (p.Sync == "" || p.Sync == l.Sync) && p.Link(l) && (p.Field == "" || p.Field == field)
	})
}

// HoldGroups sums holds up for people, the largest group first, with a sample of each.
func (s *Store) HoldGroups(_ context.Context, sel ledger.Selection, now time.Time, sample int) ([]ledger.HoldGroup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type like struct {
		kind, entity, field, op string
		side                    ledger.Side
	}
	sums := map[like]*ledger.HoldGroup{}
	for _, h := range s.selected(sel) {
		name := s.state.book.Row(h.Link).Link.Entity
		k := like{h.Kind, name, h.Field, h.Op, h.Side}
		g := sums[k]
		if g == nil {
			g = &ledger.HoldGroup{Kind: h.Kind, Entity: name, Field: h.Field, Side: h.Side, Op: h.Op, Oldest: h.At, Sample: []ledger.Held{}}
			sums[k] = g
		}
		g.Count++
		if h.Chosen(now) {
			g.Chosen++
		}
		if h.At.Before(g.Oldest) {
			g.Oldest = h.At
		}
		g.Sample = append(g.Sample, h)
	}
	groups := []ledger.HoldGroup{}
	for _, g := range sums {
		slices.SortStableFunc(g.Sample, func(a, b ledger.Held) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Link, b.Link)) })
		g.Sample = g.Sample[:min(len(g.Sample), sample)]
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b ledger.HoldGroup) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Side, b.Side), cmp.Compare(a.Op, b.Op))
	})
	return groups, nil
}

func (s *Store) selected(sel ledger.Selection) []ledger.Held {
	var found []ledger.Held
	is := func(part, name string) bool { return part == "" || part == name }
	for r := range s.state.book.Rows() {
		if r.Link.Sync != sel.Sync || !is(sel.Entity, r.Link.Entity) || sel.Link != 0 && sel.Link != r.Link.ID {
			continue
		}
		for _, h := range r.Holds {
			if is(sel.Kind, h.Kind) && is(sel.Field, h.Field) && is(string(sel.Side), string(h.Side)) && is(sel.Op, h.Op) {
				found = append(found, ledger.Held{Hold: h, Link: r.Link.ID, Key: r.Link.Key, Page: r.Link.Page})
			}
		}
	}
	return found
}

// Rule writes down what a person says of the holds that stand now, marks them, and makes work of their links.
func (s *Store) Rule(_ context.Context, r ledger.Ruling) (ledger.Approval, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := ledger.Approval{Ruling: r, ID: int64(len(s.state.controls.approvals) + 1)}
	a.At, a.Until = book.Cut(r.At), book.Cut(r.Until)
	var reasons []ledger.Reason
	for _, h := range s.selected(r.Selection) {
		keep := r.For(h.Hold)
		if keep == "" || h.Chosen(a.At) {
			continue
		}
		a.Count++
		h.Keep, h.Until, h.Approval = keep, a.Until, a.ID
		s.state.book.Rule(h)
		reasons = append(reasons, ledger.Reason{Link: h.Link, Side: ledger.Notion, Lane: ledger.LaneLive, Why: book.Reread})
	}
	if a.Count == 0 {
		a.ID = 0
		return a, nil
	}
	s.state.controls.approvals = append(slices.Clip(s.state.controls.approvals), a)
	return a, s.state.book.Add(a.At, reasons)
}

// Approvals lists what people said of holds, newest first.
func (s *Store) Approvals(_ context.Context, sync string, most int) ([]ledger.Approval, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []ledger.Approval{}
	for _, a := range slices.Backward(s.state.controls.approvals) {
		if a.Sync == sync && len(found) < most {
			if a.Choice == ledger.Keep {
				a.Choice, a.Keep = "keep "+string(a.Keep), ""
			} else {
				a.Keep = ""
			}
			found = append(found, a)
		}
	}
	return found, nil
}
