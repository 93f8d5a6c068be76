package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
)

// RowKeys lists the keys of an entity's rows in order.
type RowKeys interface {
	Keys(ctx context.Context, after string, max int) ([]string, error)
}

// SweepLedger is what a sweep of rows asks of the ledger.
type SweepLedger interface {
	Adder
	Keys(ctx context.Context, sync, entity, after string, max int) ([]string, error)
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
	Cursor(ctx context.Context, name string) (json.RawMessage, error)
	SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error
}

// RowSweep looks at all rows and all links by key. It only makes work: lost slots, expired topics and missed changes are healed by it.
// It runs at an interval, and when it was asked for with [RowSweep.Request].
type RowSweep struct {
	Sync     string
	Holder   string
	Entities []*mapping.Entity
	Rows     map[string]RowKeys // by entity
	Ledger   SweepLedger
	Interval time.Duration
	Now      func() time.Time
}

// Sweeps, with their reasons.
const (
	DefaultSweepInterval = 24 * time.Hour
	sweepPage            = 1000 // keys a step: one statement, some milliseconds
	sweepLead            = time.Minute
)

// sweepState is a sweep's position, kept in the ledger: the next process goes on where one died.
type sweepState struct {
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Running  bool      `json:"running"`
	Entity   int       `json:"entity"` // index of the entity that is being swept
	After    string    `json:"after"`  // the last key that was looked at
	Links    bool      `json:"links"`  // the entity's rows are done: its links are walked, for a row that is gone has only a link
}

// SweepRequest is what somebody asked for. It has a place of its own in the ledger: who asks need not be who sweeps.
type SweepRequest struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// RowSweepName is the name of a sync's row sweep in the ledger.
func RowSweepName(sync string) string { return "sweep/rows/" + sync }

func (s *RowSweep) name() string { return RowSweepName(s.Sync) }

// Request asks for a sweep.
func (s *RowSweep) Request(ctx context.Context, why string) error {
	return RequestSweep(ctx, s.Ledger, s.name(), s.Holder, s.Now(), why)
}

// RequestLedger is what it takes to ask for a sweep.
type RequestLedger interface {
	Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error)
	SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error
}

// RequestSweep asks whoever leads the sweep of that name for one.
func RequestSweep(ctx context.Context, l RequestLedger, name, holder string, now time.Time, why string) error {
	name += "/request"
	fence, ok, err := l.Lead(ctx, name, holder, now, time.Second)
	if err != nil {
		return fmt.Errorf("ask for a sweep: %w", err)
	}
	if !ok {
		return fmt.Errorf("ask for a sweep: somebody else is asking at this moment")
	}
	data, err := json.Marshal(SweepRequest{At: now, Why: why})
	if err != nil {
		return fmt.Errorf("ask for a sweep: %w", err)
	}
	if err := l.SaveCursor(ctx, name, fence, data); err != nil {
		return fmt.Errorf("ask for a sweep: %w", err)
	}
	_, _, err = l.Lead(ctx, name, holder, now, 0) // given back: who asks next, asks at once
	return err
}

// RunOnce does one step of a sweep that is due; it reports how many keys it looked at.
func (s *RowSweep) RunOnce(ctx context.Context) (int, error) {
	fence, ok, err := s.Ledger.Lead(ctx, s.name(), s.Holder, s.Now(), sweepLead)
	if err != nil || !ok {
		return 0, err
	}
	state, err := s.load(ctx)
	if err != nil {
		return 0, err
	}
	var request SweepRequest
	if err := s.read(ctx, s.name()+"/request", &request); err != nil {
		return 0, err
	}
	if !state.Running {
		switch {
		case state.Finished.IsZero() && request.At.IsZero():
			state.Started, state.Finished = s.Now(), s.Now() // the snapshot is the first sweep
			return 0, s.save(ctx, fence, state)
		case !request.At.After(state.Started) && s.Now().Sub(state.Finished) < s.Interval:
			return 0, nil
		}
		state = sweepState{Started: s.Now(), Running: true, Finished: state.Finished}
	}
	n, err := s.step(ctx, &state)
	if err != nil {
		return n, fmt.Errorf("sweep rows: %w", err)
	}
	return n, s.save(ctx, fence, state)
}

// step looks at the next keys: those of rows, then those of links. The two are walked one after the other, each in its own order: rows come as
// their key's type sorts, links as their keys' texts do, and merging them would go round for ever.
func (s *RowSweep) step(ctx context.Context, state *sweepState) (int, error) {
	if state.Entity >= len(s.Entities) {
		state.Running, state.Finished = false, s.Now()
		return 0, nil
	}
	e := s.Entities[state.Entity]
	keys, err := s.keys(ctx, e.Name, state)
	if err != nil {
		return 0, err
	}
	if len(keys) == 0 {
		if state.Links {
			state.Entity++
		}
		state.Links, state.After = !state.Links, ""
		return 0, nil
	}
	reasons := make([]ledger.Reason, len(keys))
	for i, key := range keys {
		reasons[i] = ledger.Reason{Sync: s.Sync, Entity: e.Name, Side: ledger.Notion, Key: key, Lane: ledger.LaneBackfill, Rank: e.Rank, Why: "sweep"}
	}
	if err := s.Ledger.Add(ctx, s.Now(), reasons); err != nil {
		return 0, err
	}
	state.After = keys[len(keys)-1]
	return len(keys), nil
}

func (s *RowSweep) keys(ctx context.Context, entity string, state *sweepState) ([]string, error) {
	if state.Links {
		return s.Ledger.Keys(ctx, s.Sync, entity, state.After, sweepPage)
	}
	return s.Rows[entity].Keys(ctx, state.After, sweepPage)
}

func (s *RowSweep) load(ctx context.Context) (sweepState, error) {
	var state sweepState
	return state, s.read(ctx, s.name(), &state)
}

func (s *RowSweep) read(ctx context.Context, name string, into any) error {
	data, err := s.Ledger.Cursor(ctx, name)
	if err != nil || data == nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the state of %s: %w", name, err)
	}
	return nil
}

func (s *RowSweep) save(ctx context.Context, fence ledger.Fence, state sweepState) error {
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write the sweep's state: %w", err)
	}
	return s.Ledger.SaveCursor(ctx, s.name(), fence, data)
}
