package notion_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	source "github.com/tandem-sync/tandem/source/notion"
)

const query, get = "POST /v1/data_sources/*/query", "GET /v1/pages/*"

func TestTheFirstLookIsASweepAndThenEditsCome(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page := w.person("Ada")
	w.person("Grace")
	w.clock.advance(time.Minute)
	for w.once(p).Sweeping {
	}
	first := w.events()
	if len(first) != 2 || first[0].Op != change.Read || first[0].Source.Via != change.ViaSweep {
		t.Fatalf("%+v", first)
	}
	w.spent()
	if r := w.once(p); r.Emitted != 0 || !cmp.Equal(w.spent(), []string{query}) {
		t.Fatalf("an idle poll: %+v", r)
	}
	w.clock.advance(time.Hour)
	w.email(page, "ada@example.com")
	w.clock.advance(10 * time.Second)
	if r := w.once(p); r.Emitted != 1 || !cmp.Equal(w.spent(), []string{query}) {
		t.Fatalf("%+v", r)
	}
	e := w.events()[0]
	if e.Op != change.Update || e.Page.ID != page || e.Source.Via != change.ViaPoll || e.Source.Edited.Second() != 0 || e.Source.Hash == "" || len(e.Page.Properties) != 3 ||
		e.Source.ReadFrom.After(e.Source.ReadTo) || e.Source.LastEditedBy != w.emu.PersonID("Ada Lovelace") {
		t.Errorf("%+v", e)
	}
}

// The minute is floored: an edit in a minute that was looked at already is found, and what was told is not told again.
func TestEditsOfAMinuteThatWasSeenAreFound(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	pages := []string{w.person("Ada"), w.person("Grace")}
	w.swept(p)
	w.clock.advance(time.Hour)
	total := 0
	for i := range 8 {
		w.email(pages[i%2], fmt.Sprintf("%d@example.com", i))
		w.clock.advance(3 * time.Second)
		total += w.once(p).Emitted
		total += w.once(p).Emitted
	}
	if events := w.events(); total != 8 || len(events) != 8 {
		t.Errorf("8 edits within a minute, %d events", len(events))
	}
}

func TestWhatIsNotMappedIsNoEvent(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page := w.person("Ada")
	w.swept(p)
	w.clock.advance(time.Hour)
	private := map[string]any{"Private": map[string]any{"rich_text": []any{map[string]any{"type": "text", "text": map[string]any{"content": "secret"}}}}}
	if err := w.ada.Edit(page, private); err != nil {
		t.Fatal(err)
	}
	w.email(page, "ada@example.com")
	w.once(p)
	for _, r := range w.topic.records {
		if strings.Contains(string(r.Value), "secret") {
			t.Errorf("what the mapping does not name is in the topic: %s", r.Value)
		}
	}
	w.events()
	w.clock.advance(time.Minute)
	if err := w.ada.Edit(page, map[string]any{"Private": map[string]any{"rich_text": []any{}}}); err != nil {
		t.Fatal(err)
	}
	if r := w.once(p); r.Seen == 0 || r.Emitted != 0 {
		t.Errorf("%+v", r)
	}
}

