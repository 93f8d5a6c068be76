package main

import (
	"context"
	"slices"
	"sync"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// assembly is a connector as the runtime sees it: what it stands on is opened when it starts and closed when it has ended, so that a
// connector that failed leaves nothing behind.
type assembly struct {
	lifecycle.Runner

	build func(ctx context.Context, parts *parts) error

	mu    sync.Mutex
	parts *parts // of the present life, nil else
}

var (
	_ lifecycle.Watched   = (*assembly)(nil)
	_ connector.Describer = (*assembly)(nil)
)

// parts are what an assembly is made of: services, and what is closed after them.
type parts struct {
	group   lifecycle.Group
	closes  []func()
	details []func() []connector.Detail
}

// add puts a service at the end.
func (p *parts) add(name string, s lifecycle.Service) { p.group.Add(name, s) }

// onDescribe adds to what the connector says of itself; f returns at once, and is called from any goroutine.
func (p *parts) onDescribe(f func() []connector.Detail) { p.details = append(p.details, f) }

// onClose runs after all services have ended, last first.
func (p *parts) onClose(f func()) { p.closes = append(p.closes, f) }

func (p *parts) close() {
	for _, f := range slices.Backward(p.closes) {
		f()
	}
}

// Start builds and starts the connector.
func (a *assembly) Start(ctx context.Context) error { return a.RunReady(ctx, a.run) }

func (a *assembly) run(ctx context.Context, ready func()) error {
	p := &parts{}
	defer p.close()
	if err := a.build(ctx, p); err != nil {
		return err
	}
	defer a.describedBy(nil)
	a.describedBy(p)
	// When ctx ends the group stops its services in their own order, not all at once.
	if err := p.group.Start(ctx); err != nil {
		return err
	}
	ready()
	<-p.group.Done()
	p.group.Stop()
	return p.group.Err()
}

func (a *assembly) describedBy(p *parts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.parts = p
}

// Describe says what the connector's parts say of themselves.
func (a *assembly) Describe() []connector.Detail {
	a.mu.Lock()
	defer a.mu.Unlock()
	var details []connector.Detail
	if a.parts != nil {
		for _, f := range a.parts.details {
			details = append(details, f()...)
		}
	}
	return details
}
