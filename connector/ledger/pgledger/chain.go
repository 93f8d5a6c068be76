package pgledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// The writes of a sync form a chain: each holds the hash of itself and of the one before. Commits do not wait for one another for it: rows come
// without a place, and a pass a moment later gives them theirs, in the order in which they became visible. Chaining and checking walk the rows alone;
// their values are bound by their ids.

// chainedRow is what the hash of a write is made of.
type chainedRow struct {
	n    int64
	pos  *int64
	hash []byte
	body []any
}

const chainedColumns = `w.n, w.position, w.hash, w.link, w.entity, w.key, w.page, w.side, w.op, w.old::text, w.new::text, w.why, w.at, w.run, w.author, w.conflicts::text`

func scanChained(row pgx.CollectableRow) (chainedRow, error) {
	var (
		r                              chainedRow
		link                           int64
		entity, side, op, why, run, by string
		key, page                      *string
		before, after, conflicts       *string
		at                             time.Time
	)
	err := row.Scan(&r.n, &r.pos, &r.hash, &link, &entity, &key, &page, &side, &op, &before, &after, &why, &at, &run, &by, &conflicts)
	r.body = []any{r.n, link, entity, key, page, side, op, before, after, why, at.UnixMicro(), run, by, conflicts}
	return r, err
}

// after is the row's hash behind another one.
func (r chainedRow) after(sync string, position int64, prev []byte) ([]byte, error) {
	text, err := json.Marshal([]any{sync, position, r.body})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(append(prev[:len(prev):len(prev)], text...))
	return sum[:], nil
}

