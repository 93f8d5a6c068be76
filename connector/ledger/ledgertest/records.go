package ledgertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// together runs n workers at once and waits for them.
func together(n int, work func(n int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { work(i) })
	}
	wg.Wait()
}

func conflict(id string, at time.Time) ledger.Conflict {
	return ledger.Conflict{
		ID: id, Field: "phone", Base: change.TextValue("1"), CRM: change.TextValue("2"), Notion: change.NullValue(), Winner: ledger.CRM,
		Rule: "tie", Undecidable: true, CRMAfter: at.Add(-time.Minute), CRMBefore: at, Critical: true, At: at,
	}
}

var recordStories = []story{
	{"conflicts are listed newest first, with both values, and a repeated one once", func(s *stage) {
		s.add(row("7"), row("8"))
		items := s.take(ledger.Notion, 2)
		for i, it := range items {
			c := s.step(it)
			c.Conflicts = []ledger.Conflict{conflict(fmt.Sprint("c", i), s.now), conflict(fmt.Sprint("d", i), s.now)}
			s.commit(c)
			s.commit(c) // its outcome was unknown
		}
		all, err := s.Conflicts(ctx(s), "acme", 0, 3)
		s.ok(err)
		s.equal("newest", all, []ledger.Conflict{conflict("d1", s.now), conflict("c1", s.now), conflict("d0", s.now)})
		mine, err := s.Conflicts(ctx(s), "acme", items[0].Link.ID, 10)
		s.ok(err)
		s.equal("of one link", len(mine), 2)
	}},
	{"a link has one hold of a kind", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		c := s.step(it)
		c.Holds = []ledger.Hold{{Kind: "vanished", Reason: "old", At: s.now}, {Kind: "moved", Reason: "x", At: s.now}, {Kind: "copy", Reason: "y", At: s.now}}
		s.commit(c)
		c = s.done(it, ledger.Notion)
		c.Unhold = []string{"copy", "nothing"}
		c.Holds = []ledger.Hold{{Kind: "vanished", Reason: "new", At: s.now.Add(time.Second)}}
		s.commit(c)
		holds, err := s.Holds(ctx(s), it.Link.ID)
		s.ok(err)
		want := []ledger.Hold{{Kind: "moved", Reason: "x", At: s.now}, {Kind: "vanished", Reason: "new", At: s.now.Add(time.Second)}}
		s.equal("holds", holds, want)
		s.add(row("7"))
		it = s.one(ledger.Notion)
		s.equal("holds of the item", it.Holds, want)
		c = s.done(it, ledger.Notion)
		c.Unhold = []string{"*"}
		s.commit(c)
		holds, err = s.Holds(ctx(s), it.Link.ID)
		s.ok(err)
		s.equal("holds", holds, []ledger.Hold{})
	}},
	{"a hold of one field stands beside another's", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		held := func(kind, field string) ledger.Hold {
			return ledger.Hold{Kind: kind, Field: field, Reason: "both changed", At: s.now}
		}
		c := s.step(it)
		c.Holds = []ledger.Hold{held("conflict", "phone"), held("conflict", "email"), held("moved", ""), held("conflict", "")}
		s.commit(c)
		c = s.step(it)
		c.Unhold, c.Holds = []string{"conflict/email", "moved/phone"}, []ledger.Hold{held("conflict", "name")}
		s.commit(c)
		holds, err := s.Holds(ctx(s), it.Link.ID)
		s.ok(err)
		s.equal("holds", holds, []ledger.Hold{held("conflict", ""), held("conflict", "name"), held("conflict", "phone"), held("moved", "")})
		c = s.done(it, ledger.Notion)
		c.Unhold = []string{"conflict"}
		s.commit(c)
		holds, err = s.Holds(ctx(s), it.Link.ID)
		s.ok(err)
		s.equal("holds", holds, []ledger.Hold{held("moved", "")})
	}},
	{"alerts stay in the outbox until delivered, and are forgotten only then", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		var want []ledger.Alert
		for i := range 3 {
			a := ledger.Alert{ID: fmt.Sprint("a", i), At: s.now, Kind: "conflict", Sync: "acme", Entity: "contact", Key: "7", Summary: "look"}
			c := s.step(it)
			c.Alerts = []ledger.Alert{a}
			if i > 0 {
				c.Alerts[0].Detail = []byte(`{ "n": 1 }`)
				a.Detail = []byte(`{"n":1}`)
			}
			s.commit(c)
			s.commit(c)
			want = append(want, a)
		}
		got, err := s.Outbox(ctx(s), "acme", 2)
		s.ok(err)
		s.equal("oldest", got, want[:2])
		other, err := s.Waiting(ctx(s), "other", 10)
		s.ok(err)
		s.equal("another sync's", other, []ledger.Alert{})
		s.issue(want...)
		s.issue(want...) // again: the relay crashed before it knew
		s.equal("due", s.deliveries("topic"), want)
		s.ok(s.Delivered(ctx(s), "topic", []string{"a1", "unknown"}, s.now))
		s.pass(time.Hour)
		s.ok(s.Delivered(ctx(s), "topic", []string{"a1"}, s.now)) // again: the relay crashed after publishing
		got, err = s.Outbox(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("left", got, []ledger.Alert{want[0], want[2]})
		n, err := s.Prune(ctx(s), s.now)
		s.ok(err)
		s.equal("forgotten", n, 1)
		n, err = s.Prune(ctx(s), s.now.Add(time.Hour))
		s.ok(err)
		s.equal("undelivered ones are kept", n, 0)
	}},
	{"status adds up", func(s *stage) {
		l := s.live("1", "p1")
		s.add(row("2"), page("p3"))
		task := row("1")
		task.Entity, task.NotBefore = "task", s.now.Add(time.Minute)
		s.pass(time.Second)
		s.add(task, row("1"))
		c := s.claim(ledger.Notion, 1)
		c.Link = l.ID
		items, err := s.Take(ctx(s), c)
		s.ok(err)
		step := s.done(items[0], ledger.Notion)
		step.Finish.Parked = "too long"
		step.Conflicts = []ledger.Conflict{conflict("c1", s.now)}
		step.Holds = []ledger.Hold{{Kind: "moved", At: s.now}}
		step.Alerts = []ledger.Alert{{ID: "a1", Sync: "acme", Entity: "contact"}}
		s.commit(step)
		s.equal("tallies", s.tallies(), []ledger.Tally{
			{Entity: "contact", Side: ledger.CRM, Lane: ledger.LaneLive, Due: 1, Oldest: start},
			{Entity: "contact", Side: ledger.Notion, Lane: ledger.LaneLive, Due: 1, Parked: 1, Oldest: start},
			{Entity: "task", Side: ledger.Notion, Lane: ledger.LaneLive, Due: 1, Later: 1, Oldest: s.now},
		})
		counts, err := s.Counts(ctx(s), "acme")
		s.ok(err)
		s.equal("counts", counts, []ledger.Count{
			{Entity: "contact", Links: 1, Half: 2, Holds: 1, Conflicts: 1, Alerts: 1}, {Entity: "task", Half: 1},
		})
		pending, err := s.Pending(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("pending", []any{len(pending), pending[0].Link.ID, pending[0].Work[0].Parked, pending[0].Holds[0].Kind}, []any{1, l.ID, "too long", "moved"})
	}},
}

