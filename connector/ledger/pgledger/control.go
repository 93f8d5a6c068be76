package pgledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// control refuses a commit that a pause or a brake does not allow, and adds the alerts of brakes that begin to hold.
func (p *page) control(ctx context.Context, s *Store, c *ledger.Commit) error {
	l := p.book.Row(c.Link).Link
	if len(c.Writes) > 0 {
		if err := s.behind(ctx, p.tx, l.Sync); err != nil {
			return fmt.Errorf("commit link %d: %w", c.Link, err)
		}
		pauses, err := pausesOn(ctx, p.tx, ledger.Way{Sync: l.Sync, Connector: c.Connector})
		if err != nil {
			return err
		}
		if by, refused := ledger.Refused(pauses, l, *c); refused {
			return fmt.Errorf("commit link %d: %w by %s since %s", c.Link, ledger.ErrPaused, by.By, by.Since.Format(time.RFC3339))
		}
	}
	if err := p.brakes(ctx, l, *c); err != nil {
		return err
	}
	return p.tripped(ctx, l, c)
}

// brakes counts other links while nobody else can be counted: locks in one order everywhere, behind those of links. Far from its limit a brake
// needs no lock, for no more commits can be under way at once than the database has connections.
func (p *page) brakes(ctx context.Context, l ledger.Link, c ledger.Commit) error {
	brakes := slices.Clone(c.Brakes)
	slices.SortFunc(brakes, func(a, b ledger.Brake) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Field, b.Field))
	})
	for _, b := range brakes {
		if b.Max > farFromLimit {
			n, err := touched(ctx, p.tx, l.Sync, l.Entity, c.Link, c.Now.Add(-b.Window), b.Max-farFromLimit, []ledger.Meter{b.Meter})
			if err != nil {
				return err
			}
			if n[0] < b.Max-farFromLimit {
				continue
			}
		}
		if err := p.lockBrake(ctx, l, b.Meter); err != nil {
			return err
		}
		n, err := touched(ctx, p.tx, l.Sync, l.Entity, c.Link, c.Now.Add(-b.Window), b.Max, []ledger.Meter{b.Meter})
		if err != nil {
			return err
		}
		if book.Braked(b, n[0]) {
			return fmt.Errorf("commit link %d, after %d of %s %s %s: %w", c.Link, n[0], b.Side, b.Op, b.Field, ledger.ErrBraked)
		}
	}
	return nil
}

// farFromLimit is more commits than a database has connections for.
const farFromLimit = 1000

func (p *page) lockBrake(ctx context.Context, l ledger.Link, m ledger.Meter) error {
	lock := fmt.Sprintf("tandem brake %q %q %q %q %q", l.Sync, l.Entity, m.Side, m.Op, m.Field)
	if _, err := p.tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, lock); err != nil {
		return fmt.Errorf("lock the brake: %w", err)
	}
	return nil
}

// tripped adds the alert of a brake that holds nothing else yet.
func (p *page) tripped(ctx context.Context, l ledger.Link, c *ledger.Commit) error {
	for _, t := range c.Tripped {
		if err := p.lockBrake(ctx, l, t.Meter); err != nil {
			return err
		}
		told, err := braking(ctx, p.tx, l.Sync, l.Entity, t.Meter, c.Now)
		if err != nil {
			return err
		}
		if !told {
			c.Alerts = append(slices.Clone(c.Alerts), t.Alert)
		}
	}
	return nil
}

// Braking reports that a brake holds something of which nobody has said what is to become of it.
func (s *Store) Braking(ctx context.Context, sync, entity string, m ledger.Meter, now time.Time) (bool, error) {
	return braking(ctx, s.pool, sync, entity, m, now)
}

func braking(ctx context.Context, q querier, sync, entity string, m ledger.Meter, now time.Time) (held bool, err error) {
	const others = `SELECT EXISTS (SELECT FROM tandem.hold h JOIN tandem.link l ON l.id = h.link
			WHERE h.kind = 'brake' AND h.side = $1 AND h.op = $2 AND h.field = $3 AND l.sync = $4 AND l.entity = $5
			AND (h.keep = '' OR h.until <= $6))`
	if err := q.QueryRow(ctx, others, string(m.Side), m.Op, m.Field, sync, entity, book.Cut(now)).Scan(&held); err != nil {
		return false, fmt.Errorf("look whether the brake holds already: %w", err)
	}
	return held, nil
}

