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
	c.defineColumnLists(s)
	c.definePublishing(s)
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

// republish sets the filters and the lists of columns of tables that are published already, where they are others. Only PostgreSQL can compare two expressions: it keeps them in
// its own writing, so that the new one is set and compared, and undone if it is the same.
func (f *facts) republish(ctx context.Context, conn *pgx.Conn, c Config) error {
	if f.publication == nil || f.standby {
		return nil
	}
	for i := range f.tables {
		t := &f.tables[i]
		_, filtered := c.RowFilters[t.String()]
		relist := f.listDiffers(t)
		if !slices.Contains(f.publication.tables, t.tableName) || !filtered && !relist {
			continue // else it was just added, with its filter and list
		}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return f.resetTable(ctx, tx, c, t, relist) })
		if err != nil && !errors.Is(err, errSameFilter) {
			return postgres.Explain(fmt.Errorf("set the row filter and the columns of %s: %w", t, err))
		}
	}
	return nil
}

// errSameFilter undoes a change that is none.
var errSameFilter = errors.New("the filter is the same")

// resetTable takes the table out of the publication and puts it in again, in one transaction: no change is missed, and each is sent as one of the two says.
func (f *facts) resetTable(ctx context.Context, tx pgx.Tx, c Config, t *table, relist bool) error {
	for _, sql := range f.resetSQL(c, t) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if relist {
		return nil
	}
	var after string
	err := tx.QueryRow(ctx, `SELECT coalesce(pg_get_expr(r.prqual, r.prrelid), '') FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
		WHERE p.pubname = $1 AND r.prrelid = $2`, c.Publication, t.oid).Scan(&after)
	if err == nil && after == f.publication.filters[t.tableName] {
		return errSameFilter
	}
	return err
}

func names(tables []tableName) string {
	out := make([]string, len(tables))
	for i, t := range tables {
		out[i] = t.quoted()
	}
	return strings.Join(out, ", ")
}
