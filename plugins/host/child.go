package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/tandem-sync/tandem/plugins/rpc"
)

// errChecksum is returned when the executable is not the one that the configuration names.
var errChecksum = errors.New("checksum does not match")

// pipesCloseAfter is how long a killed plugin's pipes stay open for its last words. A descendant that left the process group may hold
// them for ever.
const pipesCloseAfter = time.Second

// child is one process of a plugin, as go-plugin's Runner. It is ours and not go-plugin's own because it must be killed as
// a group, because its standard error must not be parsed by go-plugin (see logLine), and because go-plugin leaves sockets of killed
// plugins behind unless a Runner is used.
type child struct {
	runner.AddrTranslator
	cfg   Config
	tail  *tail
	log   *slog.Logger
	cmd   *exec.Cmd
	stdin io.Closer // held open until the process ends: see rpc.EnvWatchStdin

	stdout, stderr io.ReadCloser
	first          firstBytes // of stdout, for the error of a plugin that prints before its handshake
	stderrDone     chan struct{}

	mu     sync.Mutex
	pid    int // 0 before the start
	killed bool
}

var _ runner.Runner = (*child)(nil)

// newChild prepares the process; env is go-plugin's part of its environment.
func newChild(cfg Config, t *tail, env []string) (*child, error) {
	path, err := resolve(cfg.Command[0], cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := checkSum(path, cfg.SHA256); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, cfg.Command[1:]...) //nolint:noctx // Kill ends it, with its group
	cmd.Args[0] = cfg.Command[0]
	cmd.Dir = cfg.Dir
	cmd.Env = append(hostEnv(), env...)
	cmd.Env = append(cmd.Env, rpc.EnvWatchStdin+"=1")
	isolate(cmd)
	c := &child{
		AddrTranslator: sameHost{}, cfg: cfg, tail: t, cmd: cmd,
		log: cfg.Log.With("plugin", cfg.Name), stderrDone: make(chan struct{}),
	}
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdout = readCloser{io.TeeReader(stdout, &c.first), stdout}
	c.stderr, err = cmd.StderrPipe()
	return c, err
}

// hostEnv is all that a plugin sees of our environment, where database passwords live.
func hostEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// resolve makes the executable's path absolute: exec.Cmd would look for a relative one in its Dir, and the checksum here.
func resolve(name, dir string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) || strings.ContainsRune(name, '/') {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return filepath.Abs(name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// Start runs the process. go-plugin calls it on the goroutine that called Client.Start, which is the supervisor's, which is locked to the
// thread whose end would kill the plugin.
func (c *child) Start(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return errors.New("killed before it was started")
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	c.pid = c.cmd.Process.Pid
	go func() { // ends with the process, or with pipesCloseAfter
		defer close(c.stderrDone)
		readLines(c.stderr, c.line)
	}()
	return nil
}

func (c *child) line(line string) {
	c.tail.add(line)
	logLine(c.log, line)
}

func checkSum(path, want string) error {
	if want == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fmt.Errorf("%w: %s has %s", errChecksum, path, got)
	}
	return nil
}

// Wait is called once, by go-plugin, after it has read stdout to its end.
func (c *child) Wait(context.Context) error {
	<-c.stderrDone // Wait closes the pipe
	err := c.cmd.Wait()
	_ = c.stdin.Close()
	return err
}

// Kill ends the process group at once. Any goroutine may call, at any time, repeatedly.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return nil
	}
	c.killed = true
	if c.pid != 0 {
		killGroup(c.pid)
		time.AfterFunc(pipesCloseAfter, func() { _, _ = c.stdout.Close(), c.stderr.Close() })
	}
	return nil
}

func (c *child) Stdout() io.ReadCloser { return c.stdout }

// Stderr is empty for go-plugin: we read it ourselves.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(bytes.NewReader(nil)) }

func (c *child) Name() string { return c.cmd.Path }

// ID is the process id; empty before the start, when there is nothing to kill.
func (c *child) ID() string {
	if pid := c.processID(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

func (c *child) processID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

func (c *child) Diagnose(context.Context) string { return "" }

// sameHost says that plugin and host see the same addresses.
type sameHost struct{}

func (sameHost) PluginToHost(network, addr string) (string, string, error) { return network, addr, nil }
func (sameHost) HostToPlugin(network, addr string) (string, string, error) { return network, addr, nil }

type readCloser struct {
	io.Reader
	io.Closer
}

// firstBytes keeps the beginning of what is written to it.
type firstBytes struct {
	mu  sync.Mutex
	buf []byte
}

func (f *firstBytes) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buf = append(f.buf, p[:min(len(p), 200-min(200, len(f.buf)))]...)
	return len(p), nil
}

// line is the first line.
func (f *firstBytes) line() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	first, _, _ := bytes.Cut(f.buf, []byte("\n"))
	return strings.ToValidUTF8(string(first), "\uFFFD")
}
