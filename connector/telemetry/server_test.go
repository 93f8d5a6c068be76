package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
	"github.com/tandem-sync/tandem/connector/telemetry"
)

var _ lifecycle.Service = (*telemetry.Server)(nil)

func newServer(t *testing.T) (*telemetry.Server, *telemetry.Metrics, *telemetry.Health) {
	t.Helper()
	m, h := telemetry.NewMetrics("v1.2.3"), telemetry.NewHealth()
	s, err := telemetry.NewServer(telemetry.ServerConfig{Address: "127.0.0.1:0"}, m, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, m, h
}

// fetch asks over a connection of its own, so that none is left to goleak.
func fetch(t *testing.T, s *telemetry.Server, method, path string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Address()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	s, m, h := newServer(t)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pulse := h.Pulse("sink", time.Minute)
	if status, body := fetch(t, s, "GET", "/health", nil); status != 503 || !strings.Contains(body, `"status":"starting"`) {
		t.Errorf("/health = %d %s", status, body)
	}
	pulse.Beat(nil)
	status, body := fetch(t, s, "GET", "/health", nil)
	var report telemetry.Report
	if err := json.Unmarshal([]byte(body), &report); err != nil || status != 200 || report.Status != "healthy" || len(report.Checks) != 1 {
		t.Errorf("/health = %d %s", status, body)
	}
	if status, body := fetch(t, s, "GET", "/livez", nil); status != 200 || body != "ok\n" {
		t.Errorf("/livez = %d %q", status, body)
	}
	m.StateChanged("crm-source", "cdc.PostgresSource", "RUNNING")
	if status, body := fetch(t, s, "GET", "/metrics", nil); status != 200 || !strings.Contains(body, `tandem_build_info{go_version="`) ||
		!strings.Contains(body, `tandem_connector_state{class="cdc.PostgresSource",connector="crm-source",state="RUNNING"} 1`) {
		t.Errorf("/metrics = %d %s", status, body)
	}
	for path, want := range map[string]int{"/": 404, "/debug/pprof/": 404, "/metrics/x": 404} {
		if status, _ := fetch(t, s, "GET", path, nil); status != want {
			t.Errorf("GET %s = %d, want %d", path, status, want)
		}
	}
	if status, _ := fetch(t, s, "POST", "/health", strings.NewReader("{}")); status != 405 {
		t.Errorf("POST /health = %d, want 405", status)
	}
}

func TestServerKeepsTheContractUnderStress(t *testing.T) {
	t.Parallel()
	s, _, _ := newServer(t)
	lifecycletest.Stress(t, s)
}

func TestServerLetsAnAnswerEnd(t *testing.T) {
	t.Parallel()
	s, _, h := newServer(t)
	asked, release := make(chan struct{}), make(chan struct{})
	h.Check("slow", func(context.Context) error { close(asked); <-release; return nil })
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	statuses := make(chan int, 1)
	go func() { status, _ := fetch(t, s, "GET", "/health", nil); statuses <- status }()
	<-asked
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.Stop() }()
	close(release)
	if status := <-statuses; status != 200 {
		t.Errorf("the answer that was under way ended with %d", status)
	}
	<-stopped
}

func TestServerStaysOnLoopbackUnlessAllowed(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{"": true, "127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "127.9.9.9:1": true,
		"0.0.0.0:1": false, ":8084": false, "[::]:1": false, "example.org:1": false, "127.0.0.1": false, "nonsense": false} {
		_, err := telemetry.NewServer(telemetry.ServerConfig{Address: address}, telemetry.NewMetrics(""), telemetry.NewHealth(), slog.New(slog.DiscardHandler))
		if (err == nil) != ok {
			t.Errorf("address %q: %v", address, err)
		}
	}
	if _, err := telemetry.NewServer(telemetry.ServerConfig{Address: ":8084", AllowRemote: true}, telemetry.NewMetrics(""), telemetry.NewHealth(), slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func TestServerSaysThatItsPortIsTaken(t *testing.T) {
	t.Parallel()
	first, m, h := newServer(t)
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := telemetry.NewServer(telemetry.ServerConfig{Address: first.Address()}, m, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "serve metrics: ") {
		t.Errorf("Start on a taken port = %v", err)
	}
	second.Stop()
}

func scrape(t *testing.T, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			out[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = value
		}
	}
	return out
}

func expect(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if g, ok := got[name]; !ok || g != v {
			t.Errorf("%s = %v (there: %v), want %v", name, g, ok, v)
		}
	}
}

