package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// The three values of the small world. null is the one that people make by clearing a field.
var (
	null   = change.NullValue()
	one    = change.TextValue("one")
	two    = change.TextValue("two")
	domain = []change.Value{null, one, two}
)

// sight is what a side shows of the one field.
type sight int

const (
	shows sight = iota
	unread
	bad
	waits
)

// order is which of two edits came later, as far as the intervals tell.
type order int

const (
	overlap order = iota
	crmLater
	notionLater
)

// world is one case of one field on a link whose ends are both there.
type world struct {
	base        change.Value // absent: none
	otherRule   bool         // the base was agreed under another rule
	crm, notion change.Value
	seesCRM     sight
	seesNotion  sight
	toNotion    bool
	toCRM       bool
	tie         ledger.Side
	initial     ledger.Side
	writeNotion bool
	writeCRM    bool
	clock       order
	intent      change.Value // absent: none
	elements    bool
	stuck       bool

	conflict   ledger.ConflictRule
	neverBlank bool
	writeOnce  bool
	guarded    bool        // Notion's value must not go to the CRM
	chosen     ledger.Side // whose value a person wants, "" if nobody said
}

func (w world) String() string {
	return fmt.Sprintf("base=%s rule-changed=%t crm=%s(%d) notion=%s(%d) toNotion=%t toCRM=%t tie=%s initial=%s writeNotion=%t writeCRM=%t clock=%d intent=%s elements=%t stuck=%t conflict=%s neverBlank=%t writeOnce=%t guarded=%t chosen=%s",
		w.base, w.otherRule, w.crm, w.seesCRM, w.notion, w.seesNotion, w.toNotion, w.toCRM, w.tie, w.initial, w.writeNotion, w.writeCRM, w.clock, w.intent, w.elements, w.stuck, w.conflict, w.neverBlank, w.writeOnce, w.guarded, w.chosen)
}

const field, rule = "f", "r1"

// input makes the decision's input of a world.
func (w world) input() ledger.Input {
	in := ledger.Input{
		Rules: ledger.Rules{
			Fields: []ledger.Policy{{Name: field, Rule: rule, ToNotion: w.toNotion, ToCRM: w.toCRM, Tie: w.tie, Initial: w.initial, Elements: w.elements, Critical: true,
				Conflict: w.conflict, NeverBlank: w.neverBlank, WriteOnce: w.writeOnce}},
			WriteNotion: w.writeNotion, WriteCRM: w.writeCRM, CreatePages: true, CreateRows: true, Skew: time.Second,
		},
		Link:   ledger.Link{ID: 1, Key: "k", Page: "p", External: "x", State: ledger.Live, Base: map[string]ledger.FieldBase{}},
		CRM:    view(w.crm, w.seesCRM),
		Notion: view(w.notion, w.seesNotion),
		Now:    noon,
	}
	in.Notion.External = "x"
	if w.guarded {
		in.Notion.Guarded = map[string]string{field: "it is no phone number"}
	}
	if w.chosen != "" {
		in.Chosen = map[string]ledger.Side{field: w.chosen}
	}
	baseAt := noon.Add(-time.Hour)
	base := ledger.FieldBase{Value: w.base, Rule: rule, CRMSeen: baseAt, NotionSeen: baseAt}
	// Both edits lie in the last hour; what the clocks say of their order is told by the bounds.
	in.CRM.Until, in.Notion.Until = noon, noon
	switch w.clock {
	case crmLater: // the CRM still showed the old value after the page had the new one
		base.CRMSeen, in.Notion.Until = noon.Add(-10*time.Minute), noon.Add(-20*time.Minute)
	case notionLater:
		base.NotionSeen, in.CRM.Until = noon.Add(-10*time.Minute), noon.Add(-20*time.Minute)
	case overlap:
	}
	if w.otherRule {
		base.Rule = "r0"
	}
	if w.stuck {
		base.Stuck = &ledger.Stuck{CRM: w.crm, Notion: w.notion, Reason: "it fights"}
	}
	if !w.base.IsAbsent() {
		in.Link.Base[field] = base
	}
	if !w.intent.IsAbsent() {
		in.Link.Intent = &ledger.Intent{Kind: ledger.IntentUpdate, Values: change.Image{field: w.intent}, At: noon}
	}
	return in
}

func view(v change.Value, s sight) ledger.View {
	out := ledger.View{Read: true, There: true, Scope: true, Image: change.Image{}, Bad: map[string]string{}, Waits: map[string]string{}, At: noon.Add(-time.Second)}
	switch s {
	case shows:
		out.Image[field] = v
	case bad:
		out.Bad[field] = "it cannot be read"
	case waits:
		out.Waits[field] = "contact 5 is not linked yet"
	case unread:
	}
	return out
}

// based reports that the field has a base that counts: the stored one, or the value that we sent and the page shows.
func (w world) based() (change.Value, bool) {
	if !w.intent.IsAbsent() && change.Equal(w.intent, w.notion) {
		return w.intent, true
	}
	if w.base.IsAbsent() || w.otherRule {
		return change.Value{}, false
	}
	return w.base, true
}

