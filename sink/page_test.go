package sink_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

func TestANewRowBecomesAPageInOneRequest(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("contact", "1", change.Image{"name": text("Ada"), "email": text("ada@example.com"), "tags": change.TextSet("x")})
	o.run(ledger.Notion, ledger.CRM)
	p := o.pages["contact"]
	if p.spend() != 1 || p.pages[p.only()].values["email"].Text() != "ada@example.com" {
		t.Fatalf("%v", o.journal.take())
	}
	l := o.link("contact", "1")
	if l.State != ledger.Live || l.Page != p.only() || l.Intent != nil || l.Seen != nil || p.pages[l.Page].external != l.External || l.Base["name"].Value.Text() != "Ada" {
		t.Errorf("the link is %+v", l)
	}
	o.changed("contact", "1") // a replay
	o.run(ledger.Notion, ledger.CRM)
	if n := p.spend(); n != 0 {
		t.Errorf("a replay costs %d requests", n)
	}
	o.poll("contact", l.Page) // the poller sees our own page
	o.run(ledger.CRM, ledger.Notion)
	if n := p.spend(); n != 0 || o.rows["contact"].writes != 0 {
		t.Errorf("our own write comes back as %d requests and %d writes", n, o.rows["contact"].writes)
	}
}

func TestAnUpdateTakesTwoRequests(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("a@example.com")})
	o.put("contact", "1", change.Image{"email": text("b@example.com")})
	o.run(ledger.Notion, ledger.CRM)
	p := o.pages["contact"]
	if p.reads != 1 || p.updates != 1 || p.spend() != 2 || p.pages[page].values["email"].Text() != "b@example.com" {
		t.Errorf("%v", o.journal.take())
	}
	want := []string{"read", "stored intent to update", "update"}
	if got := o.journal.take()[:3]; !cmp.Equal(got, want) {
		t.Errorf("done in the order %v, want %v", got, want)
	}
	if l := o.link("contact", "1"); l.Base["email"].Value.Text() != "b@example.com" || l.Intent != nil {
		t.Errorf("the link is %+v", l)
	}
}

func TestAnAnswerThatDiffersIsNotionsOwnChange(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	p := o.pages["contact"]
	p.normal = func(im change.Image) {
		if v, ok := im["note"]; ok {
			im["note"] = text(strings.ToLower(v.Text()))
		}
	}
	o.put("contact", "1", change.Image{"note": text("LOUD")})
	o.run(ledger.Notion, ledger.CRM)
	if got := o.rows["contact"].text("1", "note"); got != "loud" || len(o.conflicts()) != 0 || p.pages[page].values["note"].Text() != "loud" {
		t.Errorf("the row says %q, conflicts %v", got, o.conflicts())
	}
	// Where the CRM insists too, the field is left alone with both forms, and said.
	o.rows["contact"].change = func(im change.Image) {
		if v, ok := im["note"]; ok {
			im["note"] = text(strings.ToUpper(v.Text()))
		}
	}
	p.spend()
	o.put("contact", "1", change.Image{"note": text("SHOUT")})
	o.settle(10 * time.Minute)
	waits := o.pending(o.link("contact", "1").ID)
	said := slices.ContainsFunc(waits.Work, func(w ledger.Work) bool {
		return strings.Contains(w.Parked, "SHOUT") && strings.Contains(w.Parked, "shout")
	})
	if n := p.spend(); n > 6 || !said {
		t.Errorf("after %d requests: %+v", n, waits)
	}
}

// The loser is in the ledger before the request that overwrites it leaves; trying again records it once.
func TestTheLoserIsStoredBeforeItIsOverwritten(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "email": text("old@example.com")})
	p := o.pages["contact"]
	p.edit(page, change.Image{"email": text("theirs@example.com")})
	o.put("contact", "1", change.Image{"email": text("ours@example.com")})
	p.once("update", false, refusedError{})
	o.settle(time.Minute)
	lines := o.journal.take()
	stored, wrote := slices.Index(lines, "stored loser theirs@example.com of email"), slices.Index(lines, "update")
	if stored < 0 || wrote < stored {
		t.Errorf("done in the order %v", lines)
	}
	if c := o.conflicts(); len(c) != 1 || c[0].Winner != ledger.CRM || !c[0].Undecidable || c[0].ID == "" {
		t.Errorf("conflicts: %+v", c)
	}
	if n := o.alerts("conflict"); n != 1 {
		t.Errorf("%d alerts, want one", n)
	}
	if got := p.pages[page].values["email"].Text(); got != "ours@example.com" {
		t.Errorf("the page says %q", got)
	}
}

