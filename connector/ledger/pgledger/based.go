package pgledger

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
)

// Based lists the keys of links whose bases hold these values, in byte order and at most max. It reads every link of the entity: it is asked when a person makes a
// page, not in bulk.
func (s *Store) Based(ctx context.Context, sync, entity string, values change.Image, most int) ([]string, error) {
	type held struct {
		Value change.Value `json:"v"`
	}
	want := make(map[string]held, len(values))
	for name, v := range values {
		want[name] = held{v}
	}
	text, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("look for bases: %w", err)
	}
	const list = `SELECT key FROM tandem.link WHERE sync = $1 AND entity = $2 AND key IS NOT NULL AND base @> $3::jsonb ORDER BY key LIMIT $4`
	return texts(ctx, s, list, sync, entity, string(text), most)
}

// Exists reports whether there is a ledger in the database, of whatever version.
func (s *Store) Exists(ctx context.Context) (bool, error) {
	have, err := version(ctx, s.pool)
	return have > 0, err
}
