package book

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
)

// Row is a link with its lease, work and holds. Rows in a book are never changed: a new row takes the old one's place.
type Row struct {
	Link    ledger.Link
	Holder  string    // who holds the lease, "" for nobody
	Until   time.Time // when another worker may take the lease over
	Version int64     // the newest version given to any of its work; never goes back, so that finished work's version never returns
	Works   []ledger.Work
	Holds   []ledger.Hold // by kind
}

// Leased reports that a lease runs at that time.
func (r *Row) Leased(now time.Time) bool { return r.Holder != "" && now.Before(r.Until) }

// Work gives the row's work for a side, nil if it has none.
func (r *Row) Work(side ledger.Side) *ledger.Work {
	for i := range r.Works {
		if r.Works[i].Side == side {
			return &r.Works[i]
		}
	}
	return nil
}

// Item is the row as [ledger.Claim] gives it to a worker of that side.
func (r *Row) Item(side ledger.Side) ledger.Item {
	it := ledger.Item{Link: CopyLink(r.Link), Holds: append([]ledger.Hold(nil), r.Holds...)}
	for _, s := range []ledger.Side{side, side.Other()} {
		if w := r.Work(s); w != nil {
			it.Works = append(it.Works, *w)
		}
	}
	return it
}

// Emitted is the row as the poller must know it.
func (r *Row) Emitted() ledger.Emitted {
	l := r.Link
	e := ledger.Emitted{Page: l.Page, Known: true, Entity: l.Entity, Hash: l.Emitted, Seq: l.Seq, WroteAt: l.WroteAt, ReadAt: l.ReadAt}
	if l.GotAt.After(e.ReadAt) {
		e.ReadAt = l.GotAt
	}
	if l.Intent != nil && r.Holder != "" {
		e.Writing = r.Until
	}
	return e
}

func (r *Row) clone() *Row {
	c := *r
	c.Works = slices.Clone(r.Works)
	c.Holds = slices.Clone(r.Holds)
	return &c
}

func (r *Row) setWork(w ledger.Work) {
	if have := r.Work(w.Side); have != nil {
		*have = w
		return
	}
	r.Works = append(r.Works, w)
	slices.SortFunc(r.Works, func(a, b ledger.Work) int { return bytes.Compare([]byte(a.Side), []byte(b.Side)) })
}

func (r *Row) dropWork(side ledger.Side) {
	r.Works = slices.DeleteFunc(r.Works, func(w ledger.Work) bool { return w.Side == side })
}

// setHold keeps what a person said of the same hold meanwhile: a turn that was under way then knows nothing of it.
func (r *Row) setHold(h ledger.Hold) {
	for _, o := range r.Holds {
		if o.Kind == h.Kind && o.Field == h.Field && o.Mark == h.Mark && h.Keep == "" {
			h.Keep, h.Until, h.Approval = o.Keep, o.Until, o.Approval
		}
	}
	r.Holds = slices.DeleteFunc(r.Holds, func(o ledger.Hold) bool { return o.Kind == h.Kind && o.Field == h.Field })
	r.Holds = append(r.Holds, h)
	slices.SortFunc(r.Holds, func(a, b ledger.Hold) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Field, b.Field)) // byte by byte, as PostgreSQL's "C"
	})
}

func (r *Row) dropHold(name string) {
	r.Holds = slices.DeleteFunc(r.Holds, func(h ledger.Hold) bool { return name == "*" || h.Kind == name || h.Name() == name })
}

// CopyLink gives a link that its receiver may change.
func CopyLink(l ledger.Link) ledger.Link {
	base := make(map[string]ledger.FieldBase, len(l.Base))
	for name, b := range l.Base {
		base[name] = CutBase(b)
	}
	l.Base = base
	l.Seen = cutSeen(l.Seen)
	l.Intent = cutIntent(l.Intent)
	return l
}

// Cut gives a time as both stores keep it: in UTC, cut to the microsecond that PostgreSQL has. The zero time stays zero.
func Cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// CutBase copies a field base, its times cut as all are.
func CutBase(b ledger.FieldBase) ledger.FieldBase {
	b.CRMSeen, b.NotionSeen = Cut(b.CRMSeen), Cut(b.NotionSeen)
	if b.Sent != nil {
		sent := *b.Sent
		b.Sent = &sent
	}
	if len(b.Flips) == 0 {
		b.Flips = nil
		return b
	}
	b.Flips = slices.Clone(b.Flips)
	for i, t := range b.Flips {
		b.Flips[i] = Cut(t)
	}
	return b
}

func cutSeen(o *ledger.Observation) *ledger.Observation {
	if o == nil {
		return nil
	}
	c := *o
	c.ReadFrom, c.ReadTo, c.Edited, c.Created = Cut(o.ReadFrom), Cut(o.ReadTo), Cut(o.Edited), Cut(o.Created)
	c.Properties = compact(o.Properties)
	c.Hints, c.Since = cutTimes(o.Hints), cutTimes(o.Since)
	return &c
}

func cutTimes(times map[string]time.Time) map[string]time.Time {
	if len(times) == 0 {
		return nil
	}
	times = maps.Clone(times)
	for id, t := range times {
		times[id] = Cut(t)
	}
	return times
}

func cutIntent(in *ledger.Intent) *ledger.Intent {
	if in == nil {
		return nil
	}
	c := *in
	c.ReadFrom, c.At = Cut(in.ReadFrom), Cut(in.At)
	c.Values, c.Bases = cloneImage(in.Values), cloneImage(in.Bases)
	return &c
}

// cloneImage makes no difference between an empty image and none: stored, both are left out.
func cloneImage(im change.Image) change.Image {
	if len(im) == 0 {
		return nil
	}
	return im.Clone()
}

func cutConflict(c ledger.Conflict) ledger.Conflict {
	c.CRMAfter, c.CRMBefore = Cut(c.CRMAfter), Cut(c.CRMBefore)
	c.NotionAfter, c.NotionBefore = Cut(c.NotionAfter), Cut(c.NotionBefore)
	c.At = Cut(c.At)
	return c
}

func cutAlert(a ledger.Alert) ledger.Alert {
	a.At = Cut(a.At)
	a.Detail = compact(a.Detail)
	return a
}

// compact gives JSON as encoding/json writes it, so that it is the same bytes in memory and out of a database; null is nil.
func compact(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	out, err := change.Compact(raw)
	if err != nil {
		out = raw // what is no JSON is refused before it is stored
	}
	return bytes.Clone(out)
}