// An update whose answer was lost: the page that shows what was sent is no person's edit.
func TestAnUpdateOfUnknownOutcomeIsRead(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		o := newOffice(t)
		page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
		p := o.pages["contact"]
		p.once("update", applied, unknownError{})
		o.put("contact", "1", change.Image{"note": text("first")})
		o.run(ledger.Notion)
		if o.link("contact", "1").Intent == nil {
			t.Fatal("the intent is gone, and nobody knows what became of it")
		}
		o.put("contact", "1", change.Image{"note": text("second")})
		o.settle(time.Minute)
		l := o.link("contact", "1")
		if got := p.pages[page].values["note"].Text(); got != "second" || o.rows["contact"].text("1", "note") != "second" || len(o.conflicts()) > 0 || l.Intent != nil {
			t.Errorf("applied %t: the page says %q, conflicts %v, intent %v", applied, got, o.conflicts(), l.Intent)
		}
	}
}

// The CRM goes back to what was agreed on while nobody knows what became of its other value, and a person edits the page. Writing another field ends the
// intent that knows of it; the conflict is told all the same.
func TestAValueThatWentBackIsAnEditWhateverIsWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("note", `"conflict": "notion_wins"`))
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
	p := o.pages["contact"]
	p.once("update", true, unknownError{})
	o.put("contact", "1", change.Image{"name": text("Ada"), "note": text("new")})
	o.run(ledger.Notion)
	p.edit(page, change.Image{"note": text("typed")})
	o.put("contact", "1", change.Image{"name": text("Ada L"), "note": text("old")})
	o.settle(10 * time.Minute)
	if got := o.conflicts(); len(got) != 1 || got[0].CRM.Text() != "old" || got[0].Notion.Text() != "typed" || p.pages[page].values["name"].Text() != "Ada L" {
		t.Errorf("conflicts %+v, the page %v: the CRM's edit back was taken for silence", got, p.pages[page].values)
	}
}

func TestAnEditBetweenReadAndWriteOfAnotherFieldSurvives(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old"), "email": text("a@example.com")})
	p := o.pages["contact"]
	p.during = func(op string) { // while the page is read, before the answer… and again before the write
		p.during = func(string) { p.edit(page, change.Image{"note": text("typed meanwhile")}) }
	}
	o.put("contact", "1", change.Image{"email": text("b@example.com")})
	o.run(ledger.Notion, ledger.CRM)
	if got := o.rows["contact"].text("1", "note"); got != "typed meanwhile" {
		t.Errorf("the row says %q; the write's own answer showed the edit", got)
	}
	if n := p.requests(); n != 2 {
		t.Errorf("%d requests, want 2: %v", n, o.journal.take())
	}
}

func TestADeletedRowTrashesItsPage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	o.drop("contact", "1")
	o.run(ledger.Notion, ledger.CRM)
	p := o.pages["contact"]
	if !p.pages[page].trash || p.spend() != 2 || o.link("contact", "1").State != ledger.Trashed {
		t.Fatalf("%v", o.journal.take())
	}
	o.poll("contact", page)
	o.run(ledger.CRM, ledger.Notion)
	if n := p.spend(); n != 0 {
		t.Errorf("our own trash comes back as %d requests", n)
	}
	o.put("contact", "1", change.Image{"name": text("Ada again")})
	o.settle(time.Minute)
	if p.pages[page].trash || p.pages[page].values["name"].Text() != "Ada again" || o.link("contact", "1").State != ledger.Live {
		t.Errorf("the row is back and its page is not: %+v", p.pages[page])
	}
}

func TestARowThatIsNotFoundIsNotDeleted(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	delete(o.rows["contact"].rows, "1")
	o.changed("contact", "1") // a look without a delete event
	o.settle(time.Minute)
	p := o.pages["contact"]
	waits := o.pending(o.link("contact", "1").ID)
	if p.pages[page].trash || len(waits.Holds) != 1 || waits.Holds[0].Kind != "vanished" || o.alerts("hold") != 1 {
		t.Fatalf("held: %+v, alerts %d", waits.Holds, o.alerts("hold"))
	}
	o.changed("contact", "1")
	o.settle(time.Minute)
	if n := o.alerts("hold"); n != 1 {
		t.Errorf("one hold, %d alerts", n)
	}
	o.put("contact", "1", change.Image{"name": text("Ada Lovelace")})
	o.settle(time.Minute)
	if waits = o.pending(o.link("contact", "1").ID); len(waits.Holds) != 0 || p.pages[page].values["name"].Text() != "Ada Lovelace" {
		t.Errorf("the row is back, and still held: %+v", waits)
	}
}

