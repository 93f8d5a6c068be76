package ledger

import (
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

// lastWriteWins compares the intervals in which the two edits must lie (invariant 10). Where they overlap the order cannot be known:
// the field's tie rule decides.
func (f *field) lastWriteWins(in *Input) {
	winner, decided := later(f.crmEdit(in), f.notionEdit(in), in.Rules.Skew)
	rule := string(LastWriteWins)
	if !decided {
		winner, rule = f.policy.Tie, RuleTie
	}
	f.wins(winner, rule, !decided)
}

// Span is a stretch of time (After, Before] in which an edit was made.
type Span struct {
	After  time.Time
	Before time.Time
}

// Shown is when the side was surely as the view shows it: every edit that it does not show was made later. A query's index may be behind the read.
func (v *View) Shown() time.Time {
	if v.Lags && !v.At.IsZero() {
		return v.At.Add(-lagMost)
	}
	return v.At
}

// possible reports that something can have happened in the span. It begins with a read of the old value and ends by what a side says of its newest edit;
// if the end is not known, or lies before the beginning, a clock is wrong or that edit was another: who renames an option in Notion changes pages, and not
// when they were edited last.
func (s Span) possible(skew time.Duration) bool {
	return !s.Before.IsZero() && !s.After.After(s.Before.Add(skew))
}

// later tells which edit came later, if that can be known.
func later(crm, notion Span, skew time.Duration) (Side, bool) {
	switch {
	case !crm.possible(skew), !notion.possible(skew):
		return "", false
	case !crm.After.Before(notion.Before.Add(skew)):
		return CRM, true
	case !notion.After.Before(crm.Before.Add(skew)):
		return Notion, true
	}
	return "", false
}

func (f *field) crmEdit(in *Input) Span {
	return Span{After: f.base.CRMSeen, Before: in.CRM.Until}
}

func (f *field) notionEdit(in *Input) Span {
	s := Span{After: f.base.NotionSeen, Before: in.Notion.Until}
	if hint := in.Notion.Hints[f.policy.Name]; hint.After(s.After) && hint.Before(s.Before) {
		s.After = hint
	}
	return s
}

// typing tells from when on a read can tell that Notion's value is not being typed any more; zero where it is known by now: two reads at
// least the delay apart showed the same, or the page's minute and the delay after it were over when it was read. A query's row may show what the
// page was in the middle of it: the first of the two reads may be one, the last is of the page itself.
func (f *field) typing(in *Input) time.Time {
	if f.policy.Typing <= 0 || f.based && change.Equal(f.notion, f.base.Value) {
		return time.Time{}
	}
	n := &in.Notion
	since, ok := n.Since[f.policy.Name]
	if !ok || since.After(n.At) {
		since = n.At
	}
	if edited := n.EditedAt.Add(time.Minute + in.Rules.Skew); !n.EditedAt.IsZero() && edited.Before(since) {
		since = edited
	}
	settled := since.Add(f.policy.Typing)
	switch {
	case n.At.Before(settled):
		return settled
	case n.Lags:
		return n.At
	}
	return time.Time{}
}
