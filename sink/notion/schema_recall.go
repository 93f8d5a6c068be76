package notion

import (
	"context"
	"fmt"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Recall takes what the ledger knows of Notion's databases for what is known here, and asks Notion nothing: for those who only look.
func (s *Schema) Recall(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.live = map[string]ledger.Schema{}, map[string]notionapi.DataSource{}
	s.looksOnly = true
	for _, e := range s.Entities {
		known, ok, err := s.Ledger.Schema(ctx, s.Sync, e.Name)
		if err != nil {
			return fmt.Errorf("recall the database of %s: %w", e.Name, err)
		}
		if ok {
			s.known[e.Name] = known
		}
	}
	return nil
}
