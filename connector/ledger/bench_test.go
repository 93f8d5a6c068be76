package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// contact is a link of 12 fields that both sides show as the base has them, read a moment ago.
func contact() ledger.Input {
	in := (world{base: one, crm: one, notion: one, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}).input()
	policy := in.Rules.Fields[0]
	in.Rules.Fields = nil
	in.Link.Base, in.CRM.Image, in.Notion.Image = map[string]ledger.FieldBase{}, change.Image{}, change.Image{}
	for n := range 12 {
		p := policy
		p.Name = fmt.Sprint("field", n)
		value := change.TextValue(fmt.Sprint("the value of field ", n))
		in.Rules.Fields = append(in.Rules.Fields, p)
		in.Link.Base[p.Name] = ledger.FieldBase{Value: value, Rule: rule, CRMSeen: noon.Add(-time.Hour), NotionSeen: noon.Add(-time.Hour)}
		in.CRM.Image[p.Name], in.Notion.Image[p.Name] = value, value
	}
	return in
}

// BenchmarkDecide decides on a record of 12 fields as contacts have them. "unread" is what nearly every reason leads to: the row shows the base,
// and no request is needed to know it. The clock is the processor's, so that other work on the machine does not count.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name string
		edit func(*ledger.Input)
	}{
		{"unread", func(in *ledger.Input) { in.Notion = ledger.View{} }},
		{"equal", func(*ledger.Input) {}},
		{"one side", func(in *ledger.Input) { in.CRM.Image["field5"] = change.TextValue("new") }},
		{"conflict", func(in *ledger.Input) {
			in.CRM.Image["field5"], in.Notion.Image["field5"] = change.TextValue("new"), change.TextValue("other")
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			in := contact()
			c.edit(&in)
			b.ReportAllocs()
			before := processor()
			for b.Loop() {
				ledger.Decide(in)
			}
			used := processor() - before
			b.ReportMetric(float64(b.N)/used.Seconds(), "decisions/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
