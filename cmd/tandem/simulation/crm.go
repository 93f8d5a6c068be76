package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

// crm is a database in memory: tables of rows by key, serial transactions, and the log that replication reads.
type crm struct {
	w      *world
	tables map[string]map[string]change.Image // entity → key → row, in the row domain
	xmin   map[string]uint32                  // entity/key → transaction that left the row as it is
	log    []logged
	xid    uint32
	serial int
	// visibleAt is when a transaction becomes visible to other sessions: a moment after replication may have it.
	visibleAt map[uint32]time.Time
	old       map[string]stale  // entity/key → the row as it was before a transaction that is not visible yet
	madeBy    map[string]string // entity/key → page for which Tandem made the row
	// everDeleted are rows that people deleted, by entity/key.
	everDeleted map[string]bool
	open        bool // a transaction of several rows is being made: they share its id
}

type stale struct {
	xid    uint32
	row    change.Image
	exists bool
	xmin   uint32
}

// logged is one change in commit order.
type logged struct {
	xid    uint32
	at     time.Time
	entity string
	op     change.Op
	key    string
	newKey string // the delete half of a key change
	oldKey string // the create half
}

func newCRM(w *world) *crm {
	return &crm{w: w, tables: map[string]map[string]change.Image{}, xmin: map[string]uint32{}, xid: 700, visibleAt: map[uint32]time.Time{}, old: map[string]stale{}, madeBy: map[string]string{}, everDeleted: map[string]bool{}}
}

// visibleLag is how long a commit may be in the log before other sessions see it, visibleLateBy where it waits for a standby.
const (
	visibleLag    = 30 * time.Millisecond
	visibleLateBy = 3 * time.Second
)

// begin gives the transaction that a change belongs to.
func (c *crm) begin() uint32 {
	if c.open {
		return c.xid
	}
	c.xid++
	lag := visibleLag
	if c.w.fires(visibleLate) {
		lag = visibleLateBy
	}
	c.visibleAt[c.xid] = c.w.now.Add(lag)
	return c.xid
}

// together makes one transaction of the changes that do makes.
func (c *crm) together(do func()) {
	c.begin()
	c.open = true
	do()
	c.open = false
}

// rekey gives a row another key.
func (c *crm) rekey(entity, from, to string, row change.Image) {
	log := len(c.log)
	c.put(entity, from, nil)
	c.put(entity, to, row)
	for i := log; i < len(c.log); i++ {
		if c.log[i].op == change.Delete {
			c.log[i].newKey = to
		} else {
			c.log[i].oldKey = from
		}
	}
}

// put changes one row in one transaction; a nil row deletes.
func (c *crm) put(entity, key string, row change.Image) {
	table := c.tables[entity]
	if table == nil {
		table = map[string]change.Image{}
		c.tables[entity] = table
	}
	before, existed := table[key]
	c.begin()
	name := entity + "/" + key
	if had, ok := c.old[name]; !ok || had.xid != c.xid { // several changes of one transaction show as one
		c.old[name] = stale{c.xid, before, existed, c.xmin[name]}
	}
	op := change.Update
	switch {
	case row == nil:
		op = change.Delete
		delete(table, key)
		delete(c.xmin, name)
	case !existed:
		op = change.Create
	}
	if row != nil {
		row = row.Clone()
		for name, v := range row { // a column holds nothing, or null
			if v.IsAbsent() {
				row[name] = change.NullValue()
			}
		}
		table[key] = row
		c.xmin[name] = c.xid
	}
	c.log = append(c.log, logged{xid: c.xid, at: c.w.now, entity: entity, op: op, key: key})
	c.w.effect("crm", entity, string(op), key, show(row))
	c.w.system.wake("cdc")
}

// nextKey draws a key as a sequence does.
func (c *crm) nextKey() string {
	c.serial++
	return strconv.Itoa(c.serial)
}

// keys are a table's, as texts sort: nothing of the simulation depends on another order.
func (c *crm) keys(entity string) []string { return change.Sorted(c.tables[entity]) }

// rows are one entity's rows as a process sees them.
type rows struct {
	p      *process
	entity *mapping.Entity
}

var _ sink.Rows = (*rows)(nil)

// Read implements sink.Rows.
func (r *rows) Read(_ context.Context, keys []string) (sink.Snapshot, error) {
	if err := r.p.alive(); err != nil {
		return sink.Snapshot{}, err
	}
	c := r.p.w.crm
	now := r.p.w.now
	visible := func(xid uint32) bool {
		at, ok := c.visibleAt[xid]
		return !ok || !now.Before(at)
	}
	s := sink.Snapshot{At: now, Rows: map[string]sink.Row{}, Visible: visible}
	for _, key := range keys {
		s.Rows[key] = c.row(r.entity, key, visible)
	}
	return s, nil
}

