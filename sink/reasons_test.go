package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// adder keeps the reasons that a handler makes.
type adder struct {
	reasons []ledger.Reason
	err     error
}

func (a *adder) Add(_ context.Context, _ time.Time, reasons []ledger.Reason) error {
	a.reasons = append(a.reasons, reasons...)
	return a.err
}

func key(value string) change.Row {
	return change.Row{{Name: "id", Type: change.Type{Name: "text", Modifier: -1}, Value: change.TextValue(value)}}
}

// record is one change of a table, as it stands in its topic.
func record(t *testing.T, table string, op change.Op, id string, edit func(*change.Event)) kafka.Record {
	t.Helper()
	e := &change.Event{Op: op, Key: key(id), At: nine, Source: change.Source{Version: "1", Connector: "postgresql", Name: "crm", Time: nine, DB: "crm", Schema: "public", Table: table, TxID: 42, LSN: 7}}
	switch op {
	case change.Delete:
		e.Before = e.Key
	case change.Truncate:
		e.Key = nil
	default:
		e.After = e.Key
	}
	if edit != nil {
		edit(e)
	}
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	var f change.Format
	r := kafka.Record{Topic: "crm.public." + table, Value: f.AppendValue(nil, e)}
	if e.Key != nil {
		r.Key = f.AppendKey(nil, e.Key)
	}
	for _, h := range f.Headers(e) {
		r.Headers = append(r.Headers, kafka.Header(h))
	}
	return r
}

func handler(t *testing.T) (*sink.RowChanges, *adder, *[]string) {
	t.Helper()
	a, truncated := &adder{}, &[]string{}
	es := compiled(t, contactMapping, dealMapping)
	return &sink.RowChanges{Entities: []*mapping.Entity{es["contact"], es["deal"]}, Ledger: a, Settle: 200 * time.Millisecond, Now: func() time.Time { return nine },
		Truncated: func(_ context.Context, e *mapping.Entity) error { *truncated = append(*truncated, e.Name); return nil }}, a, truncated
}

