package sink

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// conflictsOver gives the decision's conflicts whose loser stands on the side that is about to be overwritten, with their ids. The
// other side's are recorded by the other sink, right before it writes.
func (r *reconciliation) conflictsOver(d ledger.Decision, side ledger.Side) []ledger.Conflict {
	var out []ledger.Conflict
	for _, c := range d.Conflicts {
		if loser, _ := c.Loser(); loser != side {
			continue
		}
		base := r.link().Base[c.Field]
		// The same conflict decided again after a crash has the same id: it is recorded, and alerted, once.
		c.ID = stableID("conflict", r.link().ID, c.Field, c.CRM, c.Notion, c.Winner, base.CRMSeen, base.NotionSeen)
		c.Tell = r.entity.Mapping.Document.Notion.Comments
		out = append(out, c)
		if r.w.Observe != nil {
			r.w.Observe.Conflict(r.link().Entity, c.Field, c.Winner, c.Undecidable)
		}
	}
	return out
}

// stableID is a uuid made of its parts.
func stableID(parts ...any) string {
	data, err := json.Marshal(parts)
	if err != nil {
		data = fmt.Appendf(nil, "%v", parts)
	}
	sum := sha256.Sum256(data)
	return uuid.NewSHA1(uuid.NameSpaceOID, sum[:]).String()
}

// conflictAlerts tells of conflicts on critical fields, always, and of those that the clocks could not decide.
func (r *reconciliation) conflictAlerts(ctx context.Context, conflicts []ledger.Conflict) []ledger.Alert {
	var alerts []ledger.Alert
	for _, c := range conflicts {
		if !c.Critical && !c.Undecidable || c.Rule == ledger.RulePerson { // a person decided this one, and knows
			continue
		}
		loser, lost := c.Loser()
		kept, lost := r.titles(ctx, c.Field, c.Kept()), r.titles(ctx, c.Field, lost)
		summary := fmt.Sprintf("%s of %s %s was changed in both places; %s's %q was kept (%s), %s's %q is in the conflict history",
			c.Field, r.link().Entity, r.link().Key, c.Winner, short(kept), ruleInWords(c), loser, short(lost))
		if c.Editor != "" {
			summary += "; the page was edited last by " + ledger.UserOf(c.Editor)
		}
		a := r.alert("conflict", c.Field, summary, c.Critical, c.ID)
		a.ID = c.ID
		if detail, err := json.Marshal(c); err == nil && len(detail) <= alertDetailMax {
			a.Detail = detail
		}
		alerts = append(alerts, a)
	}
	return alerts
}

// alertDetailMax bounds an alert's values: a record must fit its topic, and the conflict history has the values whatever their size.
const alertDetailMax = 100_000

// short is a value as a sentence bears it.
func short(v change.Value) string {
	text := []rune(v.String())
	if len(text) <= 80 {
		return string(text)
	}
	return string(text[:80]) + "…"
}

// RuleInWords says what decided a conflict.
func RuleInWords(c ledger.Conflict) string { return ruleInWords(c) }

func ruleInWords(c ledger.Conflict) string {
	switch c.Rule {
	case string(ledger.LastWriteWins):
		return "the later edit"
	case string(ledger.CRMWins):
		return "the CRM wins conflicts of this field"
	case string(ledger.NotionWins):
		return "Notion wins conflicts of this field"
	case ledger.RuleNeverBlank:
		return "the field is never blanked"
	case ledger.RuleWriteOnce:
		return "the field is written once"
	case ledger.RulePerson:
		return "a person decided"
	case "tie":
		return "which edit was later cannot be known; the field's tie rule decided"
	case "initial_authority":
		return "the two had never agreed; the initial authority decided"
	case "one_way":
		return "the field is edited on one side only"
	}
	return c.Rule
}

// alert makes an alert about this link. What tells two alerts of one kind apart goes into its id.
func (r *reconciliation) alert(kind, field, summary string, critical bool, apart string) ledger.Alert {
	l := r.link()
	return ledger.Alert{
		ID: stableID("alert", l.ID, kind, field, apart, l.Epoch), At: r.w.Now(), Kind: kind, Sync: l.Sync, Entity: l.Entity, Key: l.Key, Page: l.Page,
		Field: field, Critical: critical, Summary: summary, Link: l.ID,
	}
}
