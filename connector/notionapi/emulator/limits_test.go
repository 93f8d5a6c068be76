package emulator

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	format := `Authorization header must use the format "Bearer <token>".`
	w.token, w.version = "", ""
	w.refused("GET", "/v1/nothing", "", 400, "invalid_request_url", "Invalid request URL.")
	w.refused("PUT", "/v1/users/me", "", 400, "invalid_request_url", "Invalid request URL.")
	w.refused("POST", "/v1/pages", "{bad", 400, "invalid_json", "Error parsing JSON body.")
	w.refused("GET", "/v1/users/me", "", 401, "unauthorized", format)
	w.token = "wrong"
	w.refused("POST", "/v1/pages", "{bad", 400, "invalid_json", "Error parsing JSON body.")
	w.refused("GET", "/v1/users/me", "", 401, "unauthorized", "API token is invalid.")
	w.token = "ntn_test"
	w.refused("GET", "/v1/pages/nope", "", 400, "missing_version",
		"Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`.")
	w.version = "2020-01-01"
	if a := w.do("GET", "/v1/users/me", ""); a.status != 400 || !strings.Contains(a.str("message"), "`\"2026-03-11\"`") {
		t.Errorf("unknown version: %s", a.raw)
	}
	w.version = "2025-09-03"
	w.refused("GET", "/v1/pages/nope", "", 400, "validation_error",
		"path failed validation: path.page_id should be a valid uuid, instead was `\"nope\"`.")
	a := w.refused("GET", "/v1/pages/00000000000040008000000000000000", "", 404, "object_not_found",
		"Could not find page with ID: 00000000-0000-4000-8000-000000000000. Make sure the relevant pages and databases are shared with your integration \"Tandem\".")
	if a.str("additional_data", "integration_id") != w.e.BotID("ntn_test") {
		t.Errorf("additional_data of a 404: %s", a.raw)
	}
}

// TestRateWindow walks through a fixed window in virtual time.
func TestRateWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limit = 3; c.Others = []Integration{{"ntn_other", "Other"}} })
	for range 3 {
		w.ok("GET", "/v1/users/me", "")
		w.clock.advance(10 * time.Second)
	}
	a := w.do("GET", "/v1/users/me", "")
	if a.status != 429 || a.header.Get("Retry-After") != "30" || a.str("additional_data", "retry_after") != "30" ||
		a.str("additional_data", "rate_limit_reason") != "public_api_request_rate_limit" ||
		a.str("message") != "You have been rate limited. Please try again in a few minutes." {
		t.Errorf("fourth request: %s, Retry-After %s", a.raw, a.header.Get("Retry-After"))
	}
	w.token = "ntn_other"
	w.ok("GET", "/v1/users/me", "")
	w.token = "ntn_test"
	w.clock.advance(29999 * time.Millisecond)
	if a := w.do("GET", "/v1/users/me", ""); a.status != 429 || a.header.Get("Retry-After") != "1" {
		t.Errorf("just before the end: %d %s", a.status, a.header.Get("Retry-After"))
	}
	w.clock.advance(time.Millisecond)
	w.ok("GET", "/v1/users/me", "")
}

func TestWorkspaceLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.WorkspaceLimit = 1; c.WorkspaceWindow = 3 * time.Minute })
	w.ok("GET", "/v1/users/me", "")
	a := w.do("GET", "/v1/users/me", "")
	if a.header.Get("Retry-After") != "180" || a.str("additional_data", "rate_limit_reason") != "public_api_space_request_rate_limit" {
		t.Errorf("workspace limit: %s %s", a.raw, a.header.Get("Retry-After"))
	}
}

// TestQueryMax ends a query at its cap and says so, once, on the last page.
func TestQueryMax(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.QueryMax = 7 })
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	for i := range 9 {
		w.row(src, titled(fmt.Sprint(i)))
	}
	seen, cursor := 0, ""
	for {
		a := w.ok("POST", "/v1/data_sources/"+src+"/query", `{"page_size":3`+cursor+`}`)
		seen += len(a.at("results").([]any))
		if a.at("has_more") == false {
			if a.str("request_status", "type") != "incomplete" || a.str("request_status", "incomplete_reason") != "query_result_limit_reached" || a.at("next_cursor") != nil {
				t.Errorf("last page: %s", a.raw)
			}
			break
		}
		if a.at("request_status") != nil {
			t.Errorf("a page before the last one has request_status")
		}
		cursor = `,"start_cursor":"` + a.str("next_cursor") + `"`
	}
	if seen != 7 {
		t.Errorf("saw %d rows, want 7", seen)
	}
}

