package connector_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
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

func TestAConnectorRunsPausesResumesAndStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(map[string]func(int) script{"a": always(script{describe: func() []connector.Detail { return []connector.Detail{{Name: "lsn", Value: "0/1"}} }})})
		s.add(t, "a", "test.Source")
		s.state(t, "a", connector.Unassigned)
		s.start(t)
		if got := s.state(t, "a", connector.Running); !cmp.Equal(got.Details, []connector.Detail{{Name: "lsn", Value: "0/1"}}) || got.Class != "test.Source" || got.Kind != "source" {
			t.Errorf("status = %+v", got)
		}
		for _, step := range []struct {
			do   func(string) error
			want connector.State
		}{
			{s.Pause, connector.Paused}, {s.Restart, connector.Paused}, {s.Pause, connector.Paused}, {s.Resume, connector.Running},
			{s.Restart, connector.Running}, {s.Halt, connector.Stopped}, {s.Pause, connector.Paused}, {s.Resume, connector.Running},
		} {
			if err := step.do("a"); err != nil {
				t.Fatal(err)
			}
			s.state(t, "a", step.want)
		}
		if s.livesOf("a") != 4 {
			t.Errorf("%d lives, want 4: one at start, two resumes, one restart", s.livesOf("a"))
		}
		s.Stop()
		s.state(t, "a", connector.Unassigned)
		if err := s.Pause("b"); !errors.Is(err, connector.ErrNotFound) {
			t.Errorf("Pause of nobody = %v", err)
		}
	})
}

func TestAPanicHurtsOnlyItsConnector(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(map[string]func(int) script{
			"loop":  always(script{loop: func(context.Context) error { panic("index out of range") }}),
			"start": always(script{start: func(context.Context) error { panic(errors.New("nil map")) }}),
			"stop":  always(script{stop: func() { panic("closed twice") }}),
			"says":  always(script{describe: func() []connector.Detail { panic("nil position") }}),
		})
		for _, name := range []string{"loop", "start", "stop", "says", "well"} {
			s.add(t, name, "test.Sink")
		}
		s.add(t, "built", "test.Broken")
		s.start(t)
		s.state(t, "well", connector.Running)
		s.state(t, "stop", connector.Running)
		if got := s.state(t, "says", connector.Running); len(got.Details) != 1 {
			t.Errorf("details = %v", got.Details)
		}
		for _, name := range []string{"loop", "start", "built"} {
			if got := s.state(t, name, connector.Restarting); !strings.Contains(got.Error, "panic: ") || !strings.Contains(got.Trace, "runtime_test.go") {
				t.Errorf("%s: error %q, trace %.80q", name, got.Error, got.Trace)
			}
		}
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		for _, name := range []string{"loop", "start", "built"} {
			s.state(t, name, connector.Failed)
		}
		if s.livesOf("loop") != 6 {
			t.Errorf("%d lives, want 6: the first and a budget of 5 restarts", s.livesOf("loop"))
		}
		s.state(t, "well", connector.Running)
		if err := s.Resume("loop"); err != nil {
			t.Fatal(err)
		}
		if got := s.state(t, "loop", connector.Restarting); got.Restarts != 5 {
			t.Errorf("restarts = %d, want 5", got.Restarts)
		}
		s.Stop()
	})
}

func TestAnOutageIsSaidOnceAndOutlasted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		s := newStage(map[string]func(int) script{"a": always(script{start: func(context.Context) error {
			if !up.Load() {
				return fmt.Errorf("connect to Kafka: %w", retryable{"connection refused", true})
			}
			return nil
		}})})
		s.add(t, "a", "test.Sink")
		s.start(t)
		time.Sleep(3 * time.Hour) //nolint:forbidigo // virtual time
		if got := s.state(t, "a", connector.Restarting); got.Error != "start: connect to Kafka: connection refused" || got.NextTry.IsZero() {
			t.Errorf("status = %+v", got)
		}
		if n := s.livesOf("a"); n < 100 || n > 400 {
			t.Errorf("%d tries in three hours, want about one a minute", n)
		}
		up.Store(true)
		time.Sleep(2 * time.Minute) //nolint:forbidigo // virtual time
		s.state(t, "a", connector.Running)
		s.Stop()
		lines := strings.Split(strings.TrimSpace(s.logs.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "is started again until it holds") || !strings.Contains(lines[1], "runs again") {
			t.Errorf("log, want one line for the outage and one for its end:\n%s", s.logs.String())
		}
	})
}

func TestAnErrorNotWorthARetryIsNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		s := newStage(map[string]func(int) script{"a": always(script{start: func(context.Context) error {
			if !mended.Load() {
				return retryable{"the token is wrong", false}
			}
			return nil
		}})})
		s.add(t, "a", "test.Sink")
		s.start(t)
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		s.state(t, "a", connector.Failed)
		if s.livesOf("a") != 1 {
			t.Errorf("%d tries, want 1", s.livesOf("a"))
		}
		mended.Store(true)
		_ = s.Restart("a")
		s.state(t, "a", connector.Running)
		if diff := cmp.Diff([]string{"UNASSIGNED", "FAILED", "UNASSIGNED", "RUNNING"}, s.history("a")); diff != "" {
			t.Error(diff)
		}
		s.Stop()
	})
}

func TestALongHealthyLifeRefillsTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(map[string]func(int) script{"a": always(script{loop: func(ctx context.Context) error {
			select {
			case <-time.After(10 * time.Minute):
				return errors.New("connection reset by peer")
			case <-ctx.Done():
				return nil
			}
		}})})
		s.add(t, "a", "test.Sink")
		s.start(t)
		time.Sleep(24 * time.Hour) //nolint:forbidigo // virtual time
		if got := s.state(t, "a", connector.Running); got.Restarts < 100 {
			t.Errorf("%d restarts in a day of failures every 10 minutes", got.Restarts)
		}
		s.Stop()
	})
}

func TestStopDuringStartAndDuringAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(map[string]func(int) script{
			"backing off": always(script{start: func(context.Context) error { return errors.New("no") }}),
		})
		s.script["starting"] = func(int) script {
			stopping := make(chan struct{})
			return script{ // heeds Stop, as a Runner's RunReady does
				start: func(context.Context) error { <-stopping; return lifecycle.ErrStop },
				stop:  func() { close(stopping) },
			}
		}
		s.add(t, "starting", "test.Source")
		s.add(t, "backing off", "test.Sink")
		s.start(t)
		s.state(t, "starting", connector.Unassigned)
		s.state(t, "backing off", connector.Restarting)
		began := time.Now()
		s.Stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("Stop took %v, want no time", took)
		}
	})
}

func TestSourcesEndBeforeSinksAndWorkDrains(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"Stop", "the context"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var ends []string
				drains := func(name string, needs time.Duration) func(int) script {
					return always(script{loop: func(ctx context.Context) error {
						work, done := lifecycle.WithDrain(ctx, time.Minute)
						defer done()
						<-ctx.Done()
						select {
						case <-time.After(needs):
						case <-work.Done():
						}
						mu.Lock()
						defer mu.Unlock()
						ends = append(ends, name)
						return work.Err()
					}})
				}
				s := newStage(map[string]func(int) script{
					"sink": drains("sink", time.Second), "slow source": drains("slow source", 10*time.Second), "source": drains("source", 5*time.Second)})
				s.add(t, "sink", "test.Sink")
				s.add(t, "slow source", "test.Source")
				s.add(t, "source", "test.Source")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if err := s.Start(ctx); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if began := time.Now(); how == "Stop" {
					s.Stop()
					if took := time.Since(began); took != 11*time.Second {
						t.Errorf("Stop took %v, want 11s", took)
					}
				} else {
					cancel()
					<-s.Done()
				}
				if diff := cmp.Diff([]string{"source", "slow source", "sink"}, ends); diff != "" {
					t.Error(diff)
				}
				s.Stop()
			})
		})
	}
}

