package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

var names = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}), 0, 6, rapid.ID[string])

// merged decides over three sets and gives what both sides hold in the end.
func merged(base, crm, notion []string) (change.Value, ledger.Decision) {
	w := world{base: change.TextSet(base...), crm: change.TextSet(crm...), notion: change.TextSet(notion...), toNotion: true, toCRM: true,
		tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true, elements: true}
	in := w.input()
	d := ledger.Decide(in)
	out := carry(in, d, ledger.Notion)
	out = carry(out, d, ledger.CRM)
	return out.CRM.Image[field], d
}

func TestMergedSetsLoseNothingAndBringNothingBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, crm, notion := names.Draw(t, "base"), names.Draw(t, "crm"), names.Draw(t, "notion")
		got, d := merged(base, crm, notion)
		swapped, _ := merged(base, notion, crm)
		if !change.Equal(got, swapped) {
			t.Fatalf("%s one way round, %s the other", got, swapped)
		}
		if len(d.Conflicts) > 0 {
			t.Fatalf("sets that merge are no conflict: %+v", d.Conflicts)
		}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			had, inCRM, inNotion := slices.Contains(base, name), slices.Contains(crm, name), slices.Contains(notion, name)
			has := slices.ContainsFunc(got.Items(), func(v change.Value) bool { return v.Text() == name })
			switch {
			case !had && (inCRM || inNotion) != has:
				t.Fatalf("%s was added, and the merged set is %s", name, got)
			case had && (!inCRM || !inNotion) && has:
				t.Fatalf("%s was removed, and the merged set is %s", name, got)
			case had && inCRM && inNotion && !has:
				t.Fatalf("nobody touched %s, and the merged set is %s", name, got)
			}
		}
	})
}

// A person adds and removes while the merged set is under way: it has reached one side, and the base of the other is its own.
func TestEditsBetweenTheTwoHalvesOfAMergeAreKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base, crm, notion, later := names.Draw(t, "base"), names.Draw(t, "crm"), names.Draw(t, "notion"), names.Draw(t, "later")
		w := world{base: change.TextSet(base...), crm: change.TextSet(crm...), notion: change.TextSet(notion...), toNotion: true, toCRM: true,
			tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true, elements: true}
		in := w.input()
		first := rapid.SampledFrom([]ledger.Side{ledger.CRM, ledger.Notion}).Draw(t, "first")
		d := ledger.Decide(in)
		in = carry(in, d, first)
		landed := wrote(d, ledger.CRM) && first == ledger.CRM // else the CRM never heard of what Notion has
		before := in.CRM.Image[field]
		in.CRM.Image[field] = change.TextSet(later...)
		for range 2 { // the sinks take turns
			in = carry(in, ledger.Decide(in), ledger.Notion)
			in = carry(in, ledger.Decide(in), ledger.CRM)
		}
		if d := ledger.Decide(in); !d.Quiet() || !change.Equal(in.CRM.Image[field], in.Notion.Image[field]) {
			t.Fatalf("it does not come to rest: %s and %s", in.CRM.Image[field], in.Notion.Image[field])
		}
		has := func(v change.Value, name string) bool {
			return slices.ContainsFunc(v.Items(), func(i change.Value) bool { return i.Text() == name })
		}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			if !has(before, name) && slices.Contains(later, name) && !has(in.CRM.Image[field], name) && !slices.Contains(base, name) {
				t.Fatalf("%s was added last, and is gone", name)
			}
			if landed && has(before, name) && !slices.Contains(later, name) && has(in.CRM.Image[field], name) {
				t.Fatalf("%s was removed last, and is back in %s", name, in.CRM.Image[field])
			}
		}
	})
}

// judged lets the clocks decide a conflict.
func judged(crm, notion ledger.Span, skew time.Duration, tie ledger.Side) ledger.Conflict {
	w := world{base: null, crm: one, notion: two, toNotion: true, toCRM: true, tie: tie, initial: tie, writeNotion: true, writeCRM: true}
	in := w.input()
	in.Rules.Skew = skew
	in.Link.Base[field] = ledger.FieldBase{Value: null, Rule: rule, CRMSeen: crm.After, NotionSeen: notion.After}
	in.CRM.Until, in.Notion.Until = crm.Before, notion.Before
	return ledger.Decide(in).Conflicts[0]
}

