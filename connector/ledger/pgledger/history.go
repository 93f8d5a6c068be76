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

// PastConflict is an entry of the conflict history, with what has become of it.
type PastConflict struct {
	ledger.Conflict
	Link   int64
	Entity string
	Key    string // of the link now; "" if it is gone
	Page   string
	Base   change.Value // on which both sides agree now in the field; absent if on nothing
	Later  string       // id of the entry that put the losing value back, "" if none
}

// Which says which entries of the conflict history are meant; zero parts leave it open.
type Which struct {
	ID     string // or how it begins
	Entity string
	Link   int64
	Field  string
	Since  time.Time
}

// History lists entries of the conflict history, newest first.
func (s *Store) History(ctx context.Context, sync string, of Which, most int) ([]PastConflict, error) {
	list := `SELECT c.detail, coalesce(` + valuesOf("c.vals") + `, '{}'::json), c.link, c.entity, coalesce(l.key, ''), coalesce(l.page, ''), l.base -> (c.detail ->> 'field') -> 'v',
			coalesce((SELECT r.id FROM tandem.conflict r WHERE r.link = c.link AND r.detail ->> 'restores' = c.id ORDER BY r.n DESC LIMIT 1), '')
		FROM tandem.conflict c LEFT JOIN tandem.link l ON l.id = c.link
		WHERE c.sync = $1 AND ($2 = '' OR starts_with(c.id, $2)) AND ($3 = '' OR c.entity = $3) AND ($4 = 0 OR c.link = $4)
			AND ($5 = '' OR c.detail ->> 'field' = $5) AND c.at >= $6
		ORDER BY c.n DESC LIMIT $7`
	rows, err := s.pool.Query(ctx, list, sync, of.ID, of.Entity, of.Link, of.Field, of.Since, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list the conflict history: %w", err)
	}
	found, err := pgx.AppendRows([]PastConflict{}, rows, func(row pgx.CollectableRow) (p PastConflict, err error) {
		var detail, vals, base []byte
		if err := row.Scan(&detail, &vals, &p.Link, &p.Entity, &p.Key, &p.Page, &base, &p.Later); err != nil {
			return p, err
		}
		if base != nil {
			if err := json.Unmarshal(base, &p.Base); err != nil {
				return p, err
			}
		}
		if err := json.Unmarshal(detail, &p.Conflict); err != nil {
			return p, err
		}
		return p, json.Unmarshal(vals, &p.Conflict)
	})
	return found, wrap("list the conflict history", err)
}
