package sink_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

func TestAnEditOfAPersonCostsNoRequest(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
	o.pages["contact"].edit(page, change.Image{"note": text("new"), "tags": change.TextSet("vip")})
	o.poll("contact", page)
	o.run(ledger.CRM, ledger.Notion)
	if got := o.rows["contact"].text("1", "note"); got != "new" || o.rows["contact"].writes != 1 {
		t.Fatalf("the row says %q after %d writes", got, o.rows["contact"].writes)
	}
	o.changed("contact", "1") // our own write comes back from the CRM's stream
	o.run(ledger.Notion, ledger.CRM)
	l := o.link("contact", "1")
	if n := o.pages["contact"].spend(); n != 0 || l.Seen != nil || l.Base["note"].Value.Text() != "new" || len(o.conflicts()) > 0 {
		t.Errorf("%d requests, link %+v", n, l)
	}
}

// Somebody writes the row between our read and our write: nothing of either is lost.
func TestARowThatChangedMeanwhileIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old"), "email": text("a@example.com")})
	o.pages["contact"].edit(page, change.Image{"note": text("theirs")})
	o.poll("contact", page)
	o.rows["contact"].before = func() { o.put("contact", "1", change.Image{"note": text("ours"), "email": text("b@example.com")}) }
	o.settle(time.Minute)
	row, shown := o.rows["contact"], o.pages["contact"].pages[page].values
	if row.text("1", "note") != "ours" || shown["note"].Text() != "ours" || shown["email"].Text() != "b@example.com" {
		t.Errorf("the row says %q, the page %v", row.text("1", "note"), shown)
	}
	if c := o.conflicts(); len(c) != 1 || c[0].Notion.Text() != "theirs" {
		t.Errorf("conflicts: %+v", c)
	}
}

// The CRM's loser is stored in the transaction that overwrites it: without the one there is not the other.
func TestTheRowsLoserIsStoredWithItsOverwrite(t *testing.T) {
	t.Parallel()
	o := newOffice(t, strings.Replace(contactMapping, `"type": "email", "critical": true`, `"type": "email", "critical": true, "tie": "notion"`, 1))
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
	o.rows["contact"].put("1", change.Image{"email": text("ours@example.com")})
	o.pages["contact"].edit(page, change.Image{"email": text("theirs@example.com")})
	o.poll("contact", page)
	broken := errors.New("the database went away")
	o.onStore = func(c ledger.Commit) error {
		if len(c.Conflicts) > 0 {
			o.onStore = nil
			return broken
		}
		return nil
	}
	if _, err := o.both[ledger.CRM].RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := o.rows["contact"].text("1", "email"); got != "ours@example.com" || len(o.conflicts()) > 0 {
		t.Fatalf("half of it happened: the row says %q, conflicts %v", got, o.conflicts())
	}
	o.settle(time.Minute)
	if c := o.conflicts(); o.rows["contact"].text("1", "email") != "theirs@example.com" || len(c) != 1 || c[0].CRM.Text() != "ours@example.com" || o.alerts("conflict") != 1 {
		t.Errorf("the row says %q, conflicts %+v", o.rows["contact"].text("1", "email"), c)
	}
}

func TestAPersonsPageBecomesARowWhenItRests(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d, rows := o.pages["contact"], o.rows["contact"]
	page := d.person(change.Image{"name": text("Gr")})
	o.poll("contact", page)
	o.run(ledger.CRM, ledger.Notion)
	if len(rows.rows) != 0 {
		t.Fatal("a row was made while somebody types")
	}
	o.clock.advance(20 * time.Second)
	d.edit(page, change.Image{"name": text("Grace"), "email": text("g@example.com")})
	o.poll("contact", page)
	o.settle(3 * time.Minute)
	l := o.pageLink(page)
	if len(rows.rows) != 1 || rows.text(l.Key, "name") != "Grace" || rows.text(l.Key, "email") != "g@example.com" || l.State != ledger.Live {
		t.Fatalf("rows %v, link %+v", rows.rows, l)
	}
	if d.pages[page].external != l.External || d.updates != 1 {
		t.Errorf("the page carries %q after %d updates", d.pages[page].external, d.updates)
	}
	o.changed("contact", l.Key) // the insert comes back
	o.poll("contact", page)
	n := d.requests()
	o.settle(time.Minute)
	if len(d.pages) != 1 || len(rows.rows) != 1 || d.requests() != n {
		t.Errorf("%d pages, %d rows, %d requests more", len(d.pages), len(rows.rows), d.requests()-n)
	}
}

