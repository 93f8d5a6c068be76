package sink

import (
	"cmp"
	"fmt"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// audited completes the audit rows of a commit: in which run it was written, whose edit it carried, which conflicts it settled.
func (r *reconciliation) audited(c *ledger.Commit) {
	for i := range c.Writes {
		w := &c.Writes[i]
		w.Run = cmp.Or(w.Run, r.w.Run)
		if w.By == "" {
			w.By = r.author(w.Side)
		}
		for _, conflict := range c.Conflicts {
			if _, ok := w.New[conflict.Field]; ok {
				if w.Conflicts == nil {
					w.Conflicts = map[string]string{}
				}
				w.Conflicts[conflict.Field] = conflict.ID
			}
		}
	}
}

// author is who made the edit that a write to a side carries there, as far as it is known: Notion names a page's last editor, the CRM's log a transaction.
func (r *reconciliation) author(side ledger.Side) string {
	switch {
	case side == ledger.CRM && r.in.Notion.Editor != "":
		return "Notion user " + r.in.Notion.Editor
	case side == ledger.CRM:
		return "Notion"
	case r.work.Xid != 0:
		return fmt.Sprintf("CRM transaction %d", r.work.Xid)
	}
	return "CRM"
}
