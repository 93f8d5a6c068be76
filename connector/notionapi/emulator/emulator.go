package emulator

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Emulator is a State behind one lock, as an http.Handler. It has no goroutine.
type Emulator struct {
	cfg Config

	posting sync.Mutex // held by Deliver; taken before mu, never while holding it

	mu sync.Mutex
	st *State
}

// New returns an emulator. It panics on a configuration that does not validate
// or a state file that cannot be read; Open returns the error instead.
func New(cfg Config) *Emulator {
	e, err := Open(cfg)
	if err != nil {
		panic("emulator: " + err.Error())
	}
	return e
}

// Open validates cfg, reads the state file if there is one, and returns an emulator.
func Open(cfg Config) (*Emulator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check configuration: %w", err)
	}
	cfg = cfg.withDefaults()
	e := &Emulator{cfg: cfg, st: newState(cfg)}
	if cfg.File != "" {
		if err := e.st.load(cfg.File); err != nil {
			return nil, err
		}
	}
	e.st.startHooks()
	return e, nil
}

// RootPageID is the page that is shared with the tokens.
func (e *Emulator) RootPageID() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.st.data.RootID
}

// BotID is the user id of the integration that holds token; "" when none does.
func (e *Emulator) BotID(token string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, in := range e.st.integs {
		if in.Token == token {
			return in.BotID
		}
	}
	return ""
}

// PersonID is the user id of the person with that name; "" when there is none.
func (e *Emulator) PersonID(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, u := range e.st.data.Users {
		if !u.Bot && u.Name == name {
			return u.ID
		}
	}
	return ""
}

// Inject switches a fault on.
func (e *Emulator) Inject(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.st.faults = append(e.st.faults, &f)
	return nil
}

// ClearFaults switches all faults off.
func (e *Emulator) ClearFaults() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.st.faults = nil
}

// SetIndexLag changes the lag of query and search; revisions that were already
// dropped do not come back.
func (e *Emulator) SetIndexLag(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.st.cfg.IndexLag = min(max(d, 0), indexLagMax)
}

// SetLimit changes the request limit of each token; a negative one is none.
func (e *Emulator) SetLimit(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.st.cfg.Limit = n
}

// Serve answers one request without HTTP. Delay and Drop are the caller's to carry out.
func (e *Emulator) Serve(req *Request) Response {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.st.serve(e.cfg.Now(), req)
	if e.st.dirty && e.cfg.FileSync {
		if err := e.st.save(e.cfg.File); err != nil {
			e.cfg.Logger.Error("save workspace", "err", err)
			f := &apiError{status: 500, code: "internal_server_error", message: "Unexpected error occurred."}
			return Response{Status: 500, RequestID: r.RequestID, Body: f.body(r.RequestID)}
		}
	}
	return r
}

// ServeHTTP serves the API under /v1/ and the admin endpoints under /_emulator/.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		e.serveAdmin(w, r)
		return
	}
	req, err := readRequest(r)
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	resp := e.Serve(req)
	if resp.Delay > 0 {
		e.cfg.Sleep(r.Context(), resp.Delay)
	}
	if resp.Drop {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	writeResponse(w, &resp)
}

func readRequest(r *http.Request) (*Request, error) {
	req := &Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(),
		Authorization: r.Header.Get("Authorization"), Version: r.Header.Get("Notion-Version"),
		ContentType: r.Header.Get("Content-Type"), Beta: r.Header.Get("Notion-Beta"),
	}
	if r.Body == nil {
		return req, nil
	}
	limit := int64(bodyMax) + 1
	if strings.HasPrefix(req.ContentType, "multipart/") {
		limit = uploadMax
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1<<20))
	req.Body = body
	return req, err
}

func writeResponse(w http.ResponseWriter, r *Response) {
	h := w.Header()
	if r.HTML {
		h.Set("Content-Type", "text/html")
		h.Set("Server", "cloudflare")
		h.Set("Cf-Ray", cfRay(r.RequestID))
	} else {
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("X-Notion-Request-Id", r.RequestID)
		h.Set("Etag", etag(r.Body))
		h.Set("Server", "cloudflare")
		h.Set("Cf-Ray", cfRay(r.RequestID))
		h.Set("Cf-Cache-Status", "DYNAMIC")
		h.Set("Vary", "Accept-Encoding")
		h.Set("X-Content-Type-Options", "nosniff")
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.RetryAfter))
	}
	h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	w.WriteHeader(r.Status)
	w.Write(r.Body)
}

// cfRay is the edge's own id of a request: 16 digits and the airport of its centre.
func cfRay(requestID string) string {
	return (strings.ReplaceAll(requestID, "-", "") + "8f00000000000000")[:16] + "-FRA"
}

// etag is weak, as Express makes it: length and hash.
func etag(body []byte) string {
	h := fnv.New64a()
	h.Write(body)
	return fmt.Sprintf(`W/"%x-%x"`, len(body), h.Sum64())
}

// Transport returns a RoundTripper that calls the emulator in process, whatever
// host the request names. A dropped connection is an error, as over TCP.
func (e *Emulator) Transport() http.RoundTripper { return Transport(e) }

// Transport returns a RoundTripper that calls h in process, on the caller's goroutine.
func Transport(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if u, uerr := url.ParseRequestURI(in.RequestURI); uerr == nil {
		in.URL = u
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	defer func() {
		if p := recover(); p != nil {
			if cause, ok := p.(error); !ok || !errors.Is(cause, http.ErrAbortHandler) {
				panic(p)
			}
			resp, err = nil, &net.OpError{Op: "read", Net: "tcp", Err: io.ErrUnexpectedEOF}
		}
	}()
	t.h.ServeHTTP(w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
		Body: io.NopCloser(strings.NewReader(string(w.body))), ContentLength: int64(len(w.body)), Request: r,
	}, nil
}

// recorder keeps what a handler wrote.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (w *recorder) Header() http.Header { return w.header }
func (w *recorder) WriteHeader(s int)   { w.status = s }
func (w *recorder) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}
