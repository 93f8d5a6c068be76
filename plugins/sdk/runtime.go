package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/tandem-sync/tandem/connector/change"
)

// Bound is a function (of values) or a mapper (of images) bound to one configuration and called in batches. It is what
// Tandem calls, whether the plugin is built in or a process of its own.
//
// The answer is as long as items. The errors are nil when all went well, else as long as items, and a nil among them says that the
// item of that index went well. Absent values come back absent without a call. Any goroutine may call.
type Bound[T change.Value | change.Image] interface {
	ToNotion(ctx context.Context, items []T) ([]T, []error)
	ToCRM(ctx context.Context, items []T) ([]T, []error)
}

// Runtime runs a plugin's lifecycle in this process: for built-in rules, for the serving side of package rpc, and for
// an author's own tests. Any goroutine may call.
type Runtime struct {
	plugin      Plugin
	description Description
	logPanic    func(offer string, value any, stack []byte)

	mu     sync.Mutex
	closed bool
	live   map[*life]struct{}
}

// NewRuntime checks the plugin's own description. logPanic, if not nil, is told of panics of the plugin's code, which
// otherwise become bad values.
func NewRuntime(p Plugin, logPanic func(offer string, value any, stack []byte)) (*Runtime, error) {
	d, err := p.Describe()
	if err != nil {
		return nil, err
	}
	if logPanic == nil {
		logPanic = func(string, any, []byte) {}
	}
	return &Runtime{plugin: p, description: d, logPanic: logPanic, live: map[*life]struct{}{}}, nil
}

// Describe says what the plugin offers.
func (r *Runtime) Describe(context.Context) (Description, error) { return r.description, nil }

// Validate runs the whole lifecycle up to use and back, and reports every problem.
func (r *Runtime) Validate(ctx context.Context, offer string, config json.RawMessage) ([]Diagnostic, error) {
	l, diags, err := r.begin(ctx, offer, config)
	if err != nil {
		return nil, err
	}
	if l != nil {
		if err := l.end(); err != nil {
			diags = append(diags, Warning("", "", "clean up after the check: %v", err))
		}
	}
	return diags, nil
}

// Function makes an instance of a function. A configuration that is refused gives a [ConfigError].
func (r *Runtime) Function(ctx context.Context, offer string, config json.RawMessage) (Bound[change.Value], error) {
	l, err := r.keep(ctx, offer, config)
	if err != nil {
		return nil, err
	}
	f, ok := l.instance.(Function)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s is a mapper, not a function", offer), r.drop(l))
	}
	return &local[change.Value]{life: l, rule: f, check: checkValue, skip: change.Value.IsAbsent}, nil
}

// Mapper makes an instance of a mapper. A configuration that is refused gives a [ConfigError].
func (r *Runtime) Mapper(ctx context.Context, offer string, config json.RawMessage) (Bound[change.Image], error) {
	l, err := r.keep(ctx, offer, config)
	if err != nil {
		return nil, err
	}
	m, ok := l.instance.(Mapper)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s is a function, not a mapper", offer), r.drop(l))
	}
	return &local[change.Image]{life: l, rule: m, check: checkImage, skip: func(im change.Image) bool { return im == nil }}, nil
}

// Release cleans one instance up before the runtime closes. b must come from this runtime; a second Release does nothing.
func (r *Runtime) Release(b any) error {
	switch b := b.(type) {
	case *local[change.Value]:
		return r.drop(b.life)
	case *local[change.Image]:
		return r.drop(b.life)
	default:
		return fmt.Errorf("release %T: not an instance of this runtime", b)
	}
}

// Close cleans all instances up and waits for calls that run. It may be called again.
func (r *Runtime) Close() error {
	r.mu.Lock()
	live := r.live
	r.live, r.closed = nil, true
	r.mu.Unlock()
	var errs []error
	for l := range live {
		errs = append(errs, l.end())
	}
	return errors.Join(errs...)
}

func (r *Runtime) keep(ctx context.Context, offer string, config json.RawMessage) (*life, error) {
	l, diags, err := r.begin(ctx, offer, config)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, &ConfigError{Offer: r.plugin.Name + "." + offer, Diagnostics: diags}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.Join(errors.New("plugin is closed"), l.end())
	}
	r.live[l] = struct{}{}
	return l, nil
}

func (r *Runtime) drop(l *life) error {
	r.mu.Lock()
	delete(r.live, l)
	r.mu.Unlock()
	return l.end()
}