// The index that answers queries lags: after our own write or read, its row does not count, and the page itself is asked.
func TestARowOlderThanOurWriteIsNoNews(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, func(c *emulator.Config) { c.IndexLag = time.Minute })
	p := w.poller("a")
	page := w.person("Ada")
	w.clock.advance(5 * time.Minute)
	w.swept(p)
	w.clock.advance(time.Hour)
	w.email(page, "old@example.com")
	w.clock.advance(2 * time.Minute)
	w.once(p)
	w.events()
	// Our write, which the index does not show yet; its hash is what was emitted last.
	w.email(page, "new@example.com")
	now, err := w.client.Page(t.Context(), page)
	if err != nil {
		t.Fatal(err)
	}
	hash := hashOf(now, w.schema)
	if err := w.store.SetEmitted(t.Context(), "acme", "contact", map[string]ledger.Emission{page: {Hash: hash}}); err != nil {
		t.Fatal(err)
	}
	w.wrote(page)
	w.clock.advance(10 * time.Second)
	w.spent()
	if r := w.once(p); r.Emitted != 0 || !cmp.Equal(w.spent(), []string{query, get}) {
		t.Errorf("a row from before our write is told as news: %+v, %+v", r, w.events())
	}
	w.clock.advance(10 * time.Minute)
	if r := w.once(p); r.Emitted != 0 || !cmp.Equal(w.spent(), []string{query}) {
		t.Errorf("the index has caught up: %+v", r)
	}
	w.email(page, "theirs@example.com")
	w.clock.advance(2 * time.Minute)
	r := w.once(p)
	e := w.events()
	if r.Emitted != 1 || !cmp.Equal(w.spent(), []string{query}) || e[0].Source.Seq == 0 {
		t.Errorf("a person's edit: %+v", r)
	}
}

// What Kafka did not take is told again, and the cursor waits for it.
func TestTheCursorWaitsForKafka(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page := w.person("Ada")
	w.swept(p)
	before := w.cursor()
	w.clock.advance(time.Hour)
	w.email(page, "ada@example.com")
	w.topic.err = errAway
	for range 3 {
		if _, err := p.RunOnce(t.Context()); !errors.Is(err, errAway) {
			t.Fatal(err)
		}
	}
	if w.cursor() != before {
		t.Fatalf("the cursor moved to %s", w.cursor())
	}
	w.topic.err = nil
	if r := w.once(p); r.Emitted != 1 || w.cursor() == before {
		t.Errorf("%+v at %s", r, w.cursor())
	}
}

// A poller that hung while another took over does not move the cursor any more.
func TestALostLeadMovesNoCursor(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	a, b := w.poller("a"), w.poller("b")
	page := w.person("Ada")
	w.swept(a)
	if r := w.once(b); r.Led {
		t.Fatal("two lead at once")
	}
	w.clock.advance(time.Hour)
	w.email(page, "ada@example.com")
	var mine string
	w.topic.before = func() {
		w.clock.advance(10 * time.Minute)
		if r := w.once(b); !r.Led {
			t.Error("nobody takes over")
		}
		mine = w.cursor()
	}
	if _, err := a.RunOnce(t.Context()); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("%v", err)
	}
	if w.cursor() != mine {
		t.Errorf("the cursor is %s, the leader's was %s", w.cursor(), mine)
	}
}

