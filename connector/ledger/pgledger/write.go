package pgledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// store sends everything that the call changed in the book, in one round trip: links that went, names that moved, links that
// changed, new links, work, holds, records. Each kind is one statement with arrays, however many rows it has.
func (p *page) store(ctx context.Context, c ledger.Commit) error {
	d, err := p.diff()
	if err != nil {
		return err
	}
	var batch pgx.Batch
	d.queueLinks(&batch)
	if err := queueBase(&batch, c); err != nil {
		return err
	}
	d.queueWork(&batch)
	d.queueHolds(&batch)
	p.queueControls(&batch, c)
	if err := p.queueRecords(&batch); err != nil {
		return err
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := p.tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// diff is what became of the loaded rows, as columns.
type diff struct {
	gone    []int64
	renamed []int64 // their key or page changes hands: both are cleared first
	changed linkArrays
	made    linkArrays
	work    workArrays
	done    struct {
		link []int64
		side []string
	}
	holds   holdArrays
	unholds struct {
		link        []int64
		kind, field []string
	}
}

func (p *page) diff() (*diff, error) {
	d := &diff{}
	var made []*book.Row
	for _, id := range p.book.Changed() {
		is, was := p.book.Row(id), p.loaded[id]
		switch {
		case is == nil && was != nil:
			d.gone = append(d.gone, id)
			continue
		case is == nil:
			continue // made and joined with another in the same call
		case was == nil:
			made = append(made, is)
			was = &book.Row{}
		default:
			if err := d.change(was, is); err != nil {
				return nil, err
			}
		}
		d.diffWork(was, is)
		d.diffHolds(was, is)
	}
	// In one order everywhere, so that two calls that make the same links do not wait for each other.
	slices.SortFunc(made, func(a, b *book.Row) int {
		x, y := a.Link, b.Link
		return cmp.Or(cmp.Compare(x.Sync, y.Sync), cmp.Compare(x.Entity, y.Entity), cmp.Compare(x.Key, y.Key), cmp.Compare(x.Page, y.Page))
	})
	for _, r := range made {
		if err := d.made.add(r); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *diff) change(was, is *book.Row) error {
	a, b := was.Link, is.Link
	if a.Key != "" && a.Key != b.Key || a.Page != "" && a.Page != b.Page {
		d.renamed = append(d.renamed, b.ID)
	}
	a.Base, b.Base = nil, nil
	same := reflect.DeepEqual(a, b) && was.Holder == is.Holder && was.Until.Equal(is.Until) && was.Version == is.Version
	if same {
		return nil
	}
	return d.changed.add(is)
}

func (d *diff) diffWork(was, is *book.Row) {
	for _, side := range []ledger.Side{ledger.CRM, ledger.Notion} {
		a, b := was.Work(side), is.Work(side)
		switch {
		case b == nil && a != nil:
			d.done.link, d.done.side = append(d.done.link, is.Link.ID), append(d.done.side, string(side))
		case b != nil && (a == nil || *a != *b):
			d.work.add(is.Link, *b)
		}
	}
}

func (d *diff) diffHolds(was, is *book.Row) {
	for _, h := range is.Holds {
		if !slices.Contains(was.Holds, h) {
			d.holds.add(is.Link.ID, h)
		}
	}
	for _, h := range was.Holds {
		if !slices.ContainsFunc(is.Holds, func(o ledger.Hold) bool { return o.Kind == h.Kind && o.Field == h.Field }) {
			u := &d.unholds
			u.link, u.kind, u.field = append(u.link, is.Link.ID), append(u.kind, h.Kind), append(u.field, h.Field)
		}
	}
}

func (d *diff) queueLinks(batch *pgx.Batch) {
	if len(d.gone) > 0 {
		batch.Queue(`DELETE FROM tandem.link WHERE id = ANY($1)`, d.gone)
	}
	if len(d.renamed) > 0 {
		batch.Queue(`UPDATE tandem.link SET key = NULL, page = NULL WHERE id = ANY($1)`, d.renamed)
	}
	if len(d.changed.id) > 0 {
		batch.Queue(`UPDATE tandem.link l SET key = n.key, page = n.page, external = n.external, state = n.state, seq = n.seq,
			seen = n.seen::json, intent = n.intent::json, wrote_at = n.wrote_at, read_at = n.read_at, got_at = n.got_at,
			emitted = n.emitted, holder = n.holder, lease_until = n.lease_until, work_version = n.work_version
			FROM `+linkUnnest+` WHERE l.id = n.id`, d.changed.args()...)
	}
	if len(d.made.id) > 0 {
		batch.Queue(`INSERT INTO tandem.link (id, sync, entity, key, page, external, state, seq, seen, intent, wrote_at, read_at,
			got_at, emitted, holder, lease_until, work_version)
			SELECT n.id, n.sync, n.entity, n.key, n.page, n.external, n.state, n.seq, n.seen::json, n.intent::json, n.wrote_at,
			n.read_at, n.got_at, n.emitted, n.holder, n.lease_until, n.work_version FROM `+linkUnnest, d.made.args()...)
	}
}

// queueBase patches the base where it stands: a commit of one field sends one field.
func queueBase(batch *pgx.Batch, c ledger.Commit) error {
	if len(c.Base) == 0 && len(c.Unbase) == 0 {
		return nil
	}
	fields := make(map[string]ledger.FieldBase, len(c.Base))
	for name, b := range c.Base {
		fields[name] = book.CutBase(b)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("store the base: %w", err)
	}
	unbase := c.Unbase
	if unbase == nil {
		unbase = []string{}
	}
	batch.Queue(`UPDATE tandem.link SET base = (base - $2::text[]) || $3::jsonb WHERE id = $1`, c.Link, unbase, string(text))
	return nil
}

func (d *diff) queueWork(batch *pgx.Batch) {
	if len(d.done.link) > 0 {
		batch.Queue(`DELETE FROM tandem.work w USING unnest($1::bigint[], $2::text[]) AS n (link, side)
			WHERE w.link = n.link AND w.side = n.side`, d.done.link, d.done.side)
	}
	if len(d.work.link) > 0 {
		batch.Queue(`INSERT INTO tandem.work AS w (link, side, sync, entity, lane, rank, why, first_seen, commit_at, xid, also, deleted,
			not_before, attempts, version, parked, trouble)
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::timestamptz[],
			$9::timestamptz[], $10::bigint[], $11::text[], $12::bool[], $13::timestamptz[], $14::int[], $15::bigint[], $16::text[], $17::text[])
			ON CONFLICT (link, side) DO UPDATE SET lane = excluded.lane, rank = excluded.rank, why = excluded.why,
			first_seen = excluded.first_seen, commit_at = excluded.commit_at, xid = excluded.xid, also = excluded.also, deleted = excluded.deleted,
			not_before = excluded.not_before, attempts = excluded.attempts, version = excluded.version, parked = excluded.parked,
			trouble = excluded.trouble`,
			d.work.args()...)
	}
}

func (d *diff) queueHolds(batch *pgx.Batch) {
	if len(d.unholds.link) > 0 {
		batch.Queue(`DELETE FROM tandem.hold h USING unnest($1::bigint[], $2::text[], $3::text[]) AS n (link, kind, field)
			WHERE h.link = n.link AND h.kind = n.kind AND h.field = n.field`, d.unholds.link, d.unholds.kind, d.unholds.field)
	}
	if len(d.holds.link) > 0 {
		batch.Queue(`INSERT INTO tandem.hold (link, kind, field, reason, at, side, op, shows, becomes, mark, keep, until, approval)
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[],
			$10::text[], $11::text[], $12::timestamptz[], $13::bigint[])
			ON CONFLICT (link, kind, field) DO UPDATE SET reason = excluded.reason, at = excluded.at, side = excluded.side, op = excluded.op,
			shows = excluded.shows, becomes = excluded.becomes, mark = excluded.mark, keep = excluded.keep, until = excluded.until,
			approval = excluded.approval`, d.holds.args()...)
	}
}

// queueRecords adds history. A record that is stored already, by a commit whose outcome was unknown, is left as it is.
func (p *page) queueRecords(batch *pgx.Batch) error {
	for _, r := range p.book.Conflicts {
		if err := queueConflict(batch, r); err != nil {
			return err
		}
		if r.Conflict.Tell {
			batch.Queue(`INSERT INTO tandem.comment (conflict, sync, entity, at, not_before) VALUES ($1, $2, $3, $4, $4) ON CONFLICT (conflict) DO NOTHING`,
				r.Conflict.ID, r.Sync, r.Entity, r.Conflict.At)
		}
	}
	if err := p.queueWindows(batch); err != nil {
		return err
	}
	if err := queueWrites(batch, p.book.Writes); err != nil {
		return err
	}
	for _, a := range p.book.Alerts {
		text, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("store an alert: %w", err)
		}
		queueAlert(batch, a, string(text))
	}
	return nil
}

// linkArrays are links column by column, for unnest.
type linkArrays struct {
	id              []int64
	sync, entity    []string
	key, page       []*string
	external, state []string
	seq             []int64
	seen, intent    []*string
	wroteAt, readAt []*time.Time
	gotAt           []*time.Time
	emitted, holder []string
	leaseUntil      []*time.Time
	version         []int64
}

const linkUnnest = `unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
	$10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[], $16::timestamptz[], $17::bigint[])
	AS n (id, sync, entity, key, page, external, state, seq, seen, intent, wrote_at, read_at, got_at, emitted, holder, lease_until, work_version)`

func (a *linkArrays) add(r *book.Row) error {
	l := r.Link
	seen, err := jsonOrNull(l.Seen)
	if err != nil {
		return fmt.Errorf("store an observation: %w", err)
	}
	intent, err := jsonOrNull(l.Intent)
	if err != nil {
		return fmt.Errorf("store an intent: %w", err)
	}
	a.id, a.sync, a.entity = append(a.id, l.ID), append(a.sync, l.Sync), append(a.entity, l.Entity)
	a.key, a.page = append(a.key, orNull(l.Key)), append(a.page, orNull(l.Page))
	a.external, a.state, a.seq = append(a.external, l.External), append(a.state, string(l.State)), append(a.seq, l.Seq)
	a.seen, a.intent = append(a.seen, seen), append(a.intent, intent)
	a.wroteAt, a.readAt = append(a.wroteAt, orNull(l.WroteAt)), append(a.readAt, orNull(l.ReadAt))
	a.gotAt = append(a.gotAt, orNull(l.GotAt))
	a.emitted, a.holder = append(a.emitted, l.Emitted), append(a.holder, r.Holder)
	a.leaseUntil, a.version = append(a.leaseUntil, orNull(r.Until)), append(a.version, r.Version)
	return nil
}

func (a *linkArrays) args() []any {
	return []any{
		a.id, a.sync, a.entity, a.key, a.page, a.external, a.state, a.seq, a.seen, a.intent, a.wroteAt, a.readAt, a.gotAt, a.emitted, a.holder,
		a.leaseUntil, a.version,
	}
}

// workArrays are work rows column by column.
type workArrays struct {
	link                     []int64
	side, sync, entity, lane []string
	rank                     []int
	why                      []string
	firstSeen                []time.Time
	commitAt                 []*time.Time
	xid                      []int64
	also                     []string
	deleted                  []bool
	notBefore                []time.Time
	attempts                 []int
	version                  []int64
	parked, trouble          []string
}

func (a *workArrays) add(l ledger.Link, w ledger.Work) {
	a.link, a.side, a.sync = append(a.link, l.ID), append(a.side, string(w.Side)), append(a.sync, l.Sync)
	a.entity, a.lane, a.rank = append(a.entity, l.Entity), append(a.lane, string(w.Lane)), append(a.rank, w.Rank)
	a.why, a.firstSeen, a.commitAt = append(a.why, w.Why), append(a.firstSeen, w.FirstSeen), append(a.commitAt, orNull(w.CommitAt))
	a.xid, a.also = append(a.xid, int64(w.Xid)), append(a.also, w.Also)
	a.deleted, a.notBefore = append(a.deleted, w.Deleted), append(a.notBefore, w.NotBefore)
	a.attempts, a.version, a.parked = append(a.attempts, w.Attempts), append(a.version, w.Version), append(a.parked, w.Parked)
	a.trouble = append(a.trouble, w.Trouble)
}

func (a *workArrays) args() []any {
	return []any{
		a.link, a.side, a.sync, a.entity, a.lane, a.rank, a.why, a.firstSeen, a.commitAt, a.xid, a.also, a.deleted, a.notBefore, a.attempts,
		a.version, a.parked, a.trouble,
	}
}

type holdArrays struct {
	link                []int64
	kind, field, reason []string
	at                  []time.Time
	side, op            []string
	shows, becomes      []string
	mark, keep          []string
	until               []*time.Time
	approval            []int64
}

func (a *holdArrays) add(link int64, h ledger.Hold) {
	a.link, a.kind, a.field = append(a.link, link), append(a.kind, h.Kind), append(a.field, h.Field)
	a.reason, a.at = append(a.reason, text(h.Reason)), append(a.at, h.At)
	a.side, a.op = append(a.side, string(h.Side)), append(a.op, h.Op)
	a.shows, a.becomes = append(a.shows, text(h.From)), append(a.becomes, text(h.To))
	a.mark, a.keep = append(a.mark, h.Mark), append(a.keep, string(h.Keep))
	a.until, a.approval = append(a.until, orNull(h.Until)), append(a.approval, h.Approval)
}

func (a *holdArrays) args() []any {
	return []any{a.link, a.kind, a.field, a.reason, a.at, a.side, a.op, a.shows, a.becomes, a.mark, a.keep, a.until, a.approval}
}

// text is what PostgreSQL can keep of a value that Notion or JSON may have: all but NUL.
func text(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }
