package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

func TestBrakesHoldExactlyAtTheirLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ links, allowed int }{{0, 5}, {1, 5}, {499, 5}, {500, 5}, {599, 5}, {600, 6}, {1000, 10}, {2900, 29}, {250_000, 2500}} {
		for _, d := range []ledger.Decision{{Row: ledger.RowDelete, State: ledger.RowDeleted}, {Page: ledger.PageTrash, State: ledger.Trashed}} {
			t.Run(fmt.Sprint(tt.links, d.Row, d.Page), func(t *testing.T) {
				t.Parallel()
				meter := ledger.Meter{Side: ledger.CRM, Op: ledger.OpDelete}
				if d.Page != "" {
					meter.Side = ledger.Notion
				}
				count := ledger.Counters{Links: tt.links, Touched: map[ledger.Meter]int{meter: tt.allowed - 1}}
				last, brakes, counts := ledger.Gate(ledger.Input{Now: noon}, d, ledger.DefaultLimits(), count)
				want := []ledger.Brake{{Meter: meter, Max: tt.allowed, Window: time.Hour}}
				if last.Row != d.Row || last.Page != d.Page || !slices.Equal(brakes, want) || !slices.Equal(counts, []ledger.Meter{meter}) {
					t.Errorf("delete %d of %d allowed: %+v, brakes %+v, counts %+v", tt.allowed, tt.allowed, last, brakes, counts)
				}
				count.Touched[meter] = tt.allowed
				over, brakes, counts := ledger.Gate(ledger.Input{Now: noon}, d, ledger.DefaultLimits(), count)
				if over.Row != "" || over.Page != "" || over.State != "" || len(brakes)+len(counts) > 0 || len(over.Holds) != 1 || over.Holds[0].Kind != "brake" {
					t.Errorf("delete %d of %d allowed goes through: %+v, brakes %+v", tt.allowed+1, tt.allowed, over, brakes)
				}
			})
		}
	}
}

func ago(minutes ...int) []time.Time {
	var at []time.Time
	for _, m := range minutes {
		at = append(at, noon.Add(-time.Duration(m)*time.Minute))
	}
	return at
}

func TestThreeFlipsInAnHourHoldAField(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		flips []time.Time
		held  bool
	}{
		{"three", ago(50, 30, 1), true}, {"two", ago(30, 1), false}, {"the oldest has just left the window", ago(60, 30, 1), false},
		{"four, one of them long ago", ago(600, 59, 30, 1), true}, {"none", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := ledger.Input{Now: noon, Rules: ledger.Rules{Fields: []ledger.Policy{{Name: field}, {Name: "g"}}},
				Link: ledger.Link{Base: map[string]ledger.FieldBase{field: {Value: one, Flips: tt.flips}}}}
			d := ledger.Decision{Page: ledger.PageUpdate, Row: ledger.RowUpdate, ToNotion: change.Image{field: two}, ToCRM: change.Image{"g": one},
				Conflicts: []ledger.Conflict{{Field: field}, {Field: "g"}}}
			got, _, _ := ledger.Gate(in, d, ledger.DefaultLimits(), ledger.Counters{})
			held := len(got.Holds) == 1 && got.Holds[0].Kind == "oscillation" && strings.Contains(got.Parked[field], "3 times")
			if held != tt.held || (got.Page == "") != tt.held || got.Row != ledger.RowUpdate || len(got.Conflicts) != map[bool]int{true: 1, false: 2}[tt.held] {
				t.Errorf("held %t, want %t: %+v", held, tt.held, got)
			}
		})
	}
}

// Two programs fight over a field, each undoing the other: the fourth time back is held, and other fields are not.
func TestAFightEndsAtTheGate(t *testing.T) {
	t.Parallel()
	in := world{base: null, crm: one, notion: null, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}.input()
	for turn := range 20 {
		d, _, _ := ledger.Gate(in, ledger.Decide(in), ledger.DefaultLimits(), ledger.Counters{})
		if len(d.Holds) > 0 {
			if turn != 5 {
				t.Errorf("held at turn %d, want 5: two to begin with, and three back", turn)
			}
			return
		}
		in = carry(carry(in, d, ledger.Notion), d, ledger.CRM)
		next := one
		if turn%2 == 0 {
			next = two
		}
		if turn%4 < 2 {
			in.Notion.Image[field] = next
		} else {
			in.CRM.Image[field] = next
		}
		in.Now = in.Now.Add(time.Minute)
	}
	t.Error("the fight goes on for ever")
}

