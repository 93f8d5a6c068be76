package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/deploy"
)

// database is the CRM's.
const database = "crm"

// makeCRM makes the example CRM as its own application would, prepares it for Tandem as an administrator would, and fills it.
func makeCRM(ctx context.Context, admin string, dsn string, tandemPassword string, counts Counts) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+database)
	conn.Close(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("make the CRM's database: %w", err)
	}
	if conn, err = pgx.Connect(ctx, dsn); err != nil {
		return fmt.Errorf("connect to the CRM: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	schema, err := deploy.Files.ReadFile("examples/crm.sql")
	if err != nil {
		return err
	}
	setup, err := deploy.Files.ReadFile("postgres/tandem.sql")
	if err != nil {
		return err
	}
	for _, sql := range []string{string(schema), plainSQL(string(setup), tandemPassword)} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make the CRM's tables: %w", err)
		}
	}
	return fill(ctx, conn, generate(counts))
}

// plainSQL turns deploy/postgres/tandem.sql, which is for psql, into SQL: its commands go, and its variable gets its value.
func plainSQL(script, password string) string {
	var out strings.Builder
	for line := range strings.Lines(script) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, `\`) || strings.HasSuffix(trimmed, `\gset`) {
			continue
		}
		out.WriteString(line)
	}
	return strings.ReplaceAll(out.String(), ":'password'", "'"+strings.ReplaceAll(password, "'", "''")+"'")
}

func fill(ctx context.Context, conn *pgx.Conn, tables []table) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("fill the CRM: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after a commit it has nothing to do
	for _, t := range tables {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("fill table %s: %w", t.name, err)
		}
		if t.columns[0] != "id" {
			continue
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("SELECT setval('%s_id_seq', %d)", t.name, max(1, len(t.rows)))); err != nil {
			return fmt.Errorf("set the sequence of %s: %w", t.name, err)
		}
	}
	return tx.Commit(ctx)
}

// crmReader reads the CRM by SQL that it makes from the mappings.
type crmReader struct {
	pool     *pgxpool.Pool
	entities entities
}

// read gives the records of an entity that are not deleted, by key; with key only that one.
func (c *crmReader) read(ctx context.Context, name, key string) (map[string]record, error) {
	e := c.entities[name]
	sql, fields := c.query(e)
	var args []any
	if key != "" {
		sql, args = sql+" AND r."+quote(e.Document.CRM.Key[0])+"::text = $1", []any{key}
	}
	rows, err := c.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s from the CRM: %w", name, err)
	}
	defer rows.Close()
	out := map[string]record{}
	for rows.Next() {
		values := make([]*string, len(fields)+2)
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read %s from the CRM: %w", name, err)
		}
		out[*values[0]] = e.fromCRM(fields, values)
	}
	return out, rows.Err()
}

// fromCRM brings one row's texts into canonical form. The first value is the key, the last one the custom fields as JSON.
func (e *entity) fromCRM(fields []mapping.Rule, values []*string) record {
	rec := record{}
	for i, f := range fields {
		text := ""
		if v := values[i+1]; v != nil {
			text = *v
		}
		if len(f.Options) > 0 {
			text = option(f, text)
		}
		if f.Type == mapping.TypeDateTime {
			text = canonTime(text, e.location())
		}
		rec[f.Name] = canon(f.Type, text)
	}
	custom := map[string]json.RawMessage{}
	if v := values[len(values)-1]; v != nil && json.Unmarshal([]byte(*v), &custom) == nil {
		for key, raw := range custom {
			if name, ok := e.Entity.CustomNameOf(key); ok {
				rec.putCustom(name, canonJSON(raw))
			}
		}
	}
	return rec
}

func (e *entity) location() *time.Location {
	zone, err := time.LoadLocation(e.Document.CRM.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// query selects key, fields and custom fields, all as texts.
func (c *crmReader) query(e *entity) (string, []mapping.Rule) {
	d := e.Document
	columns := []string{"r." + quote(d.CRM.Key[0]) + "::text"}
	for _, f := range d.Fields {
		columns = append(columns, expression(d, f))
	}
	custom := "NULL::text"
	if d.Custom != nil && d.Custom.Column != "" {
		custom = "r." + quote(d.Custom.Column) + "::text"
	} else if d.Custom != nil {
		rows := d.Custom.Rows
		custom = fmt.Sprintf("(SELECT jsonb_object_agg(a.%s, a.%s)::text FROM %s a WHERE a.%s = r.%s)",
			quote(rows.Name), quote(rows.Value), quote(rows.Table), quote(rows.Entity[0]), quote(d.CRM.Key[0]))
	}
	sql := "SELECT " + strings.Join(append(columns, custom), ", ") + " FROM " + quote(d.CRM.Table) + " r WHERE true"
	if d.CRM.SoftDelete != "" {
		sql += " AND r." + quote(d.CRM.SoftDelete) + " IS NULL"
	}
	return sql, d.Fields
}

// expression is the SQL of one field.
func expression(d mapping.Document, f mapping.Rule) string {
	key := "r." + quote(d.CRM.Key[0])
	join := func(j *mapping.Join, what, from string) string {
		return fmt.Sprintf("(SELECT string_agg(%s::text, '%s') FROM %s j%s WHERE j.%s = %s)", what, listMark, quote(j.Table), from, quote(j.Source[0]), key)
	}
	switch {
	case f.Lookup != nil && f.Lookup.Join != nil:
		from := fmt.Sprintf(" JOIN %s l ON l.%s = j.%s", quote(f.Lookup.Table), quote(f.Lookup.Key), quote(f.Lookup.Join.Target[0]))
		return join(f.Lookup.Join, "l."+quote(f.Lookup.Label), from)
	case f.Lookup != nil:
		return fmt.Sprintf("(SELECT l.%s::text FROM %s l WHERE l.%s = r.%s)", quote(f.Lookup.Label), quote(f.Lookup.Table), quote(f.Lookup.Key), quote(f.Lookup.Column))
	case f.Relation != nil && f.Relation.Join != nil:
		return join(f.Relation.Join, "j."+quote(f.Relation.Join.Target[0]), "")
	case f.Relation != nil:
		return "r." + quote(f.Relation.Column[0]) + "::text"
	}
	return "r." + quote(f.Column) + "::text"
}

// quote quotes a name, with its schema if it has one.
func quote(name string) string { return pgx.Identifier(strings.Split(name, ".")).Sanitize() }
