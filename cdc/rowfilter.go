package cdc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// rowFiltersSince is the first PostgreSQL whose publications filter rows.
const rowFiltersSince = 150000

func (c *Config) definePublication(s *config.Set) {
	s.Prefix(&c.RowFilters, config.Key{Name: "publication.row.filter.", Group: "Capture",
		Doc: "publication.row.filter.SCHEMA.TABLE: an SQL expression that rows of the table must meet to be captured, in the snapshot and in the stream (PostgreSQL 15). " +
			"It may use columns of the replica identity. Where rows come to meet it the change is a create, where they cease to a delete."})
	s.String(&c.IdentityRules, config.Key{Name: "replica.identity.autoset.values", Default: "", Importance: config.Low, Group: "Capture",
		Doc: "Replica identities that captured tables are given at the start: pattern:FULL, pattern:DEFAULT, pattern:NOTHING or pattern:INDEX name, with commas between them; " +
			"patterns are regular expressions over schema.table. It takes the tables' owner.",
		Validate: func(text string) error {
			_, err := parseIdentityRules(text)
			return err
		}})
}

// rowFilterProblems finds filters that cannot be, or that PostgreSQL would answer by refusing updates of the table. It asks PostgreSQL to parse them.
func (f *facts) rowFilterProblems(ctx context.Context, conn *pgx.Conn, c Config, problems *config.Problems) error {
	for _, name := range slices.Sorted(maps.Keys(c.RowFilters)) {
		path := "publication.row.filter." + name
		i := slices.IndexFunc(f.tables, func(t table) bool { return t.String() == name })
		switch {
		case i < 0:
			problems.Errorf(path, "no captured table has this name (schema.table, as it is written in the catalog)")
			continue
		case f.version < rowFiltersSince:
			problems.Errorf(path, "PostgreSQL %d has no row filters: they came with 15", f.version/10000)
			continue
		case c.AutoCreate != autoCreateFiltered:
			problems.Errorf(path, "filters are kept up with publication.autocreate.mode=filtered only: it is %s", c.AutoCreate)
			continue
		case f.publication != nil && f.publication.allTables:
			problems.Errorf(path, "publication %s is of all tables, which takes no filters: drop it, and it is made anew", c.Publication)
			continue
		case f.publication != nil && (!f.publication.owned || !f.tables[i].owned):
			problems.Errorf(path, "publication %s or the table belongs to another role, so the filter cannot be set: let the owner run ALTER PUBLICATION, and leave this key out", c.Publication)
			continue
		}
		what, err := f.tables[i].filterProblem(ctx, conn, c.RowFilters[name])
		if err != nil {
			return err
		}
		if what != "" {
			problems.Errorf(path, "%s", what)
		}
	}
	return nil
}

// filterProblem has the filter parsed over the whole row, and over what the replica identity has of it: an update or delete must be judged by that.
func (t *table) filterProblem(ctx context.Context, conn *pgx.Conn, expression string) (string, error) {
	alias := pgx.Identifier{t.name}.Sanitize()
	refused, err := parses(ctx, conn, "SELECT FROM "+t.source()+" AS "+alias+where(expression))
	if refused != "" || err != nil {
		return "PostgreSQL does not take it: " + refused, err
	}
	if t.identity == pgoutput.IdentityFull || len(t.indexed) == 0 { // the second is said of the table
		return "", nil
	}
	columns := make([]string, len(t.indexed))
	for i, name := range t.indexed {
		columns[i] = pgx.Identifier{name}.Sanitize()
	}
	refused, err = parses(ctx, conn, "SELECT FROM (SELECT "+strings.Join(columns, ", ")+" FROM "+t.source()+") AS "+alias+where(expression))
	if refused == "" || err != nil {
		return "", err
	}
	return fmt.Sprintf("it uses what the replica identity has not (%s), and PostgreSQL would refuse updates and deletes of the table: run ALTER TABLE %s REPLICA IDENTITY FULL, or filter by %s",
		refused, t.quoted(), strings.Join(t.indexed, ", ")), nil
}

// parses has PostgreSQL look at one statement without running it, and gives its objection.
func parses(ctx context.Context, conn *pgx.Conn, sql string) (objection string, err error) {
	_, err = conn.PgConn().Prepare(ctx, "", sql, nil)
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && !conn.IsClosed() {
		return refused.Message, nil
	}
	if err != nil {
		return "", postgres.Explain(fmt.Errorf("have a row filter parsed: %w", err))
	}
	return "", nil
}

// refilter sets the filters of tables that are published already, where they are others. Only PostgreSQL can compare two expressions: it keeps them in
// its own writing, so that the new one is set and compared, and undone if it is the same.
func (f *facts) refilter(ctx context.Context, conn *pgx.Conn, c Config) error {
	if f.publication == nil || f.standby {
		return nil
	}
	for name, expression := range c.RowFilters {
		i := slices.IndexFunc(f.publication.tables, func(t tableName) bool { return t.String() == name })
		if i < 0 {
			continue // it was just added, with its filter
		}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return setFilter(ctx, tx, c.Publication, f.publication.tables[i], expression) })
		if err != nil && !errors.Is(err, errSameFilter) {
			return postgres.Explain(fmt.Errorf("set the row filter of %s: %w", name, err))
		}
	}
	return nil
}

// errSameFilter undoes a change that is none.
var errSameFilter = errors.New("the filter is the same")

const publishedQuery = `SELECT coalesce(pg_get_expr(r.prqual, r.prrelid), ''), coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
	WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])), '{}') FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
	WHERE p.pubname = $1 AND r.prrelid = $2::text::regclass`

func setFilter(ctx context.Context, tx pgx.Tx, publication string, t tableName, expression string) error {
	var before, after string
	var columns, ignored []string
	if err := tx.QueryRow(ctx, publishedQuery, publication, t.quoted()).Scan(&before, &columns); err != nil {
		return err
	}
	list := ""
	if len(columns) > 0 {
		for i := range columns {
			columns[i] = pgx.Identifier{columns[i]}.Sanitize()
		}
		list = " (" + strings.Join(columns, ", ") + ")"
	}
	for _, sql := range []string{
		"ALTER PUBLICATION " + publication + " DROP TABLE ONLY " + t.quoted(),
		"ALTER PUBLICATION " + publication + " ADD TABLE ONLY " + t.quoted() + list + where(expression),
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := tx.QueryRow(ctx, publishedQuery, publication, t.quoted()).Scan(&after, &ignored); err != nil {
		return err
	}
	if before == after {
		return errSameFilter
	}
	return nil
}

func names(tables []tableName) string {
	out := make([]string, len(tables))
	for i, t := range tables {
		out[i] = t.quoted()
	}
	return strings.Join(out, ", ")
}
