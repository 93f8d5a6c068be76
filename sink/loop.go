package sink

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// Loop runs a step again and again: at once while there is work, when it is woken, and at an interval. Trouble is waited out with a growing
// pause and said once.
type Loop struct {
	lifecycle.Runner

	Name    string
	Prepare func(ctx context.Context) error // repeated until it succeeds, before the first step; nil is nothing
	Step    func(ctx context.Context) (int, error)
	Idle    time.Duration // between looks while there is nothing to do
	Log     *slog.Logger

	wake chan struct{} // capacity 1: any burst costs at most two rounds and none is lost
}

// DefaultIdle is how often the work table is looked at when nothing wakes the loop: another process may have added work.
const DefaultIdle = 200 * time.Millisecond

// NewLoop makes a loop that is not running.
func NewLoop(name string, prepare func(context.Context) error, step func(context.Context) (int, error), idle time.Duration, log *slog.Logger) *Loop {
	return &Loop{Name: name, Prepare: prepare, Step: step, Idle: idle, Log: log, wake: make(chan struct{}, 1)}
}

// Wake makes the loop look now. It never blocks.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Start begins the loop; the parts that it needs may still be away.
func (l *Loop) Start(ctx context.Context) error {
	l.Run(ctx, l.run)
	return nil
}

func (l *Loop) run(ctx context.Context) error {
	trouble := newTrouble(l.Log, l.Name)
	for prepared := l.Prepare == nil; !prepared; {
		err := l.Prepare(ctx)
		prepared = err == nil
		if ctx.Err() != nil || !trouble.rest(ctx, err) {
			return nil
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-timer.C:
		}
		n, err := l.Step(ctx)
		if ctx.Err() != nil || !trouble.rest(ctx, err) {
			return nil
		}
		if n > 0 {
			timer.Reset(0)
		} else {
			timer.Reset(l.Idle)
		}
	}
}

// trouble says once that something is away, and once that it is back.
type trouble struct {
	log   *slog.Logger
	name  string
	said  string
	pause *backoff.ExponentialBackOff
}

func newTrouble(log *slog.Logger, name string) *trouble {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond), backoff.WithMaxInterval(15*time.Second), backoff.WithMaxElapsedTime(0))
	return &trouble{log: log, name: name, pause: pause}
}

// rest waits after an error; false when ctx ended meanwhile.
func (t *trouble) rest(ctx context.Context, err error) bool {
	if err == nil {
		if t.said != "" {
			t.log.InfoContext(ctx, t.name+" goes on")
			t.said = ""
		}
		t.pause.Reset()
		return true
	}
	if text := err.Error(); t.said == "" {
		t.said = text
		t.log.Log(ctx, lifecycle.WaitLevel(err), t.name+" waits", "reason", text)
	} else {
		t.log.DebugContext(ctx, t.name+" still waits", "reason", text)
	}
	timer := time.NewTimer(t.pause.NextBackOff())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Waking wakes loops when a handler has added work.
type Waking struct {
	kafka.Handler
	Loops []*Loop
}

// Handle implements kafka.Handler.
func (w Waking) Handle(ctx context.Context, batch []kafka.Record) error {
	err := w.Handler.Handle(ctx, batch)
	var rejects kafka.Rejects
	if err == nil || errors.As(err, &rejects) {
		for _, l := range w.Loops {
			l.Wake()
		}
	}
	return err
}