// queueControls stores what the brakes count.
func (p *page) queueControls(batch *pgx.Batch, c ledger.Commit) {
	if len(c.Counts) > 0 {
		if r := p.book.Row(c.Link); r != nil {
			for _, m := range c.Counts {
				batch.Queue(`INSERT INTO tandem.touch (link, side, op, field, sync, entity, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
					ON CONFLICT (link, side, op, field) DO UPDATE SET at = excluded.at`,
					c.Link, string(m.Side), m.Op, m.Field, r.Link.Sync, r.Link.Entity, book.Cut(c.Now))
			}
		}
	}
	for _, g := range slices.SortedFunc(groups(p.book), compareGroups) {
		t := p.book.Groups[g]
		if t.Links < 2 {
			continue // nearly all are: they are no mass change, whatever the limits
		}
		batch.Queue(`INSERT INTO tandem.transaction AS t (sync, entity, xid, links, deletes, at) VALUES ($1, $2, $3, $4, $5, now())
			ON CONFLICT (sync, entity, xid) DO UPDATE SET links = t.links + excluded.links, deletes = t.deletes + excluded.deletes, at = excluded.at`,
			g.Sync, g.Entity, int64(g.Xid), t.Links, t.Deletes)
	}
}

func groups(b *book.Book) func(func(book.Group) bool) {
	return func(yield func(book.Group) bool) {
		for g := range b.Groups {
			if !yield(g) {
				return
			}
		}
	}
}

func compareGroups(a, b book.Group) int {
	return cmp.Or(cmp.Compare(a.Sync, b.Sync), cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.Xid, b.Xid))
}

// Touched counts, for each meter, the links beside one that it counted after a time, up to a most.
func (s *Store) Touched(ctx context.Context, sync, entity string, beside int64, since time.Time, most int, meters []ledger.Meter) ([]int, error) {
	return touched(ctx, s.pool, sync, entity, beside, since, most, meters)
}

type queries interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func touched(ctx context.Context, q queries, sync, entity string, beside int64, since time.Time, most int, meters []ledger.Meter) ([]int, error) {
	const count = `SELECT (SELECT count(*) FROM (SELECT FROM tandem.touch t WHERE t.sync = $1 AND t.entity = $2 AND t.side = m.side AND t.op = m.op
			AND t.field = m.field AND t.at > $4 AND t.link <> $3 LIMIT $5) AS found)
		FROM unnest($6::text[], $7::text[], $8::text[]) WITH ORDINALITY AS m (side, op, field, n) ORDER BY m.n`
	var sides, ops, fields []string
	for _, m := range meters {
		sides, ops, fields = append(sides, string(m.Side)), append(ops, m.Op), append(fields, m.Field)
	}
	rows, err := q.Query(ctx, count, sync, entity, beside, book.Cut(since), max(most, 0), sides, ops, fields)
	if err != nil {
		return nil, fmt.Errorf("count what was written: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowTo[int])
	return counts, wrap("count what was written", err)
}

// Census gives how many live links an entity has, and when the first write of it was recorded: zero if never.
func (s *Store) Census(ctx context.Context, sync, entity string) (links int, began time.Time, err error) {
	const count = `SELECT (SELECT count(*) FROM tandem.link WHERE sync = $1 AND entity = $2 AND state = 'live'),
		(SELECT min(first.at) FROM (VALUES ('crm', 'create'), ('notion', 'create'), ('crm', 'update'), ('notion', 'update')) AS k (side, op)
			CROSS JOIN LATERAL (SELECT min(w.at) AS at FROM tandem.write w WHERE w.sync = $1 AND w.entity = $2 AND w.side = k.side AND w.op = k.op) first)`
	var at *time.Time
	if err := s.pool.QueryRow(ctx, count, sync, entity).Scan(&links, &at); err != nil {
		return 0, time.Time{}, fmt.Errorf("count links: %w", err)
	}
	return links, timeOf(at), nil
}

// Transaction gives the largest of these transactions of the CRM, the zero one if none of them touched more than one link.
func (s *Store) Transaction(ctx context.Context, sync, entity string, xids []uint32) (ledger.Transaction, error) {
	const largest = `SELECT coalesce(max(links), 0), coalesce(max(deletes), 0), coalesce((array_agg(xid ORDER BY links DESC))[1], 0)
		FROM tandem.transaction WHERE sync = $1 AND entity = $2 AND xid = ANY($3)`
	numbers := make([]int64, len(xids))
	for i, x := range xids {
		numbers[i] = int64(x)
	}
	var t ledger.Transaction
	var xid int64
	err := s.pool.QueryRow(ctx, largest, sync, entity, numbers).Scan(&t.Links, &t.Deletes, &xid)
	t.Xid = uint32(xid)
	return t, wrap("look at the CRM's transactions", err)
}

// Forget drops what brakes counted before a time: no window reaches back so far.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	for _, table := range []string{"touch", "transaction"} {
		if _, err := s.pool.Exec(ctx, `DELETE FROM tandem.`+table+` WHERE at < $1`, book.Cut(before)); err != nil {
			return fmt.Errorf("forget old counts: %w", err)
		}
	}
	return nil
}

