package cdc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// Which tables get a list of columns in the publication: publication.column.lists.
const (
	listsExplicit    = "explicit"
	listsFromOptions = "from.options"
)

// columnListsSince is the first PostgreSQL whose publications take columns, and whole schemas.
const columnListsSince = 150000

// field is a column of a captured table as the catalog has it now.
type field struct {
	name      string
	generated string // pg_attribute.attgenerated: "", s (stored) or v (virtual)
	readable  bool   // for our role
}

// columnList is what the configuration says of the columns that the server sends of a table.
type columnList struct {
	said  bool     // else whoever made the publication decides
	names []string // in the order of the table; nil: all
}

func (c *Config) defineColumnLists(s *config.Set) {
	config.Enum(s, &c.ListMode, config.Key{Name: "publication.column.lists", Default: listsExplicit, Group: "Capture",
		Doc: "Which tables are published with a list of columns (PostgreSQL 15), so that others never leave the server: explicit, those with a publication.column.list.SCHEMA.TABLE; " +
			"from.options, all of which column.include.list or column.exclude.list leaves something out. Keys and replica identities are always listed then."},
		listsExplicit, listsFromOptions)
	s.Prefix(&c.ColumnLists, config.Key{Name: "publication.column.list.", Group: "Capture",
		Doc: "publication.column.list.SCHEMA.TABLE: the columns of the table that PostgreSQL sends and snapshots read, with commas between them (PostgreSQL 15). Columns that are added to the table later are not sent."})
}

// loadFields reads the columns of the captured tables.
func (f *facts) loadFields(ctx context.Context, conn *pgx.Conn) error {
	at := make(map[uint32]int, len(f.tables))
	var ids []uint32
	for i := range f.tables {
		at[f.tables[i].oid], ids = i, append(ids, f.tables[i].oid)
		f.tables[i].fields = nil
	}
	rows, err := conn.Query(ctx, `SELECT attrelid, attname::text, attgenerated::text, has_column_privilege(attrelid, attnum, 'SELECT') FROM pg_attribute
		WHERE attrelid = ANY ($1) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum`, ids)
	if err != nil {
		return postgres.Explain(fmt.Errorf("read the columns of the tables: %w", err))
	}
	var oid uint32
	var one field
	_, err = pgx.ForEachRow(rows, []any{&oid, &one.name, &one.generated, &one.readable}, func() error {
		t := &f.tables[at[oid]]
		t.fields = append(t.fields, one)
		return nil
	})
	if err != nil {
		return postgres.Explain(fmt.Errorf("read the columns of the tables: %w", err))
	}
	return nil
}

