package notion

import (
	"context"
	"iter"

	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/sink"
)

// Walk lists all pages of a data source as queries show them, a hundred for a request.
func Walk(ctx context.Context, client *notionapi.Client, schema ledger.Schema) iter.Seq2[sink.Walked, error] {
	return func(yield func(sink.Walked, error) bool) {
		for page, err := range client.Rows(ctx, schema.DataSource, notionapi.Query{}) {
			if err != nil {
				yield(sink.Walked{}, classify(err))
				return
			}
			seen, err := observe(page, schema)
			if !yield(sink.Walked{Page: page.ID, Seen: seen}, err) || err != nil {
				return
			}
		}
	}
}
