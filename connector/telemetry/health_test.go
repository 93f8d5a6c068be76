package telemetry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/telemetry"
)

func TestAPulseGoesStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := telemetry.NewHealth()
		pulse := h.Pulse("poller", time.Minute)
		want := func(status, message string) {
			t.Helper()
			if got := h.Report(t.Context()); got.Status != status || got.Message != message {
				t.Errorf("%s: %s, want %s: %s", got.Status, got.Message, status, message)
			}
		}
		want("starting", "poller: starting")
		pulse.Beat(nil)
		want("healthy", "all is well")
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		want("healthy", "all is well")
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		want("unhealthy", "poller: not heard from for 1m1s")
		pulse.Beat(errors.New("Notion answers 503"))
		want("unhealthy", "poller: Notion answers 503")
		pulse.Beat(nil)
		want("healthy", "all is well")
		h.Forget("poller")
		want("healthy", "all is well")
	})
	(*telemetry.Pulse)(nil).Beat(nil) // an unwatched loop
}

func TestReportListsEveryCheckAndTheWorst(t *testing.T) {
	t.Parallel()
	h := telemetry.NewHealth()
	h.Pulse("a", time.Minute)
	h.Check("b", func(context.Context) error { panic("nil map") })
	h.Check("c", func(context.Context) error { return nil })
	got := h.Report(t.Context())
	want := telemetry.Report{Status: "unhealthy", Message: "b: the check panicked: nil map", Checks: []telemetry.Finding{
		{Name: "a", Detail: "starting"}, {Name: "b", Detail: "the check panicked: nil map"}, {Name: "c", OK: true},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAProbeDoesNotWaitForASlowCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := telemetry.NewHealth()
		h.Check("slow", func(ctx context.Context) error { <-ctx.Done(); return errors.New("the ledger does not answer") })
		began := time.Now()
		if got := h.Report(t.Context()); got.Status != "unhealthy" || time.Since(began) > time.Second {
			t.Errorf("%+v after %v", got, time.Since(began))
		}
	})
}
