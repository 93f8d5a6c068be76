package ledger_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// ruled yields every case of one field under every policy: 3 values (4 sets) on each side and in the base, where they may travel and be
// written, who wins, what the clocks say, what a person said.
func ruled(values []change.Value, elements bool, yield func(world)) {
	rules := []ledger.ConflictRule{ledger.LastWriteWins, ledger.CRMWins, ledger.NotionWins, ledger.HoldConflict}
	for _, base := range append([]change.Value{{}}, values...) {
		for _, crm := range values {
			for _, notion := range values {
				for _, rule := range rules {
					for _, side := range []ledger.Side{ledger.CRM, ledger.Notion} {
						for flags := range 8 {
							w := world{base: base, crm: crm, notion: notion, tie: side, initial: side, elements: elements, conflict: rule,
								neverBlank: flags&1 != 0, writeOnce: flags&2 != 0, guarded: flags&4 != 0}
							w.travels(yield)
						}
					}
				}
			}
		}
	}
}

// travels varies where a field may travel and be written, what the clocks say and, where they say nothing, what a person said.
func (w world) travels(yield func(world)) {
	for _, direction := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		w.toNotion, w.toCRM = direction[0], direction[1]
		for mode := range 4 {
			w.writeNotion, w.writeCRM = mode&1 == 0, mode&2 == 0
			for _, w.clock = range []order{crmLater, notionLater, overlap} {
				yield(w)
				if mode > 0 {
					break
				}
			}
			for _, w.chosen = range []ledger.Side{ledger.CRM, ledger.Notion} {
				yield(w)
			}
			w.chosen = ""
		}
	}
}

func everyRule(t *testing.T, law func(w world, d ledger.Decision) error) {
	t.Helper()
	every(t, ruled, func(w world) error { return law(w, ledger.Decide(w.input())) })
}

func blank(v change.Value) bool {
	return v.IsNull() || v.Kind() == change.Set && len(v.Items()) == 0
}

func TestNoPolicyLosesAValue(t *testing.T) {
	t.Parallel()
	every(t, ruled, lossless)
}

func TestMirroredPoliciesGiveMirroredDecisions(t *testing.T) {
	t.Parallel()
	every(t, ruled, func(w world) error {
		if w.guarded {
			return nil // guards stand before the CRM only
		}
		return symmetric(w)
	})
}

func TestUnderEveryPolicyTheSidesComeToRest(t *testing.T) {
	t.Parallel()
	every(t, ruled, final)
}

func TestANeverBlankFieldIsNeverBlanked(t *testing.T) {
	t.Parallel()
	everyRule(t, func(w world, d ledger.Decision) error {
		if !w.neverBlank || w.chosen != "" {
			return nil
		}
		toNotion, toCRM := effects(d)
		base, based := w.based()
		emptied := based && !blank(base) && blank(w.crm) != blank(w.notion) && w.toNotion && w.toCRM && w.writeNotion && w.writeCRM
		switch {
		case !toNotion.IsAbsent() && blank(toNotion) && !blank(w.notion), !toCRM.IsAbsent() && blank(toCRM) && !blank(w.crm):
			return fmt.Errorf("a value gives way to nothing: %+v", d)
		case emptied && !w.guarded && (len(d.Conflicts) == 0 || len(d.ToNotion)+len(d.ToCRM) == 0):
			return fmt.Errorf("what was emptied does not come back, or nobody can see that it was emptied: %+v", d)
		case emptied && !w.guarded && !w.writeOnce && d.Conflicts[0].Rule != ledger.RuleNeverBlank:
			return fmt.Errorf("the history names %s", d.Conflicts[0].Rule)
		}
		return nil
	})
}

func TestAFieldThatIsWrittenOnceStays(t *testing.T) {
	t.Parallel()
	everyRule(t, func(w world, d ledger.Decision) error {
		base, based := w.based()
		if !w.writeOnce || !based || blank(base) || w.chosen != "" || !w.writeNotion || !w.writeCRM || change.Equal(w.crm, w.notion) {
			return nil // what both sides were given alike is agreed
		}
		toNotion, toCRM := effects(d)
		edited := map[ledger.Side]bool{ledger.CRM: !change.Equal(w.crm, base), ledger.Notion: !change.Equal(w.notion, base)}
		if w.toNotion != w.toCRM {
			source := ledger.CRM
			if w.toCRM {
				source = ledger.Notion
			}
			if edited[source] && (d.Parked[field] == "" || !toNotion.IsAbsent() || !toCRM.IsAbsent()) {
				return fmt.Errorf("a one-way field that is written once takes another value: %+v", d)
			}
			return nil
		}
		if w.guarded && edited[ledger.CRM] {
			return nil
		}
		lost := map[ledger.Side]bool{}
		for _, c := range d.Conflicts {
			side, _ := c.Loser()
			lost[side] = true
			if c.Rule != ledger.RuleWriteOnce {
				return fmt.Errorf("the history names %s", c.Rule)
			}
		}
		switch {
		case edited[ledger.CRM] != !toCRM.IsAbsent() || edited[ledger.CRM] && !change.Equal(toCRM, base):
			return fmt.Errorf("the CRM's edit is not put back: %+v", d)
		case edited[ledger.Notion] != !toNotion.IsAbsent() || edited[ledger.Notion] && !change.Equal(toNotion, base):
			return fmt.Errorf("Notion's edit is not put back: %+v", d)
		case edited[ledger.CRM] != lost[ledger.CRM], edited[ledger.Notion] != lost[ledger.Notion]:
			return fmt.Errorf("an edit that is put back is not kept: %+v", d)
		}
		return nil
	})
}

