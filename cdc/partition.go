package cdc

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// partitionProblems names partitioned tables that table.include.list matches in vain: with publish.via.partition.root=false their changes come under the names of
// their partitions, of which none is captured.
func partitionProblems(ctx context.Context, conn *pgx.Conn, f filter, captured []table, problems *config.Problems) error {
	if !f.partitions {
		return nil
	}
	rows, err := conn.Query(ctx, `SELECT n.nspname::text, c.relname::text, (SELECT coalesce(array_agg(p.relid::oid), '{}') FROM pg_partition_tree(c.oid) p WHERE p.isleaf)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND NOT c.relispartition ORDER BY 1, 2`)
	if err != nil {
		return postgres.Explain(fmt.Errorf("read the catalog's partitions: %w", err))
	}
	var root tableName
	var leaves []uint32
	_, err = pgx.ForEachRow(rows, []any{&root.schema, &root.name, &leaves}, func() error {
		if f.includes(root) && !slices.ContainsFunc(captured, func(t table) bool { return slices.Contains(leaves, t.oid) }) {
			problems.Warnf("table "+root.String(), "it is partitioned, and with publish.via.partition.root=false its changes come under the names of its partitions, none of which is captured: "+
				"have table.include.list match those, or set publish.via.partition.root=true")
		}
		return nil
	})
	if err != nil {
		return postgres.Explain(fmt.Errorf("read the catalog's partitions: %w", err))
	}
	return nil
}
