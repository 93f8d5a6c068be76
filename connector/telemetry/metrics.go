package telemetry

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics is the process's registry, and what does not belong to one connector. Any goroutine may call its methods; none blocks.
//
// Names follow Prometheus's conventions: tandem_ before, the unit behind, _total on what only grows.
type Metrics struct {
	registry *prometheus.Registry
	gauges   *gauges

	state     *prometheus.GaugeVec
	restarts  *prometheus.CounterVec
	requests  *prometheus.HistogramVec
	throttled *prometheus.CounterVec
	waited    prometheus.Histogram
	conflicts *prometheus.CounterVec
	outcomes  *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	window    *prometheus.HistogramVec
	parked    *prometheus.CounterVec
	records   *prometheus.CounterVec
	letters   *prometheus.CounterVec
	alerts    *prometheus.CounterVec
	lagBytes  *prometheus.GaugeVec
	reachable *prometheus.GaugeVec
	polls     *prometheus.CounterVec
	interval  *prometheus.GaugeVec
	plugins   *prometheus.HistogramVec
}

// Buckets, in seconds. A request takes 0.1 to 65 s; a change may wait from milliseconds to the hours of an outage.
var (
	requestBuckets = []float64{.05, .1, .2, .3, .5, .75, 1, 2, 5, 10, 30, 65}
	latencyBuckets = []float64{.25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600}
	waitBuckets    = []float64{.01, .1, .35, 1, 2, 5, 10, 30, 60, 120}
)

// NewMetrics makes a registry with Tandem's metrics, Go's and the process's own.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), gauges: newGauges()}
	m.define()
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.gauges,
	)
	info := m.gauge("build_info", "Always 1; the labels say which binary this is.", "version", "go_version")
	info.WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// Registry is for what brings its own collectors (Kafka's client), and for the handler.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

func (m *Metrics) define() {
	m.state = m.gauge("connector_state", "1 for the state that a connector is in, 0 for the others.", "connector", "class", "state")
	m.restarts = m.counter("connector_restarts_total", "How often a connector was started again after it failed.", "connector")
	m.requests = m.histogram("notion_request_seconds", "Requests to Notion, each attempt by itself. outcome: ok, not_applied, unknown, throttled, failed.",
		requestBuckets, "operation", "outcome")
	m.throttled = m.counter("notion_throttled_seconds_total", "How long Notion told us to wait (429 and 529, Retry-After).", "code")
	m.waited = m.histogram("notion_budget_wait_seconds", "How long requests waited for the shared budget.", waitBuckets).WithLabelValues().(prometheus.Histogram)
	m.conflicts = m.counter("conflicts_total", "Fields that both sides changed. decided: clock, tie_rule.", "entity", "field", "winner", "decided", "critical")
	m.outcomes = m.counter("reconciled_total", "Links looked at, by what came of it.", "entity", "side", "outcome")
	m.latency = m.histogram("change_latency_seconds", "From a commit in the CRM, or the read of a page, to its effect on the other side.",
		latencyBuckets, "entity", "side", "lane")
	m.window = m.histogram("overwrite_window_seconds", "Between reading a page and writing it: the time in which a person's edit of the same property could be lost.",
		requestBuckets, "entity")
	m.parked = m.counter("parked_total", "Work put aside with its reason.", "entity", "side")
	m.records = m.counter("records_total", "Pages that source.NotionSource wrote to Kafka, one record each. op: how the page was found.", "connector", "topic", "op")
	m.letters = m.counter("dead_letters_total", "Records put into a dead-letter topic, by the stage that could not handle them.", "topic", "stage")
	m.alerts = m.counter("alerts_total", "Alerts published, by kind.", "kind")
	m.lagBytes = m.gauge("replication_lag_bytes", "WAL that the server keeps for us: its end less what we confirmed.", "connector")
	m.reachable = m.gauge("reachable", "1 while a system can be reached, 0 while it cannot. system: postgres, kafka, notion.", "system")
	m.polls = m.counter("polls_total", "Polls of a data source. result: idle, changed, failed.", "connector", "entity", "result")
	m.interval = m.gauge("poll_interval_seconds", "The present pause between two polls: short while people edit.", "connector", "entity")
	m.plugins = m.histogram("plugin_call_seconds", "Calls of mapping plugins. outcome: ok, error, timeout, crashed.", requestBuckets, "plugin", "outcome")
}

// Restarted counts a connector's restart after a failure.
func (m *Metrics) Restarted(connector string) { m.restarts.WithLabelValues(connector).Inc() }

