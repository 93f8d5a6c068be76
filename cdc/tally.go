package cdc

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-sync/tandem/connector/change"
)

// tally counts events by table and operation since the program started. Emitters on several goroutines share it.
type tally struct{ tables sync.Map } // tableName to *tableTally

// countedOps are the operations in the order of tableTally.
var countedOps = [...]change.Op{change.Read, change.Create, change.Update, change.Delete, change.Truncate, change.Message}

type tableTally [len(countedOps)]atomic.Uint64

// of gives the counts of a table, for a caller that keeps them: a look costs more than a count.
func (t *tally) of(name tableName) *tableTally {
	if found, ok := t.tables.Load(name); ok {
		return found.(*tableTally)
	}
	made, _ := t.tables.LoadOrStore(name, new(tableTally))
	return made.(*tableTally)
}

func (t *tableTally) add(op change.Op) {
	if i := slices.Index(countedOps[:], op); i >= 0 {
		t[i].Add(1)
	}
}

// lastTally is the table that an emitter counted last, which is often the next one's too.
type lastTally struct {
	name   tableName
	counts *tableTally
}

// count adds an event that was written. Messages have no table.
func (e *emitter) count(ev *change.Event) {
	if e.tally == nil {
		return
	}
	if name := (tableName{ev.Source.Schema, ev.Source.Table}); e.last.counts == nil || e.last.name != name {
		e.last = lastTally{name, e.tally.of(name)}
	}
	e.last.counts.add(ev.Op)
}

// EventCount is how many events of one operation a table had.
type EventCount struct {
	Table string // schema.table; "" for messages
	Op    change.Op
	N     uint64
}

// Events tells how many events of each table were written since the program started; those that came again after a failure count again.
func (s *Source) Events() []EventCount {
	var out []EventCount
	s.tally.tables.Range(func(name, counts any) bool {
		for i, op := range countedOps {
			if n := counts.(*tableTally)[i].Load(); n > 0 {
				table := name.(tableName).String()
				if op == change.Message {
					table = ""
				}
				out = append(out, EventCount{Table: table, Op: op, N: n})
			}
		}
		return true
	})
	slices.SortFunc(out, func(a, b EventCount) int {
		return strings.Compare(a.Table+" "+string(a.Op), b.Table+" "+string(b.Op))
	})
	return out
}
