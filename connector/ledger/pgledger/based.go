package pgledger

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
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

// Loose lists links that have a page and no row, by page and at most max.
func (s *Store) Loose(ctx context.Context, sync, entity string, most int) ([]ledger.Link, error) {
	const where = `l.sync = $1 AND l.entity = $2 AND l.key IS NULL AND l.page IS NOT NULL ORDER BY l.page LIMIT $3`
	rows, err := s.pool.Query(ctx, selectLinks+where, sync, entity, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list pages without a row: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Link{}, rows, scanLink)
	return found, wrap("list pages without a row", err)
}

// Exists reports whether there is a ledger in the database, of whatever version.
func (s *Store) Exists(ctx context.Context) (bool, error) {
	have, err := version(ctx, s.pool)
	return have > 0, err
}
