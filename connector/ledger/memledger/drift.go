package memledger

import (
	"context"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Drift gives what is kept of an entity's schemas.
func (s *Store) Drift(_ context.Context, sync, name string) (ledger.DriftState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.drifts[entity{sync, name}].Clone(), nil
}

// ChangeDrift changes what is kept of an entity's schemas. change is called under the lock, and calls nothing of the store.
func (s *Store) ChangeDrift(_ context.Context, sync, name string, change func(ledger.DriftState) (ledger.DriftState, []ledger.Alert)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := entity{sync, name}
	after, alerts := change(s.state.drifts[key].Clone())
	s.state.drifts[key] = after.Clone()
	s.state.book.Alert(alerts)
	return nil
}
