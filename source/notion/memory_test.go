package notion_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	source "github.com/tandem-sync/tandem/source/notion"
)

// A webhook tells of an edit before the index shows it. The poll that comes next is shown the page as it was: that is no news.
func TestARowOlderThanAWebhooksReadIsNoNews(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, func(c *emulator.Config) { c.IndexLag = time.Minute })
	page := w.person("Ada")
	w.clock.advance(5 * time.Minute)
	p := w.poller("a")
	w.swept(p)
	w.clock.advance(time.Hour)
	w.email(page, "old@example.com")
	w.clock.advance(2 * time.Minute)
	w.once(p)
	w.email(page, "new@example.com")
	if _, err := p.RunPages(t.Context(), map[string]source.Named{page: {}}); err != nil {
		t.Fatal(err)
	}
	if e := w.events(); len(e) != 2 {
		t.Fatalf("%d events, want the two edits", len(e))
	}
	w.clock.advance(10 * time.Second)
	w.spent()
	for _, holder := range []string{"a", "b"} { // and what is known of it does not end with the process
		if r := w.once(p); r.Emitted != 0 {
			t.Errorf("%s tells a row from before the read as news: %+v", holder, w.events()[0].Page.Properties)
		}
		w.clock.advance(4 * time.Minute)
		p = w.poller("b")
	}
	if calls := w.spent(); !cmp.Equal(calls, []string{query, get, query}) {
		t.Errorf("%v", calls)
	}
}

// writing begins a write of sink/notion to a page, as far as its PATCH; the commit is for the test to make.
func (w *workspace) writing(page, address string, lease time.Duration) (commit func()) {
	w.t.Helper()
	links, err := w.store.ByPage(w.t.Context(), "acme", []string{page})
	if err != nil {
		w.t.Fatal(err)
	}
	items, err := w.store.Take(w.t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 1, Holder: "sink", Lease: lease, Now: w.clock.now(), Link: links[page].ID})
	if err != nil || len(items) != 1 {
		w.t.Fatal(items, err)
	}
	c := ledger.Commit{Link: items[0].Link.ID, Epoch: items[0].Link.Epoch, Now: w.clock.now(), Intent: &ledger.Intent{Kind: ledger.IntentUpdate, At: w.clock.now()}}
	if err := w.store.Commit(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	w.email(page, address)
	answer, err := w.client.Page(w.t.Context(), page)
	if err != nil {
		w.t.Fatal(err)
	}
	hash, at := hashOf(answer, w.schema), w.clock.now()
	w.spent()
	return func() {
		w.t.Helper()
		c.Intent, c.Intended, c.WroteAt, c.Emitted, c.Release = nil, true, at, &hash, true
		if err := w.store.Commit(w.t.Context(), c); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A poll that falls between our PATCH and its commit cannot know the row for our own: it leaves it, and the next one knows.
func TestARowOfAWriteUnderWayIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	page := w.person("Ada")
	w.clock.advance(time.Hour)
	p := w.poller("a")
	w.swept(p)
	commit := w.writing(page, "ours@example.com", time.Minute)
	w.clock.advance(time.Second)
	if r := w.once(p); r.Left != 1 || r.Emitted != 0 || !cmp.Equal(w.spent(), []string{query}) {
		t.Errorf("amid the write: %+v, %d events", r, len(w.events()))
	}
	commit()
	if r := w.once(p); r.Left+r.Emitted != 0 || !cmp.Equal(w.spent(), []string{query}) {
		t.Errorf("after it: %+v, %d events", r, len(w.events()))
	}
}

// The query was answered before our PATCH, and the ledger asked after its commit: the row is the page as it was.
func TestARowFromBeforeAWriteThatIsKnownIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	page := w.person("Ada")
	w.clock.advance(time.Hour)
	p := w.poller("a")
	w.swept(p)
	w.email(page, "theirs@example.com")
	w.once(p)
	w.events()
	p.Pages = overtaken{p.Pages, func() {
		w.clock.advance(time.Second)
		w.writing(page, "ours@example.com", time.Minute)()
	}}
	w.spent()
	if r := w.once(p); r.Left != 1 || r.Emitted != 0 || len(w.spent()) != 0 {
		t.Errorf("%+v, %d events", r, len(w.events()))
	}
	p.Pages = w.client
	if r := w.once(p); r.Left+r.Emitted != 0 || !cmp.Equal(w.spent(), []string{query}) {
		t.Errorf("the next poll: %+v, %d events", r, len(w.events()))
	}
}

// overtaken has something happen while a query's answer is on its way.
type overtaken struct {
	source.Pages
	meanwhile func()
}

func (o overtaken) QueryDataSource(ctx context.Context, id string, q notionapi.Query) (notionapi.List, error) {
	list, err := o.Pages.QueryDataSource(ctx, id, q)
	o.meanwhile()
	return list, err
}

