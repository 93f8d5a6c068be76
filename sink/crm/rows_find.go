package crm

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Find gives the keys, in their order and at most max, of rows in scope that may hold these values (the CRM's own) in the columns of these fields: texts without regard
// to capitals, phone numbers that end alike however they are written. Only fields that are one column of the root are compared; without any of them there
// is no answer. It is as fast as an index on the column, or on lower() of it, makes it.
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
		conds = append(conds, p.alike(s, c, f, text, values[name]))
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

// alike is the condition that a column may hold a field's value.
func (p *plan) alike(s *statement, c mapping.ColumnInfo, f mapping.Field, text *string, v change.Value) string {
	column := mapping.Quote(c.Name)
	if digits := f.Digits(v); digits != "" {
		return "pg_catalog.regexp_replace(" + column + "::text, '[^0-9]', '', 'g') LIKE '%" + digits + "'"
	}
	switch f.Type {
	case mapping.TypeTitle, mapping.TypeText, mapping.TypeEmail:
		return "pg_catalog.lower(" + column + "::text) = pg_catalog.lower((" + s.cast(text, c) + ")::text)"
	}
	return column + " = " + s.cast(text, c)
}
