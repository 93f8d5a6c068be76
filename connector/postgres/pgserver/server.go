package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	startTimeMax = 60 * time.Second // crash recovery of a large data folder included
	stopTimeMax  = 10 * time.Second // a fast shutdown; after it the server is stopped as by a crash
	portTriesMax = 5                // someone else may take the free port between our look and the server's bind
)

// Options say which server to run and where its data lives. The zero Options run the newest server found in a folder that
// Stop removes.
type Options struct {
	BinDir   string            // folder of initdb and postgres; "" looks for it, see [Find]
	DataDir  string            // a folder that is kept (and used again), made if it is missing; "" is a temporary one
	Fsync    bool              // survive a crash of the machine; off is several times faster
	Settings map[string]string // more of postgresql.conf
	Files    map[string]string // put into a new cluster's folder, by name: pg_hba.conf, certificates and keys
	CopyOf   *Server           // a new cluster is a backup of this one, which runs; with standby.signal among Files it follows it
	Log      *slog.Logger      // nil: nowhere
}

// Server is a running PostgreSQL server. Its methods may be called from any goroutine, one at a time takes effect.
type Server struct {
	Port int

	options  Options
	bin      string
	base     string // holds data/, password and server.log
	socket   string // folder of the unix socket
	password string
	identity identity

	mu     sync.Mutex
	cmd    *exec.Cmd     // nil when stopped
	exited chan struct{} // closed when cmd has ended
}

// identity is a way to run a process as somebody PostgreSQL accepts.
type identity struct {
	name    string
	chownTo int // < 0: files stay the caller's
	attr    func() *syscall.SysProcAttr
}

// Start finds binaries, makes the data folder if it is new, and returns when the server answers. About half a second
// for a new one. The caller must Stop it.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	bin, err := Find(ctx, o.BinDir)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, bin: bin}
	if err := s.prepare(ctx); err != nil {
		s.clean()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.startAnyPort(ctx); err != nil {
		s.clean()
		return nil, err
	}
	return s, nil
}

// DSN names a database of this server, password included.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Stop ends the server, clean, and removes a temporary data folder. It is idempotent.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt(syscall.SIGINT)
	s.clean()
}

// Kill ends the server as a crash would, losing nothing that was committed and written; data folder and port stay for Restart.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt(syscall.SIGQUIT)
}

// Restart stops the server if it runs (clean, open connections are cut) and starts it on the same port and data.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halt(syscall.SIGINT)
	return s.start(ctx)
}

// prepare makes folders, password and cluster, and settles on an identity that can reach them.
func (s *Server) prepare(ctx context.Context) error {
	var err error
	if s.base, err = s.makeBase(); err != nil {
		return err
	}
	if s.socket, err = makeTemp(tempPrefix + strconv.Itoa(os.Getpid()) + "-s"); err != nil {
		return err
	}
	if s.identity, err = s.choose(ctx); err != nil {
		return err
	}
	for _, dir := range []string{s.base, s.socket} {
		if err := s.identity.own(dir, 0o755); err != nil {
			return err
		}
	}
	made, err := os.ReadFile(filepath.Join(s.base, "data", "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		if err := s.make(ctx); err != nil {
			return err
		}
		return s.putFiles()
	}
	if err != nil {
		return fmt.Errorf("read the data folder: %w", err)
	}
	return s.adopt(ctx, strings.TrimSpace(string(made)))
}

func (s *Server) makeBase() (string, error) {
	removeOrphans()
	if s.options.DataDir == "" {
		return makeTemp(tempPrefix + strconv.Itoa(os.Getpid()) + "-")
	}
	dir, err := filepath.Abs(s.options.DataDir)
	if err != nil {
		return "", fmt.Errorf("resolve the data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the data folder: %w", err)
	}
	return dir, nil
}

// choose tries each identity on what will be needed of it: to run the binary from the data folder.
func (s *Server) choose(ctx context.Context) (identity, error) {
	var problems []error
	for _, id := range identities(ctx) {
		if err := id.own(s.base, 0o755); err != nil {
			problems = append(problems, err)
			continue
		}
		cmd := s.command(ctx, id, "initdb", "--version")
		if err := cmd.Run(); err != nil {
			problems = append(problems, fmt.Errorf("as %s: %w", id.name, err))
			continue
		}
		return id, nil
	}
	return identity{}, fmt.Errorf("nobody can run the server in %s with data in %s: %w", s.bin, s.base, errors.Join(problems...))
}

func (s *Server) command(ctx context.Context, id identity, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary(s.bin, name), args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.base, environment(s.bin), id.attr()
	return cmd
}

