package cdc

import (
	"maps"
	"slices"
	"time"
)

// incremental is where the incremental snapshots of a connector stand. It is stored with the offset, and never changed in place: what a record's
// acknowledgement makes true is another value.
type incremental struct {
	Tables  []incrementalTable `json:"tables,omitempty"` // the first is being read, the others wait
	Paused  bool               `json:"paused,omitempty"`
	Signals map[string]string  `json:"signals,omitempty"` // how far each channel of signals was read
	Ended   []incrementalEnd   `json:"ended,omitempty"`   // what became of the newest ones

	Blocking []blockingRequest `json:"blocking,omitempty"` // the first is read, or about to be; the incremental ones wait for all of them
	Requests int64             `json:"requests,omitempty"` // how many there were
}

// endedMax is how many tables are remembered that were read.
const endedMax = 20

// incrementalTable is one table that is read, or waits to be.
type incrementalTable struct {
	Table     string `json:"table"` // schema.table
	Signal    string `json:"signal,omitempty"`
	Filter    string `json:"filter,omitempty"`
	Surrogate string `json:"surrogate,omitempty"` // the column that chunks go by, in place of the key

	Begun bool     `json:"begun,omitempty"`
	Key   []string `json:"key,omitempty"`   // of its records
	Order []string `json:"order,omitempty"` // what chunks go by; none: pages
	Last  []string `json:"last,omitempty"`  // the values of Order up to which it is read
	Max   []string `json:"max,omitempty"`   // … and where it ends: what came later is in the stream
	Files string   `json:"files,omitempty"` // of pages: names the table's files
	Page  int64    `json:"page,omitempty"`
	Pages int64    `json:"pages,omitempty"`

	Looked   uint64 `json:"looked,omitempty"` // rows that were looked at
	Rows     uint64 `json:"rows,omitempty"`   // … and written
	Estimate int64  `json:"estimate,omitempty"`
	Took     int64  `json:"took_ms,omitempty"`
	Since    int64  `json:"since_ms,omitempty"` // when the signal came
}

// incrementalEnd is a table that is not read any more.
type incrementalEnd struct {
	Table  string `json:"table"`
	Signal string `json:"signal,omitempty"`
	Rows   uint64 `json:"rows"`
	Took   int64  `json:"took_ms"`
	At     int64  `json:"at_ms"`
	Why    string `json:"why,omitempty"` // "": it was read to its end
}

func (s *incremental) empty() bool {
	return s == nil || len(s.Tables) == 0 && !s.Paused && len(s.Signals) == 0 && len(s.Ended) == 0 && len(s.Blocking) == 0
}

// with gives a copy that f has changed.
func (s *incremental) with(f func(*incremental)) *incremental {
	next := incremental{}
	if s != nil {
		next = incremental{Tables: slices.Clone(s.Tables), Paused: s.Paused, Signals: maps.Clone(s.Signals), Ended: slices.Clone(s.Ended), Blocking: slices.Clone(s.Blocking), Requests: s.Requests}
	}
	f(&next)
	return &next
}

// add queues a table. One that waits or is read already is not queued twice: what was asked newly counts, from the table's beginning.
func (s *incremental) add(t incrementalTable) {
	same := func(other incrementalTable) bool { return other.Table == t.Table }
	if i := slices.IndexFunc(s.Tables, same); i >= 0 {
		s.Tables[i] = t
		return
	}
	s.Tables = append(s.Tables, t)
}

// end takes a table out of the queue. why is empty if it was read to its end.
func (s *incremental) end(table, why string, now time.Time) {
	i := slices.IndexFunc(s.Tables, func(t incrementalTable) bool { return t.Table == table })
	if i < 0 {
		return
	}
	t := s.Tables[i]
	s.Tables = slices.Delete(s.Tables, i, i+1)
	s.became(t, why, now)
}

// became notes what became of a table.
func (s *incremental) became(t incrementalTable, why string, now time.Time) {
	s.Ended = append(s.Ended, incrementalEnd{Table: t.Table, Signal: t.Signal, Rows: t.Rows, Took: t.Took, At: now.UnixMilli(), Why: why})
	s.Ended = s.Ended[max(len(s.Ended)-endedMax, 0):]
}

// read notes how far a channel was read.
func (s *incremental) read(channel, position string) {
	if s.Signals == nil {
		s.Signals = map[string]string{}
	}
	s.Signals[channel] = position
}

// restart makes the table be read from its beginning.
func (t *incrementalTable) restart() {
	*t = incrementalTable{Table: t.Table, Signal: t.Signal, Filter: t.Filter, Surrogate: t.Surrogate, Since: t.Since, Took: t.Took}
}

// share is how much of the table is read, 0 to 1; 0 also where that is not known.
func (t *incrementalTable) share() float64 {
	switch {
	case t.Pages > 0:
		return float64(t.Page) / float64(t.Pages)
	case t.Estimate > 0:
		return min(float64(t.Looked)/float64(t.Estimate), 0.99)
	}
	return 0
}

// IncrementalProgress is where incremental snapshots stand.
type IncrementalProgress struct {
	Paused   bool
	Tables   []TableProgress // in their order: the first is read, the others wait
	Blocking []TableProgress // of blocking snapshots, as it was last noted; they come before the others
	Ended    []TableEnd      // the newest last
}

// TableEnd is what became of the snapshot of a table that a signal asked for.
type TableEnd struct {
	Table string
	Rows  uint64
	Took  time.Duration
	At    time.Time
	Why   string // "": it was read to its end
}

func (s *incremental) progress() IncrementalProgress {
	var p IncrementalProgress
	if s == nil {
		return p
	}
	p.Paused = s.Paused
	for i := range s.Tables {
		p.Tables = append(p.Tables, s.Tables[i].progress(i == 0))
	}
	for i := range s.Blocking {
		for j := range s.Blocking[i].Tables {
			p.Blocking = append(p.Blocking, s.Blocking[i].Tables[j].progress(i == 0))
		}
	}
	for _, e := range s.Ended {
		p.Ended = append(p.Ended, TableEnd{Table: e.Table, Rows: e.Rows, Took: time.Duration(e.Took) * time.Millisecond, At: time.UnixMilli(e.At).UTC(), Why: e.Why})
	}
	return p
}

func (t *incrementalTable) progress(first bool) TableProgress {
	one := TableProgress{Table: t.Table, Rows: t.Rows, Share: t.share(), State: TableWaits}
	if first && t.Begun {
		one.State = TableReads
	}
	if seconds := float64(t.Took) / 1000; seconds > 0 {
		one.Rate = float64(t.Rows) / seconds
		if one.Share > 0 {
			one.Left = time.Duration(seconds / one.Share * (1 - one.Share) * float64(time.Second))
		}
	}
	return one
}

// Incremental tells where the snapshots stand that signals asked for. The caller may be any goroutine.
func (s *Source) Incremental() IncrementalProgress { return s.incremental.Load().progress() }

// IncrementalOf tells it of a stored offset, which is how programs other than the connector know it.
func IncrementalOf(fields map[string]any) (IncrementalProgress, error) {
	o, err := decodeOffset(fields)
	if err != nil || o == nil {
		return IncrementalProgress{}, err
	}
	return o.Incremental.progress(), nil
}
