package notion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	source "github.com/tandem-sync/tandem/source/notion"
)

// linked makes a page with its link, and gives both.
func (w *workspace) linked(name string) (page string, link int64) {
	w.t.Helper()
	page = w.person(name)
	ctx := w.t.Context()
	if err := w.store.Add(ctx, w.clock.now(), []ledger.Reason{{Sync: "acme", Entity: "contact", Side: ledger.Notion, Key: name, Why: "cdc"}}); err != nil {
		w.t.Fatal(err)
	}
	c, it := w.take(name)
	live := ledger.Live
	c.Page, c.State, c.Finish, c.Release = &page, &live, &ledger.Finish{Side: ledger.Notion, Version: it.Works[0].Version}, true
	w.commit(c)
	return page, it.Link.ID
}

func (w *workspace) take(key string) (ledger.Commit, ledger.Item) {
	w.t.Helper()
	links, err := w.store.ByKey(w.t.Context(), "acme", "contact", []string{key})
	if err != nil {
		w.t.Fatal(err)
	}
	items, err := w.store.Take(w.t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 1, Holder: "sink", Lease: time.Minute, Now: w.clock.now(), Link: links[key].ID})
	if err != nil || len(items) != 1 {
		w.t.Fatalf("%d links, %v", len(items), err)
	}
	return ledger.Commit{Link: items[0].Link.ID, Epoch: items[0].Link.Epoch, Now: w.clock.now()}, items[0]
}