func (c *crm) row(e *mapping.Entity, key string, visible func(uint32) bool) sink.Row {
	name := e.Name + "/" + key
	image, exists := c.tables[e.Name][key]
	xmin := c.xmin[name]
	if before, ok := c.old[name]; ok && !visible(before.xid) {
		image, exists, xmin = before.row, before.exists, before.xmin
	}
	row := sink.Row{Key: key, Exists: exists, InScope: exists, Xmin: xmin, Image: change.Image{}}
	if !exists {
		return row
	}
	for _, f := range e.Fields {
		v, ok := image[f.Name]
		if !ok {
			v = change.NullValue()
		}
		if f.Relation != "" {
			v = relationOf(v)
		}
		row.Image[f.Name] = v
	}
	return row
}

// relationOf gives a foreign key as Rows do: the set of the targets' keys.
func relationOf(v change.Value) change.Value {
	if v.IsNull() || v.IsAbsent() {
		return change.SetValue()
	}
	return change.TextSet(v.Text())
}

var errCompare = errors.New("compare-and-set")

// Write implements sink.Rows: the row and the ledger in one critical section.
func (r *rows) Write(ctx context.Context, write sink.RowWrite, finish func(sink.RowResult) (ledger.Commit, error)) error {
	if err := r.p.alive(); err != nil {
		return err
	}
	switch {
	case r.p.w.fires(crashBeforeRow):
		return r.p.crash()
	case r.p.w.fires(pauseWrite):
		r.p.w.advance(6 * time.Minute) // longer than the lease; what it was decided on is old by then
	}
	c := r.p.w.crm
	now := func(uint32) bool { return true } // a row lock waits for who holds it, and reads what is committed
	row := c.row(r.entity, write.Key, now)
	result := sink.RowResult{Key: write.Key, At: r.p.w.now, Image: row.Image}
	if write.Op != sink.RowInsert && (!row.Exists || !matches(row.Image, write.Expect)) {
		result.Stale = true
		return r.commit(ctx, result, finish)
	}
	next := c.tables[r.entity.Name][write.Key].Clone()
	switch write.Op {
	case sink.RowInsert:
		result.Key = c.nextKey()
		next = change.Image{}
	case sink.RowDelete:
		next = nil
	case sink.RowUpdate:
	}
	for name, v := range write.Set {
		f, ok := r.entity.Field(name)
		if !ok {
			return fmt.Errorf("%w: %s is no field", errCompare, name)
		}
		if f.Relation != "" {
			v = keyOf(v)
		}
		next[name] = v
	}
	if target := next["contact"]; next != nil && r.entity.Name == "deal" && target.Text() != "" && c.tables["contact"][target.Text()] == nil {
		return &sink.DataError{Field: "contact", Reason: "violates a foreign key: there is no contact " + target.Text()}
	}
	r.p.w.checkRow(r.entity, write, row)
	if write.Op == sink.RowDelete {
		r.p.w.checkEvidence(ledger.CRM, r.entity.Name, r.p.w.pageOfRow(r.entity.Name, write.Key))
	}
	name := r.entity.Name + "/" + result.Key
	before, xmin := maps.Clone(c.tables[r.entity.Name][write.Key]), c.xmin[name]
	log := len(c.log)
	c.put(r.entity.Name, result.Key, next)
	result.Image = c.row(r.entity, result.Key, now).Image
	agreed := r.p.w.agreedOf(r.entity.Name, write.Key)
	if err := r.commit(ctx, result, finish); err != nil {
		// Rolled back: nothing of it was ever there.
		c.log, c.xmin[name] = c.log[:log], xmin
		delete(c.old, name)
		if before == nil {
			delete(c.tables[r.entity.Name], result.Key)
		} else {
			c.tables[r.entity.Name][result.Key] = before
		}
		r.p.w.effect("crm rolled back")
		return err
	}
	// The ledger's commit and the row's are one: who sees the one sees the other.
	c.visibleAt[c.xid] = r.p.w.now
	r.p.w.writes++
	r.p.w.checkWritten(r.entity.Name, write, result, row, agreed)
	return nil
}

func (r *rows) commit(ctx context.Context, result sink.RowResult, finish func(sink.RowResult) (ledger.Commit, error)) error {
	commit, err := finish(result)
	if err != nil {
		return err
	}
	return r.p.w.commit(ctx, commit)
}

func keyOf(v change.Value) change.Value {
	if len(v.Items()) == 0 {
		return change.NullValue()
	}
	return v.Items()[0]
}

func matches(have, want change.Image) bool {
	for name, v := range want {
		if !change.Equal(have[name], v) {
			return false
		}
	}
	return true
}

// Keys implements sink.RowKeys.
func (r *rows) Keys(_ context.Context, after string, max int) ([]string, error) {
	if err := r.p.alive(); err != nil {
		return nil, err
	}
	var out []string
	for _, key := range r.p.w.crm.keys(r.entity.Name) {
		if key > after && len(out) < max {
			out = append(out, key)
		}
	}
	return out, nil
}

func show(im change.Image) string {
	if im == nil {
		return "-"
	}
	var parts []string
	for _, name := range im.Fields() {
		if v := im[name]; !v.IsNull() {
			parts = append(parts, name+"="+v.String())
		}
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}
