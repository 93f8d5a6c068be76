package change

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A real Debezium with schemas.enable=true wraps key, value and headers; old versions have snapshot as a boolean.
func TestDebeziumRecordsWithSchemasDecode(t *testing.T) {
	t.Parallel()
	key := `{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}],"optional":false,"name":"crm.public.contact.Key"},"payload":{"id":4}}`
	value := `{"schema":{"type":"struct"},"payload":{"before":null,"after":{"id":4,"payload":"x","n":12345678901234567890},
		"source":{"version":"3.6.0.Final","connector":"postgresql","name":"crm","ts_ms":1478267490123,"snapshot":true,"db":"crm",
		"sequence":"[null,\"24023128\"]","schema":"public","table":"contact","txId":555,"lsn":24023128,"xmin":null},
		"op":"c","ts_ms":1478267490200,"future":1,"transaction":null}}`
	got, err := Decode([]byte(key), []byte(value), []Header{{Key: HeaderOldKey, Value: []byte("Struct{id=7,code=a b}")}, {Key: "other", Value: []byte("{")}})
	if err != nil {
		t.Fatal(err)
	}
	want := &Envelope{
		Op: Create, Key: RawRow{{"id", []byte("4")}}, At: time.UnixMilli(1478267490200).UTC(),
		After:  RawRow{{"id", []byte("4")}, {"payload", []byte(`"x"`)}, {"n", []byte("12345678901234567890")}},
		OldKey: RawRow{{"id", []byte("7")}, {"code", []byte(`"a b"`)}},
		Source: Source{Version: "3.6.0.Final", Connector: "postgresql", Name: "crm", Time: time.UnixMilli(1478267490123).UTC(),
			Snapshot: SnapshotRow, DB: "crm", Schema: "public", Table: "contact", TxID: 555, LSN: 24023128},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTombstone(t *testing.T) {
	t.Parallel()
	got, err := Decode([]byte(`{"id":"a\"b","gone":null}`), nil, nil)
	if err != nil || !got.Tombstone {
		t.Fatalf("got %+v, %v", got, err)
	}
	if id, ok := got.Key.Text("id"); id != `a"b` || !ok {
		t.Errorf("id: got %q, %t", id, ok)
	}
	for _, name := range []string{"gone", "other"} {
		if text, ok := got.Key.Text(name); ok {
			t.Errorf("%s: got %q, want none", name, text)
		}
	}
}

// Each of these must be told apart by whoever reads the dead-letter topic.
func TestBrokenRecordsSayWhy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ key, value, want string }{
		{`{"id":1}`, `{"id":1,"name":"flat"}`, "remove transformations that flatten it"},
		{`{"id":1}`, `{"op":"x"}`, `unknown operation "x"`},
		{`{"id":1}`, `{"op":"c","after":null}`, `operation "c" without after`},
		{``, `{"op":"d"}`, "neither before nor key"},
		{`{"id":1`, `{"op":"d"}`, "decode record key"},
		{`{"id":1}`, `{"op":"c","after":[]}`, "want an object"},
		{`{"id":1}`, `{"op":"c","after":{},"source":{"txId":1.5}}`, "source.txId"},
		{`{"id":1}`, ``, "decode record value"},
		{`{"id":1} {}`, `{"op":"d"}`, "more after the object"},
	} {
		_, err := Decode([]byte(tc.key), []byte(tc.value), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: got %v, want %q", tc.key, tc.value, err, tc.want)
		}
	}
	if _, err := Decode(nil, []byte(`{}`), nil); !errors.Is(err, ErrNotEnvelope) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	var format Format
	for _, e := range sampleEvents() {
		f.Add(format.AppendKey(nil, e.Key), format.AppendValue(nil, e), []byte(`Struct{a=1}`))
	}
	f.Add([]byte(`"k"`), []byte(`{"schema":{},"payload":{"op":"r","after":{"a":1}}}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, key, value, header []byte) {
		e, err := Decode(key, value, []Header{{Key: HeaderNewKey, Value: header}})
		if err != nil {
			return
		}
		if err := e.Validate(); err != nil {
			t.Fatalf("decoded what is not valid: %v", err)
		}
		for _, row := range []RawRow{e.Key, e.Before, e.After, e.NewKey} {
			for _, c := range row {
				row.Text(c.Name)
			}
		}
		_, _ = DecodePage(value)
	})
}
