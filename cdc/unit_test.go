package cdc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
)

// The one number that PostgreSQL forgets up to. Whatever order acknowledgements come in, everything at or below it is
// acknowledged; and once all are, it is the last.
func TestTrackerNeverRunsAhead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := &tracker{}
		type sent struct {
			flight *flight
			commit change.LSN
			acked  bool
		}
		var records []*sent
		var open *flight
		commit, index, last := change.LSN(100), uint64(0), change.LSN(0)
		unacked := func() []*sent {
			return slices.DeleteFunc(slices.Clone(records), func(s *sent) bool { return s.acked })
		}
		check := func() {
			p := tr.safe()
			for _, s := range unacked() {
				if s.commit <= p.lsn {
					t.Fatalf("safe up to %s, but a record of the transaction at %s is not acknowledged", p.lsn, s.commit)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				if open != nil {
					t.Skip()
				}
				commit += 10
				open, index = tr.begin(), 0
			},
			"record": func(t *rapid.T) {
				if open == nil {
					t.Skip()
				}
				open.add()
				index++
				records = append(records, &sent{flight: open, commit: commit})
			},
			"cut": func(t *rapid.T) {
				if open == nil {
					t.Skip()
				}
				full := open
				open = tr.begin()
				full.seal(progress{next: change.Position{Commit: commit, Index: index}})
			},
			"commit": func(t *rapid.T) {
				if open == nil {
					t.Skip()
				}
				open.seal(progress{lsn: commit, next: change.Position{Commit: commit + 1}})
				open, last = nil, commit
			},
			"ack": func(t *rapid.T) {
				left := unacked()
				if len(left) == 0 {
					t.Skip()
				}
				one := rapid.SampledFrom(left).Draw(t, "record")
				one.acked = true
				one.flight.ack(nil)
			},
			"keepalive": func(t *rapid.T) {
				if open == nil { // as the reader does
					commit += 3
					before := len(unacked())
					tr.keepalive(commit)
					if before == 0 {
						last = commit
					}
				}
			},
			"": func(*rapid.T) { check() },
		})
		if open != nil {
			open.seal(progress{lsn: commit, next: change.Position{Commit: commit + 1}})
			last = commit
		}
		for _, s := range unacked() {
			s.acked = true
			s.flight.ack(nil)
			check()
		}
		if got := tr.safe().lsn; got != last {
			t.Fatalf("all is acknowledged: safe up to %s, want %s", got, last)
		}
	})
}

func TestTrackerReportsTheFirstFailureOnce(t *testing.T) {
	t.Parallel()
	var told []error
	tr := &tracker{failed: func(err error) { told = append(told, err) }}
	f := tr.begin()
	f.add()
	f.add()
	f.seal(progress{lsn: 7})
	first := errors.New("first")
	f.ack(first)
	f.ack(errors.New("second"))
	if len(told) != 1 || !errors.Is(tr.err(), first) || tr.safe().lsn != 0 {
		t.Errorf("told %v, err %v, safe %v", told, tr.err(), tr.safe())
	}
}

