package notion

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// Config is what a Source is made of.
type Config struct {
	Name     string
	Pollers  []*Poller
	Registry mapping.Registry
	Interval Interval
	Webhook  *Webhook // nil: polling alone
	Log      *slog.Logger

	// Paused says that an entity's pages are not to be asked for now; what webhooks say meanwhile is kept. Nil is never.
	Paused func(ctx context.Context, entity string) (bool, error)
	// Observe is told of each poll: how many pages it found changed, or why it failed, and the pause that follows. Nil is nobody.
	Observe func(entity string, changed int, err error, next time.Duration)
}

// Source is the connector: a loop for each entity, and the webhook receiver that wakes them.
type Source struct {
	lifecycle.Group

	loops []*loop
}

// New puts the source together; nothing runs and nothing is asked before Start.
func New(c Config) *Source {
	s := &Source{}
	var entities []*mapping.Entity
	for _, p := range c.Pollers {
		entities = append(entities, p.Entity)
	}
	agreed := func(ctx context.Context) error { return mapping.Agree(ctx, c.Registry, entities) }
	for _, p := range c.Pollers {
		l := &loop{poller: p, interval: c.Interval, agreed: agreed, log: c.Log.With("entity", p.Entity.Name), wake: make(chan struct{}, 1), observe: c.Observe, paused: c.Paused}
		s.loops = append(s.loops, l)
		s.Add("poll "+p.Entity.Name, l)
	}
	if c.Webhook != nil {
		c.Webhook.Wake = s.Wake
		s.Add("webhook", c.Webhook)
	}
	return s
}

// Wake makes the pollers look at a page now. Which of them it concerns is for them to find out; hint may be without properties.
func (s *Source) Wake(hint Hint) {
	for _, l := range s.loops {
		l.hint(hint)
	}
}

// PollNow makes all pollers poll now.
func (s *Source) PollNow() {
	for _, l := range s.loops {
		l.signal()
	}
}

// loop drives one poller.
type loop struct {
	lifecycle.Runner

	poller   *Poller
	interval Interval
	agreed   func(context.Context) error
	log      *slog.Logger
	wake     chan struct{} // capacity 1: any burst costs at most two rounds and none is lost
	observe  func(entity string, changed int, err error, next time.Duration)
	paused   func(ctx context.Context, entity string) (bool, error)

	hints Hints
}

func (l *loop) Start(ctx context.Context) error {
	l.Run(ctx, l.run)
	return nil
}

func (l *loop) hint(h Hint) {
	l.hints.Note(h)
	l.ring()
}

func (l *loop) signal() {
	l.hints.Note(Hint{})
	l.ring()
}

func (l *loop) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *loop) run(ctx context.Context) error {
	defer func() {
		if err := l.poller.Close(ctx); err != nil {
			l.log.WarnContext(ctx, "the next process polls only when this one's lease is over", "reason", err.Error())
		}
	}()
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(500*time.Millisecond), backoff.WithMaxInterval(30*time.Second), backoff.WithMaxElapsedTime(0))
	timer := time.NewTimer(0) // the first poll is immediate
	defer timer.Stop()
	said := false
	agreed := false
	for {
		due := false
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-timer.C:
			due = true
		}
		wait, err := l.step(ctx, &agreed, due)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if !said {
				l.log.Log(ctx, lifecycle.WaitLevel(err), "poll waits", "reason", err.Error())
				said = true
			}
			wait = pause.NextBackOff()
			l.tell(0, err, wait)
		default:
			if said {
				l.log.InfoContext(ctx, "poll goes on")
				said = false
			}
			pause.Reset()
		}
		if wait > 0 {
			timer.Reset(wait)
		}
	}
}

// followerIdle is how often a process that does not lead looks whether it can.
const followerIdle = 5 * time.Second

// step does what is asked for; wait 0 leaves the timer as it is.
func (l *loop) step(ctx context.Context, agreed *bool, due bool) (wait time.Duration, err error) {
	if !*agreed {
		if err := l.agreed(ctx); err != nil {
			return 0, err
		}
		*agreed, due = true, true
	}
	if l.paused != nil {
		if paused, err := l.paused(ctx, l.poller.Entity.Name); paused || err != nil {
			return followerIdle, err // the cursor stays where it is: the first poll after it finds what was edited meanwhile
		}
	}
	pages, poll := l.hints.Take()
	if len(pages) > 0 {
		if _, err := l.poller.RunPages(ctx, pages); err != nil {
			l.hints.GiveBack(pages)
			return 0, err
		}
	}
	if !due && !poll {
		return 0, nil
	}
	result, err := l.poller.RunOnce(ctx)
	switch {
	case err != nil:
		return 0, err
	case !result.Led:
		return followerIdle, nil
	case result.Sweeping:
		return time.Millisecond, nil
	}
	wait = l.interval.Next(result.Emitted)
	l.tell(result.Emitted, nil, wait)
	return wait, nil
}

func (l *loop) tell(changed int, err error, next time.Duration) {
	if l.observe != nil {
		l.observe(l.poller.Entity.Name, changed, err, next)
	}
}

var _ Pages = (*notionapi.Client)(nil)
