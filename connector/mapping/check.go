package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Check compares the entity with the real database and reports everything at once: tables, columns, types, privileges, replica
// identities, row security, triggers, what inserts would miss, what will not come back as it went. It only reads. db is a pool or
// connection of the role that the connectors will use, not a transaction: a statement that fails must not end the others.
func (e *Entity) Check(ctx context.Context, db Querier) Diagnostics {
	c := &checker{entity: e, ctx: ctx, db: db, catalogs: map[string]Catalog{}}
	cat, err := e.LoadCatalog(ctx, db)
	if err != nil {
		c.ds.errorf("crm", "", "the database cannot be asked: %v", err)
		return c.ds.under(e.Name)
	}
	c.cat = cat
	c.tables()
	c.columns()
	if root, ok := cat[e.root.String()]; ok {
		c.root(root)
		c.inserts(root)
		c.where()
	}
	for i, f := range e.Fields {
		c.field(fmt.Sprintf("fields[%d]", i), f)
	}
	c.custom()
	for _, t := range e.tables {
		c.identity(t)
	}
	return c.ds.under(e.Name)
}

type checker struct {
	entity   *Entity
	ctx      context.Context
	db       Querier
	cat      Catalog
	catalogs map[string]Catalog // of other entities
	ds       Diagnostics
}

// worse is an error where the CRM is written, else a warning: it will be one.
func (c *checker) worse(path, detail, summary string, args ...any) {
	if c.entity.WriteCRM {
		c.ds.errorf(path, detail, summary, args...)
		return
	}
	c.ds.warnf(path, detail, summary+" (will matter when the CRM is written)", args...)
}

// one asks for one row; false with a diagnostic if that fails, false without if there is none.
func (c *checker) one(path, sql string, args []any, dest ...any) bool {
	rows, err := c.db.Query(c.ctx, sql, args...)
	if err != nil {
		c.ds.errorf(path, "", "the database cannot be asked: %v", err)
		return false
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			c.ds.errorf(path, "", "the database cannot be asked: %v", err)
		}
		return false
	}
	if err := rows.Scan(dest...); err != nil {
		c.ds.errorf(path, "", "the database cannot be asked: %v", err)
		return false
	}
	return true
}

func (c *checker) tables() {
	for _, t := range c.entity.allTables() {
		info, ok := c.cat[t.String()]
		path := c.pathOf(t.String(), "")
		if !ok {
			c.ds.errorf(path, "or the role may not use its schema: GRANT USAGE ON SCHEMA "+Quote(t.schema)+" TO …", "there is no table %s", t)
			continue
		}
		speaks := slices.ContainsFunc(c.entity.tables, func(own Table) bool { return own.String() == t.String() })
		if speaks && info.Kind != "r" && info.Kind != "p" {
			c.ds.errorf(path, "logical replication publishes tables only", "%s is no table", t)
		}
	}
}

// columns checks each column of the allow-list: there, readable, and writable where it is written.
func (c *checker) columns() {
	inserts, updates := map[Place]bool{}, map[Place]bool{}
	needed, _ := c.entity.Writing().Access()
	for _, t := range needed {
		for _, name := range t.Insert {
			inserts[Place{t.String(), name}] = true
		}
		for _, name := range t.Update {
			updates[Place{t.String(), name}] = true
		}
	}
	for _, col := range c.entity.allowed {
		table := tableName{col.Schema, col.Table}
		info, ok := c.cat[table.String()]
		if !ok {
			continue
		}
		path := c.pathOf(table.String(), col.Name)
		found, ok := info.Columns[col.Name]
		if !ok {
			c.ds.errorf(path, didYouMean(col.Name, sortedKeys(info.Columns)), "the table %s has no column %q", table, col.Name)
			continue
		}
		if !found.CanSelect {
			c.ds.errorf(path, fmt.Sprintf("GRANT SELECT (%s) ON %s TO …", Quote(col.Name), table.SQL()), "the role may not read %s.%s", table, col.Name)
		}
		if !col.Write || slices.Contains(c.entity.Document.CRM.Key, col.Name) && table == c.entity.root && c.entity.Document.CRM.NewKey == defaultKey {
			continue
		}
		if found.Generated {
			c.worse(path, `set "direction": "to_notion"`, "%s.%s is generated and cannot be written", table, col.Name)
			continue
		}
		place, grants := Place{table.String(), col.Name}, []string{}
		if inserts[place] && !found.CanInsert {
			grants = append(grants, "INSERT ("+Quote(col.Name)+")")
		}
		if updates[place] && !found.CanUpdate {
			grants = append(grants, "UPDATE ("+Quote(col.Name)+")")
		}
		if len(grants) > 0 {
			c.worse(path, fmt.Sprintf("GRANT %s ON %s TO …", strings.Join(grants, ", "), table.SQL()), "the role may not write %s.%s", table, col.Name)
		}
	}
}

