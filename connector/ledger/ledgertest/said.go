package ledgertest

import "github.com/tandem-sync/tandem/connector/ledger"

var saidStories = []story{
	{"what a page says is kept until it says that it is in sync, and no longer than its link", func(s *stage) {
		s.add(row("7"), row("8"))
		links, err := s.ByKey(ctx(s), "acme", "contact", []string{"7", "8"})
		s.ok(err)
		seven, eight := links["7"].ID, links["8"].ID
		said := func(want ...ledger.Said) {
			s.Helper()
			got, err := s.Said(ctx(s), "acme")
			s.ok(err)
			s.equal("said", got, append([]ledger.Said{}, want...))
		}
		say := func(link int64, text string, shown bool) {
			s.Helper()
			s.ok(s.Say(ctx(s), "acme", ledger.Said{Link: link, Text: text, Shown: shown}, s.now))
		}
		say(eight, "Waiting", false)
		say(seven, "Waiting", false)
		say(seven, "Waiting", true)
		say(999, "Waiting", true)
		said(ledger.Said{Link: seven, Text: "Waiting", Shown: true}, ledger.Said{Link: eight, Text: "Waiting"})
		other, err := s.Said(ctx(s), "other")
		s.ok(err)
		s.equal("of another sync", len(other), 0)
		say(seven, "", false)
		said(ledger.Said{Link: seven}, ledger.Said{Link: eight, Text: "Waiting"})
		say(seven, "", true)
		for _, item := range s.take(ledger.Notion, 10) {
			if item.Link.ID == eight {
				s.ok(s.Commit(ctx(s), ledger.Commit{Link: eight, Epoch: item.Link.Epoch, Now: s.now, Remove: true, Finish: &ledger.Finish{Side: ledger.Notion, Version: item.Works[0].Version}, Release: true}))
			}
		}
		said()
	}},
}
