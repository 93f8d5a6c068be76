package cdc

import (
	"errors"
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/connector/change"
)

// Versions of the protocol, by the first server that speaks them.
const (
	protocolWhole     = 1 // transactions come whole, after their commit
	protocolStreaming = 2 // large ones while they run
	protocolTwoPhase  = 3 // and prepared ones
	protocolParallel  = 4 // and an abort says where it was
)

// protocolSpoken is the newest that a server speaks.
func protocolSpoken(version int) int {
	switch {
	case version >= 160000:
		return protocolParallel
	case version >= 150000:
		return protocolTwoPhase
	case version >= 140000:
		return protocolStreaming
	}
	return protocolWhole
}

// protocol gives the arguments of START_REPLICATION that say how much we understand.
func (c *Config) protocol() []string {
	arguments := []string{fmt.Sprintf("proto_version '%d'", max(c.Protocol, protocolWhole))}
	if c.Protocol >= protocolStreaming {
		arguments = append(arguments, "streaming 'on'")
	}
	return arguments
}

// hold does what a step says of a transaction that has not ended, or that has just ended and whose changes were kept.
func (r *reader) hold(s pgoutput.Step, at change.LSN) error {
	switch s.Kind {
	case pgoutput.Hold:
		return r.spill.Add(s, at)
	case pgoutput.Prepare:
		if r.prepared == nil {
			r.prepared = map[uint32]*flight{}
		}
		if r.prepared[s.Xid] == nil {
			r.prepared[s.Xid] = r.tracker.begin() // nothing is confirmed until it has ended: the server does not send it again
		}
	case pgoutput.Abort:
		r.spill.Abort(s.Xid, s.Sub)
		if s.Xid == s.Sub {
			r.release(s.Xid)
		}
	case pgoutput.Replay:
		return r.replay(s)
	default:
		panic(fmt.Sprintf("cdc: impossible step %d", s.Kind))
	}
	return nil
}

// release lets the position move past a prepared transaction.
func (r *reader) release(xid uint32) {
	if f := r.prepared[xid]; f != nil {
		delete(r.prepared, xid)
		f.seal(progress{})
	}
}

// errBetween ends a replay between two messages: how much was written is known.
var errBetween = errors.New("the stream ended between two messages")

// replay writes a transaction that has committed.
func (r *reader) replay(s pgoutput.Step) error {
	if err := r.open(); err != nil {
		return err
	}
	err := r.spill.Each(s.Xid, func(data []byte, at change.LSN) error {
		if r.life.Err() != nil {
			return errBetween
		}
		if time.Now().After(r.nextTell) { // the server waits for us meanwhile, and must see that we live
			if err := r.tell(true); err != nil {
				return err
			}
		}
		return r.message(data, at)
	})
	if err != nil {
		return err
	}
	r.spill.Drop(s.Xid)
	if err := r.commit(r.decoder.Replayed().End); err != nil {
		return err
	}
	r.release(s.Xid)
	return nil
}
