package crm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/mapping"
)

// Excess is what a role may do in the CRM beyond what the mappings need. Tandem never does it; with such a role nothing but Tandem keeps it from it.
type Excess struct {
	Role    string
	Reasons []string // in plain words, each with what to do where that is not tandem grants; empty if there are none
}

// Error says it in one sentence.
func (e *Excess) Error() string {
	return fmt.Sprintf("the role %s may do more than the mappings need: %s; tandem grants prints a role that may not, or set allow.overprivileged.role=%s to go on with this one",
		e.Role, strings.Join(e.Reasons, "; "), e.Role)
}

// shownMax bounds how many tables are named.
const shownMax = 5

// LookForExcess finds out what the pool's role may write beyond the mappings' allow-lists: as superuser, as owner, by privileges. Then it tries a
// forbidden write, which must fail; whatever comes of it is rolled back. It writes nothing.
func LookForExcess(ctx context.Context, pool *pgxpool.Pool, entities []*mapping.Entity) (*Excess, error) {
	e := &Excess{}
	super, err := e.attributes(ctx, pool)
	if err != nil {
		return nil, translate("look at the role", nil, err)
	}
	if super {
		return e, nil // it may do everything: no more needs to be said
	}
	var lists [][]mapping.Access
	for _, entity := range entities {
		tables, _ := entity.Writing().Access()
		lists = append(lists, tables)
	}
	allowed := mapping.Merge(lists...)
	for _, find := range []func(context.Context, *pgxpool.Pool, []mapping.Access) ([]string, error){owned, writable, others} {
		reasons, err := find(ctx, pool, allowed)
		if err != nil {
			return nil, translate("look at the role's privileges", nil, err)
		}
		e.Reasons = append(e.Reasons, reasons...)
	}
	if len(e.Reasons) > 0 {
		return e, nil
	}
	reason, err := tryForbidden(ctx, pool, allowed)
	if err != nil {
		return nil, translate("try a forbidden write", nil, err)
	}
	if reason != "" {
		e.Reasons = append(e.Reasons, reason)
	}
	return e, nil
}

// powerful are roles that come with PostgreSQL, or with a provider of it, and what their members may do. Those that give privileges on tables are
// found by what they give.
var powerful = map[string]string{
	"pg_read_all_data":            "read every table",
	"pg_write_all_data":           "write every table",
	"pg_read_server_files":        "read the server's files",
	"pg_write_server_files":       "write the server's files",
	"pg_execute_server_program":   "run programs on the server",
	"pg_signal_backend":           "end other people's sessions",
	"pg_maintain":                 "lock and rewrite every table",
	"pg_create_subscription":      "write through subscriptions",
	"rds_superuser":               "do what an administrator may",
	"rds_replication":             "replicate, which reads everything",
	"cloudsqlsuperuser":           "do what an administrator may",
	"azure_pg_admin":              "do what an administrator may",
	"neon_superuser":              "do what an administrator may",
	"alloydbsuperuser":            "do what an administrator may",
	"pg_use_reserved_connections": "take the connections that are reserved for administrators",
}

// attributes finds what the role may do on the server and in the database as a whole, by itself or as a member of others: also of those whose rights
// it only has once it says SET ROLE.
func (e *Excess) attributes(ctx context.Context, pool *pgxpool.Pool) (super bool, err error) {
	const database = `SELECT current_user, r.rolsuper, pg_catalog.pg_has_role(d.datdba, 'MEMBER'), pg_catalog.has_database_privilege(d.oid, 'CREATE')
		FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`
	var owns, creates bool
	if err := pool.QueryRow(ctx, database).Scan(&e.Role, &super, &owns, &creates); err != nil {
		return false, err
	}
	switch {
	case super:
		e.Reasons = append(e.Reasons, "it is a superuser")
		return true, nil
	case owns:
		e.Reasons = append(e.Reasons, "it owns the database, or belongs to the role that does")
	case creates:
		e.Reasons = append(e.Reasons, "it may make schemas in the database (REVOKE CREATE ON DATABASE; the schema tandem is made for it once)")
	}
	const member = `SELECT r.rolname, r.rolsuper, r.rolcreaterole OR r.rolcreatedb, r.rolbypassrls, r.rolreplication, pg_catalog.pg_has_role(r.oid, 'USAGE')
		FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(r.oid, 'MEMBER') AND r.rolname <> 'pg_database_owner' ORDER BY r.rolname <> current_user, r.rolname`
	rows, err := pool.Query(ctx, member)
	if err != nil {
		return false, err
	}
	var name string
	var isSuper, makes, bypasses, replicates, inherits bool
	_, err = pgx.ForEachRow(rows, []any{&name, &isSuper, &makes, &bypasses, &replicates, &inherits}, func() error {
		who, reasons := "it", len(e.Reasons)
		if name != e.Role {
			who = fmt.Sprintf("as a member of %s it", name)
		}
		add := func(has bool, what string) {
			if has {
				e.Reasons = append(e.Reasons, who+" "+what)
			}
		}
		add(isSuper, "may become a superuser")
		add(makes, "may make roles or databases")
		add(bypasses, "bypasses row security")
		add(replicates, "may replicate, which reads everything on the server: that is for the role of the cdc.PostgresSource alone")
		add(powerful[name] != "", "may "+powerful[name])
		add(!inherits && len(e.Reasons) == reasons, "may take all that role's rights (SET ROLE), whatever they are")
		return nil
	})
	return false, err
}

// names are the tables as two arrays.
func names(tables []mapping.Access) (schemas, tableNames []string) {
	for _, t := range tables {
		schemas, tableNames = append(schemas, t.Schema), append(tableNames, t.Table)
	}
	return schemas, tableNames
}