func TestTheSixthDeleteOfAnHourIsHeld(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	keys := []string{"1", "2", "3", "4", "5", "6", "7"}
	for _, key := range keys {
		o.linked(key, change.Image{"name": text("row " + key)})
	}
	for _, key := range keys {
		o.drop("contact", key)
	}
	o.settle(time.Minute)
	trashed, held := 0, 0
	for _, key := range keys {
		l := o.link("contact", key)
		if o.pages["contact"].pages[l.Page].trash {
			trashed++
		}
		if h := o.pending(l.ID).Holds; len(h) == 1 && h[0].Kind == "brake" {
			held++
		}
	}
	if trashed != 5 || held != 2 || o.alerts("brake") != 1 {
		t.Errorf("%d trashed, %d held, %d alerts", trashed, held, o.alerts("brake"))
	}
}

// A trash that Notion refuses again and again is one delete, not many: it must not use the brake up.
func TestARefusedTrashIsOneDelete(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	other := o.linked("2", change.Image{"name": text("Grace")})
	p := o.pages["contact"]
	left := 6
	p.fail = func(op string) (bool, error) {
		if op == "trash" && left > 0 {
			left--
			return false, refusedError{}
		}
		return false, nil
	}
	o.drop("contact", "1")
	o.settle(20 * time.Minute)
	o.drop("contact", "2")
	o.settle(time.Minute)
	if !p.pages[page].trash || !p.pages[other].trash {
		t.Errorf("two rows were deleted; trashed %t and %t, holds %+v", p.pages[page].trash, p.pages[other].trash, o.pending(o.link("contact", "1").ID).Holds)
	}
}

func TestALostLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	p := o.pages["contact"]
	p.during = func(string) { // while the page is read, the lease runs out and somebody else takes it
		o.clock.advance(10 * time.Minute)
		claim := ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 1, Holder: "another", Lease: time.Minute, Now: o.clock.now()}
		if items, err := o.store.Take(t.Context(), claim); err != nil || len(items) != 1 {
			t.Errorf("take: %v, %v", items, err)
		}
	}
	o.put("contact", "1", change.Image{"name": text("Countess")})
	if _, err := o.both[ledger.Notion].RunOnce(t.Context()); err != nil {
		t.Fatalf("losing a lease is no failure of the round: %v", err)
	}
	if p.updates != 0 || p.pages[page].values["name"].Text() != "Ada" {
		t.Errorf("a worker without a lease wrote: %v", o.journal.take())
	}
}

// A stop while a write is under way: what was begun is finished and recorded; what was not begun is given back.
func TestAStopFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.linked("1", change.Image{"name": text("Ada")})
	o.linked("2", change.Image{"name": text("Grace")})
	p := o.pages["contact"]
	o.put("contact", "1", change.Image{"name": text("Ada L")})
	o.put("contact", "2", change.Image{"name": text("Grace H")})
	ctx, stop := context.WithCancel(t.Context())
	p.during = func(string) { stop() }
	if _, err := o.both[ledger.Notion].RunOnce(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if p.updates != 1 {
		t.Fatalf("%d updates after the stop, want the one that was under way: %v", p.updates, o.journal.take())
	}
	done := 0
	for _, key := range []string{"1", "2"} {
		if l := o.link("contact", key); l.Base["name"].Value.Text() != "Ada" && l.Base["name"].Value.Text() != "Grace" && l.Intent == nil {
			done++
		}
	}
	if done != 1 {
		t.Errorf("%d turns were recorded, want 1", done)
	}
	o.run(ledger.Notion, ledger.CRM) // the other's lease was given back: it need not run out
	if p.updates != 2 {
		t.Errorf("%d updates in all, want 2", p.updates)
	}
}

