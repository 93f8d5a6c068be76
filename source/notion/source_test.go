package notion_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi"
	source "github.com/tandem-sync/tandem/source/notion"
)

// registry knows the mapping in force.
type registry struct{ hash string }

func (r registry) Mapping(context.Context, string, string) (string, error) { return r.hash, nil }

// window lets tests see, and break, what a poller asks of Notion.
type window struct {
	source.Pages
	mu    sync.Mutex
	gets  map[string]int
	polls int
	err   error
}

func (w *window) Page(ctx context.Context, id string) (notionapi.Page, error) {
	w.mu.Lock()
	w.gets[id]++
	err := w.err
	w.mu.Unlock()
	if err != nil {
		return notionapi.Page{}, err
	}
	return w.Pages.Page(ctx, id)
}

func (w *window) QueryDataSource(ctx context.Context, id string, q notionapi.Query) (notionapi.List, error) {
	w.mu.Lock()
	w.polls++
	err := w.err
	w.mu.Unlock()
	if err != nil {
		return notionapi.List{}, err
	}
	return w.Pages.QueryDataSource(ctx, id, q)
}

func (w *window) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *window) counts(page string) (gets, polls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gets[page], w.polls
}

// running is a source over the emulator in a bubble of its own time.
func running(t *testing.T, test func(t *testing.T, w *workspace, s *source.Source, win *window, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkspace(t, nil)
		p := w.poller("a")
		p.Now = time.Now
		win := &window{Pages: w.client, gets: map[string]int{}}
		p.Pages = win
		var log bytes.Buffer
		s := source.New(source.Config{Name: "source", Pollers: []*source.Poller{p}, Registry: registry{p.Entity.Hash},
			Interval: source.Interval{Base: 5 * time.Minute, Min: 30 * time.Second, Max: 10 * time.Minute}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		test(t, w, s, win, &log)
		s.Stop()
	})
}

func TestABurstOfWebhooksIsOneLook(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, w *workspace, s *source.Source, win *window, _ *bytes.Buffer) {
		page := w.person("Ada")
		for range 50 {
			s.Wake(source.Hint{Page: page, DataSource: w.schema.DataSource, At: time.Now()})
		}
		synctest.Wait()
		if gets, polls := win.counts(page); gets < 1 || gets > 2 || polls > 1 {
			t.Errorf("50 webhooks made %d reads and %d polls", gets, polls)
		}
		if n := len(w.events()); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

func TestMoreHintsThanFitBecomeAPoll(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, _ *workspace, s *source.Source, win *window, _ *bytes.Buffer) {
		win.set(errors.New("Notion is away"))
		for i := range 1500 {
			s.Wake(source.Hint{Page: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), At: time.Now()})
		}
		synctest.Wait()
		win.set(nil)
		_, before := win.counts("")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, after := win.counts(""); after == before {
			t.Error("hints were dropped, and no poll looks for what they named")
		}
	})
}

// Notion is away while hints wait: it is asked with growing pauses, not as fast as the machine can, and the hints are not forgotten.
func TestHintsWaitWhileNotionIsAway(t *testing.T) {
	t.Parallel()
	running(t, func(t *testing.T, w *workspace, s *source.Source, win *window, log *bytes.Buffer) {
		page := w.person("Ada")
		win.set(errors.New("Notion is away"))
		s.Wake(source.Hint{Page: page, DataSource: w.schema.DataSource, Properties: []string{w.schema.Properties["name"]}, At: time.Now()})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if gets, _ := win.counts(page); gets < 3 || gets > 30 {
			t.Fatalf("%d reads in two minutes of trouble", gets)
		}
		if n := strings.Count(log.String(), "Notion is away"); n != 1 {
			t.Errorf("said %d times", n)
		}
		win.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		e := w.events()
		if len(e) != 1 || len(e[0].Source.Hints) != 1 || !strings.Contains(log.String(), "goes on") {
			t.Errorf("%d events, log %s", len(e), log.String())
		}
	})
}

func TestAnotherMappingIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorkspace(t, nil)
		p := w.poller("a")
		p.Now = time.Now
		w.person("Ada")
		var log bytes.Buffer
		s := source.New(source.Config{Name: "source", Pollers: []*source.Poller{p}, Registry: registry{"of another file"},
			Interval: source.Interval{Base: time.Minute, Min: time.Second, Max: time.Minute}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		s.Stop()
		if n := len(w.events()); n != 0 || strings.Count(log.String(), "poll waits") != 1 {
			t.Errorf("%d events under another mapping: %s", n, log.String())
		}
	})
}
