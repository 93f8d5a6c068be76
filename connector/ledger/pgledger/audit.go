package pgledger

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/internal/book"
)

// values are what history rows of one call refer to, as columns of tandem.value.
type values struct {
	id, salt [][]byte
	link     []int64
	data     []string
}

// keep puts an image's values aside and gives their ids as the JSON of a history row: null where there are none.
func (v *values) keep(link int64, im change.Image) (*string, error) {
	if im == nil {
		return nil, nil
	}
	ids := make(map[string]string, len(im))
	for name, value := range im {
		if value.IsAbsent() {
			continue
		}
		data, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		salt := make([]byte, 16)
		rand.Read(salt) //nolint:errcheck // it does not fail: crypto/rand ends the program instead
		sum := sha256.Sum256(append(salt[:len(salt):len(salt)], data...))
		v.id, v.salt, v.link, v.data = append(v.id, sum[:]), append(v.salt, salt), append(v.link, link), append(v.data, string(data))
		ids[name] = hex.EncodeToString(sum[:])
	}
	return jsonOrNull(&ids)
}

func (v *values) queue(batch *pgx.Batch) {
	if len(v.id) > 0 {
		batch.Queue(`INSERT INTO tandem.value (id, link, salt, data)
			SELECT n.id, n.link, n.salt, n.data::json FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::text[]) AS n (id, link, salt, data)`,
			v.id, v.link, v.salt, v.data)
	}
}

// queueConflict adds a conflict; one that is stored already, by a commit whose outcome was unknown, is left as it is, and brings no values.
func queueConflict(batch *pgx.Batch, r book.ConflictRow) error {
	var v values
	vals, err := v.keep(r.Link, change.Image{"base": r.Conflict.Base, "crm": r.Conflict.CRM, "notion": r.Conflict.Notion})
	if err != nil {
		return fmt.Errorf("store a conflict: %w", err)
	}
	bare := r.Conflict
	bare.Base, bare.CRM, bare.Notion = change.Value{}, change.NullValue(), change.NullValue()
	text, err := json.Marshal(bare)
	if err != nil {
		return fmt.Errorf("store a conflict: %w", err)
	}
	batch.Queue(`WITH added AS (
			INSERT INTO tandem.conflict (id, link, sync, entity, at, detail, vals) VALUES ($1, $2, $3, $4, $5, $6::json, $7::json)
			ON CONFLICT (id) DO NOTHING RETURNING 1)
		INSERT INTO tandem.value (id, link, salt, data)
			SELECT n.id, n.link, n.salt, n.data::json FROM added, unnest($8::bytea[], $9::bigint[], $10::bytea[], $11::text[]) AS n (id, link, salt, data)`,
		r.Conflict.ID, r.Link, r.Sync, r.Entity, r.Conflict.At, string(text), vals, v.id, v.link, v.salt, v.data)
	return nil
}

// queueWrites adds the writes of a commit with their values.
func queueWrites(batch *pgx.Batch, writes []book.WriteRow) error {
	var v values
	for _, r := range writes {
		before, err := v.keep(r.Link, r.Write.Old)
		if err != nil {
			return fmt.Errorf("store a write: %w", err)
		}
		after, err := v.keep(r.Link, r.Write.New)
		if err != nil {
			return fmt.Errorf("store a write: %w", err)
		}
		var conflicts *string
		if len(r.Write.Conflicts) > 0 {
			if conflicts, err = jsonOrNull(&r.Write.Conflicts); err != nil {
				return fmt.Errorf("store a write: %w", err)
			}
		}
		batch.Queue(`INSERT INTO tandem.write (link, sync, entity, key, page, side, op, old, new, why, at, run, author, conflicts)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8::json, $9::json, $10, $11, $12, $13, $14::json)`,
			r.Link, r.Sync, r.Entity, orNull(r.Key), orNull(r.Page), string(r.Write.Side), r.Write.Op, before, after, r.Write.Why, r.At,
			r.Write.Run, r.Write.By, conflicts)
	}
	v.queue(batch)
	return nil
}

// Erased stands in the place of a value that was erased.
const Erased = "(erased)"

// valuesOf is SQL that puts the values back whose ids stand in a column.
func valuesOf(column string) string {
	return `(SELECT json_object_agg(k.key, CASE WHEN v.erased_at IS NULL THEN v.data ELSE '"` + Erased + `"'::json END)
		FROM json_each_text(` + column + `) k LEFT JOIN tandem.value v ON v.id = decode(k.value, 'hex'))`
}

// scanConflict reads a conflict and then its values, which go over it under the same names.
func scanConflict(row pgx.CollectableRow) (c ledger.Conflict, err error) {
	var detail, vals []byte
	if err := row.Scan(&detail, &vals); err != nil {
		return c, err
	}
	if err := json.Unmarshal(detail, &c); err != nil {
		return c, err
	}
	return c, json.Unmarshal(vals, &c)
}
