package debezium

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/apache"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/jvm"
)

//go:embed pom.xml
var pom []byte

// The releases that the pom pins.
const (
	Version        = "3.6.1.Final"
	ConnectVersion = "4.3.1"
)

var jars = jvm.Jars{Program: "Debezium " + Version + " in Kafka Connect " + ConnectVersion, Name: "debezium", Pom: pom}

// Missing says what this machine lacks to run Debezium, nil when nothing is.
func Missing() error { return jars.Missing() }

const (
	stopMax = 20 * time.Second       // the worker closes its connector first; then SIGKILL
	pause   = 100 * time.Millisecond // between looks at what a worker has come to
)

// Worker is one running (or stopped) Connect worker with one Debezium connector. Not for use from several goroutines at once.
type Worker struct {
	config    Config
	lib       string
	port      int
	temporary bool
	process   *jvm.Process // nil when stopped
}

// Start fetches (once per machine) and starts a worker, and returns when its process runs: [Worker.AwaitStreaming] waits for more.
func Start(ctx context.Context, config Config) (*Worker, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("run Debezium: %w", err)
	}
	if err := Missing(); err != nil {
		return nil, fmt.Errorf("run Debezium: %w", err)
	}
	lib, err := jars.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	w := &Worker{config: config, lib: lib}
	if err := w.prepare(); err != nil {
		w.Stop()
		return nil, err
	}
	if err := w.Resume(); err != nil {
		w.Stop()
		return nil, err
	}
	return w, nil
}

// Dir holds the worker's settings, its stored position and its log.
func (w *Worker) Dir() string { return w.config.Dir }

// Resume starts a worker that Halt or Kill stopped, where its stored position says.
func (w *Worker) Resume() error {
	if w.process != nil {
		return nil
	}
	log, err := os.OpenFile(w.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open worker log: %w", err)
	}
	defer log.Close() // the child has its own handle
	cmd := exec.Command(jvm.Java(), append(w.flags(), "org.apache.kafka.connect.cli.ConnectStandalone", w.path("worker.properties"), w.path("connector.properties"))...)
	cmd.Dir = w.config.Dir
	cmd.Stdout, cmd.Stderr = log, log
	if w.process, err = jvm.Begin(cmd); err != nil {
		return fmt.Errorf("start Kafka Connect: %w", err)
	}
	return nil
}

// Halt stops the worker in good order: what it has written is in Kafka, and its position is stored.
func (w *Worker) Halt() { w.end(syscall.SIGTERM) }

// Kill stops the worker as a power cut would.
func (w *Worker) Kill() { w.end(syscall.SIGKILL) }

func (w *Worker) end(signal syscall.Signal) {
	if w.process != nil {
		w.process.End(signal, stopMax)
		w.process = nil
	}
}

// Stop halts the worker and removes its folder if that was a temporary one. The slot stays. Safe twice.
func (w *Worker) Stop() {
	w.Halt()
	if w.temporary {
		os.RemoveAll(w.config.Dir)
	}
}

// Usage is what the worker has cost so far: memory and CPU time of the whole JVM.
func (w *Worker) Usage() (jvm.Usage, error) {
	if w.process == nil {
		return jvm.Usage{}, errors.New("read what Debezium uses: it does not run")
	}
	return w.process.Usage()
}

// LogPath is the worker's log.
func (w *Worker) LogPath() string { return w.path("worker.log") }

func (w *Worker) path(name string) string { return filepath.Join(w.config.Dir, name) }

func (w *Worker) flags() []string {
	heap := w.config.Heap
	if heap == "" {
		heap = "512m"
	}
	flags := []string{"-Xmx" + heap}
	if !w.config.Peak { // as in package apache: half the start time and memory
		flags = append(flags, "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	}
	return append(flags,
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.log.io.debezium.connector.postgresql=info",
		"-Djava.io.tmpdir="+w.config.Dir, "-cp", filepath.Join(w.lib, "*"))
}

func (w *Worker) prepare() error {
	if w.config.Dir == "" {
		dir, err := os.MkdirTemp("", "tandem-debezium-")
		if err != nil {
			return fmt.Errorf("make the worker's folder: %w", err)
		}
		w.config.Dir, w.temporary = dir, true
	}
	dir, err := filepath.Abs(w.config.Dir) // the worker runs inside it
	if err != nil {
		return fmt.Errorf("find the worker's folder: %w", err)
	}
	w.config.Dir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the worker's folder: %w", err)
	}
	listener, err := apache.FreePort()
	if err != nil {
		return err
	}
	defer listener.Close()
	w.port = listener.Addr().(*net.TCPAddr).Port
	for name, all := range map[string]map[string]string{
		"worker.properties": w.config.worker(w.path("offsets"), w.port), "connector.properties": w.config.connector(),
	} {
		if err := os.WriteFile(w.path(name), properties(all), 0o600); err != nil {
			return fmt.Errorf("write the worker's settings: %w", err)
		}
	}
	return nil
}

// AwaitStreaming returns when Debezium's slot sends it changes: tables have been read, if the mode says so, and what is committed from
// now on is an event of the stream. Bounded by ctx.
func (w *Worker) AwaitStreaming(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, w.config.DSN)
	if err != nil {
		return fmt.Errorf("wait for Debezium: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const streams = `SELECT count(*) > 0 FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
		WHERE s.slot_name = $1 AND r.state IN ('catchup', 'streaming')`
	return w.await(ctx, func() (done bool, err error) {
		err = conn.QueryRow(ctx, streams, w.config.slot()).Scan(&done)
		return done, err
	})
}

// await polls until done, and ends early when the worker or its task has failed.
func (w *Worker) await(ctx context.Context, done func() (bool, error)) error {
	if w.process == nil {
		return errors.New("wait for Debezium: it does not run")
	}
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if trace := w.failure(ctx); trace != "" {
			return fmt.Errorf("debezium has failed:\n%s", causes(trace))
		}
		select {
		case <-w.process.Done():
			log, _ := os.ReadFile(w.LogPath())
			return fmt.Errorf("the Connect worker has ended (%w):\n%s", errors.Join(w.process.Err(), errors.New("see its log")), jvm.Tail(log, 40))
		case <-ctx.Done():
			log, _ := os.ReadFile(w.LogPath())
			return fmt.Errorf("wait for Debezium: %w\n%s", context.Cause(ctx), jvm.Tail(log, 15))
		case <-time.After(pause):
		}
	}
}

// causes are a stack trace's messages, without the stacks.
func causes(trace string) string {
	var b strings.Builder
	for line := range strings.Lines(trace) {
		if !strings.HasPrefix(line, "\tat ") && !strings.HasPrefix(line, "\t... ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// failure asks Connect's REST interface why the connector or its task has failed; "" if neither has, or nobody answers yet.
// https://kafka.apache.org/documentation/#connect_rest
func (w *Worker) failure(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/connectors/%s/status", w.port, w.config.name()), nil)
	if err != nil {
		return err.Error()
	}
	request.Close = true // no idle connection outlives the question
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	type part struct{ State, Trace string }
	var status struct {
		Connector part
		Tasks     []part
	}
	if json.NewDecoder(response.Body).Decode(&status) != nil {
		return ""
	}
	for _, p := range append(status.Tasks, status.Connector) {
		if p.State == "FAILED" {
			return string(bytes.TrimSpace([]byte(p.Trace)))
		}
	}
	return ""
}
