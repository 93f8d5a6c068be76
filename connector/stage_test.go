package connector_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// actor is a connector that does what its script says. A new one is built for each life.
type actor struct {
	lifecycle.Runner
	script
}

type script struct {
	start    func(context.Context) error // nil: ready at once
	loop     func(context.Context) error // nil: until stopped
	stop     func()                      // called before the Runner's Stop
	describe func() []connector.Detail
}

func (a *actor) Start(ctx context.Context) error {
	if a.start != nil {
		if err := a.start(ctx); err != nil {
			return err
		}
	}
	a.Run(ctx, func(ctx context.Context) error {
		if a.loop != nil {
			return a.loop(ctx)
		}
		<-ctx.Done()
		return nil
	})
	return nil
}

func (a *actor) Stop() {
	if a.stop != nil {
		a.stop()
	}
	a.Runner.Stop()
}

func (a *actor) Describe() []connector.Detail {
	if a.describe == nil {
		return nil
	}
	return a.describe()
}

// stage is a runtime whose connectors play scripts, with what it logged and which states it went through.
type stage struct {
	*connector.Runtime
	mu     sync.Mutex
	script map[string]func(life int) script
	lives  map[string]int
	states []string
	logs   bytes.Buffer
}

func newStage(scripts map[string]func(life int) script) *stage {
	s := &stage{script: scripts, lives: map[string]int{}}
	build := func(doc config.Document) (lifecycle.Watched, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lives[doc.Name]++
		if play := s.script[doc.Name]; play != nil {
			return &actor{script: play(s.lives[doc.Name])}, nil
		}
		return &actor{}, nil
	}
	registry := connector.NewRegistry(
		connector.Class{Name: "test.Source", Kind: connector.Source, New: build},
		connector.Class{Name: "test.Sink", Kind: connector.Sink, New: build},
		connector.Class{Name: "test.Broken", Kind: connector.Sink, New: func(config.Document) (lifecycle.Watched, error) { panic("no such mapping") }},
		connector.Class{Name: "test.Checked", Kind: connector.Sink, New: build, Check: func(d config.Document) (ps config.Problems) {
			ps.Errorf("topics", "missing")
			return ps
		}},
	)
	s.Runtime = connector.New(registry, connector.Config{
		Log: slog.New(slog.NewTextHandler(&s.logs, &slog.HandlerOptions{Level: slog.LevelInfo})), Observer: s,
	})
	return s
}

func (s *stage) StateChanged(st connector.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, st.Name+" "+string(st.State))
}

func (s *stage) history(name string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.states {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			out = append(out, rest)
		}
	}
	return out
}

func (s *stage) livesOf(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives[name]
}

func (s *stage) add(t *testing.T, name, class string) {
	t.Helper()
	if err := s.Add(config.Document{Name: name, Config: config.Map{"connector.class": class}}); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) start(t *testing.T) {
	t.Helper()
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func (s *stage) state(t *testing.T, name string, want connector.State) connector.Status {
	t.Helper()
	synctest.Wait()
	got, err := s.StatusOf(name)
	if err != nil || got.State != want {
		t.Errorf("%s is %s (%s, %v), want %s", name, got.State, got.Error, err, want)
	}
	return got
}

// retryable is an error that says whether it is worth another try.
type retryable struct {
	text string
	yes  bool
}

func (e retryable) Error() string   { return e.text }
func (e retryable) Retryable() bool { return e.yes }

func always(sc script) func(int) script { return func(int) script { return sc } }
