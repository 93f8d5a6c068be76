package ledgertest

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

var pollerStories = []story{
	{"the poller remembers what it emitted, and pages without a link get a half one", func(s *stage) {
		l := s.live("7", "p7")
		s.ok(s.SetEmitted(ctx(s), "acme", "contact", map[string]ledger.Emission{"p7": {Hash: "h7"}, "p8": {Hash: "h8"}}))
		s.ok(s.SetEmitted(ctx(s), "acme", "contact", nil))
		got, err := s.Emitted(ctx(s), "acme", "contact", []string{"p7", "p8", "p9"})
		s.ok(err)
		s.equal("emitted", got, map[string]ledger.Emitted{
			"p7": {Page: "p7", Known: true, Entity: "contact", Hash: "h7", Seq: l.Seq}, "p8": {Page: "p8", Known: true, Entity: "contact", Hash: "h8"}, "p9": {Page: "p9"},
		})
		pages, err := s.Pages(ctx(s), "acme", "contact", "p7", 10)
		s.ok(err)
		s.equal("pages", pages, []string{"p8"})
		s.equal("no work", len(s.tallies()), 0)
	}},
	{"the poller is told of a write under way, and of its own reads", func(s *stage) {
		l := s.live("7", "p7")
		told := func() ledger.Emitted {
			got, err := s.Emitted(ctx(s), "acme", "contact", []string{"p7"})
			s.ok(err)
			return got["p7"]
		}
		s.equal("nothing under way", told().Writing, time.Time{})
		s.add(row("7"))
		it := s.one(ledger.Notion)
		s.equal("a lease alone is no write", told().Writing, time.Time{})
		c := s.step(it)
		c.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, At: s.now}
		s.commit(c)
		s.equal("under way until the lease ends", told().Writing, s.now.Add(time.Minute))
		c = s.step(it)
		c.Release = true
		s.commit(c)
		s.equal("its outcome is unknown, and nobody is at it", told().Writing, time.Time{})

		at := s.now.Add(1500 * time.Nanosecond)
		s.ok(s.SetEmitted(ctx(s), "acme", "contact", map[string]ledger.Emission{"p7": {Hash: "h7", GotAt: at}}))
		s.equal("its own read", []any{told().Hash, told().ReadAt}, []any{"h7", s.now.Add(time.Microsecond)})
		s.ok(s.SetEmitted(ctx(s), "acme", "contact", map[string]ledger.Emission{"p7": {Hash: "h8"}}))
		s.equal("a row of a query is none", []any{told().Hash, told().ReadAt}, []any{"h8", s.now.Add(time.Microsecond)})
		links, err := s.ByID(ctx(s), []int64{l.ID})
		s.ok(err)
		s.equal("nor is it a sink's", links[l.ID].ReadAt, time.Time{})
	}},
	{"one leads, and an old leader's cursor is fenced", func(s *stage) {
		lead := func(holder string) (ledger.Fence, bool) {
			f, ok, err := s.Lead(ctx(s), "poll", holder, s.now, time.Minute)
			s.ok(err)
			return f, ok
		}
		none, err := s.Cursor(ctx(s), "poll")
		s.ok(err)
		s.equal("no cursor", none, json.RawMessage(nil))
		first, ok := lead("a")
		s.equal("leads", ok, true)
		s.ok(s.SaveCursor(ctx(s), "poll", first, []byte(`{"at": "10:00"}`)))
		_, ok = lead("b")
		s.equal("waits", ok, false)
		s.pass(59 * time.Second)
		again, ok := lead("a")
		s.equal("renews", []any{again, ok}, []any{first, true})
		s.pass(59 * time.Second)
		_, ok = lead("b")
		s.equal("waits", ok, false)
		s.pass(time.Second)
		second, ok := lead("b")
		s.equal("takes over", []any{second > first, ok}, []any{true, true})
		s.is(s.SaveCursor(ctx(s), "poll", first, []byte(`{"at": "09:00"}`)), ledger.ErrFenced)
		got, err := s.Cursor(ctx(s), "poll")
		s.ok(err)
		s.equal("cursor", string(got), `{"at": "10:00"}`)
		s.ok(s.SaveCursor(ctx(s), "poll", second, []byte(`1`)))
		s.ok(s.SaveCursor(ctx(s), "poll/contact", second, []byte(`2`))) // a cursor of another name knows fences by what was saved
		s.is(s.SaveCursor(ctx(s), "poll/contact", first, []byte(`3`)), ledger.ErrFenced)
		if err := s.SaveCursor(ctx(s), "poll", second, []byte(`{`)); err == nil {
			s.Fatal("saved what is not JSON")
		}
	}},
	{"schema and mapping of an entity", func(s *stage) {
		_, ok, err := s.Schema(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("missing", ok, false)
		hash, err := s.Mapping(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("missing", hash, "")
		s.ok(s.SetMapping(ctx(s), "acme", "contact", "m1"))
		_, ok, err = s.Schema(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("still missing", ok, false)
		want := ledger.Schema{
			Workspace: "w", Database: "d", DataSource: "s", External: "x", Properties: map[string]string{"name": "title"},
			Types: map[string]string{"name": "title"}, Parked: map[string]string{"phone": "renamed"},
		}
		s.ok(s.SaveSchema(ctx(s), "acme", "contact", want))
		got, ok, err := s.Schema(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("schema", []any{got, ok}, []any{want, true})
		hash, err = s.Mapping(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("mapping", hash, "m1")
	}},
}

var budgetStories = []story{
	{"no 60 seconds and a network's second hold more requests than the rate, and nearly all of it is used", func(s *stage) {
		const rate = 180
		var at []time.Time
		for s.now.Before(start.Add(5 * time.Minute)) {
			n, wait := s.grant(ledger.LaneLive, 10, rate)
			for range n {
				at = append(at, s.now)
			}
			if n == 0 {
				s.pass(wait)
			}
		}
		for i := rate; i < len(at); i++ {
			if d := at[i].Sub(at[i-rate]); d < time.Minute+time.Second {
				s.Fatalf("%d requests within %v", rate+1, d)
			}
		}
		if len(at) < 5*rate*96/100 {
			s.Fatalf("only %d requests in 5 minutes", len(at))
		}
		for i := 3; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap > 400*time.Millisecond {
				s.Fatalf("a gap of %v: not spent evenly", gap)
			}
		}
	}},
	{"live goes first: backfill gets nothing while live demand is unmet", func(s *stage) {
		n, _ := s.grant(ledger.LaneBackfill, 100, 60)
		s.equal("backfill", n, 1)
		n, _ = s.grant(ledger.LaneLive, 1, 60)
		s.equal("live is refused", n, 0)
		s.pass(900 * time.Millisecond)
		n, wait := s.grant(ledger.LaneBackfill, 1, 60)
		s.equal("backfill is held back", []any{n, wait >= 100*time.Millisecond}, []any{0, true})
		s.pass(150 * time.Millisecond)
		n, _ = s.grant(ledger.LaneLive, 1, 60)
		s.equal("live", n, 1)
		s.pass(1100 * time.Millisecond)
		n, _ = s.grant(ledger.LaneBackfill, 1, 60)
		s.equal("backfill goes on once live has what it wanted", n, 1)
	}},
	{"live goes first where requests are far apart, and after a pause", func(s *stage) {
		for _, pause := range []time.Duration{0, time.Hour} {
			if s.grant(ledger.LaneBackfill, 1, 6); pause > 0 {
				s.ok(s.Pause(ctx(s), "secret", s.now.Add(pause)))
			}
			_, wait := s.grant(ledger.LaneLive, 1, 6)
			s.pass(wait)
			if n, _ := s.grant(ledger.LaneBackfill, 1, 6); n > 0 {
				s.Fatalf("after %v backfill has the request that live waits for", wait)
			}
			n, _ := s.grant(ledger.LaneLive, 1, 6)
			s.equal("live", n, 1)
			s.pass(time.Minute)
		}
	}},
	{"live never ends, and backfill has one request in twenty or so", func(s *stage) {
		var live, backfill int
		for range 5 * 60 * 100 { // a hundredth of a second each; both lanes ask all the time, backfill last
			n, _ := s.grant(ledger.LaneLive, 3, 180)
			live += n
			n, _ = s.grant(ledger.LaneBackfill, 3, 180)
			backfill += n
			s.pass(10 * time.Millisecond)
		}
		if all := live + backfill; backfill < all/40 || backfill > all/15 || all < 5*170 {
			s.Fatalf("%d of %d requests are backfill's", backfill, all)
		}
	}},
	{"waiting as told is enough, and not too long", func(s *stage) {
		for range 20 {
			n, wait := s.grant(ledger.LaneLive, 1, 70)
			if n == 1 {
				continue
			}
			before := s.now
			s.pass(wait - 10*time.Microsecond)
			if n, _ := s.grant(ledger.LaneBackfill, 1, 70); n != 0 {
				s.Fatalf("granted %v early", s.now.Sub(before))
			}
			s.pass(10 * time.Microsecond)
			if n, _ := s.grant(ledger.LaneLive, 1, 70); n != 1 {
				s.Fatalf("nothing after %v", wait)
			}
		}
	}},
	{"a pause stops everybody with that token, and a shorter one does not end it", func(s *stage) {
		s.ok(s.Pause(ctx(s), "secret", s.now.Add(30*time.Second)))
		s.ok(s.Pause(ctx(s), "secret", s.now.Add(10*time.Second)))
		n, wait := s.grant(ledger.LaneLive, 1, 180)
		s.equal("granted", n, 0)
		if wait < 30*time.Second || wait > 30*time.Second+time.Millisecond {
			s.Fatalf("wait is %v", wait)
		}
		got, _, err := s.Grant(ctx(s), "another", ledger.LaneLive, 1, 180, s.now)
		s.ok(err)
		s.equal("another token", got, 1)
		s.pass(wait)
		n, _ = s.grant(ledger.LaneLive, 1, 180)
		s.equal("granted", n, 1)
	}},
	{"processes share one budget", func(s *stage) {
		var total atomic.Int32
		together(6, func(int) {
			n, _, err := s.Grant(ctx(s), "secret", ledger.LaneLive, 4, 600, s.now)
			if err != nil {
				s.Error(err)
			}
			total.Add(int32(n))
		})
		s.equal("granted at once", int(total.Load()), 10)
	}},
	{"a rate of nothing is an error", func(s *stage) {
		for _, rate := range []int{0, -1} {
			if _, _, err := s.Grant(ctx(s), "secret", ledger.LaneLive, 1, rate, s.now); err == nil {
				s.Fatal(fmt.Sprint("accepted ", rate))
			}
		}
	}},
}

func (s *stage) grant(lane ledger.Lane, want, rate int) (int, time.Duration) {
	s.Helper()
	n, wait, err := s.Grant(ctx(s), "secret", lane, want, rate, s.now)
	s.ok(err)
	return n, wait
}
