package notion

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

// lister is a client that walks over a data source.
type lister interface {
	Rows(ctx context.Context, dataSourceID string, query notionapi.Query) iter.Seq2[notionapi.Page, error]
}

var _ sink.PageList = (*Pages)(nil)

// List gives all pages of the entity that are not in the trash, oldest first, as the index shows them: it may lag by the index lag. A hundred pages
// cost a request; a page whose relations do not fit its row costs one more, to read them whole.
func (p *Pages) List(ctx context.Context, schema ledger.Schema) iter.Seq2[sink.Listed, error] {
	return func(yield func(sink.Listed, error) bool) {
		client, ok := p.Client.(lister)
		if !ok {
			yield(sink.Listed{}, errors.New("this client does not list pages"))
			return
		}
		for page, err := range client.Rows(ctx, schema.DataSource, notionapi.Query{}) {
			if err != nil {
				yield(sink.Listed{}, classify(err))
				return
			}
			seen, err := p.listed(ctx, page, schema)
			if !yield(sink.Listed{Page: page.ID, Seen: seen}, err) || err != nil {
				return
			}
		}
	}
}

func (p *Pages) listed(ctx context.Context, page notionapi.Page, schema ledger.Schema) (ledger.Observation, error) {
	if err := p.Client.Complete(ctx, &page, schema.IDs()...); err != nil {
		return ledger.Observation{}, fmt.Errorf("read the rest of page %s: %w", page.ID, classify(err))
	}
	seen, err := observe(page, schema)
	seen.Via = "sweep"
	return seen, err
}

// Foreign reports that the database holds a page that does not carry our id: one that people made. It costs one request.
func (p *Pages) Foreign(ctx context.Context, schema ledger.Schema) (bool, error) {
	query := notionapi.Query{PageSize: 1}
	if schema.External != "" {
		query.Filter, query.FilterProperties = notionapi.IsEmpty(schema.External, notionapi.TypeRichText), []string{schema.External}
	}
	list, err := p.Client.QueryDataSource(ctx, schema.DataSource, query)
	if err != nil {
		return false, classify(err)
	}
	return len(list.Pages) > 0, nil
}

// Like gives pages that may show the image's values of one of the keys, at most a hundred: one request for all keys. Queries compare in their own way, and may lag
// by the index lag: who asks compares what comes back. Keys with a field that a query cannot compare, or whose values are not all there, are left out.
func (p *Pages) Like(ctx context.Context, schema ledger.Schema, keys [][]string, image change.Image) ([]sink.Listed, error) {
	var any []notionapi.Filter
	for _, key := range keys {
		if f, ok := p.like(schema, key, image); ok {
			any = append(any, f)
		}
	}
	if len(any) == 0 {
		return nil, nil
	}
	list, err := p.Client.QueryDataSource(ctx, schema.DataSource, notionapi.Query{Filter: notionapi.Or(any...)})
	if err != nil {
		return nil, classify(err)
	}
	var found []sink.Listed
	for _, page := range list.Pages {
		seen, err := observe(page, schema)
		if err != nil {
			return nil, err
		}
		seen.Via = "sweep"
		found = append(found, sink.Listed{Page: page.ID, Seen: seen})
	}
	return found, nil
}

func (p *Pages) like(schema ledger.Schema, key []string, image change.Image) (notionapi.Filter, bool) {
	var all []notionapi.Filter
	for _, name := range key {
		f, ok := p.Entity.Field(name)
		v, id := image[name], schema.Properties[name]
		if !ok || id == "" || v.Kind() != change.Text || v.Text() == "" {
			return notionapi.Filter{}, false
		}
		switch f.Type {
		case mapping.TypeTitle, mapping.TypeText, mapping.TypeEmail, mapping.TypePhone, mapping.TypeURL, mapping.TypeSelect, mapping.TypeStatus:
			all = append(all, notionapi.Equals(id, PropertyType(f.Type), v.Text()))
		default:
			return notionapi.Filter{}, false
		}
	}
	return notionapi.And(all...), true
}
