package ledger_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// A page that shows what we sent is the evidence that it arrived: the base says so even where nothing else can be decided.
func TestAnOwnWriteThatArrivedBecomesTheBase(t *testing.T) {
	t.Parallel()
	seen := 0
	everyWorld(t, func(w world) error {
		if !w.arrived() {
			return nil
		}
		for _, w.seesCRM = range []sight{shows, unread, bad, waits} {
			seen++
			if got := agreed(w.input()); !change.Equal(got.Value, w.intent) || got.Rule != rule {
				return fmt.Errorf("the base is %s, and we sent %s", got.Value, w.intent)
			}
		}
		return nil
	})
	if seen == 0 {
		t.Error("no such world")
	}
}

func TestNothingTravelsWhereItMayNot(t *testing.T) {
	t.Parallel()
	everyWorld(t, func(w world) error {
		d := ledger.Decide(w.input())
		toNotion, toCRM := effects(d)
		_, based := w.based()
		begins := !based && w.notion.IsNull() || !based && len(w.notion.Items()) == 0 && w.elements // a new field starts with what the CRM says
		switch {
		case !toNotion.IsAbsent() && !w.writeNotion:
			return fmt.Errorf("writes %s to Notion, which is only observed", toNotion)
		case !toCRM.IsAbsent() && !w.writeCRM:
			return fmt.Errorf("writes %s to the CRM, which is only observed", toCRM)
		case !toNotion.IsAbsent() && !w.toNotion && !begins:
			return fmt.Errorf("writes %s to Notion against the field's direction", toNotion)
		case !toCRM.IsAbsent() && !w.toCRM:
			return fmt.Errorf("writes %s to the CRM against the field's direction", toCRM)
		case (d.Page == ledger.PageUpdate) != !toNotion.IsAbsent(), (d.Row == ledger.RowUpdate) != !toCRM.IsAbsent():
			return fmt.Errorf("operations %q and %q do not fit the values %v and %v", d.Page, d.Row, d.ToNotion, d.ToCRM)
		}
		return nil
	})
}

func TestAFieldHasOneFate(t *testing.T) {
	t.Parallel()
	everyWorld(t, func(w world) error {
		in := w.input()
		d := ledger.Decide(in)
		toNotion, toCRM := effects(d)
		fates := 0
		base := d.Agreed(in)[field]
		agreed := !base.IsZero() && !base.Back && !w.arrived()
		for _, fate := range []bool{!toNotion.IsAbsent() || !toCRM.IsAbsent(), d.Parked[field] != "", d.Waits[field] != "", !d.Observed[field].IsAbsent(), agreed} {
			if fate {
				fates++
			}
		}
		visible := w.seesCRM == shows && w.seesNotion == shows
		switch {
		case fates > 1:
			return fmt.Errorf("%d fates at once: %+v", fates, d)
		case fates == 0 && visible && !change.Equal(w.crm, w.notion):
			return fmt.Errorf("both sides show the field, and nothing is said of it: %+v", d)
		case !visible && fates == 1 && d.Parked[field] == "" && d.Waits[field] == "":
			return fmt.Errorf("something is done with a field that one side does not show: %+v", d)
		case w.seesCRM == bad && d.Parked[field] == "", w.seesNotion == bad && w.seesCRM != waits && d.Parked[field] == "":
			return fmt.Errorf("a value that cannot be used is not parked: %+v", d)
		case w.stuck && d.Parked[field] == "":
			return fmt.Errorf("a stuck field moves: %+v", d)
		case d.State != ledger.Live || d.Remove || len(d.Need) > 0 || len(d.Holds) > 0:
			return fmt.Errorf("more than the field is decided: %+v", d)
		}
		return nil
	})
}

// What stands on a side is overwritten only if it is the value both had agreed on, or is kept as a conflict's loser.
func TestNoValueIsOverwrittenUnkept(t *testing.T) {
	t.Parallel()
	everyWorld(t, lossless)
}

