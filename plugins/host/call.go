package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/rpc"
	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Describe says what the plugin offers. Like all calls it needs a started plugin, and waits up to CallTimeout for one that is restarting.
func (p *Plugin) Describe(ctx context.Context) (sdk.Description, error) {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	if _, err := p.awaitOpen(ctx); err != nil {
		return sdk.Description{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.description, nil
}

// Validate reports every problem of a configuration.
func (p *Plugin) Validate(ctx context.Context, offer string, config json.RawMessage) ([]sdk.Diagnostic, error) {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	if _, err := p.offer(ctx, offer, ""); err != nil {
		return nil, err
	}
	s, err := p.awaitOpen(ctx)
	if err != nil {
		return nil, err
	}
	diags, err := s.process.validate(ctx, offer, config)
	if err != nil {
		return nil, p.fault(err)
	}
	return diags, nil
}

// Function makes an instance of a function. A configuration that is refused gives an [sdk.ConfigError]. The same
// configuration gives the same instance.
func (p *Plugin) Function(ctx context.Context, offer string, config json.RawMessage) (sdk.Bound[change.Value], error) {
	id, err := p.bind(ctx, offer, sdk.KindFunction, config)
	if err != nil {
		return nil, err
	}
	return &bound[change.Value]{plugin: p, instance: id, skip: change.Value.IsAbsent}, nil
}

// Mapper makes an instance of a mapper, as Function does of a function.
func (p *Plugin) Mapper(ctx context.Context, offer string, config json.RawMessage) (sdk.Bound[change.Image], error) {
	id, err := p.bind(ctx, offer, sdk.KindMapper, config)
	if err != nil {
		return nil, err
	}
	return &bound[change.Image]{plugin: p, instance: id, skip: func(im change.Image) bool { return im == nil }}, nil
}

// bounded gives every call its end: see the package comment.
func (p *Plugin) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := 2 * p.cfg.CallTimeout
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
}

func (p *Plugin) fault(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Error{Plugin: p.cfg.Name, State: p.state, Err: err}
}

// awaitOpen waits up to CallTimeout for a plugin that starts; one that is stopped or degraded fails at once.
func (p *Plugin) awaitOpen(ctx context.Context) (*session, error) {
	timer := time.NewTimer(p.cfg.CallTimeout)
	defer timer.Stop()
	for {
		p.mu.Lock()
		s, state, changed, last := p.session, p.state, p.changed, p.lastErr
		p.mu.Unlock()
		switch {
		case s != nil:
			return s, nil
		case state == Stopped:
			return nil, p.fault(errors.New("it is not running"))
		case state == Degraded:
			return nil, p.fault(last)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, p.fault(context.Cause(ctx))
		case <-timer.C:
			return nil, p.fault(fmt.Errorf("not ready within %v; last failure: %w", p.cfg.CallTimeout, errors.Join(last)))
		}
	}
}

// offer finds an offer; kind "" is any.
func (p *Plugin) offer(ctx context.Context, name string, kind sdk.Kind) (sdk.OfferDescription, error) {
	d, err := p.Describe(ctx)
	if err != nil {
		return sdk.OfferDescription{}, err
	}
	o, ok := d.Offer(name)
	switch {
	case !ok:
		return o, fmt.Errorf("plugin %s offers no %q", p.cfg.Name, name)
	case kind != "" && o.Kind != kind:
		return o, fmt.Errorf("%s.%s is a %s, not a %s", p.cfg.Name, name, o.Kind, kind)
	}
	return o, nil
}

// bind configures an instance in the running process and remembers it for those to come.
func (p *Plugin) bind(ctx context.Context, offer string, kind sdk.Kind, config json.RawMessage) (string, error) {
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	if _, err := p.offer(ctx, offer, kind); err != nil {
		return "", err
	}
	in := instance{id: instanceID(offer, config), offer: offer, kind: kind, config: config}
	for {
		s, err := p.awaitOpen(ctx)
		if err != nil {
			return "", err
		}
		if p.has(in.id) {
			return in.id, nil
		}
		err = s.process.configure(ctx, in)
		var refused *sdk.ConfigError
		switch {
		case errors.As(err, &refused):
			return "", refused
		case err != nil:
			return "", p.fault(err)
		}
		if p.remember(s, in) {
			return in.id, nil
		}
	}
}

func (p *Plugin) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.instances {
		if in.id == id {
			return true
		}
	}
	return false
}

// remember is false when the process that knows the instance is gone: the next one may have been configured without it.
func (p *Plugin) remember(s *session, in instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session != s {
		return false
	}
	for _, known := range p.instances {
		if known.id == in.id {
			return true
		}
	}
	p.instances = append(p.instances, in)
	return true
}

