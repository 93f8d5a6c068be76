package bench

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	measure   = flag.Bool("bench.sync", false, "measure what docs/performance.md states; `make bench-sync` does")
	capturing = flag.Bool("bench.cdc", false, "measure the source: make bench-cdc")
	scale     = flag.Float64("bench.scale", 1, "a part of the records, to try a measurement out: its figures are not to be quoted")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	stop := startWall()
	code := m.Run()
	if *measure || *capturing {
		fmt.Println(markdown())
	}
	stopServers()
	stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// figure is one line of the table.
type figure struct {
	order              int
	what               string
	reach, aim, actual string
}

var figures struct {
	mu  sync.Mutex
	all []figure
}

// report puts a line into the table. Figures are measured, never asserted: a machine that is busy must not fail a change.
func report(order int, what, reach, aim, format string, args ...any) {
	figures.mu.Lock()
	defer figures.mu.Unlock()
	f := figure{order, what, reach, aim, fmt.Sprintf(format, args...)}
	figures.all = append(figures.all, f)
	say("%s: %s (reach %s, aim %s)", f.what, f.actual, f.reach, f.aim)
}

func markdown() string {
	figures.mu.Lock()
	defer figures.mu.Unlock()
	slices.SortStableFunc(figures.all, func(a, b figure) int { return a.order - b.order })
	var b strings.Builder
	b.WriteString("\n| what | reach | aim | measured |\n| --- | --- | --- | --- |\n")
	for _, f := range figures.all {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.what, f.reach, f.aim, f.actual)
	}
	return b.String()
}

// wall is for how long this has run, on the machine's clock: time.Now in a bubble tells the bubble's, and only who is outside can read the other.
var wall atomic.Int64

const wallStep = 20 * time.Millisecond

func startWall() (stop func()) {
	began, end, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(wallStep)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				wall.Store(int64(time.Since(began)))
			}
		}
	}()
	return func() { close(end); <-ended }
}

func elapsed() time.Duration { return time.Duration(wall.Load()) }

// say tells whoever waits how things go.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0fs  %s\n", elapsed().Seconds(), fmt.Sprintf(format, args...))
}

// progress says now and then how far a measurement is, how fast it goes, and when it will be done.
type progress struct {
	what  string
	of    int
	began time.Duration
	said  time.Duration
}

func newProgress(what string, of int) *progress {
	return &progress{what: what, of: of, began: elapsed(), said: elapsed()}
}

const progressEvery = 5 * time.Second

func (p *progress) at(n int) {
	now := elapsed()
	if now-p.said < progressEvery || n == 0 {
		return
	}
	p.said = now
	pace := float64(n) / (now - p.began).Seconds()
	left := time.Duration(float64(p.of-n) / pace * float64(time.Second))
	say("%s: %d of %d, %.0f a second, done in about %s", p.what, n, p.of, pace, left.Round(time.Second))
}

// percentile is the value that so many per cent do not exceed; 0 of none.
func percentile(all []time.Duration, per int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*per/100)]
}

// needs skips what is measured only on request.
func needs(t *testing.T) {
	t.Helper()
	if !*measure {
		t.Skip("a measurement: make bench-sync")
	}
}

func scaled(n int) int { return max(10, int(float64(n)**scale)) }

// round makes a time fit for a table.
func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}
