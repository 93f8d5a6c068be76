package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server serves an emulator over HTTP, delivers its webhooks and flushes its
// file. The zero Addr is a free loopback port.
type Server struct {
	Emulator *Emulator
	Addr     string
	// Every is how often webhooks are delivered and the file is flushed. Default 200 ms.
	Every time.Duration

	mu     sync.Mutex
	http   *http.Server
	url    string
	cancel context.CancelFunc
	done   chan struct{} // closed when both goroutines have returned
}

// Start listens and returns when requests are served. A running server is left alone.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return nil
	}
	addr := s.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for the emulator: %w", err)
	}
	s.url = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s.Emulator, ReadHeaderTimeout: 10 * time.Second}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.done = cancel, make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(2)
	go func(srv *http.Server) {
		defer wg.Done()
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.Emulator.cfg.Logger.Error("serve the emulator", "err", err)
		}
	}(s.http)
	go func() { defer wg.Done(); s.pump(run) }()
	go func(done chan struct{}) { wg.Wait(); close(done) }(s.done)
	return nil
}

// URL is the base URL without /v1, known after Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Stop ends open requests, stops delivering and writes the file. It blocks,
// may be called twice, and before Start.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		return nil
	}
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
	<-s.done
	s.cancel, s.done, s.http = nil, nil, nil
	s.Emulator.cfg.Webhook.Client.CloseIdleConnections()
	return s.Emulator.Flush()
}

// pump delivers and flushes until it is cancelled.
func (s *Server) pump(ctx context.Context) {
	every := s.Every
	if every <= 0 {
		every = 200 * time.Millisecond
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		e := s.Emulator
		if _, err := e.Deliver(ctx, e.cfg.Now()); err != nil && ctx.Err() == nil {
			e.cfg.Logger.Warn("deliver webhooks", "err", err)
		}
		if err := e.Flush(); err != nil {
			e.cfg.Logger.Error("flush workspace", "err", err)
		}
	}
}