// TestPagingSurvivesEdits edits rows between pages of a scan by last edit: no
// row that stays put is skipped.
func TestPagingSurvivesEdits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	var ids []string
	for i := range 10 {
		ids = append(ids, w.row(src, titled(fmt.Sprint(i))))
		w.clock.advance(2 * time.Minute)
	}
	body := `{"page_size":2,"sorts":[{"timestamp":"last_edited_time","direction":"ascending"}]`
	seen, cursor := map[string]int{}, ""
	for n := 0; ; n++ {
		a := w.ok("POST", "/v1/data_sources/"+src+"/query", body+cursor+`}`)
		for _, r := range a.at("results").([]any) {
			seen[walk(r, "id").(string)]++
		}
		if n == 0 {
			w.ok("PATCH", "/v1/pages/"+ids[1], `{"properties":`+titled("moved")+`}`) // the row the cursor stands on
		}
		if a.at("has_more") == false {
			break
		}
		cursor = `,"start_cursor":"` + a.str("next_cursor") + `"`
	}
	for _, id := range ids {
		if seen[id] == 0 {
			t.Errorf("row %s was skipped", id)
		}
	}
	if seen[ids[1]] != 2 {
		t.Errorf("the edited row was seen %d times, want at its old and its new place", seen[ids[1]])
	}
}

// TestIndexLag follows one page through creation, an edit and the trash.
func TestIndexLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.IndexLag = 30 * time.Second })
	_, src := w.table("T", `{"Name":{"title":{}}}`)
	title := func() string {
		a := w.ok("POST", "/v1/data_sources/"+src+"/query", `{}`)
		s, _ := a.at("results", "0", "properties", "Name", "title", "0", "plain_text").(string)
		return s
	}
	id := w.row(src, titled("old"))
	if got := title(); got != "" {
		t.Errorf("a new row is indexed at once: %q", got)
	}
	w.clock.advance(30 * time.Second)
	w.ok("PATCH", "/v1/pages/"+id, `{"properties":`+titled("new")+`}`)
	if got := title(); got != "old" {
		t.Errorf("index shows %q, want the page as it was 30 s ago", got)
	}
	if got := w.ok("GET", "/v1/pages/"+id, "").at("properties", "Name", "title", "0", "plain_text"); got != "new" {
		t.Errorf("GET shows %v", got)
	}
	w.clock.advance(30 * time.Second)
	if got := title(); got != "new" {
		t.Errorf("index shows %q after the lag", got)
	}
	w.ok("PATCH", "/v1/pages/"+id, `{"in_trash":true}`)
	if got := title(); got != "new" {
		t.Errorf("a trashed row left the index at once")
	}
	w.clock.advance(30 * time.Second)
	if got := title(); got != "" {
		t.Errorf("index still shows the trashed %q", got)
	}
	if n := len(w.e.st.data.Pages[id].Revs); n > 3 {
		t.Errorf("%d revisions are kept", n)
	}
}

func TestFaultKinds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		kind   string
		status int
		code   string
		saved  bool
	}{
		{FaultRateLimited, 429, "rate_limited", false}, {FaultBlocked, 429, "rate_limited", false},
		{FaultOverload, 529, "service_overload", false}, {FaultConflict, 409, "conflict_error", false},
		{FaultInternal, 500, "internal_server_error", false}, {FaultUnavailable, 503, "service_unavailable", false},
		{FaultConnection, 503, "database_connection_unavailable", false}, {FaultGateway, 504, "gateway_timeout", false},
		{FaultCommitted, 503, "service_unavailable", true}, {FaultGatewayAfter, 504, "gateway_timeout", true},
		{FaultBadGateway, 502, "", false}, {FaultDrop, 0, "", false}, {FaultDropAfter, 0, "", true},
	}
	for _, c := range cases {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			_, src := w.table("T", `{"Name":{"title":{}}}`)
			if err := w.e.Inject(Fault{Kind: c.kind, Method: "POST", Path: "/v1/pages", Count: 1, RetryAfter: 2}); err != nil {
				t.Fatal(err)
			}
			req, _ := http.NewRequest("POST", "http://x/v1/pages", strings.NewReader(`{"parent":{"data_source_id":"`+src+`"},"properties":{}}`))
			req.Header.Set("Authorization", "Bearer ntn_test")
			req.Header.Set("Notion-Version", "2025-09-03")
			resp, err := w.e.Transport().RoundTrip(req)
			if (err != nil) != (c.status == 0) || err == nil && resp.StatusCode != c.status {
				t.Fatalf("answer %v, error %v", resp, err)
			}
			if c.status == 502 && (resp.Header.Get("Content-Type") != "text/html" || resp.Header.Get("X-Notion-Request-Id") != "") {
				t.Errorf("an edge answer has %v", resp.Header)
			}
			n := len(w.ok("POST", "/v1/data_sources/"+src+"/query", `{}`).at("results").([]any))
			if (n == 1) != c.saved {
				t.Errorf("%d pages, saved should be %v", n, c.saved)
			}
		})
	}
}

func TestFaultChoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Faults = []*Fault{{Kind: FaultConflict, Path: "/v1/users/*", Skip: 1, Count: 2}}
		c.FaultFunc = func(method, path string) *Fault {
			if path == "/v1/search" {
				return &Fault{Kind: FaultOverload}
			}
			return nil
		}
	})
	var got []int
	for range 4 {
		got = append(got, w.do("GET", "/v1/users/me", "").status)
	}
	if fmt.Sprint(got) != "[200 409 409 200]" {
		t.Errorf("statuses %v", got)
	}
	if s := w.do("POST", "/v1/search", "{}").status; s != 529 {
		t.Errorf("fault function was not asked: %d", s)
	}
	if err := w.e.Inject(Fault{Kind: "gremlins", Chance: 2}); err == nil {
		t.Error("an unknown fault is accepted")
	}
}
