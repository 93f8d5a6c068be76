package pgoutput

import "github.com/tandem-sync/tandem/connector/change"

// Committed tells of a message after which the changes of a committed transaction are known: which transaction it is, and where its commit lies in the WAL. Messages of a
// transaction that is sent while it runs are none, but for the one that says that it has committed. It needs nothing that was said before.
func Committed(message []byte) (xid uint32, commit change.LSN, ok bool) {
	if len(message) == 0 {
		return 0, 0, false
	}
	w := &wire{data: message[1:]}
	switch message[0] {
	case 'B': // begin, which is sent at the commit
		commit, _, xid = change.LSN(w.uint64()), w.time(), w.uint32()
	case 'c': // stream commit
		xid, _, commit = w.uint32(), w.uint8(), change.LSN(w.uint64())
	case 'K': // commit prepared
		_, commit, _, _, xid = w.uint8(), change.LSN(w.uint64()), w.uint64(), w.time(), w.uint32()
	default:
		return 0, 0, false
	}
	return xid, commit, !w.short
}
