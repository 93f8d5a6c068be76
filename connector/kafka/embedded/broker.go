// Package embedded is the broker of the demo and of first steps: a Kafka that runs inside Tandem's process and serves TCP, so
// that kcat, a console or a consumer of one's own can join in.
//
// It is for trying out only, and says so when it starts. It is franz-go's kfake, which calls itself a fake broker for
// tests: one node, no replication, an on-disk format without promises, and compaction that stops everything else while
// it runs. Records survive a restart and a kill of the process; after a power cut the last ones may be gone.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tandem-sync/tandem/connector/lifecycle"
)

// Config is one broker's.
type Config struct {
	// Dir keeps the records; made if missing, locked while the broker runs. Required: kfake without one keeps everything in
	// memory and loses it at the end.
	Dir string

	// Port on 127.0.0.1 for clients. 0 takes a free one, which later starts of the same Broker keep.
	Port int

	// CleanEvery is how often old records are compacted and expired. 0: one minute. kfake's own default is an hour; a run
	// stops the broker for about a second per million records.
	CleanEvery time.Duration

	Logger *slog.Logger // nil: silent
}

// Validate reports everything that is wrong.
func (c Config) Validate() error {
	var problems []error
	if c.Dir == "" {
		problems = append(problems, errors.New("dir: must name a folder"))
	}
	if c.Port < 0 || c.Port > 65535 {
		problems = append(problems, fmt.Errorf("port: %d is not from 0 to 65535", c.Port))
	}
	if c.CleanEvery < 0 {
		problems = append(problems, errors.New("clean every: must not be negative"))
	}
	return errors.Join(problems...)
}

// Broker is the embedded broker as a service.
type Broker struct {
	lifecycle.Runner
	config Config

	mu   sync.Mutex
	port int // in use, or wanted
}

var _ lifecycle.Watched = (*Broker)(nil)

// New checks the configuration.
func New(config Config) (*Broker, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if config.CleanEvery == 0 {
		config.CleanEvery = time.Minute
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Broker{config: config, port: config.Port}, nil
}

// Start locks the folder, loads what is in it and listens. It returns when clients can connect.
func (b *Broker) Start(ctx context.Context) error { return b.RunReady(ctx, b.run) }

// Bootstrap is the address for clients, once Start has returned.
func (b *Broker) Bootstrap() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port))
}

func (b *Broker) run(ctx context.Context, ready func()) error {
	unlock, err := lockDir(b.config.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	cluster, err := b.listen()
	if err != nil {
		return err
	}
	defer cluster.Close()
	b.config.Logger.Info("embedded broker is ready; it is for trying out only: one node, no replication",
		"bootstrap", b.Bootstrap(), "dir", b.config.Dir)
	ready()
	<-ctx.Done()
	return context.Cause(ctx)
}

// listen starts the cluster and keeps the port that it got.
func (b *Broker) listen() (*kfake.Cluster, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), // three by default; replication would only be pretended
		kfake.Ports(b.port),
		kfake.DefaultNumPartitions(1),
		kfake.ClusterID("tandem-embedded"),
		kfake.DataDir(b.config.Dir),
		kfake.WithLogger(logger{b.config.Logger}),
		kfake.BrokerConfigs(map[string]string{
			"log.cleaner.backoff.ms":     strconv.FormatInt(b.config.CleanEvery.Milliseconds(), 10),
			"default.replication.factor": "1",
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("start the embedded broker on port %d (another program may have it; choose another port): %w", b.port, err)
	}
	_, text, err := net.SplitHostPort(cluster.ListenAddrs()[0])
	if err == nil {
		b.port, err = strconv.Atoi(text)
	}
	if err != nil {
		cluster.Close()
		return nil, fmt.Errorf("learn the embedded broker's port: %w", err)
	}
	return cluster, nil
}

// logger writes kfake's lines to ours; what it calls information is a line a request.
type logger struct{ log *slog.Logger }

// Logf is kfake's interface.
func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug - 4
	switch level {
	case kfake.LogLevelError, kfake.LogLevelWarn:
		to = slog.LevelWarn
	case kfake.LogLevelInfo, kfake.LogLevelDebug, kfake.LogLevelNone:
	}
	if l.log.Enabled(context.Background(), to) {
		l.log.Log(context.Background(), to, "embedded broker: "+fmt.Sprintf(format, args...))
	}
}

// lockDir makes the folder ours: two kfakes on one folder destroy each other's records without a word.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the embedded broker's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the embedded broker's lock: %w", err)
	}
	if err := tryLock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("the folder %s is in use by another embedded broker: stop that one, or choose another folder", dir)
	}
	return func() { f.Close() }, nil // closing unlocks; the kernel does it too when the process ends
}
