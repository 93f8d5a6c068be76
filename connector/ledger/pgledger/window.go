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

// queueWindows closes windows before it opens others.
func (p *page) queueWindows(batch *pgx.Batch) error {
	for _, c := range p.book.Closings {
		if c.At.IsZero() {
			batch.Queue(`DELETE FROM tandem.window WHERE link = $1 AND closed_at IS NULL`, c.Link)
			continue
		}
		shown, err := json.Marshal(c.Shown)
		if err != nil {
			return fmt.Errorf("close a window: %w", err)
		}
		batch.Queue(`UPDATE tandem.window SET closed_at = $2, shown = $3::json WHERE link = $1 AND closed_at IS NULL`, c.Link, c.At, string(shown))
	}
	for _, w := range p.book.Windows {
		fields, err := json.Marshal(w.Fields)
		if err != nil {
			return fmt.Errorf("open a window: %w", err)
		}
		batch.Queue(`INSERT INTO tandem.window (link, sync, entity, key, page, fields, opened_at) VALUES ($1, $2, $3, $4, $5, $6::json, $7)`,
			w.Link, w.Sync, w.Entity, orNull(w.Key), w.Page, string(fields), w.Opened)
	}
	return nil
}

// Windows lists the windows of pages that closed after a time, or are open, oldest first.
func (s *Store) Windows(ctx context.Context, sync string, pages []string, after time.Time) ([]ledger.Window, error) {
	const list = `SELECT link, sync, entity, coalesce(key, ''), page, fields, opened_at, closed_at, shown FROM tandem.window
		WHERE sync = $1 AND page = ANY($2) AND (closed_at IS NULL OR closed_at > $3) ORDER BY n`
	rows, err := s.pool.Query(ctx, list, sync, pages, book.Cut(after))
	if err != nil {
		return nil, fmt.Errorf("list windows: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Window{}, rows, func(row pgx.CollectableRow) (w ledger.Window, err error) {
		var closed *time.Time
		var fields, shown []byte
		if err := row.Scan(&w.Link, &w.Sync, &w.Entity, &w.Key, &w.Page, &fields, &w.Opened, &closed, &shown); err != nil {
			return w, err
		}
		w.Opened, w.Closed = w.Opened.UTC(), timeOf(closed)
		if shown != nil {
			if err := json.Unmarshal(shown, &w.Shown); err != nil {
				return w, err
			}
		}
		return w, json.Unmarshal(fields, &w.Fields)
	})
	return found, wrap("list windows", err)
}

// PruneWindows forgets windows that opened before a time.
func (s *Store) PruneWindows(ctx context.Context, before time.Time) (int, error) {
	tag, err := s.pool.Exec(ctx, `WITH told AS (DELETE FROM tandem.told_edit WHERE at < $1) DELETE FROM tandem.window WHERE opened_at < $1`, book.Cut(before))
	return int(tag.RowsAffected()), wrap("forget windows", err)
}

