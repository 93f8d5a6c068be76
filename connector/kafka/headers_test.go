package kafka_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/kafka"
)

type theirs struct {
	Key   string
	Value []byte
}

// The same slice is made into headers once; another one, of the same length and in between, is not taken for it.
func TestHeadersAreMadeOnce(t *testing.T) {
	var h kafka.Headers[theirs]
	shared := []theirs{{"name", []byte("crm")}, {"task", []byte("0")}}
	other := []theirs{{"name", []byte("erp")}, {"task", nil}}
	want := []kafka.Header{{Key: "name", Value: []byte("crm")}, {Key: "task", Value: []byte("0")}}
	for range 2 {
		if diff := cmp.Diff(want, h.Of(shared)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]kafka.Header{{Key: "name", Value: []byte("erp")}, {Key: "task"}}, h.Of(other)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want[:1], h.Of(shared[:1])); diff != "" {
			t.Error(diff)
		}
	}
	if h.Of(nil) != nil {
		t.Error("no headers became some")
	}
	h.Of(shared)
	if made := testing.AllocsPerRun(100, func() { h.Of(shared) }); made > 0 {
		t.Errorf("%v allocations for headers that were there, want none", made)
	}
}
