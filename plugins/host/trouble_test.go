package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/plugins/host"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// A value on which the plugin dies fails the call, the plugin comes back with its configuration, and after three deaths
// the value is refused while its neighbours pass.
func TestOneValueThatKillsHurtsOnlyItself(t *testing.T) {
	t.Parallel()
	for word, callTimeout := range map[string]time.Duration{
		"crash:now": time.Minute, "panic-elsewhere": time.Minute, // the process ends, which is seen at once
		"hang": 8 * time.Second, "freeze": 8 * time.Second, // has to run out four times
	} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			cfg.CallTimeout = callTimeout
			p := start(t, cfg)
			f := function(t, p, `{"tag":"<"}`)
			items := texts("a", word, "b")
			var errs []error
			for range 3 {
				began, old := time.Now(), p.Status().PID
				_, errs = f.ToNotion(t.Context(), items)
				if errs == nil || errs[1] == nil {
					t.Fatal("a call that killed the plugin succeeded")
				}
				retryable(t, errs[1])
				if took := time.Since(began); took > 45*time.Second { // of the minute that those who die would hold it up
					t.Errorf("the call took %v", took)
				}
				await(t, "a new process", func() bool { s := p.Status(); return s.PID != old && s.State == host.Open })
				works(t, f, "<")
			}
			got, errs := f.ToNotion(t.Context(), items)
			if errs == nil || sdk.ClassOf(errs[1]) != sdk.ClassBadValue || !strings.Contains(errs[1].Error(), "died 3 times") {
				t.Fatalf("after three deaths: %v, want the value refused", errs)
			}
			if errs[0] != nil || errs[2] != nil || got[0].Text() != "<a" || got[2].Text() != "<b" {
				t.Errorf("neighbours: %v, %v", got, errs)
			}
		})
	}
}

func TestAFrozenPluginThatIsIdleIsFound(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.PingInterval, cfg.PingTimeout = 50*time.Millisecond, 3*time.Second
	p := start(t, cfg)
	f := function(t, p, "")
	old := p.Status().PID
	if err := syscall.Kill(old, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "a new process", func() bool { s := p.Status(); return s.PID != old && s.State == host.Open })
	works(t, f, "")
	if s := p.Status(); s.Restarts != 1 || !strings.Contains(s.LastErr, "health") {
		t.Errorf("status = %+v, want one restart for its health", s)
	}
}

func TestStopOfAFrozenPluginDoesNotHang(t *testing.T) {
	t.Parallel()
	p := start(t, config())
	pid := p.Status().PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p.Stop()
	if took := time.Since(began); took > 25*time.Second { // it would never end
		t.Errorf("Stop took %v", took)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process lives on: %v", err)
	}
}

func TestADescendantThatHoldsThePipesDoesNotHoldStop(t *testing.T) {
	t.Parallel()
	p := start(t, config("orphan"))
	began := time.Now()
	p.Stop()
	if took := time.Since(began); took > 25*time.Second { // the descendant sleeps for two minutes
		t.Errorf("Stop took %v", took)
	}
	for _, line := range p.Status().Stderr {
		if pid, ok := strings.CutPrefix(line, "orphan "); ok {
			killPID(t, pid)
		}
	}
}

func TestAPluginThatUsesUpItsRestartsIsDegraded(t *testing.T) {
	t.Parallel()
	cfg := config("once", filepath.Join(t.TempDir(), "started"))
	cfg.RestartMax = 3
	p := start(t, cfg)
	f := function(t, p, "")
	_, err := one(t, f, "crash")
	retryable(t, err)
	await(t, "the degradation", func() bool { return p.Status().State == host.Degraded })
	s := p.Status()
	if s.Restarts != 3 || !slices.Contains(s.Stderr, "I started before") || !slices.Contains(s.Stderr, "about to crash") {
		t.Errorf("status = %+v, want three restarts and the last words", s)
	}
	began := time.Now()
	_, err = one(t, f, "fine")
	retryable(t, err)
	var degraded interface{ Degraded() bool }
	if !errors.As(err, &degraded) || !degraded.Degraded() || time.Since(began) > cfg.CallTimeout/2 {
		t.Errorf("a call = %v after %v, want Degraded at once", err, time.Since(began))
	}

	// A person mends it.
	if err := os.Remove(cfg.Command[2]); err != nil {
		t.Fatal(err)
	}
	p.Restart()
	await(t, "the plugin", func() bool { return p.Status().State == host.Open })
	works(t, f, "")
}

func TestADegradedPluginIsTriedAgain(t *testing.T) {
	t.Parallel()
	cfg := config("once", filepath.Join(t.TempDir(), "started"))
	cfg.RestartMax, cfg.RestartWindow = 2, 8*time.Second // in which it has to die twice
	p := start(t, cfg)
	f := function(t, p, "")
	_, _ = one(t, f, "crash")
	await(t, "the degradation", func() bool { return p.Status().State == host.Degraded })
	if err := os.Remove(cfg.Command[2]); err != nil {
		t.Fatal(err)
	}
	await(t, "the plugin", func() bool { return p.Status().State == host.Open })
	works(t, f, "")
}

func TestAReplyBeyondTheLimitsFailsTheCallOnly(t *testing.T) {
	t.Parallel()
	f := function(t, start(t, config()), "")
	words := make([]string, 24)
	for i := range words {
		words[i] = "big:3000000" // 72 MB in all: more than a message may hold, so it comes in many
	}
	got, errs := f.ToNotion(t.Context(), texts(words...))
	if errs != nil {
		t.Fatalf("many large answers: %v", errs[0])
	}
	for _, v := range got {
		if len(v.Text()) != 3_000_000 {
			t.Fatalf("an answer has %d bytes", len(v.Text()))
		}
	}
	if _, err := one(t, f, "big:70000000"); sdk.ClassOf(err) != sdk.ClassBadValue || !strings.Contains(err.Error(), "limit") && !strings.Contains(err.Error(), "more than") {
		t.Errorf("an answer of 70 MB = %v, want a bad value", err)
	}
	if _, err := one(t, f, strings.Repeat("x", 17<<20)); sdk.ClassOf(err) != sdk.ClassBadValue {
		t.Errorf("a value of 17 MB = %v, want a bad value", err)
	}
	works(t, f, "")
}

func TestErrorsKeepTheirClass(t *testing.T) {
	t.Parallel()
	f := function(t, start(t, config()), "")
	for word, want := range map[string]sdk.Class{
		"plain": sdk.ClassBadValue, "panic": sdk.ClassBadValue, "absent": sdk.ClassBadValue, "retry": sdk.ClassRetry, "fatal": sdk.ClassFatal,
	} {
		if _, err := one(t, f, word); err == nil || sdk.ClassOf(err) != want {
			t.Errorf("%s = %v of class %v, want %v", word, err, sdk.ClassOf(err), want)
		}
	}
}
