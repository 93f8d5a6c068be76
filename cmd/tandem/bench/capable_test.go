package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/sink"
	source "github.com/tandem-sync/tandem/source/notion"
)

// size is how many records a capability is shown with: all of them by make bench-sync, a part in each run of the tests.
func size(whole, part int) int {
	if *measure {
		return scaled(whole)
	}
	return part
}

// Capability 5: creates whose outcome nobody knows are looked up, once the index must show them, and never made twice.
func TestUnknownOutcomesMakeNoPageTwice(t *testing.T) {
	t.Parallel()
	n := size(10_000, 500)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{indexLag: 20 * time.Second})
		defer w.close()
		dice, unknown := rand.New(rand.NewPCG(7, 8)), 0
		w.wire.after = func(r *http.Request, resp *http.Response) (*http.Response, error) {
			w.wire.mu.Lock()
			defer w.wire.mu.Unlock()
			if kind(r) == "POST pages" && resp.StatusCode == http.StatusOK && dice.IntN(50) == 0 {
				unknown++
				return answer(r, http.StatusGatewayTimeout, "<html>504</html>"), nil
			}
			return resp, nil
		}
		w.crm.fill(n)
		p := newProgress("creates with unknown outcomes", n)
		w.waitFor("all pages", 48*time.Hour, func() bool {
			p.at(w.wire.of("POST pages"))
			return w.idle() && w.linked() == n
		})
		if pages := w.pagesByID(); len(pages) != n {
			t.Errorf("%d pages for %d rows", len(pages), n)
		}
		if unknown == 0 {
			t.Error("no outcome was unknown: this tested nothing")
		}
		t.Logf("%d of %d creates had an unknown outcome; %d pages", unknown, n, n)
	})
}

// linked counts the live links.
func (w *world) linked() int {
	counts, err := w.store.Counts(context.Background(), syncName)
	if err != nil || len(counts) == 0 {
		return 0
	}
	return counts[0].Links
}

// pagesByID reads all pages by Notion's API, past the wire: external id → page. Two pages with one id are an error.
func (w *world) pagesByID() map[string]string {
	w.t.Helper()
	schema, _, err := w.store.Schema(context.Background(), syncName, "contact")
	if err != nil {
		w.t.Fatal(err)
	}
	pages := map[string]string{}
	for page, err := range unlimited(w).Rows(context.Background(), schema.DataSource, everyPage) {
		if err != nil {
			w.t.Fatal(err)
		}
		property, _ := page.Property(schema.External)
		id := property.Value.Text()
		if pages[id] != "" || id == "" {
			w.t.Errorf("pages %s and %s have the external id %q", pages[id], page.ID, id)
		}
		pages[id] = page.ID
	}
	return pages
}

// Capability 17: a record that Notion refuses, and one that it answers only after a minute and then with an error, hurt nobody else.
func TestABadRecordDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	n := size(1000, 200)
	run := func(t *testing.T, bad bool) (p95 time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, setup{indexLag: emulatedLag})
			defer w.close()
			w.crm.fill(n)
			w.waitFor("all pages", 24*time.Hour, func() bool { return w.idle() && w.linked() == n })
			time.Sleep(15 * time.Minute)
			if bad {
				w.poison(w.page("1"), w.page("2"))
				w.crm.set("job", func(string) string { return "never arrives" }, "1", "2")
			}
			e := w.newEdits()
			for range 150 {
				e.inCRM(3 + e.dice.IntN(n-3))
				time.Sleep(time.Duration(e.dice.Int64N(int64(8 * time.Second))))
			}
			w.waitFor("the last edit", time.Hour, func() bool { return len(e.toNotion()) >= 140 })
			p95 = percentile(e.toNotion(), 95)
			if bad && w.seen.parked == 0 {
				t.Error("the record that Notion refuses is not parked")
			}
		})
		return p95
	}
	without, with := run(t, false), run(t, true)
	t.Logf("p95 of the others %s, with two bad records %s", round(without), round(with))
	if with > without+time.Second {
		t.Errorf("p95 of the others: %s with two bad records among %d, %s without", with, n, without)
	}
	if *measure {
		report(9, fmt.Sprintf("live edits, p95, while 1 in %d is refused and 1 takes a minute and fails", n/2), "unchanged", "unchanged", "%s; without: %s", round(with), round(without))
	}
}

