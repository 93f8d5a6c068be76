package plan

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
	"github.com/tandem-sync/tandem/sink/match"
)

// Ledger is what plan and link ask of the ledger.
type Ledger interface {
	sink.Ledger
	sink.Adder
	Keys(ctx context.Context, sync, entity, after string, max int) ([]string, error)
	Pages(ctx context.Context, sync, entity, after string, max int) ([]string, error)
}

// Reader reads both sides of a sync. Its fields are set before the first call and not changed after; one goroutine uses it.
type Reader struct {
	Worker   *sink.Worker // of the Notion side, with rows and pages of every entity
	Ledger   Ledger
	Rows     map[string]sink.RowKeys // by entity
	Progress func(Progress)          // told now and then; nil is nobody
}

// Progress is how far a walk is.
type Progress struct {
	Entity string
	Stage  string // rows, pages, links, or what is done with them
	Done   int
	Total  int // 0 where it is not known
}

const (
	rowsStep  = 500 // rows a snapshot: what sink/crm reads at once
	pagesStep = 100 // pages looked up at once: a request's worth
)

func (r *Reader) progress(entity, stage string, done, total int) {
	if r.Progress != nil {
		r.Progress(Progress{Entity: entity, Stage: stage, Done: done, Total: total})
	}
}

// rows walks over the rows in scope, a snapshot at a time, each with the links of its rows.
func (r *Reader) rows(ctx context.Context, e *mapping.Entity) iter.Seq2[rowBatch, error] {
	return func(yield func(rowBatch, error) bool) {
		for after, n := "", 0; ; {
			keys, err := r.Rows[e.Name].Keys(ctx, after, rowsStep)
			if err != nil || len(keys) == 0 {
				if err != nil {
					yield(rowBatch{}, fmt.Errorf("list the rows of %s: %w", e.Name, err))
				}
				return
			}
			batch, err := r.batch(ctx, e, keys)
			n, after = n+len(keys), keys[len(keys)-1]
			r.progress(e.Name, "rows", n, 0)
			if !yield(batch, err) || err != nil {
				return
			}
		}
	}
}

// rowBatch is some rows of one snapshot.
type rowBatch struct {
	keys     []string
	snapshot sink.Snapshot
	links    map[string]ledger.Link // by key
}

func (r *Reader) batch(ctx context.Context, e *mapping.Entity, keys []string) (b rowBatch, err error) {
	b.keys = keys
	if b.snapshot, err = r.Worker.Entities[e.Name].Rows.Read(ctx, keys); err != nil {
		return b, fmt.Errorf("read rows of %s: %w", e.Name, err)
	}
	b.links, err = r.Ledger.ByKey(ctx, e.Sync, e.Name, keys)
	return b, err
}

// pages walks over the pages as queries show them, some at a time, each with its link.
func (r *Reader) pages(ctx context.Context, e *mapping.Entity, schema ledger.Schema) iter.Seq2[pageBatch, error] {
	return func(yield func(pageBatch, error) bool) {
		list, ok := r.Worker.Entities[e.Name].Pages.(sink.PageList)
		if !ok || schema.DataSource == "" {
			return // there is no database yet, hence no page
		}
		var b pageBatch
		n := 0
		give := func() bool {
			var err error
			b.links, err = r.Ledger.ByPage(ctx, e.Sync, b.ids())
			n += len(b.pages)
			r.progress(e.Name, "pages", n, 0)
			more := yield(b, err) && err == nil
			b = pageBatch{}
			return more
		}
		for page, err := range list.List(notionapi.WithLane(ctx, notionapi.Backfill), schema) {
			if err != nil {
				yield(pageBatch{}, fmt.Errorf("list the pages of %s: %w", e.Name, err))
				return
			}
			if b.pages = append(b.pages, page); len(b.pages) == pagesStep && !give() {
				return
			}
		}
		if len(b.pages) > 0 {
			give()
		}
	}
}

// pageBatch is some pages of a walk.
type pageBatch struct {
	pages []sink.Listed
	links map[string]ledger.Link // by page
}

func (b pageBatch) ids() []string {
	ids := make([]string, len(b.pages))
	for i, p := range b.pages {
		ids[i] = p.Page
	}
	return ids
}

// linked reports that a link has both of its ends, or that a write that would give it the second is open.
func linked(l ledger.Link) bool { return l.Key != "" && l.Page != "" || l.Intent != nil }

// Unlinked are the rows and pages of an entity that nobody has linked, with what the match keys need of them, and what people call them.
type Unlinked struct {
	Rows, Pages []match.Record
	Titles      map[string]string // by row key and page id
	Read        [2]int            // rows and pages that were looked at
	At          time.Time
}

// Unlinked reads both sides of an entity.
func (r *Reader) Unlinked(ctx context.Context, e *mapping.Entity, schema ledger.Schema) (*Unlinked, error) {
	u := &Unlinked{Titles: map[string]string{}, At: r.Worker.Now()}
	for batch, err := range r.rows(ctx, e) {
		if err != nil {
			return nil, err
		}
		u.Read[0] += len(batch.keys)
		for _, key := range batch.keys {
			if linked(batch.links[key]) {
				continue
			}
			image, err := r.Worker.RowImage(ctx, e.Name, schema, batch.snapshot.Rows[key])
			if err != nil {
				return nil, err
			}
			u.Rows = append(u.Rows, match.Record{ID: key, Image: e.Likeness(image)})
			u.Titles[key] = image[e.Title().Name].String()
		}
	}
	for batch, err := range r.pages(ctx, e, schema) {
		if err != nil {
			return nil, err
		}
		u.Read[1] += len(batch.pages)
		for _, page := range batch.pages {
			if linked(batch.links[page.Page]) {
				continue
			}
			image, err := r.Worker.PageImage(ctx, e.Name, schema, page.Seen)
			if err != nil {
				return nil, err
			}
			u.Pages = append(u.Pages, match.Record{ID: page.Page, Image: e.Likeness(image)})
			u.Titles[page.Page] = image[e.Title().Name].String()
		}
	}
	return u, nil
}
