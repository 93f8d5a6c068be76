package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tandem-sync/tandem/plugins/rpc"
	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

const (
	// releaseMax is how long a plugin may clean up at a controlled stop before it is killed.
	releaseMax = 2 * time.Second

	// killMax is how long go-plugin may take to notice that a killed plugin is dead; after it we stop waiting.
	killMax = 5 * time.Second
)

// process is a plugin's process with a connection to it.
type process struct {
	cfg    Config
	client *plugin.Client
	child  atomic.Pointer[child] // nil until go-plugin asked for it
	rpc    *rpc.Client

	sockets string      // folder of the Unix socket
	late    atomic.Bool // it was killed because it did not come up in time
}

// launch starts the process and connects. When it fails nothing is left running. It must be called on the supervisor's
// goroutine: see child.Start.
func launch(ctx context.Context, cfg Config, t *tail) (*process, error) {
	// go-plugin leaves its folder behind when a start fails, so it gets one inside of ours. The mode is 0700.
	sockets, err := os.MkdirTemp("", "tp") // short: go-plugin adds 40 bytes, and a socket's whole path may have 107
	if err != nil {
		return nil, fmt.Errorf("make a folder for the plugin's socket: %w", err)
	}
	p := &process{cfg: cfg, sockets: sockets}
	out := &lineWriter{each: func(line string) { t.add(line); logLine(cfg.Log.With("plugin", cfg.Name), line) }}
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  rpc.Handshake(),
		VersionedPlugins: rpc.VersionedPlugins(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         !cfg.PlainGRPC,
		SkipHostEnv:      true, // see hostEnv
		StartTimeout:     cfg.StartTimeout,
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       out, // what a Go plugin prints after its handshake
		SyncStderr:       out,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: sockets},
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(rpc.MessageBytesMax), grpc.MaxCallSendMsgSize(rpc.MessageBytesMax))},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			c, err := newChild(cfg, t, cmd.Env)
			if err != nil {
				return nil, err
			}
			p.child.Store(c)
			return c, ctx.Err() // an end of ctx from here on kills c
		},
	})
	if err := p.connect(ctx); err != nil {
		p.kill()
		return nil, explain(ctx, err, p, t)
	}
	return p, nil
}

// connect is bounded from outside: nothing in go-plugin that it calls takes a context.
func (p *process) connect(ctx context.Context) error {
	stop := context.AfterFunc(ctx, p.killChild)
	defer stop()
	late := time.AfterFunc(p.cfg.StartTimeout+p.cfg.StartTimeout/2, func() {
		p.late.Store(true)
		p.killChild()
	})
	defer late.Stop()
	if _, err := p.client.Start(); err != nil {
		return err
	}
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(rpc.PluginName)
	if err != nil {
		return err
	}
	p.rpc = raw.(*rpc.Client)
	return nil
}

// killChild is kill's first half. It may run while go-plugin still starts the process.
func (p *process) killChild() {
	if c := p.child.Load(); c != nil {
		_ = c.Kill(context.Background())
	}
}

// kill ends the process and cannot hang.
func (p *process) kill() {
	p.killChild()
	done := make(chan struct{})
	go func() { // go-plugin waits for its own goroutines, which wait for pipes; we do not wait for ever
		defer close(done)
		p.client.Kill()
	}()
	select {
	case <-done:
		_ = os.RemoveAll(p.sockets)
	case <-time.After(killMax):
		p.cfg.Log.Error("a killed plugin does not end", "plugin", p.cfg.Name, "pid", p.pid())
	}
}

func (p *process) pid() int {
	if c := p.child.Load(); c != nil {
		return c.processID()
	}
	return 0
}

func (p *process) describe(ctx context.Context) (sdk.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
	defer cancel()
	answer, err := p.rpc.Describe(ctx, &pluginv1.DescribeRequest{})
	if err != nil {
		return sdk.Description{}, fmt.Errorf("describe: %w", err)
	}
	d, err := rpc.DecodeDescription(answer)
	if err != nil {
		return sdk.Description{}, err
	}
	if d.Name != p.cfg.Name {
		return sdk.Description{}, fmt.Errorf("it calls itself %q, the configuration calls it %q: use one name", d.Name, p.cfg.Name)
	}
	return d, nil
}

func (p *process) validate(ctx context.Context, offer string, config []byte) ([]sdk.Diagnostic, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
	defer cancel()
	answer, err := p.rpc.Validate(ctx, &pluginv1.ValidateRequest{Offer: offer, Config: config})
	if err != nil {
		return nil, fmt.Errorf("validate: %w", err)
	}
	return rpc.DecodeDiagnostics(answer.GetDiagnostics()), nil
}

// configure makes an instance; an [sdk.ConfigError] says that its configuration is refused, any other error that the plugin did not answer.
func (p *process) configure(ctx context.Context, in instance) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
	defer cancel()
	answer, err := p.rpc.Configure(ctx, &pluginv1.ConfigureRequest{Instance: in.id, Offer: in.offer, Config: in.config})
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if diags := rpc.DecodeDiagnostics(answer.GetDiagnostics()); sdk.Refused(diags) {
		return &sdk.ConfigError{Offer: p.cfg.Name + "." + in.offer, Diagnostics: diags}
	}
	return nil
}

// release lets the plugin clean up; a plugin that does not is killed all the same.
func (p *process) release(log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseMax)
	defer cancel()
	if _, err := p.rpc.Release(ctx, &pluginv1.ReleaseRequest{}); err != nil {
		log.Warn("plugin did not clean up", "error", err)
	}
}

// ping asks gRPC's health service. go-plugin's own Ping has no deadline.
func (p *process) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.PingTimeout)
	defer cancel()
	answer, err := grpc_health_v1.NewHealthClient(p.rpc.Conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return err
	}
	if s := answer.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("health is %v", s)
	}
	return nil
}

// explain turns go-plugin's errors into what a person can do.
func explain(ctx context.Context, err error, p *process, t *tail) error {
	e := &StartError{Plugin: p.cfg.Name, Reason: err.Error(), Stderr: t.read(), Err: err}
	command := strings.Join(p.cfg.Command, " ")
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.late.Load(), strings.Contains(err.Error(), "timeout while waiting"):
		e.Reason = fmt.Sprintf("no handshake within %v: is %q a Tandem plugin?", p.cfg.StartTimeout, command)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		e.Reason = fmt.Sprintf("there is no %s: build it, or correct \"command\" (%v)", p.cfg.Command[0], err)
	case errors.Is(err, fs.ErrPermission):
		e.Reason = fmt.Sprintf("%s may not be executed: chmod +x (%v)", p.cfg.Command[0], err)
	case errors.Is(err, errChecksum):
		e.Reason = fmt.Sprintf("%v; the configuration expects %s: put the right file there or correct \"sha256\"", err, p.cfg.SHA256)
	case strings.Contains(err.Error(), "Unrecognized remote plugin message"):
		if line := p.child.Load().first.line(); line != "" {
			e.Reason = fmt.Sprintf("it printed %q on standard output before its handshake: print to standard error instead (or %q is no plugin)", line, command)
		} else {
			e.Reason = fmt.Sprintf("%q ended before its handshake", command)
		}
	case strings.Contains(err.Error(), "exited before we could connect"):
		e.Reason = fmt.Sprintf("%q ended before its handshake", command)
	}
	return e
}
