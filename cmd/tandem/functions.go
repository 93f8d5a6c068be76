package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/plugins"
	"github.com/tandem-sync/tandem/plugins/builtin"
	"github.com/tandem-sync/tandem/plugins/host"
	"github.com/tandem-sync/tandem/plugins/sdk"
	"github.com/tandem-sync/tandem/sink"
)

// functions are the plugins as a sink calls them. Instances are made at the first use of each configuration and kept.
type functions struct {
	registry *plugins.Registry
	observe  func(plugin, outcome string, took time.Duration) // nil is nobody

	mu    sync.Mutex
	byUse map[string]plugins.Function
	maps  map[string]plugins.Mapper
}

var _ sink.Functions = (*functions)(nil)

// Function implements sink.Functions.
func (f *functions) Function(ctx context.Context, use mapping.FunctionUse, toNotion bool, values []change.Value) ([]sink.FunctionAnswer, error) {
	bound, err := instance(ctx, f, f.byUse, use, f.registry.Function)
	if err != nil {
		return nil, err
	}
	turn := bound.ToCRM
	if toNotion {
		turn = bound.ToNotion
	}
	began := time.Now()
	got, errs := turn(ctx, values)
	f.called(use, errs, began)
	answers := make([]sink.FunctionAnswer, len(values))
	for i := range values {
		answers[i].Value = got[i]
		if errs == nil || errs[i] == nil {
			continue
		}
		if answers[i].Bad = badValue(errs[i]); answers[i].Bad == "" {
			return nil, unavailable(use, errs[i])
		}
	}
	return answers, nil
}

// Mapper implements sink.Functions.
func (f *functions) Mapper(ctx context.Context, use mapping.FunctionUse, toNotion bool, image change.Image) (change.Image, error) {
	bound, err := instance(ctx, f, f.maps, use, f.registry.Mapper)
	if err != nil {
		return nil, err
	}
	turn := bound.ToCRM
	if toNotion {
		turn = bound.ToNotion
	}
	began := time.Now()
	got, errs := turn(ctx, []change.Image{image})
	f.called(use, errs, began)
	if errs == nil || errs[0] == nil {
		return got[0], nil
	}
	if reason := badValue(errs[0]); reason != "" {
		return nil, &sink.DataError{Reason: reason}
	}
	return nil, unavailable(use, errs[0])
}

// instance finds or makes the instance for a use.
func instance[T any](ctx context.Context, f *functions, known map[string]T, use mapping.FunctionUse, find func(context.Context, string, json.RawMessage) (T, error)) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := use.Name + " " + string(use.Config)
	if bound, ok := known[key]; ok {
		return bound, nil
	}
	bound, err := find(ctx, use.Name, use.Config)
	if err != nil {
		return bound, unavailable(use, err)
	}
	known[key] = bound
	return bound, nil
}

// called tells of a call. A value that was refused is an answer like any other.
func (f *functions) called(use mapping.FunctionUse, errs []error, began time.Time) {
	if f.observe == nil {
		return
	}
	plugin, _, external := strings.Cut(use.Name, ".")
	if !external {
		plugin = builtin.Name
	}
	outcome := "ok"
	for _, err := range errs {
		if err != nil && badValue(err) == "" {
			outcome = "error"
		}
	}
	f.observe(plugin, outcome, time.Since(began))
}

// badValue gives the reason of an error that concerns its value alone, "" for the others.
func badValue(err error) string {
	var bad interface{ BadValue() bool }
	if errors.As(err, &bad) && bad.BadValue() {
		return err.Error()
	}
	return ""
}

// pluginError is a rule that cannot answer now. It hides what it wraps: a plugin's "fatal" concerns the fields that use it, and must not
// stop the work on all others.
type pluginError struct{ text string }

func unavailable(use mapping.FunctionUse, err error) error {
	return &pluginError{fmt.Sprintf("rule %s cannot answer: %v", use.Name, err)}
}

// Error says which rule, and why.
func (e *pluginError) Error() string { return e.text }

// Retryable is true: nothing is known against the value.
func (*pluginError) Retryable() bool { return true }

// pluginSpecs reads a plugins.file; "" is none.
func pluginSpecs(file string) ([]plugins.Spec, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, plainPath(err))
	}
	specs, err := plugins.ParseSpecs(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return specs, nil
}

// functions opens the plugins of a connector; they start before what uses them.
func (a *app) functions(name, file string, entities []*mapping.Entity, p *parts) (*functions, error) {
	registry, err := a.plugins(file)
	if err != nil {
		return nil, err
	}
	p.onClose(func() {
		if err := registry.Close(); err != nil {
			a.log.Warn("plugins did not end well", "connector", name, "err", err)
		}
	})
	p.add("plugins", &rules{registry: registry, entities: entities})
	p.onDescribe(func() []connector.Detail { return pluginDetails(registry) })
	check := "plugins of " + name
	a.health.Check(check, func(context.Context) error { return degraded(registry) })
	p.onClose(func() { a.health.Forget(check) })
	fns := newFunctions(registry)
	fns.observe = a.metrics.PluginCalled
	return fns, nil
}

func newFunctions(registry *plugins.Registry) *functions {
	return &functions{registry: registry, byUse: map[string]plugins.Function{}, maps: map[string]plugins.Mapper{}}
}

func (a *app) plugins(file string) (*plugins.Registry, error) {
	specs, err := pluginSpecs(file)
	if err != nil {
		return nil, err
	}
	registry, err := plugins.New(plugins.Config{Plugins: specs, InProcess: a.inProcess, Dir: filepath.Dir(file), Log: a.log})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return registry, nil
}

func pluginDetails(registry *plugins.Registry) []connector.Detail {
	var details []connector.Detail
	for _, s := range registry.Status() {
		details = append(details, connector.Detail{Name: "plugin " + s.Name, Value: string(s.State)})
	}
	return details
}

// degraded reports plugins that have used up their restarts.
func degraded(registry *plugins.Registry) error {
	for _, s := range registry.Status() {
		if s.State == host.Degraded {
			return fmt.Errorf("plugin %s is degraded: the fields that it maps wait", s.Name)
		}
	}
	return nil
}

// rules is a registry that makes sure at its start that everything that the mappings name is there.
type rules struct {
	registry *plugins.Registry
	entities []*mapping.Entity
}

// Start runs the plugins and checks the mappings' uses of them.
func (r *rules) Start(ctx context.Context) error {
	if err := r.registry.Start(ctx); err != nil {
		return err
	}
	if err := checkRules(ctx, r.registry, r.entities).Err(); err != nil {
		r.registry.Stop()
		return err
	}
	return nil
}

// Stop ends the plugins.
func (r *rules) Stop() { r.registry.Stop() }

// checkRules reports everything that is wrong with the rules that mappings name.
func checkRules(ctx context.Context, registry *plugins.Registry, entities []*mapping.Entity) config.Problems {
	var problems config.Problems
	check := func(path string, kind sdk.Kind, use *mapping.FunctionUse) {
		if use == nil {
			return
		}
		for _, d := range registry.Check(ctx, kind, use.Name, use.Config) {
			if d.Severity == sdk.SeverityWarning {
				problems.Warnf(path, "%s", d)
			} else {
				problems.Errorf(path, "%s", d)
			}
		}
	}
	for _, e := range entities {
		for _, f := range e.Fields {
			check(e.Name+": field "+f.Name+": function", sdk.KindFunction, f.Function)
		}
		check(e.Name+": mapper", sdk.KindMapper, e.Document.Mapper)
	}
	return problems
}
