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

// queueAlert adds an alert unless it stands there already. The state that an earlier one told of may have ended since: then it is another
// alert, under an id of its own.
func queueAlert(batch *pgx.Batch, a ledger.Alert, detail string) {
	batch.Queue(`INSERT INTO tandem.alert (id, once, link, kind, state, field, sync, entity, at, detail)
		SELECT CASE WHEN EXISTS (SELECT FROM tandem.alert e WHERE e.once = $1 AND e.ended_at IS NOT NULL) THEN $2 ELSE $1 END,
			$1, $3, $4, $5, $6, $7, $8, $9, $10::json
		ON CONFLICT DO NOTHING`, a.ID, book.AgainID(a), a.Link, a.Kind, a.State, a.Field, a.Sync, a.Entity, a.At, detail)
}

// Raise stores alerts that belong to no commit.
func (s *Store) Raise(ctx context.Context, alerts []ledger.Alert) error {
	var batch pgx.Batch
	if err := queueAlerts(&batch, alerts); err != nil || batch.Len() == 0 {
		return err
	}
	return wrap("store alerts", s.pool.SendBatch(ctx, &batch).Close())
}

func queueAlerts(batch *pgx.Batch, alerts []ledger.Alert) error {
	for _, a := range alerts {
		a.At = book.Cut(a.At)
		text, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("store an alert: %w", err)
		}
		queueAlert(batch, a, string(text))
	}
	return nil
}

// Outbox lists alerts that are not on the topic yet, oldest first.
func (s *Store) Outbox(ctx context.Context, sync string, most int) ([]ledger.Alert, error) {
	const list = `SELECT id, detail FROM tandem.alert WHERE sync = $1 AND delivered_at IS NULL ORDER BY n LIMIT $2`
	return s.alerts(ctx, list, sync, max(most, 0))
}

// Waiting lists alerts that nobody has decided to tell yet, oldest first.
func (s *Store) Waiting(ctx context.Context, sync string, most int) ([]ledger.Alert, error) {
	const list = `SELECT id, detail FROM tandem.alert WHERE sync = $1 AND issued_at IS NULL ORDER BY n LIMIT $2`
	return s.alerts(ctx, list, sync, max(most, 0))
}

func (s *Store) alerts(ctx context.Context, query string, args ...any) ([]ledger.Alert, error) {
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Alert{}, rows, func(row pgx.CollectableRow) (a ledger.Alert, err error) {
		var id string
		var text []byte
		if err := row.Scan(&id, &text); err != nil {
			return a, err
		}
		err = json.Unmarshal(text, &a)
		a.ID = id
		return a, err
	})
	return found, wrap("list alerts", err)
}

