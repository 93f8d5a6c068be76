//go:build unix

package host_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/lifecycle/lifecycletest"
	"github.com/tandem-sync/tandem/plugins/host"
	"github.com/tandem-sync/tandem/plugins/plugintest"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// config is a rogue with timeouts for tests: so long that no busy machine makes an honest process miss them. Tests in which one has to
// run out set their own.
func config(args ...string) host.Config {
	return host.Config{
		Name: "rogue", Command: append([]string{rogue}, args...),
		StartTimeout: time.Minute, CallTimeout: time.Minute, PingInterval: 500 * time.Millisecond, PingTimeout: 20 * time.Second,
		BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond, RestartMax: 20,
	}
}

func start(t *testing.T, cfg host.Config) *host.Plugin {
	t.Helper()
	p, err := host.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func function(t *testing.T, p *host.Plugin, config string) sdk.Bound[change.Value] {
	t.Helper()
	f, err := p.Function(t.Context(), "f", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func texts(words ...string) []change.Value {
	var out []change.Value
	for _, w := range words {
		out = append(out, change.TextValue(w))
	}
	return out
}

// one turns one text and gives the answer or the error.
func one(t *testing.T, f sdk.Bound[change.Value], word string) (change.Value, error) {
	t.Helper()
	got, errs := f.ToNotion(t.Context(), texts(word))
	if errs != nil {
		return change.Value{}, errs[0]
	}
	return got[0], nil
}

// works fails the test unless the plugin answers again, with its configuration, soon.
func works(t *testing.T, f sdk.Bound[change.Value], tag string) {
	t.Helper()
	got, err := one(t, f, "fine")
	if err != nil || got.Text() != tag+"fine" {
		t.Errorf("afterwards the plugin answers %v, %v", got, err)
	}
}

// retryable fails the test unless err is the plugin's fault.
func retryable(t *testing.T, err error) {
	t.Helper()
	var f *host.Error
	if !errors.As(err, &f) || !f.Retryable() {
		t.Errorf("error = %v (%T), want a host.Error that can be retried", err, err)
	}
}

func TestConformanceOfAPlugin(t *testing.T) {
	t.Parallel()
	value := change.TextValue
	plugintest.Run(t, func(t *testing.T) plugintest.Subject { return start(t, config()) }, plugintest.Suite{
		Functions: []plugintest.Case[change.Value]{{
			Offer: "f", Config: `{"tag":"<"}`,
			Pairs:   []plugintest.Pair[change.Value]{{Row: value("a"), Field: value("<a"), Back: value("a")}},
			BadRows: texts("panic", "absent", "plain"),
		}},
		Mappers: []plugintest.Case[change.Image]{{
			Offer: "m",
			Pairs: []plugintest.Pair[change.Image]{{Row: change.Image{"a": value("1")}, Field: change.Image{"a": value("1")}, Back: change.Image{"a": value("1")}}},
		}},
	})
}

func TestAStartThatFailsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	sum := hex.EncodeToString(make([]byte, 32))
	notExecutable := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(notExecutable, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*host.Config)
		want   []string
	}{
		"no such file":        {func(c *host.Config) { c.Command = []string{"./nowhere"} }, []string{"there is no ./nowhere", "command"}},
		"not in PATH":         {func(c *host.Config) { c.Command = []string{"tandem-no-such-plugin"} }, []string{"there is no tandem-no-such-plugin"}},
		"not executable":      {func(c *host.Config) { c.Command = []string{notExecutable} }, []string{"may not be executed"}},
		"another checksum":    {func(c *host.Config) { c.SHA256 = sum }, []string{"checksum does not match", rogue, "sha256"}},
		"another name":        {func(c *host.Config) { c.Name = "phone" }, []string{`calls itself "rogue"`}},
		"talks before":        {func(c *host.Config) { c.Command = []string{rogue, "garbage"} }, []string{`printed "Hello, I am a plugin"`, "standard error"}},
		"ends at once":        {func(c *host.Config) { c.Command = []string{rogue, "silent"} }, []string{"ended before its handshake"}},
		"dies with a message": {func(c *host.Config) { c.Command = []string{rogue, "dies"} }, []string{"ended before its handshake", "cannot find my licence"}},
		"is slow": {func(c *host.Config) { c.Command = []string{rogue, "slow"}; c.StartTimeout = 200 * time.Millisecond },
			[]string{"no handshake within 200ms"}},
		"is no plugin": {func(c *host.Config) { c.Command = []string{"sh", "-c", "echo usage"} }, []string{`printed "usage"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config()
			tc.change(&cfg)
			p, err := host.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = p.Start(t.Context())
			p.Stop()
			if err == nil {
				t.Fatal("Start = nil")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Start = %q, want it to say %q", err, want)
				}
			}
			if s := p.Status(); s.State != host.Stopped || s.PID != 0 {
				t.Errorf("status = %+v, want it stopped", s)
			}
		})
	}
}

func TestTheRightChecksumStarts(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(rogue)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	cfg := config()
	cfg.SHA256 = strings.ToUpper(hex.EncodeToString(sum[:]))
	cfg.PlainGRPC = true // and the other transport
	works(t, function(t, start(t, cfg), ""), "")
}

// Database passwords live in the host's environment.
func TestAPluginSeesNothingOfTheEnvironment(t *testing.T) {
	t.Parallel()
	got, err := one(t, function(t, start(t, config()), ""), "env")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("TANDEM_TEST_SECRET") == "" || strings.Contains(got.Text(), "TANDEM_TEST_SECRET") {
		t.Errorf("the plugin sees the host's environment: %s", got.Text())
	}
	if !strings.Contains(got.Text(), `"PATH=`) {
		t.Errorf("the plugin has no PATH: %s", got.Text())
	}
}

func TestWhatAPluginPrintsReachesTheLog(t *testing.T) {
	t.Parallel()
	var out logBuffer
	cfg := config("poison")
	cfg.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := start(t, cfg)
	f := function(t, p, "")
	if _, err := one(t, f, "panic"); err == nil {
		t.Error("a panic is no error")
	}
	if _, err := one(t, f, "print"); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`level=ERROR msg="plugin panicked"`, "plugin_fields.offer=f", "printed on stdout", `{\"@message\":1}`, "msg=odd"} {
		await(t, want, func() bool { return strings.Contains(out.String(), want) })
	}
	for _, line := range p.Status().Stderr {
		if len(line) > 8<<10 {
			t.Errorf("a line of %d bytes is kept", len(line))
		}
	}
}

func TestConfigurationsAreInstances(t *testing.T) {
	t.Parallel()
	p := start(t, config())
	a, b := function(t, p, `{"tag":"a"}`), function(t, p, `{"tag":"b"}`)
	works(t, a, "a")
	works(t, b, "b")
	if _, err := one(t, a, "crash"); err == nil {
		t.Error("a crash is no error")
	}
	works(t, b, "b")
	works(t, a, "a")
}

func TestStopLetsThePluginCleanUp(t *testing.T) {
	t.Parallel()
	cleansed := filepath.Join(t.TempDir(), "cleansed")
	p := start(t, config())
	function(t, p, `{"cleanse":"`+cleansed+`"}`)
	p.Stop()
	if _, err := os.Stat(cleansed); err != nil {
		t.Errorf("Cleanup did not run: %v", err)
	}
	_, err := p.Function(t.Context(), "f", nil)
	retryable(t, err)
}

func TestASlowPluginIsNotAHungOne(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.CallTimeout = 6 * time.Second
	p := start(t, cfg)
	f := function(t, p, "")
	var all sync.WaitGroup
	for range 7 { // 7 × 1 s in a row: longer than CallTimeout together, never silent for it
		all.Go(func() {
			if _, err := one(t, f, "slow:1s"); err != nil {
				t.Errorf("a slow call: %v", err)
			}
		})
	}
	all.Wait()
	if n := p.Status().Restarts; n != 0 {
		t.Errorf("%d restarts, want none", n)
	}
}

func TestAnImpatientCallerKillsNothing(t *testing.T) {
	t.Parallel()
	p := start(t, config())
	f := function(t, p, "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, errs := f.ToNotion(ctx, texts("slow:500ms"))
	if errs == nil {
		t.Fatal("the call outlived its context")
	}
	retryable(t, errs[0])
	works(t, f, "")
	if n := p.Status().Restarts; n != 0 {
		t.Errorf("%d restarts, want none", n)
	}
}

func TestPluginKeepsTheLifecycleContract(t *testing.T) {
	if testing.Short() && os.Getenv("CI") == "" {
		t.Skip("starts hundreds of processes")
	}
	p, err := host.New(config())
	if err != nil {
		t.Fatal(err)
	}
	lifecycletest.Stress(t, p)
}

func TestConfigReportsEverything(t *testing.T) {
	t.Parallel()
	_, err := host.New(host.Config{SHA256: "abc", CallTimeout: -1, RestartMax: -1})
	for _, want := range []string{"name:", "command:", "sha256:", "call timeout:", "restart max:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want it to name %s", err, want)
		}
	}
}

// await polls: a real process answers when it does.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("no sign of %s", what)
		}
	}
}

func killPID(t *testing.T, pid string) {
	t.Helper()
	var n int
	for _, c := range pid {
		n = n*10 + int(c-'0')
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Errorf("kill %d: %v", n, err)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
