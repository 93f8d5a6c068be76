package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// BenchmarkDecide decides on a record of 12 fields as contacts have them: nothing changed, one side changed one, and both changed one.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name        string
		crm, notion string
	}{{"equal", "same", "same"}, {"one side", "new", "same"}, {"conflict", "new", "other"}} {
		b.Run(c.name, func(b *testing.B) {
			in := (world{base: one, crm: one, notion: one, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}).input()
			policy := in.Rules.Fields[0]
			in.Rules.Fields = nil
			for n := range 12 {
				p := policy
				p.Name = fmt.Sprint("field", n)
				in.Rules.Fields = append(in.Rules.Fields, p)
				in.Link.Base[p.Name] = ledger.FieldBase{Value: change.TextValue("same"), Rule: rule, CRMSeen: noon.Add(-time.Hour), NotionSeen: noon.Add(-time.Hour)}
				in.CRM.Image[p.Name], in.Notion.Image[p.Name] = change.TextValue("same"), change.TextValue("same")
			}
			in.CRM.Image["field5"], in.Notion.Image["field5"] = change.TextValue(c.crm), change.TextValue(c.notion)
			b.ReportAllocs()
			for b.Loop() {
				ledger.Decide(in)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}
