package pgledger

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// takeDue reads the head of each entity's queue along the index work_due, so that its cost depends on what is taken, not on what
// waits. Work and link are locked together: a link that another worker is about to lease, or whose work just went, is skipped.
// Where the claim names no entities they are found by hopping over the index from one to the next. A claim of one lane names it as a literal: then
// the lane is a condition on the index, and the other lane's work, however much, is not walked over.
const takeDue = `
WITH RECURSIVE entity (name) AS (
	SELECT (SELECT min(w.entity) FROM tandem.work w WHERE w.sync = $1 AND w.side = $2 AND w.parked = '')
	UNION ALL
	SELECT (SELECT min(w.entity) FROM tandem.work w WHERE w.sync = $1 AND w.side = $2 AND w.parked = '' AND w.entity > e.name)
	FROM entity e WHERE e.name IS NOT NULL
), asked (name) AS (
	SELECT n.name FROM (
		SELECT unnest($3::text[]) AS name
		UNION SELECT name FROM entity WHERE cardinality($3::text[]) = 0 AND name IS NOT NULL
	) n WHERE n.name <> ALL ($10::text[])
), due AS MATERIALIZED (
	SELECT d.link FROM asked a CROSS JOIN LATERAL (
		SELECT w.link, w.lane, w.rank, w.first_seen
		FROM tandem.work w JOIN tandem.link l ON l.id = w.link
		WHERE w.sync = $1 AND w.side = $2 AND w.entity = a.name AND w.parked = '' AND w.not_before <= $4
			AND (l.holder = '' OR l.lease_until <= $4) /* of the lane */
			AND NOT EXISTS (SELECT FROM unnest($8::text[], $9::text[]) AS x (entity, key)
				WHERE x.entity IN ('', w.entity) AND x.key IN (l.key, l.page))
		ORDER BY w.lane DESC, w.rank, w.first_seen, w.link
		LIMIT $5
		FOR NO KEY UPDATE SKIP LOCKED
	) d
	ORDER BY d.lane DESC, d.rank, d.first_seen, d.link
	LIMIT $5
)
UPDATE tandem.link l SET epoch = l.epoch + 1, holder = $6, lease_until = $7
FROM due WHERE l.id = due.link
RETURNING ` + linkColumns + `, l.base`

// takeDueOf gives the statement for a lane.
func takeDueOf(lane ledger.Lane) string {
	switch lane {
	case ledger.LaneLive:
		return takeDueLive
	case ledger.LaneBackfill:
		return takeDueBackfill
	}
	return takeDue
}

var (
	takeDueLive     = strings.Replace(takeDue, "/* of the lane */", "AND w.lane = 'live'", 1)
	takeDueBackfill = strings.Replace(takeDue, "/* of the lane */", "AND w.lane = 'backfill'", 1)
)

const takeLink = `
WITH due AS MATERIALIZED (
	SELECT l.id FROM tandem.link l
	WHERE l.id = $2 AND l.sync = $1 AND (l.holder = '' OR l.lease_until <= $3)
	FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tandem.link l SET epoch = l.epoch + 1, holder = $4, lease_until = $5
FROM due WHERE l.id = due.id
RETURNING ` + linkColumns + `, l.base`

// Take leases links with due work. Several workers may take at once: each link goes to one of them.
func (s *Store) Take(ctx context.Context, c ledger.Claim) ([]ledger.Item, error) {
	if err := book.ValidClaim(c); err != nil {
		return nil, err
	}
	var taken []*book.Row
	var pauses []ledger.Pausing
	way := ledger.Way{Sync: c.Sync, Side: c.Side, Connector: c.Connector}
	err := s.change(ctx, "take work", func(tx pgx.Tx) error {
		var err error
		taken = nil
		if pauses, err = pausesOn(ctx, tx, way); err != nil || stopped(pauses) {
			return err
		}
		rows, err := lease(ctx, tx, c, pauses)
		if err != nil {
			return err
		}
		if taken, err = pgx.CollectRows(rows, scanRow); err != nil {
			return err
		}
		return loadWork(ctx, tx, taken)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(taken, func(a, b *book.Row) int {
		if c.Link != 0 {
			return 0
		}
		return cmp.Or(book.Order(a.Work(c.Side), b.Work(c.Side)), cmp.Compare(a.Link.ID, b.Link.ID))
	})
	items := make([]ledger.Item, len(taken))
	for i, r := range taken {
		items[i] = r.Item(c.Side)
		items[i].Paused, _ = ledger.Fields(pauses, way, r.Link)
	}
	return items, nil
}

func lease(ctx context.Context, tx pgx.Tx, c ledger.Claim, pauses []ledger.Pausing) (pgx.Rows, error) {
	now, until := book.Cut(c.Now), book.Cut(c.Now.Add(c.Lease))
	if c.Link != 0 {
		return tx.Query(ctx, takeLink, c.Sync, c.Link, now, c.Holder, until)
	}
	entities := c.Entities
	if entities == nil {
		entities = []string{}
	}
	keysOf, keys, without := []string{}, []string{}, []string{}
	for _, p := range pauses {
		switch {
		case p.Field != "":
		case p.Key != "":
			keysOf, keys = append(keysOf, p.Entity), append(keys, p.Key)
		default:
			without = append(without, p.Entity)
		}
	}
	return tx.Query(ctx, takeDueOf(c.Lane), c.Sync, string(c.Side), entities, now, max(c.Max, 1), c.Holder, until, keysOf, keys, without)
}
