package notionapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
)

const (
	pageID   = "11111111-2222-3333-4444-555555555555"
	sourceID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	secret   = "ntn_very_secret_1234567890"
)

const pageJSON = `{"object":"page","id":"` + pageID + `","created_time":"2026-11-22T08:00:00.000Z","last_edited_time":"2026-11-22T08:01:00.000Z",
	"parent":{"type":"data_source_id","data_source_id":"` + sourceID + `","database_id":"ffffffff-bbbb-cccc-dddd-eeeeeeeeeeee"},
	"in_trash":false,"is_archived":false,"properties":{"N":{"id":"n%3Ax","type":"number","number":1.50}},"request_id":"req-1"}`

// script is a server that answers one step after another, and keeps what it was sent.
type script struct {
	t     *testing.T
	steps []http.HandlerFunc

	mu     sync.Mutex
	bodies []string
	reqs   []*http.Request
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("read request: %v", err)
	}
	s.mu.Lock()
	n := len(s.bodies)
	s.bodies = append(s.bodies, string(body))
	s.reqs = append(s.reqs, r)
	s.mu.Unlock()
	if n >= len(s.steps) {
		s.t.Errorf("request %d was not expected: %s %s", n+1, r.Method, r.URL)
		http.Error(w, "no more steps", http.StatusTeapot)
		return
	}
	s.steps[n](w, r)
}

func (s *script) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bodies...)
}

// waits records what a client slept, without sleeping.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

// freeBudget lets everything pass and remembers who asked.
type freeBudget struct {
	mu     sync.Mutex
	taken  []Lane
	paused []time.Time
}

func (b *freeBudget) Take(ctx context.Context, lane Lane) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, lane)
	return ctx.Err()
}

func (b *freeBudget) Pause(_ context.Context, until time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paused = append(b.paused, until)
	return nil
}

type bench struct {
	client *Client
	script *script
	waits  *waits
	budget *freeBudget
	log    *bytes.Buffer
	seen   []Attempt
}

var testNow = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func setup(t *testing.T, steps ...http.HandlerFunc) *bench {
	t.Helper()
	b := &bench{script: &script{t: t, steps: steps}, waits: &waits{}, budget: &freeBudget{}, log: &bytes.Buffer{}}
	server := httptest.NewServer(b.script)
	t.Cleanup(server.Close)
	client, err := New(Config{
		Token: secret, BaseURL: server.URL, Budget: b.budget, Sleep: b.waits.sleep,
		Now: func() time.Time { return testNow }, Jitter: func() float64 { return 0 },
		Logger:    slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnAttempt: func(a Attempt) { b.seen = append(b.seen, a) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	b.client = client
	return b
}

func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func errorJSON(status int, code, message, additional string) string {
	if additional == "" {
		additional = "{}"
	}
	return fmt.Sprintf(`{"object":"error","status":%d,"code":%q,"message":%q,"additional_data":%s,"request_id":"req-err"}`, status, code, message, additional)
}

// reset closes the connection after the request was read.
func reset(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func number(t *testing.T, text string) PropertyWrite {
	t.Helper()
	w, err := EncodeProperty(TypeNumber, change.DecimalValue(text), EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (b *bench) update(t *testing.T) (Page, error) {
	t.Helper()
	return b.client.UpdatePage(t.Context(), pageID, PageUpdate{Properties: map[string]PropertyWrite{"n%3Ax": number(t, "1.5")}})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// rewrite serves the bench's script without a network.
func rewrite(t *testing.T, b *bench) http.RoundTripper {
	t.Helper()
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		rec := httptest.NewRecorder()
		b.script.ServeHTTP(rec, r)
		return rec.Result(), nil
	})
}
