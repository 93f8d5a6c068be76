package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
	source "github.com/tandem-sync/tandem/source/notion"
)

// emulatedLag is how long the emulator's queries do not show a write, in measurements: Notion's is a matter of seconds.
const emulatedLag = 5 * time.Second

// Requests a page: the first sync, an update of every row, and a sweep that finds nothing. All requests count: the schema's, the polls', the sweeps'.
func TestRequestsPerPage(t *testing.T) {
	needs(t)
	t.Parallel()
	n := scaled(10_000)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{indexLag: emulatedLag})
		defer w.close()
		began := time.Now()
		w.crm.fill(n)
		first := w.requestsOf(fmt.Sprintf("first sync of %d", n), n, "POST pages")
		report(1, fmt.Sprintf("requests a page: first sync of %d", n), "1.02", "1.005", "%.4f", first)
		share, most := w.wire.use(began.Add(time.Minute), time.Now().Add(-time.Minute), rate)
		report(4, "use of the 180 a minute during a backfill; answers 429", "95 %; 0", "99 %; 0", "%.1f %%, at most %d in any 60 s; %d", 100*share, most, w.wire.later)
		time.Sleep(30 * time.Minute) // the polls have seen the import
		w.crm.set("job", func(key string) string { return "New job " + key }, w.crm.keys...)
		update := w.requestsOf(fmt.Sprintf("update of %d", n), n, "PATCH pages/{id}")
		report(2, fmt.Sprintf("requests a page: update of %d in one transaction", n), "2.1", "2.02", "%.4f", update)
		time.Sleep(time.Hour)
		report(3, fmt.Sprintf("requests a page: sweep of %d that changed nothing", n), "0.02", "0.012", "%.4f", w.sweep(n))
	})
}

// requestsOf waits until all of it is done, and gives the requests for each.
func (w *world) requestsOf(what string, n int, kind string) float64 {
	before, _ := w.wire.so()
	kinds, p := w.wire.of(kind), newProgress(what, n)
	w.waitFor(what, 24*time.Hour, func() bool {
		done := w.wire.of(kind) - kinds
		p.at(done)
		return done >= n && w.idle()
	})
	all, _ := w.wire.so()
	return float64(all-before) / float64(n)
}

// sweep has all rows and all pages looked at, and gives the requests for each.
func (w *world) sweep(n int) float64 {
	ctx := context.Background()
	before, _ := w.wire.so()
	if err := sink.RequestSweep(ctx, w.store, sink.RowSweepName(syncName), "bench", time.Now(), "bench"); err != nil {
		w.t.Fatal(err)
	}
	if err := source.RequestSweep(ctx, w.store, syncName, "contact", "bench", time.Now(), "bench"); err != nil {
		w.t.Fatal(err)
	}
	queries := w.wire.of("POST data_sources/{id}/query")
	w.waitFor("the sweep", 6*time.Hour, func() bool { return w.wire.of("POST data_sources/{id}/query") >= queries+n/100 })
	time.Sleep(5 * time.Minute)
	w.waitFor("the sweep's work", time.Hour, w.idle)
	all, _ := w.wire.so()
	return float64(all-before) / float64(n)
}

// Live edits during a first sync of 50,000, in both directions.
func TestLiveEditsDuringABackfill(t *testing.T) {
	needs(t)
	t.Parallel()
	n := scaled(50_000)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{indexLag: emulatedLag, webhooks: true})
		defer w.close()
		w.crm.fill(n)
		w.waitFor("some pages", time.Hour, func() bool { return w.wire.of("POST pages") >= min(200, n) })
		began := time.Now()
		e := w.newEdits()
		p := newProgress(fmt.Sprintf("edits during a backfill of %d", n), n)
		for done := 0; done < n; done = w.wire.of("POST pages") {
			p.at(done)
			e.one(max(10, min(done-100, n-100)), 7*time.Second)
		}
		share, _ := w.wire.use(began, time.Now(), rate)
		w.waitFor("the rest", time.Hour, w.idle)
		report(5, fmt.Sprintf("live CRM edit to Notion, p95, during a backfill of %d", n), "10 s", "2 s", "%s (p50 %s, longest %s, of %d)",
			round(percentile(e.toNotion(), 95)), round(percentile(e.toNotion(), 50)), round(percentile(e.toNotion(), 100)), len(e.toNotion()))
		report(6, "Notion edit to CRM with a webhook, p95, during that backfill", "15 s", "", "%s (p50 %s, longest %s, of %d)",
			round(percentile(e.toCRM(), 95)), round(percentile(e.toCRM(), 50)), round(percentile(e.toCRM(), 100)), len(e.toCRM()))
		report(6, "use of the 180 a minute during that backfill with its live edits; answers 429", "95 %; 0", "99 %; 0", "%.1f %%; %d", 100*share, w.wire.later)
	})
}