// Every combination of what can be found at a start.
func TestDecide(t *testing.T) {
	t.Parallel()
	done := func(lsn change.LSN) *offset { return &offset{LSN: lsn, SnapshotCompleted: true, System: "1"} }
	running, adopted := &offset{Snapshot: snapshotRunning, SlotCreated: true}, &offset{Snapshot: snapshotRunning}
	halfway := &offset{Snapshot: snapshotRunning, SlotCreated: true, LSN: 5, System: "1", Reading: reading{"public.t": {Done: []span{{0, 4, 9}}}}}
	at, lost := func(lsn change.LSN) *slot { return &slot{confirmed: lsn} }, &slot{lost: true, why: lostBecause("wal_removed"), confirmed: 5}
	create, again := plan{createSlot: true, snapshot: true}, plan{dropSlot: true, createSlot: true, snapshot: true}
	for _, tc := range []struct {
		name   string
		stored *offset
		slot   *slot
		mode   SnapshotMode
		want   plan
		err    string
	}{
		{"first start", nil, nil, SnapshotInitial, create, ""},
		{"first start without data", nil, nil, SnapshotNoData, plan{createSlot: true}, ""},
		{"old name of no_data", nil, nil, SnapshotNever, plan{createSlot: true}, ""},
		{"an owner made the slot", nil, at(5), SnapshotInitial, plan{snapshot: true}, ""},
		{"an owner made the slot, no data", nil, at(5), SnapshotNoData, plan{}, ""},
		{"an owner's slot is lost", nil, lost, SnapshotInitial, again, ""},
		{"an owner's slot is lost, no data", nil, lost, SnapshotNoData, plan{}, "removed WAL that it needs"},
		{"cut short", running, at(5), SnapshotInitial, again, ""},
		{"cut short before the slot", running, nil, SnapshotInitial, create, ""},
		{"cut short at an owner's slot", adopted, at(5), SnapshotInitial, plan{snapshot: true}, ""},
		{"cut short before a range was read", &offset{Snapshot: snapshotRunning, SlotCreated: true, LSN: 5, System: "1"}, at(5), SnapshotInitial, plan{snapshot: true, proceed: true}, ""},
		{"Debezium's was cut short", &offset{Snapshot: "INITIAL", LSN: 5}, at(5), SnapshotInitial, plan{snapshot: true}, ""},
		{"cut short in the middle", halfway, at(5), SnapshotInitial, plan{snapshot: true, proceed: true}, ""},
		{"cut short in the middle, always", halfway, at(5), SnapshotAlways, plan{snapshot: true, proceed: true}, ""},
		{"cut short in the middle, no data any more", halfway, at(5), SnapshotNoData, plan{dropSlot: true, createSlot: true}, ""},
		{"cut short in the middle, slot gone", halfway, nil, SnapshotInitial, create, ""},
		{"cut short in the middle, slot lost", halfway, lost, SnapshotInitial, again, ""},
		{"cut short in the middle, somebody else read", halfway, at(8), SnapshotInitial, again, ""},
		{"only the tables", nil, nil, SnapshotInitialOnly, plan{snapshot: true, ends: true}, ""},
		{"only the tables, cut short", halfway, at(5), SnapshotInitialOnly, plan{snapshot: true, ends: true}, ""},
		{"only the tables, done", done(7), nil, SnapshotInitialOnly, plan{ends: true}, ""},
		{"resume", done(7), at(5), SnapshotInitial, plan{resume: true}, ""},
		{"resume exactly", done(5), at(5), SnapshotWhenNeeded, plan{resume: true}, ""},
		{"always", done(7), at(5), SnapshotAlways, plan{snapshot: true}, ""},
		{"slot gone", done(7), nil, SnapshotInitial, plan{}, "slot is gone"},
		{"slot gone, no data", done(7), nil, SnapshotNoData, plan{}, "slot is gone"},
		{"slot lost", done(7), lost, SnapshotInitial, plan{}, "slot cannot be used"},
		{"somebody else read", done(7), at(8), SnapshotInitial, plan{}, "somebody else read"},
		{"restored", done(101), at(5), SnapshotInitial, plan{}, "was restored"},
		{"other cluster", &offset{LSN: 7, System: "2", SnapshotCompleted: true}, at(5), SnapshotInitial, plan{}, "another PostgreSQL cluster"},
		{"slot gone, when needed", done(7), nil, SnapshotWhenNeeded, create, ""},
		{"slot lost, when needed", done(7), lost, SnapshotWhenNeeded, again, ""},
		{"slot lost, always", done(7), lost, SnapshotAlways, again, ""},
	} {
		got, err := decide(tc.stored, tc.slot, tc.mode, "1", 100)
		got.lost = ""
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: got %+v, %v, want %+v, %q", tc.name, got, err, tc.want, tc.err)
		}
	}
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	v, err := parseVisibility("8589934590:8589934600:8589934595,8589934597", 1000)
	if err != nil {
		t.Fatal(err)
	}
	low := func(id uint64) int64 { return int64(uint32(id)) }
	for _, tc := range []struct {
		xid    int64
		commit change.LSN
		want   bool
	}{
		{low(8589934589), 900, true}, {low(8589934594), 900, true}, {low(8589934595), 900, false}, {low(8589934600), 900, false}, {low(8589934700), 900, false},
		{low(8589934594), 1000, false}, // ended after the snapshot was taken
		{low(8589934590 - 8589934580), 900, false},
		{4294967290, 900, true}, // of the epoch before
	} {
		if got := v.contains(tc.xid, tc.commit); got != tc.want {
			t.Errorf("%d at %s: got %t", tc.xid, tc.commit, got)
		}
	}
	if (*visibility)(nil).contains(1, 1) {
		t.Error("no snapshot contains nothing")
	}
	for _, text := range []string{"", "1:2", "a:b:", "1:2:x"} {
		if _, err := parseVisibility(text, 1); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestOffsetsAreConnects(t *testing.T) {
	t.Parallel()
	o := offset{System: "7512345678901234567", SnapshotCompleted: true, Visible: &visibility{XMin: 1, XMax: 2, Until: 9_007_199_254_740_995}}
	p := progress{lsn: 9_007_199_254_740_993, next: change.Position{Commit: 9_007_199_254_740_993, Index: 4}, txID: 852, time: time.UnixMicro(1478267490123456)}
	fields, err := o.at(p).encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%v %v %v %v %v", fields["lsn"], fields["lsn_proc"], fields["lsn_commit"], fields["txId"], fields["ts_usec"]); got != "9007199254740993 9007199254740993 9007199254740993 852 1478267490123456" {
		t.Errorf("got %s", got)
	}
	back, err := decodeOffset(fields)
	if err != nil || back.next() != p.next || back.Visible == nil {
		t.Errorf("got %+v, %v", back, err)
	}
	p.lsn += 2
	if o.at(p).Visible != nil {
		t.Error("the snapshot's transactions are remembered beyond its end")
	}
	if back, err := decodeOffset(map[string]any{"lsn": 5, "lsn_proc": 5, "last_snapshot_record": true, "snapshot_completed": true}); err != nil || back.running() || back.next() != (change.Position{Commit: 5}) {
		t.Errorf("Debezium's: %+v, %v", back, err)
	}
}

