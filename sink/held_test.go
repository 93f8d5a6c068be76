package sink_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// A brake holds what a person wrote in Notion. The row is as it was agreed on, so that a reason to look at it costs no read of the page, and says nothing of the hold.
func TestALookAtTheRowLiftsNoHoldOfWhatThePageShows(t *testing.T) {
	t.Parallel()
	o := newOffice(t, saying("", `"brakes": {"updates": {"max": 1, "share": 0}}`))
	for _, key := range []string{"1", "2"} {
		page := o.linked(key, change.Image{"name": text("Ada " + key), "email": text("old@example.com")})
		o.pages["contact"].edit(page, change.Image{"email": text("new" + key + "@example.com")})
		o.poll("contact", page)
		o.settle(time.Minute)
	}
	held := o.link("contact", "2")
	names := func() (out []string) {
		for _, h := range o.pending(held.ID).Holds {
			out = append(out, h.Name())
		}
		return out
	}
	if got := names(); !slices.Equal(got, []string{"brake/email"}) {
		t.Fatalf("held: %v", got)
	}
	o.put("contact", "2", change.Image{"name": text("Ada Lovelace")}) // another field goes on
	o.settle(time.Minute)
	o.changed("contact", "2") // a replay, or a sweep: the row is as it was agreed on
	o.settle(time.Minute)
	if got := names(); !slices.Equal(got, []string{"brake/email"}) {
		t.Errorf("held after a look at the row: %v", got)
	}
}

// A brake holds what the CRM did to a field that a person changed on the page as well; writing another field, on either side, forgets nothing of it. When the
// CRM takes its own change back, hers arrives.
func TestAWriteForgetsNoEditOfAFieldThatIsHeld(t *testing.T) {
	t.Parallel()
	for _, renamed := range []ledger.Side{ledger.CRM, ledger.Notion} {
		o := newOffice(t, saying("", `"brakes": {"updates": {"max": 1, "share": 0}}`))
		pages := map[string]string{}
		for _, key := range []string{"1", "2"} {
			pages[key] = o.linked(key, change.Image{"name": text("Ada " + key), "email": text("old@example.com")})
		}
		for _, key := range []string{"1", "2"} {
			o.put("contact", key, change.Image{"email": text("crm" + key + "@example.com")})
			o.settle(time.Minute)
		}
		o.pages["contact"].edit(pages["2"], change.Image{"email": text("typed@example.com")})
		if renamed == ledger.Notion {
			o.pages["contact"].edit(pages["2"], change.Image{"name": text("Ada L")})
		} else {
			o.put("contact", "2", change.Image{"name": text("Ada L")})
		}
		o.poll("contact", pages["2"])
		o.settle(time.Minute)
		held, page := o.pending(o.link("contact", "2").ID).Holds, o.pages["contact"].pages[pages["2"]]
		if len(held) != 1 || o.rows["contact"].text("2", "name") != "Ada L" || page.values["name"].Text() != "Ada L" {
			t.Fatalf("held: %+v, the row is called %q, the page %q", held, o.rows["contact"].text("2", "name"), page.values["name"])
		}
		o.put("contact", "2", change.Image{"email": text("old@example.com")})
		o.settle(time.Minute)
		if got := o.rows["contact"].text("2", "email"); got != "typed@example.com" {
			t.Errorf("renamed in %s: the row says %q, the page %q, and nobody waits: %+v", renamed, got, page.values["email"], o.pending(o.link("contact", "2").ID))
		}
	}
}
