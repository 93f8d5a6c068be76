package change

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Via says how the poller came to read a page.
type Via string

// The ways.
const (
	ViaPoll    Via = "poll"
	ViaWebhook Via = "webhook"
	ViaSweep   Via = "sweep"
)

// PageEvent is one observed state of a Notion page, the record of the notion.* topics. It has Debezium's envelope: op r in
// the first sweep, u otherwise, d only for a page that was read as trashed. Key: {"page_id":…}.
type PageEvent struct {
	Op     Op
	Page   Page
	Source PageSource
	At     time.Time // when it was written
}

// Page is a page as Notion gave it.
type Page struct {
	ID         string                     `json:"page_id"`
	Parent     json.RawMessage            `json:"parent"` // as Notion gives it
	InTrash    bool                       `json:"in_trash"`
	Properties map[string]json.RawMessage `json:"properties"` // by property id, each the property object as Notion gives it
}

// PageSource tells of the reading.
type PageSource struct {
	Version      string
	Name         string // topic.prefix
	Entity       string
	DataSource   string    // id of the data source that was queried
	Edited       time.Time // last_edited_time, which Notion cuts to the minute: the edit lies in [Edited, Edited+1m)
	ReadFrom     time.Time // our clock before the request
	ReadTo       time.Time // our clock after the answer
	Seq          int64     // the link's seq from before the read; 0: no link yet
	Via          Via
	Created      time.Time            // created_time, cut to the minute
	CreatedBy    string               // user id
	LastEditedBy string               // user id; a hint only, bots and people share it
	Authors      []string             // user ids that webhooks named since the last event
	External     string               // text of the external id property
	Hash         string               // content hash of the mapped properties
	Hints        map[string]time.Time // property id → time of the newest webhook that named it
}

type wirePageEvent struct {
	Before      *Page          `json:"before"`
	After       *Page          `json:"after"`
	Source      wirePageSource `json:"source"`
	Transaction *Transaction   `json:"transaction"`
	Op          Op             `json:"op"`
	Millis      int64          `json:"ts_ms"`
	Micros      int64          `json:"ts_us"`
	Nanos       int64          `json:"ts_ns"`
}

type wirePageSource struct {
	Version      string               `json:"version"`
	Connector    string               `json:"connector"`
	Name         string               `json:"name"`
	Millis       int64                `json:"ts_ms"`
	Snapshot     SnapshotMark         `json:"snapshot"`
	Micros       int64                `json:"ts_us"`
	Nanos        int64                `json:"ts_ns"`
	Entity       string               `json:"entity"`
	DataSource   string               `json:"data_source"`
	Edited       time.Time            `json:"edited"`
	ReadFrom     time.Time            `json:"read_from"`
	ReadTo       time.Time            `json:"read_to"`
	Seq          int64                `json:"seq"`
	Via          Via                  `json:"via"`
	Created      *time.Time           `json:"created"`
	CreatedBy    string               `json:"created_by"`
	LastEditedBy string               `json:"last_edited_by"`
	Authors      []string             `json:"authors"`
	External     string               `json:"external_id"`
	Hash         string               `json:"content_hash"`
	Hints        map[string]time.Time `json:"hints,omitempty"`
}

// Key gives the record's key, which is also the key of its d.
func (e *PageEvent) Key() []byte {
	return append(appendString([]byte(`{"page_id":`), e.Page.ID), '}')
}

