package simulation

import (
	"strconv"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

// limits are the brakes of one kind of run: how many records in the window. 0 is the default, which no run reaches.
type limits struct {
	deletes, updates, blanks, creates int
	window                            time.Duration
}

// drawBrakes has every fifth run braked in its deletes, and every sixth in something else.
func (w *world) drawBrakes(deletes int) limits {
	l := limits{deletes: deletes, window: time.Hour}
	dice := w.dice("brakes")
	if dice.IntN(6) > 0 {
		return l
	}
	l.window = 10 * time.Minute
	switch dice.IntN(3) {
	case 0:
		l.updates = 1 + dice.IntN(3)
	case 1:
		l.blanks = 1
	default:
		l.creates = 1 + dice.IntN(2)
	}
	return l
}

// loose tells that no brake of the run can hold anything.
func (r rules) loose() bool {
	return r.deletes > 100 && r.updates == 0 && r.blanks == 0 && r.creates == 0
}

// late is how much later than it is counted a write may take effect.
const late = 2 * time.Minute

// brake (7) counts a record for one brake, and complains when more than the limit were in its window. A record counts once.
func (w *world) brake(side ledger.Side, entity, op, field, record string, limit int) {
	if limit == 0 {
		return
	}
	name := string(side) + " " + entity + " " + op + " " + field
	if w.touched[name] == nil {
		w.touched[name] = map[string]time.Time{}
	}
	w.touched[name][record] = w.now
	n := 0
	for _, at := range w.touched[name] {
		if w.now.Sub(at) < w.shape.rules.window-late {
			n++
		}
	}
	if n > limit {
		w.violation("brakes", "%s: %d records within %s, and %d are allowed", name, n, w.shape.rules.window, limit)
	}
}

func (w *world) checkDelete(side ledger.Side, entity, record string) {
	w.brake(side, entity, ledger.OpDelete, "", record, w.shape.rules.deletes)
}

// checkCreate leaves out the first window of an entity, and what sweeps find: a first sync is not braked.
func (w *world) checkCreate(side ledger.Side, entity, record string) {
	if w.began[entity].IsZero() {
		w.began[entity] = w.now
	}
	if w.now.Sub(w.began[entity]) > w.shape.rules.window+late && !w.faults.healed {
		w.brake(side, entity, ledger.OpCreate, "", record, w.shape.rules.creates)
	}
}

// checkUpdate counts fields that were agreed on before: filling a new one is the mapping's doing.
func (w *world) checkUpdate(side ledger.Side, link ledger.Link, field string, old, next change.Value) {
	f, ok := w.fieldOf(link.Entity, field)
	if base, agreed := link.Base[field]; !ok || !agreed || base.Rule != f.Rule {
		return
	}
	record := strconv.FormatInt(link.ID, 10) // whatever its key becomes
	w.brake(side, link.Entity, ledger.OpUpdate, field, record, w.shape.rules.updates)
	if len(wordsOf(next)) == 0 && len(wordsOf(old)) > 0 && !w.hides(side, link, field) {
		w.brake(side, link.Entity, ledger.OpBlank, field, record, w.shape.rules.blanks)
	}
}

// agreedOf is what was agreed on of a row.
func (w *world) agreedOf(entity, key string) map[string]ledger.FieldBase {
	links, err := w.ledger.ByKey(w.context(), syncName, entity, []string{key})
	if err != nil {
		return nil
	}
	return links[key].Base
}

// hides reports that a relation is emptied in Notion whose row names a record: one whose page is in the trash. That is an update, as in the CRM.
func (w *world) hides(side ledger.Side, link ledger.Link, field string) bool {
	return side == ledger.Notion && field == "contact" && w.crm.tables[link.Entity][link.Key][field].Text() != ""
}

// checkWritten (7, 12) is told of each row that Tandem wrote, in the transaction that wrote it, and of what was agreed on before: that transaction moves it.
func (w *world) checkWritten(entity string, write sink.RowWrite, result sink.RowResult, before sink.Row, agreed map[string]ledger.FieldBase) {
	links, err := w.ledger.ByKey(w.context(), syncName, entity, []string{result.Key})
	link, ok := links[result.Key]
	if err != nil || !ok {
		w.violation("audit", "row %s of %s was written for no link", result.Key, entity)
		return
	}
	values := change.Image{}
	for field := range write.Set {
		values[field] = result.Image[field]
	}
	op := map[sink.RowOp]ledger.RowOp{sink.RowInsert: ledger.RowInsert, sink.RowUpdate: ledger.RowUpdate, sink.RowDelete: ledger.RowDelete}[write.Op]
	w.checkAudit(link, ledger.CRM, string(op), values)
	switch write.Op {
	case sink.RowDelete:
		w.checkDelete(ledger.CRM, entity, result.Key)
	case sink.RowInsert:
		w.checkCreate(ledger.CRM, entity, result.Key)
	case sink.RowUpdate:
		link.Base = agreed
		for _, field := range change.Sorted(values) {
			w.checkUpdate(ledger.CRM, link, field, before.Image[field], values[field])
		}
	}
}