// Chain gives up to most writes of a sync their place in its chain, and says how many. It may run in any number of processes; one at a time works.
func (s *Store) Chain(ctx context.Context, sync string, most int) (int, error) {
	n := 0
	err := s.change(ctx, "chain the audit", func(tx pgx.Tx) error {
		n = 0
		const list = `SELECT ` + chainedColumns + ` FROM tandem.write w WHERE w.sync = $1 AND w.position IS NULL ORDER BY w.n LIMIT $2`
		var position int64
		var hash []byte
		if _, err := tx.Exec(ctx, `INSERT INTO tandem.chain (sync, position, hash) VALUES ($1, 0, '') ON CONFLICT DO NOTHING`, sync); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT position, hash FROM tandem.chain WHERE sync = $1 FOR UPDATE`, sync).Scan(&position, &hash); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, list, sync, most)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, scanChained)
		if err != nil || len(found) == 0 {
			return err
		}
		var ns, positions []int64
		var hashes [][]byte
		for _, r := range found {
			position++
			if hash, err = r.after(sync, position, hash); err != nil {
				return err
			}
			ns, positions, hashes = append(ns, r.n), append(positions, position), append(hashes, hash)
		}
		const place = `UPDATE tandem.write w SET position = c.position, hash = c.hash
			FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS c (n, position, hash) WHERE w.n = c.n`
		if _, err := tx.Exec(ctx, place, ns, positions, hashes); err != nil {
			return err
		}
		n = len(found)
		_, err = tx.Exec(ctx, `UPDATE tandem.chain SET position = $2, hash = $3 WHERE sync = $1`, sync, position, hash)
		return err
	})
	return n, err
}

// ChainReport is what a look along the whole chain found.
type ChainReport struct {
	Rows     int64    `json:"rows"`     // chained and whole
	Waiting  int64    `json:"waiting"`  // not chained yet: the newest, of the last moments
	Cut      int64    `json:"cut"`      // taken away by retention, at the beginning
	Erased   int64    `json:"erased"`   // values that were forgotten
	Head     string   `json:"head"`     // the last hash, in hexadecimal: noted elsewhere it proves later that nothing before it changed
	Problems []string `json:"problems"` // none if all is whole
}

// problemsMax bounds a report: behind the first wrong row of a kind there is little news.
const problemsMax = 20

func (r *ChainReport) problem(format string, args ...any) {
	if len(r.Problems) < problemsMax {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// CheckChain walks the whole chain of a sync, in one snapshot, and looks whether every value is the one that history names.
func (s *Store) CheckChain(ctx context.Context, sync string) (ChainReport, error) {
	report := ChainReport{Problems: []string{}}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		var end int64
		var head, prev []byte
		err := tx.QueryRow(ctx, `SELECT coalesce(max(position), 0), coalesce(max(cut), 0), coalesce(max(hash), ''), coalesce(max(cut_hash), '')
			FROM (SELECT position, cut, encode(hash, 'hex') AS hash, encode(cut_hash, 'hex') AS cut_hash FROM tandem.chain WHERE sync = $1) c`, sync).
			Scan(&end, &report.Cut, hexBytes{&head}, hexBytes{&prev})
		if err != nil {
			return err
		}
		if err := report.walk(ctx, tx, sync, prev, end, head); err != nil {
			return err
		}
		return report.values(ctx, tx, sync)
	})
	return report, wrap("check the audit", err)
}

func (r *ChainReport) walk(ctx context.Context, tx pgx.Tx, sync string, prev []byte, end int64, head []byte) error {
	rows, err := tx.Query(ctx, `SELECT `+chainedColumns+` FROM tandem.write w WHERE w.sync = $1 AND w.position IS NOT NULL ORDER BY w.position`, sync)
	if err != nil {
		return err
	}
	defer rows.Close()
	at := r.Cut
	for rows.Next() {
		row, err := scanChained(rows)
		if err != nil {
			return err
		}
		if *row.pos != at+1 {
			r.problem("%d writes are missing between place %d and place %d", *row.pos-at-1, at, *row.pos)
		} else if want, err := row.after(sync, *row.pos, prev); err != nil {
			return err
		} else if !bytes.Equal(want, row.hash) {
			r.problem("write %d, at place %d, was changed after it was chained", row.n, *row.pos)
		} else {
			r.Rows++
		}
		at, prev = *row.pos, row.hash
	}
	if rows.Err() == nil && (at != end || !bytes.Equal(prev, head)) {
		r.problem("the chain ends at place %d, and was %d long", at, end)
	}
	r.Head = fmt.Sprintf("%x", prev)
	return rows.Err()
}

// values looks whether what history names is there, and is it.
func (r *ChainReport) values(ctx context.Context, tx pgx.Tx, sync string) error {
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM tandem.write WHERE sync = $1 AND position IS NULL`, sync).Scan(&r.Waiting); err != nil {
		return err
	}
	const look = `SELECT count(*) FILTER (WHERE v.id IS NULL),
			count(*) FILTER (WHERE v.erased_at IS NULL AND v.id <> sha256(v.salt || convert_to(v.data::text, 'UTF8'))),
			count(*) FILTER (WHERE v.erased_at IS NOT NULL)
		FROM tandem.write w CROSS JOIN LATERAL (SELECT value FROM json_each_text(w.old) UNION ALL SELECT value FROM json_each_text(w.new)) k
			LEFT JOIN tandem.value v ON v.id = decode(k.value, 'hex') WHERE w.sync = $1`
	var missing, changed int64
	if err := tx.QueryRow(ctx, look, sync).Scan(&missing, &changed, &r.Erased); err != nil {
		return err
	}
	if missing > 0 {
		r.problem("%d values that writes name are missing", missing)
	}
	if changed > 0 {
		r.problem("%d values were changed after they were written down", changed)
	}
	return nil
}

// Retain takes away writes and conflicts from before a time with their values, from the beginning of the chain on, and says how many writes. What
// brakes count is younger than a day: nothing younger is taken.
func (s *Store) Retain(ctx context.Context, sync string, before, now time.Time) (int, error) {
	if day := now.Add(-24 * time.Hour); before.After(day) {
		before = day
	}
	n := 0
	err := s.change(ctx, "apply the audit's retention", func(tx pgx.Tx) error {
		const first = `SELECT coalesce((SELECT min(position) FROM tandem.write WHERE sync = $1 AND at >= $2), position + 1) - 1 FROM tandem.chain WHERE sync = $1 FOR UPDATE`
		var cut int64
		err := tx.QueryRow(ctx, first, sync, book.Cut(before)).Scan(&cut)
		if err == pgx.ErrNoRows {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SET LOCAL tandem.retention = 'on'`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE tandem.chain c SET cut = $2, cut_hash = w.hash FROM tandem.write w WHERE c.sync = $1 AND w.sync = $1 AND w.position = $2`, sync, cut); err != nil {
			return err
		}
		const values = `, ids AS (SELECT k.value FROM gone g CROSS JOIN LATERAL (SELECT value FROM json_each_text(g.a) UNION ALL SELECT value FROM json_each_text(g.b)) k),
			values_gone AS (DELETE FROM tandem.value v USING ids WHERE v.id = decode(ids.value, 'hex')) SELECT count(*) FROM gone`
		if err := tx.QueryRow(ctx, `WITH gone AS (DELETE FROM tandem.write WHERE sync = $1 AND position <= $2 RETURNING old AS a, new AS b)`+values, sync, cut).Scan(&n); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM tandem.request WHERE sync = $1 AND at < $2`, sync, book.Cut(before)); err != nil {
			return err
		}
		var conflicts int
		return tx.QueryRow(ctx, `WITH gone AS (DELETE FROM tandem.conflict WHERE sync = $1 AND at < $2 RETURNING vals AS a, NULL::json AS b)`+values, sync, book.Cut(before)).Scan(&conflicts)
	})
	return n, err
}

// hexBytes scans hexadecimal text.
type hexBytes struct{ into *[]byte }

// Scan implements sql.Scanner.
func (h hexBytes) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("scan %T as hexadecimal", src)
	}
	_, err := fmt.Sscanf(text, "%x", h.into)
	if text == "" {
		*h.into, err = []byte{}, nil
	}
	return err
}
