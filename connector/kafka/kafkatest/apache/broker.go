package apache

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	dice "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/jvm"
)

//go:embed pom.xml
var pom []byte

// Version is the release that the pom pins.
const Version = "4.3.1"

var jars = jvm.Jars{Program: "Apache Kafka " + Version, Name: "kafka", Pom: pom}

// Missing says what this machine lacks to run Apache Kafka, nil when nothing is. When the jars are in the cache already,
// Maven is not asked for.
func Missing() error { return jars.Missing() }

const (
	readyMax = 3 * time.Minute  // a start takes 2 s on an idle machine, much longer when tests compete for 2 cores
	stopMax  = 15 * time.Second // then SIGKILL
	pause    = 50 * time.Millisecond
)

// Config says what broker to run. The zero value is a broker on free ports with a temporary data folder.
type Config struct {
	Dir        string            // data, configuration and log; empty: a temporary folder that Stop removes
	Port       int               // for clients; 0: a free one
	Properties map[string]string // broker settings that win over ours
}

// Broker is one running (or stopped) Apache Kafka node. Not for use from several goroutines at once.
type Broker struct {
	config     Config
	lib        string
	controller int
	temporary  bool
	process    *jvm.Process // nil when stopped
}

// Start fetches (once per machine), formats and starts a broker, and returns when it answers. ctx bounds the start only.
func Start(ctx context.Context, config Config) (*Broker, error) {
	if err := Missing(); err != nil {
		return nil, fmt.Errorf("run Apache Kafka: %w", err)
	}
	lib, err := jars.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	b := &Broker{config: config, lib: lib}
	if err := b.prepare(ctx); err != nil {
		b.Remove()
		return nil, err
	}
	if err := b.Resume(ctx); err != nil {
		b.Remove()
		return nil, err
	}
	return b, nil
}

// Bootstrap is the address for clients.
func (b *Broker) Bootstrap() string { return fmt.Sprintf("127.0.0.1:%d", b.config.Port) }

// Dir holds the broker's data, configuration and log.
func (b *Broker) Dir() string { return b.config.Dir }

// Resume starts a broker that Halt or Kill stopped: same data, same port.
func (b *Broker) Resume(ctx context.Context) error {
	if b.process != nil {
		return nil
	}
	log, err := os.OpenFile(b.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open broker log: %w", err)
	}
	defer log.Close() // the child has its own handle
	cmd := exec.Command(jvm.Java(), append(b.flags(), "kafka.Kafka", b.propertiesPath())...)
	cmd.Dir = b.config.Dir
	cmd.Stdout, cmd.Stderr = log, log
	if b.process, err = jvm.Begin(cmd); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	if err := b.awaitReady(ctx); err != nil {
		b.Kill()
		out, _ := os.ReadFile(b.logPath())
		return fmt.Errorf("start Apache Kafka %s: %w\n%s", Version, err, jvm.Tail(out, 25))
	}
	return nil
}

// Halt stops the broker in good order and keeps its data.
func (b *Broker) Halt() {
	if b.process != nil {
		b.process.End(syscall.SIGTERM, stopMax)
		b.process = nil
	}
}

// Kill stops the broker as a power cut would, data kept.
func (b *Broker) Kill() {
	if b.process != nil {
		b.process.End(syscall.SIGKILL, stopMax)
		b.process = nil
	}
}

// Stop halts the broker and removes its folder if that was a temporary one. Safe twice.
func (b *Broker) Stop() {
	b.Halt()
	b.Remove()
}