// Both edits fall at random into a stretch; Notion tells the minute (two-way-sync.md 3.2). To compare with the floored minute, or with its middle,
// picks the earlier edit so often; the rule of intervals leaves so many pairs undecided, and decides none wrongly.
func TestWhatFlooredMinutesLeaveUndecided(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stretch                    time.Duration
		floor, middle, undecidable float64
	}{{30 * time.Second, 0.42, 0.33, 0.83}, {time.Minute, 0.33, 0.21, 0.67}, {2 * time.Minute, 0.21, 0.12, 0.42}, {10 * time.Minute, 0.048, 0.024, 0.097}} {
		t.Run(tt.stretch.String(), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(7, uint64(tt.stretch)))
			const pairs = 100_000
			var floor, middle, undecided, wrong, narrowed int
			for range pairs {
				begin := noon.Add(time.Duration(dice.Int64N(int64(time.Hour))))
				crm := begin.Add(time.Duration(dice.Int64N(int64(tt.stretch))))
				notion := begin.Add(time.Duration(dice.Int64N(int64(tt.stretch))))
				minute := notion.Truncate(time.Minute)
				crmLater := crm.After(notion)
				if minute.After(crm) == crmLater {
					floor++
				}
				if minute.Add(30*time.Second).After(crm) == crmLater {
					middle++
				}
				crmSpan, notionSpan := ledger.Span{After: crm.Add(-time.Microsecond), Before: crm}, ledger.Span{After: minute, Before: minute.Add(time.Minute)}
				c := judged(crmSpan, notionSpan, 0, ledger.CRM)
				switch {
				case c.Undecidable:
					undecided++
					notionSpan.After = notion.Add(-time.Second) // a webhook named the property, a second early
					if hinted := judged(crmSpan, notionSpan, 0, ledger.CRM); !hinted.Undecidable {
						narrowed++
						if (hinted.Winner == ledger.CRM) == !crmLater {
							wrong++
						}
					}
				case (c.Winner == ledger.CRM) != crmLater:
					wrong++
				}
			}
			for what, share := range map[string][2]float64{"the floor picks the wrong one": {float64(floor), tt.floor}, "the middle picks the wrong one": {float64(middle), tt.middle},
				"undecidable": {float64(undecided), tt.undecidable}} {
				if got := share[0] / pairs; got < share[1]-0.01 || got > share[1]+0.01 {
					t.Errorf("%s: %.3f of the pairs, want about %.3f", what, got, share[1])
				}
			}
			if wrong > 0 {
				t.Errorf("%d pairs decided wrongly", wrong)
			}
			if narrowed == 0 {
				t.Error("no webhook ever decides what the minute leaves open")
			}
		})
	}
}

// Reads at random times, three clocks that disagree by less than the skew, a page that was edited again elsewhere: what is decided is right.
func TestLastWriteWinsIsNeverWrong(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(1, 2))
	const skew = 2 * time.Second
	off := func() time.Duration { return time.Duration(dice.Int64N(int64(skew))) - skew/2 }
	before := func(at time.Time) time.Time { return at.Add(-time.Duration(dice.Int64N(int64(5 * time.Minute)))) }
	after := func(at time.Time) time.Time { return at.Add(time.Duration(dice.Int64N(int64(5 * time.Minute)))) }
	decided, wrong := 0, 0
	for range 100_000 {
		ours, theirs, crms := off(), off(), off()
		crm := noon.Add(time.Duration(dice.Int64N(int64(10 * time.Minute))))
		notion := noon.Add(time.Duration(dice.Int64N(int64(10 * time.Minute))))
		read, pageEdited := after(notion), notion
		if dice.IntN(2) == 0 {
			pageEdited = notion.Add(time.Duration(dice.Int64N(int64(read.Sub(notion)) + 1))) // another property, later: the page's minute moved on
		}
		until := read.Add(ours)
		if end := pageEdited.Add(theirs).Truncate(time.Minute).Add(time.Minute); end.Before(until) {
			until = end
		}
		c := judged(ledger.Span{After: before(crm).Add(crms), Before: crm.Add(crms)}, ledger.Span{After: before(notion).Add(ours), Before: until}, skew, ledger.Notion)
		if c.Undecidable {
			continue
		}
		decided++
		if (c.Winner == ledger.CRM) != crm.After(notion) {
			wrong++
		}
	}
	if decided < 10_000 || wrong > 0 {
		t.Errorf("%d of %d decided pairs are wrong", wrong, decided)
	}
}

