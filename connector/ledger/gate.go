package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// Limits are the brakes of one entity.
type Limits struct {
	DeletesMax   int     // as many deletes in Window are always allowed
	DeletesShare float64 // or this share of the live links, whichever is more
	FlipsMax     int     // a field that went back and forth so often in Window is held
	Window       time.Duration
}

// DefaultLimits hold more than max(5, 1 %) deletes in an hour, and a field that flips three times in it.
func DefaultLimits() Limits {
	return Limits{DeletesMax: 5, DeletesShare: 0.01, FlipsMax: 3, Window: time.Hour}
}

// Deletes is how many deletes the limits allow in the window, of so many links.
func (l Limits) Deletes(links int) int {
	return max(l.DeletesMax, int(l.DeletesShare*float64(links)))
}

// Counters are what happened in the window.
type Counters struct {
	Deletes int // deletes on the side that the decision would delete on
	Links   int // live links of the entity
}

// Gate takes from a decision what the brakes do not allow, and puts holds in its place. The brake that comes back is checked once more,
// exactly, when the write is recorded: several workers may stand at the gate at once.
func Gate(in Input, d Decision, limits Limits, count Counters) (Decision, *Brake) {
	d = holdOscillation(in, d, limits)
	side, deletes := CRM, d.Row == RowDelete
	if d.Page == PageTrash {
		side, deletes = Notion, true
	}
	if !deletes {
		return d, nil
	}
	allowed := limits.Deletes(count.Links)
	if count.Deletes >= allowed {
		return Braked(in, allowed, limits.Window), nil
	}
	return d, &Brake{Side: side, Op: string(RowDelete), Max: allowed, Window: limits.Window}
}

// Braked is the decision that stands in the place of a delete that the brake holds.
func Braked(in Input, allowed int, window time.Duration) Decision {
	return Decision{Holds: []Hold{{Kind: "brake", At: in.Now,
		Reason: fmt.Sprintf("more than %d deletes in %s: this one is held until a person has looked", allowed, window)}}}
}

func holdOscillation(in Input, d Decision, limits Limits) Decision {
	for _, p := range in.Rules.Fields {
		flips := 0
		for _, at := range in.Link.Base[p.Name].Flips {
			if in.Now.Sub(at) < limits.Window {
				flips++
			}
		}
		if flips < limits.FlipsMax || !writes(d, p.Name) {
			continue
		}
		delete(d.ToNotion, p.Name)
		delete(d.ToCRM, p.Name)
		d.Conflicts = slices.DeleteFunc(d.Conflicts, func(c Conflict) bool { return c.Field == p.Name })
		reason := fmt.Sprintf("%s went back and forth between two values %d times: two programs are fighting over it", p.Name, flips)
		d.park(p.Name, reason)
		d.Holds = append(d.Holds, Hold{Kind: "oscillation", Reason: reason, At: in.Now})
	}
	if d.Page == PageUpdate && len(d.ToNotion) == 0 && !d.Mark {
		d.Page = ""
	}
	if d.Row == RowUpdate && len(d.ToCRM) == 0 {
		d.Row = ""
	}
	return d
}

func writes(d Decision, field string) bool {
	_, a := d.ToNotion[field]
	_, b := d.ToCRM[field]
	return a || b
}

// Landed is a field's base after its value was written to a side and the side's answer was read (invariant 2): the value sent. What
// came back different is that side's own new change; different twice in a row, the field is stuck with both forms.
func Landed(prev FieldBase, rule string, side Side, sent, got change.Value, at time.Time) FieldBase {
	b := FieldBase{Value: sent, Rule: rule, CRMSeen: at, NotionSeen: at, Before: prev.Before, Flips: prev.Flips}
	if !prev.IsZero() && !change.Equal(prev.Value, sent) {
		b.Before = prev.Value
		if change.Equal(prev.Before, sent) {
			b.Flips = append(slices.Clone(recent(prev.Flips, at)), at)
		}
	}
	if change.Equal(sent, got) {
		return b
	}
	b.Sent = &Sent{Side: side, Sent: sent, Got: got}
	if prev.Sent != nil {
		b.Stuck = &Stuck{CRM: sent, Notion: got}
		if side == CRM {
			b.Stuck = &Stuck{CRM: got, Notion: sent}
		}
		b.Stuck.Reason = fmt.Sprintf("%s was sent and %s came back, twice: the %s side changes what it is given", quote(sent), quote(got), side)
	}
	return b
}

// Half gives the base of a field whose merged set one side holds by now and the other does not yet.
func (b FieldBase) Half(own change.Value) FieldBase {
	if b.Sent == nil {
		b.Value = own
	}
	return b
}

// flipsKept bounds a field's memory of flips.
const flipsKept = 8

func recent(flips []time.Time, at time.Time) []time.Time {
	var kept []time.Time
	for _, f := range flips {
		if at.Sub(f) < 24*time.Hour {
			kept = append(kept, f)
		}
	}
	return kept[max(0, len(kept)-flipsKept):]
}

func quote(v change.Value) string {
	if v.IsNull() {
		return "nothing"
	}
	return fmt.Sprintf("%.80q", v.String())
}