// poison makes Notion refuse writes of one page, and take a minute for those of another and then fail.
func (w *world) poison(refused, slow string) {
	w.wire.before = func(r *http.Request) (*http.Response, error, bool) {
		switch {
		case r.Method != http.MethodPatch:
		case strings.HasSuffix(r.URL.Path, refused):
			return answer(r, http.StatusBadRequest, `{"object":"error","status":400,"code":"validation_error","message":"This page is not as it should be."}`), nil, true
		case strings.HasSuffix(r.URL.Path, slow):
			time.Sleep(time.Minute)
			return answer(r, http.StatusServiceUnavailable, `{"object":"error","status":503,"code":"service_unavailable","message":"Notion is unavailable, please try again later."}`), nil, true
		}
		return nil, nil, false
	}
}

// Capability 19: rows that leave the filter keep their page, and it is theirs again when they come back.
func TestAFilterThatChangesDeletesNothing(t *testing.T) {
	t.Parallel()
	n := size(10_000, 500)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{indexLag: emulatedLag})
		defer w.close()
		w.crm.fill(n)
		p := newProgress("rows for a filter that changes", n)
		w.waitFor("all pages", 48*time.Hour, func() bool { p.at(w.wire.of("POST pages")); return w.idle() && w.linked() == n })
		before := w.pagesByID()
		w.filter(func(row change.Image) bool { return len(row["name"].Text())%2 == 0 })
		w.waitFor("the filter's sweep", 48*time.Hour, w.swept())
		if w.linked() == n {
			t.Error("no row left the filter: this tested nothing")
		}
		if patches := w.wire.of("PATCH pages/{id}"); patches != 0 {
			t.Errorf("%d pages were written because of a filter", patches)
		}
		if after := w.pagesByID(); len(after) != n {
			t.Errorf("%d of %d pages are left", len(after), n)
		}
		w.filter(func(change.Image) bool { return true })
		w.waitFor("the filter's way back", 48*time.Hour, w.swept())
		w.waitFor("all links", 48*time.Hour, func() bool { return w.idle() && w.linked() == n })
		after := w.pagesByID()
		for id, page := range before {
			if after[id] != page {
				t.Fatalf("page %s of %s is %q now", page, id, after[id])
			}
		}
		if made := w.wire.of("POST pages"); made != n {
			t.Errorf("%d pages were made for %d rows", made, n)
		}
	})
}

// filter changes which rows are in scope, as a mapping's where does, and has all rows looked at.
func (w *world) filter(scope func(change.Image) bool) {
	w.crm.mu.Lock()
	w.crm.scope = scope
	w.crm.mu.Unlock()
	if err := sink.RequestSweep(context.Background(), w.store, sink.RowSweepName(syncName), "test", time.Now(), "the filter changed"); err != nil {
		w.t.Fatal(err)
	}
}

// swept reports that a sweep that was asked for just now is over with its work.
func (w *world) swept() func() bool {
	began := time.Now()
	return func() bool { return time.Since(began) > time.Minute && w.idle() }
}