func TestOneBadRowHurtsOnlyItself(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("contact", "1", change.Image{"name": text("Ada"), "stage": text("a, b")})
	o.put("contact", "2", change.Image{"name": text("Grace")})
	o.run(ledger.Notion, ledger.CRM)
	if o.link("contact", "2").Page == "" || o.link("contact", "1").Page != "" {
		t.Fatalf("%v", o.journal.take())
	}
	waits := o.pending(o.link("contact", "1").ID)
	if len(waits.Work) != 1 || !strings.Contains(waits.Work[0].Parked, "stage") {
		t.Fatalf("no reason is given: %+v", waits)
	}
	o.put("contact", "1", change.Image{"stage": text("a")})
	o.run(ledger.Notion, ledger.CRM)
	if o.link("contact", "1").Page == "" {
		t.Error("the cause is gone and the row is still parked")
	}
}

func TestAFailureIsTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.linked("1", change.Image{"name": text("Ada")})
	p := o.pages["contact"]
	left := 5
	p.fail = func(string) (bool, error) {
		if left > 0 {
			left--
			return false, refusedError{}
		}
		return false, nil
	}
	o.put("contact", "1", change.Image{"name": text("Ada L")})
	var gaps []time.Duration
	last := o.clock.now()
	for p.updates == 0 && len(gaps) < 10 {
		before := p.reads
		o.run(ledger.Notion)
		if p.reads > before {
			gaps, last = append(gaps, o.clock.now().Sub(last)), o.clock.now()
		}
		o.clock.advance(100 * time.Millisecond)
	}
	if len(gaps) != 6 || gaps[5] < 14*time.Second || gaps[1] > 3*time.Second {
		t.Errorf("tried again after %v", gaps)
	}
}

func TestAChildWaitsForItsParent(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("deal", "7", change.Image{"title": text("Engine"), "contact": change.TextSet("1")})
	o.run(ledger.Notion)
	if n := o.pages["deal"].creates; n != 0 {
		t.Fatalf("the deal's page was made %d times before its contact's", n)
	}
	o.put("contact", "1", change.Image{"name": text("Ada")})
	o.settle(time.Minute)
	d := o.pages["deal"]
	if d.creates != 1 || !change.Equal(d.pages[d.only()].values["contact"], change.TextSet(o.link("contact", "1").Page)) {
		t.Errorf("the deal's page: %+v", d.pages)
	}
}

// A parent that never comes does not keep the child away for ever: its page is made without the relation, which is not cleared in the CRM.
func TestAChildIsMadeWithoutAParentThatNeverComes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put("deal", "7", change.Image{"title": text("Engine"), "contact": change.TextSet("1")})
	o.settle(10 * time.Minute)
	d := o.pages["deal"]
	if d.creates != 1 || len(d.pages[d.only()].values["contact"].Items()) != 0 || !change.Equal(o.rows["deal"].rows["7"].Image["contact"], change.TextSet("1")) {
		t.Fatalf("creates %d, row %v", d.creates, o.rows["deal"].rows["7"].Image)
	}
	o.put("contact", "1", change.Image{"name": text("Ada")})
	o.settle(20 * time.Minute)
	if got := d.pages[d.only()].values["contact"]; !change.Equal(got, change.TextSet(o.link("contact", "1").Page)) {
		t.Errorf("the contact came, and the deal's page shows %s: %+v", got, o.pending(o.link("deal", "7").ID))
	}
}

// A page that was in the trash while its row was edited is back, and cannot be written for a reason of its own: what is held is over, and just that reason is left.
func TestAHoldThatIsOverGoesThoughThePageIsRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada")})
	d := o.pages["contact"]
	d.pages[page].trash = true
	o.put("contact", "1", change.Image{"name": text("Ada Lovelace")})
	o.poll("contact", page)
	o.settle(time.Minute)
	id := o.link("contact", "1").ID
	if h := o.pending(id).Holds; len(h) != 1 || h[0].Kind != "delete_vs_edit" {
		t.Fatalf("holds %+v", h)
	}
	d.pages[page].trash = false
	d.fail = func(op string) (bool, error) {
		if op == "update" {
			return false, &sink.DataError{Field: "name", Reason: "Notion does not like it"}
		}
		return false, nil
	}
	o.changed("contact", "1")
	o.settle(time.Minute)
	p := o.pending(id)
	refused := func(w ledger.Work) bool {
		return w.Side == ledger.Notion && strings.Contains(w.Parked, "does not like it")
	}
	if len(p.Holds) != 0 || !slices.ContainsFunc(p.Work, refused) {
		t.Errorf("holds %+v, work %+v", p.Holds, p.Work)
	}
}
