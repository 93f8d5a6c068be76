package ledgertest

import (
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

var shadowStories = []story{
	{"what would have been written is counted once for each new value, summed by field, and forgotten with its link", func(s *stage) {
		s.add(row("7"), row("8"))
		links, err := s.ByKey(ctx(s), "acme", "contact", []string{"7", "8"})
		s.ok(err)
		phone := func(key, to string) ledger.Shadow {
			return ledger.Shadow{Link: links[key].ID, Side: ledger.Notion, Op: "update", Field: "phone", From: "1", To: to, At: s.now}
		}
		began := s.now
		s.ok(s.Shadowed(ctx(s), []ledger.Shadow{phone("7", "2"), {Link: links["8"].ID, Side: ledger.Notion, Op: "create", At: s.now}, {Link: 999, Side: ledger.CRM, Op: "delete", At: s.now}}))
		s.pass(time.Hour)
		s.ok(s.Shadowed(ctx(s), []ledger.Shadow{phone("7", "2"), phone("8", "5")}))
		s.pass(time.Hour)
		s.ok(s.Shadowed(ctx(s), []ledger.Shadow{phone("7", "3")}))
		sums, err := s.Shadows(ctx(s), "acme")
		s.ok(err)
		s.equal("sums", sums, []ledger.ShadowSum{
			{Entity: "contact", Side: ledger.Notion, Op: "create", Records: 1, Writes: 1, First: began, Last: began},
			{Entity: "contact", Side: ledger.Notion, Op: "update", Field: "phone", Records: 2, Writes: 3, First: began, Last: s.now},
		})
		samples, err := s.ShadowSamples(ctx(s), "acme", 1)
		s.ok(err)
		s.equal("samples", samples, []ledger.Shadow{
			{Link: links["8"].ID, Sync: "acme", Entity: "contact", Key: "8", Side: ledger.Notion, Op: "create", At: began, Times: 1},
			{Link: links["7"].ID, Sync: "acme", Entity: "contact", Key: "7", Side: ledger.Notion, Op: "update", Field: "phone", From: "1", To: "3", At: s.now, Times: 2},
		})
		s.ok(s.ForgetShadows(ctx(s), "other"))
		s.ok(s.ForgetShadows(ctx(s), "acme"))
		sums, err = s.Shadows(ctx(s), "acme")
		s.ok(err)
		s.equal("nothing is left", len(sums), 0)
	}},
	{"pages without a row are listed", func(s *stage) {
		s.add(row("7"), page("p3"), page("p1"))
		it := s.several("8")[0]
		c := s.step(it)
		name := "p2"
		c.Page = &name
		s.commit(c)
		var pages []string
		for _, most := range []int{10, 1} {
			links, err := s.Loose(ctx(s), "acme", "contact", most)
			s.ok(err)
			for _, l := range links {
				pages = append(pages, l.Page)
			}
		}
		s.equal("pages", pages, []string{"p1", "p3", "p1"})
		none, err := s.Loose(ctx(s), "acme", "task", 10)
		s.ok(err)
		s.equal("of another entity", len(none), 0)
	}},
	{"links are found by what they last agreed on", func(s *stage) {
		s.add(row("7"), row("8"))
		for _, it := range s.take(ledger.Notion, 2) {
			c := s.step(it)
			c.Base = map[string]ledger.FieldBase{"email": {Value: change.TextValue("a@x"), Rule: "r"}, "phone": {Value: change.TextValue("1" + it.Link.Key), Rule: "r"}}
			s.commit(c)
		}
		found, err := s.Based(ctx(s), "acme", "contact", change.Image{"email": change.TextValue("a@x")}, 5)
		s.ok(err)
		s.equal("by one field", found, []string{"7", "8"})
		found, err = s.Based(ctx(s), "acme", "contact", change.Image{"email": change.TextValue("a@x"), "phone": change.TextValue("18")}, 5)
		s.ok(err)
		s.equal("by two", found, []string{"8"})
		found, err = s.Based(ctx(s), "acme", "contact", change.Image{"email": change.TextValue("b@x")}, 5)
		s.ok(err)
		s.equal("by none", found, []string{})
	}},
}
