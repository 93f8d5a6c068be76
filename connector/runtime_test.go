package connector_test

import (
	"context"
	"errors"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
)

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
