package pgoutput

import (
	"encoding/binary"
	"errors"
	"runtime/metrics"
	"testing"

	"github.com/tandem-sync/tandem/cdc/pgoutput/pgoutputtest"
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

// following does with a Decoder what the reader does, and keeps in memory what the reader keeps in files.
type following struct {
	t    *testing.T
	d    *Decoder
	kept map[uint32][]Step
	at   change.Position // of the event before
}

func (f *following) take(data []byte, lsn change.LSN) {
	st, err := f.d.Decode(data, lsn)
	if unknown := (*UnknownTypeError)(nil); errors.As(err, &unknown) {
		f.d.Lenient = true
		st, err = f.d.Decode(data, lsn)
		f.d.Lenient = false
	}
	if err != nil {
		return // the reader ends here; going on is harder
	}
	switch st.Kind {
	case Hold:
		st.Body = append([]byte{st.Message}, st.Body...)
		f.kept[st.Xid] = append(f.kept[st.Xid], st)
	case Abort:
		if st.Xid == st.Sub {
			delete(f.kept, st.Xid)
		}
	case Replay:
		kept := f.kept[st.Xid]
		delete(f.kept, st.Xid)
		for _, m := range kept {
			f.take(m.Body, lsn)
		}
		f.d.Replayed()
	case Begin:
		f.at = change.Position{}
	case Events, Loose:
		f.write(st)
	}
}

func (f *following) write(st Step) {
	for i := range st.Events {
		e := &st.Events[i]
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
	describe := pgoutputtest.Describe(16384, "bench", 'f', pgoutputtest.BenchColumns...)
	plain := pgoutputtest.Message{'I'}.U32(pgoutputtest.Bench).Values('N', "1", "2", "3", "4.0", "5.00", pgoutputtest.Text, "infinity")
	f.Add(sequence(pgoutputtest.Begin(1, 100), describe, plain, pgoutputtest.Message{}.U8('U').U32(16384).Values('O', "1", pgoutputtest.Null, "3", "4", "5", "{1,2}", pgoutputtest.Unchanged).Values('N', "2", pgoutputtest.Unchanged, "3", "4", "5", "x", pgoutputtest.Unchanged),
		pgoutputtest.Message{}.U8('D').U32(16384).Values('K', "1", pgoutputtest.Null, "3", "4", "5", "x", pgoutputtest.Null), pgoutputtest.Message{}.U8('T').U32(1).U8(3).U32(16384), pgoutputtest.Commit(100, 110)))
	f.Add(sequence(pgoutputtest.Message{'S'}.U32(9).U8(1), describe.In(9), plain.In(9), plain.In(10), pgoutputtest.Message{'E'}, pgoutputtest.Message{'A'}.U32(9).U32(10), pgoutputtest.Message{'A'}.U32(9).U32(11).U64(1).U64(2),
		pgoutputtest.Message{'c'}.U32(9).U8(0).U64(500).U64(510).U64(0), pgoutputtest.Begin(12, 600), plain, pgoutputtest.Commit(600, 610)))
	f.Add(sequence(pgoutputtest.Message{'b'}.U64(1).U64(2).U64(3).U32(9).Str("gid"), describe, plain, pgoutputtest.Message{'P'}.U8(0).U64(1).U64(2).U64(3).U32(9).Str("gid"), pgoutputtest.Message{'K'}.U8(0).U64(700).U64(710).U64(3).U32(9).Str("gid"),
		pgoutputtest.Message{'r'}.U8(0).U64(1).U64(2).U64(3).U64(4).U32(9).Str("gid")))
	f.Add(sequence(pgoutputtest.Message{'S'}.U32(9).U8(1), describe.In(9), plain.In(9), pgoutputtest.Message{'E'}, pgoutputtest.Message{'p'}.U8(0).U64(1).U64(2).U64(3).U32(9).Str("gid"), pgoutputtest.Message{'K'}.U8(0).U64(700).U64(710).U64(3).U32(9).Str("gid")))
	f.Fuzz(func(t *testing.T, data []byte) {
		follow := &following{t: t, d: newDecoder(), kept: map[uint32][]Step{}}
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
