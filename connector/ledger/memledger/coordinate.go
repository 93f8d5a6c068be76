package memledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Lead takes or renews a lease by name.
func (s *Store) Lead(_ context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, known := s.state.leaders[name]
	switch {
	case known && l.holder == holder:
	case known && now.Before(l.until):
		return 0, false, nil
	default:
		l.holder = holder
		l.fence++
	}
	l.until = book.Cut(now.Add(ttl))
	s.state.leaders[name] = l
	return l.fence, true, nil
}

// Cursor gives a named position, nil if none was saved.
func (s *Store) Cursor(_ context.Context, name string) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.state.cursors[name].position), nil
}

// SaveCursor keeps a named position under a fence.
func (s *Store) SaveCursor(_ context.Context, name string, fence ledger.Fence, position json.RawMessage) error {
	if !change.ValidJSON(position) {
		return fmt.Errorf("save cursor %q: the position is not JSON", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, led := s.state.leaders[name]
	if led && l.fence != fence || fence < s.state.cursors[name].fence {
		return fmt.Errorf("save cursor %q: %w", name, ledger.ErrFenced)
	}
	s.state.cursors[name] = cursor{fence: fence, position: bytes.Clone(position)}
	return nil
}

// Schema gives an entity's place in Notion.
func (s *Store) Schema(_ context.Context, sync, name string) (ledger.Schema, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	schema, ok := s.state.schemas[entity{sync, name}]
	return copySchema(schema), ok, nil
}

// SaveSchema stores an entity's place in Notion.
func (s *Store) SaveSchema(_ context.Context, sync, name string, schema ledger.Schema) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.schemas[entity{sync, name}] = copySchema(schema)
	return nil
}

func copySchema(s ledger.Schema) ledger.Schema {
	s.Properties, s.Types, s.Parked = maps.Clone(s.Properties), maps.Clone(s.Types), maps.Clone(s.Parked)
	s.Names, s.Generations, s.Kinds = maps.Clone(s.Names), maps.Clone(s.Generations), maps.Clone(s.Kinds)
	return s
}

// Mapping gives the hash of the mapping under which an entity runs, "" if none.
func (s *Store) Mapping(_ context.Context, sync, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.mappings[entity{sync, name}], nil
}

// SetMapping changes the hash of the mapping.
func (s *Store) SetMapping(_ context.Context, sync, name, hash string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.mappings[entity{sync, name}] = hash
	return nil
}

// Grant takes requests from the token's budget.
func (s *Store) Grant(_ context.Context, token string, lane ledger.Lane, want, rate int, now time.Time) (int, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, n, wait, err := s.state.budgets[token].Grant(lane, want, rate, now)
	if err != nil {
		return 0, 0, err
	}
	s.state.budgets[token] = b
	return n, wait, nil
}

// Pause stops all grants of the token until then.
func (s *Store) Pause(_ context.Context, token string, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.budgets[token] = s.state.budgets[token].Pause(until)
	return nil
}