// owned finds tables that belong to the role, or to one that it is a member of: an owner may do everything.
func owned(ctx context.Context, pool *pgxpool.Pool, allowed []mapping.Access) ([]string, error) {
	const sql = `SELECT n.nspname || '.' || c.relname FROM ROWS FROM (unnest($1::text[]), unnest($2::text[])) AS want (schema, name)
		JOIN pg_catalog.pg_namespace n ON n.nspname = want.schema JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = want.name
		WHERE pg_catalog.pg_has_role(c.relowner, 'MEMBER') ORDER BY 1`
	schemas, tables := names(allowed)
	return said(ctx, pool, "it owns %s, or belongs to the role that does", sql, schemas, tables)
}

// writable finds privileges on the mapped tables that the mappings do not need.
func writable(ctx context.Context, pool *pgxpool.Pool, allowed []mapping.Access) ([]string, error) {
	var reasons []string
	for _, t := range allowed {
		const sql = `SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE has_column_privilege(c.oid, a.attnum, 'UPDATE') AND a.attname <> ALL($3::text[])), '{}'),
			coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE has_column_privilege(c.oid, a.attnum, 'INSERT') AND a.attname <> ALL($4::text[])), '{}'),
			bool_or(has_table_privilege(c.oid, 'DELETE')), bool_or(has_table_privilege(c.oid, 'TRUNCATE')), bool_or(has_table_privilege(c.oid, 'TRIGGER'))
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE n.nspname = $1 AND c.relname = $2 GROUP BY c.oid`
		var update, insert []string
		var deletes, truncates, triggers bool
		err := pool.QueryRow(ctx, sql, t.Schema, t.Table, orEmpty(t.Update), orEmpty(t.Insert)).Scan(&update, &insert, &deletes, &truncates, &triggers)
		if errors.Is(err, pgx.ErrNoRows) {
			continue // check says that it is missing
		}
		if err != nil {
			return nil, err
		}
		add := func(has bool, what string) {
			if has {
				reasons = append(reasons, fmt.Sprintf("it may %s %s", what, t))
			}
		}
		add(len(update) > 0, "change "+few(update)+" of")
		add(len(insert) > 0, "give new rows "+few(insert)+" in")
		add(deletes && !t.Delete, "delete rows of")
		add(truncates, "empty")
		add(triggers, "put triggers on")
	}
	return reasons, nil
}

func orEmpty(columns []string) []string {
	if columns == nil {
		return []string{}
	}
	return columns
}

func few(list []string) string {
	if len(list) > shownMax {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:shownMax], ", "), len(list)-shownMax)
	}
	return strings.Join(list, ", ")
}

// others finds tables beyond the mappings that the role may write.
func others(ctx context.Context, pool *pgxpool.Pool, allowed []mapping.Access) ([]string, error) {
	const sql = `SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^(pg_|information_schema$|tandem$)'
		AND NOT EXISTS (SELECT FROM ROWS FROM (unnest($1::text[]), unnest($2::text[])) AS w (schema, name) WHERE w.schema = n.nspname AND w.name = c.relname)
		AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
		AND (pg_catalog.has_table_privilege(c.oid, 'DELETE, TRUNCATE') OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
		ORDER BY 1`
	schemas, tables := names(allowed)
	return said(ctx, pool, "it may write to %s, which no mapping names", sql, schemas, tables)
}

func said(ctx context.Context, pool *pgxpool.Pool, format, sql string, args ...any) ([]string, error) {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return []string{fmt.Sprintf(format, few(found))}, nil
}

// tryForbidden asks the database itself: what catalogs say and what happens are two things. A write of no row is checked for privileges like any
// other (PostgreSQL manual, 5.8).
func tryForbidden(ctx context.Context, pool *pgxpool.Pool, allowed []mapping.Access) (reason string, err error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer rollback(ctx, tx)
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '5s'"); err != nil {
		return "", err
	}
	for _, t := range allowed {
		for _, statement := range forbidden(ctx, tx, t) {
			inner, err := tx.Begin(ctx)
			if err != nil {
				return "", err
			}
			_, err = inner.Exec(ctx, statement)
			rollback(ctx, inner)
			var pg *pgconn.PgError
			switch {
			case err == nil:
				return fmt.Sprintf("the database did not refuse %q", statement), nil
			case !errors.As(err, &pg):
				return "", err
			case pg.Code == "42501", pg.Code == "55P03", pg.Code == "42P01", strings.HasPrefix(pg.Code, "428"), pg.Code == "55000", pg.Code == "0A000":
				// refused; or not to be judged: a lock that somebody holds, a table that is not there, a view that takes no writes
			default:
				return "", err
			}
		}
	}
	return "", nil
}

// forbidden are a table's writes that the mappings do not need.
func forbidden(ctx context.Context, tx pgx.Tx, t mapping.Access) []string {
	var statements []string
	if !t.Delete {
		statements = append(statements, "DELETE FROM "+t.SQL()+" WHERE false")
	}
	const first = `SELECT a.attname::text FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a' AND a.attname <> ALL($3::text[]) ORDER BY a.attnum LIMIT 1`
	var column string
	if err := tx.QueryRow(ctx, first, t.Schema, t.Table, orEmpty(t.Update)).Scan(&column); err == nil && !slices.Contains(t.Update, column) {
		statements = append(statements, fmt.Sprintf("UPDATE %s SET %s = NULL WHERE false", t.SQL(), mapping.Quote(column)))
	}
	return statements
}
