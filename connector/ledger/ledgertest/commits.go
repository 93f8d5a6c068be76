package ledgertest

import (
	"errors"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

func ptr[T any](v T) *T { return &v }

var commitStories = []story{
	{"a link may be in every state there is", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		for _, state := range []ledger.State{
			ledger.Live, ledger.OutOfScope, ledger.Trashed, ledger.PageTrashed, ledger.RowDeleted, ledger.Vanished, ledger.Half,
		} {
			c := s.step(it)
			c.State = ptr(state)
			s.commit(c)
			s.equal("state", s.key("7").State, state)
		}
	}},
	{"a newer reason while leased keeps the work due", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		s.add(row("7"))
		c := s.done(it, ledger.Notion)
		c.Finish.Later, c.Finish.Failed = s.now.Add(time.Hour), true // the failure was of the older look
		s.commit(c)
		w := s.one(ledger.Notion).Works[0]
		s.equal("failures", w.Attempts, 1)
		s.equal("version", w.Version, int64(2))
	}},
	{"a newer reason that is to settle is due at once after a stale finish", func(s *stage) {
		r := row("7")
		r.NotBefore = s.now.Add(time.Hour)
		s.add(r)
		c := s.claim(ledger.Notion, 1)
		c.Link = s.key("7").ID
		items, err := s.Take(ctx(s), c)
		s.ok(err)
		s.add(r)
		s.commit(s.done(items[0], ledger.Notion))
		s.one(ledger.Notion)
	}},
	{"finished work is gone, and a version never comes back", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		c := s.done(it, ledger.Notion)
		c.Release = false
		s.commit(c)
		s.equal("left", len(s.tallies()), 0)
		s.add(row("7"))
		s.commit(s.done(it, ledger.Notion)) // finishes what is finished, not the new work
		s.one(ledger.Notion)
	}},
	{"work for later counts failures only if it failed", func(s *stage) {
		s.add(row("7"))
		for i, failed := range []bool{true, true, false} {
			it := s.one(ledger.Notion)
			s.equal("failures", it.Works[0].Attempts, i)
			c := s.done(it, ledger.Notion)
			c.Finish.Later, c.Finish.Failed = s.now.Add(time.Minute), failed
			s.commit(c)
			s.none(ledger.Notion)
			s.pass(time.Minute)
		}
		s.equal("failures", s.one(ledger.Notion).Works[0].Attempts, 2)
	}},
	{"a reason in the commit that finishes makes new work", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		s.pass(time.Second)
		c := s.done(it, ledger.Notion)
		c.Reasons = []ledger.Reason{{Link: it.Link.ID, Side: ledger.Notion, Why: "reread"}, row("8")}
		s.commit(c)
		items := s.take(ledger.Notion, 10)
		s.equal("links", len(items), 2)
		s.equal("first seen", items[0].Works[0].FirstSeen, s.now)
	}},
	{"everything of a commit reads back", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		c := s.step(it)
		c.Page, c.External, c.Emitted = ptr("p7"), "ext-7", ptr("h1")
		b := base("Ann")
		b.Sent = &ledger.Sent{Side: ledger.Notion, Sent: change.DecimalValue("1.10"), Got: change.NullValue()}
		b.Back = true
		b.Flips, b.Before = []time.Time{s.now, s.now.Add(time.Second)}, change.TextSet("a", "b")
		c.Base = map[string]ledger.FieldBase{"name": b, "phone": base("1")}
		c.Intent = &ledger.Intent{Kind: ledger.IntentCreate, Again: true, Ended: true, Values: change.Image{"name": change.TextValue("Ann")}, Bases: change.Image{"tags": change.TextSet("a")}, ReadFrom: s.now, At: s.now.Add(time.Nanosecond)}
		c.WroteAt = s.now.Add(1500 * time.Nanosecond)
		c.Seen = s.read(0, "Ann")
		c.Seen.Via, c.Seen.Hints = "read", map[string]time.Time{"b": s.now}
		s.commit(c)
		got := s.key("7")
		b.NotionSeen = b.NotionSeen.Truncate(time.Microsecond)
		one := base("1")
		one.NotionSeen = one.NotionSeen.Truncate(time.Microsecond)
		seen := s.read(2, "Ann")
		seen.Via, seen.Hints, seen.Properties = "read", c.Seen.Hints, []byte(`{"b":{"title":"Ann"},"a":[1.10,"\u003c\u0026\u003e"]}`)
		s.equal("link", got, ledger.Link{
			ID: it.Link.ID, Sync: "acme", Entity: "contact", Key: "7", Page: "p7", External: "ext-7", State: ledger.Live, Seq: 2, Epoch: 1,
			Base: map[string]ledger.FieldBase{"name": b, "phone": one}, Seen: seen,
			Intent:  &ledger.Intent{Kind: ledger.IntentCreate, Again: true, Ended: true, Values: c.Intent.Values, Bases: c.Intent.Bases, ReadFrom: s.now, At: s.now},
			WroteAt: s.now.Add(time.Microsecond), ReadAt: s.now, Emitted: "h1",
		})
		c = s.step(it)
		c.Unbase, c.Base = []string{"phone", "name", "nothing"}, map[string]ledger.FieldBase{"name": base("Bob")}
		c.Unsee, c.Intended, c.State = true, true, ptr(ledger.OutOfScope)
		s.commit(c)
		got = s.key("7")
		s.equal("values", got.Values(), change.Image{"name": change.TextValue("Bob")})
		s.equal("state", got.State, ledger.OutOfScope)
		if got.Seen != nil || got.Intent != nil {
			s.Fatalf("left: %+v %+v", got.Seen, got.Intent)
		}
	}},
	{"text that PostgreSQL cannot hold as text is kept as Notion gave it", func(s *stage) {
		l := s.live("7", "p7")
		r := page("p7")
		r.Seen = s.read(l.Seq, "x")
		r.Seen.Properties = []byte(`{"a":"nul \u0000, lone \ud800"}`)
		s.add(r)
		s.equal("properties", string(s.page("p7").Seen.Properties), `{"a":"nul \u0000, lone \ud800"}`)
	}},
	{"what has no stored form is refused whole", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		for _, bad := range []func(*ledger.Commit){
			func(c *ledger.Commit) { c.Base = map[string]ledger.FieldBase{"name": {}} },
			func(c *ledger.Commit) { c.Writes = []ledger.Write{{Side: ledger.CRM, New: change.Image{"name": {}}}} },
			func(c *ledger.Commit) { c.Conflicts = []ledger.Conflict{{ID: "c", Field: "name"}} },
			func(c *ledger.Commit) { c.Alerts = []ledger.Alert{{}} },
			func(c *ledger.Commit) { c.Reasons = []ledger.Reason{{}} },
		} {
			c := s.done(it, ledger.Notion)
			bad(&c)
			if err := s.Commit(ctx(s), c); err == nil {
				s.Fatalf("accepted %+v", c)
			}
		}
		s.commit(s.done(it, ledger.Notion))
	}},
	{"an end belongs to one link", func(s *stage) {
		s.live("7", "p7")
		s.add(row("8"))
		it := s.one(ledger.Notion)
		for _, c := range []ledger.Commit{{Page: ptr("p7")}, {Key: ptr("7")}, {External: s.key("7").External}} {
			c.Link, c.Epoch, c.Now, c.Base = it.Link.ID, it.Link.Epoch, s.now, map[string]ledger.FieldBase{"name": base("x")}
			s.is(s.Commit(ctx(s), c), ledger.ErrTaken)
		}
		s.equal("nothing was stored", len(s.key("8").Base), 0)
		c := s.done(it, ledger.Notion)
		c.Key = ptr("")
		c.Page = ptr("p8")
		s.commit(c)
		s.equal("an end taken away", s.page("p8").Key, "")
	}},
	{"two halves become one link", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		r := page("p7")
		r.Seen = s.read(0, "Ann")
		s.add(r)
		half := s.page("p7")
		s.ok(s.SetEmitted(ctx(s), "acme", "contact", map[string]ledger.Emission{"p7": {Hash: "h"}}))
		c := s.done(it, ledger.Notion)
		c.Page = ptr("p7")
		s.is(s.Commit(ctx(s), c), ledger.ErrTaken)
		c.Absorb = half.ID
		s.commit(c)
		l := s.key("7")
		s.equal("link", []any{l.ID, l.Page, l.State, l.Emitted, l.External}, []any{it.Link.ID, "p7", ledger.Live, "h", it.Link.External})
		if l.Seq <= half.Seq || l.Seen == nil || l.Seen.Seq != l.Seq {
			s.Fatalf("the observation did not come along as the newest: %+v", l)
		}
		s.equal("its work came along", s.one(ledger.CRM).Link.ID, l.ID)
		s.none(ledger.Notion)
	}},
	{"only a bare half link is absorbed, and no end is lost", func(s *stage) {
		live := s.live("7", "p7")
		s.add(row("8"), row("9"), page("p9"))
		it := s.take(ledger.Notion, 1)[0]
		writing := s.one(ledger.CRM)
		c := s.step(writing)
		c.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, At: s.now}
		s.commit(c)
		for why, other := range map[string]int64{
			"live": live.ID, "itself": it.Link.ID, "its key would be lost": s.key("9").ID, "has an intent": writing.Link.ID, "unknown": 4711,
		} {
			c := s.step(it)
			c.Absorb = other
			if err := s.Commit(ctx(s), c); !errors.Is(err, ledger.ErrTaken) {
				s.Errorf("absorbed a link (%s): %v", why, err)
			}
		}
		c = s.step(writing)
		c.Intended = true
		s.commit(c)
		c = s.done(it, ledger.Notion)
		c.Absorb = writing.Link.ID
		s.commit(c)
	}},
	{"a removed half link takes its work along", func(s *stage) {
		s.add(row("7"))
		c := s.done(s.one(ledger.Notion), ledger.Notion)
		c.Remove = true
		c.Holds = []ledger.Hold{{Kind: "create", Reason: "because", At: s.now}}
		s.commit(c)
		if _, ok := s.findKey("7"); ok {
			s.Fatal("the link is still there")
		}
		s.is(s.Commit(ctx(s), c), ledger.ErrFenced)
		s.equal("left", len(s.tallies()), 0)
	}},
	{"a link is not removed over a newer reason", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		s.add(row("7"))
		c := s.done(it, ledger.Notion)
		c.Remove = true
		s.commit(c)
		s.equal("still there", s.one(ledger.Notion).Link.ID, it.Link.ID)
	}},
	{"a lookup hands out nothing that a caller could spoil", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		c := s.step(it)
		c.Base = map[string]ledger.FieldBase{"name": base("Ann")}
		s.commit(c)
		c.Base["name"] = base("spoilt")
		s.key("7").Base["name"] = base("spoilt")
		s.equal("value", s.key("7").Values(), change.Image{"name": change.TextValue("Ann")})
	}},
}
