package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// notReadYet is an input of a live link of which the page was not read: the CRM shows these values, and value two was agreed on.
func notReadYet(crm change.Image) ledger.Input {
	in, _ := agreedOn(crm, nil)
	in.Rules.WriteNotion, in.Rules.WriteCRM = true, true
	in.CRM.Read, in.CRM.There, in.CRM.Scope = true, true, true
	in.Notion = ledger.View{}
	return in
}

// What is held without a read is what would be held with one that shows the page as it was agreed on: the same records, fields and marks, so that an
// approval given on the one passes on the other.
func TestWhatIsPresumedIsWhatAReadWouldShow(t *testing.T) {
	t.Parallel()
	held := 0
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SampledFrom([]change.Value{one, two, null, change.TextValue("3")})
		in := notReadYet(change.Image{"a": values.Draw(t, "a"), "b": values.Draw(t, "b")})
		in.CRM.There = rapid.Bool().Draw(t, "there")
		in.CRM.Deleted = !in.CRM.There
		in.Rules.DeletesToPages = ledger.DeletePropagate
		count := ledger.Counters{Touched: map[ledger.Meter]int{}, Transaction: ledger.Transaction{Links: rapid.SampledFrom([]int{0, 501}).Draw(t, "transaction")}}
		for _, m := range []ledger.Meter{{Side: ledger.Notion, Op: "delete"}, {Side: ledger.Notion, Op: "update", Field: "a"}, {Side: ledger.Notion, Op: "blank", Field: "a"},
			{Side: ledger.Notion, Op: "update", Field: "b"}, {Side: ledger.Notion, Op: "blank", Field: "b"}} {
			count.Touched[m] = rapid.SampledFrom([]int{0, 5, 20, 500}).Draw(t, m.Op+m.Field)
		}
		presumed, ok := ledger.Presume(in)
		if !ok {
			t.Fatal("nothing speaks against it")
		}
		d, _, _ := ledger.Gate(presumed, ledger.Decide(presumed), ledger.DefaultLimits(), count)
		read := in
		read.Notion = ledger.View{Read: true, There: true, Scope: true, At: noon, Until: noon, EditedAt: noon.Add(-time.Hour), Image: change.Image{"a": two, "b": two}}
		want, _, _ := ledger.Gate(read, ledger.Decide(read), ledger.DefaultLimits(), count)
		if d.BrakedWhole() != want.BrakedWhole() {
			t.Fatalf("presumed: %+v\nread: %+v", d, want)
		}
		if !d.BrakedWhole() {
			return
		}
		held++
		if diff := cmp.Diff(want.Holds, d.Holds); diff != "" {
			t.Fatal(diff)
		}
	})
	if held == 0 {
		t.Error("nothing was ever held")
	}
}

// A page that shows what was agreed on, written differently, is as it was presumed: an approval of what was held without a read passes.
func TestAnApprovalStandsWhateverTheWriting(t *testing.T) {
	t.Parallel()
	in := notReadYet(change.Image{"a": null})
	in.Rules.Fields[0].Same = func(a, b change.Value) bool {
		return strings.TrimLeft(a.String(), "0") == strings.TrimLeft(b.String(), "0") && a.Kind() == b.Kind()
	}
	full := ledger.Counters{Touched: map[ledger.Meter]int{{Side: ledger.Notion, Op: "blank", Field: "a"}: 20}}
	presumed, _ := ledger.Presume(in)
	d, _, _ := ledger.Gate(presumed, ledger.Decide(presumed), ledger.DefaultLimits(), full)
	said := d.Holds[0]
	said.Keep, said.Until = ledger.CRM, noon.Add(time.Hour)
	in.Holds = []ledger.Hold{said}
	in.Notion = ledger.View{Read: true, There: true, Scope: true, At: noon, Until: noon, Image: change.Image{"a": change.TextValue("00" + two.String())}}
	if d, _, _ := ledger.Gate(in, ledger.Decide(in), ledger.DefaultLimits(), full); len(d.Holds) > 0 || len(d.ToNotion) != 1 {
		t.Errorf("held again: %+v", d)
	}
}

// Where the ledger knows of anything that the page may show beside what was agreed on, nothing is presumed.
func TestNothingIsPresumedAgainstEvidence(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(in *ledger.Input){
		"the page was read":                 func(in *ledger.Input) { in.Notion.Read = true },
		"an edit in Notion is open":         func(in *ledger.Input) { in.Link.Seen = &ledger.Observation{} },
		"a write's outcome is not known":    func(in *ledger.Input) { in.Link.Intent = &ledger.Intent{} },
		"there is no page":                  func(in *ledger.Input) { in.Link.Page = "" },
		"the page is somewhere else":        func(in *ledger.Input) { in.Link.State = ledger.Vanished },
		"the row was out of scope":          func(in *ledger.Input) { in.Link.State = ledger.OutOfScope },
		"a field was never agreed on":       func(in *ledger.Input) { in.Link.Base = map[string]ledger.FieldBase{} },
		"its rule is another":               func(in *ledger.Input) { in.Rules.Fields[0].Rule = "new" },
		"what was sent came back otherwise": func(in *ledger.Input) { in.Link.Base["a"] = ledger.FieldBase{Rule: "r", Sent: &ledger.Sent{}} },
		"a value of the row cannot be used": func(in *ledger.Input) { in.CRM.Bad = map[string]string{"a": "no number"} },
		"a relation's target is not there":  func(in *ledger.Input) { in.CRM.Waits = map[string]string{"a": "contact 7"} },
		"a person has said what is to be": func(in *ledger.Input) {
			in.Holds = []ledger.Hold{{Kind: "brake", Field: "a", Keep: ledger.CRM, Until: noon.Add(time.Hour)}}
		},
		"a conflict waits for a person": func(in *ledger.Input) { in.Holds = []ledger.Hold{{Kind: "conflict", Field: "a"}} },
		"the delete waits for a person": func(in *ledger.Input) { in.Holds = []ledger.Hold{{Kind: "trash_page"}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := notReadYet(change.Image{"a": null})
			if _, ok := ledger.Presume(in); !ok {
				t.Fatal("nothing speaks against it yet")
			}
			edit(&in)
			if _, ok := ledger.Presume(in); ok {
				t.Error("presumed all the same")
			}
		})
	}
}
