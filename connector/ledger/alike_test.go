package ledger_test

import (
	"strings"
	"testing"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// written is a world of one field in which capitals are only another way to write a value.
func written(base, crm, notion string) ledger.Input {
	w := world{crm: change.TextValue(crm), notion: change.TextValue(notion), toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}
	if base != "" {
		w.base = change.TextValue(base)
	}
	in := w.input()
	in.Rules.Fields[0].Same = func(a, b change.Value) bool { return strings.EqualFold(a.Text(), b.Text()) }
	return in
}

// What is only written differently is no edit: nobody's writing is changed for it, nobody loses, and a real edit on the other side is no conflict.
func TestAnotherWayToWriteAValueIsNoEdit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, base, crm, notion string
		agreed                  bool
		toNotion, toCRM         string
		conflict                bool
	}{
		{name: "adopted, written differently", crm: "ONE", notion: "one", agreed: true},
		{name: "the CRM writes it differently", base: "one", crm: "ONE", notion: "one", agreed: true},
		{name: "all three are written differently", base: "one", crm: "ONE", notion: "One", agreed: true},
		{name: "both changed it to the same", base: "one", crm: "TWO", notion: "two", agreed: true},
		{name: "Notion is edited, the CRM writes the base differently", base: "one", crm: "ONE", notion: "two", toCRM: "two"},
		{name: "the CRM is edited, Notion writes the base differently", base: "one", crm: "two", notion: "ONE", toNotion: "two"},
		{name: "both are edited", base: "one", crm: "two", notion: "three", toNotion: "two", conflict: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := written(tt.base, tt.crm, tt.notion)
			d := ledger.Decide(in)
			if got := d.ToNotion[field].Text(); got != tt.toNotion {
				t.Errorf("%q goes to Notion, want %q", got, tt.toNotion)
			}
			if got := d.ToCRM[field].Text(); got != tt.toCRM {
				t.Errorf("%q goes to the CRM, want %q", got, tt.toCRM)
			}
			if (len(d.Conflicts) > 0) != tt.conflict {
				t.Errorf("conflicts: %+v", d.Conflicts)
			}
			base, agreed := d.Agreed(in)[field]
			if agreed != tt.agreed || agreed && base.Value.Text() != tt.crm {
				t.Errorf("agreed on %+v (%t)", base.Value, agreed)
			}
			if !agreed {
				return
			}
			in.Link.Base[field] = base
			if in.Notion.Read = false; ledger.Decide(in).Need != nil {
				t.Error("it is agreed on, and the page is asked for again")
			}
		})
	}
}

func TestAnotherWayToWriteAValueDoesNotStopADelete(t *testing.T) {
	t.Parallel()
	in := written("one", "one", "ONE")
	in.CRM = ledger.View{Read: true, Deleted: true}
	in.Rules.DeletesToPages = ledger.DeletePropagate
	if d := ledger.Decide(in); d.Page != ledger.PageTrash {
		t.Errorf("the row was deleted and its page not edited: %+v", d)
	}
}

// A value that was never agreed on may be an edit: a delete on the other side does not take it along.
func TestADeleteDoesNotTakeAlongWhatWasNeverAgreedOn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		value change.Value
		held  bool
	}{"something": {two, true}, "nothing": {null, false}, "an unchecked box": {change.BoolValue(false), false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{crm: tt.value, notion: tt.value, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}
			row, page := w.input(), w.input()
			row.CRM, page.Notion = ledger.View{Read: true, Deleted: true, At: noon}, ledger.View{Read: true, Deleted: true, At: noon}
			for _, in := range []*ledger.Input{&row, &page} {
				in.Rules.DeletesToPages, in.Rules.DeletesToRows = ledger.DeletePropagate, ledger.DeletePropagate
				d := ledger.Decide(*in)
				held := len(d.Holds) == 1 && d.Holds[0].Kind == "delete_vs_edit"
				if held != tt.held || held == (d.Page == ledger.PageTrash || d.Row == ledger.RowDelete) {
					t.Errorf("held: %t, want %t: %+v", held, tt.held, d)
				}
			}
		})
	}
}