// loadLists reads the lists and the filters that the publication has, and whether it sends generated columns.
func (p *publication) loadLists(ctx context.Context, conn *pgx.Conn, name string) error {
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_publication_namespace n JOIN pg_publication p ON p.oid = n.pnpubid WHERE p.pubname = $1)`, name).Scan(&p.schemas)
	if err != nil {
		return postgres.Explain(fmt.Errorf("look at the publication's schemas: %w", err))
	}
	rows, err := conn.Query(ctx, `SELECT n.nspname::text, c.relname::text, coalesce(pg_get_expr(r.prqual, r.prrelid), ''),
		(SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[]))
		FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE p.pubname = $1`, name)
	if err != nil {
		return postgres.Explain(fmt.Errorf("look at the publication's columns: %w", err))
	}
	p.lists, p.filters = map[tableName][]string{}, map[tableName]string{}
	var t tableName
	var names []string
	var filter string
	_, err = pgx.ForEachRow(rows, []any{&t.schema, &t.name, &filter, &names}, func() error {
		p.lists[t], p.filters[t] = slices.Clone(names), filter
		return nil
	})
	if err != nil {
		return postgres.Explain(fmt.Errorf("look at the publication's columns: %w", err))
	}
	return nil
}

// chooseLists finds out what the configuration wants of every table. What is wrong with it is not looked at here.
func (f *facts) chooseLists(c Config) error {
	rules, err := newColumnRules(&c.Columns)
	if err != nil {
		return err
	}
	for i := range f.tables {
		t := &f.tables[i]
		if text, ok := c.ColumnLists[t.String()]; ok {
			t.list = columnList{true, t.ordered(splitNames(text))}
		} else if c.ListMode == listsFromOptions && t.String() != c.SignalTable {
			t.list = columnList{true, f.listFromOptions(c, rules, t)}
		}
	}
	return nil
}

// listFromOptions are the columns that events have and those that PostgreSQL or the key needs; nil if that is all of them.
func (f *facts) listFromOptions(c Config, rules *columnRules, t *table) []string {
	var names []string
	left := false
	for _, one := range t.fields {
		switch {
		case !f.sends(c, one):
		case rules.writes(t.tableName, one.name) || slices.Contains(t.needed(), one.name):
			names = append(names, one.name)
		default:
			left = true
		}
	}
	if !left {
		return nil
	}
	return names
}

// needed are the columns without which PostgreSQL refuses updates, or records have no key.
func (t *table) needed() []string {
	all := slices.Concat(t.key, t.indexed)
	columns := t.row()
	for _, at := range t.keys.of(t.tableName, columns) {
		all = append(all, columns[at].Name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ordered gives names, each once, in the order of the table; those that it does not have come last.
func (t *table) ordered(names []string) []string {
	out := []string{}
	for _, one := range t.fields {
		if slices.Contains(names, one.name) {
			out = append(out, one.name)
		}
	}
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func splitNames(text string) (names []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// sent are the columns that the server sends once the configuration is carried out, and that snapshots read.
func (f *facts) sent(c Config, t *table) (names []string) {
	if t.list.said && t.list.names != nil {
		return t.list.names
	}
	if f.publication != nil && !t.list.said && f.publication.lists[t.tableName] != nil {
		return f.publication.lists[t.tableName]
	}
	for _, one := range t.fields {
		if f.sends(c, one) {
			names = append(names, one.name)
		}
	}
	return names
}

// captured finds a table by its name; one that is not captured has no columns.
func (f *facts) captured(name tableName) *table {
	if at := slices.IndexFunc(f.tables, func(t table) bool { return t.tableName == name }); at >= 0 {
		return &f.tables[at]
	}
	return &table{tableName: name}
}

// mayRead reports that our role may read all columns that are sent.
func (f *facts) mayRead(c Config, t *table) bool {
	sent := f.sent(c, t)
	return t.readable && !slices.ContainsFunc(t.fields, func(one field) bool { return !one.readable && slices.Contains(sent, one.name) })
}

// columnListProblems finds lists that cannot be, that PostgreSQL would answer by refusing updates of the table, or that we may not set.
func (f *facts) columnListProblems(c Config, problems *config.Problems) {
	for _, name := range slices.Sorted(maps.Keys(c.ColumnLists)) {
		if !slices.ContainsFunc(f.tables, func(t table) bool { return t.String() == name }) {
			problems.Errorf(listKey+name, "no captured table has this name (schema.table, as it is written in the catalog)")
		}
	}
	for i := range f.tables {
		t := &f.tables[i]
		_, explicit := c.ColumnLists[t.String()]
		path := "publication.column.lists"
		if explicit {
			path = listKey + t.String()
		}
		switch what := f.listProblem(c, t); {
		case !t.list.said:
			f.foreignListProblem(c, t, problems)
		case what == "":
		case explicit:
			problems.Errorf(path, "%s", what)
		default:
			problems.Errorf(path, "table %s: %s", t, what)
		}
	}
}

const listKey = "publication.column.list."

// listProblem says what keeps a wanted list from being set; "" if nothing does.
func (f *facts) listProblem(c Config, t *table) string {
	p := f.publication
	changes := p == nil || strings.ContainsAny(p.operations, "ud")
	if what := f.unlistable(t); what != "" {
		return what
	}
	if t.list.names != nil && changes {
		if t.identity == pgoutput.IdentityFull {
			return fmt.Sprintf("it has REPLICA IDENTITY FULL, under which PostgreSQL refuses updates and deletes of a table with a list of columns: run ALTER TABLE %s REPLICA IDENTITY DEFAULT, or publish all of its columns", t.quoted())
		}
		if lacking := without(t.needed(), t.list.names); len(lacking) > 0 {
			return fmt.Sprintf("it lacks %s, of the replica identity or the key, without which PostgreSQL refuses updates and deletes, or records have no key: add it", strings.Join(lacking, ", "))
		}
	}
	if !f.listDiffers(t) {
		return ""
	}
	sql := strings.Join(f.resetSQL(c, t), " ")
	switch {
	case t.list.names != nil && (p != nil && p.allTables || p == nil && c.AutoCreate == autoCreateAll):
		return "a publication of all tables takes no lists of columns: set publication.autocreate.mode=filtered, and drop publication " + c.Publication + " if it is there; it is made anew"
	case t.list.names != nil && p != nil && p.schemas:
		return fmt.Sprintf("publication %s holds whole schemas (TABLES IN SCHEMA), with which PostgreSQL takes no lists of columns: name its tables one by one", c.Publication)
	case c.AutoCreate == autoCreateNone:
		return "lists are kept up with publication.autocreate.mode=filtered only: it is " + autoCreateNone
	case p == nil || !slices.Contains(p.tables, t.tableName):
		return "" // it is made, or added, with the list, or that is found wanting elsewhere, with the statement
	case c.AutoCreate != autoCreateFiltered:
		return fmt.Sprintf("publication %s sends other columns, and publication.autocreate.mode is %s: let its owner run, in one transaction, %s", c.Publication, c.AutoCreate, sql)
	case f.standby:
		return fmt.Sprintf("publication %s sends other columns, which cannot be changed on a standby: run on the primary, in one transaction, %s", c.Publication, sql)
	case !p.owned || !t.owned:
		return fmt.Sprintf("publication %s sends other columns, and it or the table belongs to another role: let the owner run, in one transaction, %s", c.Publication, sql)
	}
	return ""
}

// unlistable names columns that no list can have.
func (f *facts) unlistable(t *table) string {
	if t.list.names == nil {
		return ""
	}
	if f.version < columnListsSince {
		return fmt.Sprintf("PostgreSQL %d has no lists of columns: they came with 15", f.version/10000)
	}
	if len(t.list.names) == 0 {
		return "it names no column"
	}
	var unknown, generated []string
	for _, name := range t.list.names {
		at := slices.IndexFunc(t.fields, func(one field) bool { return one.name == name })
		switch {
		case at < 0:
			unknown = append(unknown, name)
		case t.fields[at].generated == "v" || t.fields[at].generated != "" && f.version < generatedSince:
			generated = append(generated, name)
		}
	}
	if len(unknown) > 0 {
		return fmt.Sprintf("the table has no column %s (as it is written in the catalog)", strings.Join(unknown, ", "))
	}
	if len(generated) > 0 {
		return fmt.Sprintf("%s is generated, and PostgreSQL sends no such column (from 18 on it sends stored ones): leave it out", strings.Join(generated, ", "))
	}
	return ""
}

// foreignListProblem is about a list that somebody else has set. PostgreSQL refuses what it refuses already.
func (f *facts) foreignListProblem(c Config, t *table, problems *config.Problems) {
	p := f.publication
	if p == nil || p.lists[t.tableName] == nil || !strings.ContainsAny(p.operations, "ud") {
		return
	}
	path := "publication " + c.Publication
	if t.identity == pgoutput.IdentityFull {
		problems.Warnf(path, "it has a list of columns for table %s, which has REPLICA IDENTITY FULL, so that PostgreSQL refuses updates and deletes of it: drop the list, or run ALTER TABLE %s REPLICA IDENTITY DEFAULT", t, t.quoted())
	} else if lacking := without(t.indexed, p.lists[t.tableName]); len(lacking) > 0 {
		problems.Warnf(path, "its columns of table %s lack %s, of the replica identity, so that PostgreSQL refuses updates and deletes of it: drop the table from the publication and add it with them", t, strings.Join(lacking, ", "))
	}
}

// listDiffers reports that the publication holds the table with other columns than the configuration wants.
func (f *facts) listDiffers(t *table) bool {
	if p := f.publication; p != nil && slices.Contains(p.tables, t.tableName) {
		return t.list.said && !slices.Equal(p.lists[t.tableName], t.list.names)
	}
	return t.list.said && t.list.names != nil
}

// resetSQL gives the statements by which a table is published as the configuration wants it, to be run in one transaction: no change is missed.
func (f *facts) resetSQL(c Config, t *table) []string {
	filter, filtered := c.RowFilters[t.String()]
	list := t.list.names
	if p := f.publication; p != nil {
		if !filtered {
			filter = p.filters[t.tableName]
		}
		if !t.list.said {
			list = p.lists[t.tableName]
		}
	}
	alter := "ALTER PUBLICATION " + c.Publication
	return []string{alter + " DROP TABLE ONLY " + t.quoted() + ";", alter + " ADD TABLE ONLY " + t.quoted() + listSQL(list) + where(filter) + ";"}
}

// listSQL is a list of columns behind a table's name; "" for all.
func listSQL(names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	return " (" + strings.Join(quoted, ", ") + ")"
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(some, name) })
}

// row is the columns as a row without values, of those that the stream can have.
func (t *table) row() change.Row {
	row := change.Row{}
	for _, one := range t.fields {
		if one.generated == "" {
			row = append(row, change.Column{Name: one.name})
		}
	}
	return row
}
