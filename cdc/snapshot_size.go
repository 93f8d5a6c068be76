package cdc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/postgres"
)

// tableSize is what a table looks like on disk.
type tableSize struct {
	pages     int64  // of its largest partition: a range of pages is read in all partitions at once, as the rights on the root allow
	extent    int64  // of all partitions
	heap      bool   // all have pages that we may ask for: rights on single columns do not hold for ctid
	files     string // names them; another after a rewrite or TRUNCATE
	rewritten bool   // since the snapshot was taken
}

// pg_class is read as the snapshot shows it, pg_relation_filenode and pg_relation_size tell of now. Foreign tables among the partitions have no
// pages: their rows have a ctid of no page, and are read with the last range.
const sizesQuery = `
SELECT t.oid, coalesce(max(l.pages), 0)::int8, coalesce(sum(l.pages), 0)::int8, coalesce(bool_and(l.heap), true) AND has_column_privilege(t.oid, 'ctid', 'SELECT') AND has_column_privilege(t.oid, 'xmin', 'SELECT'),
       coalesce(string_agg(l.oid || ':' || l.filenode, ',' ORDER BY l.oid), ''), coalesce(bool_or(l.relfilenode <> l.filenode), false)
FROM unnest($1::oid[]) t(oid) LEFT JOIN LATERAL (
    SELECT c.oid, c.relkind <> 'r' OR m.amname = 'heap' AS heap, coalesce(pg_relation_filenode(c.oid), 0) AS filenode, c.relfilenode,
           CASE c.relkind WHEN 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::int8 ELSE 0 END AS pages
    FROM pg_class c LEFT JOIN pg_am m ON m.oid = c.relam
    WHERE c.oid = t.oid AND c.relkind = 'r' OR c.oid IN (
        SELECT relid FROM pg_partition_tree((SELECT oid FROM pg_class p WHERE p.oid = t.oid AND p.relkind = 'p')) WHERE isleaf)
) l ON true
GROUP BY t.oid`

func loadSizes(ctx context.Context, conn *pgx.Conn, tables []*table) (map[uint32]tableSize, error) {
	ids := make([]uint32, len(tables))
	for i := range tables {
		ids[i] = tables[i].oid
	}
	rows, err := conn.Query(ctx, sizesQuery, ids)
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("measure the tables: %w", err))
	}
	sizes := make(map[uint32]tableSize, len(tables))
	var oid uint32
	var s tableSize
	_, err = pgx.ForEachRow(rows, []any{&oid, &s.pages, &s.extent, &s.heap, &s.files, &s.rewritten}, func() error { sizes[oid] = s; return nil })
	if err != nil {
		return nil, postgres.Explain(fmt.Errorf("measure the tables: %w", err))
	}
	return sizes, nil
}

// shortHash tells texts apart.
func shortHash(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
