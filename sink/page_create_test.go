package sink_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// The page of a create whose answer was lost is looked up once the index must show it, and never made twice.
func TestACreateOfUnknownOutcomeIsLookedUp(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		o := newOffice(t)
		p := o.pages["contact"]
		p.once("create", applied, unknownError{})
		o.put("contact", "1", change.Image{"name": text("Ada")})
		o.run(ledger.Notion)
		if l := o.link("contact", "1"); l.Intent == nil || l.Intent.Kind != ledger.IntentCreate || l.Page != "" {
			t.Fatalf("unknown was taken for failed: %+v", l)
		}
		for range 10 { // new reasons do not make it ask too early
			o.clock.advance(10 * time.Second)
			o.changed("contact", "1")
			o.run(ledger.Notion)
		}
		if p.finds != 0 || p.creates != 1 {
			t.Fatalf("it was asked before the index must show it: %v", o.journal.take())
		}
		o.rows["contact"].put("1", change.Image{"name": text("Ada Lovelace")}) // meanwhile
		o.changed("contact", "1")
		o.settle(2 * time.Minute)
		page := p.only()
		l := o.link("contact", "1")
		if l.Page != page || l.Intent != nil || p.finds != 1 || p.pages[page].values["name"].Text() != "Ada Lovelace" || len(o.conflicts()) > 0 {
			t.Errorf("applied %t: finds %d, page %v, link %+v, conflicts %v", applied, p.finds, p.pages[page].values, l, o.conflicts())
		}
		if wanted := map[bool]int{true: 1, false: 2}[applied]; p.creates != wanted {
			t.Errorf("applied %t: %d creates, want %d", applied, p.creates, wanted)
		}
	}
}

// A create takes minutes, its answer is lost, and the ledger cannot be told: who looks next does not know how long it was on its way, and waits until it
// must be over and shown.
func TestACreateWhoseEndIsNotKnownIsLookedUpLate(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.pages["contact"]
	p.during = func(string) { o.clock.advance(2*time.Minute + 30*time.Second) }
	p.once("create", true, unknownError{})
	refused := 0
	o.onStore = func(c ledger.Commit) error {
		if c.Finish == nil {
			return nil // the announcement
		}
		refused++
		return errors.New("connection refused")
	}
	o.put("contact", "1", change.Image{"name": text("Ada")})
	if _, err := o.both[ledger.Notion].RunOnce(t.Context()); err == nil || refused == 0 {
		t.Fatalf("no commit was refused: %v", err)
	}
	o.onStore = nil
	p.lag = map[string]bool{o.link("contact", "1").External: true}
	for range 5 {
		o.clock.advance(10 * time.Second)
		o.changed("contact", "1")
		o.run(ledger.Notion)
	}
	if p.creates != 1 || p.finds != 0 {
		t.Fatalf("%d creates, %d looks before the index must show it: %v", p.creates, p.finds, o.journal.take())
	}
	o.clock.advance(2 * time.Minute)
	p.lag = nil
	o.settle(2 * time.Minute)
	if l := o.link("contact", "1"); l.Page != p.only() || p.creates != 1 || p.finds != 1 {
		t.Errorf("%d creates, %d looks, link %+v", p.creates, p.finds, l)
	}
}

// A page that was in the trash when it was looked up comes back as the seeming answer of the create that took its place: what it shows is older than
// the row, and no edit of what was sent last.
func TestAPageThatComesBackIsNotTheNewerCreatesAnswer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.pages["contact"]
	p.once("create", true, unknownError{})
	o.put("contact", "1", change.Image{"name": text("Ada"), "email": text("a@example.com")})
	o.run(ledger.Notion)
	page := p.only()
	p.pages[page].trash = true
	o.clock.advance(3 * time.Minute)
	p.once("create", false, unknownError{})
	o.put("contact", "1", change.Image{"name": text("Ada Lovelace"), "email": text("a@example.com")})
	o.run(ledger.Notion)
	if p.finds != 1 || p.creates != 2 {
		t.Fatalf("%d looks and %d creates, want 1 and 2: %v", p.finds, p.creates, o.journal.take())
	}
	p.pages[page].trash = false
	o.settle(10 * time.Minute)
	if row, shown := o.rows["contact"].text("1", "name"), p.pages[page].values["name"].Text(); row != "Ada Lovelace" || shown != row || len(p.pages) != 1 {
		t.Errorf("the row says %q, the page %q, of %d pages: the edit of the row is lost", row, shown, len(p.pages))
	}
	kept := o.conflicts()
	if len(kept) != 1 || kept[0].Field != "name" || kept[0].Notion.Text() != "Ada" || kept[0].Rule != ledger.RuleInitial {
		t.Errorf("the history keeps %+v, want what the page said", kept)
	}
}

func TestASavedCreateIsReadByItsID(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.pages["contact"]
	p.once("create", true, &savedError{})
	o.put("contact", "1", change.Image{"name": text("Ada")})
	o.run(ledger.Notion)
	if l := o.link("contact", "1"); l.Page != p.only() || l.State != ledger.Live || p.reads != 1 || p.creates != 1 || p.finds != 0 {
		t.Errorf("%+v after %v", l, o.journal.take())
	}
}

// The poller finds the page of an open create before its outcome is known: it is that create's answer, not a copy, and not a new record.
func TestThePollerFindsThePageOfAnOpenCreate(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.pages["contact"]
	p.once("create", true, unknownError{})
	o.put("contact", "1", change.Image{"name": text("Ada"), "email": text("a@example.com")})
	o.run(ledger.Notion)
	o.clock.advance(30 * time.Second)
	o.poll("contact", p.only())
	external := o.link("contact", "1").External
	o.settle(10 * time.Minute)
	if len(p.pages) != 1 || len(o.rows["contact"].rows) != 1 {
		t.Fatalf("%d pages and %d rows, want one of each: %v", len(p.pages), len(o.rows["contact"].rows), o.journal.take())
	}
	page := p.only()
	if l := o.link("contact", "1"); l.Page != page || l.State != ledger.Live || p.pages[page].external != external {
		t.Errorf("the link is %+v, the page carries %q", l, p.pages[page].external)
	}
}
