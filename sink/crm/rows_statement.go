package crm

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/tandem-sync/tandem/connector/mapping"
)

// statement builds one INSERT, UPDATE or DELETE on one table. Values are parameters of type text that the statement casts to the
// column's base type without its modifier, so that a value which is too long or too large is refused, never cut.
type statement struct {
	plan     *plan
	table    string // schema.table
	sql      string // quoted
	args     []any
	assigned []string
	exprs    map[string]string
}

func (p *plan) statement() *statement {
	return &statement{plan: p, table: p.table, sql: p.root, exprs: map[string]string{}}
}

// on is a statement on a child or lookup table.
func (p *plan) on(table string) (*statement, error) {
	sql, name, err := mapping.QuoteTable(table)
	if err != nil {
		return nil, err
	}
	return &statement{plan: p, table: name, sql: sql, exprs: map[string]string{}}, nil
}

func (s *statement) arg(v any) string {
	s.args = append(s.args, v)
	return fmt.Sprintf("$%d", len(s.args))
}

func (s *statement) cast(text *string, c mapping.ColumnInfo) string {
	return fmt.Sprintf("CAST(%s::pg_catalog.text AS %s)", s.arg(text), c.SQLType())
}

func (s *statement) set(column, expr string) {
	if _, ok := s.exprs[column]; !ok {
		s.assigned = append(s.assigned, column)
	}
	s.exprs[column] = expr
}

// guard is the last look before the wire (design, invariant 13): every column that the statement writes is on the allow-list.
func (s *statement) guard(columns ...string) error {
	for _, c := range columns {
		if !s.plan.entity.MayWriteTo(s.table, c) {
			return fmt.Errorf("%w: column %q of %s is not on the allow-list", ErrNotAllowed, c, s.table)
		}
	}
	return nil
}

// match is the condition on the root's key.
func (s *statement) match(key string) (string, error) {
	keys := s.plan.keys
	parts, err := mapping.SplitKey(key, len(keys))
	if err != nil {
		return "", err
	}
	conds := make([]string, len(keys))
	for i, c := range keys {
		conds[i] = mapping.Quote(c.Name) + " = " + s.cast(&parts[i], c)
	}
	return strings.Join(conds, " AND "), nil
}

func (s *statement) update(key string) (string, []any, error) {
	if err := s.guard(s.assigned...); err != nil {
		return "", nil, err
	}
	sets := make([]string, len(s.assigned))
	for i, c := range s.assigned {
		sets[i] = mapping.Quote(c) + " = " + s.exprs[c]
	}
	where, err := s.match(key)
	return fmt.Sprintf("UPDATE %s SET %s WHERE %s", s.sql, strings.Join(sets, ", "), where), s.args, err
}

func (s *statement) delete(key string) (string, []any, error) {
	where, err := s.match(key)
	return fmt.Sprintf("DELETE FROM %s WHERE %s", s.sql, where), s.args, err
}

func (s *statement) insert(returning []mapping.ColumnInfo) (string, []any, error) {
	if err := s.guard(s.assigned...); err != nil {
		return "", nil, err
	}
	columns, exprs := make([]string, len(s.assigned)), make([]string, len(s.assigned))
	for i, c := range s.assigned {
		columns[i], exprs[i] = mapping.Quote(c), s.exprs[c]
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", s.sql, strings.Join(columns, ", "), strings.Join(exprs, ", "))
	if len(columns) == 0 {
		sql = "INSERT INTO " + s.sql + " DEFAULT VALUES"
	}
	if len(returning) == 0 {
		return sql + " ON CONFLICT DO NOTHING", s.args, nil
	}
	out := make([]string, len(returning))
	for i, c := range returning {
		out[i] = "pg_catalog.to_json(" + mapping.Quote(c.Name) + ")::pg_catalog.text"
	}
	return sql + " RETURNING " + strings.Join(out, ", "), s.args, nil
}

// now is the transaction's time as the column's type has it, in the mapping's zone where the type has none.
func (s *statement) now(c mapping.ColumnInfo) (string, error) {
	local := "pg_catalog.timezone(" + mapping.Literal(s.plan.entity.Zone().String()) + ", pg_catalog.now())"
	switch c.Builtin() {
	case "timestamptz":
		return "pg_catalog.now()", nil
	case "timestamp", "date":
		return "CAST(" + local + " AS " + c.SQLType() + ")", nil
	case "int4", "int8", "numeric":
		return "CAST(pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.now())) AS " + c.SQLType() + ")", nil
	}
	return "", fmt.Errorf("column %s of type %s cannot hold the time; run check", c.Name, c.Shown)
}

func (s *statement) setting(set mapping.Setting, c mapping.ColumnInfo, inserting bool) (string, error) {
	switch set.Kind {
	case mapping.SetNow:
		return s.now(c)
	case mapping.SetIncrement:
		if inserting {
			return "1", nil
		}
		return "coalesce(" + mapping.Quote(c.Name) + ", 0) + 1", nil
	case mapping.SetConstant:
	}
	text := string(set.Value)
	if text == "null" {
		return s.cast(nil, c), nil
	}
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(set.Value, &text); err != nil {
			return "", err
		}
	}
	return s.cast(&text, c), nil
}

// newKey is the expression of a new key, "" where the column's default makes it.
func (s *statement) newKey(how string, c mapping.ColumnInfo) (string, error) {
	var id [16]byte
	switch {
	case how == "" || how == "default":
		return "", nil
	case strings.HasPrefix(how, "sequence:"):
		sql, _, err := mapping.QuoteTable(strings.TrimPrefix(how, "sequence:"))
		return "pg_catalog.nextval(" + mapping.Literal(sql) + "::pg_catalog.regclass)", err
	case how == "uuid4":
		v, err := uuid.NewRandom()
		if err != nil {
			return "", fmt.Errorf("make a key: %w", err)
		}
		id = v
	case how == "uuid7":
		v, err := uuid.NewV7()
		if err != nil {
			return "", fmt.Errorf("make a key: %w", err)
		}
		id = v
	default: // ulid
		id = ulid.Make()
	}
	text := uuid.UUID(id).String()
	if how == "ulid" && c.Builtin() != "uuid" {
		text = ulid.ULID(id).String() // Symfony keeps a ULID in a uuid column, or in 26 characters
	}
	return s.cast(&text, c), nil
}
