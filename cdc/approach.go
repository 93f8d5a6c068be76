package cdc

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// approach is the way of the stream to a snapshot of PostgreSQL's that was taken: to the place before which all transactions are that the snapshot saw, and behind which all are that it did not
// see. There the stream stands still while the tables are read.
//
// The place is at the first transaction that the snapshot did not see, if none that it saw comes later. It may: a transaction is in the WAL before other sessions see it, and of two they may see the later one first. So
// what comes from there on waits, until the stream has passed WAL's end as it was when the snapshot was taken: all that it saw was committed before. If one is among it, this snapshot is of no use, and another is taken.
type approach struct {
	request  int64           // what is to be read
	shows    *visibility     // … which transactions
	standby  bool            // … only those before shows.Until: see [reader.snapshotAside]
	until    change.LSN      // WAL's end after the snapshot was taken
	resume   change.Position // what comes before is in Kafka
	began    bool            // something waits
	passed   change.LSN      // while something waits: how far the server has sent
	messages []deferred
	bytes    int
}

// deferred is a message that was received, and not looked at.
type deferred struct {
	data []byte
	at   change.LSN
}

// waitingMax is how much of the stream may wait: more than comes while commits overtake each other, unless one is large. Then another snapshot is taken.
const waitingMax = 8 << 20

func (a *approach) waits() bool { return a != nil && a.began }

// verdict is what a transaction that comes by says of the place.
type verdict int

const (
	verdictOn    verdict = iota // it is written: the snapshot saw it
	verdictWait                 // it waits: the snapshot did not see it
	verdictHere                 // the place is before it, and before all that waits
	verdictUnfit                // the place is nowhere
)

// meets is told of a transaction that committed, before it is written.
func (a *approach) meets(xid uint32, commit change.LSN) verdict {
	sees := a.shows.contains(int64(xid), commit)
	if a.standby {
		sees = commit < a.shows.Until
	}
	switch {
	case sees && !a.began:
		return verdictOn
	case sees: // one that the snapshot did not see was committed before
		return verdictUnfit
	case (change.Position{Commit: commit}).Compare(a.resume) < 0: // Kafka has it from before we started, and nothing can come before it any more
		return verdictUnfit
	case commit >= a.until:
		return verdictHere
	}
	return verdictWait
}

// add has a message wait. full: that is too much.
func (a *approach) add(data []byte, at change.LSN) (full bool) {
	a.began = true
	a.messages = append(a.messages, deferred{bytes.Clone(data), at})
	a.bytes += len(data)
	return a.bytes > waitingMax
}

// standbyTries is how often a snapshot is taken on a standby, for one during which nothing was replayed.
const standbyTries = 100

// approachBlocking takes the snapshot of the next request.
func (r *reader) approachBlocking(now time.Time) error {
	x := &r.aside
	if fresh, err := r.freshAside(now, r.failedBlocking); !fresh || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.life, controlTimeout)
	defer cancel()
	if x.tries++; r.facts.standby && x.shows.Until != x.until && x.tries < standbyTries {
		x.retry = now.Add(incrementalTick)
		if _, err := x.conn.Exec(ctx, "ROLLBACK"); err != nil {
			r.failedBlocking(err, now)
		}
		return nil
	}
	if err := adopt(ctx, x.conn, ""); err != nil { // it may take long until we are there
		r.failedBlocking(postgres.Explain(err), now)
		return nil
	}
	x.tries, x.began = 0, now
	x.block = &approach{request: x.state.Blocking[0].Seq, shows: x.shows, standby: r.facts.standby, until: x.until, resume: r.emitter.resume}
	return nil
}

// nears looks, between two messages, whether the stream has come to the place, and has the server say so if it is idle.
func (r *reader) nears(now time.Time) error {
	x := &r.aside
	switch {
	case !x.blockedBy(x.block.request):
		return r.leave(now)
	case max(x.passed, x.block.passed) >= x.block.until:
		return r.arrive(now)
	}
	return r.nudge(now)
}

// arrives is shown each message before it is decoded. waits: it is kept for later.
func (r *reader) arrives(data []byte, at change.LSN) (waits bool, err error) {
	a := r.aside.block
	if a == nil || r.flight != nil {
		return false, nil
	}
	if xid, commit, ok := pgoutput.Committed(data); ok {
		switch a.meets(xid, commit) {
		case verdictOn:
			return false, nil
		case verdictHere:
			return false, r.arrive(time.Now())
		case verdictUnfit:
			return false, r.leave(time.Now())
		}
	} else if !a.began {
		return false, nil
	}
	if a.add(data, at) {
		return true, r.leave(time.Now())
	}
	return true, nil
}

// arrive has the tables read at the place, and what waited written after them.
func (r *reader) arrive(now time.Time) error {
	a := r.aside.block
	if !r.aside.blockedBy(a.request) {
		return r.leave(now)
	}
	r.aside.block = nil
	if err := r.readBlocking(now); err != nil {
		return err
	}
	return r.catchUp(a)
}

// leave gives a snapshot up. What waited is written; if tables are still to be read, another is taken.
func (r *reader) leave(now time.Time) error {
	a := r.aside.block
	r.aside.block, r.aside.retry = nil, now.Add(incrementalTick)
	r.leaveAside()
	return r.catchUp(a)
}

// catchUp writes what waited.
func (r *reader) catchUp(a *approach) error {
	for _, m := range a.messages {
		if r.life.Err() != nil {
			return errBetween
		}
		if time.Now().After(r.nextTell) {
			if err := r.tell(true); err != nil {
				return err
			}
		}
		if err := r.message(m.data, m.at); err != nil {
			r.broken = r.broken || !errors.Is(err, errBetween)
			return err
		}
	}
	if a.passed != 0 && r.flight == nil {
		r.tracker.keepalive(a.passed)
		r.aside.pass(a.passed)
	}
	return nil
}
