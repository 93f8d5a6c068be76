package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Adder turns reasons into work.
type Adder interface {
	Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error
}

// DefaultSettle is how long live work waits for the rest of what a person or a program is about to change.
const DefaultSettle = 200 * time.Millisecond

// RowChanges makes reasons of the records of table topics. Column values in them are for other consumers: what counts is which row
// changed, in which transaction, and when.
type RowChanges struct {
	Entities []*mapping.Entity
	Ledger   Adder
	Now      func() time.Time
	Settle   time.Duration
	// Truncated is called for a table that was emptied: no stream of deletes, but a reason to look at everything.
	Truncated func(ctx context.Context, entity *mapping.Entity) error
}

var _ kafka.Handler = (*RowChanges)(nil)

// Handle implements kafka.Handler: the batch's reasons are durable when it returns.
func (h *RowChanges) Handle(ctx context.Context, batch []kafka.Record) error {
	var reasons []ledger.Reason
	var rejects kafka.Rejects
	for _, record := range batch {
		made, err := h.reasons(ctx, record)
		var bad *badRecord
		switch {
		case errors.As(err, &bad):
			rejects = append(rejects, kafka.Reject{Record: record, Stage: bad.stage, Err: bad.err})
		case err != nil:
			return err
		}
		reasons = append(reasons, made...)
	}
	if len(reasons) > 0 {
		if err := h.Ledger.Add(ctx, h.Now(), reasons); err != nil {
			return fmt.Errorf("store reasons: %w", err)
		}
	}
	return rejects.OrNil()
}

// badRecord is a record of which no reason can be made; it goes to the dead letters.
type badRecord struct {
	stage kafka.Stage
	err   error
}

func (b *badRecord) Error() string { return b.err.Error() }

func (h *RowChanges) reasons(ctx context.Context, record kafka.Record) ([]ledger.Reason, error) {
	headers := make([]change.Header, len(record.Headers))
	for i, header := range record.Headers {
		headers[i] = change.Header(header)
	}
	e, err := change.Decode(record.Key, record.Value, headers)
	switch {
	case err != nil:
		return nil, &badRecord{kafka.StageValueConverter, err}
	case e.Tombstone || e.Op == change.Message:
		return nil, nil
	}
	table := e.Source.Schema + "." + e.Source.Table
	var reasons []ledger.Reason
	for _, entity := range h.Entities {
		for _, t := range entity.Tables() {
			if t.String() != table {
				continue
			}
			if e.Op == change.Truncate {
				if err := h.Truncated(ctx, entity); err != nil {
					return nil, fmt.Errorf("plan a sweep after a truncate: %w", err)
				}
				continue
			}
			reasons = append(reasons, h.entityReasons(entity, t, e)...)
		}
	}
	if len(reasons) == 0 && e.Op != change.Truncate && h.mapped(table) {
		return nil, &badRecord{kafka.StageKeyConverter, fmt.Errorf("neither its key nor its columns say which row of %s it is about; has the table a primary key or a replica identity?", table)}
	}
	return reasons, nil
}

func (h *RowChanges) mapped(table string) bool {
	for _, entity := range h.Entities {
		for _, t := range entity.Tables() {
			if t.String() == table {
				return true
			}
		}
	}
	return false
}

func (h *RowChanges) entityReasons(entity *mapping.Entity, t mapping.Table, e *change.Envelope) []ledger.Reason {
	root := t.Role == mapping.RootTable
	base := ledger.Reason{
		Sync: entity.Sync, Entity: entity.Name, Side: ledger.Notion, Lane: ledger.LaneLive, Rank: entity.Rank, Why: "cdc",
		Xid: uint32(e.Source.TxID), CommitAt: e.Source.Time, NotBefore: h.Now().Add(h.Settle),
	}
	if e.Op == change.Read {
		base.Lane, base.Why, base.Xid, base.CommitAt, base.NotBefore = ledger.LaneBackfill, "snapshot", 0, time.Time{}, time.Time{}
	}
	var reasons []ledger.Reason
	for _, key := range rootKeys(entity, t, e) {
		reason := base
		reason.Key = key
		reason.Deleted = root && e.Op == change.Delete && e.NewKey == nil
		if root && e.Op == change.Delete && e.NewKey != nil {
			reason.NewKey, reason.Why = keyOf(entity, t, e.NewKey), "rekey"
		}
		reasons = append(reasons, reason)
	}
	if root && e.OldKey != nil && len(reasons) > 0 {
		// Topics have no order between keys: whichever half of a key change comes first moves the link.
		moved := base
		moved.Key, moved.NewKey, moved.Why = keyOf(entity, t, e.OldKey), reasons[0].Key, "rekey"
		if moved.Key != "" {
			reasons = append([]ledger.Reason{moved}, reasons...)
		}
	}
	return reasons
}