// KeepEdit keeps what a webhook told of people's edits.
func (s *Store) KeepEdit(ctx context.Context, sync string, e ledger.Edit) error {
	e.At = book.Cut(e.At)
	_, err := s.pool.Exec(ctx, `INSERT INTO tandem.told_edit (id, sync, page, properties, authors, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		sync+" "+e.Name(), sync, e.Page, e.Properties, e.Authors, e.At)
	return wrap("keep what a webhook told", err)
}

// KeptEdits lists what was told of edits after a time, in their order.
func (s *Store) KeptEdits(ctx context.Context, sync string, after time.Time) ([]ledger.Edit, error) {
	rows, err := s.pool.Query(ctx, `SELECT page, properties, authors, at FROM tandem.told_edit WHERE sync = $1 AND at > $2 ORDER BY at, id`, sync, book.Cut(after))
	if err != nil {
		return nil, fmt.Errorf("list what webhooks told: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Edit{}, rows, func(row pgx.CollectableRow) (e ledger.Edit, err error) {
		err = row.Scan(&e.Page, &e.Properties, &e.Authors, &e.At)
		e.At = e.At.UTC()
		return e, err
	})
	return found, wrap("list what webhooks told", err)
}

// toldConflicts is how many conflicts of a link are looked through for one that a window's write recorded.
const toldConflicts = 50

// Overwrote lists edits as possibly overwritten, each with an alert unless a conflict told it, and no field twice.
func (s *Store) Overwrote(ctx context.Context, lost []ledger.Overwrite, now time.Time) error {
	var news []ledger.Overwrite
	var alerts []ledger.Alert
	for _, o := range lost {
		listed, err := s.listed(ctx, o.Window)
		if err != nil {
			return err
		}
		o, any := o.Beyond(append(listed, news...))
		if !any {
			continue
		}
		news = append(news, o)
		conflicts, err := s.Conflicts(ctx, o.Window.Sync, o.Window.Link, toldConflicts)
		if err != nil {
			return err
		}
		if !o.Told(conflicts) {
			alerts = append(alerts, o.Alert(now))
		}
	}
	if len(news) == 0 {
		return nil
	}
	return s.change(ctx, "list overwritten edits", func(tx pgx.Tx) error {
		var batch pgx.Batch
		for _, o := range news {
			batch.Queue(`INSERT INTO tandem.overwritten (id, link, sync, entity, key, page, author, fields, edited_at, opened_at, closed_at, at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING`,
				o.Name(), o.Window.Link, o.Window.Sync, o.Window.Entity, orNull(o.Window.Key), o.Window.Page, o.Author, o.Fields, o.At, o.Window.Opened, o.Window.Closed, book.Cut(now))
		}
		if err := queueAlerts(&batch, alerts); err != nil {
			return err
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}

// listed gives what is listed of a window. Another process may list the same at this moment: then it is told twice.
func (s *Store) listed(ctx context.Context, w ledger.Window) ([]ledger.Overwrite, error) {
	rows, err := s.pool.Query(ctx, `SELECT author, fields FROM tandem.overwritten WHERE sync = $1 AND link = $2 AND opened_at = $3`, w.Sync, w.Link, book.Cut(w.Opened))
	if err != nil {
		return nil, fmt.Errorf("look up what is listed as overwritten: %w", err)
	}
	found, err := pgx.AppendRows([]ledger.Overwrite{}, rows, func(row pgx.CollectableRow) (ledger.Overwrite, error) {
		o := ledger.Overwrite{Window: w}
		return o, row.Scan(&o.Author, &o.Fields)
	})
	return found, wrap("look up what is listed as overwritten", err)
}

// PastOverwrite is a line of the list of possibly overwritten edits.
type PastOverwrite struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Link   int64     `json:"link"`
	Entity string    `json:"entity"`
	Key    string    `json:"key,omitempty"`
	Page   string    `json:"page"`
	URL    string    `json:"url"`
	Author string    `json:"author"`
	Fields []string  `json:"fields"`
	Edited time.Time `json:"edited"` // or up to a minute before
	Opened time.Time `json:"opened"`
	Closed time.Time `json:"closed"`
	Seen   bool      `json:"seen"` // a person has looked at it
}

// Overwritten lists possibly overwritten edits, newest first.
func (s *Store) Overwritten(ctx context.Context, sync, entity string, since time.Time, unseen bool, most int) ([]PastOverwrite, error) {
	const list = `SELECT id, at, link, entity, coalesce(key, ''), page, author, fields, edited_at, opened_at, closed_at, seen_at IS NOT NULL
		FROM tandem.overwritten WHERE sync = $1 AND ($2 = '' OR entity = $2) AND at >= $3 AND NOT ($4 AND seen_at IS NOT NULL) ORDER BY at DESC, id LIMIT $5`
	rows, err := s.pool.Query(ctx, list, sync, entity, since, unseen, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list overwritten edits: %w", err)
	}
	found, err := pgx.AppendRows([]PastOverwrite{}, rows, func(row pgx.CollectableRow) (o PastOverwrite, err error) {
		err = row.Scan(&o.ID, &o.At, &o.Link, &o.Entity, &o.Key, &o.Page, &o.Author, &o.Fields, &o.Edited, &o.Opened, &o.Closed, &o.Seen)
		o.URL = ledger.PageURL(o.Page)
		return o, err
	})
	return found, wrap("list overwritten edits", err)
}

// SeeOverwritten notes that a person has looked at possibly overwritten edits: one by its id or how that begins, or all for "".
func (s *Store) SeeOverwritten(ctx context.Context, sync, id string, now time.Time) (int, error) {
	tag, err := s.pool.Exec(ctx, `UPDATE tandem.overwritten SET seen_at = $3 WHERE sync = $1 AND starts_with(id, $2) AND seen_at IS NULL`, sync, id, book.Cut(now))
	return int(tag.RowsAffected()), wrap("note that an overwritten edit was looked at", err)
}
