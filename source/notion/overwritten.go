package notion

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// judgeFor is how long an edit waits for a window to close, or for a page that cannot be read: longer than a write's outcome stays unknown.
const judgeFor = 15 * time.Minute

// opensWithin is how long after an edit a window may be recorded that it fell into: the read began before it, and no write leaves on a read that is older
// (sink.windowMax, and the clocks' disagreement).
const opensWithin = 30 * time.Second

// judge looks whether edits of people that webhooks told of fell between a read and a write of ours. It costs a request where one may have. Any
// process may do it, whoever leads: the ledger lists each overwrite once.
func (p *Poller) judge(ctx context.Context) error {
	if !p.told {
		kept, err := p.Ledger.KeptEdits(ctx, p.Entity.Sync, p.Now().Add(-judgeFor))
		if err != nil {
			return fmt.Errorf("recall what webhooks told: %w", err)
		}
		p.edits = append(kept, p.edits...) // twice, if this fails: each is listed once
	}
	if len(p.edits) == 0 {
		return nil
	}
	byPage := map[string][]ledger.Edit{}
	var pages []string
	oldest := p.edits[0].At
	for _, e := range p.edits {
		if byPage[e.Page] == nil {
			pages = append(pages, e.Page)
		}
		byPage[e.Page] = append(byPage[e.Page], e)
		if e.At.Before(oldest) {
			oldest = e.At
		}
	}
	since := oldest.Add(-ledger.EditWidth - 2*ledger.EditSkew)
	windows, err := p.windows(ctx, pages, since)
	if err != nil {
		return err
	}
	var later []ledger.Edit
	for _, page := range pages {
		of := slices.DeleteFunc(slices.Clone(windows), func(w ledger.Window) bool { return w.Page != page })
		wait, err := p.judgePage(ctx, page, of, since, byPage[page])
		if err != nil {
			return err
		}
		for _, e := range byPage[page] {
			if p.Now().Sub(e.At) < opensWithin && !slices.ContainsFunc(wait, func(w ledger.Edit) bool { return same(w, e) }) {
				wait = append(wait, e)
			}
		}
		later = append(later, wait...)
	}
	p.told, p.edits = true, later
	return nil
}

func same(a, b ledger.Edit) bool {
	return a.Page == b.Page && a.At.Equal(b.At) && slices.Equal(a.Properties, b.Properties) && slices.Equal(a.Authors, b.Authors)
}

// windows lists what was written to pages of this entity.
func (p *Poller) windows(ctx context.Context, pages []string, since time.Time) ([]ledger.Window, error) {
	all, err := p.Ledger.Windows(ctx, p.Entity.Sync, pages, since)
	if err != nil {
		return nil, fmt.Errorf("look up what was written meanwhile: %w", err)
	}
	return slices.DeleteFunc(all, func(w ledger.Window) bool { return w.Entity != p.Entity.Name }), nil
}

func sameWindow(a, b ledger.Window) bool {
	return a.Link == b.Link && a.Opened.Equal(b.Opened) && a.Closed.Equal(b.Closed)
}

func (p *Poller) judgePage(ctx context.Context, page string, windows []ledger.Window, since time.Time, edits []ledger.Edit) ([]ledger.Edit, error) {
	if !slices.ContainsFunc(windows, func(w ledger.Window) bool { return slices.ContainsFunc(edits, w.Overlaps) }) {
		return nil, nil
	}
	shows, err := p.shows(ctx, page, windows)
	now := p.Now()
	old := func(e ledger.Edit) bool { return now.Sub(e.At) > judgeFor }
	switch {
	case notionapi.IsNotFound(err):
		return nil, nil // nobody can see any more what stands there
	case unreadable(err) && !slices.ContainsFunc(edits, old):
		return edits, nil // not now
	case err != nil && !unreadable(err):
		return nil, err
	}
	before := windows
	if windows, err = p.windows(ctx, []string{page}, since); err != nil {
		return nil, err
	}
	if !slices.EqualFunc(before, windows, sameWindow) && !slices.ContainsFunc(edits, old) {
		return edits, nil // we wrote while the page was read: which write it shows cannot be told
	}
	if err := p.unhide(ctx, windows, shows); err != nil {
		return nil, err
	}
	lost, later := ledger.Overwritten(windows, edits, shows)
	var wait []ledger.Edit
	for _, e := range later { // what nobody found out in time is better told than forgotten
		switch {
		case !old(e):
			wait = append(wait, e)
		case shows == nil:
			lost = append(lost, ledger.Unread(windows, e, now)...)
		default:
			lost = append(lost, ledger.Unsettled(windows, e, now)...)
		}
	}
	if len(lost) == 0 {
		return wait, nil
	}
	for _, o := range lost {
		p.Log.WarnContext(ctx, "an edit may have been overwritten", "entity", p.Entity.Name, "key", o.Window.Key, "page", page, "fields", o.Fields, "author", o.Author)
	}
	if err := p.Ledger.Overwrote(ctx, lost, p.Now()); err != nil {
		return nil, fmt.Errorf("list overwritten edits: %w", err)
	}
	return wait, nil
}

// unhide puts back what relations hide: targets that we left there, and that are in the trash or cannot be read by now. Nobody took them away, and what
// is judged is what people did. It costs a request for each that is missing.
func (p *Poller) unhide(ctx context.Context, windows []ledger.Window, shows map[string]json.RawMessage) error {
	for id, now := range shows {
		left := ledger.Left(id, windows)
		was, is := notionapi.DecodeProperty("", left), notionapi.DecodeProperty("", now)
		if was.Type != notionapi.TypeRelation || slices.ContainsFunc(is.Value.Items(), func(v change.Value) bool { return !slices.ContainsFunc(was.Value.Items(), v.Equal) }) {
			continue
		}
		hidden := true
		for _, target := range was.Value.Items() {
			if slices.ContainsFunc(is.Value.Items(), target.Equal) {
				continue
			}
			page, err := p.Pages.Page(ctx, target.Text())
			if err != nil && !notionapi.IsNotFound(err) && !unreadable(err) {
				return fmt.Errorf("read the related page %s: %w", target.Text(), err)
			}
			hidden = hidden && (err != nil || page.InTrash)
		}
		if hidden {
			shows[id] = left
		}
	}
	return nil
}

// shows reads those properties of a page that were written.
func (p *Poller) shows(ctx context.Context, id string, windows []ledger.Window) (map[string]json.RawMessage, error) {
	page, err := p.Pages.Page(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read page %s: %w", id, err)
	}
	var ids []string
	for _, w := range windows {
		for property := range w.Fields {
			if !slices.Contains(ids, property) {
				ids = append(ids, property)
			}
		}
	}
	slices.Sort(ids)
	if err := p.Pages.Complete(ctx, &page, ids...); err != nil && !unreadable(err) {
		return nil, fmt.Errorf("read the rest of page %s: %w", id, err)
	}
	out := map[string]json.RawMessage{}
	for _, property := range ids {
		if prop, ok := page.Property(property); ok {
			out[property] = prop.Raw
		}
	}
	return out, nil
}