var raceStories = []story{
	{"the brake is exact when eight workers write at once", func(s *stage) {
		const workers, limit = 8, 5
		var reasons []ledger.Reason
		for i := range 2 * workers {
			reasons = append(reasons, row(fmt.Sprint(i)))
		}
		s.add(reasons...)
		items := s.take(ledger.Notion, 2*workers)
		s.equal("links", len(items), 2*workers)
		var stored atomic.Int32
		together(workers, func(n int) {
			for _, it := range items[2*n : 2*n+2] {
				c := s.done(it, ledger.Notion)
				m := ledger.Meter{Side: ledger.Notion, Op: ledger.OpDelete}
				c.Writes, c.Counts = []ledger.Write{{Side: ledger.Notion, Op: "delete"}}, []ledger.Meter{m}
				c.Brakes = []ledger.Brake{{Meter: m, Max: limit, Window: time.Hour}}
				switch err := s.Commit(ctx(s), c); {
				case err == nil:
					stored.Add(1)
				case !errors.Is(err, ledger.ErrBraked):
					s.Error(err)
				}
			}
		})
		s.equal("stored", int(stored.Load()), limit)
		counts, err := s.Touched(ctx(s), "acme", "contact", 0, start.Add(-time.Hour), 100, []ledger.Meter{{Side: ledger.Notion, Op: ledger.OpDelete}})
		s.ok(err)
		s.equal("recorded", counts, []int{limit})
	}},
	{"links that two make at once are made once", func(s *stage) {
		var forth, back []ledger.Reason
		for i := range 200 {
			forth = append(forth, row(fmt.Sprint(i)), page(fmt.Sprint("p", i)))
			back = append(back, row(fmt.Sprint(199-i)), page(fmt.Sprint("p", 199-i)))
		}
		together(4, func(n int) {
			if err := s.Add(ctx(s), s.now, [][]ledger.Reason{forth, back}[n%2]); err != nil {
				s.Error(err)
			}
		})
		var due []int
		for _, t := range s.tallies() {
			due = append(due, t.Due)
		}
		s.equal("work", due, []int{200, 200})
		items := s.take(ledger.CRM, 1)
		s.equal("each reason counts", items[0].Works[0].Version, int64(4))
	}},
	{"of two commits that take one page, one does", func(s *stage) {
		s.add(row("1"), row("2"), row("3"), row("4"))
		items := s.take(ledger.Notion, 4)
		var won atomic.Int32
		together(4, func(n int) {
			c := s.done(items[n], ledger.Notion)
			c.Page = ptr("p")
			switch err := s.Commit(ctx(s), c); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, ledger.ErrTaken):
				s.Error(err)
			}
		})
		s.equal("won", won.Load(), int32(1))
	}},
}
