package notionapi_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

// clock is a virtual one, for the client and the emulator.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.Advance(d)
	return ctx.Err()
}

// world is one emulated workspace with a client of ours.
type world struct {
	emu    *emulator.Emulator
	client *notionapi.Client
	clock  *clock
	calls  []notionapi.Attempt
}

func newWorld(t testing.TB, edit func(*emulator.Config, *notionapi.Config)) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Date(2026, 11, 22, 8, 0, 30, 0, time.UTC)}}
	emuCfg := emulator.Config{Token: "ntn_test", Limit: -1, Now: w.clock.Now, Random: rand.NewPCG(1, 2)}
	cfg := notionapi.Config{
		Token: "ntn_test", Now: w.clock.Now, Sleep: w.clock.Sleep, Jitter: func() float64 { return 0 },
		OnAttempt: func(a notionapi.Attempt) { w.calls = append(w.calls, a) },
	}
	if edit != nil {
		edit(&emuCfg, &cfg)
	}
	w.emu = emulator.New(emuCfg)
	if cfg.Transport == nil {
		server := httptest.NewServer(w.emu)
		t.Cleanup(server.Close)
		cfg.BaseURL = server.URL
	}
	client, err := notionapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w.client = client
	return w
}

// source makes a database and gives its data source.
func (w *world) source(t testing.TB, title string, specs ...notionapi.PropertySpec) notionapi.DataSource {
	t.Helper()
	specs = append([]notionapi.PropertySpec{{Name: "Name", Type: notionapi.TypeTitle}}, specs...)
	db, err := w.client.CreateDatabase(t.Context(), notionapi.NewDatabase{ParentPageID: w.emu.RootPageID(), Title: title, Properties: specs})
	if err != nil {
		t.Fatal(err)
	}
	if len(db.DataSources) != 1 {
		t.Fatalf("a new database has %d data sources", len(db.DataSources))
	}
	ds, err := w.client.DataSource(t.Context(), db.DataSources[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func (w *world) row(t testing.TB, ds notionapi.DataSource, title string) notionapi.Page {
	t.Helper()
	page, err := w.client.CreatePage(t.Context(), notionapi.NewPage{DataSourceID: ds.ID, Properties: map[string]notionapi.PropertyWrite{
		ds.TitleProperty().ID: write(t, notionapi.TypeTitle, change.TextValue(title)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func write(t testing.TB, propertyType string, v change.Value) notionapi.PropertyWrite {
	t.Helper()
	w, err := notionapi.EncodeProperty(propertyType, v, notionapi.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func mustProperty(t testing.TB, ds notionapi.DataSource, name string) notionapi.SchemaProperty {
	t.Helper()
	prop, ok := ds.ByName(name)
	if !ok {
		t.Fatalf("no property %q in %v", name, ds.Properties)
	}
	return prop
}

// tripper is a transport made of a function.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	if r == nil {
		return ""
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func setBody(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}
