// Package plugins knows every mapping rule by name: the built-in ones, and those of plugins that run as processes of their own.
// Mappings name a rule as "trim" (built in) or "phone.e164" (the plugin phone's e164), with its configuration.
package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/plugins/builtin"
	"github.com/tandem-sync/tandem/plugins/host"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Function turns values of one field in batches, in one configuration. Callers declare the interface that they need; it
// names no type of this package. Errors answer BadValue() bool (park the record with the reason), Retryable() bool, Fatal() bool and
// Degraded() bool (the plugin is down for minutes).
type Function = sdk.Bound[change.Value]

// Mapper turns whole records, likewise.
type Mapper = sdk.Bound[change.Image]

// Config is what a registry holds beside the built-in rules.
type Config struct {
	Plugins   []Spec
	InProcess []sdk.Plugin // compiled into this binary
	Dir       string       // of the configuration file: see Spec.Command
	Log       *slog.Logger
}

// source is one plugin, wherever it runs.
type source interface {
	Describe(ctx context.Context) (sdk.Description, error)
	Validate(ctx context.Context, offer string, config json.RawMessage) ([]sdk.Diagnostic, error)
	Function(ctx context.Context, offer string, config json.RawMessage) (sdk.Bound[change.Value], error)
	Mapper(ctx context.Context, offer string, config json.RawMessage) (sdk.Bound[change.Image], error)
}

var (
	_ source = (*sdk.Runtime)(nil)
	_ source = (*host.Plugin)(nil)
)

// entry is a source with the defaults of its configurations.
type entry struct {
	source
	defaults map[string]json.RawMessage
}

// Registry is a [lifecycle.Service] that runs the external plugins. Built-in rules need no Start. Any goroutine may call its methods.
type Registry struct {
	entries  map[string]entry
	external []*host.Plugin
	local    []*sdk.Runtime
	group    lifecycle.Group
}

var _ lifecycle.Service = (*Registry)(nil)

