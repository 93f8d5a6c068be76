package book

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Add turns reasons into work, one after the other. The link is the one that the reason names by id, else by key, else by page;
// a reason for an id that no link has any more is dropped, a link for an unknown key or page is made, half.
func (b *Book) Add(now time.Time, reasons []ledger.Reason) error {
	for i, r := range reasons {
		if err := ValidReason(r); err != nil {
			return fmt.Errorf("add reason %d of %d: %w", i+1, len(reasons), err)
		}
	}
	for _, r := range reasons {
		b.add(Cut(now), r)
	}
	return nil
}

// ValidReason says what is wrong with a reason: it must name a side, a lane and a link.
func ValidReason(r ledger.Reason) error {
	if err := validSeen(r.Seen); err != nil {
		return err
	}
	switch {
	case r.Side != ledger.CRM && r.Side != ledger.Notion:
		return fmt.Errorf("a reason needs the side that has to look, not %q", r.Side)
	case r.Lane != ledger.LaneLive && r.Lane != ledger.LaneBackfill && r.Lane != "":
		return fmt.Errorf("a reason has no lane %q", r.Lane)
	case r.Link != 0 && r.NewKey == "":
		return nil
	case r.Sync == "" || r.Entity == "":
		return fmt.Errorf("a reason needs its sync and entity")
	case r.Key == "" && r.Page == "" && r.Link == 0:
		return fmt.Errorf("a reason needs a key, a page or a link")
	}
	return nil
}

func (b *Book) add(now time.Time, r ledger.Reason) {
	row := b.named(r)
	if row == nil {
		return
	}
	if l := row.Link; r.NewKey != "" && r.NewKey != l.Key && r.Sync == l.Sync && r.Entity == l.Entity {
		row = b.rekey(now, row, r)
	}
	row = row.clone()
	if r.Seen != nil && !observe(row, *r.Seen) {
		r.Side, r.Why = ledger.Notion, Reread
	}
	b.group(row, r)
	row.Version++
	row.setWork(merged(row.Work(r.Side), r, now, row.Version))
	b.put(row)
}

// group counts the links that a transaction of the CRM touched. A replay of a reason that still waits is not another link.
func (b *Book) group(row *Row, r ledger.Reason) {
	if r.Xid == 0 || r.Side != ledger.Notion {
		return
	}
	if w := row.Work(r.Side); w != nil && slices.Contains(w.Xids(), r.Xid) {
		return
	}
	g := Group{row.Link.Sync, row.Link.Entity, r.Xid}
	t := b.Groups[g]
	t.Xid = r.Xid
	t.Links++
	if r.Deleted {
		t.Deletes++
	}
	b.Groups[g] = t
}

// Reread is why a page has to be read again: what is known of it does not count.
const Reread = "reread"

func (b *Book) named(r ledger.Reason) *Row {
	switch {
	case r.Link != 0:
		return b.rows[r.Link]
	case r.Key == "":
		if row := b.ByPage(r.Sync, r.Page); row != nil {
			return row
		}
		return b.make(r.Sync, r.Entity, "", r.Page)
	}
	if row := b.ByKey(r.Sync, r.Entity, r.Key); row != nil {
		return row
	}
	key := r.Key
	if r.NewKey != "" { // nothing is known of the old key: a replay, or a row that was never seen
		key = r.NewKey
		if row := b.ByKey(r.Sync, r.Entity, key); row != nil {
			return row
		}
	}
	return b.make(r.Sync, r.Entity, key, "")
}

// observe stores an observation that a reason brought, and reports false where the page must be read again: the link's Seq
// moved since the read began, or a worker holds the link. The observation that is stored already, replayed, is fine as it is.
func observe(row *Row, o ledger.Observation) bool {
	seen := cutSeen(&o)
	if have := row.Link.Seen; have != nil && have.Seq == row.Link.Seq && have.ReadFrom.Equal(seen.ReadFrom) && have.Hash == seen.Hash && have.Via == seen.Via {
		return true
	}
	if row.Holder != "" || o.Seq != row.Link.Seq {
		return false
	}
	seen.Follow(row.Link.Seen)
	store(&row.Link, seen)
	if seen.Hash != "" {
		row.Link.Emitted = seen.Hash // a poller that died between the record and its memory of it would take the page, back as it was, for known
	}
	return true
}

func store(l *ledger.Link, seen *ledger.Observation) {
	l.Seq++
	seen.Seq = l.Seq
	l.Seen = seen
	if seen.Via == "read" && seen.ReadFrom.After(l.ReadAt) {
		l.ReadAt = seen.ReadFrom
	}
}

