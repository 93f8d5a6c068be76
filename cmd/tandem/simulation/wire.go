package simulation

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
)

// wire is a process's way to the emulator, with the time that requests take and what may go wrong with them.
type wire struct {
	m *emulated
	p *process
	// read is what this process last saw of each page's properties: a write over anything else opens the window that invariant 6 names.
	read map[string]seenPage
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
	from := t.p.now()
	write := req.Method == http.MethodPatch || req.Method == http.MethodPost && !strings.HasSuffix(req.URL.Path, "/query")
	w.budget.request(req.Method, req.URL.Path)
	w.advance(jitter(t.p.dice, 20*time.Millisecond, 400*time.Millisecond))
	if w.fires(slowRequest) {
		w.advance(jitter(t.p.dice, 2*time.Second, 40*time.Second))
	}
	if err := t.p.alive(); err != nil {
		return nil, err
	}
	if t.p.now().Sub(from) > requestMax {
		return nil, errTimeout
	}
	if write && w.fires(crashBeforeWrite) {
		return nil, t.p.crash()
	}
	if resp, err, met := t.before(req); met {
		return resp, err
	}
	if id := pageOf(req); write && id != "" {
		read, known := t.read[id]
		t.m.wrotePage(id, body, read, known)
	}
	resp, err := t.m.emu.Transport().RoundTrip(req)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	if write && resp.StatusCode == http.StatusOK {
		w.writes++
		w.effect("notion", req.Method, req.URL.Path, string(body))
	}
	if resp.StatusCode == http.StatusOK {
		t.remember(got, from, req.Method == http.MethodPost)
	}
	sent := w.now
	w.advance(jitter(t.p.dice, 20*time.Millisecond, 300*time.Millisecond))
	if w.now.Sub(sent) > requestMax {
		return nil, errTimeout
	}
	return t.after(req, resp, write, got)
}

var errTimeout error = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("i/o timeout")}

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
		return answer(req, http.StatusBadGateway, "text/html", "<html>502 Bad Gateway</html>", nil), nil, true
	case w.fires(conflict409):
		return answer(req, http.StatusConflict, "application/json", `{"object":"error","status":409,"code":"conflict_error","message":"Conflict occurred while saving. Please try again."}`, nil), nil, true
	case w.fires(rateLimited):
		return answer(req, http.StatusTooManyRequests, "application/json", `{"object":"error","status":429,"code":"rate_limited","message":"You have been rate limited. Please try again in a few minutes."}`,
			map[string]string{"Retry-After": "7"}), nil, true
	case w.fires(overload):
		return answer(req, 529, "application/json", `{"object":"error","status":529,"code":"service_overload","message":"Overloaded."}`, map[string]string{"Retry-After": "3"}), nil, true
	}
	return nil, nil, false
}

// after is what goes wrong once the request took effect.
func (t *wire) after(req *http.Request, resp *http.Response, write bool, got []byte) (*http.Response, error) {
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
		return answer(req, http.StatusGatewayTimeout, "text/html", "<html>504</html>", nil), nil
	case w.fires(committed503):
		var made struct {
			ID string `json:"id"`
		}
		extra := ""
		if json.Unmarshal(got, &made) == nil && req.Method == http.MethodPost {
			extra = `,"committed_resource_id":"` + made.ID + `"`
		}
		return answer(req, http.StatusServiceUnavailable, "application/json", `{"object":"error","status":503,"code":"service_unavailable","message":"The change was saved, but the response took too long.","additional_data":{"retry_guidance":"read_before_retry"`+extra+`}}`, nil), nil
	}
	return resp, nil
}

func answer(req *http.Request, status int, kind, body string, headers map[string]string) *http.Response {
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

// remember keeps what an answer shows of a page, and that a page was made.
func (t *wire) remember(got []byte, from time.Time, made bool) {
	var page struct {
		Object string `json:"object"`
		ID     string `json:"id"`
		Parent struct {
			DataSourceID string `json:"data_source_id"`
		} `json:"parent"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(got, &page) != nil || page.Object != "page" {
		return
	}
	w := t.p.w
	for _, e := range w.entities {
		if schema, ok, err := w.ledger.Schema(w.context(), syncName, e.Name); err == nil && ok && schema.DataSource == page.Parent.DataSourceID {
			if made && t.m.entity[page.ID] == "" {
				t.once(page.Properties["Tandem ID"], page.ID)
			}
			t.m.known(page.ID, e.Name)
			seen := seenPage{from, map[string]change.Value{}}
			for _, f := range e.Fields {
				if raw, there := page.Properties[f.Property]; there {
					seen.values[f.Name] = notionapi.DecodeProperty(f.Property, raw).Value
				}
			}
			t.read[page.ID] = seen
		}
	}
}

// once is told of each page that Tandem makes: no two for one row.
func (t *wire) once(raw json.RawMessage, id string) {
	external := strings.Join(propertyWords(raw), "")
	for _, other := range t.m.pages {
		if l, ok := t.m.look(other); ok && l.external == external && !l.trashed && !l.hidden && !t.p.w.users.copies[other] && !t.p.w.users.strayed[other] {
			t.p.w.violation("duplicate", "a page for %s was made twice: %s is there already, and now %s", external, other, id)
		}
	}
}
