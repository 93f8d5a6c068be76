package notionapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	jomei "github.com/jomei/notionapi"
)

// Bounds of listings, so that nothing runs without end.
const (
	childBlocksPagesMax = 100 // 10,000 blocks on one page
	usersPagesMax       = 200 // 20,000 users
)

// Database is the container that people see; its rows live in data sources.
type Database struct {
	ID          string
	Title       string
	Parent      Parent
	DataSources []DataSourceRef
	InTrash     bool
	URL         string
	RequestID   string
}

// DataSourceRef names one data source of a database.
type DataSourceRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// NewDatabase is a database to make, with its first data source.
type NewDatabase struct {
	ParentPageID string
	Title        string
	Inline       bool
	Properties   []PropertySpec // exactly one of them a title
}

// Database reads a database. It costs one request.
func (c *Client) Database(ctx context.Context, id string) (Database, error) {
	id, err := idPath("database", id)
	if err != nil {
		return Database{}, err
	}
	var cl call
	var wire wireDatabase
	err = c.viaLibrary(ctx, &cl, &wire, func(ctx context.Context) error {
		_, err := c.lib.Database.Get(ctx, jomei.DatabaseID(id))
		return err
	})
	if err != nil {
		return Database{}, err
	}
	return wire.database(&cl), nil
}

// CreateDatabase makes a database under a page, with its first data source. On an error, ask [Unknown] and look with
// [Client.ChildDatabases] before trying again. It costs one request.
func (c *Client) CreateDatabase(ctx context.Context, db NewDatabase) (Database, error) {
	parent, err := idPath("page", db.ParentPageID)
	if err != nil {
		return Database{}, err
	}
	properties, err := encodeSchema(db.Properties)
	if err != nil {
		return Database{}, err
	}
	body := map[string]any{
		"parent":              map[string]any{"type": "page_id", "page_id": parent},
		"title":               richText(db.Title),
		"is_inline":           db.Inline,
		"initial_data_source": map[string]any{"properties": properties},
	}
	var cl call
	var wire wireDatabase
	if err := c.do(ctx, http.MethodPost, "/v1/databases", &cl, body, &wire); err != nil {
		return Database{}, err
	}
	return wire.database(&cl), nil
}

// encodeSchema gives the properties of a new data source.
func encodeSchema(specs []PropertySpec) (map[string]any, error) {
	out := make(map[string]any, len(specs))
	titles := 0
	for _, spec := range specs {
		entry, err := spec.encode()
		if err != nil {
			return nil, err
		}
		if _, twice := out[spec.Name]; twice {
			return nil, &ValueError{Property: spec.Name, Reason: "two properties of one name"}
		}
		out[spec.Name] = entry
		if spec.Type == TypeTitle {
			titles++
		}
	}
	if titles != 1 {
		return nil, valueErrorf("%d title properties; a data source has exactly one", titles)
	}
	return out, nil
}

// wireDatabase is a database as Notion sends it.
type wireDatabase struct {
	ID          string          `json:"id"`
	Title       []wireRichText  `json:"title"`
	Parent      wireParent      `json:"parent"`
	DataSources []DataSourceRef `json:"data_sources"`
	InTrash     bool            `json:"in_trash"`
	URL         string          `json:"url"`
	RequestID   string          `json:"request_id"`
}

func (w wireDatabase) database(cl *call) Database {
	db := Database{
		ID: canonObjectID(w.ID), Title: joinText(w.Title), Parent: w.Parent.parent(), InTrash: w.InTrash, URL: w.URL,
		RequestID: cmp.Or(w.RequestID, cl.requestID),
	}
	for _, ref := range w.DataSources {
		db.DataSources = append(db.DataSources, DataSourceRef{ID: canonObjectID(ref.ID), Name: ref.Name})
	}
	return db
}

// ChildDatabase is a database found among the blocks of a page.
type ChildDatabase struct{ ID, Title string }

