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
	build  func(p *process) []*task // what it does, made anew at each start
	tasks  []*task
	later  []*task // came due within another step
	life   int     // grows with each start
	dead   bool    // crashed, and not started again yet
	inside bool    // a step is being taken: time passes within it
	skew   time.Duration
}

// task is something that a process does again and again: the step that ships, and when there is need for it.
type task struct {
	kind  string // what wakes it
	step  func(ctx context.Context) (int, error)
	due   func() (time.Time, bool)  // when there is something to do; nil: after each pause
	pause func(n int) time.Duration // after a step that did n things; nil with due

	p    *process
	life int
	next time.Time // of the event that is planned; zero for none
	plan int       // grows with each plan: an event of an older one does nothing
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
		p.w.effect("crash", p.name)
	}
	return errCrashed
}

// start builds the process and begins its tasks.
func (p *process) start() {
	p.life++
	p.dead = false
	p.later = nil
	p.skew = jitter(p.dice, -400*time.Millisecond, 400*time.Millisecond)
	p.tasks = p.build(p)
	for _, t := range p.tasks {
		t.p, t.life = p, p.life
		t.wake(p.w.now.Add(jitter(p.dice, 0, time.Second)))
	}
}

// now is the process's clock: a little off, by less than the skew that is configured.
func (p *process) now() time.Time {
	return p.w.now.Add(p.skew)
}

// wake plans the task's next step, if it was to come later or not at all.
func (t *task) wake(at time.Time) {
	if !t.next.IsZero() && !at.Before(t.next) || t.life != t.p.life {
		return
	}
	t.plan++
	plan := t.plan
	t.next = at
	t.p.w.at(at, func() {
		if plan == t.plan && t.life == t.p.life {
			t.run()
		}
	})
}

// run takes a step. A process does one step at a time: what comes due within another waits for its end.
func (t *task) run() {
	p := t.p
	w := p.w
	t.next = time.Time{}
	switch {
	case p.dead:
		return
	case p.inside:
		p.later = append(p.later, t)
		return
	case t.due != nil && !t.ready():
		return
	}
	if w.fires(clockJump) {
		p.skew = jitter(p.dice, -400*time.Millisecond, 400*time.Millisecond)
	}
	p.inside = true
	n, err := t.step(context.Background())
	p.inside = false
	if p.dead {
		w.after(jitter(p.dice, time.Second, 40*time.Second), p.start)
		return
	}
	for _, waiting := range p.later {
		waiting.wake(w.now.Add(jitter(p.dice, 0, 50*time.Millisecond)))
	}
	p.later = p.later[:0]
	switch {
	case err != nil:
		t.wake(w.now.Add(jitter(p.dice, time.Second, 5*time.Second)))
	case t.pause != nil:
		t.wake(w.now.Add(t.pause(n)))
	case n > 0:
		t.wake(w.now.Add(jitter(p.dice, 0, 50*time.Millisecond)))
	case t.ready():
		t.wake(w.now.Add(jitter(p.dice, 50*time.Millisecond, 300*time.Millisecond)))
	}
}

// ready tells whether there is something to do now; if there will be later, the step is planned for then.
func (t *task) ready() bool {
	at, ok := t.due()
	if !ok {
		return false
	}
	at = at.Add(-t.p.skew)
	if at.After(t.p.w.now) {
		t.wake(at.Add(jitter(t.p.dice, 0, 200*time.Millisecond)))
		return false
	}
	return true
}

// logger is silent: the effects tell the story.
func logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// store is a process's way to the ledger: the ledger's own code, with what may go wrong around it.
type store struct {
	*memledger.Store
	p *process
}

func (p *process) store() store { return store{p.w.ledger, p} }

// Take leases work.
func (s store) Take(ctx context.Context, c ledger.Claim) ([]ledger.Item, error) {
	if err := s.p.alive(); err != nil {
		return nil, err
	}
	items, err := s.Store.Take(ctx, c)
	if err == nil {
		s.p.w.journal.add("take", s.p.w.journal.note(c))
	}
	return items, err
}

var errRefused = errors.New("the database refused the connection")

// Commit stores a step.
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
	if err := w.commit(ctx, c); err != nil {
		return err
	}
	if w.fires(crashAfterCommit) {
		return s.p.crash()
	}
	return nil
}

// commit is the ledger's own, told to the oracles and to who waits for work.
func (w *world) commit(ctx context.Context, c ledger.Commit) error {
	entry := w.journal.note(c)
	if err := w.ledger.Commit(ctx, c); err != nil {
		return err
	}
	w.journal.add("commit", entry)
	for _, conflict := range c.Conflicts {
		w.effect("conflict", conflict.Field, "crm="+conflict.CRM.String(), "notion="+conflict.Notion.String(), "winner="+string(conflict.Winner), conflict.Rule)
	}
	if w.options.Trace != nil {
		line, _ := json.Marshal(c)
		w.options.Trace("    commit " + string(line))
	}
	for _, hold := range c.Holds {
		w.effect("hold", hold.Kind, hold.Reason)
	}
	w.system.workChanged()
	if c.Emitted != nil {
		w.system.news()
	}
	if len(c.Alerts)+len(c.Tripped) > 0 {
		w.system.wake("relay")
	}
	return nil
}

// Add stores reasons.
func (s store) Add(ctx context.Context, now time.Time, reasons []ledger.Reason) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	if s.p.w.fires(addRefused) {
		return errRefused
	}
	entry := s.p.w.journal.note(added{now, reasons})
	err := s.Store.Add(ctx, now, reasons)
	if err == nil {
		s.p.w.journal.add("add", entry)
	}
	s.p.w.system.workChanged()
	return err
}

// SetEmitted remembers what the poller published.
func (s store) SetEmitted(ctx context.Context, sync, entity string, emitted map[string]ledger.Emission) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	entry := s.p.w.journal.note(emissions{entity, emitted})
	err := s.Store.SetEmitted(ctx, sync, entity, emitted)
	if err == nil {
		s.p.w.journal.add("emitted", entry)
	}
	return err
}

// SaveCursor keeps a position.
func (s store) SaveCursor(ctx context.Context, name string, fence ledger.Fence, position json.RawMessage) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	return s.Store.SaveCursor(ctx, name, fence, position)
}

// Lead takes a lease by name.
func (s store) Lead(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (ledger.Fence, bool, error) {
	if err := s.p.alive(); err != nil {
		return 0, false, err
	}
	return s.Store.Lead(ctx, name, holder, now, ttl)
}

// Raise stores alerts that belong to no commit.
func (s store) Raise(ctx context.Context, alerts []ledger.Alert) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	err := s.Store.Raise(ctx, alerts)
	s.p.w.system.wake("relay")
	return err
}

// KeepEdit keeps what a webhook told of.
func (s store) KeepEdit(ctx context.Context, sync string, e ledger.Edit) error {
	switch {
	case s.p.alive() != nil:
		return errCrashed
	case s.p.w.fires(addRefused):
		return errRefused
	}
	return s.Store.KeepEdit(ctx, sync, e)
}

// Overwrote lists edits that may have been overwritten.
func (s store) Overwrote(ctx context.Context, lost []ledger.Overwrite, now time.Time) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	err := s.Store.Overwrote(ctx, lost, now)
	s.p.w.system.wake("relay")
	return err
}

// Delivered marks alerts.
func (s store) Delivered(ctx context.Context, target string, ids []string, at time.Time) error {
	if err := s.p.alive(); err != nil {
		return err
	}
	return s.Store.Delivered(ctx, target, ids, at)
}
