package notionapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// assemble is the one place that knows the order of the layers; doc.go says why this order.
func assemble(cfg Config) http.RoundTripper {
	var rt http.RoundTripper = exchange{base: cfg.Transport, timeout: cfg.RequestTimeout, now: cfg.Now}
	rt = logged{next: rt, logger: cfg.Logger, observe: cfg.OnAttempt, now: cfg.Now}
	rt = recorded{next: rt, recorder: cfg.Recorder, logger: cfg.Logger}
	rt = newSema(rt, cfg.ConcurrencyMax)
	rt = limit{next: rt, budget: cfg.Budget, logger: cfg.Logger, now: cfg.Now}
	rt = newRetry(rt, cfg)
	return adapt{next: rt, token: cfg.Token, version: cfg.Version, base: strings.TrimRight(cfg.BaseURL, "/")}
}

// adapt turns a request of the library's, or of our own, into what Notion takes, and hands its answer to the call.
type adapt struct {
	next    http.RoundTripper
	token   Token
	version string
	base    string
}

// RoundTrip implements http.RoundTripper.
func (a adapt) RoundTrip(req *http.Request) (*http.Response, error) {
	cl := callOf(req.Context())
	body, err := editedBody(req, cl)
	if err != nil {
		return nil, err
	}
	out, err := a.request(req, cl, body)
	if err != nil {
		return nil, err
	}
	resp, err := a.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	if cl.hide {
		resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
	}
	return resp, nil
}

