package cdc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
)

// Offsets keeps one entry a connector, durably: a compacted topic in Kafka Connect's shape. The entry is a JSON object.
type Offsets interface {
	// Load gives the entry of a partition ({"server": prefix}), nil if there is none. Numbers are json.Number or int64.
	Load(ctx context.Context, partition map[string]any) (map[string]any, error)
	// Save returns when the entry is durable.
	Save(ctx context.Context, partition, offset map[string]any) error
}

// offset is where the stream stands, with the fields of Debezium's offset and, under tandem_, ours. Debezium could go on from
// it, and so could we from Debezium's, at the next transaction.
type offset struct {
	LSN               change.LSN   `json:"lsn"` // all three: the end of the last transaction that Kafka has whole
	LSNProc           change.LSN   `json:"lsn_proc"`
	LSNCommit         change.LSN   `json:"lsn_commit"`
	TxID              int64        `json:"txId,omitempty"`
	Micros            int64        `json:"ts_usec,omitempty"`  // of that transaction's commit
	Snapshot          any          `json:"snapshot,omitempty"` // "INITIAL" while a snapshot runs
	SnapshotCompleted bool         `json:"snapshot_completed"`
	Next              string       `json:"tandem_next,omitempty"`         // Position of the first event that Kafka may lack
	System            string       `json:"tandem_system,omitempty"`       // the cluster's system identifier
	SlotCreated       bool         `json:"tandem_slot_created,omitempty"` // the slot was made for the snapshot that runs
	Visible           *visibility  `json:"tandem_visible,omitempty"`
	Reading           reading      `json:"tandem_reading,omitempty"` // of the snapshot that runs
	Incremental       *incremental `json:"tandem_incremental,omitempty"`
	Timeline          int32        `json:"tandem_timeline,omitempty"` // of the server when it was stored; 0: not known
	Owner             string       `json:"tandem_owner,omitempty"`    // the process that wrote it, of those that write exactly once
}

const snapshotRunning = "INITIAL"

// running reports that a snapshot was begun and not finished. Old Debeziums have a boolean.
func (o *offset) running() bool {
	return o.Snapshot != nil && o.Snapshot != "" && o.Snapshot != false && !o.SnapshotCompleted
}

// underWay reports that a snapshot is running for which we know where the stream has to begin after it: rows of it may be in Kafka already, and
// what happened to them since must follow.
func (o *offset) underWay() bool { return o.running() && o.LSN != 0 && o.System != "" }

// next gives the first event that Kafka may lack. An offset of Debezium's has none: everything after its LSN.
func (o *offset) next() change.Position {
	if p, err := change.ParsePosition(o.Next); err == nil {
		return p
	}
	return change.Position{Commit: o.LSN}
}

// at moves o to a place in the stream.
func (o offset) at(p progress) offset {
	o.LSN, o.LSNProc, o.LSNCommit = p.lsn, p.lsn, p.lsn
	o.TxID, o.Next = p.txID, p.next.String()
	if !p.time.IsZero() {
		o.Micros = p.time.UnixMicro()
	}
	if p.incremental != nil {
		o.Incremental = p.incremental
	}
	if o.Visible != nil && p.lsn >= o.Visible.Until {
		o.Visible = nil
	}
	return o
}

// holds reports that o says all that p does.
func (o *offset) holds(p progress) bool {
	return p.next.String() == o.Next && (p.incremental == nil || p.incremental == o.Incremental)
}

func (o offset) encode() (map[string]any, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode offset: %w", err)
	}
	fields := map[string]any{}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return nil, fmt.Errorf("encode offset: %w", err)
	}
	return fields, nil
}

// decodeOffset gives nil for no entry.
func decodeOffset(fields map[string]any) (*offset, error) {
	if fields == nil {
		return nil, nil
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("read the stored offset: %w", err)
	}
	var o offset
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, fmt.Errorf("read the stored offset %s: %w; reset it to start with a new snapshot", data, err)
	}
	return &o, nil
}

// visibility is a snapshot of PostgreSQL's (pg_current_snapshot): the transactions whose changes a table read contained. It
// serves where the slot was there before the snapshot, so that the stream sends again what was read.
type visibility struct {
	XMin  uint64     `json:"xmin"`
	XMax  uint64     `json:"xmax"`
	Open  []uint64   `json:"open,omitempty"` // in progress, between the two
	Until change.LSN `json:"until"`          // WAL's end after the snapshot was taken: no visible transaction ends later
}

// parseVisibility reads "xmin:xmax:xip,xip". https://www.postgresql.org/docs/current/functions-info.html
func parseVisibility(text string, until change.LSN) (*visibility, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("read snapshot %q: want xmin:xmax:list", text)
	}
	v := &visibility{Until: until}
	var errMin, errMax error
	v.XMin, errMin = strconv.ParseUint(parts[0], 10, 64)
	v.XMax, errMax = strconv.ParseUint(parts[1], 10, 64)
	if errMin != nil || errMax != nil {
		return nil, fmt.Errorf("read snapshot %q: want xmin:xmax:list", text)
	}
	for id := range strings.SplitSeq(parts[2], ",") {
		if id == "" {
			continue
		}
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read snapshot %q: %w", text, err)
		}
		v.Open = append(v.Open, n)
	}
	return v, nil
}

// contains reports that the snapshot saw the transaction with the 32-bit id xid that committed at commit.
func (v *visibility) contains(xid int64, commit change.LSN) bool {
	if v == nil || commit >= v.Until {
		return false
	}
	behind := int32(uint32(v.XMax) - uint32(xid)) // ids wrap around; none that is sent lies 2^31 behind
	if behind <= 0 {
		return false
	}
	return !slices.Contains(v.Open, v.XMax-uint64(behind))
}
