package cdc

import (
	"time"
)

// progressInterval is how often the log tells how far a snapshot is.
const progressInterval = 10 * time.Second

// TableProgress is how far the reading of a table is.
type TableProgress struct {
	Table string
	Rows  uint64        // read since the program started
	Share float64       // of the table's pages, 0 to 1
	Rate  float64       // rows a second
	Left  time.Duration // at that rate; 0 when it is not known, or ended
	State ProgressState
}

// ProgressState is where the reading of a table stands.
type ProgressState string

// The states.
const (
	TableWaits ProgressState = "waiting"
	TableReads ProgressState = "reading"
	TableRead  ProgressState = "read"
)

// progress is what is known at a moment. The caller may be any goroutine.
func (t *tableRead) progress(now time.Time) TableProgress {
	p := TableProgress{Table: t.String(), Rows: t.rows.Load(), State: TableWaits, Share: float64(t.passed.Load()) / float64(max(t.pages, 1))}
	began, ended := t.began.Load(), t.ended.Load()
	if began == 0 {
		return p
	}
	p.State = TableReads
	if ended != 0 {
		p.State, p.Share, now = TableRead, 1, time.Unix(0, ended)
	}
	took := now.Sub(time.Unix(0, began)).Seconds()
	if took > 0 {
		p.Rate = float64(p.Rows) / took
	}
	if here := p.Share - t.skipped; ended == 0 && here > 0 {
		p.Left = time.Duration(took / here * (1 - p.Share) * float64(time.Second))
	}
	return p
}

// Progress tells how far the newest snapshot is, table by table; nil if there was none since the program started.
func (s *Source) Progress() []TableProgress {
	taken := s.taken.Load()
	if taken == nil || !taken.planned.Load() {
		return nil
	}
	now := time.Now()
	all := make([]TableProgress, len(taken.tables))
	for i, t := range taken.tables {
		all[i] = t.progress(now)
	}
	return all
}

// tell logs the tables that are being read.
func (s *snapshot) tell() {
	for _, p := range s.Progress() {
		if p.State == TableReads {
			s.log.Info("reading a table", "table", p.Table, "rows", p.Rows, "percent", int(p.Share*100), "rows per second", int(p.Rate), "left", p.Left.Round(time.Second))
		}
	}
}
