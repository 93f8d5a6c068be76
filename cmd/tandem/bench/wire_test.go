package bench

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// meter is the network to Notion: answers take as long as Notion's do, and everything is counted at the moment when Notion counts it.
type meter struct {
	next http.RoundTripper

	mu    sync.Mutex
	dice  *rand.Rand
	kinds map[string]int // "POST /v1/pages"
	at    []time.Time    // of all requests
	later int            // answers that said "later" (429)

	// before may answer in Notion's place, and after may take an answer away; nil is nobody. They run outside the lock.
	before func(*http.Request) (*http.Response, error, bool)
	after  func(*http.Request, *http.Response) (*http.Response, error)
}

func newMeter(next http.RoundTripper) *meter {
	return &meter{next: next, dice: rand.New(rand.NewPCG(1, 2)), kinds: map[string]int{}}
}

// half of an answer's time passes before the request takes effect.
func (m *meter) half() {
	m.mu.Lock()
	d := 75*time.Millisecond + time.Duration(m.dice.Int64N(int64(150*time.Millisecond)))
	m.mu.Unlock()
	time.Sleep(d)
}

// RoundTrip implements http.RoundTripper.
func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	m.half()
	m.count(r)
	if m.before != nil {
		if resp, err, met := m.before(r); met {
			m.half()
			return resp, err
		}
	}
	resp, err := m.next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		m.mu.Lock()
		m.later++
		m.mu.Unlock()
	}
	m.half()
	if err == nil && m.after != nil {
		return m.after(r, resp)
	}
	return resp, err
}

func (m *meter) count(r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kinds[kind(r)]++
	m.at = append(m.at, time.Now())
}

// kind is a request's method and endpoint.
func kind(r *http.Request) string {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	if len(parts) > 1 {
		parts[1] = "{id}"
	}
	return r.Method + " " + strings.Join(parts, "/")
}

// so counts the requests so far, and those of them that were queries.
func (m *meter) so() (all, queries int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, n := range m.kinds {
		all += n
		if strings.HasSuffix(k, "/query") {
			queries += n
		}
	}
	return all, queries
}

// of counts the requests of one kind.
func (m *meter) of(kind string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kinds[kind]
}

// use is the share of a rate a minute that was used between two moments, and the most requests in any 60 seconds of them.
func (m *meter) use(from, to time.Time, rate int) (share float64, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, first := 0, 0
	for i, at := range m.at {
		if at.Before(from) || !at.Before(to) {
			continue
		}
		n++
		for first < i && (m.at[first].Before(from) || at.Sub(m.at[first]) >= time.Minute) {
			first++
		}
		most = max(most, i-first+1)
	}
	return float64(n) / (float64(rate) * to.Sub(from).Minutes()), most
}

// answer is one that Notion did not give.
func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}
