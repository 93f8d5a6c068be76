package notionapi

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"
)

const (
	rowsRestartsMax = 5  // invalid cursors in one scan
	pageSizeFloor   = 10 // below it, a slow query is slow for other reasons
)

// ErrMinuteTooFull is returned by [Client.Rows] when more rows were created within one minute than one query gives: windows over
// created_time cannot part them. The rows given so far are all rows up to that minute, and a part of it.
var ErrMinuteTooFull = errors.New("more rows were created in one minute than a query can give")

// Rows gives all rows that the query's filter lets pass, oldest first, each once; the query's sorts and cursor are not used. It goes on
// past the 10,000 rows of one query with windows over created_time, starts again where it was when Notion no longer knows its cursor, and
// asks for fewer rows at a time while queries time out. It costs a request for each hundred rows, and one more a window. Rows come from
// an index that may lag: a row that is missing is not gone.
// https://developers.notion.com/guides/data-apis/query-large-data-sources
func (c *Client) Rows(ctx context.Context, dataSourceID string, query Query) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		s := scan{client: c, id: dataSourceID, query: query, seen: map[string]bool{}}
		s.query.Sorts = []Sort{{Timestamp: "created_time"}}
		s.query.Cursor = ""
		for !s.done {
			pages, err := s.next(ctx)
			if err != nil {
				yield(Page{}, err)
				return
			}
			for _, page := range pages {
				if !yield(page, nil) {
					return
				}
			}
		}
	}
}

// scan is one walk over a data source.
type scan struct {
	client *Client
	id     string
	query  Query // Cursor and PageSize move

	window   time.Time       // lower bound of created_time; zero: none
	fresh    int             // rows of this window that were not seen before
	newest   time.Time       // the newest created_time seen
	seen     map[string]bool // ids of that minute: the next window begins with it
	restarts int
	done     bool
}

// next asks for one page and gives what is new in it.
func (s *scan) next(ctx context.Context) ([]Page, error) {
	query := s.query
	if !s.window.IsZero() {
		query.Filter = And(s.query.Filter, CreatedOnOrAfter(s.window))
	}
	list, err := s.client.QueryDataSource(ctx, s.id, query)
	if err != nil {
		return nil, s.recover(ctx, err)
	}
	pages := s.news(list.Pages)
	switch {
	case list.HasMore && list.NextCursor == s.query.Cursor:
		return nil, fmt.Errorf("query data source %s: notion gave the same cursor twice (request %s)", s.id, list.RequestID)
	case list.HasMore:
		s.query.Cursor = list.NextCursor
	case !list.Incomplete:
		s.done = true
	case s.fresh == 0 || s.newest.Equal(s.window):
		return nil, fmt.Errorf("query data source %s from %s on: %w", s.id, s.newest.Format(time.RFC3339), ErrMinuteTooFull)
	default:
		s.begin(s.newest)
	}
	return pages, nil
}

// begin opens a window. Its first minute was seen in part.
func (s *scan) begin(from time.Time) {
	s.window, s.query.Cursor, s.fresh = from, "", 0
}

// news leaves out what the window before has given already.
func (s *scan) news(pages []Page) []Page {
	out := make([]Page, 0, len(pages))
	for _, page := range pages {
		if s.seen[page.ID] {
			continue
		}
		if page.Created.After(s.newest) {
			s.newest = page.Created
			clear(s.seen)
		}
		s.seen[page.ID] = true
		s.fresh++
		out = append(out, page)
	}
	return out
}

// recover says how to go on after an error; nil means that the same next may be called again.
func (s *scan) recover(ctx context.Context, err error) error {
	size := s.query.PageSize
	if size == 0 {
		size = PageSizeMax
	}
	switch {
	case ctx.Err() != nil:
		return err
	case IsInvalidCursor(err) && s.query.Cursor != "" && s.restarts < rowsRestartsMax:
		s.restarts++
		s.begin(s.newest)
		return nil
	case tooSlow(err) && size > pageSizeFloor:
		s.query.PageSize = max(size/2, pageSizeFloor)
		return nil
	}
	return err
}

// tooSlow reports what Notion answers, or does not answer, when a query is too much for it.
func tooSlow(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout ||
		(e.Status == 0 && errors.Is(err, context.DeadlineExceeded))
}
