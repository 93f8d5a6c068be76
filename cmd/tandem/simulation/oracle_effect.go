package simulation

import (
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// checkWrite (6): nothing outside the allow-list reaches a page.
func (w *world) checkWrite(entity string, values map[string]change.Value) {
	for field := range values {
		if f, ok := w.fieldOf(entity, field); !ok || !f.ToNotion() {
			w.violation("allow-list", "%s of %s is written to Notion, which the mapping does not allow", field, entity)
		}
	}
}

// checkRow (6): nothing outside the allow-list reaches a row, and no write overwrites what was not compared (2).
func (w *world) checkRow(e *mapping.Entity, write sink.RowWrite, row sink.Row) {
	for field := range write.Set {
		f, ok := e.Field(field)
		if !ok || !f.ToCRM() {
			w.violation("allow-list", "%s of %s is written to the CRM, which the mapping does not allow", field, e.Name)
		}
		if _, compared := write.Expect[field]; !compared && write.Op == sink.RowUpdate {
			w.violation("loss", "%s/%s %s is written without being compared first", e.Name, write.Key, field)
		}
	}
	_ = row
}

// checkEvidence (2, 9 of the invariants): nothing is deleted because it cannot be found.
func (w *world) checkEvidence(side ledger.Side, entity, what string) {
	if side == ledger.CRM && !w.users.everBinned[what] {
		w.violation("evidence", "the row of page %s (%s) is deleted, and nobody put the page in the trash", what, entity)
	}
	if side == ledger.Notion && !w.crm.everDeleted[entity+"/"+what] {
		w.violation("evidence", "the page of %s/%s is trashed, and nobody deleted the row", entity, what)
	}
}

// pageOfRow and rowOfPage ask the ledger who belongs together.
func (w *world) pageOfRow(entity, key string) string {
	links, err := w.ledger.ByKey(w.context(), syncName, entity, []string{key})
	if err != nil {
		return ""
	}
	return links[key].Page
}

func (w *world) rowOfPage(page string) string {
	links, err := w.ledger.ByPage(w.context(), syncName, []string{page})
	if err != nil {
		return ""
	}
	return links[page].Key
}
