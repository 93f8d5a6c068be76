package sink_test

import (
	"context"
	"maps"
	"strconv"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// table is one table of the CRM.
type table struct {
	office *office
	entity *mapping.Entity
	rows   map[string]sink.Row
	next   int
	writes int
	before func()             // runs when a write has come to the lock
	change func(change.Image) // a trigger
	broken error              // of the next read
	xmin   uint32
	hidden map[uint32]bool // transactions that other sessions do not see yet
}

func (r *table) put(key string, image change.Image) {
	full := change.Image{}
	for _, f := range r.entity.Fields {
		full[f.Name] = change.NullValue()
		if f.Relation != "" {
			full[f.Name] = change.SetValue()
		}
	}
	maps.Copy(full, r.rows[key].Image)
	maps.Copy(full, image)
	r.xmin++
	r.rows[key] = sink.Row{Key: key, Exists: true, InScope: true, Image: full, Xmin: r.xmin}
}

func (r *table) text(key, field string) string { return r.rows[key].Image[field].String() }

func (r *table) Read(_ context.Context, keys []string) (sink.Snapshot, error) {
	if err := r.broken; err != nil {
		r.broken = nil
		return sink.Snapshot{}, err
	}
	hidden := maps.Clone(r.hidden)
	s := sink.Snapshot{At: r.office.clock.now(), Rows: map[string]sink.Row{}, Visible: func(xid uint32) bool { return !hidden[xid] }}
	for _, key := range keys {
		row, ok := r.rows[key]
		if !ok {
			row = sink.Row{Key: key}
		}
		row.Image = row.Image.Clone()
		s.Rows[key] = row
	}
	return s, nil
}

func (r *table) Write(ctx context.Context, w sink.RowWrite, finish func(sink.RowResult) (ledger.Commit, error)) error {
	if r.before != nil {
		r.before()
		r.before = nil
	}
	row := r.rows[w.Key]
	result := sink.RowResult{Key: w.Key, At: r.office.clock.now(), Image: row.Image}
	if w.Op != sink.RowInsert {
		result.Stale = !row.Exists
		for name, v := range w.Expect {
			result.Stale = result.Stale || !change.Equal(row.Image[name], v)
		}
	}
	backup := maps.Clone(r.rows)
	if !result.Stale {
		r.apply(w, &result)
	}
	commit, err := finish(result)
	if err == nil {
		err = watched{r.office.store, r.office}.Commit(ctx, commit)
	}
	if err != nil {
		r.rows = backup
	}
	return err
}

func (r *table) apply(w sink.RowWrite, result *sink.RowResult) {
	r.writes++
	switch w.Op {
	case sink.RowDelete:
		delete(r.rows, w.Key)
		return
	case sink.RowInsert:
		r.next++
		result.Key = strconv.Itoa(1000 + r.next)
	case sink.RowUpdate:
	}
	set := w.Set.Clone()
	if r.change != nil {
		r.change(set)
	}
	r.put(result.Key, set)
	result.Image = r.rows[result.Key].Image.Clone()
}
