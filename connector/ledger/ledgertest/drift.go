package ledgertest

import (
	"fmt"
	"sync"

	"github.com/tandem-sync/tandem/connector/ledger"
)

func driftID(parts ...any) string { return fmt.Sprint(parts...) }

var driftStories = []story{
	{"a drift is told once, by whoever sees it first, and once when it is mended", func(s *stage) {
		park := func(parked map[string]string) func(ledger.DriftState) (ledger.DriftState, []ledger.Alert) {
			return func(was ledger.DriftState) (ledger.DriftState, []ledger.Alert) {
				return was.Park("acme", "contact", ledger.CRM, parked, s.now, driftID)
			}
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := s.ChangeDrift(ctx(s), "acme", "contact", park(map[string]string{"phone": "gone"})); err != nil {
					s.Error(err)
				}
			})
		}
		all.Wait()
		alerts, err := s.Outbox(ctx(s), "acme", 10)
		s.ok(err)
		if len(alerts) != 1 || alerts[0].Field != "phone" || alerts[0].Kind != "drift" || alerts[0].Entity != "contact" {
			s.Fatalf("got %+v", alerts)
		}
		got, err := s.Drift(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("left out", got.Parked(ledger.CRM), map[string]string{"phone": "gone"})
		s.equal("on the other side", got.Parked(ledger.Notion), map[string]string{})
		s.equal("healed", got.Healed(ledger.CRM, nil), []string{"phone"})
		s.ok(s.ChangeDrift(ctx(s), "acme", "contact", park(nil)))
		s.ok(s.ChangeDrift(ctx(s), "acme", "contact", park(nil)))
		alerts, err = s.Outbox(ctx(s), "acme", 10)
		s.ok(err)
		s.equal("alerts", len(alerts), 2)
		got, err = s.Drift(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("left out after", len(got.Fields), 0)
	}},
	{"columns are known from one look to the next, and a place in Notion is not disturbed", func(s *stage) {
		s.ok(s.SaveSchema(ctx(s), "acme", "contact", ledger.Schema{DataSource: "d"}))
		column := ledger.Column{Table: "public.contact", Name: "phone", OID: 4_000_000_000, Num: 3, Type: "pg_catalog.text", Generation: 2}
		know := func(was ledger.DriftState) (ledger.DriftState, []ledger.Alert) {
			return was.Know([]ledger.Column{column}), nil
		}
		s.ok(s.ChangeDrift(ctx(s), "acme", "contact", know))
		column.Generation = 0 // a process that has not heard of the acceptance
		s.ok(s.ChangeDrift(ctx(s), "acme", "contact", know))
		got, err := s.Drift(ctx(s), "acme", "contact")
		s.ok(err)
		column.Generation = 2
		s.equal("columns", got.Columns, []ledger.Column{column})
		schema, ok, err := s.Schema(ctx(s), "acme", "contact")
		s.ok(err)
		s.equal("schema", []any{schema.DataSource, ok}, []any{"d", true})
		other, err := s.Drift(ctx(s), "acme", "deal")
		s.ok(err)
		s.equal("another entity", other, ledger.DriftState{})
	}},
}
