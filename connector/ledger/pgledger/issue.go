package pgledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Issue is one line of the view tandem.issue, with what ends it.
type Issue struct {
	Entity   string       `json:"entity"`
	Key      string       `json:"key,omitempty"`
	Page     string       `json:"page,omitempty"`
	Link     int64        `json:"link"`
	Kind     string       `json:"kind"` // held, parked, retried, overwritten
	Class    ledger.Class `json:"class"`
	Side     ledger.Side  `json:"side,omitempty"` // the sink that looks at it
	Field    string       `json:"field,omitempty"`
	Reason   string       `json:"reason"`
	Fix      string       `json:"fix"`
	Since    time.Time    `json:"since"`
	Attempts int          `json:"attempts,omitempty"`
	NextTry  time.Time    `json:"next_try,omitzero"`
}

// IssuesOf says which issues are meant; zero parts leave it open.
type IssuesOf struct {
	Class  ledger.Class
	Entity string
	Link   int64
}

// Issues lists what keeps single records of a sync from going on, the oldest first.
func (s *Store) Issues(ctx context.Context, sync string, of IssuesOf, most int) ([]Issue, error) {
	const list = `SELECT entity, coalesce(key, ''), coalesce(page, ''), link, kind, class, side, field, reason, since, attempts, next_try FROM tandem.issue
		WHERE sync = $1 AND ($2 = '' OR class = $2) AND ($3 = '' OR entity = $3) AND ($4 = 0 OR link = $4) ORDER BY since, link, kind, field LIMIT $5`
	rows, err := s.pool.Query(ctx, list, sync, string(of.Class), of.Entity, of.Link, max(most, 0))
	if err != nil {
		return nil, fmt.Errorf("list issues: %w", err)
	}
	found, err := pgx.AppendRows([]Issue{}, rows, func(row pgx.CollectableRow) (i Issue, err error) {
		var next *time.Time
		err = row.Scan(&i.Entity, &i.Key, &i.Page, &i.Link, &i.Kind, &i.Class, &i.Side, &i.Field, &i.Reason, &i.Since, &i.Attempts, &next)
		i.Since, i.NextTry, i.Fix = i.Since.UTC(), timeOf(next), i.Class.Fix()
		return i, err
	})
	return found, wrap("list issues", err)
}

// IssueCount is how many issues of an entity are of a class.
type IssueCount struct {
	Entity string       `json:"entity"`
	Class  ledger.Class `json:"class"`
	Count  int          `json:"count"`
	Oldest time.Time    `json:"oldest"`
}

// IssueCounts sums the issues of a sync up.
func (s *Store) IssueCounts(ctx context.Context, sync string) ([]IssueCount, error) {
	rows, err := s.pool.Query(ctx, `SELECT entity, class, count(*), min(since) FROM tandem.issue WHERE sync = $1 GROUP BY 1, 2 ORDER BY 1, 2`, sync)
	if err != nil {
		return nil, fmt.Errorf("count issues: %w", err)
	}
	found, err := pgx.AppendRows([]IssueCount{}, rows, func(row pgx.CollectableRow) (c IssueCount, err error) {
		return c, row.Scan(&c.Entity, &c.Class, &c.Count, &c.Oldest)
	})
	return found, wrap("count issues", err)
}