// ChildDatabases lists the databases that stand on a page itself, not deeper. It costs a request for each hundred blocks.
func (c *Client) ChildDatabases(ctx context.Context, pageID string) ([]ChildDatabase, error) {
	id, err := idPath("page", pageID)
	if err != nil {
		return nil, err
	}
	var out []ChildDatabase
	err = c.pages(ctx, childBlocksPagesMax, "blocks of a page", func(ctx context.Context, at *jomei.Pagination) error {
		_, err := c.lib.Block.GetChildren(ctx, jomei.BlockID(id), at)
		return err
	}, func(raw json.RawMessage) error {
		var block struct {
			ID            string `json:"id"`
			Type          string `json:"type"`
			InTrash       bool   `json:"in_trash"`
			ChildDatabase struct {
				Title string `json:"title"`
			} `json:"child_database"`
		}
		if err := json.Unmarshal(raw, &block); err != nil {
			return fmt.Errorf("decode a block: %w", err)
		}
		if block.Type == "child_database" && !block.InTrash {
			out = append(out, ChildDatabase{ID: canonObjectID(block.ID), Title: block.ChildDatabase.Title})
		}
		return nil
	})
	return out, err
}

// pages follows the cursors of a listing of the library's and gives each result to take.
func (c *Client) pages(ctx context.Context, pagesMax int, what string, send func(context.Context, *jomei.Pagination) error, take func(json.RawMessage) error) error {
	at := &jomei.Pagination{PageSize: PageSizeMax}
	for range pagesMax {
		var cl call
		var list wireList
		if err := c.viaLibrary(ctx, &cl, &list, func(ctx context.Context) error { return send(ctx, at) }); err != nil {
			return err
		}
		for _, raw := range list.Results {
			if err := take(raw); err != nil {
				return err
			}
		}
		if !list.HasMore || list.NextCursor == "" {
			return nil
		}
		at.StartCursor = jomei.Cursor(list.NextCursor)
	}
	return fmt.Errorf("list %s: more than %d", what, pagesMax*PageSizeMax)
}

// SearchQuery looks for pages or data sources by title.
type SearchQuery struct {
	Text     string
	Object   string // "page", "data_source" or "" for both
	Cursor   string
	PageSize int
}

// SearchResult is what a search found: an index that may lag, and never a full list.
type SearchResult struct {
	Pages       []Page
	DataSources []DataSource
	HasMore     bool
	NextCursor  string
	RequestID   string
}

// Search looks for what is shared with the integration by title, newest edit first. It costs one request.
func (c *Client) Search(ctx context.Context, query SearchQuery) (SearchResult, error) {
	body := map[string]any{"sort": map[string]any{"timestamp": "last_edited_time", "direction": "descending"}}
	if query.Text != "" {
		body["query"] = query.Text
	}
	if query.Object != "" {
		body["filter"] = map[string]any{"property": "object", "value": query.Object}
	}
	if query.Cursor != "" {
		body["start_cursor"] = query.Cursor
	}
	if query.PageSize != 0 {
		body["page_size"] = query.PageSize
	}
	var cl call
	var list wireList
	if err := c.do(ctx, http.MethodPost, "/v1/search", &cl, body, &list); err != nil {
		return SearchResult{}, err
	}
	out := SearchResult{HasMore: list.HasMore && list.NextCursor != "", NextCursor: list.NextCursor, RequestID: cmp.Or(list.RequestID, cl.requestID)}
	for _, raw := range list.Results {
		if err := out.take(raw, &cl); err != nil {
			return SearchResult{}, fmt.Errorf("decode a search result (request %s): %w", out.RequestID, err)
		}
	}
	return out, nil
}

// take sorts one result; objects of other kinds are left out.
func (r *SearchResult) take(raw json.RawMessage, cl *call) error {
	var head struct {
		Object string `json:"object"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return err
	}
	switch head.Object {
	case "page":
		var page wirePage
		if err := json.Unmarshal(raw, &page); err != nil {
			return err
		}
		page.RequestID = r.RequestID
		r.Pages = append(r.Pages, page.page(cl))
	case "data_source":
		var source wireDataSource
		if err := json.Unmarshal(raw, &source); err != nil {
			return err
		}
		source.RequestID = r.RequestID
		r.DataSources = append(r.DataSources, source.dataSource(cl))
	}
	return nil
}
