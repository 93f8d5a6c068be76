package cdc

import (
	"errors"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// From protocol 2 on, the server sends changes of transactions that have not ended: of large ones in blocks while they run (streaming), and from protocol 3 on
// of prepared ones. The decoder does not read those: it says to whom they belong (stepHold), and they are kept (see held) until the transaction
// ends. If it commits (stepReplay), the same messages are decoded as if they had come then, in a transaction that was opened for them: what comes out is
// what protocol 1 gives, which the tests compare.

// heldState is what the decoder knows of transactions that have not ended.
type heldState struct {
	block     uint32                       // the transaction whose messages are being sent; 0: none, they are of the one that begin opened
	preparing bool                         // … between "begin prepare" and "prepare": its messages have no transaction id
	described uint64                       // descriptions of tables that came so far
	ahead     map[uint32]map[uint32]uint64 // by transaction, by table: when its newest description came
	replaying uint32                       // the transaction whose messages are decoded again; 0: none
	overlay   map[uint32]*relation         // tables as that transaction describes them
	end       change.LSN                   // of that transaction
}

// inBlock reads messages of a transaction that has not ended.
func (d *decoder) inBlock(kind byte, w *wire) (step, error) {
	switch kind {
	case 'E':
		if d.held.preparing {
			return step{}, errors.New("the end of a block within a prepared transaction")
		}
		d.held.block = 0
		return step{}, nil
	case 'P':
		return d.prepared(w)
	case 'R', 'Y', 'I', 'U', 'D', 'T', 'M', 'O':
	default:
		return step{}, errors.New("no message of a transaction that has not ended")
	}
	s := step{kind: stepHold, xid: d.held.block, sub: d.held.block, message: kind}
	if !d.held.preparing && kind != 'O' {
		s.sub = w.uint32()
	}
	s.body = w.data
	if kind == 'R' {
		return s, d.foresee(s.xid, s.body)
	}
	if w.short {
		return step{}, errShort
	}
	return s, nil
}

// foresee notes that a transaction described a table. A description in a prepared one counts for those that follow, too: the server does not repeat it.
func (d *decoder) foresee(xid uint32, body []byte) error {
	said, err := readDescription(&wire{data: body})
	if err != nil {
		return err
	}
	if d.held.preparing {
		return d.describe(&wire{data: body})
	}
	if d.held.ahead == nil {
		d.held.ahead = map[uint32]map[uint32]uint64{}
	}
	if d.held.ahead[xid] == nil {
		d.held.ahead[xid] = map[uint32]uint64{}
	}
	d.held.described++
	d.held.ahead[xid][said.oid] = d.held.described
	return nil
}

// streamStart opens a block of a transaction that is still running.
func (d *decoder) streamStart(w *wire) (step, error) {
	xid, _ := w.uint32(), w.uint8()
	return step{}, d.openBlock(w, xid, false)
}

// beginPrepare opens a transaction that is to be prepared.
func (d *decoder) beginPrepare(w *wire) (step, error) {
	w.take(3 * 8)
	xid, _ := w.uint32(), w.text()
	if err := d.openBlock(w, xid, true); err != nil {
		return step{}, err
	}
	return step{kind: stepPrepare, xid: xid}, nil
}

func (d *decoder) openBlock(w *wire, xid uint32, preparing bool) error {
	switch {
	case w.short:
		return errShort
	case xid == 0:
		return errors.New("a transaction without an id")
	case d.tx.open:
		return errors.New("within another transaction")
	}
	d.held.block, d.held.preparing = xid, preparing
	return nil
}

// prepared ends what beginPrepare began.
func (d *decoder) prepared(w *wire) (step, error) {
	w.take(1 + 3*8)
	xid, _ := w.uint32(), w.text()
	switch {
	case w.short:
		return step{}, errShort
	case !d.held.preparing || xid != d.held.block:
		return step{}, fmt.Errorf("transaction %d is prepared, but not the one that was begun", xid)
	}
	d.held.block, d.held.preparing = 0, false
	return step{}, nil
}

// streamPrepare prepares a transaction that was sent in blocks. What it said of tables does not count for others.
func (d *decoder) streamPrepare(w *wire) (step, error) {
	w.take(1 + 3*8)
	xid, _ := w.uint32(), w.text()
	if w.short {
		return step{}, errShort
	}
	delete(d.held.ahead, xid)
	return step{kind: stepPrepare, xid: xid}, nil
}

// streamCommit says that a transaction that was sent in blocks has committed.
func (d *decoder) streamCommit(w *wire) (step, error) {
	xid, _, commit, end, at := w.uint32(), w.uint8(), change.LSN(w.uint64()), change.LSN(w.uint64()), w.time()
	return d.replay(w, xid, commit, end, at)
}

func (d *decoder) commitPrepared(w *wire) (step, error) {
	_, commit, end, at, xid, _ := w.uint8(), change.LSN(w.uint64()), change.LSN(w.uint64()), w.time(), w.uint32(), w.text()
	return d.replay(w, xid, commit, end, at)
}

// replay opens the transaction, so that its messages can be decoded; replayed closes it.
func (d *decoder) replay(w *wire, xid uint32, commit, end change.LSN, at time.Time) (step, error) {
	switch {
	case w.short:
		return step{}, errShort
	case xid == 0 || d.tx.open:
		return step{}, errors.New("a transaction without an id, or within another one")
	}
	d.tx = transaction{open: true, id: int64(xid), commit: commit, time: at}
	d.held.replaying, d.held.overlay, d.held.end = xid, map[uint32]*relation{}, end
	return step{kind: stepReplay, xid: xid, end: end}, nil
}

// replayed ends a replay. What the transaction said of a table counts from now on, unless something newer was said meanwhile.
func (d *decoder) replayed() step {
	xid := d.held.replaying
	for oid, came := range d.held.ahead[xid] {
		r, now := d.held.overlay[oid], d.tables[oid]
		if r != nil && (now == nil || came > now.came) {
			r.came = came
			d.install(oid, r)
		}
	}
	delete(d.held.ahead, xid)
	end := d.held.end
	d.last, d.ended, d.tx = end, d.tx, transaction{}
	d.held.replaying, d.held.overlay, d.held.end = 0, nil, 0
	return step{kind: stepCommit, end: end}
}

// streamAbort says that a transaction, or a part of one (a savepoint that was rolled back to), is void. Protocol 4 says when and where, too.
func (d *decoder) streamAbort(w *wire) (step, error) {
	xid, sub := w.uint32(), w.uint32()
	return d.abort(w, xid, sub)
}

func (d *decoder) rollbackPrepared(w *wire) (step, error) {
	w.take(1 + 4*8)
	xid, _ := w.uint32(), w.text()
	return d.abort(w, xid, xid)
}

func (d *decoder) abort(w *wire, xid, sub uint32) (step, error) {
	if w.short || xid == 0 {
		return step{}, errShort
	}
	if xid == sub {
		delete(d.held.ahead, xid)
	}
	return step{kind: stepAbort, xid: xid, sub: sub}, nil
}

// table finds a table as the stream described it.
func (d *decoder) table(oid uint32) (*relation, bool) {
	if r, ok := d.held.overlay[oid]; ok {
		return r, true
	}
	r, ok := d.tables[oid]
	return r, ok
}

func (d *decoder) install(oid uint32, r *relation) {
	if d.tables == nil {
		d.tables = map[uint32]*relation{}
	}
	d.tables[oid] = r
}
