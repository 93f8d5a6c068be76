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
)

// assignCustom merges custom fields into the JSON column by key; every other key stays as it is, numbers to the last digit.
func (w *writer) assignCustom(ctx context.Context, s *statement, customs change.Image) error {
	if reason := w.now.Problems[mapping.CustomPrefix]; reason != "" {
		return refuse(customs.Fields()[0], nil, "%s", reason)
	}
	custom := w.plan.entity.Document.Custom
	c, err := w.plan.catalog.Find(w.plan.table, custom.Column)
	if err != nil {
		return err
	}
	set, drop := w.customMembers(customs)
	if c.Builtin() == "json" {
		return w.assignJSON(ctx, s, c, set, drop)
	}
	column := mapping.Quote(c.Name)
	if w.now.Key == "" { // a new row
		column = "NULL::pg_catalog.jsonb"
	}
	parts := make([]string, len(set))
	for i, m := range set {
		parts[i] = jsonText(m.name) + ": " + m.value
	}
	object := "{" + strings.Join(parts, ", ") + "}"
	s.set(c.Name, fmt.Sprintf("((CASE WHEN pg_catalog.jsonb_typeof(%s) = 'object' THEN %s ELSE '{}'::pg_catalog.jsonb END) - %s::pg_catalog.text[]) || %s",
		column, column, s.arg(drop), s.cast(&object, c)))
	return nil
}

// customMembers are the members to set, as JSON, and the names to take away.
func (w *writer) customMembers(customs change.Image) (set []member, drop []string) {
	drop = []string{}
	for _, name := range customs.Fields() {
		key, v := strings.TrimPrefix(name, mapping.CustomPrefix), customs[name]
		empty := v.IsNull() || (v.Kind() == change.Set || v.Kind() == change.List) && len(v.Items()) == 0
		if empty && w.plan.entity.Document.Custom.Empty == "remove" {
			drop = append(drop, key)
			continue
		}
		set = append(set, member{key, encodeJSON(v, w.now.Image[name])})
	}
	return set, drop
}

// assignJSON does for a json column, which keeps its text, what || does for jsonb: order, spacing inside of values and numbers stay.
func (w *writer) assignJSON(ctx context.Context, s *statement, c mapping.ColumnInfo, set []member, drop []string) error {
	var text *string
	if w.now.Key != "" {
		sql, args, err := s.selectColumn(c, w.now.Key)
		if err != nil {
			return err
		}
		if err := w.tx.QueryRow(ctx, sql, args...).Scan(&text); err != nil {
			return err
		}
	}
	merged, err := mergeJSON(text, set, drop)
	if err != nil {
		return refuse("", nil, "%v", err)
	}
	s.set(c.Name, s.cast(&merged, c))
	return nil
}

func mergeJSON(text *string, set []member, drop []string) (string, error) {
	var members []member
	if text != nil {
		var err error
		if members, err = parseObject(*text); err != nil {
			return "", fmt.Errorf("the column of custom fields holds no JSON object")
		}
	}
	members = slices.DeleteFunc(members, func(m member) bool { return slices.Contains(drop, m.name) })
	for _, m := range set {
		i := slices.IndexFunc(members, func(have member) bool { return have.name == m.name })
		if i < 0 {
			members = append(members, m)
			continue
		}
		members[i].value = m.value
	}
	parts := make([]string, len(members))
	for i, m := range members {
		parts[i] = jsonText(m.name) + ":" + m.value
	}
	return "{" + strings.Join(parts, ",") + "}", nil
}

// selectColumn reads one column's text of the row, in a statement of its own.
func (s *statement) selectColumn(c mapping.ColumnInfo, key string) (string, []any, error) {
	own := s.plan.statement()
	where, err := own.match(key)
	return fmt.Sprintf("SELECT %s::pg_catalog.text FROM %s WHERE %s", mapping.Quote(c.Name), own.sql, where), own.args, err
}

// attribute writes one custom field into its entity-attribute-value row.
func (w *writer) attribute(ctx context.Context, key, name string, v change.Value) error {
	rules := w.plan.entity.Document.Custom.Rows
	s, where, err := w.attributeRow(key, name)
	if err != nil {
		return err
	}
	conds, err := s.conditions(where)
	if err != nil {
		return err
	}
	value, err := w.plan.catalog.Find(s.table, rules.Value)
	if err != nil {
		return err
	}
	old, found, err := w.oldAttribute(ctx, s, conds, value)
	if err != nil {
		return err
	}
	empty := v.IsNull() || (v.Kind() == change.Set || v.Kind() == change.List) && len(v.Items()) == 0
	switch {
	case empty && (!found || w.plan.entity.Document.Custom.Empty == "remove"):
		_, err = w.tx.Exec(ctx, "DELETE FROM "+s.sql+" WHERE "+conds, s.args...)
		return err
	case empty:
		v = change.NullValue()
	}
	text, err := encodeAttribute(value, v, old, w.plan)
	if err != nil {
		return refuse("", nil, "%v", err)
	}
	if !found {
		return w.insertAttribute(ctx, rules, append(where, columnValue{rules.Value, text}), v)
	}
	if err := s.guard(rules.Value); err != nil {
		return err
	}
	set := mapping.Quote(rules.Value) + " = " + s.cast(text, value)
	_, err = w.tx.Exec(ctx, "UPDATE "+s.sql+" SET "+set+" WHERE "+conds, s.args...)
	return err
}

