package book

import (
	"fmt"
	"maps"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Fence refuses a commit of a worker that does not hold the link's lease: another one took it, it was given back, or the link is
// gone. A lease that only ran out is still its holder's until somebody takes it.
func (b *Book) Fence(c ledger.Commit) error {
	r := b.rows[c.Link]
	if r == nil || r.Link.Epoch != c.Epoch || r.Holder == "" {
		return fmt.Errorf("commit link %d under epoch %d: %w", c.Link, c.Epoch, ledger.ErrFenced)
	}
	return nil
}

// Commit stores one step, in this order: ends and absorbed link, state, base, write and observation, intent, records, holds, the
// work's finish, release or removal, and the reasons last, so that a reason for the finished work makes it anew. The brake is the
// store's to check, between [Book.Fence] and this.
func (b *Book) Commit(c ledger.Commit) error {
	if err := b.Fence(c); err != nil {
		return err
	}
	if err := validCommit(c); err != nil {
		return fmt.Errorf("commit link %d: %w", c.Link, err)
	}
	if err := b.free(c); err != nil {
		return fmt.Errorf("commit link %d: %w", c.Link, err)
	}
	now := Cut(c.Now)
	row := b.rows[c.Link].clone()
	if c.Absorb != 0 {
		other := b.rows[c.Absorb]
		givenEnds(&row.Link, c)
		row = b.absorb(row, other).clone()
	}
	givenEnds(&row.Link, c)
	whole(&row.Link)
	b.windows(row.Link, c)
	set(&row.Link, c)
	for _, h := range c.Unhold {
		row.dropHold(h)
	}
	for _, h := range c.Holds {
		h.At, h.Until = Cut(h.At), Cut(h.Until)
		row.setHold(h)
	}
	b.record(now, row.Link, c)
	stale := finish(row, c.Finish, now)
	if c.Release {
		row.Holder, row.Until = "", time.Time{}
	}
	if c.Remove && !stale {
		b.remove(c.Link)
	} else {
		b.put(row)
	}
	for _, r := range c.Reasons {
		b.add(now, r)
	}
	return nil
}

// free refuses ends that another link has, and an absorption that would lose an end or a page that is being made.
func (b *Book) free(c ledger.Commit) error {
	l := b.rows[c.Link].Link
	givenEnds(&l, c)
	if c.Absorb != 0 {
		o := b.rows[c.Absorb]
		if o == nil || c.Absorb == c.Link || o.Link.Sync != l.Sync || o.Link.Entity != l.Entity || !bare(o) {
			return fmt.Errorf("absorb link %d: %w", c.Absorb, ledger.ErrTaken)
		}
		if lost(l.Key, o.Link.Key) || lost(l.Page, o.Link.Page) {
			return fmt.Errorf("absorb link %d, whose end would be lost: %w", c.Absorb, ledger.ErrTaken)
		}
	}
	for _, e := range []end{keyEnd(l.Sync, l.Entity, l.Key), pageEnd(l.Sync, l.Page), externalEnd(l.Sync, l.External)} {
		if has, ok := b.ends[e]; ok && e.name != "" && has != c.Link && has != c.Absorb {
			return fmt.Errorf("link %d has %q: %w", has, e.name, ledger.ErrTaken)
		}
	}
	return nil
}

func lost(mine, theirs string) bool { return theirs != "" && mine != "" && mine != theirs }

func givenEnds(l *ledger.Link, c ledger.Commit) {
	if c.Key != nil {
		l.Key = *c.Key
	}
	if c.Page != nil {
		l.Page = *c.Page
	}
	if c.External != "" {
		l.External = c.External
	}
}

func set(l *ledger.Link, c ledger.Commit) {
	if c.State != nil {
		l.State = *c.State
	}
	l.Base = maps.Clone(l.Base)
	if l.Base == nil {
		l.Base = map[string]ledger.FieldBase{}
	}
	for _, name := range c.Unbase {
		delete(l.Base, name)
	}
	for name, base := range c.Base {
		l.Base[name] = CutBase(base)
	}
	if !c.WroteAt.IsZero() {
		l.Seq++
		l.WroteAt = Cut(c.WroteAt)
	}
	if c.Seen != nil {
		store(l, cutSeen(c.Seen))
	}
	if c.Unsee {
		l.Seen = nil
	}
	if c.Emitted != nil {
		l.Emitted = *c.Emitted
	}
	if c.Intended {
		l.Intent = nil
	}
	if c.Intent != nil {
		l.Intent = cutIntent(c.Intent)
	}
}

func (b *Book) record(now time.Time, l ledger.Link, c ledger.Commit) {
	for _, conflict := range c.Conflicts {
		if b.isNew("conflict " + conflict.ID) {
			b.Conflicts = append(b.Conflicts, ConflictRow{Link: l.ID, Sync: l.Sync, Entity: l.Entity, Conflict: cutConflict(conflict)})
		}
	}
	for _, w := range c.Writes {
		w.Old, w.New = w.Old.Clone(), w.New.Clone()
		b.Writes = append(b.Writes, WriteRow{Link: l.ID, Sync: l.Sync, Entity: l.Entity, Key: l.Key, Page: l.Page, At: now, Write: w})
	}
	for _, a := range c.Alerts {
		b.alert(a)
	}
}

// Alert keeps alerts that belong to no link.
func (b *Book) Alert(alerts []ledger.Alert) {
	for _, a := range alerts {
		b.alert(a)
	}
}

func (b *Book) alert(a ledger.Alert) {
	a = cutAlert(a)
	if !b.isNew("alert " + a.ID) {
		return
	}
	if once := a.ID; b.ended[once] {
		a.ID = AgainID(a) // the same state once more, after it had ended
		b.again[a.ID] = once
	}
	b.Alerts = append(b.Alerts, a)
}

// Raise stores an alert that belongs to no commit.
func (b *Book) Raise(a ledger.Alert) { b.alert(a) }

// AgainID is the id of an alert of a state that was told of before, and ended.
func AgainID(a ledger.Alert) string { return fmt.Sprintf("%s-%d", a.ID, a.At.UnixMicro()) }

// Ended lets the state that an alert told of be told again when it comes back.
func (b *Book) Ended(id string) {
	if once, ok := b.again[id]; ok {
		id = once
	}
	delete(b.known, "alert "+id)
	b.ended[id] = true
}

// isNew keeps records that are stored twice (a commit whose outcome was unknown, tried again) from standing there twice.
func (b *Book) isNew(record string) bool {
	known := b.known[record]
	b.known[record] = true
	return !known
}

// finish settles the claimed work, and reports that a newer reason came since it was claimed: then it stays, due at once, with
// the failure counted but neither postponed nor parked.
func finish(row *Row, f *ledger.Finish, now time.Time) (stale bool) {
	if f == nil {
		return false
	}
	have := row.Work(f.Side)
	if have == nil {
		return false
	}
	w := *have
	if f.Failed || f.Parked != "" {
		w.Attempts++
		w.Trouble = f.Trouble
	}
	switch {
	case w.Version != f.Version:
		stale = true
		if now.Before(w.NotBefore) {
			w.NotBefore = now
		}
		if !f.Failed && f.Parked == "" && f.Later.IsZero() {
			w.Attempts, w.Trouble = 0, ""
		}
	case f.Parked != "":
		w.Parked = f.Parked
	case !f.Later.IsZero():
		w.NotBefore = Cut(f.Later)
	default:
		row.dropWork(f.Side)
		return false
	}
	row.setWork(w)
	return stale
}

// Braked tells whether so many other links leave no room for one more.
func Braked(b ledger.Brake, others int) bool { return others+1 > b.Max }

// Rule keeps with a hold what a person said of it.
func (b *Book) Rule(h ledger.Held) {
	row := b.rows[h.Link].clone()
	row.setHold(h.Hold)
	b.put(row)
}