// begin makes an instance; nil with the diagnostics when its configuration is refused, an error when there is no such offer.
func (r *Runtime) begin(ctx context.Context, offer string, config json.RawMessage) (*life, []Diagnostic, error) {
	for _, o := range r.plugin.Offers {
		if o.Name != offer {
			continue
		}
		l := &life{offer: offer, logPanic: r.logPanic}
		diags := l.prepare(ctx, o, config)
		if Refused(diags) {
			if err := l.end(); err != nil {
				diags = append(diags, Warning("", "", "clean up: %v", err))
			}
			return nil, diags, nil
		}
		return l, diags, nil
	}
	return nil, nil, fmt.Errorf("plugin %s offers no %q", r.plugin.Name, offer)
}

// life is one instance from New to Cleanup.
type life struct {
	offer    string
	instance any
	logPanic func(offer string, value any, stack []byte)

	mu          sync.Mutex // held during calls: an author need not think of concurrency
	provisioned bool
	ended       bool
}

func (l *life) prepare(ctx context.Context, o Offer, config json.RawMessage) (diags []Diagnostic) {
	defer func() {
		if v := recover(); v != nil {
			l.logPanic(l.offer, v, debug.Stack())
			diags = append(diags, Problem("", "this is a bug of the plugin", "plugin panicked: %v", v))
		}
	}()
	l.instance = o.New()
	if diags = decodeStrict(config, l.instance); Refused(diags) {
		return diags
	}
	l.provisioned = true
	if p, ok := l.instance.(Provisioner); ok {
		if err := p.Provision(ctx); err != nil {
			return append(diags, Problem("", "", "prepare: %v", err))
		}
	}
	if v, ok := l.instance.(Validator); ok {
		diags = append(diags, v.Validate()...)
	}
	return diags
}

func (l *life) end() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || !l.provisioned {
		return nil
	}
	l.ended = true
	defer func() {
		if v := recover(); v != nil {
			l.logPanic(l.offer, v, debug.Stack())
			err = fmt.Errorf("clean up %s: plugin panicked: %v", l.offer, v)
		}
	}()
	if c, ok := l.instance.(Cleaner); ok {
		return c.Cleanup()
	}
	return nil
}

// rule is what Function and Mapper have in common.
type rule[T any] interface {
	ToNotion(T) (T, error)
	ToCRM(T) (T, error)
}

type local[T change.Value | change.Image] struct {
	life  *life
	rule  rule[T]
	check func(T) error
	skip  func(T) bool
}

func (b *local[T]) ToNotion(ctx context.Context, items []T) ([]T, []error) {
	return b.each(ctx, items, b.rule.ToNotion)
}

func (b *local[T]) ToCRM(ctx context.Context, items []T) ([]T, []error) {
	return b.each(ctx, items, b.rule.ToCRM)
}

func (b *local[T]) each(ctx context.Context, items []T, turn func(T) (T, error)) ([]T, []error) {
	b.life.mu.Lock()
	defer b.life.mu.Unlock()
	out := make([]T, len(items))
	var errs []error
	for i, item := range items {
		if b.skip(item) {
			continue
		}
		got, err := b.one(ctx, item, turn)
		if err == nil {
			out[i] = got
			continue
		}
		if errs == nil {
			errs = make([]error, len(items))
		}
		errs[i] = err
	}
	return out, errs
}

func (b *local[T]) one(ctx context.Context, item T, turn func(T) (T, error)) (got T, err error) {
	if ctx.Err() != nil {
		return got, Retry("interrupted: %v", context.Cause(ctx))
	}
	if b.life.ended {
		return got, Retry("plugin is closed")
	}
	defer func() {
		if v := recover(); v != nil {
			b.life.logPanic(b.life.offer, v, debug.Stack())
			err = BadValue("plugin panicked on this value: %v", v)
		}
	}()
	if got, err = turn(item); err != nil {
		return got, &Error{Class: ClassOf(err), Reason: err.Error()}
	}
	return got, b.check(got)
}

// checkValue refuses answers that would be written as nothing.
func checkValue(v change.Value) error {
	if v.IsAbsent() {
		return BadValue("plugin answered with an absent value; null says \"no value\"")
	}
	return nil
}

func checkImage(im change.Image) error {
	if im == nil {
		return BadValue("plugin answered without an image; an empty one says \"no fields\"")
	}
	for _, name := range im.Fields() {
		if im[name].IsAbsent() {
			return BadValue("plugin answered with an absent value for %q; leave the field out instead", name)
		}
	}
	return nil
}
