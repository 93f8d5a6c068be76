package telemetry

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Faults is what a source had to write otherwise than it was, since the program started, and what it keeps of transactions that have not ended.
type Faults struct {
	Connector             string
	Aside, Cut, AsText    uint64
	Signals, Refused      uint64 // that came, and of these and of the tables that they named those that could not be served
	SpillBytes, SpillOpen int64
}

// WatchFaults has read asked for a source's counts.
func (m *Metrics) WatchFaults(name string, read func(context.Context) ([]Faults, error)) {
	m.gauges.watch(name, func(ctx context.Context) ([]prometheus.Metric, error) {
		all, err := read(ctx)
		var out []prometheus.Metric
		for _, c := range all {
			for d, n := range map[*prometheus.Desc]uint64{captureAside: c.Aside, captureCut: c.Cut, captureAsText: c.AsText, captureSignals: c.Signals, captureRefused: c.Refused} {
				out = append(out, prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), c.Connector))
			}
			out = append(out, gaugeOf(captureSpill, float64(c.SpillBytes), c.Connector), gaugeOf(captureOpen, float64(c.SpillOpen), c.Connector))
		}
		return out, err
	})
}

var (
	captureAside   = description("capture_dead_letters_total", "Changes that Kafka refused because of their size, and that went to the dead letters.", "connector")
	captureCut     = description("capture_cut_total", "Changes that lost their largest columns to the placeholder (record.bytes.max).", "connector")
	captureAsText  = description("capture_unknown_types_total", "Columns that were described with a type that is not known any more: their values are text.", "connector")
	captureSignals = description("capture_signals_total", "Signals that came for this connector (execute-snapshot and others), obeyed or refused.", "connector")
	captureRefused = description("capture_signals_refused_total", "Signals that could not be obeyed, and tables of incremental snapshots that were given up; the log says why.", "connector")
	captureSpill   = description("capture_spill_bytes", "Bytes on disk of transactions that have not ended (spill.directory).", "connector")
	captureOpen    = description("capture_spill_files", "Transactions that have not ended and are on disk, a file each.", "connector")
)
