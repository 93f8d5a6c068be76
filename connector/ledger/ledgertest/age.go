package ledgertest

import (
	"sync"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

func (s *stage) aging(known ledger.Age) ledger.Aged {
	s.Helper()
	out, err := s.Aging(ctx(s), "acme", known, s.now)
	s.ok(err)
	have, err := s.Age(ctx(s), "acme")
	s.ok(err)
	s.equal("what stands in the database", have, out.Age)
	return out
}

var ageStories = []story{
	{"a ledger grows older step by step, and is known again", func(s *stage) {
		none, err := s.Age(ctx(s), "acme")
		s.ok(err)
		s.equal("no age", none.Count, int64(0))
		first := s.aging(ledger.Age{})
		s.equal("first", []any{first.Verdict, first.Age.Count, first.Age.At}, []any{ledger.AgeNew, int64(1), s.now})
		s.pass(time.Second)
		second := s.aging(first.Age)
		s.equal("second", []any{second.Verdict, second.Age.Count}, []any{ledger.AgeSame, int64(2)})
		third := s.aging(first.Age) // what was told outside is a step behind: a process died in between
		s.equal("third", []any{third.Verdict, third.Age.Count}, []any{ledger.AgeSame, int64(3)})
		if first.Age.Mark == second.Age.Mark || first.Age.Mark == "" {
			s.Errorf("marks %q and %q", first.Age.Mark, second.Age.Mark)
		}
		pauses, err := s.Pauses(ctx(s), "acme")
		s.ok(err)
		s.equal("paused", len(pauses), 0)
	}},
	{"two that begin at once take two steps", func(s *stage) {
		var mu sync.Mutex
		counts := map[int64]bool{}
		together(4, func(int) {
			out, err := s.Aging(ctx(s), "acme", ledger.Age{}, s.now)
			mu.Lock()
			defer mu.Unlock()
			if counts[out.Age.Count] = true; err != nil || out.Verdict != ledger.AgeNew {
				s.Errorf("%+v %v", out, err)
			}
		})
		s.equal("counts", counts, map[int64]bool{1: true, 2: true, 3: true, 4: true})
	}},
	{"after a restore everything waits but a plan", func(s *stage) {
		r := row("7")
		r.Xid, r.CommitAt = 900, s.now
		s.add(r)
		it := s.one(ledger.Notion)
		c := s.done(it, ledger.Notion)
		c.Page, c.Finish = ptr("p7"), nil
		c.Seen = &ledger.Observation{ReadFrom: s.now, Via: "read", Hash: "h"}
		s.commit(c)
		old := s.aging(ledger.Age{})
		future := old.Age
		future.Count, future.Mark = 40, "of-the-future"
		found := s.aging(future)
		s.equal("found", []any{found.Verdict, found.Age.Count}, []any{ledger.AgeRestored, int64(41)})
		again := s.aging(future) // another process that knew the same
		s.equal("again", []any{again.Verdict, again.Age.Count}, []any{ledger.AgeSame, int64(42)})
		pauses, err := s.Pauses(ctx(s), "acme")
		s.ok(err)
		if len(pauses) != 1 || pauses[0].Kind != ledger.PauseRestored || pauses[0].Sync != "acme" || pauses[0].Reason == "" {
			s.Fatalf("pauses: %+v", pauses)
		}
		alerts, err := s.Outbox(ctx(s), "acme", 10)
		s.ok(err)
		if len(alerts) != 1 || !alerts[0].Critical || alerts[0].Kind != ledger.PauseRestored {
			s.Fatalf("alerts: %+v", alerts)
		}
		l := s.key("7")
		if l.Seq != it.Link.Seq+1+ledger.SeqLeap || l.Seen == nil || l.Seen.Seq == l.Seq || !l.GotAt.Equal(s.now) {
			s.Errorf("the link did not leap: %+v", l)
		}
		s.none(ledger.Notion)
		claim := s.claim(ledger.Notion, 10)
		claim.Connector = ledger.PlanConnector
		items, err := s.Take(ctx(s), claim)
		s.ok(err)
		if len(items) != 1 || items[0].Works[0].Xid != 0 {
			s.Fatalf("a plan takes %+v", items)
		}
		write := s.step(items[0])
		write.Writes = []ledger.Write{{Side: ledger.Notion, Op: "update", New: change.Image{"phone": change.NullValue()}, Why: "cdc"}}
		s.is(s.Commit(ctx(s), write), ledger.ErrPaused)
		write.Connector = ledger.PlanConnector
		s.commit(write)
	}},
	{"two that went on from one backup are told apart", func(s *stage) {
		one := s.aging(ledger.Age{}).Age
		one.Mark = "the other's"
		s.equal("verdict", s.aging(one).Verdict, ledger.AgeRestored)
	}},
	{"a failover that lost nothing stops nothing", func(s *stage) {
		was := s.aging(ledger.Age{}).Age
		was.Timeline, was.System = was.Timeline-1, "another"
		s.equal("verdict", s.aging(was).Verdict, ledger.AgeMoved)
		pauses, err := s.Pauses(ctx(s), "acme")
		s.ok(err)
		s.equal("paused", len(pauses), 0)
	}},
}
