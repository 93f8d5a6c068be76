package notionapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// stamps records when requests were let through.
type stamps struct {
	mu    sync.Mutex
	start time.Time
	lanes []Lane
	at    []time.Duration
}

func (s *stamps) add(lane Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes = append(s.lanes, lane)
	s.at = append(s.at, time.Since(s.start))
}

// Whatever the rate, the burst and the number of askers: no 60 seconds see more requests than the rate, and few are wasted.
func TestBudgetKeepsItsRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{2, 3, 61, 180, 600} {
		for _, burst := range []int{1, 3, 20} {
			for _, askers := range []int{1, 5} {
				t.Run(fmt.Sprintf("%d a minute, burst %d, %d askers", rate, burst, askers), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { checkRate(t, rate, burst, askers) })
				})
			}
		}
	}
}

func checkRate(t *testing.T, rate, burst, askers int) {
	b := NewLocalBudget(LocalBudgetConfig{RatePerMinute: rate, Burst: burst})
	s := stamps{start: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var group errgroup.Group
	for range askers {
		group.Go(func() error {
			for b.Take(ctx, Live) == nil {
				s.add(Live)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range s.at {
		if last := i + rate; last < len(s.at) && s.at[last] < s.at[i]+time.Minute {
			t.Fatalf("more than %d requests in the minute from %s on", rate, s.at[i])
		}
	}
	if want := 3 * (rate - min(burst, rate-1)) * 9 / 10; len(s.at) < want {
		t.Fatalf("%d requests in 3 minutes, want at least %d", len(s.at), want)
	}
}

func TestLiveGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(LocalBudgetConfig{RatePerMinute: 60, Burst: 1})
		s := stamps{start: time.Now()}
		var group errgroup.Group
		ask := func(lane Lane) {
			group.Go(func() error {
				err := b.Take(t.Context(), lane)
				s.add(lane)
				return err
			})
			synctest.Wait()
		}
		for _, lane := range []Lane{Backfill, Backfill, Backfill, Live, Live} {
			ask(lane)
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		// The first backfill request was alone when it came; the live ones came last and go before the other two.
		if diff := cmp.Diff([]Lane{Backfill, Live, Live, Backfill, Backfill}, s.lanes); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestPauseHoldsEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(LocalBudgetConfig{RatePerMinute: 600})
		start := time.Now()
		for _, d := range []time.Duration{30 * time.Second, 10 * time.Second} { // an earlier end does not shorten a pause
			if err := b.Pause(t.Context(), start.Add(d)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Take(t.Context(), Live); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 30*time.Second {
			t.Errorf("waited %s, want 30s", waited)
		}
	})
}

// A caller that gives up leaves no hole in the queue: those behind it are served.
func TestGivingUpLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewLocalBudget(LocalBudgetConfig{RatePerMinute: 2, Burst: 1})
		if err := b.Take(t.Context(), Live); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var group errgroup.Group
		group.Go(func() error {
			if err := b.Take(ctx, Live); !errors.Is(err, context.Canceled) {
				t.Errorf("err = %v, want canceled", err)
			}
			return nil
		})
		synctest.Wait()
		start := time.Now()
		group.Go(func() error { return b.Take(t.Context(), Backfill) })
		synctest.Wait()
		cancel()
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited > 61*time.Second {
			t.Errorf("the next in the queue waited %s", waited)
		}
		if n := len(b.waiting[Live]) + len(b.waiting[Backfill]); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// Requests of a backfill that hang must not hold up a live one, and no more are in flight than were allowed.
func TestOneSlotIsLeftToTheLiveLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		flying, most := 0, 0
		hang := make(chan struct{})
		client, err := New(Config{Token: secret, ConcurrencyMax: 3, Budget: &freeBudget{}, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			flying++
			most = max(most, flying)
			mu.Unlock()
			if LaneOf(r.Context()) == Backfill {
				<-hang
			}
			mu.Lock()
			flying--
			mu.Unlock()
			rec := httptest.NewRecorder()
			_, _ = rec.WriteString(pageJSON)
			return rec.Result(), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		var group errgroup.Group
		for range 5 {
			group.Go(func() error {
				_, err := client.Page(WithLane(t.Context(), Backfill), pageID)
				return err
			})
			synctest.Wait()
		}
		if _, err := client.Page(t.Context(), pageID); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if flying != 2 || most != 3 {
			t.Errorf("%d backfill requests in flight and %d in all, want 2 and 3", flying, most)
		}
		mu.Unlock()
		close(hang)
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}