// A person's edit on its way to the CRM, when nothing else goes on.
func TestNotionEditToCRM(t *testing.T) {
	needs(t)
	t.Parallel()
	const edits = 200
	interval := 30 * time.Second
	for _, c := range []struct {
		order            int
		what, reach, aim string
		setup            setup
		over             time.Duration
	}{
		{7, "Notion edit to CRM with a webhook, p95", "10 s", "2 s", setup{indexLag: emulatedLag, webhooks: true}, 0},
		{8, "Notion edit to CRM by polling every 30 s, longest beyond the interval", "5 s", "1 s",
			setup{interval: &source.Interval{Base: interval, Min: interval, Max: interval}}, interval},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.setup)
				defer w.close()
				w.crm.fill(300)
				w.waitFor("all pages", time.Hour, func() bool { return w.wire.of("POST pages") >= 300 && w.idle() })
				time.Sleep(30 * time.Minute)
				e := w.newEdits()
				for n := range edits {
					e.inNotion(1 + n)
					time.Sleep(time.Duration(e.dice.Int64N(int64(90 * time.Second))))
				}
				time.Sleep(time.Hour)
				all := e.toCRM()
				if c.over > 0 {
					report(c.order, c.what, c.reach, c.aim, "%s (of %d)", round(percentile(all, 100)-c.over), len(all))
					return
				}
				report(c.order, c.what, c.reach, c.aim, "%s (p50 %s, longest %s, of %d)", round(percentile(all, 95)), round(percentile(all, 50)), round(percentile(all, 100)), len(all))
			})
		})
	}
}

// edits are people on both sides, whose edits are timed.
type edits struct {
	w    *world
	dice *rand.Rand

	mu      sync.Mutex
	serial  int
	begun   map[string]time.Time // value → when it was written
	arrived []time.Duration      // at the CRM
}

func (w *world) newEdits() *edits {
	e := &edits{w: w, dice: rand.New(rand.NewPCG(5, 6)), begun: map[string]time.Time{}}
	w.crm.onWrite = func(_ string, row change.Image) {
		e.mu.Lock()
		defer e.mu.Unlock()
		note := row["note"].Text()
		if at, ok := e.begun[note]; ok {
			e.arrived = append(e.arrived, time.Since(at))
			delete(e.begun, note)
		}
	}
	return e
}

// one edits a row or a page that are linked, among the first so many, and waits about so long.
func (e *edits) one(linked int, every time.Duration) {
	if e.dice.IntN(2) == 0 {
		e.inCRM(1 + e.dice.IntN(linked))
	} else {
		e.inNotion(1 + e.dice.IntN(linked))
	}
	time.Sleep(time.Duration(e.dice.Int64N(int64(2 * every))))
}

func (e *edits) word() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serial++
	return fmt.Sprint("edit ", e.serial)
}

func (e *edits) inCRM(n int) {
	word := e.word()
	e.w.crm.set("city", func(string) string { return fmt.Sprint("City ", e.serial%50, " ", word[:4]) }, strconv.Itoa(n))
}

func (e *edits) inNotion(n int) {
	page := e.w.page(strconv.Itoa(n))
	if page == "" {
		return
	}
	word := e.word()
	e.mu.Lock()
	e.begun[word] = time.Now()
	e.mu.Unlock()
	note := map[string]any{"rich_text": []any{map[string]any{"type": "text", "text": map[string]any{"content": word}}}}
	if err := e.w.person.Edit(page, map[string]any{"Note": note}); err != nil {
		e.w.t.Error(err)
	}
}

// toNotion are the times from a commit in the CRM to the answer of the PATCH, in the live lane.
func (e *edits) toNotion() []time.Duration {
	e.w.seen.mu.Lock()
	defer e.w.seen.mu.Unlock()
	return e.w.seen.latencies[ledger.Notion][ledger.LaneLive]
}

func (e *edits) toCRM() []time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.arrived
}
