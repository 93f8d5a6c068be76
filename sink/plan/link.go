package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/match"
)

// Linker links rows and pages that belong together. It may run while the connectors do: each pair is linked under the lease of its row's link, and
// what is linked, leased or gone meanwhile is left out.
type Linker struct {
	Reader    *Reader
	Holder    string
	Connector string // what pauses know it by
	Now       func() time.Time
}

// Left is a pair or record with which nothing was done, and why.
type Left struct {
	Row, Page string
	Why       string
}

// Linked is what became of a report.
type Linked struct {
	Linked   int // pairs
	Held     int // rows and pages that the keys cannot tell apart: nothing is made of them
	Released int // rows and pages that waited for this
	Left     []Left
}

// linkLease is how long a link is held; the work is two statements.
const linkLease = 30 * time.Second

// after is when the connectors may look at what is being linked here, should this process die with it.
const after = time.Minute

// Apply links the exact pairs, holds what is doubtful, and lets everything else that waited be made. What both sides say of a pair is merged by the
// connectors, as at any first contact: equal is adopted, empty takes the other's value, and where they differ the initial authority
// stands and the loser is kept. It can be run again at any time.
func (l *Linker) Apply(ctx context.Context, e *mapping.Entity, report match.Report) (Linked, error) {
	var out Linked
	doubtful, busy := map[string]bool{}, 0
	for i, f := range report.Findings {
		l.Reader.progress(e.Name, "linking", i, len(report.Findings))
		if f.Class == match.Exact {
			why, err := l.Join(ctx, e, f.Rows[0], f.Pages[0], "")
			if err != nil {
				return out, err
			}
			if why != "" {
				// Let go on, the two would be doubled.
				doubtful[f.Rows[0]], doubtful[f.Pages[0]] = true, true
				busy++
				out.Left = append(out.Left, Left{f.Rows[0], f.Pages[0], why})
				continue
			}
			out.Linked++
			continue
		}
		for side, ids := range map[ledger.Side][]string{ledger.Notion: f.Rows, ledger.CRM: f.Pages} {
			for _, id := range ids {
				doubtful[id] = true
				held, why, err := l.hold(ctx, e, side, id, f.Reason(e.Match))
				if err != nil {
					return out, err
				}
				if held {
					out.Held++
				} else {
					out.Left = append(out.Left, Left{Row: rowOf(side, id), Page: pageOf(side, id), Why: why})
				}
			}
		}
	}
	if busy > 0 {
		if _, before, err := sink.LinkRunOf(ctx, l.Reader.Ledger, e.Sync, e.Name); err != nil || !before {
			return out, err // everything goes on waiting until the first run is whole
		}
	}
	if err := l.Ran(ctx, e, "tandem link"); err != nil {
		return out, err
	}
	var err error
	out.Released, err = l.release(ctx, e, doubtful)
	return out, err
}

// Ran remembers that what was there of the entity is linked: its records are made from now on.
func (l *Linker) Ran(ctx context.Context, e *mapping.Entity, why string) error {
	return sink.SetLinkRun(ctx, l.Reader.Ledger, e.Sync, e.Name, l.Holder, sink.LinkRun{At: l.Now(), By: l.Holder, Why: why})
}

// A side here is that of the work: rows make Notion's.
func rowOf(side ledger.Side, id string) string {
	if side == ledger.Notion {
		return id
	}
	return ""
}

func pageOf(side ledger.Side, id string) string { return rowOf(side.Other(), id) }

