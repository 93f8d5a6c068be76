package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink/match"
)

// loosePage is a page that no row belongs to, with what the match keys need of it.
type loosePage struct {
	page string
	like change.Image
}

// How many pages without a row are remembered, and for how long; beyond that only Notion is asked.
const (
	looseMax   = 5000
	looseLasts = 10 * time.Second
)

// likePage looks whether people have a page already of a row that is about to get one: exactly one page that is like it, and no other row without a page that
// is, are a pair, as for tandem link; several are a person's to tell apart.
func (r *reconciliation) likePage(ctx context.Context) (verdict, error) {
	pages, err := r.loosePages(ctx)
	if err != nil || len(pages) == 0 {
		return verdict{}, err
	}
	like := r.entity.Mapping.Likeness(r.in.CRM.Image)
	for i, key := range r.entity.Mapping.Match {
		value, shown, ok := match.ValueOf(key, like)
		if !ok {
			continue
		}
		var same []string
		for _, p := range pages {
			if have, _, ok := match.ValueOf(key, p.like); ok && have == value {
				same = append(same, p.page)
			}
		}
		if len(same) == 0 {
			continue
		}
		rows, err := r.looseRows(ctx, key, value)
		if err != nil {
			return verdict{}, err
		}
		if len(same) == 1 && len(rows) == 1 {
			return r.stillLike(ctx, key, value, same[0])
		}
		f := match.Finding{Class: match.Ambiguous, Key: i, Value: shown, Rows: rows, Pages: same}
		return verdict{doubt: f.Reason(r.entity.Mapping.Match)}, nil
	}
	return verdict{}, nil
}

// looseRows are the rows without a page that show a key's value, this one among them.
func (r *reconciliation) looseRows(ctx context.Context, key []string, value string) ([]string, error) {
	rows, err := r.rowsLike(ctx, key, value, r.in.CRM.Image)
	if err != nil {
		return nil, err
	}
	links, err := r.w.Ledger.ByKey(ctx, r.w.Sync, r.entity.Mapping.Name, rows)
	if err != nil {
		return nil, fmt.Errorf("look up the links of rows that are like it: %w", err)
	}
	own := r.link().Key
	rows = slices.DeleteFunc(rows, func(k string) bool { return k == own || links[k].Page != "" })
	rows = append(rows, own)
	slices.Sort(rows)
	return rows, nil
}

// stillLike reads the page: what is known of it may be old, and a link made of that would bring one person's values to another.
func (r *reconciliation) stillLike(ctx context.Context, key []string, value, page string) (verdict, error) {
	seen, err := r.entity.Pages.Read(ctx, r.schema, page)
	if err != nil {
		return verdict{}, fmt.Errorf("read the page that is like the row: %w", err)
	}
	image, err := r.w.PageImage(ctx, r.link().Entity, r.schema, seen)
	if err != nil {
		return verdict{}, err
	}
	have, _, ok := match.ValueOf(key, r.entity.Mapping.Likeness(image))
	if seen.Gone || seen.InTrash || seen.Moved || seen.External != "" && seen.External != r.link().External || !ok || have != value {
		return verdict{}, nil
	}
	return verdict{page: page}, nil
}

// join makes the page the row's. What both say is merged on a new read, as at any first contact.
func (r *reconciliation) join(ctx context.Context, page string) error {
	if r.w.Permit != nil {
		return r.step(ctx, ledger.Commit{Release: true}) // a plan that was to make a page makes no link
	}
	half, err := r.halfWith(ctx, page)
	if err != nil {
		return err
	}
	live := ledger.Live
	r.w.Log.InfoContext(ctx, "linked", "entity", r.link().Entity, "key", r.link().Key, "page", page)
	err = r.commit(ctx, ledger.Commit{Page: &page, State: &live, Absorb: half, Unhold: []string{"*"}, Finish: r.done(), Reasons: []ledger.Reason{r.reason(ledger.Notion, "reread")}})
	if errors.Is(err, ledger.ErrTaken) {
		return r.commit(ctx, ledger.Commit{Finish: r.later(r.w.Now().Add(visibleDelay), false)}) // somebody was faster: look again
	}
	return err
}

// loosePages are the pages without a row that may be like the row: those that the poller has told of, and, where somebody waits for this page, those that
// Notion finds by the keys' values. A first sync comes right after everything was linked, and asks Notion nothing.
func (r *reconciliation) loosePages(ctx context.Context) ([]loosePage, error) {
	known, err := r.toldPages(ctx)
	if err != nil || r.work.Lane != ledger.LaneLive {
		return known, err
	}
	finder, ok := r.entity.Pages.(interface {
		Like(ctx context.Context, schema ledger.Schema, keys [][]string, image change.Image) ([]Listed, error)
	})
	if !ok {
		return known, nil
	}
	found, err := finder.Like(ctx, r.schema, r.entity.Mapping.Match, r.in.CRM.Image)
	if err != nil {
		return nil, fmt.Errorf("ask for pages that are like the row: %w", err)
	}
	out := slices.Clone(known)
	for _, p := range found {
		if p.Seen.External != "" || slices.ContainsFunc(known, func(k loosePage) bool { return k.page == p.Page }) {
			continue
		}
		image, err := r.w.PageImage(ctx, r.link().Entity, r.schema, p.Seen)
		if err != nil {
			return nil, err
		}
		out = append(out, loosePage{p.Page, r.entity.Mapping.Likeness(image)})
	}
	return r.withoutRow(ctx, out)
}

// withoutRow leaves out pages that have one by now.
func (r *reconciliation) withoutRow(ctx context.Context, pages []loosePage) ([]loosePage, error) {
	ids := make([]string, len(pages))
	for i, p := range pages {
		ids[i] = p.page
	}
	links, err := r.w.Ledger.ByPage(ctx, r.w.Sync, ids)
	if err != nil {
		return nil, fmt.Errorf("look up the links of pages that are like the row: %w", err)
	}
	return slices.DeleteFunc(pages, func(p loosePage) bool {
		l := links[p.page]
		return l.Key != "" || l.ID != 0 && l.Entity != r.link().Entity
	}), nil
}

// toldPages are the pages without a row that the ledger knows, as of some seconds ago.
func (r *reconciliation) toldPages(ctx context.Context) ([]loosePage, error) {
	m := &r.entity.run
	m.mu.Lock()
	defer m.mu.Unlock()
	now := r.w.Now()
	if now.Sub(m.looseAt) < looseLasts && !m.looseAt.IsZero() {
		return m.loose, nil
	}
	halves, ok := r.w.Ledger.(interface {
		Loose(ctx context.Context, sync, entity string, max int) ([]ledger.Link, error)
	})
	if !ok {
		return nil, nil
	}
	links, err := halves.Loose(ctx, r.w.Sync, r.link().Entity, looseMax)
	if err != nil {
		return nil, fmt.Errorf("look for pages without a row: %w", err)
	}
	var pages []loosePage
	for _, l := range links {
		if l.Seen == nil || l.Seen.Gone || l.Seen.InTrash || l.Seen.Moved || strings.TrimSpace(l.Seen.External) != "" && l.Seen.External != l.External || len(l.Seen.Properties) == 0 {
			continue
		}
		image, err := r.w.PageImage(ctx, r.link().Entity, r.schema, *l.Seen)
		if err != nil {
			return nil, err
		}
		pages = append(pages, loosePage{l.Page, r.entity.Mapping.Likeness(image)})
	}
	m.loose, m.looseAt = pages, now
	return pages, nil
}