func TestCopyTextIsUndone(t *testing.T) {
	t.Parallel()
	columns := []change.Column{{Name: "a", Type: change.Type{Name: "text", Modifier: -1}}, {Name: "b", Type: change.Type{Name: "int4", Modifier: -1}}}
	var got []string
	r := &copyReader{columns: columns, row: func(row change.Row) error {
		got = append(got, fmt.Sprintf("%q %s", row[0].Value.Text(), row[1].Value.Kind()))
		return nil
	}}
	for _, part := range []string{"a\\tb\\\\n\\N", "\t1\n\\N\t", "\\N\n\\b\\f\\n\\r\\v\t-5\n"} { // in pieces that no server sends
		if _, err := r.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{`"a\tb\\nN" int`, `"" null`, `"\b\f\n\r\v" int`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, line := range []string{"a\n", "a\t1\t2\n"} {
		if _, err := (&copyReader{columns: columns, row: r.row}).Write([]byte(line)); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestConfigurationReportsEverything(t *testing.T) {
	t.Parallel()
	var c Config
	problems := config.Decode(config.Map{
		"name": "crm", "connector.class": "cdc.PostgresSource", "table.include.list": "public.contact,tandem.link", "slot.name": "Sl-ot",
		"snapshot.mode": "sometimes", "skipped.operations": "x", "decimal.handling.mode": "exact", "database.port": "x", "status.update.interval.ms": "1",
	}, config.Resolver{}, &c)
	for _, want := range []string{"topic.prefix", "table.include.list", "slot.name", "snapshot.mode", "skipped.operations", "decimal.handling.mode", "database.port",
		"database.hostname", "status.update.interval.ms"} {
		if !strings.Contains(problems.Error(), want+":") {
			t.Errorf("nothing on %s in %v", want, problems)
		}
	}
	good := Default()
	good.TopicPrefix, good.Tables, good.Database.Host, good.Database.Database = "crm", []string{"public.contact"}, "h", "d"
	if err := good.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if good.Slot != "tandem" || good.InFlightBytesMax != 4<<20 || !good.Tombstones || good.SnapshotMode != SnapshotInitial {
		t.Errorf("defaults: %+v", good)
	}
	good.RecordBytesMax, good.Tables = good.InFlightBytesMax+1, nil
	if err := good.Validate(); err == nil || !strings.Contains(err.Error(), "record.bytes.max") || !strings.Contains(err.Error(), "table.include.list") {
		t.Errorf("got %v", err)
	}
}
