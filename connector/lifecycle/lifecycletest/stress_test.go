package lifecycletest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tandem-sync/tandem/connector/lifecycle"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
)

// recorder is a testing.TB that writes complaints down instead of failing.
type recorder struct {
	testing.TB
	mu         sync.Mutex
	complaints []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// faulty breaks the contract in one way.
type faulty struct {
	lifecycle.Runner
	refuses error           // what Start returns
	deaf    bool            // does not end with its context
	open    <-chan struct{} // its Done, which nobody closes
	fails   error           // its Err after a controlled stop
}

func (f *faulty) Start(ctx context.Context) error {
	if f.refuses != nil {
		return f.refuses
	}
	if f.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	f.Run(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
	return nil
}

func (f *faulty) Done() <-chan struct{} {
	if f.open != nil {
		return f.open
	}
	return f.Runner.Done()
}

func (f *faulty) Err() error { return f.fails }

// A stress test that lets everything pass proves nothing.
func TestStressFindsBrokenServices(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		service func() *faulty // made in the bubble, where its channels belong
		want    string
	}{
		"well":                  {func() *faulty { return &faulty{} }, ""},
		"tolerated":             {func() *faulty { return &faulty{refuses: lifecycle.ErrStop} }, ""},
		"start fails":           {func() *faulty { return &faulty{refuses: boom} }, "Start: boom"},
		"lives on":              {func() *faulty { return &faulty{deaf: true} }, "the service did not end with its context"},
		"done stays open":       {func() *faulty { return &faulty{open: make(chan struct{})} }, "Done is open after Stop"},
		"stop looks like error": {func() *faulty { return &faulty{fails: boom} }, "Err after a controlled stop = boom, want nil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the seconds that Stress waits for what hangs pass at once
				r := &recorder{TB: t}
				lifecycletest.Stress(r, tc.service())
				got := strings.Join(r.complaints, "\n")
				if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
					t.Errorf("complaints %.300q, want %q among them", got, tc.want)
				}
			})
		})
	}
}