// A poller that ends in order leaves the lead to the next at once, and one that does not lead takes nobody's.
func TestAnOrderlyEndGivesTheLeadBack(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	a, b, c := w.poller("a"), w.poller("b"), w.poller("c")
	w.swept(a)
	for _, p := range []*source.Poller{b, a} {
		if r := w.once(c); r.Led {
			t.Fatal("two lead at once")
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.once(c); !r.Led {
		t.Error("the lead was not given back")
	}
}

// A sweep in progress is let go when another process takes over; TestMain finds what is left running.
func TestAFollowerTakesOverASweep(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	for i := range 320 {
		w.person(fmt.Sprint("page ", i))
	}
	a, b := w.poller("a"), w.poller("b")
	if r := w.once(a); !r.Sweeping {
		t.Fatalf("%+v", r)
	}
	w.clock.advance(10 * time.Minute)
	for w.once(b).Sweeping {
	}
	if n := len(w.events()); n != 320 {
		t.Errorf("%d events, want each page once", n)
	}
	if r := w.once(a); r.Led {
		t.Error("two lead at once")
	}
}

func TestMoreThanAPageOfEdits(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	w.swept(p)
	w.clock.advance(time.Hour)
	for i := range 250 {
		w.person(fmt.Sprint("page ", i))
	}
	if r := w.once(p); r.Emitted != 250 || len(w.spent()) != 3 {
		t.Errorf("%+v", r)
	}
}

// A query ends at 10,000 rows (fewer here): the poll goes on from the newest of them; a minute that alone has more asks for a sweep.
// The minute of a large import is not paged through for ever: once a whole poll has seen it, an idle poll is one request again. An edit of one
// of its pages is found all the same.
func TestAnIdlePollAfterAnImportAsksOnce(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	var pages []string
	for i := range 250 {
		pages = append(pages, w.person(fmt.Sprint("imported ", i)))
	}
	p := w.poller("a")
	w.swept(p)
	w.once(p)
	w.clock.advance(30 * time.Minute)
	w.once(p) // whole, and so long after the import that nothing of it can be new
	w.spent()
	w.clock.advance(5 * time.Minute)
	if result, spent := w.once(p), w.spent(); result.Seen != 0 || len(spent) != 1 {
		t.Errorf("an idle poll looked at %d pages with %v", result.Seen, spent)
	}
	w.email(pages[7], "seven@example.com")
	w.clock.advance(5 * time.Minute)
	if result := w.once(p); result.Emitted != 1 {
		t.Errorf("an edit of an imported page: %+v", result)
	}
}

func TestAQueryThatEndsTooEarly(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, func(c *emulator.Config) { c.QueryMax = 100 })
	p := w.poller("a")
	w.swept(p)
	w.clock.advance(time.Hour)
	for i := range 250 {
		w.person(fmt.Sprint("page ", i))
		if i%50 == 49 {
			w.clock.advance(time.Minute)
		}
	}
	if r := w.once(p); r.Emitted != 250 {
		t.Fatalf("%+v", r)
	}
	w.events()
	w.clock.advance(time.Hour)
	for i := range 150 {
		w.person(fmt.Sprint("rush ", i))
	}
	if r := w.once(p); r.Emitted < 100 {
		t.Fatalf("of the rush is told: %+v at %s after %v", r, w.cursor(), w.spent())
	}
	// The sweep that was asked for cannot see that minute whole either. It says so and goes on behind it, and so do the polls.
	var log strings.Builder
	p.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.clock.advance(10 * time.Minute)
	late := w.person("after the rush")
	for range 60 {
		w.clock.advance(20 * time.Second)
		w.once(p)
		if slices.ContainsFunc(w.events(), func(e *change.PageEvent) bool { return e.Page.ID == late }) {
			late = ""
		}
	}
	if n := strings.Count(log.String(), "does not list whole"); n < 1 || n > 2 || late != "" {
		t.Errorf("a page made later is still untold: %q; %d sweeps said what they cannot see: %s", late, n, log.String())
	}
}

// A sweep tells of differences alone, and makes work for pages of links that it did not see: absence is not deletion.
func TestASweepMakesWorkForWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	pages := []string{w.person("Ada"), w.person("Grace"), w.person("Mary")}
	w.swept(p)
	w.clock.advance(25 * time.Hour)
	if err := w.ada.Trash(pages[1]); err != nil {
		t.Fatal(err)
	}
	w.email(pages[2], "mary@example.com")
	for w.once(p).Sweeping {
	}
	if e := w.events(); len(e) != 1 || e[0].Page.ID != pages[2] {
		t.Errorf("%d events", len(e))
	}
	items, err := w.store.Take(t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 10, Holder: "x", Lease: time.Minute, Now: w.clock.now()})
	if err != nil || len(items) != 1 || items[0].Link.Page != pages[1] || items[0].Works[0].Why != "reread" || items[0].Works[0].Lane != ledger.LaneBackfill {
		t.Errorf("%+v, %v", items, err)
	}
}

