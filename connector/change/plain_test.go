package change

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// An envelope that is read by hand says what encoding/json reads in it; what is not plain is left to that.
func FuzzPlainEnvelope(f *testing.F) {
	for _, text := range []string{
		`{"before":null,"after":{"id":1},"source":{"version":"1","connector":"postgresql","name":"crm","ts_ms":1,"snapshot":"false","db":"d","sequence":"[\"1\",\"2\"]","ts_us":1000,"ts_ns":1000000,"schema":"public","table":"contact","txId":7,"lsn":9,"xmin":null},"transaction":null,"op":"u","ts_ms":2,"ts_us":2000,"ts_ns":2000000}`,
		`{"op":"c","after":{"id":1},"source":{"snapshot":true}}`, `{"op":"c","source":{"lsn":"12"}}`, `{"op":null}`, `{"op":1}`, `{"OP":"c"}`, `{"source":{"Table":"x"}}`, `{"source":null}`,
		`{"source":{"lsn":1e2}}`, `{"op":"c","transaction":{"id":"1:2"}}`, `{"op":"m","message":{"prefix":"p"}}`, `{"ts_ms":"5"}`, `{"ts_ms":true}`, `{"op":"c","op":"d"}`, `{"ſource":{}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want wireEnvelope
		if !got.plain(data) {
			return
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q was read, and encoding/json says %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, and encoding/json reads %+v", data, got, want)
		}
	})
}

// The same of a page event.
func FuzzPlainPageEvent(f *testing.F) {
	for _, name := range []string{"page_u", "page_d", "page_r"} {
		text, err := os.ReadFile("testdata/" + name + ".value.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		`{"after":{"page_id":"p","parent":null,"in_trash":false,"properties":{"a":{"id":"a"}}},"source":{"edited":"2026-01-02T03:04:00Z","seq":7,"hints":{"a":"2026-01-02T03:04:05.678Z"}},"op":"u","ts_ns":5}`,
		`{"after":{"In_trash":true}}`, `{"source":{"seq":1.0}}`, `{"source":{"created":null,"edited":null}}`, `{"op":null}`, `{"after":{"properties":null}}`, `{"source":{"hints":null}}`, `{"source":{"authors":["a"]}}`, `{"ts_ms":-0}`,
		`{"after":{"page_id":"a"},"after":{"parent":1}}`, `{"source":{"name":"a"},"source":{"via":"poll"}}`, `{"after":{},"after":null}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want wirePageEvent
		if !got.plain(data) {
			return
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q was read, and encoding/json says %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, and encoding/json reads %+v", data, got, want)
		}
	})
}
