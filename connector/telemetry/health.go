package telemetry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Health collects what must be well for the process to be ready. Any goroutine may call it.
type Health struct {
	mu     sync.Mutex
	checks map[string]func(context.Context) error
}

// checkTimeout bounds one check that asks; a probe waits 1 s by default in Kubernetes, so ask little.
const checkTimeout = 800 * time.Millisecond

// NewHealth makes an empty list, which is healthy.
func NewHealth() *Health { return &Health{checks: map[string]func(context.Context) error{}} }

// Check has ask called at every probe; it must heed its context. The error says in a clause what is wrong.
func (h *Health) Check(name string, ask func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = ask
}

// Forget drops a check.
func (h *Health) Forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.checks, name)
}

// Pulse is the check of a loop: unhealthy until its first good beat, after a bad one, and when it was not heard from for longer than within.
func (h *Health) Pulse(name string, within time.Duration) *Pulse {
	p := &Pulse{within: within, err: errStarting}
	h.Check(name, p.ask)
	return p
}

// errStarting is a pulse's answer before its first beat.
var errStarting = errors.New("starting")

// Pulse is beaten by a loop, once a round.
type Pulse struct {
	within time.Duration
	mu     sync.Mutex
	at     time.Time
	err    error
}

// Beat says that a round ended, and how. Safe for a nil Pulse, so that loops need not know whether they are watched.
func (p *Pulse) Beat(err error) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.err = time.Now(), err
}

func (p *Pulse) ask(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if silent := time.Since(p.at); silent > p.within {
		return fmt.Errorf("not heard from for %s", silent.Round(time.Second))
	}
	return nil
}

// Finding is the outcome of one check.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Report is the answer to a probe, in the shape of Kafka Connect's GET /health and with the findings beside.
type Report struct {
	Status  string    `json:"status"` // healthy, starting or unhealthy
	Message string    `json:"message"`
	Checks  []Finding `json:"checks"`
}

// Report asks the checks one after the other, by name, all within checkTimeout.
func (h *Health) Report(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	h.mu.Lock()
	checks := maps.Clone(h.checks)
	h.mu.Unlock()

	report := Report{Status: "healthy", Message: "all is well", Checks: []Finding{}}
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		err := safely(ctx, checks[name])
		finding := Finding{Name: name, OK: err == nil}
		if err != nil {
			finding.Detail = err.Error()
			report.worsen(name, err)
		}
		report.Checks = append(report.Checks, finding)
	}
	return report
}

// worsen keeps the first complaint of the worst kind: what starts is not broken.
func (r *Report) worsen(name string, err error) {
	status := "unhealthy"
	if errors.Is(err, errStarting) {
		status = "starting"
	}
	if r.Status == "healthy" || r.Status == "starting" && status == "unhealthy" {
		r.Status, r.Message = status, name+": "+err.Error()
	}
}

func safely(ctx context.Context, ask func(context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the check panicked: %v", v)
		}
	}()
	return ask(ctx)
}
