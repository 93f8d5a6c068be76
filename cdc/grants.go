package cdc

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/config"
)

// Grants gives the statements by which an administrator lets role, which may replicate already, capture what c captures: rights to read exactly those tables, the replica identities that
// c asks for, and the publication, which only the tables' owner may make. c.Database is read, as any role that sees the tables. The statements can be run again.
func Grants(ctx context.Context, c Config, role string) (out []string, err error) {
	err = inspect(ctx, c, func(_ *pgx.Conn, got *facts, _ config.Problems) error {
		out, err = got.grants(c, role)
		return err
	})
	return out, err
}

func (f *facts) grants(c Config, role string) ([]string, error) {
	if len(f.tables) == 0 {
		return nil, fmt.Errorf("no table of database %s is captured: correct table.include.list (schema.table)", f.database)
	}
	to := pgx.Identifier{role}.Sanitize()
	var out, schemas []string
	for _, t := range f.tables {
		if !slices.Contains(schemas, t.schema) {
			schemas = append(schemas, t.schema)
			out = append(out, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", pgx.Identifier{t.schema}.Sanitize(), to))
		}
	}
	rules, _ := parseIdentityRules(c.IdentityRules) // looked at before
	for i := range f.tables {
		t := &f.tables[i]
		out = append(out, fmt.Sprintf("GRANT SELECT%s ON TABLE %s TO %s;", f.grantedColumns(c, t), t.quoted(), to))
		to := "FULL"
		if rule := wanted(rules, t); rule != nil {
			to = rule.sql()
		} else if len(t.blind) == 0 && (t.identity == pgoutput.IdentityFull || len(t.indexed) > 0) {
			continue
		}
		for _, name := range append([]string{t.quoted()}, t.blind...) {
			out = append(out, fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY %s;", name, to))
		}
	}
	return append(out, f.publicationGrants(c)...), nil
}

// grantedColumns are those that the connector reads of a table with a list of columns, as SQL; "" for the whole table. A filter's are among them: they are the identity's.
// A snapshot goes by ctid and xmin where it may: in parallel, and on after a crash.
func (f *facts) grantedColumns(c Config, t *table) string {
	if t.list.names == nil && (t.list.said || f.publication == nil || f.publication.lists[t.tableName] == nil) {
		return ""
	}
	return listSQL(append(slices.Clone(f.sent(c, t)), "ctid", "xmin"))
}

// publicationGrants make the publication hold the captured tables.
func (f *facts) publicationGrants(c Config) (out []string) {
	absent := f.absent()
	switch {
	case c.SnapshotMode == SnapshotInitialOnly:
		return nil
	case f.publication == nil:
		c.AutoCreate = autoCreateFiltered
		return []string{"-- The publication is its owner's to make: in the connector's file, publication.autocreate.mode=disabled and publication.name=" + c.Publication + ".",
			f.publicationOnce(c)}
	case f.publication.allTables:
		return nil
	case len(absent) > 0:
		out = append(out, "ALTER PUBLICATION "+c.Publication+" ADD TABLE "+f.quotedList(c, absent)+";")
	}
	for i := range f.tables {
		if t := &f.tables[i]; f.listDiffers(t) && slices.Contains(f.publication.tables, t.tableName) {
			out = append(out, f.resetSQL(c, t)...)
		}
	}
	return out
}

// publicationOnce makes it unless it is there: CREATE PUBLICATION knows no IF NOT EXISTS.
func (f *facts) publicationOnce(c Config) string {
	return "DO $publication$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = '" + c.Publication + "') THEN\n    " +
		f.createPublication(c) + ";\n  END IF;\nEND $publication$;"
}
