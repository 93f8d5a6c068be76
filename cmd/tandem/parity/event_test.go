package parity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// field is one field of an event: its path and its JSON as it stands in the record.
type field struct{ path, raw string }

// event is a record taken apart.
type event struct {
	op        string // c, u, d, r, t, m; "-": a tombstone; "": no change event
	phase     string // snapshot or stream
	signature string // op and key: what two events must share to be compared at all
	fields    []field
}

// opened are the members of an envelope that are compared member by member.
var opened = []string{"before", "after", "source", "transaction", "message"}

// takeApart reads a record. prefix is the topic prefix of who wrote it: where it stands in a record it becomes "PREFIX".
func takeApart(r *kgo.Record, prefix string) (event, error) {
	e := event{phase: "stream"}
	keySchema, keyJSON, err := unwrap("key", r.Key, prefix)
	if err != nil {
		return e, fmt.Errorf("key %q: %w", r.Key, err)
	}
	valueSchema, valueJSON, err := unwrap("value", r.Value, prefix)
	if err != nil {
		return e, fmt.Errorf("value %q: %w", r.Value, err)
	}
	key, err := members("key", keyJSON)
	if err != nil {
		return e, fmt.Errorf("key %q: %w", r.Key, err)
	}
	e.fields = append(append(e.fields, keySchema...), key...)
	e.fields = append(e.fields, valueSchema...)
	value, err := members("", valueJSON)
	if err != nil {
		return e, fmt.Errorf("value %q: %w", r.Value, err)
	}
	if r.Value == nil {
		e.op = "-"
	}
	for _, f := range value {
		var inner []field
		if slices.Contains(opened, f.path) && strings.HasPrefix(f.raw, "{") {
			if inner, err = members(f.path, []byte(f.raw)); err != nil {
				return e, err
			}
			e.fields = append(e.fields, inner...)
			continue
		}
		if f.path == "op" {
			e.op = strings.Trim(f.raw, `"`)
		}
		e.fields = append(e.fields, f)
	}
	for _, h := range r.Headers {
		e.fields = append(e.fields, field{"header." + h.Key, string(h.Value)})
	}
	for i, f := range e.fields {
		if f.path == "source.snapshot" && f.raw != `"false"` {
			e.phase = "snapshot"
		}
		if named(f.path) {
			e.fields[i].raw = strings.ReplaceAll(f.raw, prefix, "PREFIX")
		}
	}
	e.signature = e.op + " " + string(keyJSON)
	if status, ok := e.get("status"); ok { // BEGIN and END: the position in their ids is not the same
		id, _ := e.get("id")
		xid, _, _ := strings.Cut(id, ":")
		e.signature = status + " " + xid
	}
	e.mask()
	return e, nil
}

// named are the fields that hold the topic prefix.
func named(path string) bool {
	return path == "source.name" || path == "key.serverName" || path == "header.__debezium.context.connectorLogicalName"
}

// mask removes what cannot be equal: our clocks, versions and run ids; of a snapshot, which each took for itself, also its moment. In the
// stream both read the same WAL, so the commit's time, transaction and position must be the same.
func (e *event) mask() {
	masked := []string{"ts_ms", "ts_us", "ts_ns", "source.version", "header.__debezium.context.runId"}
	if e.phase == "snapshot" {
		masked = append(masked, "source.ts_ms", "source.ts_us", "source.ts_ns", "source.txId", "source.lsn", "source.sequence")
	}
	for i, f := range e.fields {
		if slices.Contains(masked, f.path) && f.raw != "null" {
			e.fields[i].raw = shape(f.raw)
		}
	}
}

// shape keeps of a masked value what kind of thing it was.
func shape(raw string) string {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return "(text)"
	}
	return fmt.Sprintf("(%T)", v)
}

// members lists an object's members in order; anything else is one field. path is put before the names.
func members(path string, raw []byte) ([]field, error) {
	if len(raw) == 0 || raw[0] != '{' {
		if raw == nil {
			return []field{{path, "(null record part)"}}, nil
		}
		return []field{{path, string(raw)}}, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var out []field
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		full := name.(string)
		if path != "" {
			full = path + "." + full
		}
		out = append(out, field{full, string(value)})
	}
	_, err := d.Token()
	return out, err
}

func TestAnEventIsTakenApart(t *testing.T) {
	t.Parallel()
	e, err := takeApart(&kgo.Record{Key: []byte(`{"id":1}`), Value: []byte(`{"before":null,"after":{"id":1,"j":{"a": 1}},"source":{"name":"p","lsn":5,"snapshot":"last"},"op":"r","ts_ms":7}`),
		Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}, "p")
	if err != nil {
		t.Fatal(err)
	}
	want := []field{{"key.id", "1"}, {"before", "null"}, {"after.id", "1"}, {"after.j", `{"a": 1}`}, {"source.name", `"PREFIX"`}, {"source.lsn", "(float64)"},
		{"source.snapshot", `"last"`}, {"op", `"r"`}, {"ts_ms", "(float64)"}, {"header.h", "v"}}
	if !slices.Equal(e.fields, want) || e.op != "r" || e.phase != "snapshot" {
		t.Errorf("got %+v", e)
	}
}