func TestTheBaseIsWhatWasSent(t *testing.T) {
	t.Parallel()
	value := rapid.SampledFrom([]change.Value{null, one, two, change.TextValue("three")})
	rapid.Check(t, func(t *rapid.T) {
		var base ledger.FieldBase
		at, differed := noon, false
		for range rapid.IntRange(1, 40).Draw(t, "writes") {
			side := rapid.SampledFrom([]ledger.Side{ledger.CRM, ledger.Notion}).Draw(t, "side")
			sent, got := value.Draw(t, "sent"), value.Draw(t, "got")
			at = at.Add(time.Duration(rapid.IntRange(1, 120).Draw(t, "minutes")) * time.Minute)
			prev := base
			base = ledger.Landed(prev, rule, side, sent, got, at)
			differs := !change.Equal(sent, got)
			stuck := base.Stuck != nil
			switch {
			case !change.Equal(base.Value, sent) || base.Rule != rule || !base.CRMSeen.Equal(at) || !base.NotionSeen.Equal(at):
				t.Fatalf("the base of %s is %+v", sent, base)
			case (base.Sent != nil) != differs:
				t.Fatalf("sent %s, got %s, remembered %+v", sent, got, base.Sent)
			case stuck != (differs && differed):
				t.Fatalf("stuck %t after differing %t and %t", stuck, differed, differs)
			case stuck && side == ledger.CRM && (!change.Equal(base.Stuck.CRM, got) || !change.Equal(base.Stuck.Notion, sent)):
				t.Fatalf("stuck on the wrong forms: %+v", base.Stuck)
			case stuck && side == ledger.Notion && (!change.Equal(base.Stuck.Notion, got) || !change.Equal(base.Stuck.CRM, sent)):
				t.Fatalf("stuck on the wrong forms: %+v", base.Stuck)
			case len(base.Flips) > 9:
				t.Fatalf("%d flips are kept", len(base.Flips))
			case len(base.Flips) > len(prev.Flips)+1:
				t.Fatal("one write, two flips")
			}
			differed = differs
		}
	})
}

// A side that changes what it is given: its form goes back once as its own change; if the other side changes it again, the field is stuck
// with both forms until one of them shows something else.
func TestAValueThatNeverSettlesIsStuck(t *testing.T) {
	t.Parallel()
	w := world{base: null, crm: one, notion: null, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}
	in := w.input()
	lower, upper := change.TextValue("ada"), change.TextValue("ADA")
	in.CRM.Image[field] = upper
	land := func(side ledger.Side, sent, got change.Value) {
		in.Link.Base[field] = ledger.Landed(in.Link.Base[field], rule, side, sent, got, in.Now)
	}
	d := ledger.Decide(in)
	land(ledger.Notion, d.ToNotion[field], lower)
	in.Notion.Image[field] = lower
	d = ledger.Decide(in)
	if !change.Equal(d.ToCRM[field], lower) || len(d.Conflicts) > 0 || ledger.CRMAgrees(in) {
		t.Fatalf("Notion's form is not its own change: %+v", d)
	}
	land(ledger.CRM, lower, upper)
	d = ledger.Decide(in)
	if !d.Quiet() || !strings.Contains(d.Parked[field], "ADA") || !strings.Contains(d.Parked[field], "ada") {
		t.Fatalf("the field is not stuck with both forms: %+v", d)
	}
	in.Notion.Image[field] = two
	if d = ledger.Decide(in); d.Quiet() || d.Parked[field] != "" {
		t.Fatalf("a new value does not free the field: %+v", d)
	}
}

func TestHalfOfAMergeKeepsTheOtherSidesBase(t *testing.T) {
	t.Parallel()
	own := change.TextSet("x")
	landed := ledger.Landed(ledger.FieldBase{}, rule, ledger.Notion, change.TextSet("x", "y"), change.TextSet("x", "y"), noon)
	if got := landed.Half(own); !change.Equal(got.Value, own) {
		t.Errorf("the base is %s before the other side has the set", got.Value)
	}
	differs := ledger.Landed(ledger.FieldBase{}, rule, ledger.Notion, change.TextSet("x", "y"), change.TextSet("y"), noon)
	if got := differs.Half(own); !change.Equal(got.Value, change.TextSet("x", "y")) {
		t.Errorf("what came back different is judged against %s", got.Value)
	}
}
