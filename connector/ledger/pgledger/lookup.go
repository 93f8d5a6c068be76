package pgledger

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
)

const selectLinks = `SELECT ` + linkColumns + `, l.base FROM tandem.link l WHERE `

// ByKey looks links up by their rows' keys.
func (s *Store) ByKey(ctx context.Context, sync, entity string, keys []string) (map[string]ledger.Link, error) {
	return lookup(ctx, s, func(l ledger.Link) string { return l.Key }, `l.sync = $1 AND l.entity = $2 AND l.key = ANY($3)`, sync, entity, keys)
}

// ByPage looks links up by their pages' ids.
func (s *Store) ByPage(ctx context.Context, sync string, pages []string) (map[string]ledger.Link, error) {
	return lookup(ctx, s, func(l ledger.Link) string { return l.Page }, `l.sync = $1 AND l.page = ANY($2)`, sync, pages)
}

// ByID looks links up by their ids.
func (s *Store) ByID(ctx context.Context, ids []int64) (map[int64]ledger.Link, error) {
	return lookup(ctx, s, func(l ledger.Link) int64 { return l.ID }, `l.id = ANY($1)`, ids)
}

// ByExternal looks links up by the external ids that their pages carry.
func (s *Store) ByExternal(ctx context.Context, sync string, externals []string) (map[string]ledger.Link, error) {
	return lookup(ctx, s, func(l ledger.Link) string { return l.External }, `l.sync = $1 AND l.external = ANY($2)`, sync, externals)
}

func lookup[K comparable](ctx context.Context, s *Store, by func(ledger.Link) K, where string, args ...any) (map[K]ledger.Link, error) {
	rows, err := s.pool.Query(ctx, selectLinks+where, args...)
	if err != nil {
		return nil, fmt.Errorf("look up links: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanLink)
	if err != nil {
		return nil, fmt.Errorf("look up links: %w", err)
	}
	links := make(map[K]ledger.Link, len(found))
	for _, l := range found {
		links[by(l)] = l
	}
	return links, nil
}

// Keys lists row keys after one, in byte order.
func (s *Store) Keys(ctx context.Context, sync, entity, after string, max int) ([]string, error) {
	const list = `SELECT key FROM tandem.link WHERE sync = $1 AND entity = $2 AND key > $3 ORDER BY key LIMIT $4`
	return texts(ctx, s, list, sync, entity, after, max)
}

// Pages lists page ids after one, in byte order.
func (s *Store) Pages(ctx context.Context, sync, entity, after string, max int) ([]string, error) {
	const list = `SELECT page FROM tandem.link WHERE sync = $1 AND entity = $2 AND page > $3 ORDER BY page LIMIT $4`
	return texts(ctx, s, list, sync, entity, after, max)
}

func texts(ctx context.Context, s *Store, query string, sync, entity, after string, most int) ([]string, error) {
	rows, err := s.pool.Query(ctx, query, sync, entity, after, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	names, err := pgx.AppendRows([]string{}, rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return names, nil
}

// Emitted tells the poller what it emitted last for each page, known or not.
func (s *Store) Emitted(ctx context.Context, sync, _ string, pages []string) (map[string]ledger.Emitted, error) {
	const find = `SELECT page, entity, emitted, seq, wrote_at, greatest(read_at, got_at), CASE WHEN intent IS NOT NULL AND holder <> '' THEN lease_until END
		FROM tandem.link WHERE sync = $1 AND page = ANY($2)`
	out := make(map[string]ledger.Emitted, len(pages))
	for _, page := range pages {
		out[page] = ledger.Emitted{Page: page}
	}
	rows, err := s.pool.Query(ctx, find, sync, pages)
	if err != nil {
		return nil, fmt.Errorf("read what was emitted: %w", err)
	}
	var e ledger.Emitted
	var wroteAt, readAt, writing *time.Time
	_, err = pgx.ForEachRow(rows, []any{&e.Page, &e.Entity, &e.Hash, &e.Seq, &wroteAt, &readAt, &writing}, func() error {
		e.Known, e.WroteAt, e.ReadAt, e.Writing = true, timeOf(wroteAt), timeOf(readAt), timeOf(writing)
		out[e.Page] = e
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was emitted: %w", err)
	}
	return out, nil
}

// SetEmitted stores what the poller emitted, and makes half links for pages that have none.
func (s *Store) SetEmitted(ctx context.Context, sync, entity string, emitted map[string]ledger.Emission) error {
	if len(emitted) == 0 {
		return nil
	}
	return s.change(ctx, "store what was emitted", func(tx pgx.Tx) error {
		p := newPage(tx)
		sorted := slices.Sorted(maps.Keys(emitted))
		for _, page := range sorted {
			p.pages.add(sync, entity, page)
		}
		if err := p.load(ctx, len(emitted)); err != nil {
			return err
		}
		for _, page := range sorted {
			p.book.Emit(sync, entity, page, emitted[page])
		}
		return p.store(ctx, ledger.Commit{})
	})
}

// details reads rows of one JSON column.
func details[T any](ctx context.Context, s *Store, what, query string, args ...any) ([]T, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	found, err := pgx.AppendRows([]T{}, rows, func(row pgx.CollectableRow) (v T, err error) {
		var text []byte
		if err := row.Scan(&text); err != nil {
			return v, err
		}
		return v, json.Unmarshal(text, &v)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return found, nil
}
