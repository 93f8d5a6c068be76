package simulation

import (
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// clocked (2): where a conflict was decided by who wrote last, that is who wrote last; each edit lies in the stretch of time that is given for it, also where
// the order could not be known.
func (j *judge) clocked() {
	for _, c := range j.conflicts {
		if c.Rule != string(ledger.LastWriteWins) && c.Rule != ledger.RuleTie || c.Field == "contact" || c.Field == "tags" {
			continue
		}
		j.bounded(c)
		j.twoSided(c)
		if c.Undecidable {
			continue
		}
		_, loser := c.Loser()
		winner := c.CRM
		if c.Winner == ledger.Notion {
			winner = c.Notion
		}
		kept, lost := wordsOf(winner), wordsOf(loser)
		if len(kept) == 0 || len(lost) == 0 {
			continue // who cleared a field left no token
		}
		won, ok := j.w.truth.edits[kept[0]]
		gone, known := j.w.truth.edits[lost[0]]
		if ok && known && !won.again && !gone.again && won.at.Before(gone.at) {
			j.fault("clocks", "conflict on %s: %q of %s won as the later edit over %q of %s", c.Field, kept[0], clock(won.at), lost[0], clock(gone.at))
		}
	}
}

// bounded (2): an edit lies in the stretch of time that the conflict gives for it. One that does not decides wrongly, or leaves to the tie rule what could be known.
func (j *judge) bounded(c ledger.Conflict) {
	unseen := time.Duration(0) // of a commit: a read in that time does not show it, however late it is
	if j.w.faults.counts()[visibleLate] > 0 {
		unseen = visibleLateBy
	}
	in := func(side ledger.Side, shows change.Value, after, before time.Time) {
		words := wordsOf(shows)
		if len(words) == 0 {
			return // who cleared a field left no token
		}
		e, known := j.w.truth.edits[words[0]]
		if known && !e.again && (e.at.Before(after.Add(-skewMax)) || e.at.After(before.Add(skewMax))) {
			j.fault("clocks", "conflict on %s: %q of %s in %s is said to have been written between %s and %s", c.Field, words[0], clock(e.at), side, clock(after), clock(before))
		}
	}
	in(ledger.CRM, c.CRM, c.CRMAfter.Add(-unseen), c.CRMBefore)
	in(ledger.Notion, c.Notion, c.NotionAfter, c.NotionBefore)
}

// twoSided (2): a conflict is between what people wrote on two sides. Between two values of one side, its own earlier one came back for the other's, by our
// hand: a base was lost, and a person who saw what he replaced may be overruled by it.
func (j *judge) twoSided(c ledger.Conflict) {
	crm, notion := wordsOf(c.CRM), wordsOf(c.Notion)
	if len(crm) == 0 || len(notion) == 0 {
		return // who cleared a field left no token
	}
	a, b := j.w.truth.edits[crm[0]], j.w.truth.edits[notion[0]]
	if !a.again && !b.again && a.record() != "" && a.record() == b.record() {
		j.fault("loss", "conflict on %s between %q and %q: both were written at %s, one for the other", c.Field, crm[0], notion[0], a.record())
	}
}
