package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// Keys gives up to max keys of rows in scope that are not soft-deleted, in the key's order, after the given one ("" begins). A sweep
// asks until the answer is short.
func (r *Rows) Keys(ctx context.Context, after string, max int) ([]string, error) {
	p, err := r.planned(ctx)
	if err != nil {
		return nil, err
	}
	tx, _, _, err := r.begin(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("list keys of %s: %w", r.entity.Name, err)
	}
	defer rollback(ctx, tx)
	keys, err := p.list(ctx, tx, after, max)
	if err != nil {
		r.forget(err)
		return nil, fmt.Errorf("list keys of %s: %w", r.entity.Name, translate("read keys", nil, err))
	}
	return keys, nil
}

func (p *plan) list(ctx context.Context, tx pgx.Tx, after string, max int) ([]string, error) {
	s := p.statement()
	if after == "" {
		return p.listWhere(ctx, tx, s, "", max)
	}
	parts, err := mapping.SplitKey(after, len(p.keys))
	if err != nil {
		return nil, err
	}
	names, params := make([]string, len(p.keys)), make([]string, len(p.keys))
	for i, c := range p.keys {
		names[i], params[i] = mapping.Quote(c.Name), s.cast(&parts[i], c)
	}
	return p.listWhere(ctx, tx, s, fmt.Sprintf(" AND (%s) > (%s)", strings.Join(names, ", "), strings.Join(params, ", ")), max)
}

// listWhere gives the keys of rows in scope that meet a condition more, whose parameters the statement holds.
func (p *plan) listWhere(ctx context.Context, tx pgx.Tx, s *statement, more string, max int) ([]string, error) {
	names, outs := make([]string, len(p.keys)), make([]string, len(p.keys))
	for i, c := range p.keys {
		names[i] = mapping.Quote(c.Name)
		outs[i] = "pg_catalog.to_json(" + names[i] + ")::pg_catalog.text"
	}
	where, err := p.entity.ScopeSQL(p.catalog)
	if err != nil {
		return nil, err
	}
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %s", strings.Join(outs, ", "), p.root, where+more, strings.Join(names, ", "), s.arg(max))
	rows, err := tx.Query(ctx, sql, s.args...)
	if err != nil {
		return nil, err
	}
	texts := make([]*string, len(p.keys))
	dest := make([]any, len(texts))
	for i := range texts {
		dest[i] = &texts[i]
	}
	var keys []string
	_, err = pgx.ForEachRow(rows, dest, func() error {
		parts := make([]change.Value, len(texts))
		for i, t := range texts {
			v, err := decode(p.keys[i], t, p.entity.Zone())
			if err != nil {
				return err
			}
			parts[i] = v
		}
		keys = append(keys, mapping.EncodeKey(parts...))
		return nil
	})
	return keys, err
}

// Limits of [Rows.CustomNames]: Notion holds 500 properties in a database, and a few samples tell a type.
const (
	customNamesMax   = 500
	customSamplesMax = 20
)

// CustomNames lists the names of custom fields that rows in scope have, each with how many rows and different values it has and its
// most frequent values as samples. It reads every row once.
func (r *Rows) CustomNames(ctx context.Context) ([]mapping.CustomName, error) {
	if r.entity.Document.Custom == nil {
		return nil, nil
	}
	p, err := r.planned(ctx)
	if err != nil || p.parked[mapping.CustomPrefix] != "" {
		return nil, err
	}
	tx, _, _, err := r.begin(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("list custom fields of %s: %w", r.entity.Name, err)
	}
	defer rollback(ctx, tx)
	names, err := p.customNames(ctx, tx)
	if err != nil {
		r.forget(err)
		return nil, fmt.Errorf("list custom fields of %s: %w", r.entity.Name, translate("read custom fields", nil, err))
	}
	return names, nil
}

