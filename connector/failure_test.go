package connector_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector"
)

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
			if got := s.state(t, name, connector.Restarting); !strings.Contains(got.Error, "panic: ") || !strings.Contains(got.Trace, "connector_test.") {
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