// States are what StateChanged may be told: Kafka Connect's.
var States = []string{"RUNNING", "PAUSED", "FAILED", "RESTARTING", "UNASSIGNED", "STOPPED"}

// StateChanged sets the state that a connector is in.
func (m *Metrics) StateChanged(connector, class, state string) {
	for _, s := range States {
		m.state.WithLabelValues(connector, class, s).Set(bit(s == state))
	}
}

// Forget drops the series of a connector that was removed.
func (m *Metrics) Forget(connector string) {
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{m.state, m.restarts, m.records, m.lagBytes, m.polls, m.interval} {
		v.DeletePartialMatch(prometheus.Labels{"connector": connector})
	}
}

// Request counts one attempt of a request to Notion.
func (m *Metrics) Request(operation, outcome string, took time.Duration) {
	m.requests.WithLabelValues(operation, outcome).Observe(took.Seconds())
}

// Throttled counts an answer that told us to wait.
func (m *Metrics) Throttled(code string, wait time.Duration) {
	m.throttled.WithLabelValues(code).Add(wait.Seconds())
}

// BudgetWaited counts how long a request waited for its turn.
func (m *Metrics) BudgetWaited(d time.Duration) { m.waited.Observe(d.Seconds()) }

// Conflict counts a field that both sides changed. Undecidable ones were decided by the tie rule.
func (m *Metrics) Conflict(entity, field, winner string, undecidable, critical bool) {
	decided := "clock"
	if undecidable {
		decided = "tie_rule"
	}
	m.conflicts.WithLabelValues(entity, field, winner, decided, yesNo(critical)).Inc()
}

// Reconciled counts a link that was looked at.
func (m *Metrics) Reconciled(entity, side, outcome string) {
	m.outcomes.WithLabelValues(entity, side, outcome).Inc()
}

// Latency counts how long a change took to the other side.
func (m *Metrics) Latency(entity, side, lane string, d time.Duration) {
	m.latency.WithLabelValues(entity, side, lane).Observe(d.Seconds())
}

// Window counts how long a page was between its read and its write.
func (m *Metrics) Window(entity string, d time.Duration) {
	m.window.WithLabelValues(entity).Observe(d.Seconds())
}

// Parked counts work that was put aside. How much lies there now is a gauge: see WatchWork.
func (m *Metrics) Parked(entity, side string) { m.parked.WithLabelValues(entity, side).Inc() }

// DeadLettered counts a record that could not be read.
func (m *Metrics) DeadLettered(topic, stage string) { m.letters.WithLabelValues(topic, stage).Inc() }

// Alerted counts a published alert.
func (m *Metrics) Alerted(kind string) { m.alerts.WithLabelValues(kind).Inc() }

// Reachable says whether a system can be reached.
func (m *Metrics) Reachable(system string, yes bool) {
	m.reachable.WithLabelValues(system).Set(bit(yes))
}

// PluginCalled counts a call of a plugin.
func (m *Metrics) PluginCalled(plugin, outcome string, took time.Duration) {
	m.plugins.WithLabelValues(plugin, outcome).Observe(took.Seconds())
}

// ConnectorMetrics are the metrics of one connector.
type ConnectorMetrics struct {
	all  *Metrics
	name string
}

// Connector gives the metrics of a connector by its name.
func (m *Metrics) Connector(name string) *ConnectorMetrics { return &ConnectorMetrics{m, name} }

// Records counts records that a source wrote, or that a sink turned into reasons. op is c, u, d, r, t or m.
func (c *ConnectorMetrics) Records(topic, op string, n int) {
	c.all.records.WithLabelValues(c.name, topic, op).Add(float64(n))
}

// ReplicationLag says how much WAL the server keeps for the connector's slot.
func (c *ConnectorMetrics) ReplicationLag(bytes uint64) {
	c.all.lagBytes.WithLabelValues(c.name).Set(float64(bytes))
}

// Polled counts a poll of an entity's data source; next is the pause that follows.
func (c *ConnectorMetrics) Polled(entity string, changed int, err error, next time.Duration) {
	result := "idle"
	switch {
	case err != nil:
		result = "failed"
	case changed > 0:
		result = "changed"
	}
	c.all.polls.WithLabelValues(c.name, entity, result).Inc()
	c.all.interval.WithLabelValues(c.name, entity).Set(next.Seconds())
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tandem", Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tandem", Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "tandem", Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

func bit(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
