package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// verifyState is what is kept of a pass: when the last whole one began, and where one stands that has not ended.
type verifyState struct {
	SweepRequest
	Began  time.Time `json:"began,omitzero"`
	Entity int       `json:"entity,omitempty"`
}

// resume begins a pass, or goes on with one whose process died.
func (v *Verify) resume(ctx context.Context, name string) (*pass, error) {
	var state verifyState
	data, err := v.Ledger.Cursor(ctx, name)
	if err == nil && data != nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of %s: %w", name, err)
	}
	var asked SweepRequest
	if data, err = v.Ledger.Cursor(ctx, name+"/request"); err == nil && data != nil {
		err = json.Unmarshal(data, &asked)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was asked of %s: %w", name, err)
	}
	if asked.At.After(state.Began) || state.Began.IsZero() || state.Entity <= 0 || state.Entity >= len(v.Entities) || v.Worker.Now().Sub(state.Began) > resumeMax {
		return &pass{began: v.Worker.Now()}, nil
	}
	return &pass{began: state.Began, entity: state.Entity, kept: state.Entity}, nil
}

// resumeMax is how old a pass may be that is gone on with: what it found first is old by then.
const resumeMax = 24 * time.Hour

// keep remembers the entity that a pass has come to.
func (v *Verify) keep(ctx context.Context, name string, fence ledger.Fence) error {
	p := v.pass
	if p.entity == p.kept {
		return nil
	}
	var state verifyState
	data, err := v.Ledger.Cursor(ctx, name)
	if err == nil && data != nil {
		err = json.Unmarshal(data, &state)
	}
	if err != nil {
		return fmt.Errorf("read the state of %s: %w", name, err)
	}
	state.Began, state.Entity = p.began, p.entity
	if data, err = json.Marshal(state); err != nil {
		return err
	}
	p.kept = p.entity
	return v.Ledger.SaveCursor(ctx, name, fence, data)
}
