package pgledger

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// ErrLeased is returned while a worker has a record that is to be forgotten.
var ErrLeased = errors.New("a worker has the record now")

// Forgetting is the record that is to be forgotten.
type Forgetting struct {
	ID     string // of the certificate
	Sync   string
	Entity string
	Link   int64
	Key    string
	Page   string
	Marks  []string // what the record would be known by, should it come back: hashed here, under a key that stays here
	Fields []string // whose values name the person: what other records' reasons say of them is struck out
	By     string
	Reason string
	Now    time.Time
}

// Erasure counts what was erased in each place.
type Erasure struct {
	Values      int64 `json:"values"`      // of writes and conflicts: what they were, not that there were some
	Alerts      int64 `json:"alerts"`      // with their deliveries
	Holds       int64 `json:"holds"`       // with what they showed
	Work        int64 `json:"work"`        // with its reasons
	Windows     int64 `json:"windows"`     // of possibly overwritten edits, with what was shown
	Differences int64 `json:"differences"` // of proofs of equality
	Links       int64 `json:"links"`       // with base, last observation and intent
	Mentions    int64 `json:"mentions"`    // in what is said of other records: struck out
	Tombstones  int64 `json:"tombstones"`  // keyed hashes left behind
}

// Erase erases what the ledger holds of one record, in one transaction, and leaves keyed hashes by which it is known should it come back.
func (s *Store) Erase(ctx context.Context, f Forgetting) (Erasure, error) {
	var out Erasure
	err := s.change(ctx, "forget", func(tx pgx.Tx) error {
		out = Erasure{}
		var leased bool
		err := tx.QueryRow(ctx, `SELECT holder <> '' AND lease_until > $2 FROM tandem.link WHERE id = $1 FOR UPDATE`, f.Link, book.Cut(f.Now)).Scan(&leased)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if leased {
			return ErrLeased
		}
		words, err := wordsOf(ctx, tx, f)
		if err != nil {
			return err
		}
		// Names of the record in JSON that is only kept; a digest tells of others as well, and goes with them.
		key, _ := json.Marshal(f.Key)
		const named = `SELECT a.id FROM tandem.alert a WHERE a.link = $1 OR ($2 <> '' AND position('"page":"' || $2 || '"' IN a.detail::text) > 0)
			OR (a.sync = $3 AND a.entity = $4 AND $5 <> '""' AND position('"key":' || $5 IN a.detail::text) > 0)`
		const alerts = `WITH own AS (` + named + `), all_of AS (SELECT id FROM own UNION SELECT a.digest FROM tandem.alert a JOIN own USING (id) WHERE a.digest IS NOT NULL),
			told AS (DELETE FROM tandem.delivery d USING all_of WHERE d.alert = all_of.id) DELETE FROM tandem.alert a USING all_of WHERE a.id = all_of.id`
		for _, step := range []struct {
			count *int64
			sql   string
			args  []any
		}{
			{&out.Values, `UPDATE tandem.value SET data = NULL, salt = NULL, erased_at = $2 WHERE link = $1 AND erased_at IS NULL`, []any{f.Link, book.Cut(f.Now)}},
			{&out.Alerts, alerts, []any{f.Link, f.Page, f.Sync, f.Entity, string(key)}},
			{&out.Holds, `DELETE FROM tandem.hold WHERE link = $1`, []any{f.Link}},
			{&out.Work, `DELETE FROM tandem.work WHERE link = $1`, []any{f.Link}},
			{&out.Windows, `DELETE FROM tandem.window WHERE link = $1`, []any{f.Link}},
			{&out.Windows, `DELETE FROM tandem.overwritten WHERE link = $1`, []any{f.Link}},
			{&out.Differences, `DELETE FROM tandem.difference WHERE link = $1`, []any{f.Link}},
			{&out.Links, `DELETE FROM tandem.link WHERE id = $1`, []any{f.Link}},
		} {
			tag, err := tx.Exec(ctx, step.sql, step.args...)
			if err != nil {
				return err
			}
			*step.count += tag.RowsAffected()
		}
		if out.Mentions, err = strike(ctx, tx, f, words); err != nil {
			return err
		}
		marks, err := hashed(ctx, tx, f.Marks)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO tandem.tombstone (sync, entity, mark, id, at) SELECT $1, $2, m, $4, $5 FROM unnest($3::bytea[]) AS m ON CONFLICT DO NOTHING`,
			f.Sync, f.Entity, marks, f.ID, book.Cut(f.Now))
		out.Tombstones = tag.RowsAffected()
		return err
	})
	return out, err
}

// wordsOf are the values that name a person: of the fields that are given, as they are agreed on and as history has them. Short ones are no name.
func wordsOf(ctx context.Context, tx pgx.Tx, f Forgetting) ([]string, error) {
	const list = `SELECT DISTINCT word FROM (
			SELECT l.base -> name -> 'v' #>> '{}' AS word FROM tandem.link l, unnest($2::text[]) AS name WHERE l.id = $1
			UNION ALL SELECT v.data #>> '{}' FROM tandem.write w
				CROSS JOIN LATERAL (SELECT * FROM json_each_text(w.old) UNION ALL SELECT * FROM json_each_text(w.new)) k
				JOIN tandem.value v ON v.id = decode(k.value, 'hex') WHERE w.link = $1 AND k.key = ANY($2) AND v.data IS NOT NULL
		) words WHERE length(word) >= 5 ORDER BY word`
	rows, err := tx.Query(ctx, list, f.Link, f.Fields)
	if err != nil {
		return nil, fmt.Errorf("list what names the person: %w", err)
	}
	words, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return words, wrap("list what names the person", err)
}

// forgottenWord stands where a value was that named somebody.
const forgottenWord = "(forgotten)"

// strike takes what names the person out of what is said of other records: a hold may say whom its record may be the same as.
func strike(ctx context.Context, tx pgx.Tx, f Forgetting, words []string) (n int64, err error) {
	texts := map[string][]string{
		"hold": {"reason", "shows", "becomes"}, "work": {"parked", "trouble"}, "difference": {"crm", "notion"}, "shadow": {"was", "becomes"}, "page_state": {"said"},
		"comment": {"outcome"}, "delivery": {"error"},
	}
	for _, word := range words {
		for _, table := range slices.Sorted(maps.Keys(texts)) {
			for _, column := range texts[table] {
				tag, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE tandem.%[1]s SET %[2]s = replace(%[2]s, $1, $2) WHERE position($1 IN %[2]s) > 0`, table, column), word, forgottenWord)
				if err != nil {
					return n, fmt.Errorf("strike out of %s: %w", table, err)
				}
				n += tag.RowsAffected()
			}
		}
		quoted, err := json.Marshal(word)
		if err != nil {
			return n, err
		}
		inner := string(quoted[1 : len(quoted)-1])
		tag, err := tx.Exec(ctx, `UPDATE tandem.alert SET detail = replace(detail::text, $2, $3)::json WHERE sync = $1 AND position($2 IN detail::text) > 0`, f.Sync, inner, forgottenWord)
		if err != nil {
			return n, fmt.Errorf("strike out of alerts: %w", err)
		}
		n += tag.RowsAffected()
	}
	return n, nil
}