// pathOf finds where the document names a table, or a column of it.
func (c *checker) pathOf(table, column string) string {
	e := c.entity
	d := e.Document
	for i, f := range e.Fields {
		for _, p := range f.Places(e.root.String()) {
			if p.Table == table && (p.Column == column || column == "" && table != e.root.String()) {
				return fmt.Sprintf("fields[%d]", i)
			}
		}
	}
	switch {
	case table == e.root.String() && column == "":
		return "crm.table"
	case table != e.root.String():
		if d.Custom != nil && d.Custom.Rows != nil {
			if t, err := parseTable(d.Custom.Rows.Table); err == nil && t.String() == table {
				return "custom.rows"
			}
		}
		for i, f := range e.Fields {
			if f.rule.Lookup != nil || f.rule.Relation != nil && f.rule.Relation.Join != nil {
				return fmt.Sprintf("fields[%d]", i)
			}
		}
		return "fields"
	case slices.Contains(d.CRM.Key, column):
		return "crm.key"
	case d.CRM.SoftDelete == column:
		return "crm.soft_delete"
	case d.Custom != nil && d.Custom.Column == column:
		return "custom.column"
	}
	if _, ok := d.CRM.Set[column]; ok {
		return "crm.set." + column
	}
	return "crm.set_on_insert." + column
}

func (c *checker) root(root TableInfo) {
	crm := c.entity.Document.CRM
	unique := false
	for _, columns := range root.Constraints {
		if len(columns) == len(crm.Key) && !slices.ContainsFunc(crm.Key, func(k string) bool { return !slices.Contains(columns, k) }) {
			unique = true
		}
	}
	if !unique {
		c.ds.errorf("crm.key", "", "%s is no unique key of %s", strings.Join(crm.Key, ", "), c.entity.root)
	}
	for _, k := range crm.Key {
		if col, ok := root.Columns[k]; ok && !keyTypes[col.Builtin()] && col.Kind != "e" {
			c.ds.errorf("crm.key", "", "a column of type %s cannot be a key here", col.Shown)
		}
	}
	if col, ok := root.Columns[crm.SoftDelete]; ok && col.Category != "B" && col.Category != "D" {
		c.ds.errorf("crm.soft_delete", "", "%s is a %s; want a timestamp or a boolean", col.Name, col.Shown)
	}
	for place, set := range map[string]map[string]Setting{"crm.set": crm.Set, "crm.set_on_insert": crm.SetOnInsert} {
		for _, name := range sortedKeys(set) {
			col, ok := root.Columns[name]
			if ok && set[name].Kind == SetNow && col.Category != "D" && col.Category != "N" {
				c.ds.errorf(join(place, name), "", "a column of type %s cannot hold the time", col.Shown)
			}
			if ok && set[name].Kind == SetIncrement && col.Category != "N" {
				c.ds.errorf(join(place, name), "", "a column of type %s cannot be incremented", col.Shown)
			}
		}
	}
	if c.entity.WriteCRM && c.entity.Document.Deletes.ToCRM == "delete" && crm.SoftDelete == "" && !root.CanDelete {
		c.ds.errorf("deletes.to_crm", "GRANT DELETE ON "+c.entity.root.SQL()+" TO …", "the role may not delete rows of %s", c.entity.root)
	}
}

