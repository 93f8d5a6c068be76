package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// story is what people do in a history that is told in several ways: edits with time between them, and contests, in which both sides change
// one field at the same moment.
type story struct {
	edits []told
	tie   string // who wins what the clocks cannot tell
	extra int    // contacts that nobody edits
}

type told struct {
	key, field   string
	side         ledger.Side
	value, other string // other: what the other side writes at the same moment; "" for no contest
}

// drawStory draws a story about three contacts.
func drawStory(seed uint64) story {
	dice := rand.New(rand.NewPCG(seed, 13))
	s := story{tie: "crm"}
	for i := range 6 + dice.IntN(6) {
		e := told{key: fmt.Sprint(1 + dice.IntN(3)), field: []string{"name", "email"}[dice.IntN(2)], side: []ledger.Side{ledger.CRM, ledger.Notion}[dice.IntN(2)], value: fmt.Sprintf("v%d@x.io", i)}
		if dice.IntN(3) == 0 {
			e.other = fmt.Sprintf("w%d@x.io", i)
		}
		s.edits = append(s.edits, e)
	}
	return s
}

// tell plays a story and gives what stands in the rows of the three at the end.
func (s story) tell(t *testing.T, seed uint64) string {
	t.Helper()
	w, err := build(Options{Seed: seed, Calm: true}, func(sh *shape) {
		sh.contacts, sh.deals, sh.webhooks, sh.poll, sh.lag, sh.rowsAnswered = 3+s.extra, 0, false, 10*time.Second, 0, 100
		sh.rules = rules{tie: s.tie, limits: limits{deletes: 1000, window: time.Hour}}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.users.seedRows()
	w.system.start()
	w.advance(3 * time.Minute)
	for _, e := range s.edits {
		w.tell(t, e.side, e.key, e.field, e.value)
		if e.other != "" {
			w.tell(t, e.side.Other(), e.key, e.field, e.other)
		}
		w.advance(4 * time.Minute)
	}
	r, err := w.end(len(s.edits))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Errorf("seed %d: %s", seed, v)
	}
	var b strings.Builder
	for _, key := range []string{"1", "2", "3"} {
		row := w.crm.tables["contact"][key]
		fmt.Fprintf(&b, "%s: %s %s\n", key, row["name"].Text(), row["email"].Text())
	}
	return b.String()
}

// tell has a person put a value somewhere.
func (w *world) tell(t *testing.T, side ledger.Side, key, field, value string) {
	t.Helper()
	w.truth.edits[value] = edit{at: w.now, where: string(side)}
	if side == ledger.CRM {
		row := w.crm.tables["contact"][key].Clone()
		w.truth.replaced(wordsOf(row[field]), []string{value}, "a person")
		row[field] = change.TextValue(value)
		w.crm.put("contact", key, row)
		return
	}
	page := w.pageOfRow("contact", key)
	seen, _ := w.notion.look(page)
	w.truth.replaced(seen.words[field], []string{value}, "a person")
	if err := w.notion.edit(page, field, []string{value}); err != nil {
		t.Fatal(err)
	}
}

// Oracle 13: a story ends alike when the sides change their names (and the tie rule with them), when somebody is there of whom it does not
// tell, and when what does not concern each other happens in another order.
func TestStoriesToldAnotherWayEndAlike(t *testing.T) {
	t.Parallel()
	stories := uint64(40)
	if raceEnabled {
		stories = 3
	}
	contests := 0
	for seed := range stories {
		s := drawStory(seed)
		want := s.tell(t, seed)
		mirrored := story{tie: "notion"}
		for _, e := range s.edits {
			if e.other != "" {
				contests++
			}
			e.side = e.side.Other()
			mirrored.edits = append(mirrored.edits, e)
		}
		crowded := s
		crowded.extra = 1
		sorted := s // edits of one record and field keep their order; those of others are independent
		sorted.edits = slices.Clone(s.edits)
		slices.SortStableFunc(sorted.edits, func(a, b told) int { return strings.Compare(a.key+a.field, b.key+b.field) })
		for how, other := range map[string]story{"mirrored": mirrored, "with somebody else there": crowded, "in another order": sorted} {
			if got := other.tell(t, seed); got != want {
				t.Errorf("seed %d, %s: it ended with\n%sand not with\n%s", seed, how, got, want)
			}
		}
	}
	if contests == 0 {
		t.Error("no contest was told: the mirror showed nothing")
	}
}