// pausesOn reads the pauses that concern a way; without a side, of both directions.
func pausesOn(ctx context.Context, q queries, w ledger.Way) ([]ledger.Pausing, error) {
	const list = `SELECT id, sync, direction, connector, entity, key, field, since, by, reason, kind FROM tandem.pause
		WHERE sync IN ('', $1) AND ($2 = '' OR direction IN ('', $2)) AND connector IN ('', $3) AND (kind <> '` + ledger.PauseRestored + `' OR $3 <> '` + ledger.PlanConnector + `') ORDER BY id`
	direction := ""
	if w.Side != "" {
		direction = w.Side.Direction()
	}
	rows, err := q.Query(ctx, list, w.Sync, direction, w.Connector)
	if err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	pauses, err := pgx.CollectRows(rows, scanPause)
	return pauses, wrap("read pauses", err)
}

func scanPause(row pgx.CollectableRow) (p ledger.Pausing, err error) {
	err = row.Scan(&p.ID, &p.Sync, &p.Direction, &p.Connector, &p.Entity, &p.Key, &p.Field, &p.Since, &p.By, &p.Reason, &p.Kind)
	p.Since = p.Since.UTC()
	return p, err
}

// stopped reports that one pause covers everything.
func stopped(pauses []ledger.Pausing) bool {
	return slices.ContainsFunc(pauses, func(p ledger.Pausing) bool { return p.Entity == "" && p.Key == "" && p.Field == "" })
}

// Pauses lists what is paused in a sync, oldest first.
func (s *Store) Pauses(ctx context.Context, sync string) ([]ledger.Pausing, error) {
	const list = `SELECT id, sync, direction, connector, entity, key, field, since, by, reason, kind FROM tandem.pause WHERE sync IN ('', $1) ORDER BY id`
	rows, err := s.pool.Query(ctx, list, sync)
	if err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	pauses, err := pgx.AppendRows([]ledger.Pausing{}, rows, scanPause)
	return pauses, wrap("read pauses", err)
}

// Suspend adds a pause; it works from the next commit and the next look for work on.
func (s *Store) Suspend(ctx context.Context, p ledger.Pausing) error {
	const add = `INSERT INTO tandem.pause (sync, direction, connector, entity, key, field, since, by, reason, kind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	_, err := s.pool.Exec(ctx, add, p.Sync, p.Direction, p.Connector, p.Entity, p.Key, p.Field, book.Cut(p.Since), p.By, p.Reason, p.Kind)
	return wrap("pause", err)
}

// Resume removes pauses by their ids, and says how many there were.
func (s *Store) Resume(ctx context.Context, ids []int64) (int, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM tandem.pause WHERE id = ANY($1)`, ids)
	return int(tag.RowsAffected()), wrap("resume", err)
}

