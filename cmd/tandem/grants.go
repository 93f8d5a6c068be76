package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/mapping"
)

type grantsOptions struct {
	*globalOptions
	Role        string
	CDCRole     string
	Publication string
	Columns     bool
	DSN         string
}

func newGrantsCommand(g *globalOptions) *cobra.Command {
	o := &grantsOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "grants FILE…",
		Short: "Print the SQL that gives roles just what the connectors need",
		Long: `Grants reads connector files and their mappings, and prints SQL for an administrator to review and to run with psql: a role that may read the mapped
columns, change those on the mappings' allow-lists, insert where creates are on, delete only where deletes are, and owns the ledger's schema; with
--cdc-role also a role that reads the replication stream, and the publication. It connects to nothing, unless --dsn names a database whose
catalogs tell what the files cannot: which sequences make keys, which words of a where are columns, which tables have REPLICA IDENTITY FULL.
For a cdc.PostgresSource that serves no mapping it prints that role alone (--dsn is needed: which tables are captured is in the catalogs).
What the roles had before on these tables is taken away first, so that the script can be run again when the mappings have changed.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return o.run(c.Context(), files) },
	}
	c.Flags().StringVar(&o.Role, "role", "crm_sync", "the role of the sinks and of the Notion source")
	c.Flags().StringVar(&o.CDCRole, "cdc-role", "", "the role of the cdc.PostgresSource; none: nothing about replication is printed")
	c.Flags().StringVar(&o.Publication, "publication", "", "the publication's name (default: publication.name of the files, or tandem)")
	c.Flags().BoolVar(&o.Columns, "column-lists", false, "publish the mapped columns alone (PostgreSQL 15 or newer); the first snapshot reads rows whole all the same")
	c.Flags().StringVar(&o.DSN, "dsn", "", "a database whose catalogs are read, as an administrator or any role that sees the tables")
	return c
}

func (o *grantsOptions) run(ctx context.Context, files []string) error {
	for flag, name := range map[string]string{"--role": o.Role, "--cdc-role": o.CDCRole, "--publication": o.Publication} {
		if strings.ContainsAny(name, "\x00\n") || len(name) > 63 || flag == "--role" && name == "" {
			return usagef("%s must be a name of 1 to 63 bytes on one line", flag)
		}
	}
	if o.CDCRole == o.Role {
		return usagef("--cdc-role must be another role than --role: who captures may replicate, which reads everything on the server, and who writes may not")
	}
	docs, problems := readDocuments(files)
	if err := problems.Err(); err != nil {
		return err
	}
	if !slices.ContainsFunc(docs, func(d document) bool { return d.Config["mapping.files"] != "" }) {
		return o.capture(ctx, docs)
	}
	entities, publication, err := grantable(docs)
	if err != nil {
		return err
	}
	s := &script{options: o, publication: cmp.Or(o.Publication, publication, "tandem")}
	var lists [][]mapping.Access
	for _, e := range entities {
		tables, sequences := e.Access()
		lists, s.sequences = append(lists, tables), append(s.sequences, sequences...)
	}
	s.tables = mapping.Merge(lists...)
	if o.DSN != "" {
		if err := s.look(ctx, entities); err != nil {
			return err
		}
	}
	slices.Sort(s.sequences)
	s.sequences = slices.Compact(s.sequences)
	s.write(entities)
	o.out.printf("%s", s.text.String())
	return nil
}

// grantable reads the mappings that the files name, each once, and the name of the publication.
func grantable(docs []document) (entities []*mapping.Entity, publication string, err error) {
	var names []string
	sync := ""
	for _, doc := range docs {
		for _, name := range splitList(doc.Config["mapping.files"]) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		sync, publication = cmp.Or(sync, doc.Config["sync"]), cmp.Or(publication, doc.Config["publication.name"])
	}
	entities, found := mappings(names, sync)
	return entities, publication, config.Problems(found).Err()
}

// script is the SQL as it grows.
type script struct {
	options     *grantsOptions
	publication string
	tables      []mapping.Access
	sequences   []string
	full        map[string]bool     // tables with REPLICA IDENTITY FULL
	identity    map[string][]string // columns of the replica identity
	looked      bool
	text        strings.Builder
}

// look asks the catalogs what the files do not tell.
func (s *script) look(ctx context.Context, entities []*mapping.Entity) error {
	conn, err := pgx.Connect(ctx, s.options.DSN)
	if err != nil {
		return unreachable("the database of --dsn", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	s.looked, s.full, s.identity = true, map[string]bool{}, map[string][]string{}
	for _, e := range entities {
		cat, err := e.LoadCatalog(ctx, conn)
		if err != nil {
			return err
		}
		mapping.Narrow(s.tables, cat)
	}
	for _, t := range s.tables {
		var full bool
		var serials, identity []string
		err := conn.QueryRow(ctx, serialSQL, t.Schema, t.Table, t.Insert).Scan(&full, &serials, &identity)
		if err != nil {
			return fmt.Errorf("look at table %s: %w", t, err)
		}
		s.full[t.String()], s.identity[t.String()] = full, identity
		s.sequences = append(s.sequences, serials...)
	}
	return nil
}

// serialSQL finds the replica identity, and the sequences that fill columns by default where rows are inserted: identity columns need no privilege.
const serialSQL = `SELECT c.relreplident = 'f',
  CASE WHEN pg_catalog.cardinality($3::text[]) = 0 THEN '{}'::text[] ELSE coalesce((SELECT pg_catalog.array_agg(pg_catalog.format('%I.%I', sn.nspname, sc.relname))
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    JOIN pg_catalog.pg_depend dep ON dep.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class sc ON sc.oid = dep.refobjid AND sc.relkind = 'S' JOIN pg_catalog.pg_namespace sn ON sn.oid = sc.relnamespace
    WHERE a.attrelid = c.oid AND a.attidentity = ''), '{}') END,
  coalesce((SELECT pg_catalog.array_agg(a.attname::text) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END), '{}')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`

func (s *script) line(format string, args ...any) { fmt.Fprintf(&s.text, format+"\n", args...) }

func (s *script) write(entities []*mapping.Entity) {
	o := s.options
	s.line("-- What Tandem needs in the CRM's database, for an administrator to review and to run:")
	s.line("--   psql -v ON_ERROR_STOP=1 -d … -f this.sql")
	s.line("-- Passwords are not in it: \\password %s", o.Role)
	for _, e := range entities {
		mode := "writes to the CRM are off: it is only read"
		if e.WriteCRM {
			mode = "writes to the CRM are on"
		}
		s.line("-- %s: %s", e.Name, mode)
	}
	s.line("\nBEGIN;\n")
	s.role(o.Role, "NOREPLICATION")
	s.line("\n-- The ledger. Doctrine does not see it with  schema_filter: ~^(?!tandem\\.)~")
	s.line("CREATE SCHEMA IF NOT EXISTS tandem AUTHORIZATION %s;", mapping.Quote(o.Role))
	s.schemas(o.Role)
	for _, t := range s.tables {
		s.table(t)
	}
	for _, name := range s.sequences {
		sql, _, err := mapping.QuoteTable(name)
		if err != nil {
			continue // check says so
		}
		s.line("\nGRANT USAGE ON SEQUENCE %s TO %s;", sql, mapping.Quote(o.Role))
	}
	s.warn(entities)
	if o.CDCRole != "" {
		s.replication()
	}
	s.line("\nCOMMIT;")
}

// role makes a role that has no rights of its own, unless it is there. It is not changed then: roles belong to the whole server.
func (s *script) role(name, replication string) {
	s.line(`DO $role$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %[1]s) THEN
    CREATE ROLE %[2]s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS %[3]s;
  END IF;
  EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %%I TO %%I', pg_catalog.current_database(), %[1]s);