// instanceID names a configuration: equal ones, but for white space, share an instance.
func instanceID(offer string, config []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, config) != nil {
		compact.Write(config)
	}
	sum := sha256.Sum256(compact.Bytes())
	return offer + "-" + hex.EncodeToString(sum[:8])
}

// bound calls one instance.
type bound[T change.Value | change.Image] struct {
	plugin   *Plugin
	instance string
	skip     func(T) bool
}

func (b *bound[T]) ToNotion(ctx context.Context, items []T) ([]T, []error) {
	return b.turn(ctx, pluginv1.Direction_DIRECTION_TO_NOTION, items)
}

func (b *bound[T]) ToCRM(ctx context.Context, items []T) ([]T, []error) {
	return b.turn(ctx, pluginv1.Direction_DIRECTION_TO_CRM, items)
}

// turn cuts items into batches and calls up to the credit of them at once. Each batch's goroutine writes its own indexes only.
func (b *bound[T]) turn(ctx context.Context, d pluginv1.Direction, items []T) ([]T, []error) {
	out, errs := make([]T, len(items)), make([]error, len(items))
	var failed atomic.Pointer[Error] // a plugin that failed one batch is not asked to fail all the others in turn
	var group errgroup.Group
	group.SetLimit(rpc.CreditBatches)
	for _, c := range b.cut(d, items, errs) {
		group.Go(func() error {
			if f := failed.Load(); f != nil {
				c.fail(errs, f)
				return nil
			}
			var f *Error
			if errors.As(b.call(ctx, d, c, out, errs), &f) {
				failed.Store(f)
			}
			return nil
		})
	}
	_ = group.Wait()
	for _, err := range errs {
		if err != nil {
			return out, errs
		}
	}
	return out, nil
}

// cutBatch is a batch before it is sent: items and where they stand among the caller's.
type cutBatch struct {
	index []int
	items [][]byte
	bytes int
	alone bool // a suspect: nothing may join it
}

func (c *cutBatch) fail(errs []error, err error) {
	for _, i := range c.index {
		errs[i] = err
	}
}

// cut encodes items into batches within the protocol's limits; suspects travel alone. What cannot be sent gets its error here.
func (b *bound[T]) cut(d pluginv1.Direction, items []T, errs []error) []*cutBatch {
	var batches []*cutBatch
	var filling *cutBatch
	for i, item := range items {
		if b.skip(item) {
			continue
		}
		encoded, err := rpc.EncodeItem(item)
		if err != nil {
			errs[i] = sdk.BadValue("%v", err)
			continue
		}
		strikes := b.plugin.suspects.struck(b.instance, d, encoded, time.Now())
		if strikes >= strikesMax {
			errs[i] = sdk.BadValue("plugin %s died %d times on this value; it is tried again after %v", b.plugin.cfg.Name, strikes, suspectFor)
			continue
		}
		if strikes > 0 {
			batches = append(batches, &cutBatch{index: []int{i}, items: [][]byte{encoded}, alone: true})
			continue
		}
		if filling == nil || len(filling.items) == rpc.BatchItemsMax || filling.bytes+len(encoded) > rpc.BatchBytesMax {
			filling = &cutBatch{}
			batches = append(batches, filling)
		}
		filling.index = append(filling.index, i)
		filling.items = append(filling.items, encoded)
		filling.bytes += len(encoded)
	}
	return batches
}

// call answers every item of the batch, and says when it was the plugin that failed.
func (b *bound[T]) call(ctx context.Context, d pluginv1.Direction, c *cutBatch, out []T, errs []error) error {
	results, err := b.send(ctx, d, c)
	if err != nil {
		c.fail(errs, err)
		return err
	}
	for n, r := range results {
		out[c.index[n]], errs[c.index[n]] = b.read(r)
		if c.alone {
			b.plugin.suspects.clear(b.instance, d, c.items[n])
		}
	}
	return nil
}

func (b *bound[T]) send(ctx context.Context, d pluginv1.Direction, c *cutBatch) ([]*pluginv1.Result, error) {
	sendBy, cancel := b.plugin.bounded(ctx)
	defer cancel()
	s, err := b.plugin.awaitOpen(sendBy)
	if err != nil {
		return nil, err
	}
	if err := s.broken[b.instance]; err != nil {
		return nil, err
	}
	results, err := s.do(ctx, sendBy, &pluginv1.Batch{Instance: b.instance, Direction: d, Items: c.items}, c.alone)
	if err != nil {
		return nil, b.plugin.fault(err)
	}
	return results, nil
}

func (b *bound[T]) read(r *pluginv1.Result) (T, error) {
	var none T
	if r.GetError() != nil {
		return none, rpc.DecodeError(r.GetError())
	}
	item, err := rpc.DecodeItem[T](r.GetItem())
	if err != nil {
		return none, sdk.BadValue("plugin %s answered what cannot be read: %v", b.plugin.cfg.Name, err)
	}
	return item, nil
}
