package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/memledger"
)

// process is one running copy of a connector. A crash makes all of its calls fail from then on; after a while it starts anew.
type process struct {
	w      *world
	name   string
	dice   *rand.Rand
	build  func(p *process) []task // what it does, made anew at each start
	tasks  []task
	life   int  // grows with each start
	dead   bool // crashed, and not started again yet
	inside bool // a step is being taken: time passes within it
}

// task is something that a process does again and again.
type task struct {
	name string
	step func(ctx context.Context) (wait time.Duration, err error)
}

var errCrashed = errors.New("the process is dead")

func (p *process) alive() error {
	if p.dead {
		return errCrashed
	}
	return nil
}

// crash kills the process: what it was doing goes nowhere.
func (p *process) crash() error {
	if !p.dead {
		p.dead = true
		p.w.effect("crash %s", p.name)
	}
	return errCrashed
}

// start builds the process and begins its tasks.
func (p *process) start() {
	p.life++
	p.dead = false
	p.tasks = p.build(p)
	for _, t := range p.tasks {
		p.schedule(t, p.life, jitter(p.dice, 0, time.Second))
	}
}

func (p *process) schedule(t task, life int, wait time.Duration) {
	p.w.after(wait, func() { p.take(t, life) })
}

// take does one step of a task. A process does one step at a time: what comes due within another step waits for its end.
func (p *process) take(t task, life int) {
	switch {
	case life != p.life:
		return
	case p.inside:
		p.schedule(t, life, 50*time.Millisecond)
		return
	}
	p.inside = true
	wait, err := t.step(context.Background())
	p.inside = false
	if p.dead {
		p.w.after(jitter(p.dice, time.Second, 40*time.Second), p.start)
		return
	}
	if err != nil {
		wait = jitter(p.dice, time.Second, 5*time.Second)
	}
	p.schedule(t, life, wait)
}

// logger is silent: the effects tell the story.
func logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// store is a process's way to the ledger: the ledger's own code, with what may go wrong around it.
type store struct {
	*memledger.Store
	p *process
}

func (s store) Take(ctx context.Context, c ledger.Claim) ([]ledger.Item, error) {
	if err := s.p.alive(); err != nil {
		return nil, err
	}
	return s.Store.Take(ctx, c)
}

var errRefused = errors.New("the database refused the connection")

func (s store) Commit(ctx context.Context, c ledger.Commit) error {
	w := s.p.w
	switch {
	case s.p.alive() != nil:
		return errCrashed
	case w.fires(crashBeforeCommit):
		return s.p.crash()
	case w.fires(commitFailed):
		return errRefused
	case w.fires(pauseCommit):
		w.advance(6 * time.Minute) // longer than the lease: another copy has the link now
	}
	if err := s.Store.Commit(ctx, c); err != nil {
		return err
	}
	for _, conflict := range c.Conflicts {
		w.effect("conflict link=%d %s crm=%s notion=%s winner=%s rule=%s", c.Link, conflict.Field, conflict.CRM, conflict.Notion, conflict.Winner, conflict.Rule)
	}
	if w.fires(crashAfterCommit) {
		return s.p.crash()
	}
	return nil
}

func (s store) Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	return s.Store.Add(ctx, now, reasons)
}

func (s store) SetEmitted(ctx context.Context, sync, entity string, emitted map[string]ledger.Emission) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	return s.Store.SetEmitted(ctx, sync, entity, emitted)
}

func (s store) SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	return s.Store.SaveCursor(ctx, name, fence, position)
}

func (s store) Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error) {
	if err := s.p.alive(); err != nil {
		return 0, false, err
	}
	return s.Store.Lead(ctx, name, holder, now, ttl)
}

func (s store) Delivered(ctx context.Context, ids []string, at time.Time) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	return s.Store.Delivered(ctx, ids, at)
}
