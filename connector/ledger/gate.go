package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

func holdOscillation(in Input, d Decision, limits Limits) Decision {
	for _, p := range in.Rules.Fields {
		flips := 0
		for _, at := range in.Link.Base[p.Name].Flips {
			if in.Now.Sub(at) < limits.Window {
				flips++
			}
		}
		if flips < limits.FlipsMax || !writes(d, p.Name) || in.Chosen[p.Name] != "" {
			continue
		}
		delete(d.ToNotion, p.Name)
		delete(d.ToCRM, p.Name)
		d.Conflicts = slices.DeleteFunc(d.Conflicts, func(c Conflict) bool { return c.Field == p.Name })
		reason := fmt.Sprintf("%s went back and forth between two values %d times: two programs are fighting over it", p.Name, flips)
		if in.Notion.Editor != "" {
			reason += "; the page was last edited by " + in.Notion.Editor
		}
		d.park(p.Name, reason)
		d.Holds = append(d.Holds, Hold{Kind: "oscillation", Field: p.Name, Reason: reason, At: in.Now})
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
	flips := false
	switch {
	case prev.IsZero():
	case change.Equal(prev.Value, sent):
		flips = prev.Rule == rule // put back: the side had something else, against the field's direction or policy
	default:
		b.Before = prev.Value
		flips = change.Equal(prev.Before, sent)
	}
	if flips {
		b.Flips = append(slices.Clone(recent(prev.Flips, at)), at)
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