func (w *workspace) commit(c ledger.Commit) {
	w.t.Helper()
	if err := w.store.Commit(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
}

// write does what sink/notion does: it reads the page, announces the write, and carries it out; meanwhile happens in between.
func (w *workspace) write(key, page, email string, meanwhile func()) {
	w.t.Helper()
	w.writeOn(w.clock.now(), key, page, email, meanwhile)
}

// writeOn writes on a read that began then.
func (w *workspace) writeOn(read time.Time, key, page, email string, meanwhile func()) {
	w.t.Helper()
	property := w.schema.Properties["email"]
	begin, _ := w.take(key)
	begin.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, Values: change.Image{"email": change.TextValue(email)}, ReadFrom: read, At: w.clock.now(),
		Properties: map[string]string{notionapi.CanonicalID(property): "email"}}
	w.commit(begin)
	w.clock.advance(time.Second)
	meanwhile()
	w.clock.advance(time.Second)
	value, err := notionapi.EncodeProperty(notionapi.TypeEmail, change.TextValue(email), notionapi.EncodeOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.client.UpdatePage(w.t.Context(), page, notionapi.PageUpdate{Properties: map[string]notionapi.PropertyWrite{property: value}})
	if err != nil {
		w.t.Fatal(err)
	}
	shown, _ := answer.Property(property)
	raw, err := json.Marshal(map[string]json.RawMessage{notionapi.CanonicalID(property): shown.Raw})
	if err != nil {
		w.t.Fatal(err)
	}
	begin.Intent, begin.Intended, begin.WroteAt, begin.Release = nil, true, w.clock.now(), true
	begin.Seen = &ledger.Observation{ReadFrom: w.clock.now(), ReadTo: w.clock.now(), Properties: raw}
	w.commit(begin)
}

func (w *workspace) author() string { return w.emu.PersonID("Ada Lovelace") }

// told is what a webhook says of an edit of the address.
func (w *workspace) told(page string, at time.Time, authors ...string) map[string]source.Named {
	e := ledger.Edit{Page: page, Properties: []string{notionapi.CanonicalID(w.schema.Properties["email"])}, Authors: authors, At: at}
	return map[string]source.Named{page: {DataSource: w.schema.DataSource, Edits: []ledger.Edit{e}}}
}

func (w *workspace) overwrites() []ledger.Alert {
	w.t.Helper()
	all, err := w.store.Waiting(w.t.Context(), "acme", 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestAnEditBetweenReadAndWriteIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		when func(opened, closed time.Time) time.Time // of the webhook
		edit bool                                     // she really edits in between
		then string                                   // what she types after the write
		want bool
	}{
		{"inside", func(o, _ time.Time) time.Time { return o.Add(time.Second) }, true, "", true},
		{"inside, by a clock that is behind ours", func(o, _ time.Time) time.Time { return o.Add(-time.Second / 2) }, true, "", true},
		{"told with later edits", func(_, c time.Time) time.Time { return c.Add(40 * time.Second) }, true, "", true},
		{"before the read", func(o, _ time.Time) time.Time { return o.Add(-2 * time.Second) }, false, "", false},
		{"long after", func(_, c time.Time) time.Time { return c.Add(2 * time.Minute) }, false, "", false},
		{"after the write, and it stands", func(_, c time.Time) time.Time { return c.Add(time.Second) }, false, "hers@example.com", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t, nil)
			p := w.poller("a")
			page, _ := w.linked("Ann")
			w.swept(p)
			opened := w.clock.now()
			w.write("Ann", page, "ours@example.com", func() {
				if tt.edit {
					w.email(page, "hers@example.com")
				}
			})
			closed := w.clock.now()
			if tt.then != "" {
				w.clock.advance(time.Second)
				w.email(page, tt.then)
			}
			for range 2 { // Notion delivers at least once
				if _, err := p.RunPages(t.Context(), w.told(page, tt.when(opened, closed), w.author())); err != nil {
					t.Fatal(err)
				}
			}
			got := w.overwrites()
			if !tt.want {
				if len(got) > 0 {
					t.Errorf("told %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Kind != "overwritten" || !got[0].Critical || got[0].Field != "email" || got[0].Key != "Ann" || got[0].Page != page ||
				!strings.Contains(got[0].Summary, w.author()) || !strings.Contains(got[0].Summary, "https://www.notion.so/") {
				t.Errorf("told %+v", got)
			}
		})
	}
}

// A webhook may be here before the answer to our write is: the edit is judged when the window has closed, by whichever step comes then.
func TestAnEditInAnOpenWindowIsJudgedLater(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page, _ := w.linked("Ann")
	w.swept(p)
	w.write("Ann", page, "ours@example.com", func() {
		w.email(page, "hers@example.com")
		if _, err := p.RunPages(t.Context(), w.told(page, w.clock.now(), w.author())); err != nil {
			t.Fatal(err)
		}
		if got := w.overwrites(); len(got) > 0 {
			t.Errorf("told before anybody can know: %+v", got)
		}
	})
	w.once(p)
	if got := w.overwrites(); len(got) != 1 {
		t.Errorf("told %+v", got)
	}
}

// The process that heard of the edit dies before the write has ended; the next one knows.
func TestAnEditThatWasToldIsJudgedByTheNextProcess(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	page, _ := w.linked("Ann")
	w.swept(w.poller("a"))
	hook := &source.Webhook{Path: "/hook", Wake: func(source.Hint) {}, Log: slog.New(slog.DiscardHandler),
		Keep: func(ctx context.Context, e ledger.Edit) error { return w.store.KeepEdit(ctx, "acme", e) }}
	hook.Trust(secret)
	w.write("Ann", page, "ours@example.com", func() {
		w.email(page, "hers@example.com")
		body := fmt.Sprintf(`{"id":"e1","timestamp":%q,"type":"page.properties_updated","authors":[{"id":%q,"type":"person"}],"entity":{"id":%q,"type":"page"},"data":{"updated_properties":[%q]}}`,
			w.clock.now().Format(time.RFC3339Nano), w.author(), page, w.schema.Properties["email"])
		if got := deliver(hook, "POST", "/hook", body, sign(body, secret)); got != http.StatusOK {
			t.Fatalf("the delivery was answered with %d", got)
		}
	})
	w.once(w.poller("b"))
	if got := w.overwrites(); len(got) != 1 || !strings.Contains(got[0].Summary, w.author()) {
		t.Errorf("told %+v", got)
	}

	// What cannot be kept is not acknowledged: Notion sends it again.
	hook.Keep = func(context.Context, ledger.Edit) error { return errors.New("connection refused") }
	body := event("e2", "page.properties_updated", ada)
	if got := deliver(hook, "POST", "/hook", body, sign(body, secret)); got != http.StatusServiceUnavailable {
		t.Errorf("not kept, and answered with %d", got)
	}
}

// Nor need the write be announced yet when the webhook comes: the read began before the edit, and its answer is slow.
func TestAnEditIsRememberedUntilNoReadBeforeItCanBeWrittenOn(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page, _ := w.linked("Ann")
	w.swept(p)
	opened := w.clock.now()
	w.clock.advance(time.Second)
	told := w.told(page, w.clock.now(), w.author())
	if _, err := p.RunPages(t.Context(), told); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(5 * time.Second)
	w.writeOn(opened, "Ann", page, "ours@example.com", func() {})
	w.once(p)
	if got := w.overwrites(); len(got) != 1 {
		t.Errorf("told %+v", got)
	}
}

// What became of a write may never be found out: then the edit is told of as it is, rather than forgotten.
func TestAnEditIsToldWhereTheWritesOutcomeIsNeverKnown(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page, _ := w.linked("Ann")
	w.swept(p)
	begin, _ := w.take("Ann")
	begin.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, ReadFrom: w.clock.now(), At: w.clock.now(), Properties: map[string]string{notionapi.CanonicalID(w.schema.Properties["email"]): "email"}}
	w.commit(begin)
	w.clock.advance(time.Second)
	if _, err := p.RunPages(t.Context(), w.told(page, w.clock.now(), w.author())); err != nil {
		t.Fatal(err)
	}
	w.once(p)
	if got := w.overwrites(); len(got) > 0 {
		t.Errorf("told while it may still be found out: %+v", got)
	}
	w.clock.advance(16 * time.Minute)
	w.once(p)
	if got := w.overwrites(); len(got) != 1 {
		t.Errorf("told %+v", got)
	}
}

// A page may not be readable for longer than an edit waits: then too it is told of, once, rather than forgotten.
func TestAnEditOfAPageThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page, _ := w.linked("Ann")
	w.swept(p)
	w.write("Ann", page, "ours@example.com", func() { w.email(page, "hers@example.com") })
	if err := w.emu.Inject(emulator.Fault{Kind: emulator.FaultBadGateway, Method: http.MethodGet, Path: "/v1/pages/*"}); err != nil {
		t.Fatal(err)
	}
	at := w.clock.now()
	look := func(named map[string]source.Named) {
		t.Helper()
		if _, err := p.RunPages(t.Context(), named); err != nil && !strings.Contains(err.Error(), "502") {
			t.Fatal(err)
		}
	}
	look(w.told(page, at, w.author()))
	if got := w.overwrites(); len(got) > 0 {
		t.Errorf("told while it may still be found out: %+v", got)
	}
	w.clock.advance(16 * time.Minute)
	look(nil)
	look(w.told(page, at, w.author()))
	w.emu.ClearFaults()
	look(w.told(page, at, w.author()))
	if got := w.overwrites(); len(got) != 1 || got[0].Field != "email" {
		t.Errorf("told %+v", got)
	}
}