// What the CRM adds to a new row (defaults, triggers) is its own change, and goes to the page.
func TestDefaultsOfANewRowReachThePage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.pages["contact"].person(change.Image{"name": text("Grace")})
	o.rows["contact"].change = func(im change.Image) { im["stage"] = text("lead") }
	o.poll("contact", page)
	o.settle(3 * time.Minute)
	if got := o.pages["contact"].pages[page].values["stage"].Text(); got != "lead" || len(o.conflicts()) > 0 {
		t.Errorf("the page's stage is %q, conflicts %v", got, o.conflicts())
	}
}

// A page that a person duplicated carries the other's id: it is cleared, and the copy is a record of its own.
func TestACopyOfAPageIsANewRecord(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	d := o.pages["contact"]
	twin := d.person(change.Image{"name": text("Ada (1)")})
	d.pages[twin].external = d.pages[page].external
	o.poll("contact", twin)
	o.settle(5 * time.Minute)
	a, b := o.pageLink(page), o.pageLink(twin)
	if a.Key != "1" || b.Key == "" || b.Key == "1" || d.pages[twin].external != b.External || d.pages[page].external != a.External || len(o.rows["contact"].rows) != 2 {
		t.Errorf("links %+v and %+v", a, b)
	}
}

func TestAPageInTheTrashDeletesItsRow(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	d := o.pages["contact"]
	d.pages[page].trash = true
	o.poll("contact", page)
	o.run(ledger.CRM, ledger.Notion)
	if len(o.rows["contact"].rows) != 0 || o.link("contact", "1").State != ledger.RowDeleted {
		t.Fatalf("rows %v, link %+v", o.rows["contact"].rows, o.link("contact", "1"))
	}
	o.add(ledger.Reason{Side: ledger.Notion, Key: "1", Why: "cdc", Deleted: true}) // the delete comes back
	o.settle(time.Minute)
	d.pages[page].trash = false
	o.poll("contact", page)
	o.settle(time.Minute)
	if h := o.pending(o.link("contact", "1").ID).Holds; len(h) != 1 || h[0].Kind != "restored" || len(o.rows["contact"].rows) != 0 {
		t.Errorf("the page came back and nobody is asked: %+v", h)
	}
}

// The page comes back before the echo of its row's delete is looked at, which costs no read of the page: what the poller saw is sink/crm's to see to.
func TestTheEchoOfADeleteForgetsNoPageThatCameBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	d := o.pages["contact"]
	d.pages[page].trash = true
	o.poll("contact", page)
	o.run(ledger.CRM, ledger.Notion)
	d.pages[page].trash = false
	o.poll("contact", page)
	o.add(ledger.Reason{Side: ledger.Notion, Key: "1", Why: "cdc", Deleted: true})
	o.run(ledger.Notion)
	o.settle(time.Minute)
	if h := o.pending(o.link("contact", "1").ID).Holds; len(h) != 1 || h[0].Kind != "restored" {
		t.Errorf("the page is open, its row is deleted, and nobody is asked: %+v", h)
	}
}

func TestAPageInTheTrashIsHeldWhereTheMappingSaysSo(t *testing.T) {
	t.Parallel()
	o := newOffice(t, strings.Replace(contactMapping, `"to_crm": "delete"`, `"to_crm": "hold"`, 1))
	page := o.linked("1", change.Image{"name": text("Ada")})
	d := o.pages["contact"]
	d.pages[page].trash = true
	o.poll("contact", page)
	o.settle(time.Minute)
	id := o.link("contact", "1").ID
	held := func() bool {
		h := o.pending(id).Holds
		return len(h) == 1 && h[0].Kind == "delete_row" && len(o.rows["contact"].rows) == 1
	}
	if !held() || o.alerts("hold") != 1 {
		t.Fatalf("holds %+v, %d alerts", o.pending(id).Holds, o.alerts("hold"))
	}
	o.add(ledger.Reason{Side: ledger.Notion, Key: "1", Lane: ledger.LaneBackfill, Why: "sweep"}) // the daily look at all rows
	o.settle(time.Minute)
	if !held() || o.alerts("hold") != 1 {
		t.Errorf("a sweep forgets the hold: %+v, %d alerts", o.pending(id).Holds, o.alerts("hold"))
	}
	d.pages[page].trash = false
	o.poll("contact", page)
	o.settle(time.Minute)
	if h := o.pending(id).Holds; len(h) != 0 || o.link("contact", "1").State != ledger.Live {
		t.Errorf("the page is back and still held: %+v", h)
	}
}

