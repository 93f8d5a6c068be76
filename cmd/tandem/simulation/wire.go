package simulation

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// wire is a process's way to Notion: the emulator, with the time that requests take and what may go wrong with them.
type wire struct {
	p *process
	// read is what this process last saw of each page's properties: a write over anything else opens the window that invariant 6 names.
	read map[string]map[string]string
}

// RoundTrip implements http.RoundTripper.
func (t *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w := t.p.w
	if err := t.p.alive(); err != nil {
		return nil, err
	}
	body, err := replayable(req)
	if err != nil {
		return nil, err
	}
	write := req.Method == http.MethodPatch || req.Method == http.MethodPost && !strings.HasSuffix(req.URL.Path, "/query")
	w.advance(jitter(t.p.dice, 20*time.Millisecond, 400*time.Millisecond))
	if write && w.fires(crashBeforeWrite) {
		return nil, t.p.crash()
	}
	if resp, err, met := t.before(req); met {
		return resp, err
	}
	if err := t.p.alive(); err != nil {
		return nil, err
	}
	page := pageOf(req)
	if write {
		w.truth.botWrites(page, body, t.read[page])
	}
	resp, err := w.notion.Transport().RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	if write && resp.StatusCode == http.StatusOK {
		w.writes++
		w.effect("notion %s %s %s", req.Method, req.URL.Path, body)
	}
	if resp.StatusCode == http.StatusOK {
		t.remember(answer)
	}
	w.advance(jitter(t.p.dice, 20*time.Millisecond, 300*time.Millisecond))
	return t.after(req, resp, write, answer)
}

func replayable(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// before is what goes wrong without an effect.
func (t *wire) before(req *http.Request) (*http.Response, error, bool) {
	w := t.p.w
	switch {
	case w.fires(dropBefore):
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, true
	case w.fires(badGateway):
		return page(req, http.StatusBadGateway, "text/html", "<html>502 Bad Gateway</html>", nil), nil, true
	case w.fires(conflict409):
		return page(req, http.StatusConflict, "application/json", `{"object":"error","status":409,"code":"conflict_error","message":"Conflict occurred while saving. Please try again."}`, nil), nil, true
	case w.fires(rateLimited):
		return page(req, http.StatusTooManyRequests, "application/json", `{"object":"error","status":429,"code":"rate_limited","message":"You have been rate limited. Please try again in a few minutes."}`,
			map[string]string{"Retry-After": "7"}), nil, true
	case w.fires(overload):
		return page(req, 529, "application/json", `{"object":"error","status":529,"code":"service_overload","message":"Overloaded."}`, map[string]string{"Retry-After": "3"}), nil, true
	}
	return nil, nil, false
}

// after is what goes wrong once the request took effect.
func (t *wire) after(req *http.Request, resp *http.Response, write bool, answer []byte) (*http.Response, error) {
	w := t.p.w
	if err := t.p.alive(); err != nil {
		return nil, err
	}
	if !write || resp.StatusCode != http.StatusOK {
		return resp, nil
	}
	switch {
	case w.fires(crashAfterWrite):
		return nil, t.p.crash()
	case w.fires(dropAfter):
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: io.ErrUnexpectedEOF}
	case w.fires(gateway504):
		return page(req, http.StatusGatewayTimeout, "text/html", "<html>504</html>", nil), nil
	case w.fires(committed503):
		var made struct {
			ID string `json:"id"`
		}
		extra := ""
		if json.Unmarshal(answer, &made) == nil && req.Method == http.MethodPost {
			extra = `,"committed_resource_id":"` + made.ID + `"`
		}
		return page(req, http.StatusServiceUnavailable, "application/json", `{"object":"error","status":503,"code":"service_unavailable","message":"The change was saved, but the response took too long.","additional_data":{"retry_guidance":"read_before_retry"`+extra+`}}`, nil), nil
	}
	return resp, nil
}

func page(req *http.Request, status int, kind, body string, headers map[string]string) *http.Response {
	resp := &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
	for k, v := range headers {
		resp.Header.Set(k, v)
	}
	return resp
}

// pageOf is the page that a request is about, "" for a new one.
func pageOf(req *http.Request) string {
	if strings.HasPrefix(req.URL.Path, "/v1/pages/") {
		return path.Base(req.URL.Path)
	}
	return ""
}

// remember keeps what an answer shows of a page.
func (t *wire) remember(answer []byte) {
	var got struct {
		Object     string                     `json:"object"`
		ID         string                     `json:"id"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(answer, &got) != nil || got.Object != "page" {
		return
	}
	seen := map[string]string{}
	for name, raw := range got.Properties {
		seen[name] = plain(raw)
	}
	t.read[got.ID] = seen
}

// hook carries webhooks from the emulator to the receiver of whichever process listens.
type hook struct {
	w       *world
	deliver func(req *http.Request) *http.Response
}

// RoundTrip implements http.RoundTripper.
func (h *hook) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case h.w.fires(webhookLost):
		return page(req, http.StatusOK, "text/plain", "", nil), nil // accepted by somebody, and never seen again
	case h.deliver == nil:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return h.deliver(req), nil
}

// pump lets the emulator deliver what is due.
func (w *world) pump(e *emulator.Emulator) {
	wait := time.Second
	if w.fires(webhookLate) {
		wait = 90 * time.Second
	}
	w.after(wait, func() {
		_, _ = e.Deliver(w.context(), w.now) // what cannot be delivered is tried again by the emulator itself
		w.pump(e)
	})
}
