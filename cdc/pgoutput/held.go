package pgoutput

import (
	"errors"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// From protocol 2 on, the server sends changes of transactions that have not ended: of large ones in blocks while they run (streaming), and from protocol 3 on
// of prepared ones. The Decoder does not read those: it says to whom they belong (Hold), and they are kept (see held) until the transaction
// ends. If it commits (Replay), the same messages are decoded as if they had come then, in a transaction that was opened for them: what comes out is
// what protocol 1 gives, which the tests compare.

// heldState is what the Decoder knows of transactions that have not ended.
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
func (d *Decoder) inBlock(kind byte, w *wire) (Step, error) {
	switch kind {
	case 'E':
		if d.held.preparing {
			return Step{}, errors.New("the end of a block within a prepared transaction")
		}
		d.held.block = 0
		return Step{}, nil
	case 'P':
		return d.prepared(w)
	case 'R', 'Y', 'I', 'U', 'D', 'T', 'M', 'O':
	default:
		return Step{}, errors.New("no message of a transaction that has not ended")
	}
	s := Step{Kind: Hold, Xid: d.held.block, Sub: d.held.block, Message: kind}
	if !d.held.preparing && kind != 'O' {
		s.Sub = w.uint32()
	}
	s.Body = w.data
	if kind == 'R' {
		return s, d.foresee(s.Xid, s.Body)
	}
	if w.short {
		return Step{}, errShort
	}
	return s, nil
}

// foresee notes that a transaction described a table. A description in a prepared one counts for those that follow, too: the server does not repeat it.
func (d *Decoder) foresee(xid uint32, body []byte) error {
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
func (d *Decoder) streamStart(w *wire) (Step, error) {
	xid, _ := w.uint32(), w.uint8()
	return Step{}, d.openBlock(w, xid, false)
}

// beginPrepare opens a transaction that is to be prepared.
func (d *Decoder) beginPrepare(w *wire) (Step, error) {
	w.take(3 * 8)
	xid, _ := w.uint32(), w.text()
	if err := d.openBlock(w, xid, true); err != nil {
		return Step{}, err
	}
	return Step{Kind: Prepare, Xid: xid}, nil
}

func (d *Decoder) openBlock(w *wire, xid uint32, preparing bool) error {
	switch {
	case w.short:
		return errShort
	case xid == 0:
		return errors.New("a transaction without an id")
	case d.tx.Open:
		return errors.New("within another transaction")
	}
	d.held.block, d.held.preparing = xid, preparing
	return nil
}

// prepared ends what beginPrepare began.
func (d *Decoder) prepared(w *wire) (Step, error) {
	w.take(1 + 3*8)
	xid, _ := w.uint32(), w.text()
	switch {
	case w.short:
		return Step{}, errShort
	case !d.held.preparing || xid != d.held.block:
		return Step{}, fmt.Errorf("transaction %d is prepared, but not the one that was begun", xid)
	}
	d.held.block, d.held.preparing = 0, false
	return Step{}, nil
}

// streamPrepare prepares a transaction that was sent in blocks. What it said of tables does not count for others.
func (d *Decoder) streamPrepare(w *wire) (Step, error) {
	w.take(1 + 3*8)
	xid, _ := w.uint32(), w.text()
	if w.short {
		return Step{}, errShort
	}
	delete(d.held.ahead, xid)
	return Step{Kind: Prepare, Xid: xid}, nil
}

// streamCommit says that a transaction that was sent in blocks has committed.
func (d *Decoder) streamCommit(w *wire) (Step, error) {
	xid, _, commit, end, at := w.uint32(), w.uint8(), change.LSN(w.uint64()), change.LSN(w.uint64()), w.time()
	return d.replay(w, xid, commit, end, at)
}

func (d *Decoder) commitPrepared(w *wire) (Step, error) {
	_, commit, end, at, xid, _ := w.uint8(), change.LSN(w.uint64()), change.LSN(w.uint64()), w.time(), w.uint32(), w.text()
	return d.replay(w, xid, commit, end, at)
}

// replay opens the transaction, so that its messages can be decoded; Replayed closes it.
func (d *Decoder) replay(w *wire, xid uint32, commit, end change.LSN, at time.Time) (Step, error) {
	switch {
	case w.short:
		return Step{}, errShort
	case xid == 0 || d.tx.Open:
		return Step{}, errors.New("a transaction without an id, or within another one")
	}
	d.tx = Transaction{Open: true, ID: int64(xid), Commit: commit, Time: at}
	d.held.replaying, d.held.overlay, d.held.end = xid, map[uint32]*relation{}, end
	return Step{Kind: Replay, Xid: xid, End: end}, nil
}

// Replayed ends a replay. What the transaction said of a table counts from now on, unless something newer was said meanwhile.
func (d *Decoder) Replayed() Step {
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
	d.last, d.ended, d.tx = end, d.tx, Transaction{}
	d.held.replaying, d.held.overlay, d.held.end = 0, nil, 0
	return Step{Kind: Commit, End: end}
}

// streamAbort says that a transaction, or a part of one (a savepoint that was rolled back to), is void. Protocol 4 says when and where, too.
func (d *Decoder) streamAbort(w *wire) (Step, error) {
	xid, sub := w.uint32(), w.uint32()
	return d.abort(w, xid, sub)
}

func (d *Decoder) rollbackPrepared(w *wire) (Step, error) {
	w.take(1 + 4*8)
	xid, _ := w.uint32(), w.text()
	return d.abort(w, xid, xid)
}

func (d *Decoder) abort(w *wire, xid, sub uint32) (Step, error) {
	if w.short || xid == 0 {
		return Step{}, errShort
	}
	if xid == sub {
		delete(d.held.ahead, xid)
	}
	return Step{Kind: Abort, Xid: xid, Sub: sub}, nil
}

// table finds a table as the stream described it.
func (d *Decoder) table(oid uint32) (*relation, bool) {
	if r, ok := d.held.overlay[oid]; ok {
		return r, true
	}
	r, ok := d.tables[oid]
	return r, ok
}

func (d *Decoder) install(oid uint32, r *relation) {
	if d.tables == nil {
		d.tables = map[uint32]*relation{}
	}
	d.tables[oid] = r
}