// A braked delete of a row stays held when a sweep looks at the row, which shows what the base says.
func TestABrakedRowDeleteStaysHeld(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var pages []string
	for _, key := range []string{"1", "2", "3", "4", "5", "6"} {
		pages = append(pages, o.linked(key, change.Image{"name": text("row " + key)}))
	}
	for _, page := range pages {
		o.pages["contact"].pages[page].trash = true
		o.poll("contact", page)
	}
	o.settle(time.Minute)
	if len(o.rows["contact"].rows) != 1 || o.alerts("brake") != 1 {
		t.Fatalf("%d rows are left, %d alerts", len(o.rows["contact"].rows), o.alerts("brake"))
	}
	for key := range o.rows["contact"].rows {
		o.add(ledger.Reason{Side: ledger.Notion, Key: key, Lane: ledger.LaneBackfill, Why: "sweep"})
		o.settle(time.Minute)
		if h := o.pending(o.link("contact", key).ID).Holds; len(h) != 1 || h[0].Kind != "brake" || o.alerts("brake") != 1 {
			t.Errorf("holds %+v, %d alerts", h, o.alerts("brake"))
		}
	}
}

// An observation of another seq than the link's says nothing: a new read is asked for.
func TestAStaleObservationIsReadAgain(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
	d := o.pages["contact"]
	d.edit(page, change.Image{"note": text("seen before our write")})
	seen := d.observe(page)
	seen.Via, seen.Seq = "poll", o.link("contact", "1").Seq
	d.edit(page, change.Image{"note": text("old")}) // and back
	o.put("contact", "1", change.Image{"name": text("Ada L")})
	o.run(ledger.Notion, ledger.CRM)
	o.add(ledger.Reason{Side: ledger.CRM, Page: page, Why: "poll", Seen: &seen})
	o.settle(time.Minute)
	if got := o.rows["contact"].text("1", "note"); got != "old" {
		t.Errorf("a stale read wrote %q", got)
	}
}

// A commit that reached the slot before other sessions see it is waited for.
func TestATransactionThatIsNotVisibleYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	rows := o.rows["contact"]
	rows.hidden = map[uint32]bool{77: true}
	rows.put("1", change.Image{"name": text("Ada")})
	o.add(ledger.Reason{Side: ledger.Notion, Key: "1", Why: "cdc", Xid: 77, CommitAt: o.clock.now()})
	o.run(ledger.Notion)
	if n := o.pages["contact"].requests(); n != 0 {
		t.Fatalf("decided on an image without the reason's transaction: %d requests", n)
	}
	rows.hidden = nil
	o.settle(time.Second)
	if o.pages["contact"].creates != 1 {
		t.Error("and then it is forgotten")
	}
}

func TestALostLeaseWritesNoRow(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
	o.pages["contact"].edit(page, change.Image{"note": text("new")})
	o.poll("contact", page)
	o.rows["contact"].before = func() {
		o.clock.advance(20 * time.Minute)
		claim := ledger.Claim{Sync: "acme", Side: ledger.CRM, Max: 1, Holder: "another", Lease: time.Minute, Now: o.clock.now()}
		if items, err := o.store.Take(t.Context(), claim); err != nil || len(items) != 1 {
			t.Errorf("take: %v, %v", items, err)
		}
	}
	if _, err := o.both[ledger.CRM].RunOnce(t.Context()); err != nil {
		t.Fatalf("losing a lease is no failure of the round: %v", err)
	}
	if got := o.rows["contact"].text("1", "note"); got != "old" {
		t.Errorf("a worker without a lease wrote %q", got)
	}
}

// Both sides changed a set: each sink brings its own side to the merged set, and what was added last is kept.
func TestSetsMergeAcrossBothSinks(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "tags": change.TextSet("a", "b")})
	o.pages["contact"].edit(page, change.Image{"tags": change.TextSet("a", "b", "notion")})
	o.put("contact", "1", change.Image{"tags": change.TextSet("b", "crm")})
	o.settle(time.Minute)
	want := change.TextSet("b", "crm", "notion")
	row, shown := o.rows["contact"].rows["1"].Image["tags"], o.pages["contact"].pages[page].values["tags"]
	if !change.Equal(row, want) || !change.Equal(shown, want) || len(o.conflicts()) > 0 || !change.Equal(o.link("contact", "1").Base["tags"].Value, want) {
		t.Errorf("the row has %s, the page %s, the base is %s", row, shown, o.link("contact", "1").Base["tags"].Value)
	}
}