func TestAConnectorThatDoesNotEndIsKilledThenLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var cause error
		s := newStage(map[string]func(int) script{"stubborn": always(script{stop: func() { <-release }})})
		s.script["slow"] = func(int) script {
			killed := make(chan struct{})
			return script{
				start: func(ctx context.Context) error {
					context.AfterFunc(ctx, func() { cause = context.Cause(ctx); close(killed) })
					return nil
				},
				stop: func() { <-killed },
			}
		}
		s.add(t, "slow", "test.Sink")
		s.add(t, "stubborn", "test.Sink")
		s.add(t, "other", "test.Source")
		s.start(t)
		_ = s.Pause("stubborn")
		time.Sleep(26 * time.Second) //nolint:forbidigo // virtual time
		if got := s.state(t, "stubborn", connector.Failed); got.Error != "did not end when it was asked to; restart the process" {
			t.Errorf("error = %q", got.Error)
		}
		began := time.Now()
		s.Stop()
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("Stop took %v, want the 20s in which a connector may drain", took)
		}
		if !errors.Is(cause, connector.ErrDrainTimeout) {
			t.Errorf("cause = %v, want ErrDrainTimeout", cause)
		}
		s.state(t, "slow", connector.Unassigned)
		close(release)
	})
}

func TestAddPutRemoveWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.start(t)
		s.add(t, "a", "Source") // the simple name will do
		s.state(t, "a", connector.Running)
		again := config.Document{Name: "a", Config: config.Map{"connector.class": "test.Sink", "x": "${env:X}"}}
		if err := s.Add(again); !errors.Is(err, connector.ErrExists) {
			t.Errorf("second Add = %v", err)
		}
		if err := s.Put(again); err != nil {
			t.Error(err)
		}
		s.state(t, "a", connector.Running)
		if doc, err := s.Document("a"); err != nil || doc.Config["x"] != "${env:X}" {
			t.Errorf("Document = %v, %v; want it unresolved as it was given", doc, err)
		}
		_ = s.Pause("a")
		s.state(t, "a", connector.Paused)
		_ = s.Put(again)
		s.state(t, "a", connector.Paused)
		if err := s.Remove("a"); err != nil || len(s.Status()) != 0 {
			t.Errorf("Remove = %v, %v left", err, s.Status())
		}
		if err := s.Add(config.Document{Name: "p", InitialState: "PAUSED", Config: config.Map{"connector.class": "test.Sink"}}); err != nil {
			t.Error(err)
		}
		s.state(t, "p", connector.Paused)
		var problems config.Problems
		if err := s.Add(config.Document{Name: "c", Config: config.Map{"connector.class": "test.Checked"}}); !errors.As(err, &problems) || problems[0].Path != "topics" {
			t.Errorf("Add of a wrong configuration = %v", err)
		}
		err := s.Add(config.Document{Name: "c", Config: config.Map{"connector.class": "test.Nothing"}})
		if err == nil || !strings.Contains(err.Error(), `there is no connector class "test.Nothing" (there are test.Broken, test.Checked, test.Sink, test.Source)`) {
			t.Errorf("Add of an unknown class = %v", err)
		}
		s.Stop()
	})
}

func TestRuntimeKeepsTheContractUnderStress(t *testing.T) {
	t.Parallel()
	s := newStage(map[string]func(int) script{"b": func(life int) script {
		if life%2 == 0 {
			return script{start: func(context.Context) error { return retryable{"flaky", true} }}
		}
		return script{}
	}})
	s.add(t, "a", "test.Source")
	s.add(t, "b", "test.Sink")
	var all sync.WaitGroup
	quit := make(chan struct{})
	all.Go(func() { // while somebody plays with it
		for i := 0; ; i++ {
			select {
			case <-quit:
				return
			default:
			}
			do := []func(string) error{s.Pause, s.Resume, s.Restart, s.Halt, s.Resume}[i%5]
			_ = do([]string{"a", "b"}[i%2])
			_ = s.Status()
			goruntime.Gosched()
		}
	})
	lifecycletest.Stress(t, s.Runtime)
	close(quit)
	all.Wait()
	s.Stop()
	if names := s.Status(); len(names) != 2 || !slices.IsSortedFunc(names, func(a, b connector.Status) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("Status = %v", names)
	}
}
