package kafkatest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka"
)

// Patience is how long a test waits for something that a broker does in its own time.
const Patience = 3 * time.Minute

// Context ends after Patience, and when the test does.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), Patience, fmt.Errorf("the test's patience of %s is over", Patience))
	t.Cleanup(cancel)
	return ctx
}

var names atomic.Int64

// run tells test processes that share a broker (Variable) apart.
var run = time.Now().UnixNano()

// Name is unique to this call, and tells which test it was: for topics, groups, transactional ids.
func Name(t testing.TB) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		default:
			return '.'
		}
	}, t.Name())
	return fmt.Sprintf("%.120s.%x.%d", clean, run, names.Add(1))
}

// Topic creates a topic of its own for the test.
func Topic(t testing.TB, bootstrap []string, partitions int32) string {
	t.Helper()
	return Create(t, bootstrap, kafka.TopicSpec{Name: Name(t), Partitions: partitions, Cleanup: kafka.CleanupDelete})
}

// Create creates a topic and returns its name.
func Create(t testing.TB, bootstrap []string, spec kafka.TopicSpec) string {
	t.Helper()
	admin, err := kafka.OpenAdmin(Config(t, bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.EnsureTopics(Context(t), spec); err != nil {
		t.Fatal(err)
	}
	return spec.Name
}

// Logger writes warnings and worse to the test's output; with -v also information.
func Logger(t testing.TB) *slog.Logger {
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}
