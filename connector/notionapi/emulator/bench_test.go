package emulator

import (
	"fmt"
	"testing"
)

// BenchmarkCreate is one page with a property of every type.
func BenchmarkCreate(b *testing.B) {
	w, src := benchWorld(b, 0)
	for b.Loop() {
		w.row(src, `{"Name":{"title":[{"text":{"content":"x"}}]},"N":{"number":1},"Tag":{"select":{"name":"a"}}}`)
	}
}

// BenchmarkQuery is one page of 100 rows out of 10,000, filtered and sorted.
func BenchmarkQuery(b *testing.B) {
	w, src := benchWorld(b, 10_000)
	for b.Loop() {
		w.ok("POST", "/v1/data_sources/"+src+"/query", `{"filter":{"timestamp":"last_edited_time","last_edited_time":{"on_or_after":"2026-01-01"}},
			"sorts":[{"timestamp":"last_edited_time","direction":"ascending"}]}`)
	}
}

func benchWorld(b *testing.B, rows int) (*world, string) {
	b.Helper()
	w := newWorld(b, nil)
	src, _ := everything(w)
	for i := range rows {
		w.row(src, titled(fmt.Sprint(i)))
	}
	return w, src
}
