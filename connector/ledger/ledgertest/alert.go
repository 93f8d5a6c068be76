package ledgertest

import (
	"fmt"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// issue decides that alerts are told, each by itself, on the topic and to somebody.
func (s *stage) issue(alerts ...ledger.Alert) {
	s.Helper()
	var issues []ledger.Issue
	for _, a := range alerts {
		issues = append(issues, ledger.Issue{Alert: a})
	}
	s.ok(s.Issue(ctx(s), issues, []string{"topic", "somebody"}, s.now))
}

func (s *stage) deliveries(target string) []ledger.Alert {
	s.Helper()
	found, err := s.Deliveries(ctx(s), "acme", target, s.now, 100)
	s.ok(err)
	var alerts []ledger.Alert
	for _, d := range found {
		alerts = append(alerts, d.Alert)
	}
	return alerts
}

func (s *stage) waiting() []ledger.Alert {
	s.Helper()
	found, err := s.Waiting(ctx(s), "acme", 100)
	s.ok(err)
	return found
}

func (s *stage) recovered() int {
	s.Helper()
	n, err := s.Recover(ctx(s), "acme", s.now)
	s.ok(err)
	return n
}

var alertStories = []story{
	{"a target that does not take an alert keeps nobody else from it, and comes later", func(s *stage) {
		a, b := ledger.Alert{ID: "a", At: s.now, Sync: "acme", Kind: "x"}, ledger.Alert{ID: "b", At: s.now, Sync: "acme", Kind: "x"}
		s.ok(s.Raise(ctx(s), []ledger.Alert{a, b, a}))
		s.equal("waiting", s.waiting(), []ledger.Alert{a, b})
		s.issue(a, b)
		s.equal("waiting", len(s.waiting()), 0)
		s.ok(s.Delivered(ctx(s), "topic", []string{"a", "b"}, s.now))
		s.ok(s.Postpone(ctx(s), "somebody", "a", s.now.Add(time.Minute), "it answered 400"))
		s.equal("still due", s.deliveries("somebody"), []ledger.Alert{b})
		s.pass(time.Minute)
		due, err := s.Deliveries(ctx(s), "acme", "somebody", s.now, 1)
		s.ok(err)
		s.equal("again", due, []ledger.Delivery{{Alert: a, Attempts: 1}})
		s.ok(s.Delivered(ctx(s), "somebody", []string{"a", "b"}, s.now))
		s.equal("left", len(s.deliveries("somebody"))+len(s.deliveries("topic")), 0)
	}},
	{"a digest stands for its members, once", func(s *stage) {
		var all []ledger.Alert
		for i := range 3 {
			all = append(all, ledger.Alert{ID: fmt.Sprint("a", i), At: s.now, Sync: "acme", Entity: "contact", Kind: "conflict"})
		}
		s.ok(s.Raise(ctx(s), all))
		s.pass(time.Minute)
		issues := ledger.Group(s.waiting(), s.now, time.Minute, false)
		for range 2 { // the second time after a crash
			s.ok(s.Issue(ctx(s), issues, []string{"topic"}, s.now))
		}
		got := s.deliveries("topic")
		if len(got) != 1 || got[0].Count != 3 || got[0].ID != issues[0].Alert.ID {
			s.Fatalf("delivered: %+v", got)
		}
		left, err := s.Outbox(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("left", len(left), 1)
	}},
	{"a state of which the ledger knows nothing is told once, and so is its end", func(s *stage) {
		down := func() {
			s.Helper()
			s.ok(s.Raise(ctx(s), []ledger.Alert{{ID: "connector-x", At: s.now, Kind: ledger.AlertConnector, State: "x", Sync: "acme", Critical: true, Summary: "x does not run"}}))
		}
		end := func(sync, state string) int {
			s.Helper()
			n, err := s.End(ctx(s), sync, ledger.AlertConnector, state, s.now)
			s.ok(err)
			return n
		}
		down()
		down()
		s.equal("told", len(s.waiting()), 1)
		s.issue(s.waiting()...)
		s.equal("others'", []int{end("other", "x"), end("acme", "y")}, []int{0, 0})
		s.equal("ended", []int{end("acme", "x"), end("acme", "x")}, []int{1, 0})
		s.issue(s.waiting()...)
		s.pass(time.Minute)
		down()
		if again := s.waiting(); len(again) != 1 || again[0].ID == "connector-x" {
			s.Fatalf("it is down again: %+v", again)
		}
	}},
	{"the end of a state is told once, and the state again when it comes back", func(s *stage) {
		l := s.live("7", "p7")
		park := func() {
			s.Helper()
			s.add(row("7"))
			it := s.one(ledger.Notion)
			c := s.done(it, ledger.Notion)
			c.Finish.Parked = "too long"
			c.Holds = []ledger.Hold{{Kind: "conflict", Field: "email", Reason: "say which", At: s.now}}
			c.Alerts = []ledger.Alert{
				{ID: "parked-7", At: s.now, Kind: "parked", Sync: "acme", Entity: "contact", Link: l.ID, Summary: "too long"},
				{ID: "held-7", At: s.now, Kind: "hold", State: "conflict", Field: "email", Sync: "acme", Entity: "contact", Link: l.ID, Summary: "say which"},
			}
			s.commit(c)
		}
		free := func() {
			s.Helper()
			s.add(row("7"))
			c := s.done(s.one(ledger.Notion), ledger.Notion)
			c.Unhold = []string{"*"}
			s.commit(c)
		}
		park()
		s.equal("told nobody yet", s.recovered(), 0)
		s.issue(s.waiting()...)
		s.equal("it lasts", s.recovered(), 0)
		s.pass(time.Second)
		free()
		s.equal("ended", []int{s.recovered(), s.recovered()}, []int{2, 0})
		over := s.waiting()
		if len(over) != 2 || over[0].Kind != ledger.AlertRecovered || over[1].Kind != ledger.AlertRecovered {
			s.Fatalf("waiting: %+v", over)
		}
		s.issue(over...)
		s.pass(time.Second)
		park()
		again := s.waiting()
		if len(again) != 2 || again[0].ID == "parked-7" || again[1].ID == "held-7" {
			s.Fatalf("a state that came back is not told under ids of its own: %+v", again)
		}
		park()
		s.equal("told once", len(s.waiting()), 2)
		s.issue(s.waiting()...)
		free()
		s.equal("ended again", []int{s.recovered(), len(s.waiting())}, []int{2, 2})
	}},
}