// errMoved is met when another session made the row of a custom field since we looked: the transaction begins again, and sees it.
var errMoved = errors.New("another session made the custom field's row meanwhile")

// lockAttributes locks the rows of the custom fields that will be written, before they are read again: a session that holds one and does not
// touch the root row would else change it between our look and our write.
func (w *writer) lockAttributes(ctx context.Context, key string, set change.Image) error {
	custom := w.plan.entity.Document.Custom
	if custom == nil || custom.Rows == nil {
		return nil
	}
	for _, field := range set.Fields() {
		name, ok := strings.CutPrefix(field, mapping.CustomPrefix)
		if !ok {
			continue
		}
		s, where, err := w.attributeRow(key, name)
		if err != nil {
			return err
		}
		conds, err := s.conditions(where)
		if err != nil {
			return err
		}
		if _, err := w.tx.Exec(ctx, "SELECT true FROM "+s.sql+" WHERE "+conds+" FOR UPDATE", s.args...); err != nil {
			return err
		}
	}
	return nil
}

// attributeRow begins a statement on the row of one custom field, with the columns that tell it from others.
func (w *writer) attributeRow(key, name string) (*statement, []columnValue, error) {
	rules := w.plan.entity.Document.Custom.Rows
	source, err := mapping.SplitKey(key, len(rules.Entity))
	if err != nil {
		return nil, nil, err
	}
	s, err := w.plan.on(rules.Table)
	return s, append(pairs(rules.Entity, source), columnValue{rules.Name, &name}), err
}

func (w *writer) oldAttribute(ctx context.Context, s *statement, conds string, value mapping.ColumnInfo) (change.Value, bool, error) {
	sql := fmt.Sprintf("SELECT pg_catalog.to_json(%s)::pg_catalog.text FROM %s WHERE %s FOR UPDATE", mapping.Quote(value.Name), s.sql, conds)
	rows, err := w.tx.Query(ctx, sql, s.args...)
	if err != nil {
		return change.Value{}, false, err
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil || len(texts) == 0 {
		return change.Value{}, false, err
	}
	if len(texts) > 1 {
		return change.Value{}, false, refuse("", nil, "two rows hold this custom field, so that it has no one value")
	}
	v, err := decode(value, texts[0], w.plan.entity.Zone())
	return v, true, err
}

// encodeAttribute writes booleans as the CRM did before: 1 and 0, or true and false; sets as a JSON array where one stood, else with commas.
func encodeAttribute(c mapping.ColumnInfo, v, old change.Value, p *plan) (*string, error) {
	if v.Kind() == change.Bool && c.Category == "S" && (old.Text() == "0" || old.Text() == "1") {
		text := map[bool]string{false: "0", true: "1"}[v.Bool()]
		return &text, nil
	}
	if v.Kind() == change.Set && c.Category == "S" && strings.HasPrefix(strings.TrimSpace(old.Text()), "[") {
		text := encodeJSON(v, change.JSONValue(old.Text()))
		return &text, nil
	}
	return encode(c, v, old, p.entity.Zone())
}

// insertAttribute adds the row. Its type is the one that other rows of this name have; where there are none, our own word for it.
func (w *writer) insertAttribute(ctx context.Context, rules *mapping.Attributes, values []columnValue, v change.Value) error {
	made, err := w.insertChild(ctx, rules.Table, values, func(s *statement) error {
		if rules.Key != "" {
			c, err := w.plan.catalog.Find(s.table, rules.Key)
			if err != nil {
				return err
			}
			expr, err := s.newKey(rules.NewKey, c)
			if err != nil {
				return err
			}
			if expr != "" {
				s.set(rules.Key, expr)
			}
		}
		if rules.Type == "" {
			return nil
		}
		c, err := w.plan.catalog.Find(s.table, rules.Type)
		if err != nil {
			return err
		}
		word := attributeWord(v)
		s.set(rules.Type, fmt.Sprintf("coalesce((SELECT tandem_t.%s FROM %s AS tandem_t WHERE tandem_t.%s = %s LIMIT 1), %s)",
			mapping.Quote(rules.Type), s.sql, mapping.Quote(rules.Name), s.exprs[rules.Name], s.cast(&word, c)))
		return nil
	})
	if err == nil && !made {
		return errMoved
	}
	return err
}

func attributeWord(v change.Value) string {
	switch v.Kind() {
	case change.Bool:
		return "boolean"
	case change.Int, change.Decimal, change.Float:
		return "number"
	case change.Date:
		return "date"
	case change.TimestampTZ:
		return "datetime"
	}
	return "text"
}
