package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Notion adds to a relation what its other end names. The CRM keeps one, and the base tells which of them is new.
func TestAMoveFromTheFarSide(t *testing.T) {
	t.Parallel()
	set := change.TextSet
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name              string
		base, crm, notion change.Value
		toNotion, toCRM   change.Value
		conflicts         int
		observe           bool
	}{
		{"an ordinary edit", set("x"), set("x"), set("x", "y"), set("y"), set("y"), 0, false},
		{"the CRM has moved there too", set("x"), set("y"), set("x", "y"), set("y"), change.Value{}, 0, false},
		{"the CRM moved elsewhere: its word counts, and the other's is kept", set("x"), set("z"), set("x", "y"), set("z"), change.Value{}, 1, false},
		{"two are new: nobody can tell", set("x"), set("x"), set("y", "z"), change.Value{}, set("y", "z"), 0, false},
		{"the page could not shed one", set("x"), set("x"), set("x", "y"), change.Value{}, set("x", "y"), 0, true},
	} {
		in := ledger.Input{Now: at.Add(time.Hour), Rules: ledger.Rules{WriteNotion: !c.observe, WriteCRM: true,
			Fields: []ledger.Policy{{Name: "boss", Rule: "r", ToNotion: true, ToCRM: true, Tie: ledger.CRM, Initial: ledger.CRM, Single: true}}},
			Link:   ledger.Link{ID: 1, Key: "1", Page: "p", External: "e", State: ledger.Live, Base: map[string]ledger.FieldBase{"boss": {Value: c.base, Rule: "r", CRMSeen: at, NotionSeen: at}}},
			CRM:    ledger.View{Read: true, There: true, Scope: true, At: at.Add(time.Hour), Until: at.Add(time.Hour), Image: change.Image{"boss": c.crm}},
			Notion: ledger.View{Read: true, There: true, Scope: true, At: at.Add(time.Hour), Until: at.Add(time.Hour), External: "e", Image: change.Image{"boss": c.notion}},
		}
		d := ledger.Decide(in)
		got := []string{d.ToNotion["boss"].String(), d.ToCRM["boss"].String()}
		if diff := cmp.Diff([]string{c.toNotion.String(), c.toCRM.String()}, got); diff != "" || len(d.Conflicts) != c.conflicts {
			t.Errorf("%s: %d conflicts, (-want +got)\n%s", c.name, len(d.Conflicts), diff)
		}
	}
}