// Certify keeps a certificate. It names nobody.
func (s *Store) Certify(ctx context.Context, f Forgetting, certificate json.RawMessage) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO tandem.forgotten (id, sync, entity, at, author, reason, certificate) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		f.ID, f.Sync, f.Entity, book.Cut(f.Now), f.By, f.Reason, string(certificate))
	return wrap("keep the certificate", err)
}

type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func hashed(ctx context.Context, q rower, marks []string) ([][]byte, error) {
	var key []byte
	if err := q.QueryRow(ctx, `SELECT key FROM tandem.secret WHERE name = 'forget'`).Scan(&key); err != nil {
		return nil, fmt.Errorf("read the key of tombstones: %w", err)
	}
	out := make([][]byte, len(marks))
	for i, m := range marks {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(m))
		out[i] = mac.Sum(nil)
	}
	return out, nil
}

// Forgotten gives the certificate under which a record with one of these marks was forgotten, "" if none was.
func (s *Store) Forgotten(ctx context.Context, sync, entity string, marks []string) (string, error) {
	var any bool
	if err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tandem.tombstone WHERE sync = $1 AND entity = $2)`, sync, entity).Scan(&any); err != nil || !any {
		return "", wrap("look for tombstones", err)
	}
	hashes, err := hashed(ctx, s.pool, marks)
	if err != nil {
		return "", err
	}
	var id string
	err = s.pool.QueryRow(ctx, `SELECT coalesce((SELECT id FROM tandem.tombstone WHERE sync = $1 AND entity = $2 AND mark = ANY($3) ORDER BY at DESC LIMIT 1), '')`, sync, entity, hashes).Scan(&id)
	return id, wrap("look for tombstones", err)
}
