package notionapi

import (
	"context"
	"iter"
)

// Rows gives all rows of a data source that the query's filter lets pass, oldest first, each once.
func (c *Client) Rows(ctx context.Context, dataSourceID string, query Query) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {}
}
