package notion

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// judgeFor is how long an edit waits for a window to close: longer than a write's outcome stays unknown.
const judgeFor = 15 * time.Minute

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
	windows, err := p.Ledger.Windows(ctx, p.Entity.Sync, pages, oldest.Add(-ledger.EditWidth-time.Second))
	if err != nil {
		return fmt.Errorf("look up what was written meanwhile: %w", err)
	}
	var later []ledger.Edit
	for _, page := range pages {
		of := slices.DeleteFunc(slices.Clone(windows), func(w ledger.Window) bool { return w.Page != page || w.Entity != p.Entity.Name })
		wait, err := p.judgePage(ctx, page, of, byPage[page])
		if err != nil {
			return err
		}
		later = append(later, wait...)
	}
	p.told = true
	p.edits = slices.DeleteFunc(later, func(e ledger.Edit) bool { return p.Now().Sub(e.At) > judgeFor })
	return nil
}

func (p *Poller) judgePage(ctx context.Context, page string, windows []ledger.Window, edits []ledger.Edit) ([]ledger.Edit, error) {
	if !slices.ContainsFunc(windows, func(w ledger.Window) bool { return slices.ContainsFunc(edits, w.Overlaps) }) {
		return nil, nil
	}
	shows, err := p.shows(ctx, page, windows)
	if err != nil || shows == nil {
		return nil, err
	}
	lost, later := ledger.Overwritten(windows, edits, shows)
	if len(lost) == 0 {
		return later, nil
	}
	for _, o := range lost {
		p.Log.WarnContext(ctx, "an edit may have been overwritten", "entity", p.Entity.Name, "key", o.Window.Key, "page", page, "fields", o.Fields, "author", o.Author)
	}
	if err := p.Ledger.Overwrote(ctx, lost, p.Now()); err != nil {
		return nil, fmt.Errorf("list overwritten edits: %w", err)
	}
	return later, nil
}

// shows reads those properties of a page that were written; nil if the page cannot be found.
func (p *Poller) shows(ctx context.Context, id string, windows []ledger.Window) (map[string]json.RawMessage, error) {
	page, err := p.Pages.Page(ctx, id)
	if notionapi.IsNotFound(err) || unreadable(err) {
		return nil, nil
	}
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