// Live edits do not wait for the end of a long sweep.
func TestPollsHaveTheirTurnWithinASweep(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	for i := range 650 {
		w.person(fmt.Sprint("page ", i))
	}
	w.swept(p)
	w.clock.advance(25 * time.Hour)
	if r := w.once(p); !r.Sweeping {
		t.Fatalf("%+v", r)
	}
	w.clock.advance(5 * time.Minute)
	late := w.person("edited while the sweep goes on")
	for turn := 1; ; turn++ {
		r := w.once(p)
		if slices.ContainsFunc(w.events(), func(e *change.PageEvent) bool { return e.Page.ID == late && e.Source.Via == change.ViaPoll }) {
			return
		}
		if !r.Sweeping {
			t.Fatalf("the sweep went on for %d steps, and no poll was made among them", turn)
		}
	}
}

func TestWebhooksNamePages(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page, quiet := w.person("Ada"), w.person("Grace")
	w.swept(p)
	w.clock.advance(time.Hour)
	w.email(page, "ada@example.com")
	at := w.clock.now()
	named := map[string]source.Named{
		page:                                   {DataSource: w.schema.DataSource, Hints: map[string]time.Time{w.schema.Properties["email"]: at}},
		quiet:                                  {DataSource: w.schema.DataSource},
		"00000000-0000-4000-8000-000000000001": {},                                                   // not shared, or gone: no evidence of anything
		"00000000-0000-4000-8000-000000000002": {DataSource: "00000000-0000-4000-8000-000000000003"}, // another entity's
	}
	r, err := p.RunPages(t.Context(), named)
	e := w.events()
	if err != nil || r.Emitted != 1 || len(e) != 1 || e[0].Page.ID != page || e[0].Source.Via != change.ViaWebhook || !e[0].Source.Hints[w.schema.Properties["email"]].Equal(at) {
		t.Fatalf("%+v, %v", r, err)
	}
	if calls := w.spent(); len(calls) != 3 {
		t.Errorf("%v", calls)
	}
	if err := w.ada.Trash(page); err != nil {
		t.Fatal(err)
	}
	if _, err := p.RunPages(t.Context(), map[string]source.Named{page: {}}); err != nil {
		t.Fatal(err)
	}
	if e := w.events(); len(e) != 1 || e[0].Op != change.Delete || !e[0].Page.InTrash {
		t.Errorf("%+v", e)
	}
}

// A database in the trash has its pages read as trashed. Nobody has deleted them: no event says so, by webhook or by sweep.
func TestPagesInTheTrashWithTheirDatabaseAreNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page := w.person("Ada")
	w.swept(p)
	w.events()
	if err := w.ada.Trash(w.emu.RootPageID()); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	if _, err := p.RunPages(t.Context(), map[string]source.Named{page: {}}); err != nil {
		t.Fatal(err)
	}
	if e := w.events(); len(e) != 0 {
		t.Errorf("%+v", e)
	}
	if err := w.ada.Restore(w.emu.RootPageID()); err != nil {
		t.Fatal(err)
	}
	if err := w.ada.Trash(page); err != nil {
		t.Fatal(err)
	}
	if _, err := p.RunPages(t.Context(), map[string]source.Named{page: {}}); err != nil {
		t.Fatal(err)
	}
	if e := w.events(); len(e) != 1 || e[0].Op != change.Delete {
		t.Errorf("the page alone: %+v", e)
	}
}

func TestIntervalStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	i := source.Interval{Base: 5 * time.Minute, Min: 30 * time.Second, Max: 10 * time.Minute}
	var quiet []time.Duration
	for range 6 {
		quiet = append(quiet, i.Next(0))
	}
	if quiet[0] != 375*time.Second || !slices.IsSorted(quiet) || quiet[5] != 10*time.Minute {
		t.Errorf("while nobody edits: %v", quiet)
	}
	var busy []time.Duration
	for range 6 {
		busy = append(busy, i.Next(3))
	}
	if busy[0] != 150*time.Second || busy[5] != 30*time.Second {
		t.Errorf("while people edit: %v", busy)
	}
	if next := i.Next(0); next <= 30*time.Second || next > time.Minute {
		t.Errorf("one quiet poll after news: %v", next)
	}
}