func TestRowChangesMakeReasons(t *testing.T) {
	t.Parallel()
	live := func(key string) ledger.Reason {
		return ledger.Reason{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: key, Lane: ledger.LaneLive, Why: "cdc", Xid: 42, CommitAt: nine, NotBefore: nine.Add(200 * time.Millisecond)}
	}
	gone := live("1")
	gone.Deleted = true
	left, came := live("1"), live("2")
	left.Why, left.NewKey = "rekey", "2"
	moved := live("1")
	moved.Why, moved.NewKey = "rekey", "2"
	for _, tt := range []struct {
		name string
		op   change.Op
		id   string
		edit func(*change.Event)
		want []ledger.Reason
	}{
		{"insert", change.Create, "1", nil, []ledger.Reason{live("1")}},
		{"update", change.Update, "1", nil, []ledger.Reason{live("1")}},
		{"delete", change.Delete, "1", nil, []ledger.Reason{gone}},
		{"snapshot", change.Read, "1", nil, []ledger.Reason{{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: "1", Lane: ledger.LaneBackfill, Why: "snapshot"}}},
		// A key change is no delete; whichever half comes first moves the link.
		{"old half of a key change", change.Delete, "1", func(e *change.Event) { e.NewKey = key("2") }, []ledger.Reason{left}},
		{"new half of a key change", change.Create, "2", func(e *change.Event) { e.OldKey = key("1") }, []ledger.Reason{moved, came}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, a, _ := handler(t)
			if err := h.Handle(t.Context(), []kafka.Record{record(t, "contact", tt.op, tt.id, tt.edit)}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, a.reasons); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestABrokenRecordIsSetAsideAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	h, a, truncated := handler(t)
	good := record(t, "contact", change.Update, "1", nil)
	batch := []kafka.Record{
		good, {Topic: "crm.public.contact", Value: []byte("{")}, {Topic: "crm.public.contact", Key: good.Key}, record(t, "order", change.Update, "1", nil),
		record(t, "deal", change.Truncate, "", nil), record(t, "contact", change.Update, "2", nil),
	}
	var rejects kafka.Rejects
	if err := h.Handle(t.Context(), batch); !errors.As(err, &rejects) || len(rejects) != 1 || rejects[0].Stage != kafka.StageValueConverter {
		t.Fatalf("%v", err)
	}
	if len(a.reasons) != 2 || !cmp.Equal(*truncated, []string{"deal"}) {
		t.Errorf("reasons %+v, truncated %v", a.reasons, *truncated)
	}
	a.err = errors.New("the ledger is away")
	if err := h.Handle(t.Context(), []kafka.Record{good}); !errors.Is(err, a.err) || errors.As(err, &rejects) {
		t.Errorf("an offset would be committed whose reason is not durable: %v", err)
	}
}

func pageRecord(t *testing.T, op change.Op, edit func(*change.PageEvent)) kafka.Record {
	t.Helper()
	e := &change.PageEvent{Op: op, At: nine,
		Page: change.Page{ID: "2222AAAA-1111-4111-8111-000000000001", Parent: json.RawMessage(`{"type":"data_source_id","data_source_id":"1111AAAA111141118111000000000002"}`),
			Properties: map[string]json.RawMessage{"p1": json.RawMessage(`{"id":"p1","type":"email","email":null}`)}, InTrash: op == change.Delete},
		Source: change.PageSource{Version: "1", Name: "notion", Entity: "contact", DataSource: "1111aaaa-1111-4111-8111-000000000002", Edited: nine.Truncate(time.Minute),
			ReadFrom: nine, ReadTo: nine.Add(time.Second), Seq: 5, Via: change.ViaPoll, Created: nine.Truncate(time.Minute), Hash: "h", External: "x"},
	}
	if edit != nil {
		edit(e)
	}
	value, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return kafka.Record{Topic: "notion.contact", Key: e.Key(), Value: value}
}

func TestPageChangesBringTheirObservation(t *testing.T) {
	t.Parallel()
	a := &adder{}
	h := &sink.PageChanges{Entities: []*mapping.Entity{compiled(t, contactMapping)["contact"]}, Ledger: a, Now: func() time.Time { return nine }}
	batch := []kafka.Record{
		pageRecord(t, change.Update, nil),
		pageRecord(t, change.Read, func(e *change.PageEvent) { e.Source.Via = change.ViaSweep }),
		pageRecord(t, change.Delete, nil),
		pageRecord(t, change.Update, func(e *change.PageEvent) { e.Page.Parent = json.RawMessage(`{"type":"page_id"}`) }),
		pageRecord(t, change.Update, func(e *change.PageEvent) { e.Source.Entity = "order" }),
		{Topic: "notion.contact", Key: []byte(`{}`)},
		{Topic: "notion.contact", Value: []byte(`{"op":"u"}`)},
	}
	var rejects kafka.Rejects
	if err := h.Handle(t.Context(), batch); !errors.As(err, &rejects) || len(rejects) != 1 {
		t.Fatalf("%v", err)
	}
	if len(a.reasons) != 4 {
		t.Fatalf("%d reasons", len(a.reasons))
	}
	first := a.reasons[0]
	if first.Side != ledger.CRM || first.Page != "2222aaaa-1111-4111-8111-000000000001" || first.Lane != ledger.LaneLive || first.Seen.Seq != 5 || first.Seen.Moved || first.Seen.External != "x" ||
		!first.Seen.ReadFrom.Equal(nine) || len(first.Seen.Properties) == 0 {
		t.Errorf("%+v with %+v", first, first.Seen)
	}
	if a.reasons[1].Lane != ledger.LaneBackfill || !a.reasons[2].Seen.InTrash || !a.reasons[3].Seen.Moved {
		t.Errorf("%+v", a.reasons[1:])
	}
}