// New reports every problem of the configuration; nothing is started.
func New(cfg Config) (*Registry, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{entries: map[string]entry{}}
	var errs []error
	for _, p := range append([]sdk.Plugin{builtin.Plugin()}, cfg.InProcess...) {
		errs = append(errs, r.addLocal(p, log))
	}
	for i, s := range cfg.Plugins {
		if err := r.addExternal(s, cfg.Dir, log); err != nil {
			errs = append(errs, fmt.Errorf("plugins.%d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Registry) addLocal(p sdk.Plugin, log *slog.Logger) error {
	runtime, err := sdk.NewRuntime(p, func(offer string, value any, stack []byte) {
		log.Error("rule panicked", "rule", p.Name+"."+offer, "value", fmt.Sprint(value), "stack", string(stack))
	})
	if err != nil {
		return err
	}
	if _, twice := r.entries[p.Name]; twice {
		return fmt.Errorf("plugin %q: the name is taken", p.Name)
	}
	r.entries[p.Name] = entry{source: runtime}
	r.local = append(r.local, runtime)
	return nil
}

func (r *Registry) addExternal(s Spec, dir string, log *slog.Logger) error {
	if _, twice := r.entries[s.Name]; twice {
		return fmt.Errorf("name: %q is taken", s.Name)
	}
	defaults, err := s.defaults()
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	hostConfig, err := s.host(dir, log)
	if err != nil {
		return err
	}
	p, err := host.New(hostConfig)
	if err != nil {
		return err
	}
	r.entries[s.Name] = entry{source: p, defaults: defaults}
	r.external = append(r.external, p)
	r.group.Add("plugin "+s.Name, p)
	return nil
}

// Start runs the external plugins, in order; ctx bounds their lives. A plugin that does not come up at its first start is a mistake of
// the configuration, and an error; one that fails later is restarted, and its calls fail meanwhile.
func (r *Registry) Start(ctx context.Context) error {
	if err := r.group.Start(ctx); err != nil {
		return err
	}
	if err := r.checkDefaults(ctx); err != nil {
		r.group.Stop()
		return err
	}
	return nil
}

// Stop ends the external plugins.
func (r *Registry) Stop() { r.group.Stop() }

// Close stops, and cleans up the rules that run in this process; the registry is of no use afterwards.
func (r *Registry) Close() error {
	r.Stop()
	var errs []error
	for _, l := range r.local {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// checkDefaults finds defaults that no offer has: a typing error that nobody would see.
func (r *Registry) checkDefaults(ctx context.Context) error {
	var errs []error
	for name, e := range r.entries {
		if len(e.defaults) == 0 {
			continue
		}
		d, err := e.Describe(ctx)
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, o := range d.Offers {
			for setting := range settings(o) {
				known[setting] = true
			}
		}
		for setting := range e.defaults {
			if !known[setting] {
				errs = append(errs, fmt.Errorf("config of plugin %s: nothing that it offers has a setting %q", name, setting))
			}
		}
	}
	return errors.Join(errs...)
}

// settings are the names in an offer's schema.
func settings(o sdk.OfferDescription) map[string]json.RawMessage {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	_ = json.Unmarshal(o.ConfigSchema, &schema) // a schema that says nothing has no settings
	return schema.Properties
}

// Function finds a function and makes an instance in this configuration. An [sdk.ConfigError] has the diagnostics of a
// configuration that is refused. For a plugin that runs as a process, the registry must have been started.
func (r *Registry) Function(ctx context.Context, name string, config json.RawMessage) (Function, error) {
	e, o, err := r.find(ctx, name, sdk.KindFunction)
	if err != nil {
		return nil, err
	}
	if config, err = e.complete(o, config); err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	return e.Function(ctx, o.Name, config)
}

// Mapper finds a mapper, as Function does a function.
func (r *Registry) Mapper(ctx context.Context, name string, config json.RawMessage) (Mapper, error) {
	e, o, err := r.find(ctx, name, sdk.KindMapper)
	if err != nil {
		return nil, err
	}
	if config, err = e.complete(o, config); err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	return e.Mapper(ctx, o.Name, config)
}

// Check reports everything that is wrong with the use of a rule; paths start at its configuration, "" is the name.
func (r *Registry) Check(ctx context.Context, kind sdk.Kind, name string, config json.RawMessage) []sdk.Diagnostic {
	e, o, err := r.find(ctx, name, kind)
	if err != nil {
		return []sdk.Diagnostic{sdk.Problem("", "", "%v", err)}
	}
	config, err = e.complete(o, config)
	if err != nil {
		return []sdk.Diagnostic{sdk.Problem("", "", "%v", err)}
	}
	diags, err := e.Validate(ctx, o.Name, config)
	if err != nil {
		return []sdk.Diagnostic{sdk.Problem("", "", "%v", err)}
	}
	return diags
}

// Offer describes a rule: kinds of value on both sides, schema of its configuration.
func (r *Registry) Offer(ctx context.Context, name string) (sdk.OfferDescription, error) {
	_, o, err := r.find(ctx, name, "")
	return o, err
}

// Describe lists all plugins with what they offer, by name.
func (r *Registry) Describe(ctx context.Context) ([]sdk.Description, error) {
	var out []sdk.Description
	for _, name := range r.names() {
		d, err := r.entries[name].Describe(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Status tells how each external plugin is, in the order of the configuration.
func (r *Registry) Status() []host.Status {
	var out []host.Status
	for _, p := range r.external {
		out = append(out, p.Status())
	}
	return out
}

// Restart forgives a plugin its failures and ends its degradation; false when there is no external plugin of that name.
func (r *Registry) Restart(name string) bool {
	e, ok := r.entries[name].source.(*host.Plugin)
	if ok {
		e.Restart()
	}
	return ok
}

func (r *Registry) names() []string {
	var names []string
	for name := range r.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// find resolves "trim" and "phone.e164"; kind "" is any.
func (r *Registry) find(ctx context.Context, name string, kind sdk.Kind) (entry, sdk.OfferDescription, error) {
	plugin, offer, dotted := strings.Cut(name, ".")
	if !dotted {
		plugin, offer = builtin.Name, name
	}
	e, ok := r.entries[plugin]
	if !ok {
		return entry{}, sdk.OfferDescription{}, fmt.Errorf("find rule %q: there is no plugin %q; there are %s", name, plugin, strings.Join(r.names(), ", "))
	}
	d, err := e.Describe(ctx)
	if err != nil {
		return entry{}, sdk.OfferDescription{}, fmt.Errorf("find rule %q: %w", name, err)
	}
	o, ok := d.Offer(offer)
	switch {
	case !ok:
		return entry{}, o, fmt.Errorf("find rule %q: plugin %s does not offer it; it offers %s", name, plugin, strings.Join(offered(d), ", "))
	case kind != "" && o.Kind != kind:
		return entry{}, o, fmt.Errorf("find rule %q: it is a %s, not a %s", name, o.Kind, kind)
	}
	return e, o, nil
}

func offered(d sdk.Description) []string {
	var names []string
	for _, o := range d.Offers {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names
}

// complete adds the plugin's defaults to a configuration, as far as the offer has them. What is no object is left to the plugin to refuse.
func (e entry) complete(o sdk.OfferDescription, config json.RawMessage) (json.RawMessage, error) {
	if len(e.defaults) == 0 {
		return config, nil
	}
	given, isObject := object(config)
	if !isObject {
		return config, nil
	}
	missing := map[string]json.RawMessage{}
	known := settings(o)
	for name, value := range e.defaults {
		_, has := known[name]
		if _, own := given[name]; has && !own {
			missing[name] = value
		}
	}
	if len(missing) == 0 {
		return config, nil
	}
	return appendMembers(config, missing)
}

// object reads the members of a configuration; nothing is an empty one.
func object(config json.RawMessage) (map[string]json.RawMessage, bool) {
	members := map[string]json.RawMessage{}
	if len(config) == 0 {
		return members, true
	}
	err := json.Unmarshal(config, &members)
	return members, err == nil
}

// appendMembers adds members to an object without touching what it says: a repeated name must reach the plugin, which refuses it.
func appendMembers(object json.RawMessage, members map[string]json.RawMessage) (json.RawMessage, error) {
	more, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(object))
	inner := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}"))
	if text == "" || text == "null" || inner == "" {
		return more, nil
	}
	return json.RawMessage("{" + inner + "," + string(more[1:])), nil
}
