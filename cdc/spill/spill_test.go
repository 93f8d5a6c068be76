package spill

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/cdc/pgoutput/pgoutputtest"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
)

// Protocol 4 says with an abort where and when it was; earlier ones do not. Both are void, and exactly what they name.
func TestAbortsOfBothForms(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]pgoutputtest.Message{"protocols 2 and 3": nil, "protocol 4": pgoutputtest.Message{}.U64(77).U64(88)} {
		d := &pgoutput.Decoder{Types: postgres.BuiltinTypes(), Includes: func(pgoutput.Table) bool { return true }}
		s := New(Config{Dir: t.TempDir(), Max: 1 << 20, Gauge: new(Gauge)})
		defer s.Close()
		row := func(xid, table uint32, id string) pgoutputtest.Message {
			return pgoutputtest.Message{}.U8('I').U32(xid).U32(table).Values('N', id, "1", "1", "1", "1.00", "t", pgoutputtest.Null)
		}
		describe := append(pgoutputtest.Message{}.U8('R').U32(12), pgoutputtest.Describe(16385, "other", 'd', pgoutputtest.BenchColumns...)[1:]...)
		for _, m := range []pgoutputtest.Message{
			pgoutputtest.Message{}.U8('S').U32(10).U8(1), append(pgoutputtest.Message{}.U8('R').U32(10), pgoutputtest.Describe(16384, "bench", 'd', pgoutputtest.BenchColumns...)[1:]...), row(10, 16384, "1"), row(11, 16384, "2"), pgoutputtest.Message{}.U8('E'),
			pgoutputtest.Message{}.U8('S').U32(20).U8(1), row(20, 16384, "100"), pgoutputtest.Message{}.U8('E'),
			pgoutputtest.Message{}.U8('S').U32(10).U8(0), describe, row(12, 16384, "3"), row(13, 16384, "4"), pgoutputtest.Message{}.U8('E'),
			append(pgoutputtest.Message{}.U8('A').U32(10).U32(12), more...), append(pgoutputtest.Message{}.U8('A').U32(20).U32(20), more...),
			pgoutputtest.Message{}.U8('S').U32(10).U8(0), row(10, 16385, "5"), pgoutputtest.Message{}.U8('E'),
		} {
			st, err := d.Decode(m, 5)
			if err != nil {
				t.Fatalf("%s: %c: %v", name, m[0], err)
			}
			switch st.Kind {
			case pgoutput.Hold:
				err = s.Add(st, 5)
			case pgoutput.Abort:
				s.Abort(st.Xid, st.Sub)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(s.kept) != 1 {
			t.Errorf("%s: %d transactions are kept, want 1", name, len(s.kept))
		}
		st, err := d.Decode(pgoutputtest.Message{}.U8('c').U32(10).U8(0).U64(900).U64(950).U64(0), 900)
		if err != nil || st.Kind != pgoutput.Replay {
			t.Fatal(st, err)
		}
		var got []string
		err = s.Each(st.Xid, func(data []byte, at change.LSN) error {
			st, err := d.Decode(data, at)
			for _, e := range st.Events {
				got = append(got, fmt.Sprintf("%s %d %d", e.Key[0].Value, e.Position.Index, e.Source.TxID))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"1 0 10", "2 1 10", "4 2 10", "5 3 10"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if st := d.Replayed(); st.End != 950 || d.Last() != 950 {
			t.Errorf("%s: ended at %s after %s", name, st.End, d.Last())
		}
	}
}

// Files have no name while they are used, so that a process that is killed leaves nothing behind.
func TestSpilledFilesHaveNoName(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "as needed")
	s := New(Config{Dir: dir, Max: 1 << 20, Gauge: new(Gauge)})
	if err := s.Add(pgoutput.Step{Xid: 1, Sub: 1, Message: 'I', Body: []byte("row")}, 1); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if s.Close(); s.used != 0 {
		t.Errorf("%d bytes are still counted", s.used)
	}
}
