package crm

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Find gives the keys, in their order and at most max, of rows in scope that hold these values (the CRM's own) in the columns of these fields. Only
// fields that are one column of the root are compared; without any of them there is no answer. It is as fast as an index on the column makes it.
func (r *Rows) Find(ctx context.Context, values change.Image, max int) ([]string, error) {
	p, err := r.planned(ctx)
	if err != nil {
		return nil, err
	}
	s := p.statement()
	var conds []string
	for _, name := range values.Fields() {
		f, ok := r.entity.Field(name)
		if !ok || f.Source().Column == "" {
			continue
		}
		c, err := p.catalog.Find(p.table, f.Source().Column)
		if err != nil {
			return nil, err
		}
		text, err := encode(c, values[name], change.Value{}, r.entity.Zone())
		if err != nil || text == nil {
			return nil, nil //nolint:nilerr // what the column cannot hold, no row holds
		}
		conds = append(conds, mapping.Quote(c.Name)+" = "+s.cast(text, c))
	}
	if len(conds) == 0 {
		return nil, nil
	}
	tx, _, _, err := r.begin(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("find rows of %s: %w", r.entity.Name, err)
	}
	defer rollback(ctx, tx)
	keys, err := p.listWhere(ctx, tx, s, " AND "+strings.Join(conds, " AND "), max)
	if err != nil {
		r.forget(err)
		return nil, fmt.Errorf("find rows of %s: %w", r.entity.Name, translate("find rows", nil, err))
	}
	return keys, nil
}
