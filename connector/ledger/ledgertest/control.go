package ledgertest

import (
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

var blankPhones = ledger.Meter{Side: ledger.Notion, Op: ledger.OpBlank, Field: "phone"}

// written is a commit that records a write of a field, counted by a brake.
func (s *stage) written(it ledger.Item, m ledger.Meter, limit int) ledger.Commit {
	c := s.step(it)
	c.Writes = []ledger.Write{{Side: m.Side, Op: "update", New: change.Image{"phone": change.NullValue()}, Why: "cdc"}}
	c.Counts, c.Brakes = []ledger.Meter{m}, []ledger.Brake{{Meter: m, Max: limit, Window: time.Hour}}
	return c
}

// several makes links and takes them.
func (s *stage) several(keys ...string) []ledger.Item {
	s.Helper()
	for _, key := range keys {
		s.add(row(key))
	}
	items := s.take(ledger.Notion, len(keys))
	s.equal("taken", len(items), len(keys))
	return items
}

var controlStories = []story{
	{"the brake counts links, each once, while its window lasts", func(s *stage) {
		it := s.several("1", "2", "3")
		for range 5 { // tried again and again
			s.commit(s.written(it[0], blankPhones, 2))
		}
		s.pass(time.Minute)
		s.commit(s.written(it[1], blankPhones, 2))
		refused := s.written(it[2], blankPhones, 2)
		refused.Base = map[string]ledger.FieldBase{"phone": base("x")}
		s.is(s.Commit(ctx(s), refused), ledger.ErrBraked)
		s.equal("nothing was stored", len(s.key("3").Base), 0)
		other := blankPhones
		other.Field = "email"
		s.commit(s.written(it[2], other, 1))
		s.commit(s.written(it[1], blankPhones, 2)) // its own write is not another link's
		counts, err := s.Touched(ctx(s), "acme", "contact", it[0].Link.ID, s.now.Add(-time.Hour), 10, []ledger.Meter{other, blankPhones})
		s.ok(err)
		s.equal("counted", counts, []int{1, 1})
		counts, err = s.Touched(ctx(s), "acme", "contact", 0, s.now.Add(-time.Hour), 1, []ledger.Meter{blankPhones})
		s.ok(err)
		s.equal("no more than asked for", counts, []int{1})
		s.pass(time.Hour - time.Minute)
		s.commit(s.written(it[2], blankPhones, 2))
		s.ok(s.Forget(ctx(s), s.now))
		counts, err = s.Touched(ctx(s), "acme", "contact", 0, s.now.Add(-100*time.Hour), 10, []ledger.Meter{blankPhones})
		s.ok(err)
		s.equal("kept", counts, []int{1})
	}},
	{"a brake that holds is told once, until nothing is held", func(s *stage) {
		it := s.several("1", "2")
		held := func(i int, id string) ledger.Commit {
			c := s.step(it[i])
			c.Holds = []ledger.Hold{{Kind: "brake", Field: "phone", Side: ledger.Notion, Op: ledger.OpBlank, At: s.now, Reason: "too many", From: "+33\x00 1", Mark: "m"}}
			c.Tripped = []ledger.Tripped{{Meter: blankPhones, Alert: ledger.Alert{ID: id, Sync: "acme", Entity: "contact", At: s.now, Kind: "brake"}}}
			return c
		}
		s.commit(held(0, "a1"))
		s.commit(held(1, "a2"))
		braking, err := s.Braking(ctx(s), "acme", "contact", blankPhones, s.now)
		s.ok(err)
		s.equal("holds", braking, true)
		for i := range it {
			c := s.step(it[i])
			c.Unhold = []string{"brake/phone"}
			s.commit(c)
		}
		s.commit(held(1, "a3"))
		var ids []string
		alerts, err := s.Outbox(ctx(s), "acme", 10)
		s.ok(err)
		for _, a := range alerts {
			ids = append(ids, a.ID)
		}
		s.equal("told", ids, []string{"a1", "a3"})
	}},
	{"that a brake holds nothing any more is told once", func(s *stage) {
		it := s.several("1", "2")
		for i := range it {
			c := s.step(it[i])
			c.Holds = []ledger.Hold{{Kind: "brake", Field: "phone", Side: ledger.Notion, Op: ledger.OpBlank, At: s.now, Reason: "too many"}}
			c.Tripped = []ledger.Tripped{{Meter: blankPhones, Alert: ledger.Alert{ID: fmt.Sprint("a", i), Sync: "acme", Entity: "contact", At: s.now, Kind: "brake", State: blankPhones.Name(), Critical: true}}}
			s.commit(c)
		}
		s.issue(s.waiting()...)
		free := func(i int) {
			c := s.step(it[i])
			c.Unhold = []string{"brake/phone"}
			s.commit(c)
		}
		free(0)
		s.equal("one is held still", s.recovered(), 0)
		free(1)
		s.equal("none is", []int{s.recovered(), s.recovered()}, []int{1, 0})
		if over := s.waiting(); len(over) != 1 || over[0].Kind != ledger.AlertRecovered || !over[0].Critical {
			s.Fatalf("waiting: %+v", over)
		}
	}},
	{"a transaction's links are counted as they become reasons", func(s *stage) {
		touched := func(key string, xid uint32, deleted bool) ledger.Reason {
			r := row(key)
			r.Xid, r.CommitAt, r.Deleted = xid, s.now, deleted
			return r
		}
		s.add(touched("1", 7, false), touched("2", 7, true), touched("3", 8, false))
		s.add(touched("1", 7, false), touched("4", 7, false), touched("5", 7, false)) // the first is a replay
		got, err := s.Transaction(ctx(s), "acme", "contact", []uint32{8, 7})
		s.ok(err)
		s.equal("largest", got, ledger.Transaction{Xid: 7, Links: 4, Deletes: 1})
		got, err = s.Transaction(ctx(s), "acme", "contact", []uint32{8})
		s.ok(err)
		s.equal("one row", got, ledger.Transaction{})
	}},
	{"what people say of holds is written down, marked and made work of", func(s *stage) {
		it := s.several("1", "2", "3")
		for i := range it {
			c := s.done(it[i], ledger.Notion)
			c.Holds = []ledger.Hold{{Kind: "brake", Field: "phone", Side: ledger.Notion, Op: ledger.OpBlank, At: s.now.Add(time.Duration(i) * time.Second), Mark: fmt.Sprint(i)}}
			if i == 2 {
				c.Holds = append(c.Holds, ledger.Hold{Kind: "conflict", Field: "name", At: s.now, Mark: "c"}, ledger.Hold{Kind: "moved", At: s.now})
			}
			s.commit(c)
		}
		s.none(ledger.Notion)
		groups, err := s.HoldGroups(ctx(s), ledger.Selection{Sync: "acme"}, s.now, 2)
		s.ok(err)
		s.equal("groups", []any{len(groups), groups[0].Count, len(groups[0].Sample), groups[0].Oldest, groups[0].Sample[0].Key, groups[1].Kind, groups[2].Kind},
			[]any{3, 3, 2, s.now, "1", "conflict", "moved"})
		ruling := ledger.Ruling{Selection: ledger.Selection{Sync: "acme"}, Choice: ledger.Approve, By: "ada", Reason: "ok", At: s.now, Until: s.now.Add(time.Hour)}
		a, err := s.Rule(ctx(s), ruling)
		s.ok(err)
		s.equal("approved", a.Count, 3) // the conflict has no side that approving could mean, and a moved page no choice
		again, err := s.Rule(ctx(s), ruling)
		s.ok(err)
		s.equal("once", again.Count, 0)
		taken := s.take(ledger.Notion, 10)
		s.equal("work", len(taken), 3)
		h := taken[2].Holds[0]
		s.equal("marked", []any{h.Keep, h.Until, h.Approval, h.Mark, h.Chosen(s.now), h.Chosen(s.now.Add(time.Hour))}, []any{ledger.CRM, s.now.Add(time.Hour), a.ID, "2", true, false})
		// A turn that was under way when it was said holds the same anew: what was said is kept.
		c := s.step(taken[0])
		c.Holds = []ledger.Hold{{Kind: "brake", Field: "phone", Side: ledger.Notion, Op: ledger.OpBlank, At: s.now, Mark: "0"}}
		s.commit(c)
		// Of other values it is not.
		c = s.step(taken[1])
		c.Holds = []ledger.Hold{{Kind: "brake", Field: "phone", Side: ledger.Notion, Op: ledger.OpBlank, At: s.now, Mark: "other"}}
		s.commit(c)
		for i, want := range []ledger.Side{ledger.CRM, ""} {
			holds, err := s.Holds(ctx(s), taken[i].Link.ID)
			s.ok(err)
			s.equal("still said", holds[0].Keep, want)
		}
		keep := ruling
		keep.Selection.Kind, keep.Choice, keep.Keep, keep.At = "conflict", ledger.Keep, ledger.Notion, s.now.Add(time.Second)
		a, err = s.Rule(ctx(s), keep)
		s.ok(err)
		s.equal("kept", a.Count, 1)
		list, err := s.Approvals(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("written down", []any{len(list), list[0].Choice, list[0].Kind, list[1].Choice, list[1].By, list[1].Count}, []any{2, "keep notion", "conflict", "approve", "ada", 3})
	}},
	{"a pause stops what it covers, at once, and nothing else", func(s *stage) {
		it := s.several("1", "2")
		s.add(row("1"), row("2"))
		for i, p := range []ledger.Pausing{
			{}, {Sync: "acme"}, {Direction: "to_notion"}, {Connector: "sink"}, {Entity: "contact"}, {Entity: "contact", Key: "1"}, {Entity: "contact", Field: "phone"},
		} {
			p.By, p.Since = "ada", s.now
			s.ok(s.Suspend(ctx(s), p))
			c := s.written(it[0], blankPhones, 1000)
			c.Connector = "sink"
			s.is(s.Commit(ctx(s), c), ledger.ErrPaused)
			c = s.step(it[0])
			c.Connector, c.Base = "sink", map[string]ledger.FieldBase{"name": base(fmt.Sprint(i))}
			s.commit(c) // what writes nothing is not stopped
			pauses, err := s.Pauses(ctx(s), "acme")
			s.ok(err)
			s.equal("paused", len(pauses), 1)
			n, err := s.Resume(ctx(s), []int64{pauses[0].ID})
			s.ok(err)
			s.equal("resumed", n, 1)
			s.commit(s.written(it[0], blankPhones, 1000))
		}
		for _, p := range []ledger.Pausing{{Sync: "other"}, {Direction: "to_crm"}, {Connector: "another"}, {Entity: "task"}, {Entity: "contact", Key: "2"}, {Entity: "contact", Field: "email"}} {
			s.ok(s.Suspend(ctx(s), p))
		}
		s.commit(s.written(it[0], blankPhones, 1000))
	}},
	{"what is paused is not taken, and waits", func(s *stage) {
		s.add(row("1"), row("2"))
		pause := func(p ledger.Pausing) (undo func()) {
			s.ok(s.Suspend(ctx(s), p))
			return func() {
				pauses, err := s.Pauses(ctx(s), "acme")
				s.ok(err)
				_, err = s.Resume(ctx(s), []int64{pauses[0].ID})
				s.ok(err)
			}
		}
		for _, p := range []ledger.Pausing{{}, {Direction: "to_notion"}, {Entity: "contact"}, {Connector: "sink"}} {
			undo := pause(p)
			c := s.claim(ledger.Notion, 10)
			c.Connector = "sink"
			items, err := s.Take(ctx(s), c)
			s.ok(err)
			s.equal(fmt.Sprintf("taken under %+v", p), len(items), 0)
			undo()
		}
		undo := pause(ledger.Pausing{Entity: "contact", Key: "1"})
		s.equal("the other", s.one(ledger.Notion).Link.Key, "2")
		undo()
		undo = pause(ledger.Pausing{Entity: "contact", Field: "phone"})
		it := s.one(ledger.Notion)
		s.equal("without the field", it.Paused, []string{"phone"})
		c := s.done(it, ledger.Notion)
		c.Holds = []ledger.Hold{{Kind: "paused", Field: "phone", At: s.now}}
		s.commit(c)
		links, err := s.Awake(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("still paused", len(links), 0)
		undo()
		links, err = s.Awake(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("to go on", []any{len(links), links[0].Key}, []any{1, "1"})
	}},
}
