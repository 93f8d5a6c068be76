package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// Group is many services as one: started in the order in which they were added, stopped in reverse. The members keep
// running when the context given to Start is cancelled, until the group has stopped those that were started after
// them; so a reader can drain into a writer that is still there.
//
// When a [Watched] member ends by itself the group's Done is closed and Err names it; the owner then calls Stop.
// The zero Group is ready for use. Methods may be called from any goroutine.
type Group struct {
	life    Runner
	mu      sync.Mutex
	members []member
}

type member struct {
	name    string
	service Service
}

var _ Watched = (*Group)(nil)

// Add puts a service at the end of the group. Services that are added while the group runs join at its next start.
// name is for messages.
func (g *Group) Add(name string, s Service) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, member{name, s})
}

// Start starts the members one after the other. When one fails, those before it are stopped in reverse order, and the error names it.
func (g *Group) Start(ctx context.Context) error {
	return g.life.RunReady(ctx, g.run)
}

// Stop stops the members in reverse order, each only when the one after it has ended.
func (g *Group) Stop() { g.life.Stop() }

// Done is closed when the group has ended: by Stop, by its context, or because a member did. All members are stopped by then.
func (g *Group) Done() <-chan struct{} { return g.life.Done() }

// Err says which member ended the group, and why.
func (g *Group) Err() error { return g.life.Err() }

// run is the life of the group: start all, wait for the first reason to end, stop all.
func (g *Group) run(ctx context.Context, ready func()) error {
	g.mu.Lock()
	members := slices.Clone(g.members)
	g.mu.Unlock()

	var started []member
	defer func() {
		for _, m := range slices.Backward(started) {
			m.service.Stop()
		}
	}()
	for _, m := range members {
		if err := startDetached(ctx, m.service); err != nil {
			return fmt.Errorf("start %s: %w", m.name, err)
		}
		started = append(started, m)
	}
	ready()
	return firstEnd(ctx, started)
}

// startDetached starts s with a context that ctx cancels only while s starts: later on the group's order rules.
func startDetached(ctx context.Context, s Service) error {
	life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	err := s.Start(life)
	interrupted := !release()
	if err == nil && interrupted { // came up all the same: nobody needs it any more
		s.Stop()
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel(err)
	}
	return err
}

// firstEnd waits for ctx or for the first watched member to end, and tells which.
func firstEnd(ctx context.Context, members []member) error {
	ended := make(chan member, len(members))
	quit := make(chan struct{})
	var watchers sync.WaitGroup
	for _, m := range members {
		w, ok := m.service.(Watched)
		if !ok {
			continue
		}
		done := w.Done()
		watchers.Go(func() {
			select {
			case <-done:
				ended <- m
			case <-quit:
			}
		})
	}
	defer watchers.Wait()
	defer close(quit)

	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case m := <-ended:
		if err := m.service.(Watched).Err(); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		return fmt.Errorf("%s: %w", m.name, ErrEnded)
	}
}
