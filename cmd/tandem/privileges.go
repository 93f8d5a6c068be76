package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink/crm"
)

// leastPrivilege refuses a role that may write more than the mappings need, unless the configuration names it.
func (a *app) leastPrivilege(ctx context.Context, pool *pgxpool.Pool, entities []*mapping.Entity, k *syncKeys) error {
	excess, err := crm.LookForExcess(ctx, pool, entities)
	if err != nil {
		return fmt.Errorf("look at what the role may do: %w", err)
	}
	switch {
	case len(excess.Reasons) == 0:
		return nil
	case k.AllowRole == excess.Role:
		a.log.WarnContext(ctx, "the role may do more than the mappings need, as the configuration allows", "role", excess.Role, "reasons", excess.Reasons)
		return nil
	}
	return excess
}

// privileges tells check's reader what the role may do beyond the mappings.
func (c *checkup) privileges(ctx context.Context, pool *pgxpool.Pool, entities []*mapping.Entity, k *syncKeys) {
	excess, err := crm.LookForExcess(ctx, pool, entities)
	if err != nil {
		c.add("warning", "role", "", "what the role may do cannot be found out: %v", err)
		return
	}
	severity := "error"
	if k.AllowRole == excess.Role {
		severity = "warning"
	}
	for _, reason := range excess.Reasons {
		c.add(severity, "role "+excess.Role, "tandem grants prints a role that may not; or allow.overprivileged.role="+excess.Role, "%s", reason)
	}
	if len(excess.Reasons) == 0 {
		c.add(isWell, "role "+excess.Role, "", "may do what the mappings need and no more; a forbidden write was tried and refused")
	}
}
