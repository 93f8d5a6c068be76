package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Proof is what the last comparison of all pages with all rows of an entity found.
type Proof struct {
	Sync, Entity                  string
	Equal, Waiting, Held, Differs int
	Age                           time.Duration // since it ended
}

// WatchProof has read asked for the last proof of each entity.
func (m *Metrics) WatchProof(name string, read func(context.Context) ([]Proof, error)) {
	m.gauges.watch(name, func(ctx context.Context) ([]prometheus.Metric, error) {
		rows, err := read(ctx)
		var out []prometheus.Metric
		for _, p := range rows {
			for state, n := range map[string]int{"equal": p.Equal, "waiting": p.Waiting, "held": p.Held, "differs": p.Differs} {
				out = append(out, gaugeOf(proofLinks, float64(n), p.Sync, p.Entity, state))
			}
			out = append(out, gaugeOf(proofAge, p.Age.Seconds(), p.Sync, p.Entity))
		}
		return out, err
	})
}

var (
	proofLinks = description("proof_links", "Links by what the last whole comparison found: equal, waiting, held, or differs for no reason that is known.", "sync", "entity", "state")
	proofAge   = description("proof_age_seconds", "Time since the last whole comparison of an entity ended.", "sync", "entity")
)
