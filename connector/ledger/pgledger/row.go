package pgledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// linkColumns is what scanRow reads, before the base.
const linkColumns = `l.id, l.sync, l.entity, coalesce(l.key, ''), coalesce(l.page, ''), l.external, l.state, l.seq, l.epoch,
	l.seen, l.intent, l.wrote_at, l.read_at, l.got_at, l.emitted, l.holder, l.lease_until, l.work_version`

func scanRow(row pgx.CollectableRow) (*book.Row, error) {
	var (
		r                      book.Row
		l                      = &r.Link
		seen, intent, base     []byte
		wroteAt, readAt, gotAt *time.Time
		leasedTo               *time.Time
	)
	err := row.Scan(&l.ID, &l.Sync, &l.Entity, &l.Key, &l.Page, &l.External, &l.State, &l.Seq, &l.Epoch,
		&seen, &intent, &wroteAt, &readAt, &gotAt, &l.Emitted, &r.Holder, &leasedTo, &r.Version, &base)
	if err != nil {
		return nil, err
	}
	l.WroteAt, l.ReadAt, l.GotAt, r.Until = timeOf(wroteAt), timeOf(readAt), timeOf(gotAt), timeOf(leasedTo)
	if err := json.Unmarshal(base, &l.Base); err != nil {
		return nil, fmt.Errorf("read the base of link %d: %w", l.ID, err)
	}
	if l.Seen, err = parse[ledger.Observation](seen); err != nil {
		return nil, fmt.Errorf("read the observation of link %d: %w", l.ID, err)
	}
	if l.Intent, err = parse[ledger.Intent](intent); err != nil {
		return nil, fmt.Errorf("read the intent of link %d: %w", l.ID, err)
	}
	l.ID = r.Link.ID
	r.Link = book.CopyLink(r.Link)
	return &r, nil
}

func scanLink(row pgx.CollectableRow) (ledger.Link, error) {
	r, err := scanRow(row)
	if err != nil {
		return ledger.Link{}, err
	}
	return r.Link, nil
}

// parse reads JSON that may be missing.
func parse[T any](text []byte) (*T, error) {
	if text == nil {
		return nil, nil
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// loadWork reads work and holds of links in one round trip.
func loadWork(ctx context.Context, tx pgx.Tx, rows []*book.Row) error {
	if len(rows) == 0 {
		return nil
	}
	byID := make(map[int64]*book.Row, len(rows))
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i], byID[r.Link.ID] = r.Link.ID, r
	}
	var batch pgx.Batch
	batch.Queue(`SELECT w.link, w.side, w.lane, w.rank, w.why, w.first_seen, w.commit_at, w.xid, w.also, w.deleted, w.not_before, w.attempts,
		w.version, w.parked, w.trouble FROM tandem.work w WHERE w.link = ANY($1) ORDER BY w.link, w.side`, ids).Query(func(found pgx.Rows) error {
		return eachWork(found, func(link int64, w ledger.Work) { byID[link].Works = append(byID[link].Works, w) })
	})
	batch.Queue(`SELECT h.link, `+holdColumns+` FROM tandem.hold h WHERE h.link = ANY($1) ORDER BY h.link, h.kind, h.field`, ids).Query(func(found pgx.Rows) error {
		holds, err := pgx.CollectRows(found, scanHold)
		for _, h := range holds {
			byID[h.Link].Holds = append(byID[h.Link].Holds, h.Hold)
		}
		return err
	})
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("read work: %w", err)
	}
	return nil
}

// holdColumns is what scanHold reads, behind the link.
const holdColumns = `h.kind, h.field, h.reason, h.at, h.side, h.op, h.shows, h.becomes, h.mark, h.keep, h.until, h.approval`

func scanHold(row pgx.CollectableRow) (h ledger.Held, err error) {
	var until *time.Time
	err = row.Scan(&h.Link, &h.Kind, &h.Field, &h.Reason, &h.At, &h.Side, &h.Op, &h.From, &h.To, &h.Mark, &h.Keep, &until, &h.Approval)
	h.At, h.Until = h.At.UTC(), timeOf(until)
	return h, err
}

func eachWork(found pgx.Rows, do func(link int64, w ledger.Work)) error {
	var link int64
	var w ledger.Work
	var commitAt *time.Time
	var xid int64
	into := []any{
		&link, &w.Side, &w.Lane, &w.Rank, &w.Why, &w.FirstSeen, &commitAt, &xid, &w.Also, &w.Deleted, &w.NotBefore, &w.Attempts,
		&w.Version, &w.Parked, &w.Trouble,
	}
	_, err := pgx.ForEachRow(found, into, func() error {
		w.FirstSeen, w.NotBefore, w.CommitAt, w.Xid = w.FirstSeen.UTC(), w.NotBefore.UTC(), timeOf(commitAt), uint32(xid)
		do(link, w)
		return nil
	})
	return err
}

// timeOf reads a time that may be missing.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// orNull is the other way round: zero times and empty texts are null.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// jsonOrNull gives JSON text, null for nil pointers.
func jsonOrNull[T any](v *T) (*string, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	s := string(text)
	return &s, nil
}