func (p *plan) customNames(ctx context.Context, tx pgx.Tx) ([]mapping.CustomName, error) {
	pairs, value, err := p.customPairs()
	if err != nil {
		return nil, err
	}
	sql := fmt.Sprintf(`SELECT name, type, value, n, rows, different FROM (
  SELECT name, type, value, n, sum(n) OVER w AS rows, count(*) OVER w AS different,
    row_number() OVER (PARTITION BY name ORDER BY n DESC, value) AS place
  FROM (SELECT name, type, value, count(*) AS n FROM (%s) AS pairs (name, type, value) WHERE name IS NOT NULL AND value IS NOT NULL GROUP BY 1, 2, 3) AS counted
  WINDOW w AS (PARTITION BY name)) AS ranked
WHERE place <= %d ORDER BY name, place LIMIT %d`, pairs, customSamplesMax, customNamesMax*customSamplesMax)
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	var names []mapping.CustomName
	var key, typ, text string
	var n, total, different int64
	_, err = pgx.ForEachRow(rows, []any{&key, &typ, &text, &n, &total, &different}, func() error {
		name, ok := p.entity.CustomNameOf(key)
		if !ok {
			return nil
		}
		if len(names) == 0 || names[len(names)-1].Name != name {
			names = append(names, mapping.CustomName{Name: name, Rows: total, Distinct: different})
		}
		v, err := attribute(value, []json.RawMessage{nil, json.RawMessage(text), json.RawMessage(jsonText(typ))}, p.entity.Zone())
		if err != nil {
			return nil //nolint:nilerr // a value that does not fit its type is no sample; its row is parked when it is read
		}
		if p.entity.Document.Custom.Rows == nil {
			v = mapping.Scalar(text)
		}
		last := &names[len(names)-1]
		last.Samples = append(last.Samples, v)
		return nil
	})
	if len(names) > customNamesMax {
		names = names[:customNamesMax]
	}
	return names, err
}

// customPairs is a query of (name, type, value as JSON text) of all custom fields in scope.
func (p *plan) customPairs() (string, mapping.ColumnInfo, error) {
	custom := p.entity.Document.Custom
	scope, err := p.entity.ScopeSQL(p.catalog)
	if err != nil {
		return "", mapping.ColumnInfo{}, err
	}
	if custom.Rows == nil {
		c, err := p.catalog.Find(p.table, custom.Column)
		if err != nil {
			return "", c, err
		}
		kind, column := c.Builtin(), mapping.Quote(c.Name)
		return fmt.Sprintf(`SELECT m.key, '', m.value::pg_catalog.text FROM (SELECT %s AS doc FROM %s WHERE %s) AS docs,
    pg_catalog.%s_each(CASE WHEN pg_catalog.%s_typeof(doc) = 'object' THEN doc ELSE '{}' END) AS m`, column, p.root, scope, kind, kind), c, nil
	}
	r := custom.Rows
	table, name, err := mapping.QuoteTable(r.Table)
	if err != nil {
		return "", mapping.ColumnInfo{}, err
	}
	c, err := p.catalog.Find(name, r.Value)
	if err != nil {
		return "", c, err
	}
	typ := "''"
	if r.Type != "" {
		typ = "coalesce(tandem_a." + mapping.Quote(r.Type) + "::pg_catalog.text, '')"
	}
	var on []string
	for i, column := range r.Entity {
		on = append(on, "tandem_a."+mapping.Quote(column)+" = tandem_r."+mapping.Quote(p.keys[i].Name))
	}
	keys := make([]string, len(p.keys))
	for i, k := range p.keys {
		keys[i] = mapping.Quote(k.Name)
	}
	return fmt.Sprintf("SELECT tandem_a.%s::pg_catalog.text, %s, pg_catalog.to_json(tandem_a.%s)::pg_catalog.text FROM %s AS tandem_a JOIN (SELECT %s FROM %s WHERE %s) AS tandem_r ON %s",
		mapping.Quote(r.Name), typ, mapping.Quote(r.Value), table, strings.Join(keys, ", "), p.root, scope, strings.Join(on, " AND ")), c, nil
}
