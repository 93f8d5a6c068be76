package cdc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// publication is pg_publication's row of ours.
type publication struct {
	allTables, viaRoot bool
	generated          bool   // stored generated columns are sent (PostgreSQL 18)
	operations         string // those that are published, of c, u, d, t
	owned              bool
	schemas            bool // … of whole schemas, too
	tables             []tableName
	lists              map[tableName][]string // columns; none: all
	filters            map[tableName]string   // as PostgreSQL writes them
}

func loadPublication(ctx context.Context, conn *pgx.Conn, name string) (*publication, error) {
	var p publication
	var c, u, d, t bool
	err := conn.QueryRow(ctx, `SELECT puballtables, pubviaroot, pubinsert, pubupdate, pubdelete, pubtruncate, pg_has_role(pubowner, 'USAGE') FROM pg_publication WHERE pubname = $1`, name).
		Scan(&p.allTables, &p.viaRoot, &c, &u, &d, &t, &p.owned)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at the publication: %w", err))
	}
	for op, published := range map[string]bool{"c": c, "u": u, "d": d, "t": t} {
		if published {
			p.operations += op
		}
	}
	rows, err := conn.Query(ctx, `SELECT schemaname::text, tablename::text FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1, 2`, name)
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at the publication's tables: %w", err))
	}
	var one tableName
	_, err = pgx.ForEachRow(rows, []any{&one.schema, &one.name}, func() error { p.tables = append(p.tables, one); return nil })
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("look at the publication's tables: %w", err))
	}
	return &p, nil
}

// operationWords are publish's names of what publication.operations has.
var operationWords = map[string]string{"c": "insert", "u": "update", "d": "delete", "t": "truncate"}

// changed says what somebody altered since p was looked at, other than which tables it holds.
func (p *publication) changed(now *publication) (out []string) {
	if p == nil || now == nil {
		return nil // it is made anew, or all of its tables are absent
	}
	for _, op := range []string{"c", "u", "d", "t"} {
		if strings.Contains(p.operations, op) && !strings.Contains(now.operations, op) {
			out = append(out, fmt.Sprintf("the publication does not publish %s any more (its publish), so those changes are missing", operationWords[op]))
		}
	}
	if p.generated && !now.generated {
		out = append(out, "the publication does not publish generated columns any more (its publish_generated_columns)")
	}
	if p.viaRoot != now.viaRoot {
		out = append(out, fmt.Sprintf("the publication's publish_via_partition_root is %t now, so changes of partitions come under other names", now.viaRoot))
	}
	return out
}

// absent lists captured tables that the publication does not hold.
func (f *facts) absent() []tableName {
	var out []tableName
	for _, t := range f.tables {
		if f.publication == nil || !slices.Contains(f.publication.tables, t.tableName) {
			out = append(out, t.tableName)
		}
	}
	return out
}

func (f *facts) publicationProblems(c Config, problems *config.Problems) {
	path := "publication " + c.Publication
	absent := f.absent()
	p := f.publication
	if p == nil {
		f.createProblems(c, path, problems)
		return
	}
	if slices.ContainsFunc([]string{"c", "u", "d"}, func(op string) bool { return !strings.Contains(p.operations, op) && !slices.Contains(c.Skipped, op) }) {
		say := problems.Errorf
		if c.AutoCreate == autoCreateDisabled { // somebody else's, who may have meant it
			say = problems.Warnf
		}
		say(path, "it publishes only part of inserts, updates and deletes, and skipped.operations does not say that the others are not wanted: run ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate')", c.Publication)
	}
	if !p.viaRoot && c.ViaRoot && slices.ContainsFunc(f.tables, func(t table) bool { return t.partitioned }) {
		problems.Errorf(path, "it publishes partitions under their own names: run ALTER PUBLICATION %s SET (publish_via_partition_root = true), or set publish.via.partition.root=false", c.Publication)
	}
	if p.viaRoot && !c.ViaRoot && slices.ContainsFunc(f.tables, func(t table) bool { return t.partition }) {
		problems.Errorf(path, "it publishes partitions as their root, and publish.via.partition.root is false: run ALTER PUBLICATION %s SET (publish_via_partition_root = false)", c.Publication)
	}
	if slices.ContainsFunc(p.tables, func(t tableName) bool { return t.schema == ownSchema }) {
		problems.Warnf(path, "it holds the ledger's schema %s, which is never captured but sent all the same: publish the tables by name", ownSchema)
	}
	if len(absent) == 0 || p.allTables {
		return
	}
	if c.AutoCreate == autoCreateNone {
		problems.Warnf(path, "it lacks tables, whose changes do not come until somebody adds them (publication.autocreate.mode=no_tables): run ALTER PUBLICATION %s ADD TABLE %s", c.Publication, f.quotedList(c, absent))
		return
	}
	if f.standby {
		problems.Errorf(path, "it lacks tables, which cannot be added on a standby: run on the primary ALTER PUBLICATION %s ADD TABLE %s", c.Publication, f.quotedList(c, absent))
		return
	}
	if c.AutoCreate != autoCreateFiltered || !p.owned || slices.ContainsFunc(f.tables, func(t table) bool { return !t.owned && slices.Contains(absent, t.tableName) }) {
		problems.Errorf(path, "it lacks tables, and we may not add them: run ALTER PUBLICATION %s ADD TABLE %s", c.Publication, f.quotedList(c, absent))
	}
}

