package crm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
)

const (
	attemptsMax = 5                     // of one write, when transactions get in each other's way
	firstPause  = 10 * time.Millisecond // doubles
)

// Write implements [sink.Rows]. When transactions get in each other's way it is run again from the start, and finish with it: finish
// must have no effect but its answer.
func (r *Rows) Write(ctx context.Context, w sink.RowWrite, finish func(sink.RowResult) (ledger.Commit, error)) error {
	if r.ledger == nil {
		return fmt.Errorf("write %s %s: no ledger to commit with", r.entity.Name, w.Key)
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := r.writeOnce(ctx, w, finish)
		if err == nil {
			return nil
		}
		r.forget(err)
		if outdated(err) && attempt == 1 || errors.Is(err, errRedefined) && attempt < redefinedMax {
			r.forgetPlan()
			continue
		}
		if !conflicts(err) || attempt == attemptsMax {
			return fmt.Errorf("%s %s %s: %w", w.Op, r.entity.Name, w.Key, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (r *Rows) writeOnce(ctx context.Context, w sink.RowWrite, finish func(sink.RowResult) (ledger.Commit, error)) error {
	p, err := r.planned(ctx)
	if err != nil {
		return err
	}
	tx, _, _, err := r.begin(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	t := &target{plan: p, op: w.Op, set: w.Set}
	result, err := (&writer{plan: p, tx: tx, target: t}).do(ctx, w)
	if err != nil {
		return translate("write the row", t, err)
	}
	commit, err := finish(result)
	if err != nil {
		return err
	}
	if err := p.unchanged(ctx, tx); err != nil { // our locks keep the tables as they are from here on
		return err
	}
	if err := r.ledger.CommitTx(ctx, tx, commit); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return committed(t, err)
	}
	return nil
}

// committed says what a failed COMMIT means: an answer of the server is a no, silence is unknown.
func committed(t *target, err error) error {
	translated := translate("commit the row with the ledger", t, err)
	var f *Failure
	if errors.As(translated, &f) && !saidNo(err) {
		f.lost, f.retry = true, false
	}
	return translated
}

// writer does one write in one transaction.
type writer struct {
	plan   *plan
	tx     pgx.Tx
	target *target
	now    sink.Row // as it was read under the lock
}

func (w *writer) do(ctx context.Context, req sink.RowWrite) (sink.RowResult, error) {
	if err := w.plan.allowed(req.Set); err != nil {
		return sink.RowResult{}, err
	}
	key := req.Key
	if req.Op == sink.RowInsert {
		var err error
		if key, err = w.insert(ctx, req.Set); err != nil {
			return sink.RowResult{}, err
		}
		return w.result(ctx, key, req.Op)
	}
	found, err := w.lock(ctx, req)
	if err != nil {
		return sink.RowResult{}, err
	}
	there := w.now.Exists && w.now.InScope
	if req.Op == sink.RowRestore {
		there = w.now.Soft
	}
	if !found || !there || !w.plan.holds(w.now, req.Expect) {
		return w.stale(ctx, key)
	}
	switch req.Op {
	case sink.RowDelete:
		err = w.remove(ctx, key)
	case sink.RowRestore:
		err = w.bringBack(ctx, key)
	default:
		err = w.update(ctx, key, req.Set)
	}
	if err != nil {
		return sink.RowResult{}, err
	}
	return w.result(ctx, key, req.Op)
}

// lock takes the root row and reads its image again, in a statement of its own: it sees what committed while we waited. Rows of custom
// fields that are to be written are locked too; other children are not: a change of theirs that comes in between raises its own event.
func (w *writer) lock(ctx context.Context, req sink.RowWrite) (bool, error) {
	strength := "NO KEY UPDATE"
	if req.Op == sink.RowDelete && w.plan.entity.Document.CRM.SoftDelete == "" {
		strength = "UPDATE" // a delete needs it in the end; taking it at once cannot deadlock with itself
	}
	match, err := w.plan.entity.KeyMatch(w.plan.catalog)
	if err != nil {
		return false, err
	}
	sql := "SELECT true FROM " + w.plan.root + " WHERE " + match + " FOR " + strength
	rows, err := w.tx.Query(ctx, sql, w.plan.entity.KeyParams(w.plan.catalog, []string{req.Key})...)
	if err != nil {
		return false, err
	}
	if rows.Close(); rows.Err() != nil {
		return false, rows.Err()
	}
	if err := w.lockAttributes(ctx, req.Key, req.Set); err != nil {
		return false, err
	}
	row, found, err := w.plan.one(ctx, w.tx, req.Key)
	w.now = row
	return found, err
}

func (w *writer) stale(ctx context.Context, key string) (sink.RowResult, error) {
	at, err := w.clock(ctx)
	return sink.RowResult{Key: key, Stale: true, Image: w.now.Image, Problems: w.now.Problems, At: at}, err
}

func (w *writer) clock(ctx context.Context) (at time.Time, err error) {
	err = w.tx.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&at)
	return at, err
}

// result reads the image as triggers, defaults and generated columns left it. Deferred constraints are checked first: what they refuse
// must be known before the ledger hears of success.
func (w *writer) result(ctx context.Context, key string, op sink.RowOp) (sink.RowResult, error) {
	if _, err := w.tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return sink.RowResult{}, err
	}
	row, found, err := w.plan.one(ctx, w.tx, key)
	if err != nil {
		return sink.RowResult{}, err
	}
	gone := !found || !row.Exists
	switch {
	case op == sink.RowDelete && !gone:
		return sink.RowResult{}, refuse("", nil, "the row is still there after its delete; a trigger or rule of the CRM keeps it")
	case op == sink.RowRestore && gone:
		return sink.RowResult{}, refuse("", nil, "the row is still deleted after it was brought back; a trigger or rule of the CRM keeps it so")
	case op == sink.RowInsert && (gone || !row.InScope):
		return sink.RowResult{}, refuse("", nil,
			"the new row would not be in the mapping's scope (%s); give the columns that decide it in crm.set_on_insert", w.plan.entity.Document.CRM.Where)
	}
	at, err := w.clock(ctx)
	return sink.RowResult{Key: key, Image: row.Image, Problems: row.Problems, At: at}, err
}

// holds compares what the decision saw with what is there, in the canonical form.
func (p *plan) holds(row sink.Row, expect change.Image) bool {
	for name, want := range expect {
		if row.Problems[name] != "" || mapping.IsCustom(name) && row.Problems[mapping.CustomPrefix] != "" {
			return false
		}
		if !p.same(name, p.current(row, name), want) {
			return false
		}
	}
	return true
}

// current is a field's value in an image: a custom field that is not there is null.
func (p *plan) current(row sink.Row, name string) change.Value {
	v, ok := row.Image[name]
	if !ok && mapping.IsCustom(name) {
		return change.NullValue()
	}
	return v
}

func (p *plan) same(name string, a, b change.Value) bool {
	if change.Equal(a, b) {
		return true
	}
	f, ok := p.field(name, a, b)
	if !ok || a.IsAbsent() || b.IsAbsent() {
		return false
	}
	ca, erra := f.FromRow(a)
	cb, errb := f.FromRow(b)
	return erra == nil && errb == nil && change.Equal(ca, cb)
}

// field finds the field, a custom one by what its values look like.
func (p *plan) field(name string, samples ...change.Value) (mapping.Field, bool) {
	if f, ok := p.entity.Field(name); ok {
		return f, true
	}
	return p.entity.FieldFor(name, change.ListValue(samples...))
}

// allowed refuses a write that names a field that is none, or one that only travels to Notion.
func (p *plan) allowed(set change.Image) error {
	for _, name := range set.Fields() {
		if mapping.IsParked(p.parked, name) {
			return &Failure{Step: "write " + name, Cause: errRedefined, retry: true} // decided before; the next look leaves it out
		}
		if mapping.IsCustom(name) {
			if _, ok := p.entity.CustomField(name, mapping.TypeText); !ok || p.entity.Document.Custom.Direction == mapping.ToNotion {
				return fmt.Errorf("%w: %q is no custom field that may be written", ErrNotAllowed, name)
			}
			continue
		}
		f, ok := p.entity.Field(name)
		if !ok {
			return fmt.Errorf("%w: %q is no field of %s", ErrNotAllowed, name, p.entity.Name)
		}
		if !f.ToCRM() {
			return fmt.Errorf("%w: %q only travels to Notion", ErrNotAllowed, name)
		}
	}
	return nil
}

// touches reports that a field's value goes into a column, for errors.
func (p *plan) touches(name, table, column string) bool {
	if mapping.IsCustom(name) {
		c := p.entity.Document.Custom
		return c != nil && (c.Column == column && table == p.table || c.Rows != nil && c.Rows.Value == column && c.Rows.Table == table)
	}
	f, ok := p.entity.Field(name)
	if !ok {
		return false
	}
	for _, place := range f.Places(p.table) {
		if place.Table == table && place.Column == column {
			return true
		}
	}
	return false
}