// make gives the data folder its cluster: a new one, or a copy.
func (s *Server) make(ctx context.Context) error {
	if s.options.CopyOf != nil {
		s.password = s.options.CopyOf.password
		return s.copyFrom(ctx, s.options.CopyOf)
	}
	return s.initialize(ctx)
}

func (s *Server) putFiles() error {
	for name, text := range s.options.Files {
		file := filepath.Join(s.base, "data", name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("put a file into the cluster: %w", err)
		}
		if err := s.identity.own(file, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) initialize(ctx context.Context) error {
	s.password = rand.Text()
	file := filepath.Join(s.base, "password")
	if err := os.WriteFile(file, []byte(s.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the server's password: %w", err)
	}
	if err := s.identity.own(file, 0o600); err != nil {
		return err
	}
	args := []string{"-D", filepath.Join(s.base, "data"), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", file, "--locale=C", "-E", "UTF8"}
	if !s.options.Fsync {
		args = append(args, "--no-sync")
	}
	out, err := s.command(ctx, s.identity, "initdb", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the database cluster: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func (s *Server) adopt(ctx context.Context, made string) error {
	password, err := os.ReadFile(filepath.Join(s.base, "password"))
	if err != nil {
		return fmt.Errorf("read the server's password: %w", err)
	}
	s.password = strings.TrimSpace(string(password))
	major, err := Version(ctx, s.bin)
	if err != nil {
		return err
	}
	if strconv.Itoa(major) != made {
		return fmt.Errorf("the data in %s was made by PostgreSQL %s, the server in %s is %d: name the folder of the right binaries, or remove the data",
			s.base, made, s.bin, major)
	}
	return nil
}

func (s *Server) startAnyPort(ctx context.Context) error {
	var err error
	for range portTriesMax {
		if s.Port, err = FreePort(ctx); err != nil {
			return err
		}
		if err = s.start(ctx); err == nil || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
	return err
}

// FreePort finds a port of the loopback that nobody listens on; somebody else may take it before the caller does.
func FreePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("look for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// start runs the server and waits until it answers. The caller holds mu.
func (s *Server) start(ctx context.Context) error {
	log, err := os.Create(filepath.Join(s.base, "server.log"))
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer log.Close()
	cmd := s.command(context.WithoutCancel(ctx), s.identity, "postgres", s.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	exited := make(chan struct{})
	go func() { defer close(exited); _ = cmd.Wait() }() // its end is the news, its status is in the log
	s.cmd, s.exited = cmd, exited
	if err := s.await(ctx); err != nil {
		s.halt(syscall.SIGQUIT)
		return err
	}
	s.options.Log.Debug("started PostgreSQL", "port", s.Port, "data", s.base, "as", s.identity.name)
	return nil
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"port": strconv.Itoa(s.Port), "listen_addresses": "127.0.0.1", "unix_socket_directories": s.socket,
		"wal_level": "logical", "max_replication_slots": "10", "max_wal_senders": "10",
		"shared_buffers": "32MB", "timezone": "UTC", "log_timezone": "UTC",
		"fsync": onOff(s.options.Fsync), "full_page_writes": onOff(s.options.Fsync),
	}
	maps.Copy(settings, s.options.Settings)
	args := []string{"-D", filepath.Join(s.base, "data")}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// await polls, since PostgreSQL has no other way to tell that it accepts connections.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeMax)
	defer cancel()
	for {
		conn, err := pgconn.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.exited:
			return fmt.Errorf("start the server: it ended: %s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("start the server: %w (%w): %s", context.Cause(ctx), err, s.logTail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Server) logTail() string {
	const bytesMax = 2000
	log, err := os.ReadFile(filepath.Join(s.base, "server.log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(log[max(0, len(log)-bytesMax):]))
}

// halt sends sig and waits, then insists. The caller holds mu.
func (s *Server) halt(sig syscall.Signal) {
	if s.cmd == nil {
		return
	}
	for _, sig := range []syscall.Signal{sig, syscall.SIGQUIT, syscall.SIGKILL} {
		_ = s.cmd.Process.Signal(sig) // fails only for a process that has ended
		select {
		case <-s.exited:
			s.cmd, s.exited = nil, nil
			return
		case <-time.After(stopTimeMax):
		}
	}
	s.options.Log.Error("PostgreSQL does not end", "pid", s.cmd.Process.Pid)
}

func (s *Server) clean() {
	if s.socket != "" {
		os.RemoveAll(s.socket)
	}
	if s.options.DataDir == "" && s.base != "" {
		os.RemoveAll(s.base)
	}
}