// Done is closed when the broker's process has ended, by Stop or by itself.
func (b *Broker) Done() <-chan struct{} {
	if b.process == nil {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	return b.process.Done()
}

// Remove deletes a temporary folder; the broker must not run.
func (b *Broker) Remove() {
	if b.temporary {
		os.RemoveAll(b.config.Dir)
	}
}

func (b *Broker) logPath() string        { return filepath.Join(b.config.Dir, "broker.log") }
func (b *Broker) propertiesPath() string { return filepath.Join(b.config.Dir, "server.properties") }
func (b *Broker) dataPath() string       { return filepath.Join(b.config.Dir, "data") }

// flags make a small, quickly started machine: the first compiler tier and the serial collector halve start time and memory.
func (b *Broker) flags() []string {
	return []string{
		"-Xms64m", "-Xmx384m", "-XX:MaxDirectMemorySize=128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Djava.io.tmpdir=" + b.config.Dir, // native codecs are unpacked there
		"-cp", filepath.Join(b.lib, "*"),
	}
}

// prepare chooses folder and ports and formats the storage. A folder that is formatted already is used as it is.
func (b *Broker) prepare(ctx context.Context) error {
	if b.config.Dir == "" {
		dir, err := os.MkdirTemp("", "tandem-kafka-")
		if err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		b.config.Dir, b.temporary = dir, true
	}
	dir, err := filepath.Abs(b.config.Dir) // the broker runs inside it
	if err != nil {
		return fmt.Errorf("find data folder: %w", err)
	}
	b.config.Dir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if err := b.choosePorts(); err != nil {
		return err
	}
	text := properties(b.dataPath(), b.config.Port, b.controller, b.config.Properties)
	if err := os.WriteFile(b.propertiesPath(), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write server.properties: %w", err)
	}
	if _, err := os.Stat(filepath.Join(b.dataPath(), "meta.properties")); err == nil {
		return nil
	}
	return b.format(ctx)
}

// FreePort listens on a port that nobody has, below those that kernels give to outgoing connections (32768 on Linux, 49152 elsewhere): such
// a connection, to whatever it goes, would hold the port of a broker that is halted and keep it from coming back.
func FreePort() (net.Listener, error) {
	const first, count, triesMax = 20000, 10000, 50
	var l net.Listener
	var err error
	for range triesMax {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+dice.IntN(count))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("find a free port: %w", err)
}

// choosePorts finds free ports. Both are held until both are known, so that they differ.
func (b *Broker) choosePorts() error {
	for _, port := range []*int{&b.config.Port, &b.controller} {
		if *port != 0 {
			continue
		}
		l, err := FreePort()
		if err != nil {
			return err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// format gives the storage a cluster id and makes the node its own quorum (KIP-853: --standalone).
func (b *Broker) format(ctx context.Context) error {
	args := append(b.flags(), "kafka.tools.StorageTool", "format", "--standalone", "-t", clusterID(), "-c", b.propertiesPath())
	if out, err := exec.CommandContext(ctx, jvm.Java(), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format Kafka's storage: %w\n%s", err, jvm.Tail(out, 20))
	}
	return nil
}

// clusterID is a random UUID in Kafka's base64 form. Kafka's tools take a leading dash for an option.
func clusterID() string {
	for {
		raw := make([]byte, 16)
		rand.Read(raw)
		if id := base64.RawURLEncoding.EncodeToString(raw); !strings.HasPrefix(id, "-") {
			return id
		}
	}
}

// awaitReady polls until the broker is a member of its own cluster and finds a group coordinator (which creates the
// internal topics, some 300 ms that no test's clock should pay).
func (b *Broker) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyMax, errors.New("not ready within "+readyMax.String()))
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Bootstrap()), kgo.RequestRetries(0), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		if err = answers(ctx, client); err == nil {
			return nil
		}
		select {
		case <-b.process.Done():
			return fmt.Errorf("the process ended: %w", errors.Join(b.process.Err(), errors.New("see its log")))
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

// answers asks one metadata and one coordinator request.
func answers(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if len(meta.Brokers) == 0 {
		return errors.New("the broker has not registered yet")
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey, find.CoordinatorKeys = "ready", []string{"ready"}
	found, err := find.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, c := range found.Coordinators {
		if c.ErrorCode != 0 {
			return fmt.Errorf("no group coordinator yet (code %d)", c.ErrorCode)
		}
	}
	return nil
}
