package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// Config is the runtime's configuration. Zero fields mean their defaults.
type Config struct {
	Restart RestartPolicy

	// StopTimeout is how long a connector may drain; 20 s, within the 30 s that Kubernetes and compose grant a process at most by default.
	StopTimeout time.Duration

	// KillTimeout is how long it may then take to notice that its context was cancelled; 5 s.
	KillTimeout time.Duration

	Log      *slog.Logger
	Observer Observer // may be nil
}

func (c Config) withDefaults() Config {
	if c.StopTimeout == 0 {
		c.StopTimeout = 20 * time.Second
	}
	if c.KillTimeout == 0 {
		c.KillTimeout = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// ErrNotFound is returned for a connector that the runtime does not have.
var ErrNotFound = errors.New("there is no such connector")

// ErrExists is returned by Add for a name that is taken.
var ErrExists = errors.New("there is a connector of that name already")

// Runtime runs connectors. It is a lifecycle.Service: connectors that are added before Start begin with it, later ones at once. When
// its context is cancelled it ends in the same order as by Stop. All methods may be called from any goroutine, but not from a connector's own.
type Runtime struct {
	lifecycle.Runner
	registry *Registry
	config   Config

	changing sync.Mutex // one change of what runs at a time; taken before mu

	mu    sync.Mutex
	units map[string]*unit
	life  context.Context // of the supervisors; nil while the runtime does not run
}

var _ lifecycle.Watched = (*Runtime)(nil)

// New makes a runtime without connectors.
func New(registry *Registry, c Config) *Runtime {
	return &Runtime{registry: registry, config: c.withDefaults(), units: map[string]*unit{}}
}

// Add configures a connector. The error is config.Problems where the configuration is wrong.
func (r *Runtime) Add(doc config.Document) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if _, err := r.unit(doc.Name); err == nil {
		return fmt.Errorf("add connector %s: %w", doc.Name, ErrExists)
	}
	return r.put(doc)
}

// Put configures a connector anew, or adds it. One that runs is stopped, and started with the new configuration.
func (r *Runtime) Put(doc config.Document) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	return r.put(doc)
}

func (r *Runtime) put(doc config.Document) error {
	if err := r.registry.Check(doc).Err(); err != nil {
		return err
	}
	class, _ := r.registry.Lookup(doc.Config["connector.class"]) // Check found it
	target, known := map[string]State{"": Running, "RUNNING": Running, "PAUSED": Paused, "STOPPED": Stopped}[doc.InitialState]
	if !known {
		return fmt.Errorf("initial_state must be RUNNING, PAUSED or STOPPED, got %q", doc.InitialState)
	}
	if old, err := r.unit(doc.Name); err == nil {
		target = old.wanted() // a new configuration does not resume what was paused
		old.Stop()
	}
	u := newUnit(class, doc, r.config, target)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.units[doc.Name] = u
	if r.life != nil {
		u.start(r.life)
	}
	return nil
}

// Remove stops a connector and forgets it.
func (r *Runtime) Remove(name string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	u, err := r.unit(name)
	if err != nil {
		return err
	}
	u.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.units, name)
	return nil
}

// Pause, Resume, Halt and Restart ask for a state and return at once; Status tells when it is reached.

// Pause ends a connector until Resume.
func (r *Runtime) Pause(name string) error { return r.ask(name, Paused, false) }

// Resume lets a connector run, and tries again one that failed.
func (r *Runtime) Resume(name string) error { return r.ask(name, Running, false) }

// Halt ends a connector; Kafka Connect calls it stop. Its offsets may be changed then.
func (r *Runtime) Halt(name string) error { return r.ask(name, Stopped, false) }

// Restart ends a connector that runs and starts it again, and tries again one that failed. One that is paused or stopped stays so.
func (r *Runtime) Restart(name string) error {
	u, err := r.unit(name)
	if err != nil {
		return err
	}
	u.ask(u.wanted(), true)
	return nil
}

func (r *Runtime) ask(name string, target State, again bool) error {
	u, err := r.unit(name)
	if err != nil {
		return err
	}
	u.ask(target, again)
	return nil
}

// Status lists all connectors by name.
func (r *Runtime) Status() []Status {
	var out []Status
	for _, u := range r.all() {
		out = append(out, u.Status())
	}
	return out
}

// StatusOf is the status of one.
func (r *Runtime) StatusOf(name string) (Status, error) {
	u, err := r.unit(name)
	if err != nil {
		return Status{}, err
	}
	return u.Status(), nil
}

// Document is a connector's configuration as it was given.
func (r *Runtime) Document(name string) (config.Document, error) {
	u, err := r.unit(name)
	if err != nil {
		return config.Document{}, err
	}
	return u.doc, nil
}

// Start starts the connectors' supervisors, sinks before sources, and returns. Whether a connector itself starts is in its status: one that
// cannot must not keep the others from it, and some wait for what others make.
func (r *Runtime) Start(ctx context.Context) error { return r.RunReady(ctx, r.run) }

func (r *Runtime) run(ctx context.Context, ready func()) error {
	r.begin(context.WithoutCancel(ctx)) // the order of the end is ours
	defer r.finish()
	ready()
	<-ctx.Done()
	return nil
}

func (r *Runtime) begin(life context.Context) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life = life
	for _, kind := range []Kind{Sink, Source} {
		for _, u := range r.units {
			if u.class.Kind == kind {
				u.start(r.life)
			}
		}
	}
}

// finish ends all connectors, sources before sinks, and returns when they have ended or were left behind.
func (r *Runtime) finish() {
	r.changing.Lock()
	defer r.changing.Unlock()
	units := r.all()
	for _, kind := range []Kind{Source, Sink} {
		var group sync.WaitGroup
		for _, u := range units {
			if u.class.Kind == kind {
				group.Go(u.Stop)
			}
		}
		group.Wait()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life = nil
}

func (r *Runtime) unit(name string) (*unit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u, ok := r.units[name]; ok {
		return u, nil
	}
	return nil, fmt.Errorf("connector %s: %w", name, ErrNotFound)
}

func (r *Runtime) all() []*unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.units), func(a, b *unit) int { return strings.Compare(a.doc.Name, b.doc.Name) })
}
