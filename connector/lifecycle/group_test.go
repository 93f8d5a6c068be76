package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
)

// diary is what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) { d.mu.Lock(); defer d.mu.Unlock(); d.lines = append(d.lines, line) }

func (d *diary) read() []string { d.mu.Lock(); defer d.mu.Unlock(); return slices.Clone(d.lines) }

// noted is a service that writes its starts and ends into the diary, and ends early when told to.
func (d *diary) noted(name string, early <-chan error) *readyService {
	return &readyService{loop: func(ctx context.Context, ready func()) error {
		d.write(name + " up")
		defer d.write(name + " down")
		ready()
		select {
		case err := <-early:
			return err
		case <-ctx.Done():
			return nil
		}
	}}
}

func TestGroupStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"stop", "parent cancelled"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			var d diary
			var g lifecycle.Group
			for _, name := range []string{"ledger", "broker", "sink"} {
				g.Add(name, d.noted(name, nil))
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if err := g.Start(ctx); err != nil {
				t.Fatal(err)
			}
			if end == "stop" {
				g.Stop()
			} else {
				cancel()
				<-g.Done()
			}
			want := []string{"ledger up", "broker up", "sink up", "sink down", "broker down", "ledger down"}
			if diff := cmp.Diff(want, d.read()); diff != "" {
				t.Error(diff)
			}
			g.Stop()
		})
	}
}

func TestGroupUndoesAStartThatFails(t *testing.T) {
	t.Parallel()
	var d diary
	refused := errors.New("connection refused")
	var g lifecycle.Group
	g.Add("ledger", d.noted("ledger", nil))
	g.Add("broker", d.noted("broker", nil))
	g.Add("sink", &readyService{loop: func(context.Context, func()) error { return refused }})
	g.Add("never", d.noted("never", nil))

	err := g.Start(t.Context())
	if !errors.Is(err, refused) || err.Error() != "start sink: connection refused" {
		t.Errorf("Start = %v, want it to name the sink and the reason", err)
	}
	want := []string{"ledger up", "broker up", "broker down", "ledger down"}
	if diff := cmp.Diff(want, d.read()); diff != "" {
		t.Error(diff)
	}
}

func TestGroupStopDuringStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var g lifecycle.Group
		g.Add("ledger", d.noted("ledger", nil))
		g.Add("slow", &readyService{loop: func(ctx context.Context, _ func()) error { return untilDone(ctx) }})
		started := make(chan error, 1)
		go func() { started <- g.Start(t.Context()) }()
		synctest.Wait()
		g.Stop()
		if err := <-started; !errors.Is(err, lifecycle.ErrStop) {
			t.Errorf("Start = %v, want ErrStop", err)
		}
		if diff := cmp.Diff([]string{"ledger up", "ledger down"}, d.read()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestGroupEndsWithItsFirstMember(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ with, want error }{
		"error":  {errors.New("disk full"), nil},
		"silent": {nil, lifecycle.ErrEnded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d diary
			early := make(chan error, 1)
			var g lifecycle.Group
			g.Add("ledger", d.noted("ledger", nil))
			g.Add("broker", d.noted("broker", early))
			g.Add("sink", d.noted("sink", nil))
			if err := g.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			early <- tc.with
			<-g.Done()
			want := tc.want
			if want == nil {
				want = tc.with
			}
			if err := g.Err(); !errors.Is(err, want) || err.Error() != "broker: "+want.Error() {
				t.Errorf("Err = %v, want broker: %v", err, want)
			}
			if got := d.read(); !slices.Contains(got, "ledger down") || !slices.Contains(got, "sink down") {
				t.Errorf("others live on: %q", got)
			}
			g.Stop()
		})
	}
}

func TestGroupKeepsTheContractUnderStress(t *testing.T) {
	t.Parallel()
	var g lifecycle.Group
	g.Add("a", &loopService{loop: untilDone})
	g.Add("b", &readyService{loop: readyUntilDone})
	lifecycletest.Stress(t, &g)
}