// What our own bot did is no edit of a person; an event of both names the person.
func TestAuthorsOfEditsArePeople(t *testing.T) {
	t.Parallel()
	hook, hints := receiver(t)
	hook.Take(notionapi.WebhookEvent{ID: "1", Type: "page.properties_updated", PageID: page1, Authors: []notionapi.Author{{ID: bot, Type: "bot"}, {ID: ada, Type: "person"}}})
	hook.Take(notionapi.WebhookEvent{ID: "2", Type: "page.properties_updated", PageID: page1, Authors: []notionapi.Author{{ID: bot, Type: "person"}, {ID: "automation", Type: "bot"}}})
	if h := *hints; len(h) != 2 || len(h[0].Authors) != 1 || h[0].Authors[0] != ada || len(h[1].Authors) != 0 {
		t.Errorf("passed on %+v", h)
	}
}

// written is a ledger that somebody writes to right after the poller has asked for windows.
type written struct {
	source.Ledger
	then func()
}

func (l *written) Windows(ctx context.Context, sync string, pages []string, after time.Time) ([]ledger.Window, error) {
	found, err := l.Ledger.Windows(ctx, sync, pages, after)
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
	return found, err
}

// What the page shows while it is judged may be what a newer write left there, of which nothing was known when the windows were listed.
func TestAWriteWhileThePageIsReadHidesNoOverwrite(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, nil)
	p := w.poller("a")
	page, _ := w.linked("Ann")
	w.swept(p)
	w.write("Ann", page, "ours@example.com", func() { w.email(page, "hers@example.com") })
	told := w.clock.now().Add(-time.Second)
	w.clock.advance(time.Minute)
	p.Ledger = &written{p.Ledger, func() { w.write("Ann", page, "newer@example.com", func() {}) }}
	if _, err := p.RunPages(t.Context(), w.told(page, told, w.author())); err != nil {
		t.Fatal(err)
	}
	w.once(p)
	if got := w.overwrites(); len(got) != 1 || got[0].Field != "email" {
		t.Errorf("told %+v", got)
	}
}