// Awake lists links that are held by a pause of a field that is not there any more, at most so many.
func (s *Store) Awake(ctx context.Context, sync string, most int) ([]ledger.Link, error) {
	const list = selectLinks + `l.sync = $1 AND EXISTS (SELECT FROM tandem.hold h WHERE h.link = l.id AND h.kind = 'paused' AND NOT EXISTS (
			SELECT FROM tandem.pause p WHERE p.sync IN ('', l.sync) AND p.field IN ('', h.field) AND p.entity IN ('', l.entity) AND p.key IN ('', l.key, l.page)))
		AND EXISTS (SELECT FROM tandem.hold h WHERE h.link = l.id AND h.kind = 'paused')
		ORDER BY l.id LIMIT $2`
	var any bool
	if err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tandem.hold WHERE kind = 'paused')`).Scan(&any); err != nil || !any {
		return nil, wrap("look for work that was paused", err)
	}
	rows, err := s.pool.Query(ctx, list, sync, most)
	if err != nil {
		return nil, fmt.Errorf("look for work that was paused: %w", err)
	}
	links, err := pgx.CollectRows(rows, scanLink)
	return links, wrap("look for work that was paused", err)
}

// HoldGroups sums holds up for people, the largest group first, with a sample of each.
func (s *Store) HoldGroups(ctx context.Context, sel ledger.Selection, now time.Time, sample int) ([]ledger.HoldGroup, error) {
	const sum = `SELECT h.kind, l.entity, h.field, h.side, h.op, count(*), count(*) FILTER (WHERE h.keep <> '' AND h.until > $8), min(h.at)
		FROM tandem.hold h JOIN tandem.link l ON l.id = h.link WHERE ` + selected + `
		GROUP BY h.kind, l.entity, h.field, h.side, h.op ORDER BY count(*) DESC, h.kind, l.entity, h.field, h.side, h.op`
	rows, err := s.pool.Query(ctx, sum, append(selection(sel), book.Cut(now))...)
	if err != nil {
		return nil, fmt.Errorf("sum holds up: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.HoldGroup{}, rows, func(row pgx.CollectableRow) (g ledger.HoldGroup, err error) {
		err = row.Scan(&g.Kind, &g.Entity, &g.Field, &g.Side, &g.Op, &g.Count, &g.Chosen, &g.Oldest)
		g.Oldest = g.Oldest.UTC()
		return g, err
	})
	if err != nil {
		return nil, fmt.Errorf("sum holds up: %w", err)
	}
	for i := range found {
		g := &found[i]
		const list = `SELECT h.link, ` + holdColumns + `, coalesce(l.key, ''), coalesce(l.page, '') FROM tandem.hold h JOIN tandem.link l ON l.id = h.link
			WHERE h.kind = $1 AND l.entity = $2 AND h.field = $3 AND h.side = $4 AND h.op = $5 AND l.sync = $6 AND ($8 = 0 OR h.link = $8) ORDER BY h.at, h.link LIMIT $7`
		rows, err := s.pool.Query(ctx, list, g.Kind, g.Entity, g.Field, string(g.Side), g.Op, sel.Sync, sample, sel.Link)
		if err != nil {
			return nil, fmt.Errorf("list holds: %w", err)
		}
		if g.Sample, err = pgx.AppendRows([]ledger.Held{}, rows, scanHeld); err != nil {
			return nil, fmt.Errorf("list holds: %w", err)
		}
	}
	return found, nil
}

func scanHeld(row pgx.CollectableRow) (h ledger.Held, err error) {
	var until *time.Time
	err = row.Scan(&h.Link, &h.Kind, &h.Field, &h.Reason, &h.At, &h.Side, &h.Op, &h.From, &h.To, &h.Mark, &h.Keep, &until, &h.Approval, &h.Key, &h.Page)
	h.At, h.Until = h.At.UTC(), timeOf(until)
	return h, err
}

const selected = `l.sync = $1 AND $2 IN ('', h.kind) AND $3 IN ('', l.entity) AND $4 IN ('', h.field) AND $5 IN ('', h.side) AND $6 IN ('', h.op)
	AND ($7 = 0 OR h.link = $7)`

func selection(sel ledger.Selection) []any {
	return []any{sel.Sync, sel.Kind, sel.Entity, sel.Field, string(sel.Side), sel.Op, sel.Link}
}

// Rule writes down what a person says of the holds that stand now, marks them, and makes work of their links: one transaction. What the ruling
// does not fit is left as it is. It says how many holds it was about; about none, nothing is written down.
func (s *Store) Rule(ctx context.Context, r ledger.Ruling) (ledger.Approval, error) {
	var a ledger.Approval
	err := s.change(ctx, "write down what was decided", func(tx pgx.Tx) error {
		a = ledger.Approval{Ruling: r}
		a.At, a.Until = book.Cut(r.At), book.Cut(r.Until)
		holds, err := holdsFor(ctx, tx, r)
		if err != nil || len(holds) == 0 {
			return err
		}
		a.Count = len(holds)
		detail, err := json.Marshal(r.Selection)
		if err != nil {
			return err
		}
		const add = `INSERT INTO tandem.approval (at, until, sync, choice, by, reason, count, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json) RETURNING id`
		if err := tx.QueryRow(ctx, add, a.At, a.Until, r.Sync, choice(r), r.By, r.Reason, a.Count, string(detail)).Scan(&a.ID); err != nil {
			return err
		}
		return ruleOn(ctx, tx, a, holds)
	})
	return a, err
}

func choice(r ledger.Ruling) string {
	if r.Choice == ledger.Keep {
		return "keep " + string(r.Keep)
	}
	return r.Choice
}

// holdsFor locks the links first, as every change of the ledger does.
func holdsFor(ctx context.Context, tx pgx.Tx, r ledger.Ruling) ([]ledger.Held, error) {
	const lock = `SELECT id FROM tandem.link WHERE id IN (SELECT h.link FROM tandem.hold h JOIN tandem.link l ON l.id = h.link WHERE ` + selected + `)
		ORDER BY id FOR NO KEY UPDATE`
	if _, err := tx.Exec(ctx, lock, selection(r.Selection)...); err != nil {
		return nil, err
	}
	const list = `SELECT h.link, ` + holdColumns + ` FROM tandem.hold h JOIN tandem.link l ON l.id = h.link
		WHERE ` + selected + ` AND (h.keep = '' OR h.until <= $8) ORDER BY h.link, h.kind, h.field`
	rows, err := tx.Query(ctx, list, append(selection(r.Selection), book.Cut(r.At))...)
	if err != nil {
		return nil, err
	}
	holds, err := pgx.CollectRows(rows, scanHold)
	return slices.DeleteFunc(holds, func(h ledger.Held) bool { return r.For(h.Hold) == "" }), err
}

func ruleOn(ctx context.Context, tx pgx.Tx, a ledger.Approval, holds []ledger.Held) error {
	var links []int64
	var kinds, fields, keep []string
	var reasons []ledger.Reason
	for _, h := range holds {
		links, kinds, fields, keep = append(links, h.Link), append(kinds, h.Kind), append(fields, h.Field), append(keep, string(a.For(h.Hold)))
		reasons = append(reasons, ledger.Reason{Link: h.Link, Side: ledger.Notion, Lane: ledger.LaneLive, Why: book.Reread})
	}
	const mark = `UPDATE tandem.hold h SET keep = n.keep, until = $5, approval = $6
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS n (link, kind, field, keep)
		WHERE h.link = n.link AND h.kind = n.kind AND h.field = n.field`
	if _, err := tx.Exec(ctx, mark, links, kinds, fields, keep, a.Until, a.ID); err != nil {
		return err
	}
	for some := range slices.Chunk(reasons, 5000) {
		p := newPage(tx)
		p.touch(some)
		if err := p.load(ctx, len(some)); err != nil {
			return err
		}
		if err := p.book.Add(a.At, some); err != nil {
			return err
		}
		if err := p.store(ctx, ledger.Commit{}); err != nil {
			return err
		}
	}
	return nil
}

// Approvals lists what people said of holds, newest first.
func (s *Store) Approvals(ctx context.Context, sync string, most int) ([]ledger.Approval, error) {
	const list = `SELECT id, at, until, choice, by, reason, count, detail FROM tandem.approval WHERE sync = $1 ORDER BY id DESC LIMIT $2`
	rows, err := s.pool.Query(ctx, list, sync, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Approval{}, rows, func(row pgx.CollectableRow) (a ledger.Approval, err error) {
		var detail []byte
		if err = row.Scan(&a.ID, &a.At, &a.Until, &a.Choice, &a.By, &a.Reason, &a.Count, &detail); err != nil {
			return a, err
		}
		a.At, a.Until = a.At.UTC(), a.Until.UTC()
		return a, json.Unmarshal(detail, &a.Selection)
	})
	return found, wrap("list approvals", err)
}
