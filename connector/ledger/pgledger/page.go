package pgledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// page is the part of the ledger that one call touches: its rows, locked, in a book.
type page struct {
	tx     pgx.Tx
	book   *book.Book
	loaded map[int64]*book.Row // as they were
	minted []int64             // ids for new links, not used yet

	ids   []int64
	keys  ends
	pages ends
	given ledger.Commit // its link's new ends: their present owners are touched
	frees bool          // the call may free an end that a later reason of it makes anew
}

// ends are names of links, as arrays for unnest.
type ends struct{ sync, entity, name []string }

func (e *ends) add(sync, entity, name string) {
	if name != "" {
		e.sync, e.entity, e.name = append(e.sync, sync), append(e.entity, entity), append(e.name, name)
	}
}

func newPage(tx pgx.Tx) *page {
	p := &page{tx: tx, loaded: map[int64]*book.Row{}}
	p.book = book.New(p.mint)
	return p
}

// mint hands out the ids that load took from the sequence.
func (p *page) mint() (int64, string) {
	id := p.minted[0]
	p.minted = p.minted[1:]
	return id, uuid.NewString()
}

func (p *page) touch(reasons []ledger.Reason) {
	for _, r := range reasons {
		switch {
		case r.Link != 0:
			p.ids = append(p.ids, r.Link)
		case r.Key != "":
			p.keys.add(r.Sync, r.Entity, r.Key)
		default:
			p.pages.add(r.Sync, r.Entity, r.Page)
		}
		if r.NewKey != "" {
			p.frees = true
			p.keys.add(r.Sync, r.Entity, r.NewKey)
		}
	}
}

func (p *page) touchCommit(c ledger.Commit) {
	p.touch(c.Reasons)
	p.given = c
	p.frees = p.frees || c.Key != nil || c.Page != nil || c.Remove || c.Absorb != 0
	p.ids = append(p.ids, c.Link)
	if c.Absorb != 0 {
		p.ids = append(p.ids, c.Absorb)
	}
}

const lockLinks = `
WITH wanted AS (
	SELECT unnest($1::bigint[]) AS id
	UNION SELECT l.id FROM unnest($2::text[], $3::text[], $4::text[]) AS k (sync, entity, key)
		JOIN tandem.link l ON l.sync = k.sync AND l.entity = k.entity AND l.key = k.key
	UNION SELECT l.id FROM unnest($5::text[], $6::text[]) AS k (sync, page)
		JOIN tandem.link l ON l.sync = k.sync AND l.page = k.page
	UNION SELECT o.id FROM tandem.link l JOIN tandem.link o ON o.sync = l.sync AND o.entity = l.entity AND o.key = $8 WHERE l.id = $7
	UNION SELECT o.id FROM tandem.link l JOIN tandem.link o ON o.sync = l.sync AND o.page = $9 WHERE l.id = $7
	UNION SELECT o.id FROM tandem.link l JOIN tandem.link o ON o.sync = l.sync AND o.external = $10 WHERE l.id = $7
)
SELECT ` + linkColumns + `, '{}'::jsonb
FROM tandem.link l WHERE l.id IN (SELECT id FROM wanted)
ORDER BY l.id FOR NO KEY UPDATE OF l`

// load locks the links that the call names and reads them, their work and holds. Bases are not read: no rule needs them.
func (p *page) load(ctx context.Context, reasons int) error {
	rows, err := p.tx.Query(ctx, lockLinks, p.ids, p.keys.sync, p.keys.entity, p.keys.name, p.pages.sync, p.pages.name,
		p.given.Link, p.given.Key, p.given.Page, p.given.External)
	if err != nil {
		return fmt.Errorf("lock links: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanRow)
	if err != nil {
		return fmt.Errorf("lock links: %w", err)
	}
	if err := loadWork(ctx, p.tx, found); err != nil {
		return err
	}
	for _, r := range found {
		p.loaded[r.Link.ID] = r
		p.book.Load(r)
	}
	return p.takeIDs(ctx, reasons)
}

// takeIDs takes an id for each link that the reasons may make.
func (p *page) takeIDs(ctx context.Context, reasons int) error {
	n := reasons
	if !p.frees {
		n = p.unknown()
	}
	if n == 0 {
		return nil
	}
	const next = `SELECT nextval(pg_get_serial_sequence('tandem.link', 'id')) FROM generate_series(1, $1)`
	rows, err := p.tx.Query(ctx, next, n)
	if err != nil {
		return fmt.Errorf("take link ids: %w", err)
	}
	if p.minted, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil {
		return fmt.Errorf("take link ids: %w", err)
	}
	return nil
}

func (p *page) unknown() int {
	type name struct{ sync, entity, name string }
	unknown := map[name]bool{}
	for i, key := range p.keys.name {
		if p.book.ByKey(p.keys.sync[i], p.keys.entity[i], key) == nil {
			unknown[name{p.keys.sync[i], p.keys.entity[i], key}] = true
		}
	}
	for i, id := range p.pages.name {
		if p.book.ByPage(p.pages.sync[i], id) == nil {
			unknown[name{p.pages.sync[i], "", id}] = true
		}
	}
	return len(unknown)
}
