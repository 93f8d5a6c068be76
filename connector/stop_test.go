package connector_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/lifecycle"
)

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