func TestEventsBecomeMetrics(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("v1")
	m.StateChanged("c", "cdc.PostgresSource", "RUNNING")
	m.StateChanged("c", "cdc.PostgresSource", "FAILED")
	m.Restarted("c")
	m.Request("PATCH /v1/pages", "ok", 300*time.Millisecond)
	m.Throttled("429", 2*time.Second)
	m.BudgetWaited(time.Second)
	m.Conflict("contact", "phone", "crm", true, true)
	m.Reconciled("contact", "notion", "patched")
	m.Latency("contact", "notion", "live", time.Second)
	m.Window("contact", time.Second)
	m.Parked("contact", "notion")
	m.DeadLettered("crm.public.contact", "VALUE_CONVERTER")
	m.Alerted("conflict")
	m.Reachable("kafka", false)
	m.PluginCalled("phone", "timeout", time.Second)
	c := m.Connector("c")
	c.Records("crm.public.contact", "u", 3)
	c.ReplicationLag(4096)
	c.Polled("contact", 0, errors.New("503"), time.Minute)
	expect(t, scrape(t, m), map[string]float64{
		"tandem_connector_state{cdc.PostgresSource,c,FAILED}":           1,
		"tandem_connector_state{cdc.PostgresSource,c,RUNNING}":          0,
		"tandem_connector_restarts_total{c}":                            1,
		"tandem_notion_request_seconds{PATCH /v1/pages,ok}":             1,
		"tandem_notion_throttled_seconds_total{429}":                    2,
		"tandem_notion_budget_wait_seconds{}":                           1,
		"tandem_conflicts_total{yes,tie_rule,contact,phone,crm}":        1,
		"tandem_reconciled_total{contact,patched,notion}":               1,
		"tandem_change_latency_seconds{contact,live,notion}":            1,
		"tandem_overwrite_window_seconds{contact}":                      1,
		"tandem_parked_total{contact,notion}":                           1,
		"tandem_dead_letters_total{VALUE_CONVERTER,crm.public.contact}": 1,
		"tandem_alerts_total{conflict}":                                 1,
		"tandem_reachable{kafka}":                                       0,
		"tandem_plugin_call_seconds{timeout,phone}":                     1,
		"tandem_records_total{c,u,crm.public.contact}":                  3,
		"tandem_replication_lag_bytes{c}":                               4096,
		"tandem_polls_total{c,contact,failed}":                          1,
		"tandem_poll_interval_seconds{c,contact}":                       60,
	})
	m.Forget("c")
	for name := range scrape(t, m) {
		if strings.Contains(name, "{c,") || strings.Contains(name, ",c,") {
			t.Errorf("%s is left of a connector that was removed", name)
		}
	}
}

func TestWaitingWorkIsAskedForAtTheScrapeButNotTooOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := telemetry.NewMetrics("v1")
		var asked atomic.Int32
		var failure atomic.Pointer[error]
		m.WatchWork("ledger", func(ctx context.Context) ([]telemetry.Work, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a scrape asks without a deadline")
			}
			if asked.Add(1); failure.Load() != nil {
				return nil, *failure.Load()
			}
			return []telemetry.Work{{Sync: "s", Entity: "contact", Side: "notion", Lane: "live", State: "pending", Items: 7, Oldest: 90 * time.Second}}, nil
		})
		m.WatchBudget("budget", func(context.Context) ([]telemetry.Budget, error) {
			return []telemetry.Budget{{Connector: "sink", Token: "main", PerMinute: 180, Booked: 500 * time.Millisecond, PausedFor: 3 * time.Second}}, nil
		})
		m.WatchReadings("readings", func(context.Context) ([]telemetry.Reading, error) {
			return []telemetry.Reading{{Connector: "crm", Table: "public.contact", Rows: 9, Share: 0.25, Left: time.Minute}}, nil
		})
		m.WatchCapture("slot", func(context.Context) (telemetry.Capture, error) {
			return telemetry.Capture{Connector: "crm", Slot: &telemetry.Slot{Behind: time.Minute, Retained: 30, Safe: 10, Limited: true, Status: "extended", Read: true},
				Events: []telemetry.Events{{Table: "public.contact", Op: "u", N: 5}}}, nil
		})
		m.WatchCapture("lost", func(context.Context) (telemetry.Capture, error) {
			return telemetry.Capture{Connector: "old", Slot: &telemetry.Slot{Status: "lost"}}, nil
		})
		want := map[string]float64{
			"tandem_replication_lag_seconds{crm}": 60, "tandem_slot_retained_bytes{crm}": 30, "tandem_slot_safe_bytes{crm}": 10, "tandem_slot_used_share{crm}": 0.75, "tandem_slot_active{crm}": 1,
			"tandem_slot_wal_status{crm,extended}": 1, "tandem_slot_wal_status{crm,lost}": 0, "tandem_slot_wal_status{old,lost}": 1, "tandem_slot_used_share{old}": 1,
			"tandem_capture_events_total{crm,u,public.contact}": 5,
			"tandem_snapshot_rows{crm,public.contact}":          9, "tandem_snapshot_share{crm,public.contact}": 0.25, "tandem_snapshot_left_seconds{crm,public.contact}": 60,
			"tandem_work_items{contact,live,notion,pending,s}": 7, "tandem_work_oldest_seconds{contact,live,notion,pending,s}": 90,
			"tandem_notion_budget_per_minute{sink,main}": 180, "tandem_notion_budget_booked_seconds{sink,main}": 0.5, "tandem_notion_budget_paused_seconds{sink,main}": 3,
			"tandem_gauge_source_up{ledger}": 1,
		}
		expect(t, scrape(t, m), want)
		expect(t, scrape(t, m), want)
		if asked.Load() != 1 {
			t.Errorf("asked %d times within a second, want once", asked.Load())
		}
		gone := errors.New("connection refused")
		failure.Store(&gone)
		time.Sleep(6 * time.Second) //nolint:forbidigo // virtual time
		got := scrape(t, m)
		expect(t, got, map[string]float64{"tandem_gauge_source_up{ledger}": 0})
		if _, stale := got["tandem_work_items{contact,live,notion,pending,s}"]; stale {
			t.Error("numbers from before the failure are shown as today's")
		}
		m.Unwatch("ledger")
		if _, there := scrape(t, m)["tandem_gauge_source_up{ledger}"]; there {
			t.Error("an unwatched source is still asked")
		}
	})
}
