package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a run of the binary, which ends with the test at the latest.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	log  *buffer
	done chan struct{} // closed when it has been reaped
}

// endMax is how long a process may take to drain after SIGTERM.
const endMax = 60 * time.Second

// launch starts the binary. The goroutine stays on its thread for the child's life: the kernel sends Pdeathsig when the thread that
// forked ends (https://go.dev/issue/27505).
func launch(t testing.TB, log *buffer, args ...string) *process {
	t.Helper()
	cmd := exec.Command(binary(t, "tandem"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=0")
	cmd.WaitDelay = 5 * time.Second // a plugin that outlived it would hold the pipe open
	dieWithTest(cmd)
	p := &process{t: t, name: strings.Join(args, " "), cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state tells
		}
	}()
	if err := <-started; err != nil {
		t.Fatal("start the binary: ", err)
	}
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9; it returns when the process is gone. Safe twice.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// end is SIGTERM; it gives the exit code.
func (p *process) end() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	return p.wait(endMax)
}

// wait gives the exit code of a process that is about to end.
func (p *process) wait(most time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(most):
		p.t.Errorf("%s did not end within %s", p.name, most)
		p.kill()
		return -1
	}
}

// ended reports whether the process is gone by itself.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// answer runs a command that ends by itself, and gives its exit code and output.
func answer(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary(t, "tandem"), args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, 5*time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal("run the binary: ", err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// buffer is a log that several processes write to, one after the other or at once.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lines gives the log's lines that hold all words.
func (b *buffer) lines(words ...string) []string {
	var found []string
next:
	for line := range strings.Lines(b.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		found = append(found, strings.TrimSpace(line))
	}
	return found
}

// tail gives the last lines.
func (b *buffer) tail(n int) string {
	all := strings.Split(b.String(), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
