package crm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// named puts the field's name to a data error that has none.
func named(field string, err error) error {
	var data *sink.DataError
	if errors.As(err, &data) && data.Field == "" {
		data.Field = field
	}
	return err
}

// columnValue is one column with the text of its value.
type columnValue struct {
	column string
	text   *string
}

func pairs(columns []string, texts []string) []columnValue {
	out := make([]columnValue, len(columns))
	for i := range columns {
		out[i] = columnValue{columns[i], &texts[i]}
	}
	return out
}

// joinTargets brings the rows of a join table to what the set names, one by one, leaving the others as they are.
func (w *writer) joinTargets(ctx context.Context, key string, f mapping.Field, v change.Value) error {
	have := w.now.Image[f.Name]
	j := f.Source().Relation.Join
	source, err := mapping.SplitKey(key, len(j.Source))
	if err != nil {
		return err
	}
	for _, target := range minus(have, v) {
		texts, err := mapping.SplitKey(target, len(j.Target))
		if err != nil {
			return err
		}
		if err := w.deleteChild(ctx, j.Table, slices.Concat(pairs(j.Source, source), pairs(j.Target, texts))); err != nil {
			return err
		}
	}
	for _, target := range minus(v, have) {
		texts, err := mapping.SplitKey(target, len(j.Target))
		if err != nil {
			return refuse(f.Name, nil, "%v", err)
		}
		if _, err := w.insertChild(ctx, j.Table, slices.Concat(pairs(j.Source, source), pairs(j.Target, texts)), nil); err != nil {
			return err
		}
	}
	return nil
}

// minus lists the texts in a that are not in b.
func minus(a, b change.Value) []string {
	var out []string
	for _, m := range a.Items() {
		if !slices.ContainsFunc(b.Items(), func(n change.Value) bool { return n.String() == m.String() }) {
			out = append(out, m.String())
		}
	}
	return out
}

// joinLabels does the same for a lookup through a join table.
func (w *writer) joinLabels(ctx context.Context, key string, f mapping.Field, v change.Value) error {
	l := f.Source().Lookup
	source, err := mapping.SplitKey(key, len(l.Join.Source))
	if err != nil {
		return err
	}
	have := trimmed(w.now.Image[f.Name])
	for _, label := range minus(have, trimmed(v)) {
		if err := w.deleteLabelled(ctx, l, source, label); err != nil {
			return err
		}
	}
	for _, label := range minus(trimmed(v), have) {
		id, err := w.labelKey(ctx, f, label, "")
		if err != nil {
			return err
		}
		if _, err := w.insertChild(ctx, l.Join.Table, slices.Concat(pairs(l.Join.Source, source), pairs(l.Join.Target, []string{id})), nil); err != nil {
			return err
		}
	}
	return nil
}

func trimmed(v change.Value) change.Value {
	texts := make([]string, 0, len(v.Items()))
	for _, m := range v.Items() {
		texts = append(texts, strings.TrimSpace(m.String()))
	}
	return change.TextSet(texts...)
}

func (w *writer) deleteChild(ctx context.Context, table string, where []columnValue) error {
	s, err := w.plan.on(table)
	if err != nil {
		return err
	}
	conds, err := s.conditions(where)
	if err != nil {
		return err
	}
	_, err = w.tx.Exec(ctx, "DELETE FROM "+s.sql+" WHERE "+conds, s.args...)
	return err
}

// conditions compares columns of the allow-list with values.
func (s *statement) conditions(where []columnValue) (string, error) {
	conds := make([]string, len(where))
	for i, cv := range where {
		if err := s.guard(cv.column); err != nil {
			return "", err
		}
		c, err := s.plan.catalog.Find(s.table, cv.column)
		if err != nil {
			return "", err
		}
		conds[i] = mapping.Quote(cv.column) + " = " + s.cast(cv.text, c)
	}
	return strings.Join(conds, " AND "), nil
}

// insertChild adds a row, and reports whether it did: one may be there already. extra puts columns with expressions of their own.
func (w *writer) insertChild(ctx context.Context, table string, values []columnValue, extra func(*statement) error) (made bool, err error) {
	s, err := w.plan.on(table)
	if err != nil {
		return false, err
	}
	for _, cv := range values {
		c, err := w.plan.catalog.Find(s.table, cv.column)
		if err != nil {
			return false, err
		}
		s.set(cv.column, s.cast(cv.text, c))
	}
	if extra != nil {
		if err := extra(s); err != nil {
			return false, err
		}
	}
	sql, args, err := s.insert(nil)
	if err != nil {
		return false, err
	}
	tag, err := w.tx.Exec(ctx, sql, args...)
	return tag.RowsAffected() > 0, err
}

