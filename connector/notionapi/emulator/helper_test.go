package emulator

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testClock is a clock that tests move.
type testClock struct{ t time.Time }

func (c *testClock) now() time.Time          { return c.t }
func (c *testClock) advance(d time.Duration) { c.t = c.t.Add(d) }

// world is an emulator with a moved clock and a client that speaks raw JSON.
type world struct {
	testing.TB
	e       *Emulator
	clock   *testClock
	version string
	token   string
}

const testRoot = "11111111-2222-8333-8444-555555555555"

func newWorld(t testing.TB, change func(*Config)) *world {
	t.Helper()
	clock := &testClock{time.Date(2026, 11, 22, 10, 30, 15, 250e6, time.UTC)}
	cfg := Config{Token: "ntn_test", IntegrationName: "Tandem", RootPageID: testRoot, Limit: -1,
		Now: clock.now, Random: rand.NewPCG(1, 2)}
	if change != nil {
		change(&cfg)
	}
	return &world{TB: t, e: New(cfg), clock: clock, version: "2025-09-03", token: "ntn_test"}
}

// answer is a decoded answer.
type answer struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

func (a answer) str(keys ...string) string { s, _ := a.at(keys...).(string); return s }

// at walks objects by key and arrays by decimal index.
func (a answer) at(keys ...string) any { return walk(a.json, keys...) }

func walk(v any, keys ...string) any {
	for _, k := range keys {
		switch x := v.(type) {
		case map[string]any:
			v = x[k]
		case []any:
			i := int(k[0] - '0')
			if i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (w *world) do(method, path, body string) answer {
	w.Helper()
	req, err := http.NewRequest(method, "http://notion.test"+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if w.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.token)
	}
	if w.version != "" {
		req.Header.Set("Notion-Version", w.version)
	}
	resp, err := w.e.Transport().RoundTrip(req)
	if err != nil {
		w.Fatal(err)
	}
	raw, _ := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	json.Unmarshal(raw, &a.json)
	return a
}

// ok is do for requests that must succeed.
func (w *world) ok(method, path, body string) answer {
	w.Helper()
	a := w.do(method, path, body)
	if a.status != 200 {
		w.Fatalf("%s %s %s = %d %s", method, path, body, a.status, a.raw)
	}
	return a
}

// refused is do for requests that must fail in these words.
func (w *world) refused(method, path, body string, status int, code, message string) answer {
	w.Helper()
	a := w.do(method, path, body)
	if a.status != status || a.str("code") != code || a.str("message") != message {
		w.Errorf("%s %s %s\n got %d %s %s\nwant %d %s %s", method, path, body, a.status, a.str("code"), a.str("message"), status, code, message)
	}
	if a.str("request_id") == "" || a.str("request_id") != a.header.Get("X-Notion-Request-Id") {
		w.Errorf("%s %s: request id in body %q, in header %q", method, path, a.str("request_id"), a.header.Get("X-Notion-Request-Id"))
	}
	return a
}

// table makes a database below the root page and returns database and data source id.
func (w *world) table(name, properties string) (db, src string) {
	w.Helper()
	a := w.ok("POST", "/v1/databases", `{"parent":{"type":"page_id","page_id":"`+testRoot+`"},
		"title":[{"text":{"content":"`+name+`"}}],"initial_data_source":{"properties":`+properties+`}}`)
	return a.str("id"), a.str("data_sources", "0", "id")
}

// row makes a page in a data source and returns its id.
func (w *world) row(src, properties string) string {
	w.Helper()
	return w.ok("POST", "/v1/pages", `{"parent":{"data_source_id":"`+src+`"},"properties":`+properties+`}`).str("id")
}

func titled(s string) string { return `{"Name":{"title":[{"text":{"content":"` + s + `"}}]}}` }

// fetch gets a URL on a connection of its own.
func fetch(url string) (string, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return string(raw), err
}