// request makes the request that is sent: our base URL and headers, and a body that can be read again for each attempt.
func (a adapt) request(req *http.Request, cl *call, body []byte) (*http.Request, error) {
	path, query := req.URL.EscapedPath(), req.URL.RawQuery
	if cl.path != "" {
		path = cl.path
	}
	if cl.query != "" {
		query = strings.TrimPrefix(query+"&"+cl.query, "&")
	}
	target, err := url.Parse(a.base + path)
	if err != nil {
		return nil, fmt.Errorf("make request url: %w", err)
	}
	target.RawQuery = query
	out, err := http.NewRequestWithContext(req.Context(), req.Method, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if len(body) > 0 {
		out.ContentLength = int64(len(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Header.Set("Content-Type", "application/json")
	}
	out.Header.Set("Authorization", "Bearer "+string(a.token))
	out.Header.Set("Notion-Version", a.version)
	out.Header.Set("Accept", "application/json")
	out.Header.Set("User-Agent", "tandem")
	return out, nil
}

// editedBody reads the request's body, lets the call change its top level, and holds it to Notion's limit.
func editedBody(req *http.Request, cl *call) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer func() { _ = req.Body.Close() }()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	if cl.edit != nil {
		var top map[string]json.RawMessage
		if err := json.Unmarshal(body, &top); err != nil {
			return nil, fmt.Errorf("read request body: %w", err)
		}
		cl.edit(top)
		if body, err = json.Marshal(top); err != nil {
			return nil, fmt.Errorf("encode request body: %w", err)
		}
	}
	if len(body) > requestBytesMax {
		body = unescaped(body)
	}
	if len(body) > requestBytesMax {
		return nil, valueErrorf("a request of %d bytes; Notion takes %d", len(body), requestBytesMax)
	}
	return body, nil
}

// unescaped writes a JSON object without the escapes that are for HTML. The library puts them in whatever it is handed, and they make six
// bytes of an ampersand; it costs a decoding, so it is for bodies that are too large with them.
func unescaped(body []byte) []byte {
	var object any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&object) != nil {
		return body
	}
	plain, err := marshal(object)
	if err != nil {
		return body
	}
	return plain
}

// limit makes each attempt pay, and holds everybody when Notion says "later".
type limit struct {
	next   http.RoundTripper
	budget Budget
	logger *slog.Logger
	now    func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (l limit) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := l.budget.Take(ctx, LaneOf(ctx)); err != nil {
		return nil, unsent(req, fmt.Errorf("wait for the request budget: %w", err))
	}
	resp, err := l.next.RoundTrip(req)
	var e *Error
	if errors.As(err, &e) && limited(e) {
		until := l.now().Add(cmp.Or(e.RetryAfter, backoffFirst))
		l.logger.WarnContext(ctx, "notion limits us", "status", e.Status, "reason", e.AdditionalData["rate_limit_reason"], "retry_after", e.RetryAfter)
		if err := l.budget.Pause(context.WithoutCancel(ctx), until); err != nil {
			l.logger.WarnContext(ctx, "could not tell others to pause", "err", err)
		}
	}
	return resp, err
}

// limited reports an answer that means "later, unchanged".
func limited(e *Error) bool {
	return (e.Status == http.StatusTooManyRequests || e.Status == statusOverload) && !e.blocked()
}

// sema bounds the attempts in flight. One slot is left to the live lane: a backfill whose queries take a minute each must not hold up
// an edit that somebody waits for.
type sema struct {
	next     http.RoundTripper
	slots    chan struct{}
	backfill chan struct{} // taken before a slot by requests that are not live
}

func newSema(next http.RoundTripper, inFlightMax int) sema {
	return sema{next: next, slots: make(chan struct{}, inFlightMax), backfill: make(chan struct{}, max(inFlightMax-1, 1))}
}

// RoundTrip implements http.RoundTripper. The answer below is read whole, so the slot is free when it returns.
func (s sema) RoundTrip(req *http.Request) (*http.Response, error) {
	if LaneOf(req.Context()) != Live {
		release, err := take(req, s.backfill)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	release, err := take(req, s.slots)
	if err != nil {
		return nil, err
	}
	defer release()
	return s.next.RoundTrip(req)
}

func take(req *http.Request, slots chan struct{}) (release func(), err error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-req.Context().Done():
		return nil, unsent(req, context.Cause(req.Context()))
	}
}

// Attempt is one exchange that ended; metrics are made of it.
type Attempt struct {
	Method   string
	Endpoint string // the path with ids replaced: "/v1/pages/{id}"
	Lane     Lane
	Status   int // 0: no answer
	Code     string
	Duration time.Duration
	Outcome  Outcome // meaningful where Status is not 200

	RetryAfter time.Duration // how long Notion asked us to wait; 0 where it did not
}

// logged reports each attempt. Bodies and headers are never logged: they hold secrets and people's data.
type logged struct {
	next    http.RoundTripper
	logger  *slog.Logger
	observe func(Attempt)
	now     func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (l logged) RoundTrip(req *http.Request) (*http.Response, error) {
	start := l.now()
	resp, err := l.next.RoundTrip(req)
	at := Attempt{Method: req.Method, Endpoint: endpoint(req.URL.Path), Lane: LaneOf(req.Context()), Duration: l.now().Sub(start)}
	requestID := ""
	var e *Error
	switch {
	case err == nil:
		at.Status, requestID = resp.StatusCode, callOf(req.Context()).requestID
	case errors.As(err, &e):
		at.Status, at.Code, at.Outcome, at.RetryAfter, requestID = e.Status, e.Code, e.Outcome, e.RetryAfter, e.RequestID
	}
	l.observe(at)
	l.logger.DebugContext(req.Context(), "notion request", "method", at.Method, "path", req.URL.Path, "lane", at.Lane.String(),
		"status", at.Status, "code", at.Code, "duration", at.Duration, "request_id", requestID)
	return resp, err
}

// endpoint replaces ids, so that metrics have few labels.
func endpoint(path string) string {
	if i := strings.Index(path, "/v1/"); i > 0 {
		path = path[i:]
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if _, ok := ObjectID(part); ok || (i > 0 && parts[i-1] == "properties") {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

// exchange makes one attempt: sends, reads the whole answer within bounds, and turns everything but a 200 with JSON into an *Error.
type exchange struct {
	base    http.RoundTripper
	timeout time.Duration
	now     func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (x exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	late := fmt.Errorf("notion did not answer within %s: %w", x.timeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(req.Context(), x.timeout, late)
	defer cancel()
	var sent sending
	from := x.now()
	resp, err := x.base.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, sent.trace())))
	if err != nil {
		return nil, sent.failed(ctx, req, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax+1))
	_ = resp.Body.Close()
	if err == nil && len(body) > answerBytesMax {
		err = fmt.Errorf("an answer of more than %d bytes", answerBytesMax)
	}
	if err == nil && resp.StatusCode == http.StatusOK && !json.Valid(body) {
		err = fmt.Errorf("an answer that is not JSON: %s", excerpt(body))
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, answeredError(req, resp, body, cause(ctx, err))
	}
	cl := callOf(req.Context())
	cl.answer, cl.from, cl.to, cl.requestID = body, from, x.now(), resp.Header.Get("X-Notion-Request-Id")
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// sending tells a request that never had a connection from one that may have reached Notion.
// HTTP/2 calls hooks from a goroutine of its own, hence atomic; two hooks say "got", because one missing must not turn unknown
// into not applied. A transport that calls none (in process) is never believed to have failed before sending.
type sending struct{ asked, got atomic.Bool }

func (s *sending) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { s.asked.Store(true) },
		GotConn:      func(httptrace.GotConnInfo) { s.got.Store(true) },
		WroteHeaders: func() { s.got.Store(true) },
	}
}

// failed makes the error of an exchange without an answer. A request without a connection is not applied; a read never is;
// every other may have been.
func (s *sending) failed(ctx context.Context, req *http.Request, err error) *Error {
	e := &Error{Method: req.Method, Path: req.URL.Path, Err: cause(ctx, err)}
	var op *net.OpError
	neverSent := (s.asked.Load() && !s.got.Load()) || (errors.As(err, &op) && op.Op == "dial")
	if isWrite(req) && !neverSent {
		e.Outcome = OutcomeUnknown
	}
	return e
}

// cause says whose deadline it was.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// unsent is the error of a request that never left.
func unsent(req *http.Request, err error) *Error {
	return &Error{Method: req.Method, Path: req.URL.Path, Err: err}
}

// isWrite reports that the request changes something. A query and a search are reads that need a body.
func isWrite(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return false
	}
	return !strings.HasSuffix(req.URL.Path, "/query") && !strings.HasSuffix(req.URL.Path, "/v1/search")
}