END $role$;`, mapping.Literal(name), mapping.Quote(name), replication)
}

func (s *script) schemas(role string) {
	var seen []string
	for _, t := range s.tables {
		if !slices.Contains(seen, t.Schema) {
			seen = append(seen, t.Schema)
			s.line("GRANT USAGE ON SCHEMA %s TO %s;", mapping.Quote(t.Schema), mapping.Quote(role))
		}
	}
}

func (s *script) table(t mapping.Access) {
	role := mapping.Quote(s.options.Role)
	s.line("\nREVOKE ALL ON TABLE %s FROM %s;", t.SQL(), role)
	for _, p := range []struct {
		name    string
		columns []string
	}{{"SELECT", t.Select}, {"INSERT", t.Insert}, {"UPDATE", t.Update}} {
		if len(p.columns) > 0 {
			s.line("GRANT %s (%s) ON TABLE %s TO %s;", p.name, identifiers(p.columns), t.SQL(), role)
		}
	}
	if t.Delete {
		s.line("GRANT DELETE ON TABLE %s TO %s;", t.SQL(), role)
	}
}

// warn names what the files do not tell.
func (s *script) warn(entities []*mapping.Entity) {
	for _, e := range entities {
		root, _ := e.Root()
		if e.WriteCRM && e.Document.Deletes.ToCRM == "hold" && e.Document.CRM.SoftDelete == "" {
			s.line("\n-- Deletes of %s wait for a person. Only if approved ones are to be carried out:\n-- GRANT DELETE ON TABLE %s TO %s;", e.Name, root, mapping.Quote(s.options.Role))
		}
		if !s.looked && e.Document.CRM.Where != "" {
			s.line("\n-- crm.where of %s was read without its table (%s): with --dsn only its columns are granted.", e.Name, e.Document.CRM.Where)
		}
		if !s.looked && e.CreateRows && e.Document.CRM.NewKey == "default" {
			s.line("\n-- New rows of %s get their key by default. If a sequence makes it (serial, not identity), --dsn finds out which one.", e.Name)
		}
	}
}

// replication is for the role that reads the stream. Only a superuser may give REPLICATION, and only the tables' owner publishes them.
func (s *script) replication() {
	o := s.options
	s.line("\n-- The replication stream. In its connector: publication.autocreate.mode=disabled, publication.name=%s", s.publication)
	s.role(o.CDCRole, "REPLICATION")
	s.schemas(o.CDCRole)
	s.line("ALTER ROLE %s REPLICATION;", mapping.Quote(o.CDCRole))
	var published []string
	for _, t := range s.tables {
		columns := s.published(t)
		s.line("REVOKE ALL ON TABLE %s FROM %s;", t.SQL(), mapping.Quote(o.CDCRole))
		s.line("GRANT SELECT ON TABLE %s TO %s;", t.SQL(), mapping.Quote(o.CDCRole)) // a snapshot reads rows whole
		if columns == nil {
			published = append(published, "ONLY "+t.SQL())
			continue
		}
		published = append(published, fmt.Sprintf("ONLY %s (%s)", t.SQL(), identifiers(columns)))
	}
	s.line("DROP PUBLICATION IF EXISTS %s;", mapping.Quote(s.publication))
	s.line("CREATE PUBLICATION %s FOR TABLE\n  %s\n  WITH (publish_via_partition_root = true);", mapping.Quote(s.publication), strings.Join(published, ",\n  "))
}

// published are the columns of a table in the publication, nil for all. Where the whole row is the replica identity PostgreSQL wants all of them:
// else it would refuse the CRM's own updates (CREATE PUBLICATION, notes).
func (s *script) published(t mapping.Access) []string {
	if !s.options.Columns || s.full[t.String()] {
		return nil
	}
	columns := slices.Concat(t.Select, s.identity[t.String()])
	slices.Sort(columns)
	return slices.Compact(columns)
}

func identifiers(columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = mapping.Quote(c)
	}
	return strings.Join(out, ", ")
}
