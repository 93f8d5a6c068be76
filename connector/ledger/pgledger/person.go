package pgledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// People gives the names of Notion's users that are known, by their ids.
func (s *Store) People(ctx context.Context, ids []string) (map[string]string, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, name FROM tandem.person WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("look up people: %w", err)
	}
	names := map[string]string{}
	var id, name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		names[id] = name
		return nil
	})
	return names, wrap("look up people", err)
}

// SavePeople keeps names of Notion's users by their ids.
func (s *Store) SavePeople(ctx context.Context, names map[string]string, now time.Time) error {
	var ids, said []string
	for _, id := range slices.Sorted(maps.Keys(names)) {
		if id != "" && names[id] != "" {
			ids, said = append(ids, id), append(said, names[id])
		}
	}
	_, err := s.pool.Exec(ctx, `INSERT INTO tandem.person (id, name, at) SELECT i, n, $3 FROM unnest($1::text[], $2::text[]) AS p (i, n)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, at = excluded.at`, ids, said, book.Cut(now))
	return wrap("keep people's names", err)
}