// Both changed it to different values, and nothing else is said of the field: its rule decides, and the history names the rule.
func TestTheFieldsRuleDecidesItsConflicts(t *testing.T) {
	t.Parallel()
	everyRule(t, func(w world, d ledger.Decision) error {
		base, based := w.based()
		both := based && !change.Equal(w.crm, base) && !change.Equal(w.notion, base) && !change.Equal(w.crm, w.notion)
		if !both || w.elements || !w.toNotion || !w.toCRM || !w.writeNotion || !w.writeCRM || w.guarded ||
			w.chosen == "" && (w.writeOnce && !blank(base) || w.neverBlank && (blank(w.crm) || blank(w.notion))) {
			return nil
		}
		toNotion, toCRM := effects(d)
		winner, rule := w.chosen, ledger.RulePerson
		switch {
		case w.chosen != "":
		case w.conflict == ledger.HoldConflict:
			if len(d.Holds) != 1 || d.Holds[0].Kind != "conflict" || d.Holds[0].Field != field || !toNotion.IsAbsent() || !toCRM.IsAbsent() || len(d.Conflicts) > 0 {
				return fmt.Errorf("both values must stay until a person decides: %+v", d)
			}
			return nil
		case w.conflict == ledger.CRMWins:
			winner, rule = ledger.CRM, "crm_wins"
		case w.conflict == ledger.NotionWins:
			winner, rule = ledger.Notion, "notion_wins"
		default:
			return w.judge(d)
		}
		want := map[ledger.Side]change.Value{ledger.CRM: w.crm, ledger.Notion: w.notion}[winner]
		written := toNotion
		if winner == ledger.Notion {
			written = toCRM
		}
		if len(d.Conflicts) != 1 || d.Conflicts[0].Winner != winner || d.Conflicts[0].Rule != rule || d.Conflicts[0].Undecidable || !change.Equal(written, want) {
			return fmt.Errorf("%s should win by %s: %+v", winner, rule, d)
		}
		return nil
	})
}

func TestAGuardedValueStaysInNotion(t *testing.T) {
	t.Parallel()
	everyRule(t, func(w world, d ledger.Decision) error {
		if !w.guarded {
			return nil
		}
		w.guarded = false
		free := ledger.Decide(w.input())
		_, would := effects(free)
		_, toCRM := effects(d)
		switch {
		case !toCRM.IsAbsent():
			return fmt.Errorf("a value that its guard refuses goes to the CRM: %+v", d)
		case !would.IsAbsent() && (d.Parked[field] != "it is no phone number" || len(d.ToNotion) > 0 || len(d.Conflicts) > 0):
			return fmt.Errorf("the field is not left alone, with the guard's reason: %+v", d)
		case would.IsAbsent() && free.Parked == nil && !reflect.DeepEqual(free, d) && free.Observed == nil:
			return fmt.Errorf("nothing goes to the CRM, and the guard meddles: %+v and %+v", free, d)
		}
		return nil
	})
}

// What becomes of a link as a whole — deletes, moves, vanished ends — does not depend on what is said of its fields.
func TestPoliciesOfFieldsDecideNothingOfTheRecord(t *testing.T) {
	t.Parallel()
	everyRecord(t, whole, func(r record, in ledger.Input, d ledger.Decision) error {
		if r.row == there && r.page == there {
			return nil
		}
		plain := in.Rules.Fields[0]
		for _, rule := range []ledger.ConflictRule{ledger.CRMWins, ledger.NotionWins, ledger.HoldConflict} {
			p := plain
			p.Conflict, p.NeverBlank, p.WriteOnce, p.Typing = rule, true, true, time.Minute
			in.Rules.Fields = []ledger.Policy{p}
			if got := ledger.Decide(in); !reflect.DeepEqual(got, d) {
				return fmt.Errorf("%+v became %+v", d, got)
			}
		}
		return nil
	})
}

