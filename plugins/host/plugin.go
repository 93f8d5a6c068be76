package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// State is where a plugin's process stands; the package comment draws it.
type State string

// The states.
const (
	Stopped    State = "stopped"
	Starting   State = "starting"
	Configured State = "configured"
	Open       State = "open"
	Degraded   State = "degraded"
)

// calmAfter is how long a process must live for the back-off to begin anew.
const calmAfter = time.Minute

// Status is what is known of a plugin, for people and metrics.
type Status struct {
	Name     string
	State    State
	Since    time.Time
	Version  string   // as the plugin describes itself; empty before it first did
	PID      int      // 0 while no process runs
	Restarts int      // within RestartWindow
	LastErr  string   // why the last process was given up
	Stderr   []string // the last lines it printed
}

// Plugin is one external plugin under supervision: a [lifecycle.Service]. Start returns when the plugin is open, or an error that says what
// to do when it does not come up at its first start. Any goroutine may call its methods.
type Plugin struct {
	lifecycle.Runner
	cfg      Config
	log      *slog.Logger
	tail     tail
	suspects suspects
	wake     chan struct{} // Restart ends a degradation

	mu          sync.Mutex
	state       State
	since       time.Time
	changed     chan struct{} // closed and replaced at every change of state
	description sdk.Description
	session     *session // not nil while open
	pid         int
	restarts    []time.Time // within RestartWindow
	lastErr     error
	instances   []instance // to be configured at each start, in order
}

var _ lifecycle.Watched = (*Plugin)(nil)

// instance is one configuration of one offer.
type instance struct {
	id     string
	offer  string
	kind   sdk.Kind
	config []byte
}

// New checks the configuration; nothing is started.
func New(cfg Config) (*Plugin, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure plugin %s: %w", cfg.Name, err)
	}
	cfg = cfg.withDefaults()
	return &Plugin{
		cfg: cfg, log: cfg.Log.With("plugin", cfg.Name), wake: make(chan struct{}, 1),
		state: Stopped, since: time.Now(), changed: make(chan struct{}),
	}, nil
}

// Start runs the plugin until Stop, or until ctx ends.
func (p *Plugin) Start(ctx context.Context) error {
	return p.RunReady(ctx, p.supervise)
}

// Restart forgives all restarts and suspects, and ends a degradation at once.
func (p *Plugin) Restart() {
	p.suspects.clearAll()
	p.mu.Lock()
	p.restarts = nil
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Status tells how the plugin is.
func (p *Plugin) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetRestarts(time.Now())
	s := Status{
		Name: p.cfg.Name, State: p.state, Since: p.since, Version: p.description.Version,
		PID: p.pid, Restarts: len(p.restarts), Stderr: p.tail.read(),
	}
	if p.lastErr != nil {
		s.LastErr = p.lastErr.Error()
	}
	return s
}

// supervise runs one process after another.
func (p *Plugin) supervise(ctx context.Context, ready func()) error {
	// The kernel kills the plugin when the thread that started it ends (Pdeathsig), so that thread must not be given to others.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer p.become(Stopped)
	p.suspects.clearAll()
	opened := false
	pause := p.newBackoff()
	for {
		began := time.Now()
		err := p.live(ctx, func() { opened = true; ready() })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.failed(err)
		if !opened {
			return err
		}
		if time.Since(began) > calmAfter {
			pause.Reset()
		}
		if err := p.recover(ctx, err, pause.NextBackOff()); err != nil {
			return err
		}
	}
}

func (p *Plugin) newBackoff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(p.cfg.BackoffMin), backoff.WithMaxInterval(p.cfg.BackoffMax),
		backoff.WithMultiplier(2), backoff.WithMaxElapsedTime(0)) // the budget ends it, not time
}

// live is one process, from exec to kill.
func (p *Plugin) live(ctx context.Context, ready func()) error {
	p.become(Starting)
	proc, err := launch(ctx, p.cfg, &p.tail)
	if err != nil {
		return err
	}
	defer p.buried(proc)
	description, err := proc.describe(ctx)
	if err != nil {
		return &StartError{Plugin: p.cfg.Name, Reason: err.Error(), Stderr: p.tail.read(), Err: err}
	}
	s, err := p.configureAll(ctx, proc, description)
	if err != nil {
		return err
	}
	err = s.run(ctx, func() {
		p.openWith(s)
		ready()
	})
	p.closeWith(s)
	if ctx.Err() != nil {
		proc.release(p.log)
		return context.Cause(ctx)
	}
	return err
}

func (p *Plugin) buried(proc *process) {
	proc.kill()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = 0
}

// configureAll makes the instances that callers hold. One that is refused now (the executable may be another one) fails its own calls
// only.
func (p *Plugin) configureAll(ctx context.Context, proc *process, d sdk.Description) (*session, error) {
	p.mu.Lock()
	p.description, p.pid = d, proc.pid()
	instances := slices.Clone(p.instances)
	p.mu.Unlock()
	broken := map[string]error{}
	for _, in := range instances {
		err := proc.configure(ctx, in)
		var refused *sdk.ConfigError
		switch {
		case errors.As(err, &refused):
			broken[in.id] = sdk.Fatal("%v", refused)
			p.log.Error("plugin refuses a configuration that it took before", "error", refused)
		case err != nil:
			return nil, err
		}
	}
	p.become(Configured)
	return newSession(proc, broken, func(under []*flight) { p.suspects.blame(under, time.Now()) }), nil
}

// recover waits for the time of the next start: the back-off, or the end of a degradation.
func (p *Plugin) recover(ctx context.Context, cause error, pause time.Duration) error {
	free, degraded := p.budget(time.Now())
	if degraded {
		p.become(Degraded)
		p.log.Error("plugin is degraded: it used up its restarts", "restarts", p.cfg.RestartMax, "within", p.cfg.RestartWindow,
			"next_try", free, "error", cause, "stderr", p.tail.read())
		pause = time.Until(free)
	} else {
		p.become(Starting)
		p.log.Warn("plugin failed and will be restarted", "after", pause, "error", cause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.wake:
	case <-timer.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restarts = append(p.restarts, time.Now())
	return nil
}

// budget tells whether the restarts are used up, and when the oldest of them will have been forgotten.
func (p *Plugin) budget(now time.Time) (free time.Time, degraded bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetRestarts(now)
	if len(p.restarts) < p.cfg.RestartMax {
		return now, false
	}
	return p.restarts[len(p.restarts)-p.cfg.RestartMax].Add(p.cfg.RestartWindow), true
}

// forgetRestarts needs mu.
func (p *Plugin) forgetRestarts(now time.Time) {
	p.restarts = slices.DeleteFunc(p.restarts, func(t time.Time) bool { return now.Sub(t) >= p.cfg.RestartWindow })
}

func (p *Plugin) failed(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
}

func (p *Plugin) openWith(s *session) {
	p.mu.Lock()
	p.session = s
	p.mu.Unlock()
	p.become(Open)
}

func (p *Plugin) closeWith(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == s {
		p.session = nil
	}
}

func (p *Plugin) become(state State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if state != Open {
		p.session = nil
	}
	if p.state == state {
		return
	}
	p.log.Debug("plugin changes state", "from", p.state, "to", state)
	p.state, p.since = state, time.Now()
	close(p.changed)
	p.changed = make(chan struct{})
}
