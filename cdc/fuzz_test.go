package cdc

import (
	"encoding/binary"
	"errors"
	"runtime/metrics"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
)

// sequence puts messages into one input: a length of two bytes before each.
func sequence(messages ...[]byte) []byte {
	var out []byte
	for _, m := range messages {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(m))), m...)
	}
	return out
}

// following does with a decoder what the reader does, and keeps in memory what the reader keeps in files.
type following struct {
	t    *testing.T
	d    *decoder
	kept map[uint32][]step
	at   change.Position // of the event before
}

func (f *following) take(data []byte, lsn change.LSN) {
	st, err := f.d.decode(data, lsn)
	if unknown := (*UnknownTypeError)(nil); errors.As(err, &unknown) {
		f.d.lenient = true
		st, err = f.d.decode(data, lsn)
		f.d.lenient = false
	}
	if err != nil {
		return // the reader ends here; going on is harder
	}
	switch st.kind {
	case stepHold:
		st.body = append([]byte{st.message}, st.body...)
		f.kept[st.xid] = append(f.kept[st.xid], st)
	case stepAbort:
		if st.xid == st.sub {
			delete(f.kept, st.xid)
		}
	case stepReplay:
		kept := f.kept[st.xid]
		delete(f.kept, st.xid)
		for _, m := range kept {
			f.take(m.body, lsn)
		}
		f.d.replayed()
	case stepBegin:
		f.at = change.Position{}
	case stepEvents, stepLoose:
		f.write(st)
	}
}

func (f *following) write(st step) {
	for i := range st.events {
		e := &st.events[i]
		if e.Position.Commit == f.at.Commit && e.Position.Index < f.at.Index {
			f.t.Errorf("an event at %s after %s", e.Position, f.at)
		}
		f.at = e.Position
		for _, c := range e.Key {
			if c.Value.IsAbsent() {
				f.t.Error("a key without a value")
			}
		}
		change.Format{}.AppendKey(nil, e.Key)
		change.Format{}.AppendValue(nil, e)
	}
}

// FuzzStream reads sequences of messages as a server that has gone mad might send them: no panic, and no more memory than the bytes can account for.
func FuzzStream(f *testing.F) {
	var all [][]byte
	for _, m := range readCaptured(f) {
		all = append(all, m.data)
	}
	for at := 0; at < len(all); at += 5 {
		f.Add(sequence(all[max(0, at-20):at]...))
	}
	describe := describing(16384, "bench", 'f', benchColumns...)
	insert := func(m pgoutput) pgoutput {
		return m.u32(16384).values('N', "1", "2", "3", "4.0", "5.00", longText, "infinity")
	}
	in := func(xid uint32, m pgoutput) pgoutput { return append(pgoutput{m[0]}.u32(xid), m[1:]...) }
	plain := insert(pgoutput{'I'})
	f.Add(sequence(beginning(1, 100), describe, plain, pgoutput{}.u8('U').u32(16384).values('O', "1", "\x00", "3", "4", "5", "{1,2}", "\x01").values('N', "2", "\x01", "3", "4", "5", "x", "\x01"),
		pgoutput{}.u8('D').u32(16384).values('K', "1", "\x00", "3", "4", "5", "x", "\x00"), pgoutput{}.u8('T').u32(1).u8(3).u32(16384), committing(100, 110)))
	f.Add(sequence(pgoutput{'S'}.u32(9).u8(1), in(9, describe), in(9, plain), in(10, plain), pgoutput{'E'}, pgoutput{'A'}.u32(9).u32(10), pgoutput{'A'}.u32(9).u32(11).u64(1).u64(2),
		pgoutput{'c'}.u32(9).u8(0).u64(500).u64(510).u64(0), beginning(12, 600), plain, committing(600, 610)))
	f.Add(sequence(pgoutput{'b'}.u64(1).u64(2).u64(3).u32(9).str("gid"), describe, plain, pgoutput{'P'}.u8(0).u64(1).u64(2).u64(3).u32(9).str("gid"), pgoutput{'K'}.u8(0).u64(700).u64(710).u64(3).u32(9).str("gid"),
		pgoutput{'r'}.u8(0).u64(1).u64(2).u64(3).u64(4).u32(9).str("gid")))
	f.Add(sequence(pgoutput{'S'}.u32(9).u8(1), in(9, describe), in(9, plain), pgoutput{'E'}, pgoutput{'p'}.u8(0).u64(1).u64(2).u64(3).u32(9).str("gid"), pgoutput{'K'}.u8(0).u64(700).u64(710).u64(3).u32(9).str("gid")))
	f.Fuzz(func(t *testing.T, data []byte) {
		follow := &following{t: t, d: newDecoder(), kept: map[uint32][]step{}}
		size, before := len(data), allocated()
		for lsn := change.LSN(1); len(data) >= 2; lsn++ {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			follow.take(data[2:2+n], lsn)
			data = data[2+n:]
		}
		if used, most := allocated()-before, uint64(4<<20+size*2000); used > most {
			t.Errorf("%d bytes of messages took %d of memory", size, used)
		}
	})
}

// allocated is how many bytes this process has ever asked for.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
