package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Capture is what is known of a connector that reads a database's changes. Sizes are in bytes.
type Capture struct {
	Connector string
	Slot      *Slot // nil: there is none
	Events    []Events
}

// Slot is the server's side of it.
type Slot struct {
	Behind   time.Duration // since when the server's end was where the reader has come to
	Retained uint64        // WAL that the server keeps for it
	Safe     uint64        // how much more it keeps before the slot is lost
	Limited  bool          // Safe counts
	Status   string        // reserved, extended, unreserved, lost
	Read     bool          // somebody reads it
}

// Events are those that were written of a table, by operation.
type Events struct {
	Table, Op string
	N         uint64
}

// slotStatuses are those of pg_replication_slots.wal_status.
var slotStatuses = []string{"reserved", "extended", "unreserved", "lost"}

var (
	lagSeconds    = description("replication_lag_seconds", "Age of the newest WAL that the reader of the slot has confirmed; 0 when it has confirmed all.", "connector")
	slotRetained  = description("slot_retained_bytes", "WAL that the server keeps from the oldest that the slot needs; more than the lag while transactions are open.", "connector")
	slotSafe      = description("slot_safe_bytes", "How much WAL may still be written before the slot is lost; missing where max_slot_wal_keep_size sets no limit.", "connector")
	slotUsed      = description("slot_used_share", "Share of the WAL that the server would keep for the slot that it keeps already: 0 to 1, of which 1 is lost; 0 without a limit.", "connector")
	slotStatus    = description("slot_wal_status", "1 for the wal_status that the slot has, 0 for the others: reserved, extended, unreserved, lost.", "connector", "status")
	slotRead      = description("slot_active", "1 while somebody reads the slot.", "connector")
	captureEvents = description("capture_events_total", "Events written by table and op (r, c, u, d, t, m), since the program started.", "connector", "table", "op")
)

var captureDescriptions = []*prometheus.Desc{lagSeconds, slotRetained, slotSafe, slotUsed, slotStatus, slotRead, captureEvents}

// WatchCapture has read asked for the state of a connector that captures.
func (m *Metrics) WatchCapture(name string, read func(context.Context) (Capture, error)) {
	m.gauges.watch(name, func(ctx context.Context) ([]prometheus.Metric, error) {
		c, err := read(ctx)
		var out []prometheus.Metric
		for _, e := range c.Events {
			out = append(out, prometheus.MustNewConstMetric(captureEvents, prometheus.CounterValue, float64(e.N), c.Connector, e.Table, e.Op))
		}
		if s := c.Slot; s != nil {
			out = append(out, s.metrics(c.Connector)...)
		}
		return out, err
	})
}

func (s *Slot) metrics(connector string) []prometheus.Metric {
	out := []prometheus.Metric{
		gaugeOf(lagSeconds, s.Behind.Seconds(), connector), gaugeOf(slotRetained, float64(s.Retained), connector), gaugeOf(slotRead, bit(s.Read), connector),
	}
	used := 0.0
	if s.Limited {
		out = append(out, gaugeOf(slotSafe, float64(s.Safe), connector))
		if all := s.Retained + s.Safe; all > 0 {
			used = float64(s.Retained) / float64(all)
		}
	}
	if s.Status == "lost" {
		used = 1
	}
	out = append(out, gaugeOf(slotUsed, used, connector))
	for _, status := range slotStatuses {
		out = append(out, gaugeOf(slotStatus, bit(s.Status == status), connector, status))
	}
	return out
}
