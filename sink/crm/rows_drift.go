package crm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// errRedefined is returned when a table was changed while it was being read or written: what was read may be of another column.
var errRedefined = errors.New("a table was changed in this moment")

// StoppedError is returned when the columns that carry a whole entity are not those that the mapping was put on. Nothing of the entity is read
// or written until somebody mends it.
type StoppedError struct{ Entity, Reason string }

// Error says what is wrong with which entity.
func (e *StoppedError) Error() string {
	return fmt.Sprintf("%s cannot go on: %s; run check for all that is wrong", e.Entity, e.Reason)
}

// draw makes a plan of the tables as they are: fields whose columns are not those that the mapping was put on are left out of it.
func (r *Rows) draw(ctx context.Context) (*plan, error) {
	// Before the catalog: a change that comes in between shows as another fingerprint afterwards.
	fingerprint, err := r.entity.Fingerprint(ctx, r.pool)
	if err != nil {
		return nil, translate("read the catalog", nil, err)
	}
	catalog, err := r.entity.LoadCatalog(ctx, r.pool)
	if err != nil {
		return nil, translate("read the catalog", nil, err)
	}
	var known ledger.DriftState
	if r.config.Memory != nil {
		if known, err = r.config.Memory.Drift(ctx, r.entity.Sync, r.entity.Name); err != nil {
			return nil, fmt.Errorf("recall the columns of %s: %w", r.entity.Name, err)
		}
	}
	drift := r.entity.Drift(catalog, known.Columns)
	if drift.Stopped != "" {
		drift.Parked = map[string]string{"": drift.Stopped}
		if err := r.remember(ctx, known, drift); err != nil {
			return nil, err
		}
		return nil, &StoppedError{r.entity.Name, drift.Stopped}
	}
	if err := r.remember(ctx, known, drift); err != nil {
		return nil, err
	}
	p := &plan{entity: r.entity.Without(drift.Parked), catalog: catalog, drawn: time.Now(), fingerprint: fingerprint, parked: drift.Parked, generations: r.entity.Generations(known.Columns)}
	p.root, p.table = r.entity.Root()
	for _, k := range r.entity.Document.CRM.Key {
		c, err := catalog.Find(p.table, k)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; run check for all that is wrong", r.entity.Name, err)
		}
		p.keys = append(p.keys, c)
	}
	if p.query, err = p.entity.ImageQuery(catalog); err != nil {
		return nil, fmt.Errorf("%s: %w; run check for all that is wrong", r.entity.Name, err)
	}
	return p, nil
}

// remember keeps the columns as they are known now, and tells of fields that are left out or go on. Those that go on are looked at in every
// record, on a new read: what was edited meanwhile on either side waits in them. Work comes first: dying in between makes it twice.
func (r *Rows) remember(ctx context.Context, known ledger.DriftState, drift mapping.Drift) error {
	memory := r.config.Memory
	if memory == nil {
		return nil
	}
	healed := known.Healed(ledger.CRM, drift.Parked)
	same := slices.Equal(known.Know(drift.Columns).Columns, known.Columns) && len(healed) == 0
	for field, reason := range drift.Parked {
		same = same && known.Parked(ledger.CRM)[field] == reason
	}
	if same {
		return nil
	}
	now := time.Now()
	if len(healed) > 0 {
		if err := sink.LookAtAll(ctx, memory, r.entity, now); err != nil {
			return err
		}
	}
	err := memory.ChangeDrift(ctx, r.entity.Sync, r.entity.Name, func(was ledger.DriftState) (ledger.DriftState, []ledger.Alert) {
		return was.Know(drift.Columns).Park(r.entity.Sync, r.entity.Name, ledger.CRM, drift.Parked, now, sink.StableID)
	})
	if err != nil {
		return fmt.Errorf("remember the columns of %s: %w", r.entity.Name, err)
	}
	return nil
}

// unchanged reports an error when the tables are not any more what the plan was made of. db sees what has committed by now.
func (p *plan) unchanged(ctx context.Context, db mapping.Querier) error {
	now, err := p.entity.Fingerprint(ctx, db)
	if err != nil {
		return translate("look at the tables again", nil, err)
	}
	if now != p.fingerprint {
		return errRedefined
	}
	return nil
}

// Drifted gives the fields that the CRM's tables leave out at present, with their reasons. It asks the database, and changes nothing.
func (r *Rows) Drifted(ctx context.Context) (mapping.Drift, error) {
	catalog, err := r.entity.LoadCatalog(ctx, r.pool)
	if err != nil {
		return mapping.Drift{}, translate("read the catalog", nil, err)
	}
	var known ledger.DriftState
	if r.config.Memory != nil {
		if known, err = r.config.Memory.Drift(ctx, r.entity.Sync, r.entity.Name); err != nil {
			return mapping.Drift{}, fmt.Errorf("recall the columns of %s: %w", r.entity.Name, err)
		}
	}
	return r.entity.Drift(catalog, known.Columns), nil
}

// Accept takes a field's columns as they are now, by a person's word: from now on they are those that are known. What was agreed on before counts
// for nothing, so that a value that one side lost is given back by the other, and two that differ are settled as at a first sync.
func (r *Rows) Accept(ctx context.Context, field string) error {
	if r.config.Memory == nil {
		return errors.New("there is no memory of columns")
	}
	catalog, err := r.entity.LoadCatalog(ctx, r.pool)
	if err != nil {
		return translate("read the catalog", nil, err)
	}
	changed := false
	err = r.config.Memory.ChangeDrift(ctx, r.entity.Sync, r.entity.Name, func(was ledger.DriftState) (ledger.DriftState, []ledger.Alert) {
		columns, did := r.entity.Accept(catalog, was.Columns, field)
		changed = did
		return ledger.DriftState{Fields: was.Fields, Columns: columns}, nil
	})
	if err != nil {
		return fmt.Errorf("accept the columns of %s: %w", field, err)
	}
	if !changed {
		return fmt.Errorf("%s of %s has no column that is another one now", field, r.entity.Name)
	}
	r.forgetPlan()
	return nil
}
