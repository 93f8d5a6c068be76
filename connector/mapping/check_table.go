package mapping

import (
	"fmt"
	"slices"
	"strings"
)

// identitySQL reads what a delete's event will say of the row: the columns of the replica identity. Candidates are the indexes that
// ALTER TABLE … REPLICA IDENTITY USING INDEX takes: unique, not partial, not deferrable, of columns that are never null.
const identitySQL = `SELECT c.relreplident::text, pg_catalog.row_security_active(c.oid), c.relpersistence::text,
  coalesce((SELECT pg_catalog.array_agg(a.attname::text) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END), '{}'),
  coalesce((SELECT pg_catalog.array_agg(x.relname::text || E'\t' || (SELECT pg_catalog.string_agg(a.attname::text, E'\t') FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum = ANY(i.indkey)) ORDER BY i.indnatts, x.relname)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY(i.indkey) AND NOT a.attnotnull)), '{}'),
  coalesce((SELECT pg_catalog.array_agg(t.tgname::text ORDER BY t.tgname) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'), '{}')
FROM pg_catalog.pg_class c WHERE c.oid = $1`

// identity checks that every change of the table says which root row it concerns, and what else acts on the table.
func (c *checker) identity(t Table) {
	info, ok := c.cat[t.String()]
	if !ok {
		return
	}
	path := c.pathOf(t.String(), "")
	var kind, persistence string
	var secured bool
	var identity, candidates, triggers []string
	if !c.one(path, identitySQL, []any{info.OID}, &kind, &secured, &persistence, &identity, &candidates, &triggers) {
		return
	}
	if secured {
		c.ds.errorf(path, "use a role with BYPASSRLS, or the table's owner without FORCE ROW LEVEL SECURITY", "row security hides rows of %s from the role", t)
	}
	if persistence != "p" {
		c.ds.errorf(path, "ALTER TABLE "+c.sql(t)+" SET LOGGED", "%s is not logged, so that its changes cannot be read", t)
	}
	if len(triggers) > 0 && c.entity.WriteCRM {
		c.ds.warnf(path, "what they change is read back and travels to Notion as the CRM's own change", "writes to %s run its triggers: %s", t, strings.Join(triggers, ", "))
	}
	if kind == "f" || !slices.ContainsFunc(t.RootKey, func(k string) bool { return !slices.Contains(identity, k) }) {
		return
	}
	advice := "ALTER TABLE " + c.sql(t) + " REPLICA IDENTITY " + betterIdentity(t, candidates) + ";"
	if len(identity) == 0 {
		c.ds.errorf(path, advice, "%s has no replica identity: once it is published, PostgreSQL refuses the CRM's own updates and deletes of it", t)
		return
	}
	summary := fmt.Sprintf("a deleted row of %s would not say which %s it belonged to: its replica identity lacks %s", t, c.entity.Name, strings.Join(t.RootKey, ", "))
	switch {
	case t.Role == RootTable:
		c.ds.errorf(path, advice, "%s", summary)
	case c.entity.Document.Deletes.Children == "sweep":
		c.ds.warnf(path, "such deletes are found by sweeps alone; at once with\n"+advice, "%s", summary)
	default:
		c.ds.errorf(path, advice+"\nor set \"deletes\": {\"children\": \"sweep\"}", "%s", summary)
	}
}

func (c *checker) sql(t Table) string { return tableName{t.Schema, t.Name}.SQL() }

// betterIdentity names the smallest index with the root's key in it, else FULL.
func betterIdentity(t Table, candidates []string) string {
	for _, candidate := range candidates {
		parts := strings.Split(candidate, "\t")
		if !slices.ContainsFunc(t.RootKey, func(k string) bool { return !slices.Contains(parts[1:], k) }) {
			return "USING INDEX " + Quote(parts[0])
		}
	}
	return "FULL"
}