var keyTypes = map[string]bool{
	"int2": true, "int4": true, "int8": true, "uuid": true, "text": true, "varchar": true, "bpchar": true, "numeric": true, "date": true, "oid": true, "name": true,
}

// inserts finds what a new row would lack.
func (c *checker) inserts(root TableInfo) {
	e := c.entity
	if !e.CreateRows {
		return
	}
	given := map[string]bool{}
	for name := range e.Document.CRM.Set {
		given[name] = true
	}
	for name := range e.Document.CRM.SetOnInsert {
		given[name] = true
	}
	c.newKey("crm.new_key", e.Document.CRM.NewKey, root, e.Document.CRM.Key[0])
	mapped := map[string]string{}
	for i, f := range e.Fields {
		for _, p := range f.Places(e.root.String()) {
			if p.Table == e.root.String() && f.ToCRM() {
				mapped[p.Column] = fmt.Sprintf("fields[%d]", i)
				given[p.Column] = f.Type == TypeCheckbox || f.rule.Empty != nil
			}
		}
	}
	for _, name := range sortedKeys(root.Columns) {
		col := root.Columns[name]
		if !col.NotNull || col.Default || col.Generated || given[name] || slices.Contains(e.Document.CRM.Key, name) {
			continue
		}
		if path := mapped[name]; path != "" {
			c.ds.warnf(path, "a page without it waits until somebody fills it in", "%s must have a value in the CRM", name)
			continue
		}
		c.worse("crm.set_on_insert", "map it, or give it a value in set_on_insert", "new rows would lack %s, which must have a value and has no default", name)
	}
}

// newKey checks how keys of new rows are made, and finds the sequence that Doctrine made for the column.
func (c *checker) newKey(path, how string, table TableInfo, column string) {
	col, ok := table.Columns[column]
	if !ok {
		return
	}
	name, sequence := strings.CutPrefix(how, "sequence:")
	switch {
	case sequence:
		t, _ := parseTable(name)
		var usable bool
		const sql = `SELECT pg_catalog.has_sequence_privilege(c.oid, 'USAGE') FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'S'`
		if !c.one(path, sql, []any{t.schema, t.name}, &usable) {
			c.worse(path, "", "there is no sequence %s", name)
		} else if !usable {
			c.worse(path, "GRANT USAGE ON SEQUENCE "+t.SQL()+" TO …", "the role may not use the sequence %s", name)
		}
	case how == defaultKey && !col.Default:
		detail := "give a sequence, uuid4, uuid7 or ulid"
		var found string
		const sql = `SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			JOIN pg_catalog.pg_class r ON r.oid = $1 WHERE c.relkind = 'S' AND c.relname = r.relname || '_' || $2 || '_seq'`
		if c.one(path, sql, []any{table.OID, column}, &found) {
			detail = fmt.Sprintf(`give "sequence:%s", which is there`, found)
		}
		c.worse(path, detail, "the column %s has no default that makes keys", column)
	case (how == "uuid4" || how == "uuid7") && col.Builtin() != "uuid" && col.Category != "S":
		c.worse(path, "", "a column of type %s holds no UUID", col.Shown)
	}
}

// where tries the condition on no rows.
func (c *checker) where() {
	w := strings.TrimSpace(c.entity.Document.CRM.Where)
	if w == "" {
		return
	}
	rows, err := c.db.Query(c.ctx, "SELECT coalesce(("+w+"), false) FROM "+c.entity.root.SQL()+" LIMIT 0")
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		c.ds.errorf("crm.where", pg.Hint, "PostgreSQL does not understand it: %s", pg.Message)
	} else if err != nil {
		c.ds.errorf("crm.where", "", "the database cannot be asked: %v", err)
	}
}
