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

func (o *office) restore(c ledger.Conflict, id string, force bool) (sink.Restored, error) {
	o.t.Helper()
	return o.both[ledger.Notion].Restore(o.t.Context(), sink.Restoration{Link: o.link("contact", "1").ID, Conflict: c, ID: id, By: "ops", Reason: "she called", Force: force})
}

// quarrel has both sides change a field, and gives the conflict.
func (o *office) quarrel(page, field, crm, notion string) ledger.Conflict {
	o.t.Helper()
	o.bothEdit(page, field, crm, notion)
	c := o.conflicts()
	if len(c) == 0 {
		o.t.Fatal("no conflict")
	}
	return c[0]
}

func TestALosingValueIsPutBackAndThatCanBeTakenBack(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"crm_wins", "notion_wins"} {
		o := newOffice(t, saying("note", `"conflict": "`+winner+`"`))
		page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
		c := o.quarrel(page, "note", "ours", "theirs")
		_, lost := c.Loser()
		out, err := o.restore(c, "r1", false)
		if err != nil || !out.Put.Equal(lost) || !out.Replaced.Equal(c.Kept()) {
			t.Fatalf("%s: %+v, %v", winner, out, err)
		}
		o.settle(time.Minute)
		if crm, notion := o.shown(page, "note"); crm != lost.Text() || notion != lost.Text() {
			t.Errorf("%s: the row says %q, the page %q; want %q", winner, crm, notion, lost.Text())
		}
		entry := o.conflicts()[0]
		if _, replaced := entry.Loser(); len(o.conflicts()) != 2 || entry.ID != "r1" || entry.Rule != ledger.RuleRestored || entry.Restores != c.ID || entry.By != "ops" || !replaced.Equal(c.Kept()) {
			t.Errorf("the history has %+v", entry)
		}
		if out, err := o.restore(c, "r2", false); err != nil || !out.Stands {
			t.Errorf("%s: it stands already: %+v, %v", winner, out, err)
		}
		if _, err := o.restore(entry, "r3", false); err != nil {
			t.Fatal(err)
		}
		o.settle(time.Minute)
		if crm, notion := o.shown(page, "note"); crm != c.Kept().Text() || notion != crm {
			t.Errorf("%s: taken back, the row says %q and the page %q", winner, crm, notion)
		}
	}
}

func TestNewerEditsAreNotRestoredOver(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"CRM", "Notion", "both, settled"} {
		o := newOffice(t)
		page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
		c := o.quarrel(page, "note", "ours", "theirs")
		switch where {
		case "CRM":
			o.rows["contact"].put("1", change.Image{"note": text("newer")})
		case "Notion":
			o.pages["contact"].edit(page, change.Image{"note": text("newer")})
		default:
			o.put("contact", "1", change.Image{"note": text("newer")})
			o.settle(time.Minute)
		}
		_, err := o.restore(c, "r1", false)
		var not *sink.NotRestoredError
		if !errors.As(err, &not) || !not.Newer || !strings.Contains(err.Error(), `"newer"`) || !strings.Contains(err.Error(), "--force") {
			t.Fatalf("%s: %v", where, err)
		}
		if n := len(o.conflicts()); n != 1 {
			t.Errorf("%s: %d entries, want none for what was not done", where, n)
		}
		if _, err := o.restore(c, "r1", true); err != nil {
			t.Fatalf("%s: forced: %v", where, err)
		}
		o.changed("contact", "1")
		o.poll("contact", page)
		o.settle(time.Minute)
		kept := map[string]bool{}
		for _, c := range o.conflicts() {
			_, lost := c.Loser()
			kept[lost.Text()] = true
		}
		if crm, notion := o.shown(page, "note"); crm != "theirs" || notion != "theirs" || !kept["newer"] {
			t.Errorf("%s: forced, the row says %q and the page %q; the history keeps %v", where, crm, notion, kept)
		}
	}
}

// A crash after the losing value was stored, before the request that overwrites it, keeps it; and it can be put back.
func TestACrashBetweenHistoryAndWriteKeepsTheValue(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	page := o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
	o.pages["contact"].edit(page, change.Image{"note": text("theirs")})
	o.put("contact", "1", change.Image{"note": text("ours")})
	died := errors.New("killed")
	stored := false
	o.onStore = func(c ledger.Commit) error {
		if stored {
			return died // nothing after the first commit is stored: the process is gone
		}
		stored = len(c.Conflicts) > 0
		return nil
	}
	o.pages["contact"].once("update", false, context.Canceled)
	_, _ = o.both[ledger.Notion].RunOnce(t.Context())
	o.onStore = nil
	if c := o.conflicts(); len(c) != 1 {
		t.Fatalf("the history has %v", c)
	}
	o.clock.advance(10 * time.Minute) // the dead process's lease
	o.settle(time.Minute)
	c := o.conflicts()
	if crm, notion := o.shown(page, "note"); len(c) != 1 || crm != "ours" || notion != "ours" {
		t.Fatalf("after the crash: %q, %q, conflicts %v", crm, notion, c)
	}
	if _, err := o.restore(c[0], "r1", false); err != nil {
		t.Fatal(err)
	}
	o.settle(time.Minute)
	if crm, notion := o.shown(page, "note"); crm != "theirs" || notion != "theirs" {
		t.Errorf("restored: %q, %q", crm, notion)
	}
}

func TestWhatCannotBeRestoredIsSaid(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ more, want string }{
		{`"direction": "to_notion"`, "edited in the CRM only"},
		{`"direction": "to_crm"`, "edited in Notion only"},
		{`"write_once": true`, "written once"},
	} {
		o := newOffice(t, saying("note", tt.more))
		o.linked("1", change.Image{"name": text("Ada"), "note": text("old")})
		c := ledger.Conflict{ID: "c", Field: "note", CRM: text("old"), Notion: text("theirs"), Winner: ledger.CRM}
		if _, err := o.restore(c, "r1", true); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.more, err)
		}
		if len(o.conflicts()) > 0 || o.rows["contact"].text("1", "note") != "old" {
			t.Errorf("%s: it was written", tt.more)
		}
	}
}
