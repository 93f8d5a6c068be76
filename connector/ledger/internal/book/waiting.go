package book

import (
	"maps"
	"slices"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// queue is the work of one side in one lane.
type queue struct {
	side ledger.Side
	lane ledger.Lane
}

var queues = []queue{{ledger.CRM, ledger.LaneLive}, {ledger.CRM, ledger.LaneBackfill}, {ledger.Notion, ledger.LaneLive}, {ledger.Notion, ledger.LaneBackfill}}

// Waiting are the rows with work of a side that is not parked, of one lane or (with "") of both, in order of their ids. From the first claim of a lane on they
// are kept in sets, so that looking for live work does not walk over all that a first sync has waiting.
func (b *Book) Waiting(side ledger.Side, lane ledger.Lane) []*Row {
	if b.queues == nil && lane == "" {
		return slices.Collect(b.Rows())
	}
	if b.queues == nil {
		b.queues = map[queue]map[int64]struct{}{}
		for _, q := range queues {
			b.queues[q] = map[int64]struct{}{}
		}
		for r := range b.Rows() {
			b.enqueue(r)
		}
	}
	var ids []int64
	for q, waiting := range b.queues {
		if q.side == side && (q.lane == lane || lane == "") {
			ids = slices.AppendSeq(ids, maps.Keys(waiting))
		}
	}
	slices.Sort(ids)
	rows := make([]*Row, len(ids))
	for i, id := range ids {
		rows[i] = b.rows[id]
	}
	return rows
}

// enqueue puts a row into the queues that it belongs to, and takes it out of the others.
func (b *Book) enqueue(r *Row) {
	if b.queues == nil {
		return
	}
	b.dequeue(r.Link.ID)
	for _, w := range r.Works {
		if w.Parked == "" {
			b.queues[queue{w.Side, w.Lane}][r.Link.ID] = struct{}{}
		}
	}
}

func (b *Book) dequeue(id int64) {
	for _, waiting := range b.queues {
		delete(waiting, id)
	}
}