// rootKeys are the root rows that a record speaks of: by its key, and by its old and new images, which differ when a child row moved.
func rootKeys(entity *mapping.Entity, t mapping.Table, e *change.Envelope) []string {
	var keys []string
	seen := map[string]bool{}
	for _, row := range []change.RawRow{e.After, e.Before, e.Key} {
		if row == nil {
			continue
		}
		for _, key := range entity.RootKeys(t.String(), textColumns(row)) {
			if !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func keyOf(entity *mapping.Entity, t mapping.Table, row change.RawRow) string {
	keys := entity.RootKeys(t.String(), textColumns(row))
	if len(keys) == 0 {
		return ""
	}
	return keys[0]
}

func textColumns(row change.RawRow) func(string) (change.Value, bool) {
	return func(name string) (change.Value, bool) {
		text, ok := row.Text(name)
		if !ok {
			return change.Value{}, false
		}
		return change.TextValue(text), true
	}
}

// PageChanges makes reasons of the records of notion.* topics. Each brings its observation along, for the sink that has no token.
type PageChanges struct {
	Entities []*mapping.Entity
	Ledger   Adder
	Now      func() time.Time
}

var _ kafka.Handler = (*PageChanges)(nil)

// Handle implements kafka.Handler.
func (h *PageChanges) Handle(ctx context.Context, batch []kafka.Record) error {
	var reasons []ledger.Reason
	var rejects kafka.Rejects
	for _, record := range batch {
		if record.Value == nil {
			continue
		}
		reason, err := h.reason(record)
		if err != nil {
			rejects = append(rejects, kafka.Reject{Record: record, Stage: kafka.StageValueConverter, Err: err})
			continue
		}
		if reason != nil {
			reasons = append(reasons, *reason)
		}
	}
	if len(reasons) > 0 {
		if err := h.Ledger.Add(ctx, h.Now(), reasons); err != nil {
			return fmt.Errorf("store reasons: %w", err)
		}
	}
	return rejects.OrNil()
}

func (h *PageChanges) reason(record kafka.Record) (*ledger.Reason, error) {
	e, err := change.DecodePage(record.Value)
	if err != nil {
		return nil, err
	}
	for _, entity := range h.Entities {
		if entity.Name != e.Source.Entity {
			continue
		}
		seen, err := ObservationOf(e)
		if err != nil {
			return nil, err
		}
		lane := ledger.LaneLive
		if e.Op == change.Read {
			lane = ledger.LaneBackfill
		}
		return &ledger.Reason{
			Sync: entity.Sync, Entity: entity.Name, Side: ledger.CRM, Page: strings.ToLower(e.Page.ID), Lane: lane, Rank: entity.Rank,
			Why: string(e.Source.Via), Seen: &seen,
		}, nil
	}
	return nil, nil // another sync's, on a shared topic
}

// ObservationOf gives the read of a page that an event tells of.
func ObservationOf(e *change.PageEvent) (ledger.Observation, error) {
	properties, err := change.Object(e.Page.Properties)
	if err != nil {
		return ledger.Observation{}, fmt.Errorf("keep the page's properties: %w", err)
	}
	var parent struct {
		DataSource string `json:"data_source_id"`
	}
	if err := json.Unmarshal(e.Page.Parent, &parent); err != nil {
		return ledger.Observation{}, fmt.Errorf("read the page's parent: %w", err)
	}
	s := e.Source
	return ledger.Observation{
		Seq: s.Seq, ReadFrom: s.ReadFrom, ReadTo: s.ReadTo, Edited: s.Edited, EditedBy: s.LastEditedBy, Created: s.Created, InTrash: e.Page.InTrash,
		Moved: !sameID(parent.DataSource, s.DataSource), Via: string(s.Via), External: s.External, Hash: s.Hash, Properties: properties, Hints: s.Hints,
	}, nil
}

func sameID(a, b string) bool {
	x, _ := notionapi.ObjectID(a)
	y, _ := notionapi.ObjectID(b)
	return x == y
}
