package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// agreedOn is a live link whose fields both sides agreed on, with the CRM's new values on their way to Notion, and Notion's to the CRM.
func agreedOn(toNotion, toCRM change.Image) (ledger.Input, ledger.Decision) {
	in := ledger.Input{Now: noon, Link: ledger.Link{ID: 1, Key: "1", Page: "p", State: ledger.Live, Base: map[string]ledger.FieldBase{}}}
	in.CRM, in.Notion = ledger.View{Image: change.Image{}}, ledger.View{Image: change.Image{}}
	d := ledger.Decision{ToNotion: toNotion, ToCRM: toCRM}
	for _, side := range []change.Image{toNotion, toCRM} {
		for name, v := range side {
			in.Rules.Fields = append(in.Rules.Fields, ledger.Policy{Name: name, Rule: "r", ToNotion: true, ToCRM: true})
			in.Link.Base[name] = ledger.FieldBase{Value: two, Rule: "r"}
			in.CRM.Image[name], in.Notion.Image[name] = v, two
		}
	}
	for name, v := range toCRM {
		in.CRM.Image[name], in.Notion.Image[name] = two, v
	}
	if len(toNotion) > 0 {
		d.Page = ledger.PageUpdate
	}
	if len(toCRM) > 0 {
		d.Row = ledger.RowUpdate
	}
	return in, d
}

func TestBrakesOfFields(t *testing.T) {
	t.Parallel()
	meter := func(side ledger.Side, op, field string) ledger.Meter {
		return ledger.Meter{Side: side, Op: op, Field: field}
	}
	for _, tt := range []struct {
		name            string
		toNotion, toCRM change.Image
		count           ledger.Counters
		edit            func(*ledger.Input)
		held            string // field and op, with commas between
		counted         int    // what goes through is counted as so much
	}{
		{"nothing yet", change.Image{"a": one, "b": null}, nil, ledger.Counters{}, nil, "", 3},
		{"one field is full, the other goes on", change.Image{"a": one, "b": one}, nil, ledger.Counters{Touched: map[ledger.Meter]int{meter(ledger.Notion, "update", "a"): 500}}, nil, "a update", 1},
		{"the last that is allowed", change.Image{"a": one}, nil, ledger.Counters{Touched: map[ledger.Meter]int{meter(ledger.Notion, "update", "a"): 499}}, nil, "", 1},
		{"2 % of many", change.Image{"a": one}, nil, ledger.Counters{Links: 100_000, Touched: map[ledger.Meter]int{meter(ledger.Notion, "update", "a"): 1999}}, nil, "", 1},
		{"and one more", change.Image{"a": one}, nil, ledger.Counters{Links: 100_000, Touched: map[ledger.Meter]int{meter(ledger.Notion, "update", "a"): 2000}}, nil, "a update", 0},
		{"blanks have a lower limit", change.Image{"a": null}, nil, ledger.Counters{Touched: map[ledger.Meter]int{meter(ledger.Notion, "update", "a"): 20, meter(ledger.Notion, "blank", "a"): 20}}, nil, "a blank", 0},
		{"which does not hold changes", change.Image{"a": one}, nil, ledger.Counters{Touched: map[ledger.Meter]int{meter(ledger.Notion, "blank", "a"): 20}}, nil, "", 1},
		{"each direction by itself", nil, change.Image{"a": null}, ledger.Counters{Touched: map[ledger.Meter]int{meter(ledger.Notion, "blank", "a"): 20}}, nil, "", 2},
		{"to the CRM as well", nil, change.Image{"a": null}, ledger.Counters{Touched: map[ledger.Meter]int{meter(ledger.CRM, "blank", "a"): 20}}, nil, "a blank", 0},
		{"a large transaction is held as a whole", change.Image{"a": one, "b": null}, change.Image{"c": one}, ledger.Counters{Transaction: ledger.Transaction{Xid: 7, Links: 501}}, nil, "a transaction,b transaction", 1},
		{"one that is just not too large", change.Image{"a": one}, nil, ledger.Counters{Transaction: ledger.Transaction{Xid: 7, Links: 500}}, nil, "", 1},
		{"a field that was never agreed on is the mapping's doing", change.Image{"a": one}, nil, ledger.Counters{Transaction: ledger.Transaction{Links: 9999}, Touched: map[ledger.Meter]int{meter(ledger.Notion, "update", "a"): 9999}},
			func(in *ledger.Input) { in.Link.Base = nil }, "", 0},
		{"what is held stays held in the next window", change.Image{"a": null}, nil, ledger.Counters{},
			func(in *ledger.Input) {
				in.Holds = []ledger.Hold{{Kind: "brake", Field: "a", Side: ledger.Notion, Op: "blank"}}
			}, "a blank", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in, d := agreedOn(tt.toNotion, tt.toCRM)
			if tt.edit != nil {
				tt.edit(&in)
			}
			got, brakes, counts := ledger.Gate(in, d, ledger.DefaultLimits(), tt.count)
			var held []string
			for _, h := range got.Holds {
				held = append(held, h.Field+" "+h.Op)
				_, n := got.ToNotion[h.Field]
				_, c := got.ToCRM[h.Field]
				if n || c || h.Kind != "brake" || h.Mark == "" {
					t.Errorf("held, and written all the same: %+v", got)
				}
			}
			slices.Sort(held)
			if strings.Join(held, ",") != tt.held || len(counts) != tt.counted || len(brakes) != tt.counted {
				t.Errorf("held %q, want %q; counts %v, want %d; brakes %v", held, tt.held, counts, tt.counted, brakes)
			}
			if len(got.ToNotion) == 0 && got.Page != "" || len(got.ToCRM) == 0 && got.Row != "" {
				t.Errorf("a write of nothing: %+v", got)
			}
		})
	}
}

