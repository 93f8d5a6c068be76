package pgoutput

import (
	"encoding/binary"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
)

// Of every kind of message it is known whether it says that a transaction has committed; one that is cut says nothing.
func TestCommitted(t *testing.T) {
	t.Parallel()
	be := binary.BigEndian
	u64 := func(b []byte, n uint64) []byte { return be.AppendUint64(b, n) }
	u32 := func(b []byte, n uint32) []byte { return be.AppendUint32(b, n) }
	messages := map[string][]byte{
		"begin":           u32(u64(u64([]byte{'B'}, 77), 5), 9),
		"stream commit":   u64(u64(u64(append(u32([]byte{'c'}, 9), 0), 77), 88), 5),
		"commit prepared": append(u32(u64(u64(u64([]byte{'K', 0}, 77), 88), 5), 9), 'g', 0),
	}
	for name, m := range messages {
		if xid, commit, ok := Committed(m); !ok || xid != 9 || commit != change.LSN(77) {
			t.Errorf("%s: transaction %d at %s, %v", name, xid, commit, ok)
		}
		if _, _, ok := Committed(m[:12]); ok {
			t.Errorf("%s: cut, and told", name)
		}
	}
	for _, kind := range "CORIUDTYMSEAbPpr" {
		if _, _, ok := Committed(append([]byte{byte(kind)}, make([]byte, 64)...)); ok {
			t.Errorf("%c is no commit", kind)
		}
	}
	if _, _, ok := Committed(nil); ok {
		t.Error("nothing is no commit")
	}
}
