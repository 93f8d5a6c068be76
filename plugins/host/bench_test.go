//go:build unix

package host_test

import (
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/host"
)

// BenchmarkFunction is the way of values to a plugin and back, one at a time and in batches.
func BenchmarkFunction(b *testing.B) {
	p, err := host.New(host.Config{Name: "rogue", Command: []string{rogue}})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer p.Stop()
	f, err := p.Function(b.Context(), "f", nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, n := range map[string]int{"one": 1, "batch of 500": 500, "2000 in four batches": 2000} {
		b.Run(name, func(b *testing.B) {
			items := make([]change.Value, n)
			for i := range items {
				items[i] = change.TextValue("+33 6 12 34 56 78")
			}
			for b.Loop() {
				if _, errs := f.ToNotion(b.Context(), items); errs != nil {
					b.Fatal(errs[0])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/value")
		})
	}
}