// Capability 20, in small: a live edit does not wait for a round of the first sync.
func TestLiveEditsOvertakeABackfill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{indexLag: emulatedLag})
		defer w.close()
		const n = 600
		w.crm.fill(n)
		w.waitFor("some pages", time.Hour, func() bool { return w.wire.of("POST pages") >= 150 })
		e := w.newEdits()
		for w.wire.of("POST pages") < n-100 {
			e.inCRM(1 + e.dice.IntN(100))
			time.Sleep(time.Duration(e.dice.Int64N(int64(5 * time.Second))))
		}
		all := e.toNotion()
		if p95 := percentile(all, 95); len(all) < 20 || p95 > 5*time.Second {
			t.Errorf("p95 of %d live edits during a backfill: %s, want 5 s at most", len(all), p95)
		}
		if w.wire.later > 0 {
			t.Errorf("Notion said %d times that we ask too often", w.wire.later)
		}
	})
}

// Capability 22: what people edit within one minute is found, all of it, wherever it is among very many pages.
func TestEditsOfOneMinuteAreAllFound(t *testing.T) {
	t.Parallel()
	pages, edits := size(30_000, 3000), 500
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{indexLag: 20 * time.Second, still: true, limit: -1})
		defer w.close()
		ids := w.manyPages(pages)
		out := &collector{}
		interval := source.Interval{Base: time.Minute, Min: time.Minute, Max: time.Minute}
		src := source.New(source.Config{Name: "poll", Registry: w.store, Interval: interval, Log: quiet(), Pollers: []*source.Poller{w.pollerTo(out, unlimited(w))}})
		w.start(context.Background(), src)
		w.waitFor("the first sweep", 12*time.Hour, func() bool { return out.count() >= pages })
		time.Sleep(30 * time.Minute)
		before, dice := out.count(), rand.New(rand.NewPCG(9, 10))
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		minute := time.Now()
		want := map[string]bool{}
		for n := range edits {
			page := ids[dice.IntN(len(ids))]
			for want[page] {
				page = ids[dice.IntN(len(ids))]
			}
			want[page] = true
			if err := w.person.Edit(page, map[string]any{"Note": words("edit " + strconv.Itoa(n))}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(58 * time.Second / time.Duration(edits))
		}
		if time.Since(minute) >= time.Minute {
			t.Fatalf("the edits took %s", time.Since(minute))
		}
		time.Sleep(10 * time.Minute)
		found := out.since(before)
		for page := range want {
			if found[page] != 1 {
				t.Errorf("page %s was told %d times", page, found[page])
			}
		}
		if len(found) != edits {
			t.Errorf("%d pages were told of, %d were edited", len(found), edits)
		}
		t.Logf("%d edits within %s over %d pages: %d found", edits, time.Since(minute)-10*time.Minute, pages, len(found))
	})
}

func words(text string) map[string]any {
	return map[string]any{"rich_text": []any{map[string]any{"type": "text", "text": map[string]any{"content": text}}}}
}

// manyPages makes pages in Notion, a few thousand a minute, without Tandem.
func (w *world) manyPages(n int) []string {
	w.t.Helper()
	schema, _, err := w.store.Schema(context.Background(), syncName, "contact")
	if err != nil {
		w.t.Fatal(err)
	}
	ids := make([]string, n)
	for i := range ids {
		title := map[string]any{"title": []any{map[string]any{"type": "text", "text": map[string]any{"content": fmt.Sprint("Person ", i)}}}}
		if ids[i], err = w.person.Create(schema.DataSource, map[string]any{"Name": title}); err != nil {
			w.t.Fatal(err)
		}
		if i%2000 == 0 {
			time.Sleep(time.Minute)
		}
	}
	time.Sleep(time.Hour)
	return ids
}

// collector keeps what a poller publishes.
type collector struct {
	mu    sync.Mutex
	pages []string
}

// SendBatch implements source.Publisher.
func (c *collector) SendBatch(_ context.Context, records []kafka.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		e, err := change.DecodePage(r.Value)
		if err != nil {
			return err
		}
		c.pages = append(c.pages, e.Page.ID)
	}
	return nil
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pages)
}

// since counts the pages that were told of after the first so many records.
func (c *collector) since(n int) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]int{}
	for _, page := range c.pages[n:] {
		found[page]++
	}
	return found
}
