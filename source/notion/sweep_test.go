package notion_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// More pages were made in one minute than Notion lists. A sweep that began anew each time would never end: it goes on behind that minute, and
// linked pages that it could not see are read one by one.
func TestASweepEndsInSpiteOfAMinuteThatIsTooFull(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, func(c *emulator.Config) { c.QueryMax = 10 })
	p := w.poller("a")
	others := map[string]string{}
	for i := range 4 {
		name := fmt.Sprint("before ", i)
		others[name] = w.person(name)
	}
	w.clock.advance(time.Minute)
	var crowd []string
	for i := range 25 {
		crowd = append(crowd, w.person(fmt.Sprint("crowd ", i)))
	}
	emissions := map[string]ledger.Emission{}
	for _, page := range crowd {
		emissions[page] = ledger.Emission{Hash: "known before"}
	}
	if err := w.store.SetEmitted(t.Context(), "acme", "contact", emissions); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	for i := range 12 {
		w.clock.advance(time.Minute)
		name := fmt.Sprint("behind ", i)
		others[name] = w.person(name)
	}
	told := map[string]bool{}
	for step := 0; ; step++ {
		r := w.once(p)
		for _, e := range w.events() {
			told[e.Page.ID] = true
		}
		if !r.Sweeping {
			break
		}
		if step > 20 {
			t.Fatal("the sweep does not end")
		}
	}
	for name, page := range others {
		if !told[page] {
			t.Errorf("the page %s is not told of", name)
		}
	}
	unseen := 0
	for _, page := range crowd {
		if !told[page] {
			unseen++
		}
	}
	items, err := w.store.Take(t.Context(), ledger.Claim{Sync: "acme", Side: ledger.Notion, Max: 100, Holder: "x", Lease: time.Minute, Now: w.clock.now()})
	if err != nil || unseen < 15 || len(items) != unseen || items[0].Works[0].Lane != ledger.LaneBackfill {
		t.Errorf("%d links are to be read, want the %d that the sweep did not see: %v", len(items), unseen, err)
	}
	for _, it := range items {
		if told[it.Link.Page] {
			t.Errorf("page %s was seen, and is to be read all the same", it.Link.Page)
		}
	}
	w.spent()
	if r := w.once(p); r.Sweeping || len(w.spent()) > 4 {
		t.Errorf("the sweep begins anew: %+v", r)
	}
}