// Encode writes the record's value after checking e.
func (e *PageEvent) Encode() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("encode page event: %w", err)
	}
	s := &e.Source
	wire := wirePageEvent{
		Op: e.Op, Millis: e.At.UnixMilli(), Micros: e.At.UnixMicro(), Nanos: e.At.UnixNano(),
		Source: wirePageSource{
			Version: s.Version, Connector: "notion", Name: s.Name, Snapshot: NoSnapshot,
			Millis: s.Edited.UnixMilli(), Micros: s.Edited.UnixMicro(), Nanos: s.Edited.UnixNano(),
			Entity: s.Entity, DataSource: s.DataSource, Edited: s.Edited.UTC(), ReadFrom: s.ReadFrom.UTC(), ReadTo: s.ReadTo.UTC(),
			Seq: s.Seq, Via: s.Via, CreatedBy: s.CreatedBy, LastEditedBy: s.LastEditedBy, Authors: s.Authors,
			External: s.External, Hash: s.Hash, Hints: s.Hints,
		},
	}
	if !s.Created.IsZero() {
		created := s.Created.UTC()
		wire.Source.Created = &created
	}
	page := e.Page
	if wire.After = &page; e.Op == Delete {
		wire.Before, wire.After = &page, nil
	}
	if e.Op == Read {
		wire.Source.Snapshot = SnapshotRow
	}
	value, err := json.Marshal(wire)
	if err != nil {
		return nil, fmt.Errorf("encode page event: %w", err)
	}
	return value, nil
}

// DecodePage reads a record of a notion.* topic, JSON with or without schemas, and checks it.
func DecodePage(value []byte) (*PageEvent, error) {
	value = bytes.Clone(unwrap(value)) // what is raw in it is kept
	var wire wirePageEvent
	if !wire.plain(value) {
		wire = wirePageEvent{}
		if err := json.Unmarshal(value, &wire); err != nil {
			return nil, fmt.Errorf("decode page event: %w", err)
		}
	}
	if wire.Op == "" {
		return nil, fmt.Errorf("decode page event: %w", ErrNotEnvelope)
	}
	if wire.Source.Connector != "notion" {
		return nil, fmt.Errorf("decode page event: source.connector is %q, want notion", wire.Source.Connector)
	}
	page := wire.After
	if wire.Op == Delete {
		page = wire.Before
	}
	if page == nil {
		return nil, fmt.Errorf("decode page event: operation %q without its page", wire.Op)
	}
	s := &wire.Source
	e := &PageEvent{Op: wire.Op, Page: *page, At: time.Unix(0, wire.Nanos).UTC(), Source: PageSource{
		Version: s.Version, Name: s.Name, Entity: s.Entity, DataSource: s.DataSource, Edited: s.Edited, ReadFrom: s.ReadFrom,
		ReadTo: s.ReadTo, Seq: s.Seq, Via: s.Via, CreatedBy: s.CreatedBy, LastEditedBy: s.LastEditedBy, Authors: s.Authors,
		External: s.External, Hash: s.Hash, Hints: s.Hints,
	}}
	if s.Created != nil {
		e.Source.Created = *s.Created
	}
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("decode page event: %w", err)
	}
	return e, nil
}

// Validate reports everything that makes e unfit to be written or acted on.
func (e *PageEvent) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	s := &e.Source
	check(e.Op == Read || e.Op == Update || e.Op == Delete, "operation %q, want r, u or d", e.Op)
	check((e.Op == Delete) == e.Page.InTrash, "operation %q with in_trash=%t: only a page read as trashed is a d", e.Op, e.Page.InTrash)
	check(e.Page.ID != "", "no page_id")
	check(ValidJSON(e.Page.Parent), "parent is not JSON")
	for _, id := range slices.Sorted(maps.Keys(e.Page.Properties)) {
		check(ValidJSON(e.Page.Properties[id]), "property %q is not JSON", id)
	}
	check(s.Name != "", "no source.name")
	check(s.Via == ViaPoll || s.Via == ViaWebhook || s.Via == ViaSweep, "via %q, want poll, webhook or sweep", s.Via)
	check(s.Seq >= 0, "seq %d is negative", s.Seq)
	check(!s.Edited.IsZero() && s.Edited.Equal(s.Edited.Truncate(time.Minute)), "edited %s is not a whole minute", s.Edited)
	check(!s.ReadFrom.IsZero() && !s.ReadTo.Before(s.ReadFrom), "read from %s to %s", s.ReadFrom, s.ReadTo)
	return errors.Join(problems...)
}