func lossless(w world) error {
	in := w.input()
	d := ledger.Decide(in)
	toNotion, toCRM := effects(d)
	base, based := w.based()
	kept := func(side ledger.Side, v change.Value) bool {
		for _, c := range d.Conflicts {
			if loser, lost := c.Loser(); loser == side && change.Equal(lost, v) && c.Field == field && c.Critical && c.At.Equal(noon) {
				return true
			}
		}
		return false
	}
	survives := func(written, v change.Value) bool { // merged sets lose nothing
		return w.elements && contains(written, v, base, based)
	}
	known := func(v change.Value) bool {
		return based && change.Equal(v, base) || !based && (v.IsNull() || v.Kind() == change.Set && len(v.Items()) == 0)
	}
	switch {
	case !toNotion.IsAbsent() && !known(w.notion) && !kept(ledger.Notion, w.notion) && !survives(toNotion, w.notion):
		return fmt.Errorf("Notion's %s is lost under %s", w.notion, toNotion)
	case !toCRM.IsAbsent() && !known(w.crm) && !kept(ledger.CRM, w.crm) && !survives(toCRM, w.crm):
		return fmt.Errorf("the CRM's %s is lost under %s", w.crm, toCRM)
	case len(d.Conflicts) > 1 && !w.writeOnce:
		return fmt.Errorf("one field, %d conflicts", len(d.Conflicts))
	}
	return nil
}

// contains reports that a set holds everything that v has and the base has not.
func contains(set, v, base change.Value, based bool) bool {
	has := func(s, item change.Value) bool {
		for _, i := range s.Items() {
			if change.Equal(i, item) {
				return true
			}
		}
		return false
	}
	for _, item := range v.Items() {
		if !has(set, item) && !(based && has(base, item)) {
			return false
		}
	}
	return true
}

func TestTheTableOfThreeWayMerge(t *testing.T) {
	t.Parallel()
	everyWorld(t, func(w world) error {
		if w.seesCRM != shows || w.seesNotion != shows || w.stuck {
			return nil
		}
		in := w.input()
		d := ledger.Decide(in)
		toNotion, toCRM := effects(d)
		base, based := w.based()
		twoWay, writes := w.toNotion && w.toCRM, w.writeNotion && w.writeCRM
		switch {
		case change.Equal(w.crm, w.notion):
			got, ok := d.Agreed(in)[field]
			if !ok || !change.Equal(got.Value, w.crm) || got.Rule != rule || len(d.Conflicts) > 0 || !d.Quiet() {
				return fmt.Errorf("equal values are not simply agreed: %+v", d)
			}
			return nil
		case !writes || !twoWay:
			return nil
		case based && change.Equal(base, w.notion):
			if !change.Equal(toNotion, w.crm) || !toCRM.IsAbsent() || len(d.Conflicts) > 0 {
				return fmt.Errorf("only the CRM changed, and it is not simply pushed: %+v", d)
			}
		case based && change.Equal(base, w.crm) && !w.elements && !w.intent.IsAbsent() && !change.Equal(w.intent, w.notion):
			if len(d.Conflicts) != 1 {
				return fmt.Errorf("the CRM showed %s since the base, of which it is not known whether it arrived, and went back; Notion was changed too, and there is no conflict: %+v", w.intent, d)
			}
			after := in
			after.Link.Base, after.Link.Intent = d.Agreed(in), nil // another write took the intent's place
			if got := ledger.Decide(after); !cmp.Equal(got.Conflicts, d.Conflicts, cmp.Comparer(change.Equal)) {
				return fmt.Errorf("that the CRM went back from %s is forgotten with the intent: %+v", w.intent, got)
			}
		case based && change.Equal(base, w.crm):
			if !change.Equal(toCRM, w.notion) || !toNotion.IsAbsent() || len(d.Conflicts) > 0 {
				return fmt.Errorf("only Notion changed, and it is not simply pushed: %+v", d)
			}
		case based && w.elements:
			if len(d.Conflicts) > 0 {
				return fmt.Errorf("sets that merge have no conflict: %+v", d)
			}
		case based:
			return w.judge(d)
		}
		return nil
	})
}