// Half a person's typing never reaches the CRM: a value of Notion goes there once two reads as far apart as the delay have shown it, or the page's
// minute and the delay after it were over when the page was read.
func TestAValueThatMayBeTypedStillWaits(t *testing.T) {
	t.Parallel()
	const delay = 10 * time.Second
	read := noon.Add(-time.Second)
	for _, tt := range []struct {
		name   string
		since  time.Duration // before the read; -1: not known
		edited time.Duration // the page's minute began so long before the read
		goes   bool
		again  time.Duration // after the read
	}{
		{"seen for the first time, in its minute", -1, 20 * time.Second, false, delay},
		{"seen for the first time, long after its minute", -1, 5 * time.Minute, true, 0},
		{"the minute is over, the delay after it is not", -1, time.Minute + 5*time.Second, false, 6 * time.Second}, // a second of skew
		{"the minute is over, and the delay", -1, time.Minute + delay + time.Second, true, 0},
		{"two reads, the delay apart", delay, 20 * time.Second, true, 0},
		{"two reads, too close", 4 * time.Second, 20 * time.Second, false, 6 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := world{base: one, crm: one, notion: two, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}
			in := w.input()
			in.Rules.Fields[0].Typing = delay
			in.Notion.At, in.Notion.EditedAt = read, read.Add(-tt.edited)
			if tt.since >= 0 {
				in.Notion.Since = map[string]time.Time{field: read.Add(-tt.since)}
			}
			d := ledger.Decide(in)
			if goes := change.Equal(d.ToCRM[field], two) && d.Row == ledger.RowUpdate; goes != tt.goes {
				t.Fatalf("goes to the CRM: %t, want %t: %+v", goes, tt.goes, d)
			}
			if !tt.goes && !d.Typing[field].Equal(read.Add(tt.again)) {
				t.Errorf("looks again %s after the read, want %s", d.Typing[field].Sub(read), tt.again)
			}
			in.Notion.At = in.Notion.At.Add(tt.again)
			in.Notion.Since = map[string]time.Time{field: read}
			if tt.since > 0 {
				in.Notion.Since[field] = read.Add(-tt.since)
			}
			if d := ledger.Decide(in); !change.Equal(d.ToCRM[field], two) {
				t.Errorf("unchanged at the time at which it is to be looked at again, and still it waits: %+v", d)
			}
		})
	}
}

// What is agreed, what goes to Notion, and who wins a conflict do not wait for typing to end.
func TestTypingDelaysOnlyWhatGoesToTheCRM(t *testing.T) {
	t.Parallel()
	every(t, ruled, func(w world) error {
		in := w.input()
		in.Notion.EditedAt = in.Notion.At.Add(-time.Second)
		now := ledger.Decide(in)
		in.Rules.Fields[0].Typing = time.Minute
		d := ledger.Decide(in)
		_, toCRM := effects(now)
		base, based := w.based()
		typed := !toCRM.IsAbsent() && !(based && change.Equal(w.notion, base))
		switch {
		case !typed && !reflect.DeepEqual(now, d):
			return fmt.Errorf("nothing that was typed goes to the CRM, and the delay changes the decision: %+v and %+v", now, d)
		case typed && (len(d.ToCRM)+len(d.ToNotion)+len(d.Conflicts) > 0 || d.Typing[field].IsZero()):
			return fmt.Errorf("a value that was edited this minute goes to the CRM: %+v", d)
		}
		in.Notion.Since = map[string]time.Time{field: in.Notion.At.Add(-time.Minute)}
		if later := ledger.Decide(in); !reflect.DeepEqual(now, later) {
			return fmt.Errorf("after the delay something else is decided: %+v and %+v", now, later)
		}
		return nil
	})
}

// A program that writes a field again and again which we put back again and again, for it travels one way, is written once or never blanked, is
// fighting: each time counts, and the oscillation brake ends it.
func TestWhatIsPutBackCountsAsAFlip(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]func(*ledger.Policy){
		"one way":     func(p *ledger.Policy) { p.ToCRM = false },
		"once":        func(p *ledger.Policy) { p.WriteOnce = true },
		"never blank": func(p *ledger.Policy) { p.NeverBlank = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := world{base: one, crm: one, notion: one, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}.input()
			policy(&in.Rules.Fields[0])
			for turn := range 3 {
				in.Notion.Image = change.Image{field: null}
				d := ledger.Decide(in)
				if !change.Equal(d.ToNotion[field], one) || len(d.Conflicts) != 1 {
					t.Fatalf("turn %d: it is not put back: %+v", turn, d)
				}
				if in = carry(in, d, ledger.Notion); len(in.Link.Base[field].Flips) != turn+1 {
					t.Fatalf("turn %d: %d flips", turn, len(in.Link.Base[field].Flips))
				}
			}
			in.CRM.Image = change.Image{field: two} // what the CRM itself changes is no flip
			in.Link.Base[field] = ledger.FieldBase{Value: one, Rule: rule}
			in.Rules.Fields[0].WriteOnce = false
			if in = carry(in, ledger.Decide(in), ledger.Notion); len(in.Link.Base[field].Flips) > 0 {
				t.Error("an edit is taken for a flip")
			}
		})
	}
}
