package notionapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/change"
)

// The library re-sends a consumed body after a 429: every limited write failed with "ContentLength=55 with Body length 0".
func TestLimitedWriteIsSentAgainWithItsBody(t *testing.T) {
	t.Parallel()
	b := setup(t,
		answer(429, errorJSON(429, CodeRateLimited, "You have been rate limited.", `{"rate_limit_reason":"public_api_request_rate_limit"}`), "Retry-After", "7"),
		answer(529, errorJSON(529, CodeServiceOverload, "Overloaded", `{"retry_after":"3"}`)),
		answer(200, pageJSON))
	page, err := b.update(t)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"properties":{"n%3Ax":{"number":1.5}}}`
	if diff := cmp.Diff([]string{want, want, want}, b.script.sent()); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Duration{7 * time.Second, 3 * time.Second}, b.waits.all); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Time{testNow.Add(7 * time.Second), testNow.Add(3 * time.Second)}, b.budget.paused); diff != "" {
		t.Errorf("pauses of all holders (-want +got):\n%s", diff)
	}
	if len(b.budget.taken) != 3 {
		t.Errorf("the budget was asked %d times, want once per attempt: 3", len(b.budget.taken))
	}
	if prop, _ := page.Property("n:x"); !change.Equal(prop.Value, change.DecimalValue("1.5")) {
		t.Errorf("number = %v, want 1.5", prop.Value)
	}
}

func TestBlockedIsNotRetried(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(429, errorJSON(429, CodeRateLimited, "Blocked.", `{"rate_limit_reason":"public_api_request_blocked"}`), "Retry-After", "9"))
	_, err := b.client.Page(t.Context(), pageID)
	if !IsRateLimited(err) || Retryable(err) || Unknown(err) {
		t.Errorf("err = %v: limited %t, retryable %t, unknown %t; want true, false, false", err, IsRateLimited(err), Retryable(err), Unknown(err))
	}
	if len(b.budget.paused) != 0 {
		t.Errorf("a blocked request paused all holders: %v", b.budget.paused)
	}
}

// What a write ends as, and that it is sent exactly once.
func TestOutcomeOfWrites(t *testing.T) {
	t.Parallel()
	committed := errorJSON(503, CodeServiceUnavailable, "The change was saved.", `{"committed_resource_id":"`+pageID+`","retry_guidance":["Read it.","Do not repeat."]}`)
	for name, tc := range map[string]struct {
		step      http.HandlerFunc
		outcome   Outcome
		retryable bool
		check     func(error) bool
	}{
		"502 with HTML":          {answer(502, "<html><head><title>502 Bad Gateway</title></head></html>", "Cf-Ray", "ray1"), OutcomeUnknown, false, nil},
		"500":                    {answer(500, errorJSON(500, "internal_server_error", "Unexpected error occurred.", "")), OutcomeUnknown, false, nil},
		"504":                    {answer(504, errorJSON(504, "gateway_timeout", "Gateway Timeout", "")), OutcomeUnknown, false, nil},
		"503":                    {answer(503, errorJSON(503, CodeServiceUnavailable, "try later", "")), OutcomeUnknown, false, nil},
		"503 committed":          {answer(503, committed), Applied, false, nil},
		"202":                    {answer(202, `{"object":"async_task","id":"x"}`), OutcomeUnknown, false, nil},
		"200 with HTML":          {answer(200, "<html>ok</html>"), OutcomeUnknown, false, nil},
		"200 cut short":          {cutShort, OutcomeUnknown, false, nil},
		"connection reset":       {reset, OutcomeUnknown, false, nil},
		"408":                    {answer(408, ""), OutcomeUnknown, false, nil},
		"400":                    {answer(400, errorJSON(400, CodeValidation, "body failed validation", "")), NotApplied, false, IsValidation},
		"400 transient":          {answer(400, errorJSON(400, CodeValidation, "Unsaved transactions: Unrecognized error.", "")), NotApplied, true, nil},
		"400 in the trash":       {answer(400, errorJSON(400, CodeValidation, "Can't edit block that is archived. You must unarchive the block before editing.", "")), NotApplied, false, IsTrashed},
		"401":                    {answer(401, errorJSON(401, CodeUnauthorized, "API token is invalid.", "")), NotApplied, false, IsUnauthorized},
		"403":                    {answer(403, errorJSON(403, CodeRestricted, "no access", "")), NotApplied, false, IsRestricted},
		"403 with HTML":          {answer(403, "<html><title>Attention Required!</title></html>"), NotApplied, false, nil},
		"404":                    {answer(404, errorJSON(404, CodeNotFound, "Could not find page", "")), NotApplied, false, IsNotFound},
		"409":                    {answer(409, errorJSON(409, CodeConflict, "Conflict occurred while saving.", "")), NotApplied, true, IsConflict},
		"409 full":               {answer(409, errorJSON(409, CodeRowLimit, "full", "")), NotApplied, false, IsRowLimit},
		"redirect":               {answer(302, "", "Location", "https://example.org/"), NotApplied, false, nil},
		"429 that says tomorrow": {answer(429, errorJSON(429, CodeRateLimited, "limited", ""), "Retry-After", "4000"), NotApplied, true, IsRateLimited},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tc.step)
			_, err := b.client.CreatePage(t.Context(), NewPage{DataSourceID: sourceID})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("err = %T %v, want *Error", err, err)
			}
			if e.Outcome != tc.outcome || e.Unknown() != (tc.outcome == OutcomeUnknown) || Retryable(err) != tc.retryable {
				t.Errorf("%v: outcome %v, unknown %t, retryable %t; want %v, retryable %t", err, e.Outcome, e.Unknown(), Retryable(err), tc.outcome, tc.retryable)
			}
			if strings.Contains(err.Error(), `"properties"`) || strings.Contains(err.Error(), "last_edited_time") {
				t.Errorf("the message holds the page: %v", err)
			}
			if id, applied := e.Applied(); applied != (tc.outcome == Applied) || (applied && id != pageID) {
				t.Errorf("applied as %q, %t", id, applied)
			}
			if tc.check != nil && !tc.check(err) {
				t.Errorf("%v is not what its predicate says", err)
			}
			if len(b.waits.all) != 0 {
				t.Errorf("waited %v before giving up on a write", b.waits.all)
			}
		})
	}
}

// cutShort promises more than it sends.
func cutShort(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "5000")
	_, _ = io.WriteString(w, pageJSON[:100])
}

func TestReadsAreRetried(t *testing.T) {
	t.Parallel()
	list := `{"object":"list","results":[` + pageJSON + `],"has_more":false,"next_cursor":null,"type":"page_or_data_source"}`
	failures := []http.HandlerFunc{
		answer(502, "<html><title>502 Bad Gateway</title></html>"), answer(503, ""), answer(504, ""),
		answer(200, "<html>maintenance</html>"), // no broken connection here: net/http may repeat a GET by itself after one
		answer(500, errorJSON(500, "internal_server_error", "Unexpected error occurred.", "")),
	}
	t.Run("page", func(t *testing.T) {
		t.Parallel()
		b := setup(t, append(failures, answer(200, pageJSON))...)
		if _, err := b.client.Page(t.Context(), pageID); err != nil {
			t.Fatal(err)
		}
		// Half of 1, 2, 4, 8, 16 s: jitter is nil here.
		want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}
		if diff := cmp.Diff(want, b.waits.all); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
	t.Run("query, which is a read with a body", func(t *testing.T) {
		t.Parallel()
		b := setup(t, append(failures, answer(200, list))...)
		got, err := b.client.QueryDataSource(t.Context(), sourceID, Query{Filter: Equals("done", TypeCheckbox, false), PageSize: 7, FilterProperties: []string{"a:b", "title"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Pages) != 1 || got.Pages[0].ID != pageID {
			t.Errorf("pages = %v", got.Pages)
		}
		last := b.script.reqs[5]
		if got, want := last.URL.String(), "/v1/data_sources/"+sourceID+"/query?filter_properties=a%3Ab&filter_properties=title"; got != want {
			t.Errorf("url = %s, want %s", got, want)
		}
		if got, want := b.script.sent()[5], `{"page_size":7,"filter":{"checkbox":{"equals":false},"property":"done"}}`; got != want {
			t.Errorf("body = %s, want %s", got, want)
		}
	})
	t.Run("not for ever", func(t *testing.T) {
		t.Parallel()
		b := setup(t, append(failures, answer(504, ""))...)
		_, err := b.client.Page(t.Context(), pageID)
		var e *Error
		if !errors.As(err, &e) || e.Status != 504 || !e.Retryable() || e.Unknown() {
			t.Errorf("err = %v, want a retryable 504", err)
		}
	})
}

func TestHTMLErrorIsReadable(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(502, "<html><head><title>502 Bad\n Gateway</title></head><body>…</body></html>", "Cf-Ray", "8f-FRA"))
	_, err := b.update(t)
	want := "PATCH /v1/pages/" + pageID + ": 502 Bad Gateway: 502 Bad Gateway cf-ray 8f-FRA [unknown whether applied]"
	if err == nil || err.Error() != want {
		t.Errorf("err  = %v\nwant = %s", err, want)
	}
}

// A request that never had a connection cannot have been applied; it is sent again.
func TestNoConnectionIsNotApplied(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	w := &waits{}
	client, err := New(Config{Token: secret, BaseURL: "http://" + address, Budget: &freeBudget{}, Sleep: w.sleep, AttemptsMax: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.CreatePage(t.Context(), NewPage{DataSourceID: sourceID})
	if Unknown(err) || !Retryable(err) || len(w.all) != 2 {
		t.Errorf("err = %v: unknown %t, retryable %t, %d waits; want false, true, 2", err, Unknown(err), Retryable(err), len(w.all))
	}
}

// HTTP/2 has hooks of its own for "there is a connection"; a missed one would call an unknown write "not applied".
func TestResetAfterSendIsUnknownOverHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(reset))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	client, err := New(Config{Token: secret, BaseURL: server.URL, Budget: &freeBudget{}, Transport: server.Client().Transport, AttemptsMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.CreatePage(t.Context(), NewPage{DataSourceID: sourceID}); !Unknown(err) {
		t.Errorf("err = %v, want unknown", err)
	}
}

// An in-process transport has no hooks at all.
func TestTransportWithoutHooksIsUnknown(t *testing.T) {
	t.Parallel()
	broken := roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
	client, err := New(Config{Token: secret, Transport: broken, Budget: &freeBudget{}, AttemptsMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.CreatePage(t.Context(), NewPage{DataSourceID: sourceID}); !Unknown(err) {
		t.Errorf("err = %v, want unknown", err)
	}
}

func TestReadWithoutAnswerIsRetried(t *testing.T) {
	t.Parallel()
	n := 0
	flaky := roundTripper(func(*http.Request) (*http.Response, error) {
		if n++; n < 3 {
			return nil, io.ErrUnexpectedEOF
		}
		rec := httptest.NewRecorder()
		_, _ = rec.WriteString(pageJSON)
		return rec.Result(), nil
	})
	w := &waits{}
	client, err := New(Config{Token: secret, Transport: flaky, Budget: &freeBudget{}, Sleep: w.sleep})
	if err != nil {
		t.Fatal(err)
	}
	if page, err := client.Page(t.Context(), pageID); err != nil || page.ID != pageID || len(w.all) != 2 {
		t.Errorf("page %q, err %v after %d waits; want the page after 2", page.ID, err, len(w.all))
	}
}

func TestTimeoutSaysWhose(t *testing.T) {
	t.Parallel()
	stuck := roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	client, err := New(Config{Token: secret, Transport: stuck, Budget: &freeBudget{}, AttemptsMax: 1, RequestTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.UpdatePage(t.Context(), pageID, PageUpdate{})
	if !Unknown(err) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "notion did not answer within 1ms") {
		t.Errorf("err = %v, want an unknown write that names its timeout", err)
	}
}

func TestCancelledBeforeSendingIsNotApplied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.client.CreatePage(ctx, NewPage{DataSourceID: sourceID})
	if Unknown(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want a cancelled request that was not applied", err)
	}
}

// The library un-trashes every page that it updates, and its create knows no data sources.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(200, pageJSON), answer(200, pageJSON), answer(200, pageJSON), answer(200, pageJSON))
	yes := true
	ctx := WithLane(t.Context(), Backfill)
	for _, step := range []func() error{
		func() error {
			_, err := b.client.Page(ctx, strings.ReplaceAll(strings.ToUpper(pageID), "-", ""))
			return err
		},
		func() error { _, err := b.client.CreatePage(ctx, NewPage{DataSourceID: sourceID}); return err },
		func() error { _, err := b.client.UpdatePage(ctx, pageID, PageUpdate{}); return err },
		func() error { _, err := b.client.UpdatePage(ctx, pageID, PageUpdate{InTrash: &yes}); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"", `{"parent":{"type":"data_source_id","data_source_id":"` + sourceID + `"},"properties":{}}`, `{}`, `{"in_trash":true}`}
	if diff := cmp.Diff(want, b.script.sent()); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
	for _, r := range b.script.reqs {
		if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("Notion-Version") != DefaultVersion {
			t.Errorf("headers of %s %s: %v", r.Method, r.URL, r.Header)
		}
	}
	if diff := cmp.Diff([]Lane{Backfill, Backfill, Backfill, Backfill}, b.budget.taken); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
	if got := b.seen[0]; got.Endpoint != "/v1/pages/{id}" || got.Status != 200 || got.Lane != Backfill {
		t.Errorf("attempt = %+v", got)
	}
}

func TestPageFields(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(200, pageJSON))
	page, err := b.client.Page(t.Context(), pageID)
	if err != nil {
		t.Fatal(err)
	}
	raw := page.Raw()["n%3Ax"]
	want := Page{
		ID: pageID, Parent: Parent{Type: "data_source_id", DataSourceID: sourceID, DatabaseID: "ffffffff-bbbb-cccc-dddd-eeeeeeeeeeee"},
		Created: testNow.Add(-time.Hour), Edited: testNow.Add(-59 * time.Minute),
		Properties: map[string]Property{"n%3Ax": {ID: "n%3Ax", Name: "N", Type: "number", Value: change.DecimalValue("1.5"), Raw: raw}},
		ReadFrom:   testNow, ReadTo: testNow, RequestID: "req-1",
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if string(raw) != `{"id":"n%3Ax","type":"number","number":1.50}` {
		t.Errorf("raw = %s", raw)
	}
}

func TestTokenNeverPrints(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(401, errorJSON(401, CodeUnauthorized, "API token is invalid.", "")), reset)
	var out bytes.Buffer
	_, err := b.client.Page(t.Context(), pageID)
	fmt.Fprintf(&out, "%v %+v\n", err, err)
	_, err = b.client.CreatePage(t.Context(), NewPage{DataSourceID: sourceID})
	fmt.Fprintf(&out, "%v %#v\n", err, err)
	cfg := Config{Token: secret, BaseURL: "ftp://user:" + secret + "@host/?t=" + secret, Version: "1999-01-01"}
	_, err = New(cfg)
	fmt.Fprintf(&out, "%v\n", err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", cfg.Token)
	}
	fmt.Fprintf(&out, "%+v\n", *b.client)
	asJSON, err := json.Marshal(map[string]any{"token": cfg.Token, "event": WebhookEvent{VerificationToken: secret}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(asJSON)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("config", "token", cfg.Token, "event", WebhookEvent{VerificationToken: secret})
	out.WriteString(b.log.String())
	if strings.Contains(out.String(), secret) || strings.Contains(out.String(), fmt.Sprintf("%x", secret)) {
		t.Errorf("the token was printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "status=401") {
		t.Errorf("the log holds no line on the request:\n%s", b.log)
	}
}

func TestValidateReportsAllProblems(t *testing.T) {
	t.Parallel()
	err := Config{Version: "2022-06-28", BaseURL: "example.org", AttemptsMax: -1, RequestTimeout: -1}.Validate()
	if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
		t.Errorf("%d problems, want 5:\n%v", n, err)
	}
	if err := (Config{Token: "x", BaseURL: "https://proxy.example.org/notion"}).Validate(); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
}

func TestTooLargeRequestIsNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := strings.Repeat("漢", TextUnitsMax)
	w, err := EncodeProperty(TypeRichText, change.TextValue(text), EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.client.UpdatePage(t.Context(), pageID, PageUpdate{Properties: map[string]PropertyWrite{"x": w}})
	var value *ValueError
	if !errors.As(err, &value) || Unknown(err) {
		t.Errorf("err = %v, want a ValueError", err)
	}
}

// The library writes an ampersand as six bytes. What fits the limit as people wrote it is sent.
func TestHTMLIsNoLargerThanItIs(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(200, `{"object":"page","id":"`+pageID+`","properties":{}}`))
	text := strings.Repeat("<&>", TextUnitsMax/3)
	w, err := EncodeProperty(TypeRichText, change.TextValue(text), EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.UpdatePage(t.Context(), pageID, PageUpdate{Properties: map[string]PropertyWrite{"x": w}}); err != nil {
		t.Fatal(err)
	}
}

// A base URL with a prefix, and property ids that must arrive as they are written.
func TestPathsKeepTheirEscapes(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(200, `{"object":"property_item","id":"f%5C%5C%3Ap","type":"checkbox","checkbox":true}`))
	prop, err := b.client.PropertyItems(t.Context(), pageID, `f\\:p`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := b.script.reqs[0].URL.EscapedPath(), "/v1/pages/"+pageID+"/properties/f%5C%5C%3Ap"; got != want {
		t.Errorf("path = %s, want %s", got, want)
	}
	if !change.Equal(prop.Value, change.BoolValue(true)) {
		t.Errorf("value = %v", prop.Value)
	}
}

// A retried wait that the caller's deadline would not outlive is not begun.
func TestDeadlineBeforeRetry(t *testing.T) {
	t.Parallel()
	b := setup(t, answer(429, errorJSON(429, CodeRateLimited, "limited", ""), "Retry-After", "50"))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	b.client, _ = New(Config{Token: secret, BaseURL: "http://" + "unused", Transport: rewrite(t, b), Budget: b.budget, Sleep: b.waits.sleep,
		Now: func() time.Time { return time.Now().Add(time.Hour - 30*time.Second) }})
	if _, err := b.client.Page(ctx, pageID); !IsRateLimited(err) || len(b.waits.all) != 0 {
		t.Errorf("err = %v after waits %v, want the 429 at once", err, b.waits.all)
	}
}

func TestRetryAfterForms(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header http.Header
		data   map[string]string
		want   time.Duration
	}{
		"seconds":                 {http.Header{"Retry-After": {"30"}}, nil, 30 * time.Second},
		"a date":                  {http.Header{"Retry-After": {"Sun, 22 Nov 2026 09:00:30 GMT"}, "Date": {"Sun, 22 Nov 2026 09:00:00 GMT"}}, nil, 30 * time.Second},
		"a date that is past":     {http.Header{"Retry-After": {"Sun, 22 Nov 2026 08:00:30 GMT"}, "Date": {"Sun, 22 Nov 2026 09:00:00 GMT"}}, nil, 0},
		"in the body":             {http.Header{}, map[string]string{"retry_after": "12"}, 12 * time.Second},
		"nonsense, then the body": {http.Header{"Retry-After": {"soon"}}, map[string]string{"retry_after": "12"}, 12 * time.Second},
		"hostile":                 {http.Header{"Retry-After": {"1e300"}}, nil, 0},
		"negative":                {http.Header{"Retry-After": {"-5"}}, nil, 0},
		"nothing":                 {http.Header{}, nil, 0},
	} {
		if got := retryAfter(tc.header, tc.data); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// Notion clears a property's description when a change to the property leaves it out.
func TestSchemaChangeKeepsDescriptions(t *testing.T) {
	t.Parallel()
	source := `{"object":"data_source","id":"` + sourceID + `","title":[],"properties":{
		"A":{"id":"a%3Ab","name":"A","type":"select","description":"said once","select":{"options":[{"id":"o1","name":"x","color":"red","description":null}]}}}}`
	b := setup(t, answer(200, source), answer(200, source), answer(200, source), answer(200, source))
	if _, err := b.client.UpdateDataSource(t.Context(), sourceID, SchemaChange{Rename: map[string]string{"a:b": "B"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.AddOptions(t.Context(), sourceID, "a:b", Option{Name: "y"}); err == nil || !strings.Contains(err.Error(), `did not keep the option "y"`) {
		t.Errorf("an option that is not in the answer: err = %v", err)
	}
	want := []string{
		"", `{"properties":{"a%3Ab":{"description":"said once","name":"B"}}}`,
		"", `{"properties":{"a%3Ab":{"description":"said once","select":{"options":[{"color":"red","id":"o1","name":"x"},{"name":"y"}]}}}}`,
	}
	if diff := cmp.Diff(want, b.script.sent()); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}
