package kafka

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kslog"
)

// reachGrace is how long nothing may succeed before Kafka counts as away: a leader's move or one broker's restart
// among several is not worth a line.
const reachGrace = 3 * time.Second

// reach is a client's hook that says once when Kafka is away and once when it is back. It has no timer: it judges when an
// attempt fails, and the client keeps attempting.
type reach struct {
	log     *slog.Logger
	observe func(Event)

	mu    sync.Mutex
	since time.Time // of the first failure after the last success; zero when all is well
	away  bool      // said so
}

var (
	_ kgo.HookBrokerConnect = (*reach)(nil)
	_ kgo.HookBrokerE2E     = (*reach)(nil)
)

// OnBrokerConnect hears of every dial, the handshakes of TLS and SASL included.
func (r *reach) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		r.failed(err)
	}
}

// OnBrokerE2E hears of every request.
func (r *reach) OnBrokerE2E(_ kgo.BrokerMetadata, _ int16, e2e kgo.BrokerE2E) {
	if err := e2e.Err(); err != nil {
		r.failed(err)
		return
	}
	r.succeeded()
}

func (r *reach) failed(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, net.ErrClosed) {
		return // our own doing
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = time.Now()
	}
	if r.away || time.Since(r.since) < reachGrace {
		return
	}
	r.away = true
	r.log.Warn("kafka cannot be reached: waiting for it (check bootstrap.servers, the listener, TLS and the password if this is new)", "err", err)
	r.observe(Reachability{Reachable: false})
}

func (r *reach) succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		r.log.Info("kafka is back", "after", time.Since(r.since).Round(time.Second))
		r.observe(Reachability{Reachable: true})
	}
	r.since, r.away = time.Time{}, false
}

// quiet gives the client's own log to ours one step down: what it warns of (each failed attempt among it) is detail here,
// because [reach] and the consumer say what matters, once.
func quiet(log *slog.Logger) kgo.Logger {
	return kslog.New(slog.New(demoted{log.With("source", "kgo").Handler()}))
}

// groupRetry is what the client says whenever its group cannot be joined: kgo's consumer_group.go, manage.
const groupRetry = "group manage loop errored"

// demoted is a handler that hears warnings as debug lines, and errors as warnings.
type demoted struct{ slog.Handler }

func demote(level slog.Level) slog.Level {
	switch {
	case level >= slog.LevelError:
		return slog.LevelWarn
	case level >= slog.LevelInfo:
		return slog.LevelDebug
	default:
		return level - 4 // below debug: the client's own debug lines are a flood
	}
}

func (d demoted) Enabled(ctx context.Context, level slog.Level) bool {
	return d.Handler.Enabled(ctx, demote(level))
}

func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = demote(r.Level)
	if r.Message == groupRetry {
		r.Level = slog.LevelDebug // an error for each try; the consumer's own poll answers it, and the loop says it once
		if !d.Handler.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return d.Handler.Handle(ctx, r)
}

func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demoted{d.Handler.WithAttrs(attrs)}
}
func (d demoted) WithGroup(name string) slog.Handler { return demoted{d.Handler.WithGroup(name)} }