// judge checks a true conflict: recorded with both values, and decided by the clocks or by the tie rule.
func (w world) judge(d ledger.Decision) error {
	toNotion, toCRM := effects(d)
	if len(d.Conflicts) != 1 {
		return fmt.Errorf("both changed, and %d conflicts are recorded", len(d.Conflicts))
	}
	c := d.Conflicts[0]
	winner, undecidable := w.tie, true
	ownWrite := !w.intent.IsAbsent() && change.Equal(w.intent, w.notion)
	switch {
	case ownWrite:
		return nil // the base is newer than the world's clocks say
	case w.clock == crmLater:
		winner, undecidable = ledger.CRM, false
	case w.clock == notionLater:
		winner, undecidable = ledger.Notion, false
	}
	base, _ := w.based()
	switch {
	case c.Winner != winner || c.Undecidable != undecidable || (c.Rule == "tie") != undecidable:
		return fmt.Errorf("%s wins by %s (undecidable %t), want %s (%t)", c.Winner, c.Rule, c.Undecidable, winner, undecidable)
	case !change.Equal(c.CRM, w.crm) || !change.Equal(c.Notion, w.notion) || !change.Equal(c.Base, base):
		return fmt.Errorf("the conflict does not tell what happened: %+v", c)
	case winner == ledger.CRM && (!change.Equal(toNotion, w.crm) || !toCRM.IsAbsent()):
		return fmt.Errorf("the winner is not pushed: %+v", d)
	case winner == ledger.Notion && (!change.Equal(toCRM, w.notion) || !toNotion.IsAbsent()):
		return fmt.Errorf("the winner is not pushed: %+v", d)
	}
	return nil
}

// A one-way field is restored on its reading side, and what was typed there is kept.
func TestOneWayRestores(t *testing.T) {
	t.Parallel()
	everyWorld(t, func(w world) error {
		if w.seesCRM != shows || w.seesNotion != shows || w.stuck || w.toNotion == w.toCRM || !w.writeCRM || !w.writeNotion || change.Equal(w.crm, w.notion) {
			return nil
		}
		d := ledger.Decide(w.input())
		toNotion, toCRM := effects(d)
		base, based := w.based()
		if w.toNotion {
			edited := based && !change.Equal(w.notion, base) || !based && !w.notion.IsNull() && (w.notion.Kind() != change.Set || len(w.notion.Items()) > 0)
			if !change.Equal(toNotion, w.crm) || !toCRM.IsAbsent() || edited && len(d.Conflicts) != 1 || based && !edited && len(d.Conflicts) != 0 {
				return fmt.Errorf("the CRM's %s is not restored: %+v", w.crm, d)
			}
			return nil
		}
		if !based && (w.notion.IsNull() || w.elements && len(w.notion.Items()) == 0) {
			if !change.Equal(toNotion, w.crm) {
				return fmt.Errorf("a new field does not start with what the CRM says: %+v", d)
			}
			return nil
		}
		if !change.Equal(toCRM, w.notion) || !toNotion.IsAbsent() {
			return fmt.Errorf("Notion's %s is not restored: %+v", w.notion, d)
		}
		return nil
	})
}

func TestDecideIsDeterministicAndLeavesItsInput(t *testing.T) {
	t.Parallel()
	n := 0
	everyWorld(t, func(w world) error {
		if n++; n%17 != 0 {
			return nil
		}
		in, again := w.input(), w.input()
		first, second := ledger.Decide(in), ledger.Decide(in)
		switch {
		case !reflect.DeepEqual(first, second):
			return fmt.Errorf("decided twice, two answers: %+v and %+v", first, second)
		case !reflect.DeepEqual(in, again):
			return fmt.Errorf("the input was changed")
		}
		return nil
	})
}

func TestSwappingTheSidesSwapsTheDecision(t *testing.T) {
	t.Parallel()
	everyWorld(t, symmetric)
}

