package ledgertest

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

var reasonStories = []story{
	{"a reason for an unknown row makes a half link with an external id", func(s *stage) {
		s.add(row("7"))
		l := s.key("7")
		if l.External == "" || l.Page != "" || l.State != ledger.Half || l.Seq != 0 || l.Epoch != 0 {
			s.Fatalf("unexpected link %+v", l)
		}
		byExternal, err := s.ByExternal(ctx(s), "acme", []string{l.External, "nobody's"})
		s.ok(err)
		s.equal("by external id", byExternal, map[string]ledger.Link{l.External: l})
		byID, err := s.ByID(ctx(s), []int64{l.ID, 999999})
		s.ok(err)
		s.equal("by id", byID, map[int64]ledger.Link{l.ID: l})
	}},
	{"reasons for one link and side become one work row", func(s *stage) {
		early := row("7")
		early.Lane, early.Rank, early.Xid, early.CommitAt, early.Why = ledger.LaneBackfill, 1, 500, s.now.Add(-2*time.Second), "snapshot"
		s.add(early)
		first := s.now
		s.pass(time.Second)
		late := row("7")
		late.Xid, late.CommitAt, late.Deleted, late.Rank = 400, s.now, true, 2
		older := row("7")
		older.Xid, older.CommitAt, older.Rank = 600, s.now.Add(-time.Minute), 2
		s.add(late, older)
		it := s.one(ledger.Notion)
		s.equal("work", it.Works, []ledger.Work{{
			Side: ledger.Notion, Lane: ledger.LaneLive, Rank: 2, Why: "cdc", FirstSeen: first, CommitAt: late.CommitAt, Xid: 400, Also: "500 600",
			Deleted: true, NotBefore: first, Version: 3,
		}})
	}},
	{"transactions are ordered by commit, not by number: numbers begin anew after four thousand million", func(s *stage) {
		a, b := row("7"), row("7")
		a.Xid, a.CommitAt = 4294967290, s.now
		b.Xid, b.CommitAt = 5, s.now.Add(time.Millisecond)
		s.add(a, b)
		s.equal("newest", s.one(ledger.Notion).Works[0].Xid, uint32(5))
	}},
	{"the earliest time to look wins, so that steady reasons cannot starve a link", func(s *stage) {
		r := row("7")
		r.NotBefore = s.now.Add(200 * time.Millisecond)
		s.add(r)
		s.none(ledger.Notion)
		s.pass(150 * time.Millisecond)
		r.NotBefore = s.now.Add(200 * time.Millisecond)
		s.add(r)
		s.pass(50 * time.Millisecond)
		s.one(ledger.Notion)
	}},
	{"a new reason frees parked work with a fresh count of failures", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		c := s.done(it, ledger.Notion)
		c.Finish.Parked = "a select value with a comma"
		s.commit(c)
		s.pass(time.Hour)
		s.none(ledger.Notion)
		s.add(row("7"))
		w := s.one(ledger.Notion).Works[0]
		if w.Parked != "" || w.Attempts != 0 {
			s.Fatalf("work is %+v", w)
		}
	}},
	{"a reason by link id needs no names, and one for a link that is gone is dropped", func(s *stage) {
		l := s.live("7", "p7")
		s.add(ledger.Reason{Link: l.ID, Side: ledger.CRM, Why: "relation"}, ledger.Reason{Link: l.ID + 1000, Side: ledger.CRM, Why: "relation"})
		it := s.one(ledger.CRM)
		s.equal("link", it.Link.ID, l.ID)
		s.equal("a reason without a lane is live", it.Works[0].Lane, ledger.LaneLive)
	}},
	{"one bad reason refuses the batch", func(s *stage) {
		for _, bad := range []ledger.Reason{
			{}, {Side: "left", Link: 1}, {Side: ledger.CRM, Sync: "acme", Entity: "contact"}, {Side: ledger.CRM, Key: "1"},
			{Side: ledger.CRM, Link: 1, Lane: "fast"}, {Side: ledger.CRM, Link: 1, Seen: &ledger.Observation{Properties: []byte("{")}},
		} {
			if err := s.Add(ctx(s), s.now, []ledger.Reason{row("7"), bad}); err == nil {
				s.Fatalf("accepted %+v", bad)
			}
		}
		if _, ok := s.findKey("7"); ok {
			s.Fatal("a refused batch left a link behind")
		}
	}},
	{"thousands of reasons in one call", func(s *stage) {
		var many []ledger.Reason
		for i := range 3000 {
			many = append(many, row(fmt.Sprint(i%1500)), page(fmt.Sprint("p", i)))
		}
		s.add(many...)
		var due []int
		for _, t := range s.tallies() {
			due = append(due, t.Due)
		}
		s.equal("crm and notion work", due, []int{3000, 1500})
	}},
	{"an observation under the link's seq is stored", func(s *stage) {
		l := s.live("7", "p7")
		r := page("p7")
		r.Seen = s.read(l.Seq, "Ann")
		s.add(r)
		got := s.page("p7")
		s.equal("seq", got.Seq, l.Seq+1)
		s.equal("the observation's seq is the link's new one", got.Seen.Seq, got.Seq)
		s.equal("properties", string(got.Seen.Properties), `{"b":{"title":"Ann"},"a":[1.10,"\u003c\u0026\u003e"]}`)
		s.equal("a poll is no read of the page", got.ReadAt, time.Time{})
		s.equal("work", s.one(ledger.CRM).Works[0].Why, "poll")
	}},
	{"an observation under another seq is dropped, and the page read again", func(s *stage) {
		l := s.live("7", "p7")
		r := page("p7")
		r.Seen = s.read(l.Seq, "Ann")
		s.add(r)
		s.pass(time.Second)
		r.Seen = s.read(l.Seq, "Bob") // its read may have begun before Ann's
		s.add(r)
		s.equal("stored", s.page("p7").Seen.Hash, "hash of Ann")
		w, ok := s.one(ledger.Notion).Work(ledger.Notion)
		s.equal("reread", []any{w.Why, ok}, []any{"reread", true})
	}},
	{"the stored observation, replayed, asks for no second read", func(s *stage) {
		l := s.live("7", "p7")
		r := page("p7")
		r.Seen = s.read(l.Seq, "Ann")
		s.add(r, r)
		s.add(r)
		s.none(ledger.Notion)
		s.equal("versions", s.one(ledger.CRM).Works[0].Version, int64(4))
	}},
	{"nobody stores an observation under a worker's feet", func(s *stage) {
		l := s.live("7", "p7")
		s.add(row("7"))
		it := s.one(ledger.Notion)
		r := page("p7")
		r.Seen = s.read(l.Seq, "Ann")
		s.add(r)
		if seen := s.page("p7").Seen; seen != nil {
			s.Fatalf("stored %+v while the link was leased", seen)
		}
		s.commit(s.done(it, ledger.Notion))
		s.equal("the page is read again", s.one(ledger.Notion).Works[0].Why, "reread")
	}},
	{"a rekey moves the link, once", func(s *stage) {
		l := s.live("7", "p7")
		r := row("7")
		r.NewKey, r.Why = "8", "rekey"
		s.add(r)
		s.equal("moved", s.key("8").ID, l.ID)
		s.add(r) // replayed
		s.equal("still there", s.key("8").ID, l.ID)
		if _, ok := s.findKey("7"); ok {
			s.Fatal("the old key has a link")
		}
		s.equal("work", s.one(ledger.Notion).Works[0].Why, "rekey")
	}},
	{"a chain of rekeys in one batch, with rows coming anew under freed keys", func(s *stage) {
		a, b := s.live("a", "pa"), s.live("b", "pb")
		toC, toB := row("b"), row("a")
		toC.NewKey, toB.NewKey = "c", "b"
		s.add(toC, toB, row("a"))
		s.equal("links", []int64{s.key("c").ID, s.key("b").ID}, []int64{b.ID, a.ID})
		s.equal("a new row", s.key("a").State, ledger.Half)
	}},
	{"a rekey takes in the new key's own half link", func(s *stage) {
		l := s.live("7", "p7")
		s.add(row("8"))
		r := row("7")
		r.NewKey = "8"
		s.add(r)
		it := s.one(ledger.Notion)
		s.equal("one link", []any{it.Link.ID, it.Link.Key, it.Link.Page}, []any{l.ID, "8", "p7"})
	}},
	{"a half link whose new key has a live link goes into that", func(s *stage) {
		l := s.live("8", "p8")
		r := row("7")
		s.add(r)
		r.NewKey = "8"
		s.add(r)
		s.equal("one link", s.one(ledger.Notion).Link.ID, l.ID)
		if _, ok := s.findKey("7"); ok {
			s.Fatal("the half link is still there")
		}
	}},
	{"a rekey onto another live link is held", func(s *stage) {
		a, b := s.live("7", "p7"), s.live("8", "p8")
		r := row("7")
		r.NewKey = "8"
		s.add(r)
		s.equal("both stay", []int64{s.key("7").ID, s.key("8").ID}, []int64{a.ID, b.ID})
		holds, err := s.Holds(ctx(s), a.ID)
		s.ok(err)
		if len(holds) != 1 || holds[0].Kind != "rekey" {
			s.Fatalf("holds are %+v", holds)
		}
		alerts, err := s.Outbox(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("alerts", len(alerts), 1)
		s.equal("both are looked at", len(s.take(ledger.Notion, 10)), 2)
	}},
	{"keys are listed in byte order", func(s *stage) {
		s.add(row("b"), row("Z"), row("é"), row("a"), row("10"), row("9"))
		keys, err := s.Keys(ctx(s), "acme", "contact", "", 4)
		s.ok(err)
		rest, err := s.Keys(ctx(s), "acme", "contact", keys[len(keys)-1], 10)
		s.ok(err)
		s.equal("keys", slices.Concat(keys, rest), []string{"10", "9", "Z", "a", "b", "é"})
	}},
}
