package pgledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// Explain tells of links what would explain a difference: work, a lease, an open intent, an observation that waits, a write or read after a time; a hold.
func (s *Store) Explain(ctx context.Context, links []int64, after time.Time) (map[int64]ledger.Explained, error) {
	const look = `SELECT l.id, l.holder <> '' OR l.intent IS NOT NULL OR l.seen IS NOT NULL OR coalesce(greatest(l.wrote_at, l.read_at, l.got_at) > $2, false)
			OR EXISTS (SELECT FROM tandem.work w WHERE w.link = l.id AND w.parked = ''),
			l.state <> 'live' OR EXISTS (SELECT FROM tandem.hold h WHERE h.link = l.id) OR EXISTS (SELECT FROM tandem.work w WHERE w.link = l.id AND w.parked <> '')
		FROM tandem.link l WHERE l.id = ANY($1)`
	rows, err := s.pool.Query(ctx, look, links, book.Cut(after))
	if err != nil {
		return nil, wrap("look for what explains a difference", err)
	}
	out := map[int64]ledger.Explained{}
	var id int64
	var e ledger.Explained
	_, err = pgx.ForEachRow(rows, []any{&id, &e.Work, &e.Held}, func() error {
		out[id] = e
		return nil
	})
	return out, wrap("look for what explains a difference", err)
}

// SaveProof keeps the last proof of an entity with its differences, in the place of the one before.
func (s *Store) SaveProof(ctx context.Context, sync string, p ledger.Proof, differences []ledger.Difference) error {
	return s.change(ctx, "keep a proof", func(tx pgx.Tx) error {
		var batch pgx.Batch
		batch.Queue(`INSERT INTO tandem.proof (sync, entity, began, finished, equal, waiting, held, differs, requests) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (sync, entity) DO UPDATE SET began = excluded.began, finished = excluded.finished, equal = excluded.equal, waiting = excluded.waiting,
			held = excluded.held, differs = excluded.differs, requests = excluded.requests`,
			sync, p.Entity, book.Cut(p.Began), book.Cut(p.Finished), p.Equal, p.Waiting, p.Held, p.Differs, p.Requests)
		batch.Queue(`DELETE FROM tandem.difference WHERE sync = $1 AND entity = $2`, sync, p.Entity)
		for _, d := range differences {
			batch.Queue(addDifference,
				sync, d.Entity, d.Link, d.Field, d.Key, d.Page, d.CRM, d.Notion, book.Cut(d.FoundAt))
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// Differs adds differences to those of the last proof, before the next one has ended.
func (s *Store) Differs(ctx context.Context, sync string, found []ledger.Difference) error {
	var batch pgx.Batch
	for _, d := range found {
		batch.Queue(addDifference, sync, d.Entity, d.Link, d.Field, d.Key, d.Page, d.CRM, d.Notion, book.Cut(d.FoundAt))
	}
	return wrap("keep differences", s.pool.SendBatch(ctx, &batch).Close())
}

const addDifference = `INSERT INTO tandem.difference (sync, entity, link, field, key, page, crm, notion, found_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`

// Proofs lists the last proof of each entity, and the differences that they found, oldest first.
func (s *Store) Proofs(ctx context.Context, sync string) ([]ledger.Proof, []ledger.Difference, error) {
	rows, err := s.pool.Query(ctx, `SELECT entity, began, finished, equal, waiting, held, differs, requests FROM tandem.proof WHERE sync = $1 ORDER BY entity`, sync)
	if err != nil {
		return nil, nil, wrap("list proofs", err)
	}
	proofs, err := pgx.AppendRows([]ledger.Proof{}, rows, func(row pgx.CollectableRow) (p ledger.Proof, err error) {
		err = row.Scan(&p.Entity, &p.Began, &p.Finished, &p.Equal, &p.Waiting, &p.Held, &p.Differs, &p.Requests)
		p.Began, p.Finished = p.Began.UTC(), p.Finished.UTC()
		return p, err
	})
	if err != nil {
		return nil, nil, wrap("list proofs", err)
	}
	rows, err = s.pool.Query(ctx, `SELECT entity, link, field, key, page, crm, notion, found_at FROM tandem.difference WHERE sync = $1 ORDER BY found_at, entity, link, field`, sync)
	if err != nil {
		return nil, nil, wrap("list differences", err)
	}
	found, err := pgx.AppendRows([]ledger.Difference{}, rows, func(row pgx.CollectableRow) (d ledger.Difference, err error) {
		err = row.Scan(&d.Entity, &d.Link, &d.Field, &d.Key, &d.Page, &d.CRM, &d.Notion, &d.FoundAt)
		d.FoundAt = d.FoundAt.UTC()
		return d, err
	})
	return proofs, found, wrap("list differences", err)
}