// merged is the work that a reason leaves behind. A transaction is the newest one by commit time, not by number: of two that changed one
// row, the later commit waited for the earlier, so who sees it sees both. Parked work starts anew; else failures stay counted.
func merged(have *ledger.Work, r ledger.Reason, now time.Time, version int64) ledger.Work {
	at := Cut(r.NotBefore)
	if at.Before(now) {
		at = now
	}
	if r.Lane == "" {
		r.Lane = ledger.LaneLive
	}
	w := ledger.Work{Side: r.Side, Lane: r.Lane, FirstSeen: now, NotBefore: at}
	if have != nil {
		w = *have
	}
	if w.Parked != "" {
		w.Parked, w.Trouble, w.Attempts, w.NotBefore = "", "", 0, at
	}
	if r.Lane == ledger.LaneLive {
		w.Lane = r.Lane
	}
	if now.Before(w.FirstSeen) {
		w.FirstSeen = now
	}
	if at.Before(w.NotBefore) {
		w.NotBefore = at
	}
	commit := Cut(r.CommitAt)
	if older := r.Xid; older != 0 {
		if !commit.Before(w.CommitAt) {
			older, w.Xid = w.Xid, r.Xid
		}
		w.Remember(older)
	}
	if commit.After(w.CommitAt) {
		w.CommitAt = commit
	}
	if w.Why != Reread { // a read that was asked for is owed, whatever else is a reason meanwhile
		w.Why = r.Why
	}
	w.Rank, w.Version = r.Rank, version
	w.Deleted = w.Deleted || r.Deleted
	return w
}

// joined is the work of two links that became one.
func joined(have *ledger.Work, other ledger.Work, version int64) ledger.Work {
	if have == nil {
		other.Version = version
		return other
	}
	w := *have
	if other.Lane == ledger.LaneLive {
		w.Lane = other.Lane
	}
	if other.FirstSeen.Before(w.FirstSeen) {
		w.FirstSeen = other.FirstSeen
	}
	if other.NotBefore.Before(w.NotBefore) {
		w.NotBefore = other.NotBefore
	}
	older := other.Xid
	if other.CommitAt.After(w.CommitAt) {
		older, w.CommitAt, w.Xid = w.Xid, other.CommitAt, other.Xid
	}
	for _, xid := range append(other.Xids(), older) {
		w.Remember(xid)
	}
	if w.Parked == "" || other.Parked == "" {
		w.Parked = ""
	}
	w.Attempts = min(w.Attempts, other.Attempts)
	w.Deleted = w.Deleted || other.Deleted
	w.Version = version
	return w
}

// rekey moves the link to the row's new key. A half link that only has that key becomes part of it, and the other way round; where
// both have a page, or one may be getting it, nothing is moved and a person must say which is right.
func (b *Book) rekey(now time.Time, row *Row, r ledger.Reason) *Row {
	l := row.Link
	other := b.ByKey(l.Sync, l.Entity, r.NewKey)
	switch {
	case other == nil:
	case bare(other):
		row = b.absorb(row, other)
	case bare(row) && row.Link.Page == "":
		return b.absorb(other, row)
	default:
		return b.holdRekey(now, row, other, r)
	}
	row = row.clone()
	row.Link.Key = r.NewKey
	b.put(row)
	return row
}

// bare says that a link is a row, or a page, and nothing else that could be lost.
func bare(r *Row) bool {
	l := r.Link
	return l.State == ledger.Half && l.Intent == nil && (l.Key == "" || l.Page == "")
}

func (b *Book) holdRekey(now time.Time, row, other *Row, r ledger.Reason) *Row {
	why := fmt.Sprintf("the row's key became %q, and another link has that row: say which of the two pages it keeps", r.NewKey)
	row = row.clone()
	row.setHold(ledger.Hold{Kind: "rekey", Reason: why, At: now})
	b.put(row)
	l := row.Link
	b.alert(ledger.Alert{
		ID: fmt.Sprintf("rekey-%d-%s", l.ID, r.NewKey), At: now, Kind: "hold", Sync: l.Sync, Entity: l.Entity, Key: l.Key, Page: l.Page,
		Summary: why, Link: l.ID, State: "rekey",
	})
	r.Key, r.NewKey, r.Link, r.Seen = "", "", other.Link.ID, nil
	b.add(now, r)
	return row
}

// absorb moves work, and what is known of the page if it is the other's, from one link to another and removes the first. The
// ends that the absorbing link does not have go over too. Work goes over rather than away: one look too many costs no request.
func (b *Book) absorb(row, other *Row) *Row {
	row = row.clone()
	row.Version = max(row.Version, other.Version) + 1
	for _, w := range other.Works {
		row.setWork(joined(row.Work(w.Side), w, row.Version))
	}
	l, o := &row.Link, other.Link
	if l.Key == "" {
		l.Key = o.Key
	}
	if o.Page != "" && (l.Page == "" || l.Page == o.Page) {
		adopt(l, o)
	}
	whole(l)
	b.remove(o.ID)
	b.put(row)
	return row
}

// whole makes a half link live that has both ends now.
func whole(l *ledger.Link) {
	if l.State == ledger.Half && l.Key != "" && l.Page != "" {
		l.State = ledger.Live
	}
}

// adopt takes over a page. Seq becomes one that no read of either link was begun under.
func adopt(l *ledger.Link, o ledger.Link) {
	current := o.Seen != nil && o.Seen.Seq == o.Seq
	l.Page = o.Page
	l.Seq = max(l.Seq, o.Seq) + 1
	if l.Seen == nil && o.Seen != nil {
		l.Seen = cutSeen(o.Seen)
		if current {
			l.Seen.Seq = l.Seq
		}
	}
	if l.Emitted == "" {
		l.Emitted = o.Emitted
	}
	if o.ReadAt.After(l.ReadAt) {
		l.ReadAt = o.ReadAt
	}
	if o.GotAt.After(l.GotAt) {
		l.GotAt = o.GotAt
	}
	if o.WroteAt.After(l.WroteAt) {
		l.WroteAt = o.WroteAt
	}
}
