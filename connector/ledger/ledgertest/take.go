package ledgertest

import (
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

var takeStories = []story{
	{"live goes before backfill, parents before children, old before new", func(s *stage) {
		order := []struct {
			key  string
			lane ledger.Lane
			rank int
		}{{"6", ledger.LaneBackfill, 1}, {"5", ledger.LaneBackfill, 0}, {"3", ledger.LaneLive, 2}, {"1", ledger.LaneLive, 1}, {"4", ledger.LaneLive, 2}, {"2", ledger.LaneLive, 1}}
		for _, o := range order {
			r := row(o.key)
			r.Lane, r.Rank = o.lane, o.rank
			s.add(r)
			s.pass(time.Microsecond)
		}
		var got []string
		for range 3 {
			for _, it := range s.take(ledger.Notion, 2) {
				got = append(got, it.Link.Key)
			}
		}
		s.equal("order", got, []string{"1", "2", "3", "4", "5", "6"})
	}},
	{"a claim of one lane leaves the other's work", func(s *stage) {
		for _, key := range []string{"1", "2"} {
			r := row(key)
			r.Lane = map[string]ledger.Lane{"1": ledger.LaneBackfill, "2": ledger.LaneLive}[key]
			s.add(r)
		}
		c := s.claim(ledger.Notion, 10)
		for _, lane := range []ledger.Lane{ledger.LaneLive, ledger.LaneBackfill} {
			c.Lane = lane
			items, err := s.Take(ctx(s), c)
			s.ok(err)
			s.equal("taken of "+string(lane), len(items), 1)
			s.equal("key", items[0].Link.Key, map[ledger.Lane]string{ledger.LaneLive: "2", ledger.LaneBackfill: "1"}[lane])
		}
		c.Lane = "slow"
		if _, err := s.Take(ctx(s), c); err == nil {
			s.Fatalf("a lane that is none was accepted")
		}
	}},
	{"entities, sides and syncs do not see each other's work", func(s *stage) {
		task := row("1")
		task.Entity = "task"
		other := row("1")
		other.Sync = "umbrella"
		s.add(row("1"), task, other, page("p1"))
		c := s.claim(ledger.Notion, 10)
		c.Entities = []string{"task", "none"}
		items, err := s.Take(ctx(s), c)
		s.ok(err)
		s.equal("tasks", len(items), 1)
		s.equal("of entity", items[0].Link.Entity, "task")
		s.equal("contacts", s.one(ledger.Notion).Link.Entity, "contact")
		s.equal("pages", s.one(ledger.CRM).Link.Page, "p1")
	}},
	{"the claimed side's work comes first, then the other's", func(s *stage) {
		l := s.live("7", "p7")
		s.add(row("7"), page("p7"))
		it := s.one(ledger.Notion)
		s.equal("sides", []ledger.Side{it.Works[0].Side, it.Works[1].Side}, []ledger.Side{ledger.Notion, ledger.CRM})
		s.none(ledger.CRM) // the lease is on the link, not on a side
		s.pass(2 * time.Minute)
		it = s.one(ledger.CRM)
		s.equal("sides", []ledger.Side{it.Works[0].Side, it.Works[1].Side}, []ledger.Side{ledger.CRM, ledger.Notion})
		s.equal("link", it.Link.ID, l.ID)
	}},
	{"a lease that ran out is taken over, and its first holder fenced", func(s *stage) {
		s.add(row("7"))
		first := s.one(ledger.Notion)
		s.pass(time.Minute - time.Microsecond)
		s.none(ledger.Notion)
		s.pass(time.Microsecond)
		second := s.one(ledger.Notion)
		s.equal("epoch", second.Link.Epoch, first.Link.Epoch+1)
		s.is(s.Commit(ctx(s), s.done(first, ledger.Notion)), ledger.ErrFenced)
		s.commit(s.done(second, ledger.Notion))
		s.none(ledger.Notion)
	}},
	{"a lease that ran out is its holder's until somebody takes it, and not after it was given back", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		s.pass(time.Hour)
		s.commit(s.done(it, ledger.Notion))
		s.is(s.Commit(ctx(s), s.step(it)), ledger.ErrFenced)
	}},
	{"a claim of one link takes it due or not, with work or without, unless it is leased", func(s *stage) {
		r := row("7")
		r.NotBefore = s.now.Add(time.Hour)
		s.add(r)
		idle := s.live("8", "p8")
		c := s.claim(ledger.Notion, 0)
		for _, id := range []int64{s.key("7").ID, idle.ID} {
			c.Link = id
			items, err := s.Take(ctx(s), c)
			s.ok(err)
			s.equal("taken", len(items), 1)
			again, err := s.Take(ctx(s), c)
			s.ok(err)
			s.equal("taken again", len(again), 0)
		}
		c.Link = 424242
		items, err := s.Take(ctx(s), c)
		s.ok(err)
		s.equal("an unknown link", len(items), 0)
	}},
	{"a claim that lacks something is refused", func(s *stage) {
		for _, bad := range []ledger.Claim{{}, {Sync: "acme", Side: "up", Holder: "w", Lease: 1, Now: s.now}, {Sync: "acme", Side: ledger.CRM}} {
			if _, err := s.Take(ctx(s), bad); err == nil {
				s.Fatalf("accepted %+v", bad)
			}
		}
	}},
	{"two workers never hold one link", func(s *stage) {
		const links, workers = 300, 6
		var reasons []ledger.Reason
		for i := range links {
			reasons = append(reasons, row(fmt.Sprint(i)), page(fmt.Sprint("p", i)))
		}
		s.add(reasons...)
		taken := make(chan ledger.Item, 2*links+1)
		together(workers, func(n int) {
			side := []ledger.Side{ledger.CRM, ledger.Notion}[n%2]
			for misses := 0; misses < 20; {
				items, err := s.Take(ctx(s), s.claim(side, 7))
				if err != nil {
					s.Error(err)
					return
				}
				if len(items) == 0 {
					misses++
				}
				for _, it := range items {
					taken <- it
				}
			}
		})
		close(taken)
		seen := map[int64]bool{}
		for it := range taken {
			if seen[it.Link.ID] {
				s.Fatalf("link %d was taken twice", it.Link.ID)
			}
			seen[it.Link.ID] = true
		}
		s.equal("taken", len(seen), 2*links)
	}},
	{"work is shared while reasons come in and commits finish", func(s *stage) {
		const links = 40
		var reasons []ledger.Reason
		for i := range links {
			reasons = append(reasons, row(fmt.Sprint(i)))
		}
		s.add(reasons...)
		together(5, func(n int) {
			for range 15 {
				if n == 0 {
					if err := s.Add(ctx(s), s.now, reasons); err != nil {
						s.Error(err)
					}
					continue
				}
				s.work(n)
			}
		})
		for s.work(0) > 0 {
		}
		s.equal("left", len(s.tallies()), 0)
	}},
}

// work takes some links and finishes them, each with a reason for a neighbour on the other side, which the worker finishes too.
func (s *stage) work(n int) int {
	total := 0
	for _, side := range []ledger.Side{ledger.Notion, ledger.CRM} {
		items, err := s.Take(ctx(s), s.claim(side, 6))
		if err != nil {
			s.Error(err)
			return 0
		}
		for i, it := range items {
			c := s.done(it, side)
			if side == ledger.Notion && n > 0 {
				c.Reasons = []ledger.Reason{{Link: items[(i+n)%len(items)].Link.ID, Side: ledger.CRM, Why: "relation"}}
			}
			if err := s.Commit(ctx(s), c); err != nil {
				s.Error(err)
			}
		}
		total += len(items)
	}
	return total
}
