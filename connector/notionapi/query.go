package notionapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	jomei "github.com/jomei/notionapi"
)

// Limits of a query. https://developers.notion.com/guides/data-apis/query-large-data-sources
const (
	PageSizeMax    = 100
	QueryResultMax = 10_000 // rows that one filter and sort will ever give
)

// Query asks a data source for rows.
type Query struct {
	Filter   Filter // zero: all rows that are neither in the trash nor archived
	Sorts    []Sort // none: Notion promises no order
	Cursor   string // from a List; opaque
	PageSize int    // 1..100; 0 means 100
	// FilterProperties limits the properties in the answer, by id.
	FilterProperties []string
}

// Sort orders rows by a property (id or name) or by a timestamp (created_time, last_edited_time); exactly one of the two is set.
type Sort struct {
	Property   string
	Timestamp  string
	Descending bool
}

// List is one page of a query's answer. Its rows come from an index that may lag behind the pages.
type List struct {
	Pages      []Page // fewer than asked for does not mean the end
	HasMore    bool
	NextCursor string
	// Incomplete: the 10,000 rows of one query are used up, and there are more that this query will never give.
	Incomplete       bool
	IncompleteReason string
	ReadFrom, ReadTo time.Time
	RequestID        string
}

// QueryDataSource asks for one page of rows. It costs one request.
func (c *Client) QueryDataSource(ctx context.Context, dataSourceID string, query Query) (List, error) {
	id, err := idPath("data source", dataSourceID)
	if err != nil {
		return List{}, err
	}
	// The library knows the query as it was before data sources: same body, another path.
	cl := call{path: "/v1/data_sources/" + id + "/query", query: filterProperties(query.FilterProperties)}
	var wire wireList
	err = c.viaLibrary(ctx, &cl, &wire, func(ctx context.Context) error {
		_, err := c.lib.Database.Query(ctx, jomei.DatabaseID(id), query.request())
		return err
	})
	if err != nil {
		return List{}, err
	}
	return wire.list(&cl)
}

func (q Query) request() *jomei.DatabaseQueryRequest {
	req := &jomei.DatabaseQueryRequest{StartCursor: jomei.Cursor(q.Cursor), PageSize: q.PageSize, Filter: q.Filter.wire}
	for _, s := range q.Sorts {
		object := jomei.SortObject{Property: s.Property, Timestamp: jomei.TimestampType(s.Timestamp), Direction: jomei.SortOrderASC}
		if s.Descending {
			object.Direction = jomei.SortOrderDESC
		}
		req.Sorts = append(req.Sorts, object)
	}
	return req
}

// filterProperties writes the ids so that the server, which decodes the query once, sees the plain ones.
func filterProperties(ids []string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = "filter_properties=" + CanonicalID(id)
	}
	return strings.Join(parts, "&")
}

// wireList is a list as Notion sends it.
type wireList struct {
	Results       []json.RawMessage `json:"results"`
	HasMore       bool              `json:"has_more"`
	NextCursor    string            `json:"next_cursor"`
	RequestID     string            `json:"request_id"`
	RequestStatus struct {
		Type             string `json:"type"`
		IncompleteReason string `json:"incomplete_reason"`
	} `json:"request_status"`
	// PropertyItem stands in lists of property items only.
	PropertyItem json.RawMessage `json:"property_item"`
}

func (w wireList) list(cl *call) (List, error) {
	out := List{
		HasMore: w.HasMore && w.NextCursor != "", NextCursor: w.NextCursor,
		Incomplete: w.RequestStatus.Type == "incomplete", IncompleteReason: w.RequestStatus.IncompleteReason,
		ReadFrom: cl.from, ReadTo: cl.to, RequestID: cmp.Or(w.RequestID, cl.requestID),
	}
	for _, raw := range w.Results {
		var page wirePage
		if err := json.Unmarshal(raw, &page); err != nil {
			return List{}, fmt.Errorf("decode a row of notion's answer (request %s): %w", out.RequestID, err)
		}
		if page.Object != "page" { // a wiki lists its data sources among its pages
			continue
		}
		page.RequestID = out.RequestID
		out.Pages = append(out.Pages, page.page(cl))
	}
	return out, nil
}
