package ledgertest

import (
	"encoding/json"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// writes opens a window on the live link 7: what is written to the page is announced.
func (s *stage) writes() (ledger.Item, ledger.Commit) {
	s.Helper()
	s.add(row("7"))
	it := s.one(ledger.Notion)
	c := s.step(it)
	c.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, Values: change.Image{"email": change.TextValue("a")}, ReadFrom: s.now, At: s.now, Properties: map[string]string{"e1": "email"}}
	s.commit(c)
	return it, s.done(it, ledger.Notion)
}

func (s *stage) windows(after time.Time) []ledger.Window {
	s.Helper()
	found, err := s.Windows(ctx(s), "acme", []string{"p7", "p8"}, after)
	s.ok(err)
	return found
}

var windowStories = []story{
	{"a conflict is told by a comment once, and tried again at its time", func(s *stage) {
		l := s.live("7", "p7")
		s.add(row("7"))
		c := s.done(s.one(ledger.Notion), ledger.Notion)
		told, quiet := conflict("c1", s.now), conflict("c2", s.now)
		told.Tell = true
		c.Conflicts = []ledger.Conflict{told, quiet}
		s.commit(c)
		due := func() []ledger.Comment {
			s.Helper()
			found, err := s.Comments(ctx(s), "acme", s.now, 10)
			s.ok(err)
			return found
		}
		s.equal("due", due(), []ledger.Comment{{Conflict: told, Link: l.ID, Entity: "contact", Key: "7", Page: "p7"}})
		s.ok(s.CommentTried(ctx(s), "c1", s.now.Add(time.Minute)))
		s.equal("later", len(due()), 0)
		s.pass(time.Minute)
		s.equal("again", due()[0].Attempts, 1)
		s.ok(s.CommentDone(ctx(s), "c1", "posted", s.now))
		s.equal("done", len(due()), 0)
	}},
	{"a write's window is open until its outcome is known", func(s *stage) {
		l := s.live("7", "p7")
		_, done := s.writes()
		open := ledger.Window{Link: l.ID, Sync: "acme", Entity: "contact", Key: "7", Page: "p7", Fields: map[string]string{"e1": "email"}, Opened: s.now}
		s.equal("open", s.windows(s.now.Add(time.Hour)), []ledger.Window{open})
		s.pass(time.Second)
		done.Intended, done.WroteAt = true, s.now
		done.Seen = &ledger.Observation{ReadFrom: s.now, ReadTo: s.now, Properties: json.RawMessage(`{"e1": {"email": "a"}, "n1": {}}`)}
		s.commit(done)
		open.Closed, open.Shown = s.now, map[string]json.RawMessage{"e1": json.RawMessage(`{"email":"a"}`)}
		s.equal("closed", s.windows(s.now.Add(-time.Minute)), []ledger.Window{open})
		s.equal("of long ago", len(s.windows(s.now)), 0)
		n, err := s.PruneWindows(ctx(s), s.now)
		s.ok(err)
		s.equal("forgotten", n, 1)
	}},
	{"a write that was not carried out has no window; one of unknown outcome is closed by a read", func(s *stage) {
		s.live("7", "p7")
		_, done := s.writes()
		done.Intended = true
		s.commit(done)
		s.equal("not carried out", len(s.windows(start)), 0)
		_, done = s.writes()
		s.commit(done) // nobody knows
		s.pass(time.Minute)
		s.equal("open", s.windows(s.now)[0].Closed, time.Time{})
		s.add(row("7"))
		c := s.done(s.one(ledger.Notion), ledger.Notion)
		c.Intended, c.Seen = true, &ledger.Observation{ReadFrom: s.now, ReadTo: s.now, Via: "read", Properties: json.RawMessage(`{}`)}
		s.commit(c)
		s.equal("closed", s.windows(start)[0].Closed, s.now)
	}},
	{"what webhooks tell of edits is kept once, for a while", func(s *stage) {
		first := ledger.Edit{Page: "p7", Properties: []string{"e1", "t"}, Authors: []string{"ada"}, At: s.now}
		second := ledger.Edit{Page: "p8", Properties: []string{"e1"}, Authors: []string{"ada", "bob"}, At: s.now.Add(time.Second)}
		for _, e := range []ledger.Edit{second, first, second} {
			s.ok(s.KeepEdit(ctx(s), "acme", e))
		}
		s.ok(s.KeepEdit(ctx(s), "other", first))
		kept := func(after time.Time) []ledger.Edit {
			s.Helper()
			found, err := s.KeptEdits(ctx(s), "acme", after)
			s.ok(err)
			return found
		}
		s.equal("kept", kept(s.now.Add(-time.Second)), []ledger.Edit{first, second})
		s.equal("later ones", kept(s.now), []ledger.Edit{second})
		_, err := s.PruneWindows(ctx(s), second.At)
		s.ok(err)
		s.equal("forgotten", kept(start.Add(-time.Hour)), []ledger.Edit{second})
	}},
	{"an intent that takes another's place closes its window with the read that shows what became of it", func(s *stage) {
		s.live("7", "p7")
		_, done := s.writes()
		s.commit(done) // nobody knows
		s.pass(time.Minute)
		s.add(row("7"))
		again := s.step(s.one(ledger.Notion))
		again.Settled = &ledger.Observation{ReadFrom: s.now, ReadTo: s.now, Properties: json.RawMessage(`{"e1": {"email": "a"}}`)}
		again.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, ReadFrom: s.now, At: s.now, Properties: map[string]string{"n1": "name"}}
		s.commit(again)
		found := s.windows(start)
		if len(found) != 2 || !found[0].Closed.Equal(s.now) || string(found[0].Shown["e1"]) != `{"email":"a"}` || !found[1].Closed.IsZero() {
			s.Fatalf("windows %+v", found)
		}
		s.equal("the read is not stored", s.page("p7").Seen == nil, true)
	}},
	{"an overwritten edit is listed and told once", func(s *stage) {
		l := s.live("7", "p7")
		o := ledger.Overwrite{Window: ledger.Window{Link: l.ID, Sync: "acme", Entity: "contact", Key: "7", Page: "p7", Opened: s.now, Closed: s.now.Add(time.Second)},
			Author: "ada", Fields: []string{"email"}, At: s.now}
		for range 2 {
			s.ok(s.Overwrote(ctx(s), []ledger.Overwrite{o}, s.now))
			s.pass(time.Second)
		}
		if told := s.waiting(); len(told) != 1 || told[0].Kind != "overwritten" || told[0].Field != "email" || told[0].ID != o.Name() {
			s.Fatalf("told %+v", told)
		}
	}},
	{"another field of the same window, of which the next webhook tells, is listed and told as well", func(s *stage) {
		l := s.live("7", "p7")
		o := ledger.Overwrite{Window: ledger.Window{Link: l.ID, Sync: "acme", Entity: "contact", Key: "7", Page: "p7", Opened: s.now, Closed: s.now.Add(time.Second)},
			Author: "ada", Fields: []string{"email"}, At: s.now}
		s.ok(s.Overwrote(ctx(s), []ledger.Overwrite{o}, s.now))
		o.Fields = []string{"email", "name"}
		for range 2 {
			s.ok(s.Overwrote(ctx(s), []ledger.Overwrite{o, o}, s.now))
		}
		if told := s.waiting(); len(told) != 2 || told[0].Field != "email" || told[1].Field != "name" {
			s.Fatalf("told %+v", told)
		}
	}},
	{"an overwritten edit is listed and not told again where the write's own conflict told of it", func(s *stage) {
		s.add(row("7"))
		it := s.one(ledger.Notion)
		c := s.done(it, ledger.Notion)
		found := conflict("c", s.now)
		c.Conflicts = []ledger.Conflict{found}
		s.commit(c)
		o := ledger.Overwrite{Window: ledger.Window{Link: it.Link.ID, Sync: "acme", Entity: "contact", Key: "7", Page: "p7", Opened: s.now, Closed: s.now.Add(time.Second)},
			Author: "ada", Fields: []string{found.Field}, At: s.now}
		s.ok(s.Overwrote(ctx(s), []ledger.Overwrite{o}, s.now))
		s.equal("told", len(s.waiting()), 0)
		o.Fields = []string{found.Field, "title"}
		s.ok(s.Overwrote(ctx(s), []ledger.Overwrite{o}, s.now))
		s.equal("told of what no conflict told", len(s.waiting()), 1)
	}},
}
