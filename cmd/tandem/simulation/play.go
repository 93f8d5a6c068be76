package simulation

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Play plays many seeds on all cores. Every hundredth is played twice, and must give the same hash both times.
type Play struct {
	First   uint64
	Seeds   uint64
	Wire    bool
	Steps   int
	Workers int // 0 is one a core
	// Every so-many-th seed goes over the wire as well; 0 is none.
	WireEvery uint64
	// Stop ends the play at the first failing seed.
	Stop bool
	// Done is told of every result, one at a time, in no order; nil is nobody.
	Done func(Result)
	// Progress is told from time to time; nil is nobody.
	Progress func(Summary)
}

// Summary is what a play came to so far.
type Summary struct {
	Played, Failed     uint64
	Wired              uint64 // of Played
	Elapsed            time.Duration
	Fired              map[string]int
	Oracles            map[string]int // violations by oracle
	Windows, Conflicts int
	Writes, Requests   int
	Failing            []Result // the first few
	FirstFailed        uint64   // the lowest seed among those that failed
}

// PerSecond is the rate.
func (s Summary) PerSecond() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Played) / s.Elapsed.Seconds()
}

// Silent are the fault points that never fired.
func (s Summary) Silent() []string {
	var silent []string
	for _, point := range Points {
		if s.Fired[point] == 0 {
			silent = append(silent, point)
		}
	}
	return silent
}

const (
	determinismEvery = 100
	failingMax       = 20
)

// Run plays until all is played, ctx ends, or a seed fails and Stop says so.
func (p Play) Run(ctx context.Context) (Summary, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Runs leave much garbage and keep little: collected seldom, they are a fifth faster, and take some 200 MB.
	defer debug.SetGCPercent(debug.SetGCPercent(1600))
	var next atomic.Uint64
	var mu sync.Mutex
	sum := Summary{Fired: map[string]int{}, Oracles: map[string]int{}}
	began := time.Now()
	var wg sync.WaitGroup
	workers := p.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if i >= p.Seeds {
					return
				}
				results, err := p.one(p.First + i)
				if err != nil {
					stop(err)
					return
				}
				mu.Lock()
				for _, r := range results {
					sum.add(r)
					if p.Done != nil {
						p.Done(r)
					}
				}
				mu.Unlock()
				if sum.Failed > 0 && p.Stop {
					stop(nil)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	p.watch(finished, &mu, &sum, began)
	sum.Elapsed = time.Since(began)
	if err := context.Cause(ctx); err != nil && err != context.Canceled {
		return sum, err
	}
	return sum, nil
}

func (p Play) watch(finished <-chan struct{}, mu *sync.Mutex, sum *Summary, began time.Time) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-finished:
			return
		case <-ticker.C:
			if p.Progress != nil {
				mu.Lock()
				sum.Elapsed = time.Since(began)
				p.Progress(*sum)
				mu.Unlock()
			}
		}
	}
}

// one plays a seed, in all the ways that it is to be played.
func (p Play) one(seed uint64) ([]Result, error) {
	o := Options{Seed: seed, Steps: p.Steps, Wire: p.Wire}
	r, err := Run(o)
	if err != nil {
		return nil, err
	}
	if seed%determinismEvery == 0 {
		again, err := Run(o)
		if err != nil {
			return nil, err
		}
		if again.Hash != r.Hash {
			r.Violations = append(r.Violations, Violation{Oracle: "determinism", Text: "played twice, the seed gave " + r.Hash + " and " + again.Hash})
		}
	}
	results := []Result{r}
	if p.WireEvery > 0 && seed%p.WireEvery == 0 && !p.Wire {
		o.Wire = true
		wired, err := Run(o)
		if err != nil {
			return nil, err
		}
		results = append(results, wired)
	}
	return results, nil
}

func (s *Summary) add(r Result) {
	s.Played++
	if r.Wire {
		s.Wired++
	}
	for point, n := range r.Fired {
		s.Fired[point] += n
	}
	s.Windows += r.Windows
	s.Conflicts += r.Conflicts
	s.Writes += r.Writes
	s.Requests += r.Requests
	if len(r.Violations) == 0 {
		return
	}
	if s.Failed == 0 || r.Seed < s.FirstFailed {
		s.FirstFailed = r.Seed
	}
	s.Failed++
	for _, v := range r.Violations {
		s.Oracles[v.Oracle]++
	}
	if len(s.Failing) < failingMax {
		s.Failing = append(s.Failing, r)
	}
}
