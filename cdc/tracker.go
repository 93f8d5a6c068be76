package cdc

import (
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// tracker turns Kafka's acknowledgements, which come in any order, into how far everything is safe.
//
// Invariant: everything before progress.next is acknowledged by Kafka, and everything at or below progress.lsn belongs to
// that. The stream is cut into flights, one a transaction and more of a long one; the memory of a transaction of any size is
// bounded by what is in flight.
type tracker struct {
	mu       sync.Mutex
	progress progress
	open     []*flight // in WAL order; open[0] is the oldest that is not safe
	failure  error     // the first record that Kafka did not take
	failed   func(error)
}

// progress is a place up to which all is safe.
type progress struct {
	lsn  change.LSN      // PostgreSQL may forget up to here: the end of a whole transaction
	next change.Position // the first event that is not safe
	txID int64
	time time.Time // commit time of the transaction that ended at lsn; zero after a keepalive

	incremental *incremental // where incremental snapshots stand then; nil: as before
}

// flight is a run of events that become safe together.
type flight struct {
	tracker *tracker
	pending int  // records not acknowledged
	sealed  bool // no more records will come, and end is set
	end     progress
}

// begin opens a flight behind all others. It is called before anything of it is produced, so that a keepalive that arrives
// in between finds it open.
func (t *tracker) begin() *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := &flight{tracker: t}
	t.open = append(t.open, f)
	return f
}

// add counts a record that is about to be produced.
func (f *flight) add() {
	f.tracker.mu.Lock()
	defer f.tracker.mu.Unlock()
	f.pending++
}

// ack is the produce callback of one record of f: it records the outcome and no more.
func (f *flight) ack(err error) {
	t := f.tracker
	t.mu.Lock()
	first := err != nil && t.failure == nil
	if first {
		t.failure = err
	}
	if err == nil {
		f.pending--
		t.advance()
	}
	t.mu.Unlock()
	if first && t.failed != nil {
		t.failed(err)
	}
}

// seal says that f is complete and what is safe once it is acknowledged. A zero end.lsn is the middle of a transaction.
func (f *flight) seal(end progress) {
	t := f.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	f.sealed, f.end = true, end
	t.advance()
}

// keepalive moves to the server's WAL end, but only with nothing in flight: all that it sent before is safe then.
func (t *tracker) keepalive(end change.LSN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) == 0 && end > t.progress.lsn {
		t.progress = progress{lsn: end, next: change.Position{Commit: end}, txID: t.progress.txID, incremental: t.progress.incremental}
	}
}

// safe says how far all is safe.
func (t *tracker) safe() progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.progress
}

// sent says how far everything is safe once all that was handed over is acknowledged, which is when a Kafka transaction commits. The first event that
// Kafka lacks may lie behind a flight that is not sealed, which is a prepared transaction's: it will be committed later than everything before. Only lsn waits for it.
func (t *tracker) sent() progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, whole := t.progress, true
	for _, f := range t.open {
		if !f.sealed {
			whole = false
			continue
		}
		if f.end.next.Compare(p.next) > 0 {
			p.next = f.end.next
		}
		if whole && f.end.incremental != nil {
			p.incremental = f.end.incremental
		}
		if whole && f.end.lsn > p.lsn {
			p.lsn, p.txID, p.time = f.end.lsn, f.end.txID, f.end.time
		}
	}
	return p
}

// err is the first record's failure.
func (t *tracker) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failure
}

// advance is called with mu held.
func (t *tracker) advance() {
	for len(t.open) > 0 && t.open[0].sealed && t.open[0].pending == 0 {
		end := t.open[0].end
		if end.lsn == 0 {
			end.lsn, end.txID, end.time = t.progress.lsn, t.progress.txID, t.progress.time
		}
		if end.incremental == nil {
			end.incremental = t.progress.incremental
		}
		t.progress.incremental = end.incremental
		if end.next.Compare(t.progress.next) > 0 {
			t.progress = end
		}
		t.open[0] = nil
		t.open = t.open[1:]
	}
}