// An approval is of what both sides showed, until it runs out: then, and where they show something else, the brake holds as before.
func TestAnApprovalIsOfWhatWasHeld(t *testing.T) {
	t.Parallel()
	full := ledger.Counters{Touched: map[ledger.Meter]int{{Side: ledger.Notion, Op: "blank", Field: "a"}: 20, {Side: ledger.Notion, Op: "update", Field: "a"}: 500}}
	in, d := agreedOn(change.Image{"a": null}, nil)
	first, _, _ := ledger.Gate(in, d, ledger.DefaultLimits(), full)
	h := first.Holds[0]
	for _, tt := range []struct {
		name string
		edit func(in *ledger.Input, h *ledger.Hold)
		pass bool
	}{
		{"approved", func(*ledger.Input, *ledger.Hold) {}, true},
		{"run out", func(_ *ledger.Input, h *ledger.Hold) { h.Until = noon }, false},
		{"the page shows something else", func(in *ledger.Input, _ *ledger.Hold) { in.Notion.Image["a"] = one }, false},
		{"nobody has said", func(_ *ledger.Input, h *ledger.Hold) { h.Keep = "" }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in, d := agreedOn(change.Image{"a": null}, nil)
			said := h
			said.Keep, said.Until = ledger.CRM, noon.Add(time.Hour)
			tt.edit(&in, &said)
			in.Holds = []ledger.Hold{said}
			got, brakes, counts := ledger.Gate(in, d, ledger.DefaultLimits(), full)
			if _, passes := got.ToNotion["a"]; passes != tt.pass || len(brakes)+len(counts) != 0 {
				t.Errorf("passes %t, want %t, and never counted: %v %v", passes, tt.pass, brakes, counts)
			}
			if len(ledger.Choices(in)) != 0 {
				t.Error("an approval is no choice between two values: it would stand in the conflict history")
			}
		})
	}
	h.Keep, h.Until = ledger.Notion, noon.Add(time.Hour)
	in.Holds = []ledger.Hold{h}
	if c := ledger.Choices(in); c["a"] != ledger.Notion {
		t.Errorf("rejected, the old value stands: %v", c)
	}
}

// What is let through is counted, checked and written; what is held is none of them; together they are what was decided.
func TestGateLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SampledFrom([]change.Value{one, null, change.TextValue("3")})
		draw := func(names ...string) change.Image {
			im := change.Image{}
			for _, n := range names {
				if rapid.Bool().Draw(t, n) {
					im[n] = values.Draw(t, n+" value")
				}
			}
			return im
		}
		in, d := agreedOn(draw("a", "b"), draw("c", "d"))
		if len(d.ToNotion)+len(d.ToCRM) == 0 {
			return
		}
		asked := ledger.Counts(in, d)
		count := ledger.Counters{Touched: map[ledger.Meter]int{}, Links: rapid.IntRange(0, 50_000).Draw(t, "links"),
			Transaction: ledger.Transaction{Links: rapid.SampledFrom([]int{0, 501, 2000}).Draw(t, "transaction")}}
		for _, m := range asked {
			count.Touched[m] = rapid.SampledFrom([]int{0, 19, 20, 499, 500, 1000}).Draw(t, m.Field+m.Op)
		}
		before := len(d.ToNotion) + len(d.ToCRM)
		got, brakes, counts := ledger.Gate(in, d, ledger.DefaultLimits(), count)
		if len(got.ToNotion)+len(got.ToCRM)+len(got.Holds) != before || len(d.ToNotion)+len(d.ToCRM) != before {
			t.Fatalf("of %d fields %d go on and %d are held", before, len(got.ToNotion)+len(got.ToCRM), len(got.Holds))
		}
		for _, m := range ledger.Counts(in, got) {
			if !slices.Contains(counts, m) {
				t.Fatalf("%v is written and not counted", m)
			}
		}
		for _, b := range brakes {
			if count.Touched[b.Meter]+1 > b.Max || !slices.Contains(counts, b.Meter) {
				t.Fatalf("let through over the limit: %+v", b)
			}
		}
	})
}