// A person picks a contact that is not linked while the page is written: the answer shows it, and the field waits. This crashed once.
func TestAnAnswerMayWaitForARelation(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("deal", "7", change.Image{"title": text("Engine")})
	o.run(ledger.Notion, ledger.CRM)
	d := o.pages["deal"]
	o.clock.advance(10 * time.Minute)
	stranger := o.pages["contact"].person(change.Image{"name": text("Grace")})
	d.during = func(string) {
		d.during = func(string) { d.edit(d.only(), change.Image{"contact": change.TextSet(stranger)}) }
	}
	o.put("deal", "7", change.Image{"title": text("Analytical Engine")})
	o.run(ledger.Notion, ledger.CRM)
	o.poll("contact", stranger)
	o.settle(30 * time.Minute)
	key := o.pageLink(stranger).Key
	if got := o.rows["deal"].rows["7"].Image["contact"]; key == "" || !change.Equal(got, change.TextSet(key)) {
		t.Errorf("the deal's contact is %s, want %s", got, key)
	}
}

func TestWhatConcernsEveryRecordStopsTheRound(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("contact", "1", change.Image{"name": text("Ada")})
	o.rows["contact"].broken = errors.New("connection refused")
	if _, err := o.both[ledger.Notion].RunOnce(t.Context()); err == nil {
		t.Fatal("the CRM is away, and the round is fine")
	}
	o.pages["contact"].once("create", false, fatalError{})
	if _, err := o.both[ledger.Notion].RunOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "token") {
		t.Fatalf("the token was withdrawn, and the round says %v", err)
	}
	if w := o.pending(o.link("contact", "1").ID).Work; len(w) != 0 {
		t.Errorf("the record is blamed: %+v", w)
	}
	o.settle(time.Minute) // the leases were given back
	if o.link("contact", "1").Page == "" {
		t.Error("it is not taken up again")
	}
}

type fatalError struct{}

func (fatalError) Error() string { return "Notion refuses the token" }
func (fatalError) Fatal() bool   { return true }

// A link that has never been agreed on: a page and a row that were made apart are adopted without a conflict where they are equal.
func TestRunLinkLooksNow(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	o.pages["contact"].edit(page, change.Image{"note": text("unseen")})
	o.add(ledger.Reason{Side: ledger.Notion, Key: "1", Why: "sync", NotBefore: o.clock.now().Add(time.Hour)})
	if n, err := o.both[ledger.Notion].RunLink(context.Background(), o.link("contact", "1").ID); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	o.run(ledger.CRM)
	if got := o.rows["contact"].text("1", "note"); got != "unseen" {
		t.Errorf("`tandem sync` does not see the page's edit: %q", got)
	}
}

// An entity whose schema is not known stops the round with what to do.
func TestWithoutASchemaNothingIsDone(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	w := o.both[ledger.CRM]
	w.Sync = "other"
	if err := o.store.Add(t.Context(), o.clock.now(), []ledger.Reason{{Sync: "other", Entity: "contact", Side: ledger.CRM, Page: "p"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RunOnce(t.Context()); !errors.Is(err, sink.ErrNoSchema) {
		t.Errorf("%v", err)
	}
}

// One webhook sums up a minute of edits under the time of the last: a property that it names may have been edited before the CRM's row was.
func TestAWebhookThatSumsUpAMinuteDecidesNothingWithinIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		later  time.Duration // of the webhook's time after the CRM's commit
		winner ledger.Side
	}{{40 * time.Second, ledger.CRM}, {3 * time.Minute, ledger.Notion}} {
		o := newOffice(t)
		page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
		d := o.pages["contact"]
		o.rows["contact"].put("1", change.Image{"note": text("ours")})
		committed := o.clock.now()
		o.add(ledger.Reason{Side: ledger.Notion, Key: "1", Why: "cdc", Xid: o.rows["contact"].xmin, CommitAt: committed})
		o.clock.advance(4 * time.Minute)
		d.edit(page, change.Image{"note": text("theirs")})
		seen := d.observe(page)
		seen.Via, seen.Seq = "webhook", o.link("contact", "1").Seq
		seen.Hints = map[string]time.Time{d.schema.Properties["note"]: committed.Add(tt.later)}
		o.add(ledger.Reason{Side: ledger.CRM, Page: page, Why: "webhook", Seen: &seen})
		o.run(ledger.CRM)
		o.settle(time.Minute)
		if c := o.conflicts(); len(c) != 1 || c[0].Winner != tt.winner || c[0].Undecidable != (tt.winner == ledger.CRM) {
			t.Errorf("a webhook %s after the commit: %+v", tt.later, c)
		}
	}
}
