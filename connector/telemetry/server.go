package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ServerConfig says where metrics and health are served.
type ServerConfig struct {
	// Address is host:port; "" is 127.0.0.1:8084. Port 0 takes a free one.
	Address string

	// AllowRemote lets Address be other than loopback: in a container, where the network is the fence. There is no authentication.
	AllowRemote bool
}

// DefaultAddress is where metrics and health are served if nothing else is said: next to Kafka Connect's 8083.
const DefaultAddress = "127.0.0.1:8084"

// Limits of the server. It answers a scraper and some probes, so all are small.
const (
	headerBytesMax  = 16 << 10
	bodyBytesMax    = 4 << 10
	requestTimeout  = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 3 * time.Second // what is still being answered then is cut off
	scrapesAtOnce   = 4
)

// Server serves GET /metrics, /health (readiness: 200 or 503) and /livez (200 while the process answers at all). It keeps the
// contract of package lifecycle, which it may not import.
type Server struct {
	config  ServerConfig
	metrics *Metrics
	health  *Health
	log     *slog.Logger

	mu      sync.Mutex // held over Start and Stop: neither takes long
	current *served
}

// served is one life of the server.
type served struct {
	http    *http.Server
	address net.Addr
	unwatch func() bool
	done    chan struct{} // closed when Serve has returned
	cut     sync.Once
}

// NewServer makes a server; Start opens its port.
func NewServer(c ServerConfig, m *Metrics, h *Health, log *slog.Logger) (*Server, error) {
	if c.Address == "" {
		c.Address = DefaultAddress
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Server{config: c, metrics: m, health: h, log: Component(log, "telemetry")}, nil
}

func (c ServerConfig) validate() error {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("metrics address must be host:port, such as %s, got %q", DefaultAddress, c.Address)
	}
	ip, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && ip.IsLoopback()
	if !loopback && !c.AllowRemote {
		return fmt.Errorf("metrics address %s can be reached from other machines, without a password: use 127.0.0.1, or allow it explicitly", c.Address)
	}
	return nil
}

// Start opens the port and answers until Stop, or until ctx ends.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && !s.current.ended() {
		return nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.config.Address)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	this := &served{address: listener.Addr(), done: make(chan struct{}), http: &http.Server{
		Handler:           http.MaxBytesHandler(s.routes(), bodyBytesMax),
		ReadHeaderTimeout: requestTimeout, ReadTimeout: requestTimeout, WriteTimeout: 2 * requestTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(this.done)
		if err := this.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics are not served any more", "err", err)
		}
	}()
	this.unwatch = context.AfterFunc(ctx, this.shutdown)
	s.current = this
	s.log.Info("serving metrics and health", "address", this.address.String())
	return nil
}

// Stop lets what is being answered end, and closes the port.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return
	}
	s.current.unwatch()
	s.current.shutdown()
	<-s.current.done
	s.current = nil
}

// Address is where the server listens, "" while it does not: for port 0.
func (s *Server) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return ""
	}
	return s.current.address.String()
}

func (v *served) shutdown() {
	v.cut.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if v.http.Shutdown(ctx) != nil {
			_ = v.http.Close()
		}
	})
}

func (v *served) ended() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// Handler answers the three paths, for those who serve them on a port of their own.
func (s *Server) Handler() http.Handler { return s.routes() }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		Registry: s.metrics.registry, MaxRequestsInFlight: scrapesAtOnce, Timeout: requestTimeout,
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}))
	mux.HandleFunc("GET /health", s.answerHealth)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return mux
}

func (s *Server) answerHealth(w http.ResponseWriter, r *http.Request) {
	report := s.health.Report(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if report.Status != "healthy" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(report) // the prober went away
}