func (f *facts) createProblems(c Config, path string, problems *config.Problems) {
	create := f.createPublication(c)
	if f.standby {
		problems.Errorf(path, "it is missing, and cannot be made on a standby: run on the primary %s", create)
		return
	}
	if c.AutoCreate == autoCreateDisabled {
		problems.Errorf(path, "it is missing, and publication.autocreate.mode is disabled: run %s", create)
		return
	}
	if c.AutoCreate == autoCreateAll && !f.super {
		problems.Errorf(path, "it is missing, and only a superuser may publish all tables: let one run %s, or set publication.autocreate.mode=filtered", create)
		return
	}
	if c.AutoCreate == autoCreateNone && f.create {
		return
	}
	foreign := slices.ContainsFunc(f.tables, func(t table) bool { return !t.owned })
	if (!f.create || foreign) && len(f.tables) > 0 {
		problems.Errorf(path, "it is missing, and role %s may not make it (that takes CREATE on the database and ownership of the tables): let their owner run %s",
			f.user, create)
	}
}

// createPublication is the statement that makes it, by publication.autocreate.mode.
func (f *facts) createPublication(c Config) string {
	of := " FOR TABLE " + f.quotedList(c, f.absent())
	switch c.AutoCreate {
	case autoCreateAll:
		of = " FOR ALL TABLES"
	case autoCreateNone:
		of = ""
	}
	return "CREATE PUBLICATION " + c.Publication + of + c.publishing()
}

// quotedList says ONLY: without it, tables that inherit from these are published too, unasked for, and where they have no key of
// their own (keys are not inherited) PostgreSQL refuses their updates from then on. Partitions belong to their table all the same.
func (f *facts) quotedList(c Config, tables []tableName) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = "ONLY " + t.quoted() + listSQL(f.captured(t).list.names) + where(c.RowFilters[t.String()])
	}
	return strings.Join(names, ", ")
}

func where(expression string) string {
	if expression == "" {
		return ""
	}
	return " WHERE (" + expression + ")"
}

// publish makes the publication, or adds the tables that it lacks and gives it the row filters and lists of columns of the configuration. The caller has checked that it may.
func (f *facts) publish(ctx context.Context, conn *pgx.Conn, c Config) error {
	sql := ""
	absent := f.absent()
	switch p := f.publication; {
	case f.standby:
	case p == nil && c.AutoCreate != autoCreateDisabled:
		sql = f.createPublication(c)
	case p == nil || p.allTables || c.AutoCreate != autoCreateFiltered:
	case len(absent) > 0:
		sql = fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s", c.Publication, f.quotedList(c, absent))
	}
	if sql != "" {
		if _, err := conn.Exec(ctx, sql); err != nil {
			if gone := (*pgconn.PgError)(nil); errors.As(err, &gone) && (gone.Code == "42P01" || gone.Code == "3F000") {
				return &alteredError{fmt.Errorf("publish the captured tables: %w", err)} // dropped or renamed since we looked
			}
			return postgres.Explain(fmt.Errorf("publish the captured tables: %w", err))
		}
	}
	if f.publication == nil && sql != "" {
		f.publication = &publication{operations: "cudt", viaRoot: c.ViaRoot} // what the watch compares with
		return nil
	}
	if f.lacksGenerated(c) && !f.standby {
		if _, err := conn.Exec(ctx, "ALTER PUBLICATION "+c.Publication+" SET (publish_generated_columns = stored)"); err != nil {
			return postgres.Explain(fmt.Errorf("publish generated columns: %w", err))
		}
	}
	return f.republish(ctx, conn, c)
}