func symmetric(w world) error {
	empty := func(v change.Value) bool { return v.IsNull() || v.Kind() == change.Set && len(v.Items()) == 0 }
	_, based := w.based()
	oneWayBegin := !based && w.toNotion != w.toCRM && (empty(w.notion) || empty(w.crm)) // a new one-way field: documented as the CRM's
	if !w.intent.IsAbsent() || w.stuck || oneWayBegin {
		return nil // an intent is a write to Notion; it has no mirror
	}
	a, b := ledger.Decide(w.input()), ledger.Decide(w.mirrored().input())
	switch {
	case !reflect.DeepEqual(a.ToNotion[field], b.ToCRM[field]), !reflect.DeepEqual(a.ToCRM[field], b.ToNotion[field]):
		return fmt.Errorf("effects differ in the mirror: %+v and %+v", a, b)
	case !reflect.DeepEqual(a.Observed, b.Observed), (a.Parked[field] == "") != (b.Parked[field] == ""), !reflect.DeepEqual(a.Waits, b.Waits), len(a.Holds) != len(b.Holds):
		return fmt.Errorf("what is left out differs in the mirror: %+v and %+v", a, b)
	case !change.Equal(agreed(w.input()).Value, agreed(w.mirrored().input()).Value) || len(a.Conflicts) != len(b.Conflicts):
		return fmt.Errorf("agreement differs in the mirror: %+v and %+v", a, b)
	case len(a.Conflicts) == 2: // both sides lose to the base
		if a.Conflicts[0].Winner == a.Conflicts[1].Winner {
			return fmt.Errorf("a side loses twice: %+v", a.Conflicts)
		}
	case len(a.Conflicts) == 1 && (a.Conflicts[0].Winner == b.Conflicts[0].Winner || mirroredRule(a.Conflicts[0].Rule) != b.Conflicts[0].Rule):
		return fmt.Errorf("the conflict differs in the mirror: %+v and %+v", a.Conflicts, b.Conflicts)
	}
	return nil
}

// mirroredRule is the name of the rule that decides in the mirror.
func mirroredRule(rule string) string {
	switch rule {
	case "crm_wins":
		return "notion_wins"
	case "notion_wins":
		return "crm_wins"
	}
	return rule
}

// Whoever carries out its part first: when both have, both sides show one value and there is nothing left to do.
func TestACarriedOutDecisionIsTheLast(t *testing.T) {
	t.Parallel()
	everyWorld(t, final)
}

func final(w world) error {
	d := ledger.Decide(w.input())
	for _, first := range []ledger.Side{ledger.Notion, ledger.CRM} {
		if first == ledger.CRM && !wrote(d, ledger.CRM) {
			continue // the same as the other way round
		}
		in := carry(w.input(), d, first)
		half := ledger.Decide(in)
		again := slices.ContainsFunc(half.Conflicts, func(c ledger.Conflict) bool { return c.Winner != first })
		if again && wrote(d, first) && w.toNotion == w.toCRM {
			return fmt.Errorf("a conflict comes again after %s's part is done: %+v", first, half)
		}
		in = carry(in, half, first.Other())
		last := ledger.Decide(in)
		if len(last.Holds) == 0 && !last.Quiet() || len(last.ToNotion)+len(last.ToCRM) > 0 {
			return fmt.Errorf("after both parts (%s's first) there is more to do: %+v", first, last)
		}
		visible := w.seesCRM == shows && w.seesNotion == shows && w.writeCRM && w.writeNotion && len(last.Parked)+len(last.Holds) == 0
		if visible && !change.Equal(in.CRM.Image[field], in.Notion.Image[field]) {
			return fmt.Errorf("the sides differ in the end: %s and %s", in.CRM.Image[field], in.Notion.Image[field])
		}
	}
	return nil
}

// CRMAgrees says that no request is needed. It must not say so where deciding on both sides would do something about the CRM's value.
func TestSkippingTheReadMissesNothingOfTheCRMs(t *testing.T) {
	t.Parallel()
	everyWorld(t, func(w world) error {
		in := w.input()
		if !ledger.CRMAgrees(in) {
			return nil
		}
		base, based := w.based()
		if !based || !change.Equal(in.CRM.Image[field], base) {
			return fmt.Errorf("the row does not show the base, and is said to agree")
		}
		in.Notion.Read = false
		if d := ledger.Decide(in); !d.Quiet() || d.State != ledger.Live {
			return fmt.Errorf("it agrees, and yet something is done unread: %+v", d)
		}
		return nil
	})
}