// Join makes one live link of a row and a page that have none, or none but half ones. why says what is in the way, if something is; external gives the link this
// external id, if it is not empty.
func (l *Linker) Join(ctx context.Context, e *mapping.Entity, key, page, external string) (why string, err error) {
	pages, err := l.Reader.Ledger.ByPage(ctx, e.Sync, []string{page})
	if err != nil {
		return "", err
	}
	other := pages[page]
	switch {
	case other.ID != 0 && other.Key == key && other.Entity == e.Name:
		return "", nil
	case other.ID != 0 && (other.Key != "" || other.Entity != e.Name):
		return fmt.Sprintf("the page was linked to %s %s meanwhile", other.Entity, other.Key), nil
	}
	item, why, err := l.take(ctx, e, ledger.Notion, key)
	if err != nil || why != "" {
		return why, err
	}
	c := ledger.Commit{Link: item.Link.ID, Epoch: item.Link.Epoch, Now: l.Now(), Release: true}
	if linked(item.Link) {
		why = fmt.Sprintf("the row was linked to page %s meanwhile", item.Link.Page)
		if item.Link.Page == "" {
			why = "a page for the row is being made"
		}
		return why, l.Reader.Ledger.Commit(ctx, c)
	}
	live := ledger.Live
	c.Page, c.State, c.Absorb, c.External, c.Unhold = &page, &live, other.ID, external, []string{sink.HoldMatch}
	c.Reasons = []ledger.Reason{{Sync: e.Sync, Entity: e.Name, Side: ledger.Notion, Link: item.Link.ID, Lane: ledger.LaneBackfill, Rank: e.Rank, Why: "reread"}}
	err = l.Reader.Ledger.Commit(ctx, c)
	if errors.Is(err, ledger.ErrTaken) || errors.Is(err, ledger.ErrFenced) {
		c = ledger.Commit{Link: item.Link.ID, Epoch: item.Link.Epoch, Now: l.Now(), Release: true}
		return "the row or the page was linked meanwhile", ignoreFenced(l.Reader.Ledger.Commit(ctx, c))
	}
	return "", err
}

func ignoreFenced(err error) error {
	if errors.Is(err, ledger.ErrFenced) {
		return nil
	}
	return err
}

// take leases the link of a row (Notion's work) or page (the CRM's), made half if there is none; why says that somebody else has it.
func (l *Linker) take(ctx context.Context, e *mapping.Entity, side ledger.Side, id string) (item ledger.Item, why string, err error) {
	reason := ledger.Reason{Sync: e.Sync, Entity: e.Name, Side: side, Key: rowOf(side, id), Page: pageOf(side, id), Lane: ledger.LaneBackfill, Rank: e.Rank, Why: "link",
		NotBefore: l.Now().Add(after)}
	if err := l.Reader.Ledger.Add(ctx, l.Now(), []ledger.Reason{reason}); err != nil {
		return item, "", err
	}
	var link ledger.Link
	if side == ledger.Notion {
		found, err := l.Reader.Ledger.ByKey(ctx, e.Sync, e.Name, []string{id})
		if err != nil {
			return item, "", err
		}
		link = found[id]
	} else {
		found, err := l.Reader.Ledger.ByPage(ctx, e.Sync, []string{id})
		if err != nil {
			return item, "", err
		}
		link = found[id]
	}
	if link.ID == 0 {
		return item, "it is gone", nil
	}
	items, err := l.Reader.Ledger.Take(ctx, ledger.Claim{Sync: e.Sync, Side: side, Max: 1, Holder: l.Holder, Lease: linkLease, Now: l.Now(), Link: link.ID, Connector: l.Connector})
	if err != nil {
		return item, "", err
	}
	if len(items) == 0 {
		return item, "a connector is at work on it at this moment", nil
	}
	return items[0], "", nil
}

// Hold keeps a row or page, whichever is given, from being made into a record a second time. why says what is in the way of that.
func (l *Linker) Hold(ctx context.Context, e *mapping.Entity, key, page, reason string) (why string, err error) {
	side, id := ledger.Notion, key
	if key == "" {
		side, id = ledger.CRM, page
	}
	_, why, err = l.hold(ctx, e, side, id, reason)
	return why, err
}