// related shows a page with a relation that hides a target, which is in the trash or was taken away.
type related struct {
	source.Pages
	page, target string
	trashed      bool
}

func (r related) Page(ctx context.Context, id string) (notionapi.Page, error) {
	if id == r.target {
		return notionapi.Page{ID: id, InTrash: r.trashed}, nil
	}
	page, err := r.Pages.Page(ctx, id)
	if err == nil && id == r.page {
		page.Properties["rel"] = notionapi.DecodeProperty("Company", json.RawMessage(`{"id": "rel", "type": "relation", "relation": [], "has_more": false}`))
	}
	return page, err
}

// A relation does not show a target in the trash: what we wrote over her edit stands, though the page does not show it. A target that somebody took away is another thing.
func TestATargetInTheTrashHidesNoOverwrite(t *testing.T) {
	t.Parallel()
	for _, trashed := range []bool{true, false} {
		w := newWorkspace(t, nil)
		p := w.poller("a")
		page, _ := w.linked("Ann")
		w.swept(p)
		target := "11111111-2222-4333-8444-555555555555"
		c, _ := w.take("Ann")
		c.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, ReadFrom: w.clock.now(), At: w.clock.now(), Properties: map[string]string{"rel": "company"}}
		w.commit(c)
		w.clock.advance(time.Second)
		edited := w.clock.now()
		w.clock.advance(time.Second)
		c.Intent, c.Intended, c.WroteAt, c.Release = nil, true, w.clock.now(), true
		c.Seen = &ledger.Observation{ReadFrom: w.clock.now(), ReadTo: w.clock.now(),
			Properties: json.RawMessage(`{"rel": {"id": "rel", "type": "relation", "relation": [{"id": "` + target + `"}], "has_more": false}}`)}
		w.commit(c)
		w.clock.advance(time.Minute)
		p.Pages = related{p.Pages, page, target, trashed}
		told := map[string]source.Named{page: {DataSource: w.schema.DataSource, Edits: []ledger.Edit{{Page: page, Properties: []string{"rel"}, Authors: []string{w.author()}, At: edited}}}}
		if _, err := p.RunPages(t.Context(), told); err != nil {
			t.Fatal(err)
		}
		if got := w.overwrites(); len(got) > 0 != trashed {
			t.Errorf("target in the trash %t: told %+v", trashed, got)
		}
	}
}