// A person edits after our PATCH and before its commit. The next poll comes late, and other pages were edited since: the cursor has waited.
func TestAnEditAmidAWriteIsSeenByALatePoll(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	page, other := w.person("Ada"), w.person("Grace")
	w.clock.advance(time.Hour)
	p := w.poller("a")
	p.IndexLag = 0
	w.swept(p)
	commit := w.writing(page, "ours@example.com", 10*time.Minute)
	w.email(page, "theirs@example.com")
	w.clock.advance(5 * time.Minute)
	w.email(other, "grace@example.com")
	if r := w.once(p); r.Left != 1 || r.Emitted != 1 {
		t.Fatalf("amid the write: %+v", r)
	}
	commit()
	w.events()
	w.clock.advance(3 * time.Hour)
	p = w.poller("b")
	p.IndexLag = 0
	if r := w.once(p); r.Emitted != 1 {
		t.Errorf("the edit amid our write is lost: %+v, cursor %s", r, w.cursor())
	}
	cursor := w.cursor()
	w.clock.advance(11 * time.Minute)
	if w.once(p); w.cursor() == cursor {
		t.Error("the cursor stays where the row was")
	}
}

// Neither a holder that died nor a write that does not end hides a row, and a sweep leaves none.
func TestNoRowIsLeftForGood(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		lease time.Duration
		pass  time.Duration
	}{
		{"the holder died and its lease ran out", 30 * time.Second, 30 * time.Second},
		{"the write goes on and on", time.Hour, time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, nil)
			page := w.person("Ada")
			w.clock.advance(time.Hour)
			p := w.poller("a")
			w.swept(p)
			w.writing(page, "whose@example.com", tc.lease)
			if r := w.once(p); r.Left != 1 {
				t.Fatalf("%+v", r)
			}
			w.clock.advance(tc.pass - time.Second)
			if r := w.once(p); r.Left != 1 {
				t.Fatalf("%+v", r)
			}
			w.clock.advance(time.Second)
			if r := w.once(p); r.Left != 0 || r.Emitted != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("a sweep", func(t *testing.T) {
		t.Parallel()
		w := newWorkspace(t, nil)
		page := w.person("Ada")
		w.clock.advance(time.Hour)
		p := w.poller("a")
		w.swept(p)
		w.writing(page, "whose@example.com", time.Hour)
		w.clock.advance(24 * time.Hour)
		commit := w.writing(page, "ours@example.com", time.Hour)
		var last source.Result
		for last.Sweeping = true; last.Sweeping; {
			last = w.once(p)
		}
		if last.Left != 0 || last.Emitted != 1 {
			t.Errorf("the sweep's last step: %+v", last)
		}
		commit()
	})
}

// What a GET proved to be old is not asked for again while the index may show it.
func TestAnOldRowCostsOneRead(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, func(c *emulator.Config) { c.IndexLag = time.Minute })
	p, page := w.lagging()
	for i := range 6 {
		w.clock.advance(8 * time.Second)
		want := []string{query}
		if i == 0 {
			want = append(want, get)
		}
		if r := w.once(p); r.Emitted != 0 || !cmp.Equal(w.spent(), want) {
			t.Errorf("poll %d within the lag: %+v, %+v", i, r, w.events())
		}
	}
	w.email(page, "theirs@example.com")
	w.clock.advance(time.Minute)
	if r := w.once(p); r.Emitted != 1 || !cmp.Equal(w.spent(), []string{query, get}) {
		t.Errorf("a person's edit within the lag: %+v", r)
	}
}

// lagging gives a page that we wrote just now, in the minute of the edit before, and which the index shows as it was.
func (w *workspace) lagging() (*source.Poller, string) {
	w.t.Helper()
	page := w.person("Ada")
	w.clock.advance(5 * time.Minute)
	p := w.poller("a")
	w.swept(p)
	w.clock.advance(time.Hour)
	w.email(page, "old@example.com")
	w.clock.advance(2 * time.Minute)
	w.once(p)
	w.events()
	w.writing(page, "new@example.com", time.Minute)()
	return p, page
}

// A person brings back what our write replaced, while the index still shows it: the form is the one that was proved old, and it is news.
func TestABroughtBackValueIsSeen(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		after time.Duration // our write
	}{
		{"in the minute of the write", time.Second},
		{"in a later minute", 80 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, nil)
			page := w.person("Ada")
			w.clock.advance(time.Hour)
			w.clock.advance(w.clock.now().Truncate(time.Minute).Add(time.Minute).Sub(w.clock.now()))
			p := w.poller("a")
			w.swept(p)
			w.email(page, "old@example.com")
			w.once(p)
			w.events()
			w.clock.advance(time.Second)
			before := p.Pages
			stale, err := w.client.QueryDataSource(t.Context(), w.schema.DataSource, notionapi.Query{})
			if err != nil {
				t.Fatal(err)
			}
			w.writing(page, "new@example.com", time.Minute)()
			p.Pages = old{p.Pages, stale, w.clock.now} // the index is behind
			w.clock.advance(time.Second)
			if r := w.once(p); r.Emitted != 0 || !cmp.Equal(w.spent(), []string{get}) {
				t.Fatalf("%+v", r)
			}
			w.clock.advance(tc.after)
			w.email(page, "old@example.com")
			emitted := 0
			p.Pages = before
			for range 5 {
				emitted += w.once(p).Emitted
				w.clock.advance(time.Minute)
			}
			if emitted != 1 {
				t.Errorf("%d events of what a person brought back, want 1", emitted)
			}
		})
	}
}

// old answers queries from an index that is behind.
type old struct {
	source.Pages
	list notionapi.List
	now  func() time.Time
}

func (o old) QueryDataSource(context.Context, string, notionapi.Query) (notionapi.List, error) {
	for i := range o.list.Pages {
		o.list.Pages[i].ReadFrom, o.list.Pages[i].ReadTo = o.now(), o.now()
	}
	return o.list, nil
}
