package book

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// Book is a set of rows with what their calls recorded. The zero Book is not usable: see [New].
type Book struct {
	Conflicts []ConflictRow
	Writes    []WriteRow
	Alerts    []ledger.Alert
	Groups    map[Group]ledger.Transaction // transactions of the CRM that reasons came from
	Windows   []ledger.Window              // opened, by calls since the store took them
	Closings  []Closing

	mint  func() (id int64, external string)
	rows  map[int64]*Row
	order []int64 // of rows, ascending
	ends  map[end]int64
	dirty map[int64]bool
	known map[string]bool   // ids of records
	ended map[string]bool   // ids of alerts whose state has ended
	again map[string]string // id of an alert of a state that came back → the first one's

	queues map[queue]map[int64]struct{} // see Waiting; nil until a lane is asked for
}

// Group is a transaction of the CRM as one entity sees it.
type Group struct {
	Sync, Entity string
	Xid          uint32
}

// ConflictRow is a conflict with the link that it happened on.
type ConflictRow struct {
	Link         int64
	Sync, Entity string
	Conflict     ledger.Conflict
}

// WriteRow is a recorded write with the link that it is done on.
type WriteRow struct {
	Link         int64
	Sync, Entity string
	Key, Page    string
	At           time.Time
	Write        ledger.Write
}

// end is one of the three names by which a link is known, unique in its sync (a key: in its entity).
type end struct {
	kind               byte // k, p or x
	sync, entity, name string
}

func keyEnd(sync, entity, key string) end { return end{'k', sync, entity, key} }
func pageEnd(sync, page string) end       { return end{'p', sync, "", page} }
func externalEnd(sync, ext string) end    { return end{'x', sync, "", ext} }

// New makes an empty book. mint gives the id and external id of each link that a reason makes.
func New(mint func() (id int64, external string)) *Book {
	return &Book{Groups: map[Group]ledger.Transaction{}, mint: mint, rows: map[int64]*Row{}, ends: map[end]int64{}, dirty: map[int64]bool{}, known: map[string]bool{}, ended: map[string]bool{}, again: map[string]string{}}
}

// Clone copies the book; mint belongs to the copy. Rows are shared, for they never change.
func (b *Book) Clone(mint func() (id int64, external string)) *Book {
	return &Book{
		Groups: maps.Clone(b.Groups), Conflicts: slices.Clip(b.Conflicts), Writes: slices.Clip(b.Writes), Alerts: slices.Clip(b.Alerts),
		mint: mint, rows: maps.Clone(b.rows), order: slices.Clone(b.order), ends: maps.Clone(b.ends), dirty: map[int64]bool{}, known: maps.Clone(b.known), ended: maps.Clone(b.ended), again: maps.Clone(b.again),
	}
}

// Load puts a row into the book as it was stored.
func (b *Book) Load(r *Row) {
	b.keep(r)
	b.index(r)
}

// Row gives a row, nil if the book has none of that id.
func (b *Book) Row(id int64) *Row { return b.rows[id] }

// ByKey, ByPage and ByExternal find a row by one of its ends, nil if there is none.
func (b *Book) ByKey(sync, entity, key string) *Row { return b.rows[b.ends[keyEnd(sync, entity, key)]] }

// ByPage finds the row that has the page.
func (b *Book) ByPage(sync, page string) *Row { return b.rows[b.ends[pageEnd(sync, page)]] }

// ByExternal finds the row that has the external id.
func (b *Book) ByExternal(sync, ext string) *Row { return b.rows[b.ends[externalEnd(sync, ext)]] }

// Rows yields all rows in order of their ids. The book must not change meanwhile.
func (b *Book) Rows() iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		for _, id := range b.order {
			if !yield(b.rows[id]) {
				return
			}
		}
	}
}

// Changed lists, in order, the ids of rows that calls have put or removed (then [Book.Row] gives nil).
func (b *Book) Changed() []int64 { return slices.Sorted(maps.Keys(b.dirty)) }

func (b *Book) index(r *Row) {
	l := r.Link
	if l.Key != "" {
		b.ends[keyEnd(l.Sync, l.Entity, l.Key)] = l.ID
	}
	if l.Page != "" {
		b.ends[pageEnd(l.Sync, l.Page)] = l.ID
	}
	if l.External != "" {
		b.ends[externalEnd(l.Sync, l.External)] = l.ID
	}
}

// keep puts a row where its id has its place.
func (b *Book) keep(r *Row) {
	id := r.Link.ID
	if b.rows[id] == nil {
		if at, there := slices.BinarySearch(b.order, id); !there {
			b.order = slices.Insert(b.order, at, id)
		}
	}
	b.rows[id] = r
	b.enqueue(r)
}

func (b *Book) put(r *Row) {
	if old := b.rows[r.Link.ID]; old != nil && sameEnds(old.Link, r.Link) {
		b.keep(r)
	} else {
		b.unindex(r.Link.ID)
		b.keep(r)
		b.index(r)
	}
	b.dirty[r.Link.ID] = true
}

func sameEnds(a, b ledger.Link) bool {
	return a.Key == b.Key && a.Page == b.Page && a.External == b.External && a.Sync == b.Sync && a.Entity == b.Entity
}

func (b *Book) remove(id int64) {
	b.unindex(id)
	delete(b.rows, id)
	b.dequeue(id)
	if at, there := slices.BinarySearch(b.order, id); there {
		b.order = slices.Delete(b.order, at, at+1)
	}
	b.dirty[id] = true
}

func (b *Book) unindex(id int64) {
	r := b.rows[id]
	if r == nil {
		return
	}
	l := r.Link
	for _, e := range []end{keyEnd(l.Sync, l.Entity, l.Key), pageEnd(l.Sync, l.Page), externalEnd(l.Sync, l.External)} {
		if b.ends[e] == id {
			delete(b.ends, e)
		}
	}
}

func (b *Book) make(sync, entity, key, page string) *Row {
	id, random := b.mint()
	external := ledger.ExternalFor(random, sync, entity, key)
	r := &Row{Link: ledger.Link{
		ID: id, Sync: sync, Entity: entity, Key: key, Page: page, External: external, State: ledger.Half,
		Base: map[string]ledger.FieldBase{},
	}}
	b.put(r)
	return r
}

// Lease gives the row's lease to holder until then and raises its epoch.
func (b *Book) Lease(id int64, holder string, until time.Time) *Row {
	r := b.rows[id].clone()
	r.Link.Epoch++
	r.Holder, r.Until = holder, Cut(until)
	b.put(r)
	return r
}

// Emit stores what was published of a page and makes its half link if no link has the page.
func (b *Book) Emit(sync, entity, page string, e ledger.Emission) {
	r := b.ByPage(sync, page)
	if r == nil {
		r = b.make(sync, entity, "", page)
	}
	r = r.clone()
	r.Link.Emitted = e.Hash
	if at := Cut(e.GotAt); at.After(r.Link.GotAt) {
		r.Link.GotAt = at
	}
	b.put(r)
}
