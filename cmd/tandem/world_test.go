package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka/embedded"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, leaks) }

func leaks(code int) int {
	if pluginDir.path != "" {
		os.RemoveAll(pluginDir.path)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// pluginDir holds the example plugin, built once.
var pluginDir struct {
	once sync.Once
	path string
	err  error
}

// phonePlugin builds the plugin that the example mapping uses, and gives its path.
func phonePlugin(t *testing.T) string {
	t.Helper()
	pluginDir.once.Do(func() {
		dir, err := os.MkdirTemp("", "tandem-plugin") //nolint:usetesting // it is for all tests of the process
		if err != nil {
			pluginDir.err = err
			return
		}
		pluginDir.path = dir
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "phone"), "github.com/tandem-sync/tandem/plugins/examples/phone")
		if out, err := build.CombinedOutput(); err != nil {
			pluginDir.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if pluginDir.err != nil {
		t.Fatal("build the example plugin: ", pluginDir.err)
	}
	return filepath.Join(pluginDir.path, "phone")
}

// build compiles a program of this repository for one test.
func (w *world) build(dir string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, filepath.Base(dir))
	if out, err := exec.Command("go", "build", "-o", path, dir).CombinedOutput(); err != nil {
		w.t.Fatalf("build %s: %v: %s", dir, err, out)
	}
	return path
}

// world is everything around Tandem: a CRM in PostgreSQL, a broker, and Notion. All are real servers; Notion is the emulator.
type world struct {
	t      *testing.T
	dsn    string
	db     *pgxpool.Pool
	broker *embedded.Broker
	notion *emulator.Emulator
	client *notionapi.Client // looks at Notion beside Tandem; its requests are not counted
	url    string
	dir    string
	files  []string

	behind atomic.Int64 // how much Notion's clock is behind, in nanoseconds

	spy func(r *http.Request, body []byte) // sees each request to Notion before Notion does; nil is nobody. Set before anything runs

	mu       sync.Mutex
	requests []string // "POST /v1/pages", in order
}

const worldToken = "ntn_world"

// seldom polls every few seconds, not several times a second.
var seldom = map[string]string{"poll.interval.ms": "3000", "poll.interval.min.ms": "2000", "poll.interval.max.ms": "5000"}

// often polls several times a second, also while nobody edits.
var often = map[string]string{"poll.interval.ms": "300", "poll.interval.min.ms": "200", "poll.interval.max.ms": "400"}

// newWorld makes a world with the example CRM in it, and connector files made of those in deploy/examples.
func newWorld(t *testing.T, override map[string]string) *world {
	t.Helper()
	w := &world{t: t, dsn: pgtest.Database(t), dir: t.TempDir()}
	w.openCRM()
	w.openBroker()
	w.openNotion()
	w.writeFiles(override)
	return w
}

func (w *world) openCRM() {
	w.t.Helper()
	pool, err := pgxpool.New(w.t.Context(), w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = pool
	w.t.Cleanup(pool.Close)
	schema, err := os.ReadFile("../../deploy/examples/crm.sql")
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(string(schema))
}

func (w *world) openBroker() {
	w.t.Helper()
	broker, err := embedded.New(embedded.Config{Dir: w.t.TempDir()})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := broker.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(broker.Stop)
	w.broker = broker
}

func (w *world) openNotion() {
	w.t.Helper()
	w.notion = emulator.New(emulator.Config{
		Token: worldToken, Limit: -1, Now: func() time.Time { return time.Now().Add(-time.Duration(w.behind.Load())) },
	})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path)
		w.mu.Unlock()
		if w.spy != nil {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				w.t.Errorf("read a request: %v", err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			w.spy(r, body)
		}
		w.notion.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(server.Close)
	w.url = server.URL
	client, err := notionapi.New(notionapi.Config{Token: worldToken, Transport: w.notion.Transport(), Budget: free{}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	w.client = client
}

// free is a budget without a limit.
type free struct{}

func (free) Take(context.Context, notionapi.Lane) error { return nil }
func (free) Pause(context.Context, time.Time) error     { return nil }

// writeFiles writes the example connectors, mappings and plugins as files of this world. override replaces keys of all connectors; with
// "name/key" of one; an empty value takes a key away.
func (w *world) writeFiles(override map[string]string) {
	w.t.Helper()
	if err := os.CopyFS(filepath.Join(w.dir, "mappings"), os.DirFS("../../deploy/examples/mappings")); err != nil {
		w.t.Fatal(err)
	}
	w.editMapping("contact", func(m map[string]any) {
		m["creates"] = map[string]any{"to_notion": true, "to_crm": true, "quiet_seconds": 0}
	})
	w.write("plugins/phone.json", []map[string]any{{"name": "phone", "command": []string{phonePlugin(w.t)}}})
	common := map[string]string{
		"database.hostname": "", "database.port": "", "database.dbname": "", "database.user": "", "database.password": "",
		"database.dsn": w.dsn, "allow.overprivileged.role": "postgres", "bootstrap.servers": w.broker.Bootstrap(), "publication.autocreate.mode": "filtered",
		"notion.token": worldToken, "notion.base.url": w.url, "notion.parent.page": w.notion.RootPageID(), "notion.rate.per.minute": "600000",
		"alerts.group.ms": "200", "notion.index.lag.ms": "0", "poll.interval.ms": "400", "poll.interval.min.ms": "300", "poll.interval.max.ms": "2000",
		"slot.name": "slot_" + strings.ToLower(filepath.Base(w.dsn[:strings.IndexByte(w.dsn, '?')])), "offset.flush.interval.ms": "50",
	}
	for _, name := range []string{"crm-source", "notion-sink", "notion-source", "crm-sink"} {
		doc, err := config.ReadFile("../../deploy/examples/" + name + ".json")
		if err != nil {
			w.t.Fatal(err)
		}
		for _, set := range []map[string]string{common, override} {
			names := slices.SortedFunc(maps.Keys(set), func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") }) // what is said of one connector counts
			for _, key := range names {
				value := set[key]
				of, own, specific := strings.Cut(key, "/")
				if specific && of != name {
					continue
				} else if specific {
					key = own
				}
				if _, has := doc.Config[key]; !has && !specific && !w.takes(name, key) {
					continue
				}
				doc.Config[key] = value
			}
		}
		maps.DeleteFunc(doc.Config, func(_, value string) bool { return value == "" })
		w.files = append(w.files, w.write(name+".json", doc))
	}
}

// takes says which connector takes a key that its example file leaves out.
func (w *world) takes(name, key string) bool {
	switch {
	case strings.HasPrefix(key, "notion."):
		return name == "notion-sink" || name == "notion-source" && key != "notion.parent.page"
	case strings.HasPrefix(key, "allow."):
		return name != "crm-source"
	case strings.HasPrefix(key, "alerts."):
		return strings.HasSuffix(name, "-sink")
	case strings.HasPrefix(key, "poll."):
		return name == "notion-source"
	case strings.HasPrefix(key, "slot."), strings.HasPrefix(key, "publication."), strings.HasPrefix(key, "offset."):
		return name == "crm-source"
	}
	return true
}

func (w *world) write(name string, v any) string {
	w.t.Helper()
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) editMapping(entity string, edit func(map[string]any)) {
	w.t.Helper()
	name := filepath.Join("mappings", entity+".json")
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		w.t.Fatal(err)
	}
	edit(m)
	w.write(name, m)
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", short(sql, 200), err)
	}
}

// one asks for one text.
func (w *world) one(sql string, args ...any) string {
	w.t.Helper()
	var text string
	if err := w.db.QueryRow(context.Background(), sql, args...).Scan(&text); err != nil {
		return "error: " + err.Error()
	}
	return text
}

// requestsSince gives what was asked of Notion after the first n requests.
func (w *world) requestsSince(n int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests[n:])
}

// tandem runs a command and gives its answer.
func (w *world) tandem(args ...string) (code int, stdout, stderr string) {
	var out, errs lockedBuffer
	code = run(w.t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// running is a `tandem run`.
type running struct {
	w    *world
	stop context.CancelFunc
	done chan int
	log  *lockedBuffer
}

// start runs the connectors in this process; the test's end stops them.
func (w *world) start(files ...string) *running {
	w.t.Helper()
	if len(files) == 0 {
		files = w.files
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{w: w, stop: cancel, done: make(chan int, 1), log: &lockedBuffer{}}
	go func() {
		r.done <- run(ctx, append([]string{"run", "--listen", "127.0.0.1:0", "--log-level", "debug"}, files...), nil, r.log, r.log)
	}()
	w.t.Cleanup(func() {
		r.end()
		if w.t.Failed() {
			w.t.Log(tail(r.log.String(), 200))
		}
	})
	return r
}

// end stops the connectors and gives the exit code.
func (r *running) end() int {
	r.stop()
	select {
	case code := <-r.done:
		r.done <- code
		return code
	case <-time.After(2 * time.Minute):
		r.w.t.Error("run did not end within two minutes after it was told to")
		return -1
	}
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// eventually waits until check finds nothing to complain of. Real servers are in between, so there is nothing to be told by.
func (w *world) eventually(what string, within time.Duration, check func() string) {
	w.t.Helper()
	within *= 4 // on a machine that runs other suites too, starting the connectors alone takes half a minute
	deadline := time.Now().Add(within)
	for pause := 20 * time.Millisecond; ; pause = min(pause*3/2, 500*time.Millisecond) { // looking costs the machine what is looked for
		complaint := check()
		if complaint == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %s: %s", what, within, complaint)
		}
		time.Sleep(pause) //nolint:forbidigo // other processes are watched, which tell nobody
	}
}

// source is the id of an entity's data source, "" while it is not known.
func (w *world) source(entity string) string {
	id := w.one(`SELECT coalesce(schema->>'dataSource', '') FROM tandem.entity WHERE entity = $1`, entity)
	if strings.HasPrefix(id, "error") {
		return ""
	}
	return id
}

// pages gives an entity's pages that are not in the trash, by title.
func (w *world) pages(entity string) (map[string][]notionapi.Page, error) {
	source := w.source(entity)
	if source == "" {
		return nil, fmt.Errorf("the database of %s is not known yet", entity)
	}
	out := map[string][]notionapi.Page{}
	for page, err := range w.client.Rows(context.Background(), source, notionapi.Query{}) {
		if err != nil {
			return nil, err
		}
		title := ""
		for _, p := range page.Properties {
			if p.Type == notionapi.TypeTitle {
				title = p.Value.Text()
			}
		}
		out[title] = append(out[title], page)
	}
	return out, nil
}

// lockedBuffer is a buffer that several goroutines write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