// hold keeps a row or page from being made into a record a second time, until a person has said which is which.
func (l *Linker) hold(ctx context.Context, e *mapping.Entity, side ledger.Side, id, why string) (held bool, left string, err error) {
	item, left, err := l.take(ctx, e, side, id)
	if err != nil || left != "" {
		return false, left, err
	}
	c := ledger.Commit{Link: item.Link.ID, Epoch: item.Link.Epoch, Now: l.Now(), Release: true}
	if linked(item.Link) {
		return false, "it was linked meanwhile", ignoreFenced(l.Reader.Ledger.Commit(ctx, c))
	}
	c.Holds = []ledger.Hold{{Kind: sink.HoldMatch, Side: side, Reason: why, At: l.Now()}}
	if w, ok := item.Work(side); ok {
		c.Finish = &ledger.Finish{Side: side, Version: w.Version, Parked: why}
	}
	return true, "", ignoreFenced(l.Reader.Ledger.Commit(ctx, c))
}

// release has the connectors look at every record that has one end only: it waited for this, or its hold is over.
func (l *Linker) release(ctx context.Context, e *mapping.Entity, doubtful map[string]bool) (n int, err error) {
	walks := []struct {
		side ledger.Side
		list func(context.Context, string, string, string, int) ([]string, error)
		find func(context.Context, []string) (map[string]ledger.Link, error)
	}{
		{ledger.Notion, l.Reader.Ledger.Keys, func(ctx context.Context, ids []string) (map[string]ledger.Link, error) {
			return l.Reader.Ledger.ByKey(ctx, e.Sync, e.Name, ids)
		}},
		{ledger.CRM, l.Reader.Ledger.Pages, func(ctx context.Context, ids []string) (map[string]ledger.Link, error) {
			return l.Reader.Ledger.ByPage(ctx, e.Sync, ids)
		}},
	}
	for _, walk := range walks {
		for from := ""; ; {
			ids, err := walk.list(ctx, e.Sync, e.Name, from, rowsStep)
			if err != nil || len(ids) == 0 {
				if err != nil {
					return n, err
				}
				break
			}
			from = ids[len(ids)-1]
			links, err := walk.find(ctx, ids)
			if err != nil {
				return n, err
			}
			ids = slices.DeleteFunc(ids, func(id string) bool { return linked(links[id]) || doubtful[id] })
			if err := l.wake(ctx, e, walk.side, ids, links); err != nil {
				return n, err
			}
			n += len(ids)
		}
	}
	return n, nil
}

func (l *Linker) wake(ctx context.Context, e *mapping.Entity, side ledger.Side, ids []string, links map[string]ledger.Link) error {
	var reasons []ledger.Reason
	for _, id := range ids {
		if err := l.unhold(ctx, e, side, id, links[id]); err != nil {
			return err
		}
		why := "link"
		if side == ledger.CRM {
			// What is known of the page may be old: it is read again before a row is made of it.
			why = "reread"
		}
		reasons = append(reasons, ledger.Reason{Sync: e.Sync, Entity: e.Name, Side: ledger.Notion, Link: links[id].ID, Lane: ledger.LaneBackfill, Rank: e.Rank, Why: why})
	}
	if len(reasons) == 0 {
		return nil
	}
	return l.Reader.Ledger.Add(ctx, l.Now(), reasons)
}

// unhold ends the hold of a record that the keys can tell from all others now.
func (l *Linker) unhold(ctx context.Context, e *mapping.Entity, side ledger.Side, id string, link ledger.Link) error {
	holds, err := l.Reader.Ledger.Holds(ctx, link.ID)
	if err != nil || !slices.ContainsFunc(holds, func(h ledger.Hold) bool { return h.Kind == sink.HoldMatch }) {
		return err
	}
	item, why, err := l.take(ctx, e, side, id)
	if err != nil || why != "" {
		return err // its holder looks at it; the next run ends the hold
	}
	return ignoreFenced(l.Reader.Ledger.Commit(ctx, ledger.Commit{Link: item.Link.ID, Epoch: item.Link.Epoch, Now: l.Now(), Release: true, Unhold: []string{sink.HoldMatch}}))
}
