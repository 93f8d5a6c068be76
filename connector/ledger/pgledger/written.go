package pgledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// AuditFilter says which writes are asked for. Zero parts are all.
type AuditFilter struct {
	Sync         string
	Entity, Key  string // Key is the row's key or the page's id
	Field        string
	Side         ledger.Side
	By, Run      string // By is a part of the name
	Since, Until time.Time
	Oldest       bool // oldest first; else newest first
	Max          int
}

// AuditRow is one field of one write. Field is "" for a write without fields (a page taken out of the trash).
type AuditRow struct {
	N        int64        `json:"n"`
	At       time.Time    `json:"at"`
	Link     int64        `json:"link"`
	Entity   string       `json:"entity"`
	Key      string       `json:"key,omitempty"`
	Page     string       `json:"page,omitempty"`
	Side     ledger.Side  `json:"side"`
	Op       string       `json:"op"`
	Field    string       `json:"field,omitempty"`
	Was      change.Value `json:"was,omitzero"` // absent: not known, or none
	Became   change.Value `json:"became,omitzero"`
	Erased   bool         `json:"erased,omitempty"` // one of the two was forgotten
	Why      string       `json:"why"`
	By       string       `json:"by,omitempty"`
	Run      string       `json:"run,omitempty"`
	Conflict string       `json:"conflict,omitempty"`
	Rule     string       `json:"rule,omitempty"` // that decided the conflict
}

// Audit lists what was written, field by field.
func (s *Store) Audit(ctx context.Context, f AuditFilter) ([]AuditRow, error) {
	order := "DESC"
	if f.Oldest {
		order = "ASC"
	}
	list := `SELECT w.n, w.at, w.link, w.entity, coalesce(w.key, l.key, ''), coalesce(w.page, l.page, ''), w.side, w.op, coalesce(f.field, ''),
			b.data, a.data, b.erased_at IS NOT NULL OR a.erased_at IS NOT NULL, w.why, w.author, w.run, coalesce(w.conflicts ->> f.field, ''), coalesce(c.detail ->> 'rule', '')
		FROM tandem.write w
			LEFT JOIN LATERAL (SELECT json_object_keys(w.old) AS field UNION SELECT json_object_keys(w.new)) f ON true
			LEFT JOIN tandem.value b ON b.id = decode(w.old ->> f.field, 'hex')
			LEFT JOIN tandem.value a ON a.id = decode(w.new ->> f.field, 'hex')
			LEFT JOIN tandem.conflict c ON c.id = w.conflicts ->> f.field
			LEFT JOIN tandem.link l ON l.id = w.link
		WHERE w.sync = $1 AND ($2 = '' OR w.entity = $2) AND ($3 = '' OR coalesce(w.key, l.key) = $3 OR coalesce(w.page, l.page) = $3) AND ($4 = '' OR f.field = $4)
			AND ($5 = '' OR w.side = $5) AND ($6 = '' OR position(lower($6) IN lower(w.author)) > 0) AND ($7 = '' OR w.run = $7)
			AND ($8::timestamptz IS NULL OR w.at >= $8) AND ($9::timestamptz IS NULL OR w.at < $9)
		ORDER BY w.n ` + order + `, f.field LIMIT $10`
	var limit *int
	if f.Max > 0 {
		limit = &f.Max
	}
	rows, err := s.pool.Query(ctx, list, f.Sync, f.Entity, f.Key, f.Field, string(f.Side), f.By, f.Run, orNull(f.Since), orNull(f.Until), limit)
	if err != nil {
		return nil, fmt.Errorf("list the audit: %w", err)
	}
	found, err := pgx.AppendRows([]AuditRow{}, rows, scanAudit)
	return found, wrap("list the audit", err)
}

func scanAudit(row pgx.CollectableRow) (h AuditRow, err error) {
	var was, became []byte
	if err := row.Scan(&h.N, &h.At, &h.Link, &h.Entity, &h.Key, &h.Page, &h.Side, &h.Op, &h.Field, &was, &became, &h.Erased, &h.Why, &h.By, &h.Run, &h.Conflict, &h.Rule); err != nil {
		return h, err
	}
	h.At = h.At.UTC()
	for _, v := range []struct {
		into *change.Value
		text []byte
	}{{&h.Was, was}, {&h.Became, became}} {
		if v.text != nil {
			if err := json.Unmarshal(v.text, v.into); err != nil {
				return h, err
			}
		}
	}
	return h, nil
}
