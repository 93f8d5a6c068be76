package pgledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Drift gives what is kept of an entity's schemas.
func (s *Store) Drift(ctx context.Context, sync, entity string) (ledger.DriftState, error) {
	const find = `SELECT drift FROM tandem.entity WHERE sync = $1 AND entity = $2 AND drift IS NOT NULL`
	found, err := details[ledger.DriftState](ctx, s, "read what is known of the schemas of "+entity, find, sync, entity)
	if err != nil || len(found) == 0 {
		return ledger.DriftState{}, err
	}
	return found[0], nil
}

// ChangeDrift changes what is kept of an entity's schemas, under a lock on its row: two processes that see the same drift tell it once.
func (s *Store) ChangeDrift(ctx context.Context, sync, entity string, change func(ledger.DriftState) (ledger.DriftState, []ledger.Alert)) error {
	return s.change(ctx, "keep what is known of the schemas of "+entity, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO tandem.entity (sync, entity) VALUES ($1, $2) ON CONFLICT DO NOTHING`, sync, entity); err != nil {
			return err
		}
		var before ledger.DriftState
		var text []byte
		err := tx.QueryRow(ctx, `SELECT drift FROM tandem.entity WHERE sync = $1 AND entity = $2 FOR UPDATE`, sync, entity).Scan(&text)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if text != nil {
			if err := json.Unmarshal(text, &before); err != nil {
				return fmt.Errorf("read it: %w", err)
			}
		}
		after, alerts := change(before)
		if text, err = json.Marshal(after); err != nil {
			return fmt.Errorf("write it: %w", err)
		}
		if _, err = tx.Exec(ctx, `UPDATE tandem.entity SET drift = $3::json WHERE sync = $1 AND entity = $2`, sync, entity, string(text)); err != nil {
			return err
		}
		var batch pgx.Batch
		if err := queueAlerts(&batch, alerts); err != nil || batch.Len() == 0 {
			return err
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}