// Issue decides that messages are told, to each of the targets: digests are stored, what they sum up is done with, and every target gets its
// delivery, all in one transaction.
func (s *Store) Issue(ctx context.Context, issues []ledger.Issue, targets []string, now time.Time) error {
	at := book.Cut(now)
	return s.change(ctx, "issue alerts", func(tx pgx.Tx) error {
		var batch pgx.Batch
		for _, i := range issues {
			if i.Members != nil {
				i.Alert.At = book.Cut(i.Alert.At)
				text, err := json.Marshal(i.Alert)
				if err != nil {
					return err
				}
				queueAlert(&batch, i.Alert, string(text))
				batch.Queue(`UPDATE tandem.alert SET issued_at = $2, delivered_at = $2, digest = $3 WHERE id = ANY($1) AND issued_at IS NULL`,
					i.Members, at, i.Alert.ID)
			}
			batch.Queue(`WITH issued AS (UPDATE tandem.alert SET issued_at = $2 WHERE id = $1 AND issued_at IS NULL RETURNING id)
				INSERT INTO tandem.delivery (alert, target, not_before) SELECT i.id, t, $2 FROM issued i, unnest($3::text[]) AS t
				ON CONFLICT DO NOTHING`, i.Alert.ID, at, targets)
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// Deliveries lists what a target has to be told now, oldest first.
func (s *Store) Deliveries(ctx context.Context, sync, target string, now time.Time, most int) ([]ledger.Delivery, error) {
	const list = `SELECT a.id, a.detail, d.attempts FROM tandem.delivery d JOIN tandem.alert a ON a.id = d.alert
		WHERE d.target = $2 AND a.sync = $1 AND d.not_before <= $3 ORDER BY a.n LIMIT $4`
	rows, err := s.pool.Query(ctx, list, sync, target, book.Cut(now), max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Delivery{}, rows, func(row pgx.CollectableRow) (d ledger.Delivery, err error) {
		var id string
		var text []byte
		if err := row.Scan(&id, &text, &d.Attempts); err != nil {
			return d, err
		}
		err = json.Unmarshal(text, &d.Alert)
		d.Alert.ID = id
		return d, err
	})
	return found, wrap("list deliveries", err)
}

// Delivered marks alerts as taken by a target.
func (s *Store) Delivered(ctx context.Context, target string, ids []string, at time.Time) error {
	return s.change(ctx, "mark alerts as delivered", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM tandem.delivery WHERE target = $1 AND alert = ANY($2)`, target, ids); err != nil {
			return err
		}
		if target != ledger.TopicTarget {
			return nil
		}
		_, err := tx.Exec(ctx, `UPDATE tandem.alert SET delivered_at = $2 WHERE id = ANY($1) AND delivered_at IS NULL`, ids, book.Cut(at))
		return err
	})
}

// Postpone has a target tried again later with an alert that it did not take, and counts the attempt.
func (s *Store) Postpone(ctx context.Context, target, id string, until time.Time, why string) error {
	_, err := s.pool.Exec(ctx, `UPDATE tandem.delivery SET attempts = attempts + 1, not_before = $3, error = $4 WHERE target = $1 AND alert = $2`,
		target, id, book.Cut(until), why)
	return wrap("postpone a delivery", err)
}

// Recover makes the message that a state has ended, for each alert that told of one: the hold is gone, nothing of the link waits any more, the brake
// holds nothing.
func (s *Store) Recover(ctx context.Context, sync string, now time.Time) (int, error) {
	const ofLinks = `UPDATE tandem.alert a SET ended_at = $2
		WHERE a.sync = $1 AND a.issued_at IS NOT NULL AND a.ended_at IS NULL AND a.link <> 0 AND a.kind IN ('hold', 'parked') AND (
			a.kind = 'hold' AND NOT EXISTS (SELECT FROM tandem.hold h WHERE h.link = a.link AND h.kind = a.state AND h.field = a.field)
			OR a.kind = 'parked' AND NOT EXISTS (SELECT FROM tandem.work w WHERE w.link = a.link))
		RETURNING id, detail`
	const ofBrakes = `UPDATE tandem.alert a SET ended_at = $2
		WHERE a.sync = $1 AND a.kind = 'brake' AND a.state <> '' AND a.issued_at IS NOT NULL AND a.ended_at IS NULL AND NOT EXISTS (
			SELECT FROM tandem.hold h JOIN tandem.link l ON l.id = h.link
			WHERE h.kind = 'brake' AND l.sync = a.sync AND l.entity = a.entity AND h.side || '/' || h.op || '/' || h.field = a.state)
		RETURNING id, detail`
	n := 0
	for _, end := range []string{ofLinks, ofBrakes} {
		ended, err := s.end(ctx, now, end, sync, book.Cut(now))
		if n += ended; err != nil {
			return n, err
		}
	}
	return n, nil
}

// End makes the message that a state has ended of which the ledger itself knows nothing.
func (s *Store) End(ctx context.Context, sync, kind, state string, now time.Time) (int, error) {
	const end = `UPDATE tandem.alert SET ended_at = $2 WHERE sync = $1 AND kind = $3 AND state = $4 AND ended_at IS NULL RETURNING id, detail`
	return s.end(ctx, now, end, sync, book.Cut(now), kind, state)
}

// end ends the alerts that a statement names, and stores their recoveries.
func (s *Store) end(ctx context.Context, now time.Time, statement string, args ...any) (int, error) {
	n := 0
	err := s.change(ctx, "tell what has ended", func(tx pgx.Tx) error {
		n = 0
		rows, err := tx.Query(ctx, statement, args...)
		if err != nil {
			return err
		}
		var batch pgx.Batch
		var id string
		var text []byte
		_, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error {
			var a ledger.Alert
			if err := json.Unmarshal(text, &a); err != nil {
				return err
			}
			a.ID = id
			over := a.Recovery(book.Cut(now))
			detail, err := json.Marshal(over)
			queueAlert(&batch, over, string(detail))
			n++
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	return n, err
}

// Prune forgets alerts that were delivered before a time and tell of no state that still lasts, with what targets never took of them.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM tandem.alert WHERE delivered_at < $1 AND (ended_at IS NOT NULL OR link = 0 OR kind NOT IN ('hold', 'parked'))`, book.Cut(before))
	return int(tag.RowsAffected()), wrap("forget delivered alerts", err)
}