func (w *writer) deleteLabelled(ctx context.Context, l *mapping.Lookup, source []string, label string) error {
	s, err := w.plan.on(l.Join.Table)
	if err != nil {
		return err
	}
	conds, err := s.conditions(pairs(l.Join.Source, source))
	if err != nil {
		return err
	}
	if err := s.guard(l.Join.Target...); err != nil {
		return err
	}
	labels, _, err := mapping.QuoteTable(l.Table)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("DELETE FROM %s WHERE %s AND %s IN (SELECT %s FROM %s WHERE pg_catalog.btrim(%s::pg_catalog.text) = %s::pg_catalog.text)",
		s.sql, conds, mapping.Quote(l.Join.Target[0]), mapping.Quote(l.Key), labels, mapping.Quote(l.Label), s.arg(label))
	_, err = w.tx.Exec(ctx, sql, s.args...)
	return err
}

// assignLookup writes the foreign key of the row that has the label.
func (w *writer) assignLookup(ctx context.Context, s *statement, f mapping.Field, v change.Value) error {
	column := f.Source().Lookup.Column
	c, err := w.plan.catalog.Find(w.plan.table, column)
	if err != nil {
		return err
	}
	label := strings.TrimSpace(v.String())
	if label == "" {
		s.set(column, s.cast(nil, c))
		return nil
	}
	id, err := w.labelKey(ctx, f, label, column)
	if err != nil {
		return err
	}
	s.set(column, s.cast(&id, c))
	return nil
}

// labelKey finds the key of a label: spelled alike before spelled in other case. An unknown one is refused or made, as the mapping says.
func (w *writer) labelKey(ctx context.Context, f mapping.Field, label, column string) (string, error) {
	l := f.Source().Lookup
	ids, err := w.findLabel(ctx, l, label)
	if err != nil {
		return "", err
	}
	if len(ids) == 0 && l.Unknown == "create" {
		// Without a unique constraint on the label two sessions could make it twice; the lock is ours alone and ends with the transaction.
		const lock = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 7))"
		if _, err := w.tx.Exec(ctx, lock, l.Table+" "+strings.ToLower(label)); err != nil {
			return "", err
		}
		if ids, err = w.findLabel(ctx, l, label); err != nil {
			return "", err
		}
		if len(ids) == 0 {
			return w.createLabel(ctx, l, label)
		}
	}
	switch len(ids) {
	case 0:
		return "", refuse(f.Name, nil, "the option %q is unknown in the CRM; choose one of its values or add it there first", label)
	case 1:
		return ids[0], nil
	}
	return "", refuse(f.Name, nil, "the CRM has several entries named %q, so that it cannot be told which one is meant", label)
}

func (w *writer) findLabel(ctx context.Context, l *mapping.Lookup, label string) ([]string, error) {
	table, name, err := mapping.QuoteTable(l.Table)
	if err != nil {
		return nil, err
	}
	key, err := w.plan.catalog.Find(name, l.Key)
	if err != nil {
		return nil, err
	}
	trim := "pg_catalog.btrim(" + mapping.Quote(l.Label) + "::pg_catalog.text)"
	sql := fmt.Sprintf("SELECT pg_catalog.to_json(%s)::pg_catalog.text, %s = $1 FROM %s WHERE pg_catalog.lower(%s) = pg_catalog.lower($1::pg_catalog.text) ORDER BY 2 DESC LIMIT 10",
		mapping.Quote(l.Key), trim, table, trim)
	rows, err := w.tx.Query(ctx, sql, label)
	if err != nil {
		return nil, err
	}
	var exact, folded []string
	var text *string
	var same bool
	_, err = pgx.ForEachRow(rows, []any{&text, &same}, func() error {
		v, err := decode(key, text, w.plan.entity.Zone())
		if same {
			exact = append(exact, v.String())
		} else {
			folded = append(folded, v.String())
		}
		return err
	})
	if len(exact) > 0 {
		return exact, err
	}
	return folded, err
}

func (w *writer) createLabel(ctx context.Context, l *mapping.Lookup, label string) (string, error) {
	s, err := w.plan.on(l.Table)
	if err != nil {
		return "", err
	}
	key, err := w.plan.catalog.Find(s.table, l.Key)
	if err != nil {
		return "", err
	}
	column, err := w.plan.catalog.Find(s.table, l.Label)
	if err != nil {
		return "", err
	}
	if expr, err := s.newKey(l.NewKey, key); err != nil {
		return "", err
	} else if expr != "" {
		s.set(l.Key, expr)
	}
	text, err := encode(column, change.TextValue(label), change.Value{}, w.plan.entity.Zone())
	if err != nil {
		return "", refuse("", nil, "%v", err)
	}
	s.set(l.Label, s.cast(text, column))
	sql, args, err := s.insert([]mapping.ColumnInfo{key})
	if err != nil {
		return "", err
	}
	var raw *string
	if err := w.tx.QueryRow(ctx, sql, args...).Scan(&raw); err != nil {
		return "", err
	}
	v, err := decode(key, raw, w.plan.entity.Zone())
	return v.String(), err
}