// A webhook that names the property tells that it was edited no earlier than that; it never widens what is known.
func TestHintsNarrowTheInterval(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	w := world{base: null, crm: one, notion: two, toNotion: true, toCRM: true, tie: ledger.CRM, initial: ledger.CRM, writeNotion: true, writeCRM: true}
	for _, tt := range []struct {
		hint   int
		winner ledger.Side
		tie    bool
	}{{40, ledger.Notion, false}, {20, ledger.CRM, true}, {-90, ledger.CRM, true}, {300, ledger.CRM, true}} {
		t.Run(fmt.Sprint(tt.hint), func(t *testing.T) {
			t.Parallel()
			in := w.input()
			in.CRM.Until, in.Notion.Until = at(30), at(60)
			in.Notion.Hints = map[string]time.Time{field: at(tt.hint), "another": at(45)}
			c := ledger.Decide(in).Conflicts[0]
			if c.Winner != tt.winner || c.Undecidable != tt.tie || c.NotionBefore.Sub(c.NotionAfter) > 2*time.Hour {
				t.Errorf("%s wins, undecidable %t, Notion's edit in (%s, %s]", c.Winner, c.Undecidable, c.NotionAfter, c.NotionBefore)
			}
		})
	}
}

// A stretch that ends before it begins, or has no end, tells nothing: a clock is wrong, or the page's newest edit was another one (an option was
// renamed, which moves no page's time). Nobody wins by that, whatever the other side's stretch is.
func TestTimesThatCannotBeDecideNothing(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	good := map[string]ledger.Span{"early": {After: at(-60), Before: at(-50)}, "late": {After: at(50), Before: at(60)}, "any time": {Before: at(60)}}
	impossible := map[string]ledger.Span{"no end": {After: at(0)}, "the end lies before the beginning": {After: at(10), Before: at(0)}, "nothing": {}}
	for what, bad := range impossible {
		for when, other := range good {
			for _, tie := range []ledger.Side{ledger.CRM, ledger.Notion} {
				for side, c := range map[string]ledger.Conflict{"the CRM's": judged(bad, other, time.Second, tie), "Notion's": judged(other, bad, time.Second, tie)} {
					if !c.Undecidable || c.Winner != tie || c.Rule != ledger.RuleTie {
						t.Errorf("%s edit has a stretch with %s, the other's is %s: %s wins by %s", side, what, when, c.Winner, c.Rule)
					}
				}
			}
		}
	}
	if c := judged(good["early"], good["late"], time.Second, ledger.CRM); c.Undecidable || c.Winner != ledger.Notion {
		t.Errorf("good clocks decide: %+v", c)
	}
	if c := judged(ledger.Span{After: at(0), Before: at(0).Add(-time.Second / 2)}, good["late"], time.Second, ledger.CRM); c.Undecidable || c.Winner != ledger.Notion {
		t.Errorf("clocks that disagree by less than the skew decide: %+v", c)
	}
}

// A query's index may be behind: its row shows what the page was, not what it is. The base that it gives is no older than the index can be, so that the CRM's
// edit, which came after a person's that the index had yet to show, wins as the later one; and it takes back nothing that a read of the page saw.
func TestARowOfAQueryDoesNotTimeTheBase(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	w := world{base: null, crm: null, notion: null, toNotion: true, toCRM: true, tie: ledger.Notion, initial: ledger.CRM, writeNotion: true, writeCRM: true}
	for _, tt := range []struct {
		what string
		lags bool
		seen time.Time // when the page showed the base by what was known before
		want time.Time
	}{
		{"a query", true, at(-60), at(-8)},
		{"a query after a read", true, at(-1), at(-1)},
		{"a read", false, at(-60), at(2)},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			in := w.input()
			in.Link.Base[field] = ledger.FieldBase{Value: null, Rule: rule, CRMSeen: at(-60), NotionSeen: tt.seen}
			in.CRM.At, in.Notion.At, in.Notion.Lags = at(2), at(2), tt.lags
			base := agreed(in)
			if !base.NotionSeen.Equal(tt.want) {
				t.Errorf("the base says that the page showed it at %s, want %s", base.NotionSeen, tt.want)
			}
			c := judged(ledger.Span{After: base.CRMSeen, Before: at(3)}, ledger.Span{After: base.NotionSeen, Before: at(1)}, time.Second, ledger.Notion)
			if tt.lags && (c.Undecidable || c.Winner != ledger.CRM) {
				t.Errorf("the CRM was edited two minutes after Notion, and %s wins by %s", c.Winner, c.Rule)
			}
		})
	}
}
