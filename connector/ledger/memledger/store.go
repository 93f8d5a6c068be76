// Package memledger keeps the ledger in memory, for the simulation, the demo's tests and tests of the code that stands on a ledger.
//
// It is deterministic: the same calls give the same answers, ids included. It has a mutex and no goroutine, and it survives what
// the simulation kills, as the database does. Nothing it hands out is shared with what it keeps.
package memledger

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Store is a ledger in memory. All methods may be called from any goroutine; none blocks for longer than it computes.
//
// A fake of the CRM that commits a row and the ledger together calls [Store.Commit] inside its own critical section: the store never
// calls out, so there is no order of locks to get wrong.
type Store struct {
	mu      sync.Mutex
	state   state
	shadows map[shadowKey]kept
	minted  int64            // links ever made: external ids never come back, even after a restore
	steps   int64            // of any age, ever taken
	seen    map[string]int64 // newest age by sync, which a restore does not take back
}

// state is all that a snapshot holds.
type state struct {
	book     *book.Book
	lastID   int64
	outbox   outbox
	windows  []ledger.Window
	lost     []ledger.Overwrite
	told     []toldEdit
	comments map[string]told
	said     map[int64]ledger.Said
	leaders  map[string]leader
	cursors  map[string]cursor
	schemas  map[entity]ledger.Schema
	mappings map[entity]string
	budgets  map[string]book.Budget
	drifts   map[entity]ledger.DriftState
	controls controls
	ages     map[string]ledger.Age
}

type entity struct{ sync, name string }

type leader struct {
	holder string
	until  time.Time
	fence  ledger.Fence
}

type cursor struct {
	fence    ledger.Fence
	position json.RawMessage
}

// New makes an empty ledger.
func New() *Store {
	s := &Store{seen: map[string]int64{}}
	s.state = state{
		book: book.New(s.mint), outbox: newOutbox(), comments: map[string]told{}, said: map[int64]ledger.Said{}, leaders: map[string]leader{}, cursors: map[string]cursor{},
		schemas: map[entity]ledger.Schema{}, mappings: map[entity]string{}, budgets: map[string]book.Budget{},
		drifts: map[entity]ledger.DriftState{}, controls: newControls(), ages: map[string]ledger.Age{},
	}
	return s
}

// mint is called under mu.
func (s *Store) mint() (int64, string) {
	s.state.lastID++
	s.minted++
	return s.state.lastID, fmt.Sprintf("00000000-0000-4000-8000-%012x", s.minted)
}

func (st state) clone(mint func() (int64, string)) state {
	return state{
		book: st.book.Clone(mint), lastID: st.lastID, outbox: st.outbox.clone(), windows: slices.Clone(st.windows), lost: slices.Clip(st.lost), told: slices.Clip(st.told), comments: maps.Clone(st.comments), said: maps.Clone(st.said), leaders: maps.Clone(st.leaders),
		cursors: maps.Clone(st.cursors), schemas: maps.Clone(st.schemas), mappings: maps.Clone(st.mappings), budgets: maps.Clone(st.budgets),
		drifts: maps.Clone(st.drifts), controls: st.controls.clone(), ages: maps.Clone(st.ages),
	}
}

// Clone gives an independent ledger with the same content. It copies pointers, one per link, not links.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Store{minted: s.minted, steps: s.steps, seen: maps.Clone(s.seen)}
	c.state = s.state.clone(c.mint)
	return c
}

// Snapshot is a backup of a ledger.
type Snapshot struct{ state state }

// Snapshot takes a backup.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Snapshot{s.state.clone(nil)}
}

// Restore goes back to a backup, as after the loss of a database: everything later is forgotten, except that no external id that
// was given out since is given out again (they are random in a database). A snapshot can be restored any number of times.
func (s *Store) Restore(from Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = from.state.clone(s.mint)
}

// Add implements the suite's Store, as all exported methods do; see there.
func (s *Store) Add(_ context.Context, now time.Time, reasons []ledger.Reason) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.book.Add(now, reasons)
}

// Take leases links with due work. It looks at every link, which is fine for the thousands that a simulation has.
func (s *Store) Take(_ context.Context, c ledger.Claim) ([]ledger.Item, error) {
	if err := book.ValidClaim(c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*book.Row
	if c.Link != 0 {
		if r := s.state.book.Row(c.Link); r != nil && r.Link.Sync == c.Sync && !r.Leased(c.Now) && !s.paused(c, r.Link) {
			found = append(found, r)
		}
	} else {
		found = s.due(c)
	}
	items := make([]ledger.Item, 0, len(found))
	for _, r := range found {
		it := s.state.book.Lease(r.Link.ID, c.Holder, c.Now.Add(c.Lease)).Item(c.Side)
		it.Paused, _ = ledger.Fields(s.state.controls.pauses, way(c), it.Link)
		items = append(items, it)
	}
	return items, nil
}

// NextDue says when there is work of a side that a claim would give, if nothing more is added: what is leased is due when its lease ends. It is
// how the simulation knows how far it can jump.
func (s *Store) NextDue(sync string, side ledger.Side) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next time.Time
	found := false
	for r := range s.state.book.Rows() {
		w := r.Work(side)
		if w == nil || w.Parked != "" || r.Link.Sync != sync {
			continue
		}
		at := w.NotBefore
		if r.Holder != "" && r.Until.After(at) {
			at = r.Until
		}
		if !found || at.Before(next) {
			next, found = at, true
		}
	}
	return next, found
}

func (s *Store) due(c ledger.Claim) []*book.Row {
	var found []*book.Row
	for _, r := range s.state.book.Waiting(c.Side, c.Lane) {
		w := r.Work(c.Side)
		if w == nil || w.Parked != "" || w.NotBefore.After(c.Now) || r.Leased(c.Now) || r.Link.Sync != c.Sync {
			continue
		}
		if c.Lane != "" && w.Lane != c.Lane {
			continue
		}
		if len(c.Entities) > 0 && !slices.Contains(c.Entities, r.Link.Entity) || s.paused(c, r.Link) {
			continue
		}
		found = append(found, r)
	}
	slices.SortStableFunc(found, func(a, b *book.Row) int { return book.Order(a.Work(c.Side), b.Work(c.Side)) })
	return found[:min(len(found), max(c.Max, 1))]
}

func way(c ledger.Claim) ledger.Way {
	return ledger.Way{Sync: c.Sync, Side: c.Side, Connector: c.Connector}
}

func (s *Store) paused(c ledger.Claim, l ledger.Link) bool {
	_, whole := ledger.Fields(s.state.controls.pauses, way(c), l)
	return whole
}

// Commit stores one step for one leased link.
func (s *Store) Commit(_ context.Context, c ledger.Commit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.state.book
	if err := b.Fence(c); err != nil {
		return err
	}
	if err := s.control(&c); err != nil {
		return err
	}
	if err := b.Commit(c); err != nil {
		return err
	}
	s.state.takeWindows()
	s.counted(c)
	return nil
}
