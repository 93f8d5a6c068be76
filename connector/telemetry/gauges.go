package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Work is what waits in the ledger's work table, for one sync, entity, side and lane.
type Work struct {
	Sync, Entity, Side, Lane string
	State                    string        // pending, parked, held
	Items                    int           // links
	Oldest                   time.Duration // age of the oldest reason: how long its change is unsent
}

// Budget is the state of one Notion token's shared budget, as one connector sees it.
type Budget struct {
	Connector string
	Token     string        // a name or fingerprint, never the token
	PerMinute float64       // what is allowed
	Booked    time.Duration // for how long from now requests are granted already, spaced evenly, over all processes
	PausedFor time.Duration
}

// Reading is how far a connector's snapshot is in one table.
type Reading struct {
	Connector, Table string
	Rows             uint64
	Share            float64 // 0 to 1
	Left             time.Duration
}

// How the ledger is asked at a scrape: not more often than the answers change, and not longer than a scrape may take (10 s by default in Prometheus).
const (
	gaugeFreshFor = 5 * time.Second
	gaugeTimeout  = 3 * time.Second
)

// WatchWork has read asked for the work that waits. name tells readers apart in tandem_gauge_source_up.
func (m *Metrics) WatchWork(name string, read func(context.Context) ([]Work, error)) {
	m.gauges.watch(name, func(ctx context.Context) ([]prometheus.Metric, error) {
		rows, err := read(ctx)
		var out []prometheus.Metric
		for _, w := range rows {
			labels := []string{w.Sync, w.Entity, w.Side, w.Lane, w.State}
			out = append(out, gaugeOf(workItems, float64(w.Items), labels...), gaugeOf(workOldest, w.Oldest.Seconds(), labels...))
		}
		return out, err
	})
}

// WatchBudget has read asked for the budgets of Notion's tokens.
func (m *Metrics) WatchBudget(name string, read func(context.Context) ([]Budget, error)) {
	m.gauges.watch(name, func(ctx context.Context) ([]prometheus.Metric, error) {
		rows, err := read(ctx)
		var out []prometheus.Metric
		for _, b := range rows {
			out = append(out, gaugeOf(budgetLimit, b.PerMinute, b.Connector, b.Token), gaugeOf(budgetBooked, b.Booked.Seconds(), b.Connector, b.Token),
				gaugeOf(budgetPause, b.PausedFor.Seconds(), b.Connector, b.Token))
		}
		return out, err
	})
}

// WatchReadings has read asked for the progress of a snapshot.
func (m *Metrics) WatchReadings(name string, read func(context.Context) ([]Reading, error)) {
	m.gauges.watch(name, func(ctx context.Context) ([]prometheus.Metric, error) {
		tables, err := read(ctx)
		var out []prometheus.Metric
		for _, t := range tables {
			out = append(out, gaugeOf(snapshotRows, float64(t.Rows), t.Connector, t.Table), gaugeOf(snapshotShare, t.Share, t.Connector, t.Table),
				gaugeOf(snapshotLeft, t.Left.Seconds(), t.Connector, t.Table))
		}
		return out, err
	})
}

// Unwatch forgets a reader.
func (m *Metrics) Unwatch(name string) { m.gauges.unwatch(name) }

var (
	workItems   = description("work_items", "Links that wait, are parked or are held.", "sync", "entity", "side", "lane", "state")
	workOldest  = description("work_oldest_seconds", "Age of the oldest change that has not reached the other side.", "sync", "entity", "side", "lane", "state")
	budgetLimit = description("notion_budget_per_minute", "Requests a minute that all processes with this token may make together. token is a fingerprint.",
		"connector", "token")
	budgetBooked = description("notion_budget_booked_seconds", "For how long from now the shared budget is granted already, over all processes: 0 is idle, near 1 and above is fully used.",
		"connector", "token")
	budgetPause   = description("notion_budget_paused_seconds", "How long all requests of the token still pause, because Notion asked for it.", "connector", "token")
	snapshotRows  = description("snapshot_rows", "Rows of a table that the newest snapshot has read, since the connector was started.", "connector", "table")
	snapshotShare = description("snapshot_share", "Share of a table that the newest snapshot has read, before a crash too: 0 to 1.", "connector", "table")
	snapshotLeft  = description("snapshot_left_seconds", "How long the reading of a table will take at its present rate; 0 when it has ended, or has not begun.", "connector", "table")
	sourceUp      = description("gauge_source_up", "1 if the last question to this source was answered; its gauges are missing otherwise.", "source")
)

// gauges asks its sources when it is scraped.
type gauges struct {
	mu      sync.Mutex // guards sources
	sources map[string]*gaugeSource
}

type gaugeSource struct {
	read func(context.Context) ([]prometheus.Metric, error)

	mu   sync.Mutex // held while read runs, so that two scrapes ask once
	at   time.Time
	last []prometheus.Metric
	up   bool
}

func newGauges() *gauges { return &gauges{sources: map[string]*gaugeSource{}} }

func (g *gauges) watch(name string, read func(context.Context) ([]prometheus.Metric, error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sources[name] = &gaugeSource{read: read}
}

func (g *gauges) unwatch(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sources, name)
}

// Describe sends what Collect may send.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{workItems, workOldest, budgetLimit, budgetBooked, budgetPause, proofLinks, proofAge, snapshotRows, snapshotShare, snapshotLeft,
		captureAside, captureCut, captureAsText, captureSignals, captureRefused, captureSpill, captureOpen, sourceUp} {
		out <- d
	}
	for _, d := range captureDescriptions {
		out <- d
	}
}

// Collect asks every source.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	g.mu.Lock()
	sources := map[string]*gaugeSource{}
	for name, s := range g.sources {
		sources[name] = s
	}
	g.mu.Unlock()
	for name, s := range sources {
		metrics, up := s.ask()
		for _, m := range metrics {
			out <- m
		}
		out <- gaugeOf(sourceUp, bit(up), name)
	}
}

func (s *gaugeSource) ask() ([]prometheus.Metric, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && time.Since(s.at) < gaugeFreshFor {
		return s.last, s.up
	}
	ctx, cancel := context.WithTimeout(context.Background(), gaugeTimeout)
	defer cancel()
	metrics, err := s.read(ctx)
	s.at, s.up, s.last = time.Now(), err == nil, metrics
	if err != nil {
		s.last = nil // yesterday's numbers would look like today's
	}
	return s.last, s.up
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tandem_"+name, help, labels, nil)
}

func gaugeOf(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
