package notion_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	source "github.com/tandem-sync/tandem/source/notion"
)

// A paused entity's pages are not asked for, for a whole day, whatever webhooks say; the first poll after it finds what was edited meanwhile, once, and it is
// no gap that a sweep would have to fill.
func TestAPausedPollerAsksNothingAndForgetsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkspace(t, nil)
		p := w.poller("a")
		p.Now = time.Now
		win := &window{Pages: w.client, gets: map[string]int{}}
		p.Pages = win
		var paused atomic.Bool
		var asked atomic.Value
		s := source.New(source.Config{Name: "source", Pollers: []*source.Poller{p}, Registry: registry{p.Entity.Hash}, Log: slog.New(slog.DiscardHandler),
			Interval: source.Interval{Base: time.Minute, Min: time.Minute, Max: time.Minute},
			Paused: func(_ context.Context, entity string) (bool, error) {
				asked.Store(entity)
				return paused.Load(), nil
			}})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		ada := w.person("Ada")
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if n := len(w.events()); n != 1 || asked.Load() != p.Entity.Name {
			t.Fatalf("before the pause: %d events, asked of %q", n, asked.Load())
		}

		paused.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		gets, polls := win.counts(ada)
		w.email(ada, "ada@example.com")
		bob := w.person("Bob")
		s.Wake(source.Hint{Page: ada, DataSource: w.schema.DataSource, At: time.Now()})
		s.PollNow()
		time.Sleep(24 * time.Hour)
		w.email(bob, "bob@example.com")
		synctest.Wait()
		if g, n := win.counts(ada); g != gets || n != polls {
			t.Errorf("asked while it was paused: %d reads and %d polls", g-gets, n-polls)
		}
		if n := len(w.events()); n != 0 {
			t.Errorf("%d events while it was paused", n)
		}

		paused.Store(false)
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		got := map[string]int{}
		for _, e := range w.events() {
			got[e.Page.ID]++
		}
		if got[ada] != 1 || got[bob] != 1 || len(got) != 2 {
			t.Errorf("events by page, Ada's is %s and Bob's %s: %v", ada, bob, got)
		}
	})
}