// arrived reports that the page shows what an open intent sent, which nobody had recorded.
func (w world) arrived() bool {
	recorded := !w.base.IsAbsent() && !w.otherRule && change.Equal(w.base, w.intent)
	return !w.intent.IsAbsent() && w.seesNotion == shows && change.Equal(w.intent, w.notion) && !recorded
}

// worlds yields every case of one field of these values.
func worlds(values []change.Value, elements bool, yield func(world)) {
	bases := append([]change.Value{{}}, values...)
	sides := []ledger.Side{ledger.CRM, ledger.Notion}
	for _, base := range bases {
		for _, otherRule := range []bool{false, true} {
			if otherRule && base.IsAbsent() {
				continue
			}
			for _, crm := range values {
				for _, notion := range values {
					for _, direction := range [][2]bool{{true, true}, {true, false}, {false, true}} {
						for _, side := range sides {
							for mode := range 4 {
								w := world{base: base, otherRule: otherRule, crm: crm, notion: notion, toNotion: direction[0], toCRM: direction[1],
									tie: side, initial: side, writeNotion: mode&1 != 0, writeCRM: mode&2 != 0, elements: elements}
								w.each(bases, yield)
							}
						}
					}
				}
			}
		}
	}
}

// each varies what is left of a world: clocks, what the sides show, an open intent, a field that is stuck.
func (w world) each(intents []change.Value, yield func(world)) {
	for _, clock := range []order{overlap, crmLater, notionLater} {
		w.clock = clock
		for _, w.intent = range intents {
			yield(w)
		}
	}
	w.clock, w.intent = overlap, change.Value{}
	for _, w.seesCRM = range []sight{shows, unread, bad, waits} {
		for _, w.seesNotion = range []sight{shows, unread, bad, waits} {
			yield(w)
		}
	}
	w.seesCRM, w.seesNotion = shows, shows
	if w.stuck = !w.base.IsAbsent() && !change.Equal(w.crm, w.notion); w.stuck {
		yield(w)
	}
}

// sets are all subsets of two elements.
var sets = []change.Value{change.TextSet(), change.TextSet("x"), change.TextSet("y"), change.TextSet("x", "y")}

// everyWorld runs a law over texts and over sets that merge.
func everyWorld(t *testing.T, law func(w world) error) {
	t.Helper()
	every(t, worlds, law)
}

func every(t *testing.T, worlds func(values []change.Value, elements bool, yield func(world)), law func(w world) error) {
	t.Helper()
	count, broken := 0, 0
	check := func(w world) {
		if count++; count%thin != 0 {
			return
		}
		if err := law(w); err != nil {
			if broken++; broken <= 5 {
				t.Errorf("%v\n   in %s", err, w)
			}
		}
	}
	worlds(domain, false, check)
	worlds(sets, true, check)
	if broken > 5 {
		t.Errorf("and %d more", broken-5)
	}
	if count < 20_000 {
		t.Errorf("only %d worlds: the enumeration is broken", count)
	}
}

func agreed(in ledger.Input) ledger.FieldBase { return ledger.Decide(in).Agreed(in)[field] }

func effects(d ledger.Decision) (toNotion, toCRM change.Value) {
	return d.ToNotion[field], d.ToCRM[field]
}

// mirrored swaps the sides of a world with its rules.
func (w world) mirrored() world {
	w.crm, w.notion, w.seesCRM, w.seesNotion = w.notion, w.crm, w.seesNotion, w.seesCRM
	w.toNotion, w.toCRM, w.writeNotion, w.writeCRM = w.toCRM, w.toNotion, w.writeCRM, w.writeNotion
	w.tie, w.initial = w.tie.Other(), w.initial.Other()
	switch w.conflict {
	case ledger.CRMWins:
		w.conflict = ledger.NotionWins
	case ledger.NotionWins:
		w.conflict = ledger.CRMWins
	case ledger.LastWriteWins, ledger.HoldConflict:
	}
	if w.chosen != "" {
		w.chosen = w.chosen.Other()
	}
	switch w.clock {
	case crmLater:
		w.clock = notionLater
	case notionLater:
		w.clock = crmLater
	case overlap:
	}
	return w
}

// carry applies one side's part of a decision as the sinks do: the value lands, its base moves, what was agreed is agreed.
func carry(in ledger.Input, d ledger.Decision, side ledger.Side) ledger.Input {
	base := map[string]ledger.FieldBase{}
	for name, b := range in.Link.Base {
		base[name] = b
	}
	for name, b := range d.Agreed(in) {
		base[name] = b
	}
	at := in.Now.Add(time.Minute)
	view, sent := &in.Notion, d.ToNotion
	if side == ledger.CRM {
		view, sent = &in.CRM, d.ToCRM
	}
	halves := d.Bases(in, side)
	view.Image = view.Image.Clone()
	for name, v := range sent {
		view.Image[name] = v
		base[name] = ledger.Landed(base[name], rule, side, v, v, at)
		if own, half := halves[name]; half {
			base[name] = base[name].Half(own)
		}
	}
	if side == ledger.Notion {
		in.Link.Intent = nil // only who reads the page learns what became of a write to it
	}
	in.Link.Base, in.Now = base, at
	return in
}

func wrote(d ledger.Decision, side ledger.Side) bool {
	if side == ledger.CRM {
		return len(d.ToCRM) > 0
	}
	return len(d.ToNotion) > 0
}
