package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
)

const (
	token = "ntn_e2e"

	// leaseOf is how long what a killed process held is left alone: much longer than a request to the emulator takes.
	leaseOf = 3 * time.Second
	// indexLag is how long the emulator's queries do not show a write, and what Tandem is told of it.
	indexLag = 2 * time.Second
)

// connectors are the four example files, each a process or all in one.
var connectors = []string{"crm-source", "notion-sink", "notion-source", "crm-sink"}

// world is everything around Tandem. Names of topics, slots, groups and connectors end in id, so that worlds can share servers.
type world struct {
	t      testing.TB
	id     string
	dsn    string
	db     *pgxpool.Pool
	kafka  []string
	notion *emulator.Emulator
	front  *front
	dir    string
	files  map[string]string // connector → its file
	log    *buffer

	processes []*process
}

// options say what is special about a world. Overrides replace keys of connector files: "key" in all that have it, "connector/key" in
// one; an empty value takes the key away.
type options struct {
	dsn      string
	kafka    []string
	override map[string]string
	mapping  func(entity string, m map[string]any)
	noCRM    bool // the tables are the test's business
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, id: strings.ToLower(rand.Text()[:8]), dsn: o.dsn, kafka: o.kafka, dir: t.TempDir(), files: map[string]string{}, log: &buffer{}}
	pool, err := pgxpool.New(t.Context(), w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	w.db = pool
	t.Cleanup(pool.Close)
	if !o.noCRM {
		schema, err := os.ReadFile("../../../deploy/examples/crm.sql")
		if err != nil {
			t.Fatal(err)
		}
		w.exec(string(schema))
	}
	w.notion = emulator.New(emulator.Config{Token: token, Limit: -1, IndexLag: indexLag})
	w.front = &front{notion: w.notion, polls: map[string]int{}}
	server := httptest.NewServer(w.front)
	w.front.url = server.URL
	t.Cleanup(server.Close)
	w.writeFiles(o)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the end of the log:\n" + w.log.tail(60))
			w.explainWork()
			w.t.Log(w.list(`SELECT to_jsonb(l)::text FROM tandem.leader l`))
			if os.Getenv("TANDEM_LOG") != "" {
				w.dump()
			}
		}
	})
	return w
}

// writeFiles makes this world's files of those in deploy/examples.
func (w *world) writeFiles(o options) {
	w.t.Helper()
	if err := os.CopyFS(filepath.Join(w.dir, "mappings"), os.DirFS("../../../deploy/examples/mappings")); err != nil {
		w.t.Fatal(err)
	}
	for _, entity := range []string{"contact", "opportunity", "task"} {
		if o.mapping != nil {
			w.editMapping(entity, func(m map[string]any) { o.mapping(entity, m) })
		}
	}
	w.write("plugins/phone.json", []map[string]any{{"name": "phone", "command": []string{binary(w.t, "phone")}}})
	for _, name := range connectors {
		doc, err := config.ReadFile("../../../deploy/examples/" + name + ".json")
		if err != nil {
			w.t.Fatal(err)
		}
		doc.Name = name + "-" + w.id
		doc.Config["name"] = doc.Name
		maps.Copy(doc.Config, w.keys(name))
		for key, value := range o.override {
			if of, own, specific := strings.Cut(key, "/"); specific && of == name {
				doc.Config[own] = value
			} else if _, has := doc.Config[key]; !specific && has {
				doc.Config[key] = value
			}
		}
		maps.DeleteFunc(doc.Config, func(_, value string) bool { return value == "" })
		w.files[name] = w.write(name+".json", doc)
	}
}

// keys are what every world has other than the examples.
func (w *world) keys(name string) map[string]string {
	const fastPoll = "300"
	keys := map[string]string{
		"database.hostname": "", "database.port": "", "database.dbname": "", "database.user": "", "database.password": "",
		"database.dsn": w.dsn, "bootstrap.servers": strings.Join(w.kafka, ","),
	}
	lag := fmt.Sprint(indexLag.Milliseconds())
	notion := map[string]string{"notion.token": token, "notion.base.url": w.front.url, "notion.rate.per.minute": "600000", "notion.index.lag.ms": lag}
	sink := map[string]string{
		"alerts.topic": "alerts-" + w.id, "alerts.group.ms": "0", "errors.deadletterqueue.topic.name": "dlq-" + w.id, "lease.ms": fmt.Sprint(leaseOf.Milliseconds()),
		"consumer.override.session.timeout.ms": "6000", "consumer.override.heartbeat.interval.ms": "1000", "settle.ms": "100",
	}
	switch name {
	case "crm-source":
		maps.Copy(keys, map[string]string{
			"topic.prefix": "crm-" + w.id, "slot.name": "slot_" + w.id, "publication.name": "pub_" + w.id, "publication.autocreate.mode": "filtered",
			"offset.storage.topic": "offsets-" + w.id, "offset.flush.interval.ms": "100",
		})
	case "notion-sink":
		maps.Copy(keys, notion)
		maps.Copy(keys, sink)
		keys["allow.overprivileged.role"] = "postgres" // the test's role is the server's own
		maps.Copy(keys, map[string]string{"crm.topic.prefix": "crm-" + w.id, "notion.parent.page": w.notion.RootPageID()})
	case "notion-source":
		maps.Copy(keys, notion)
		maps.Copy(keys, map[string]string{
			"allow.overprivileged.role": "postgres", "topic.prefix": "notion-" + w.id, "alerts.topic": "alerts-" + w.id, "lease.ms": sink["lease.ms"],
			"poll.interval.ms": fastPoll, "poll.interval.min.ms": fastPoll, "poll.interval.max.ms": fastPoll,
		})
	case "crm-sink":
		maps.Copy(keys, sink)
		keys["allow.overprivileged.role"] = "postgres"
		keys["notion.topic.prefix"] = "notion-" + w.id
	}
	return keys
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

// run starts one process with the named connectors, all four where none is named.
func (w *world) run(names ...string) *process {
	w.t.Helper()
	if len(names) == 0 {
		names = connectors
	}
	args := []string{"run", "--listen", "127.0.0.1:0"}
	if os.Getenv("TANDEM_LOG") != "" {
		args = append(args, "--log-level", "debug")
	}
	for _, name := range names {
		args = append(args, w.files[name])
	}
	p := launch(w.t, w.log, args...)
	w.processes = append(w.processes, p)
	return p
}

// check runs `tandem check` on the files of all connectors.
func (w *world) check(args ...string) (code int, stdout, stderr string) {
	args = append([]string{"check"}, args...)
	for _, name := range connectors {
		args = append(args, w.files[name])
	}
	return answer(w.t, args...)
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%.200s: %v", sql, err)
	}
}

// one asks for one text.
func (w *world) one(sql string, args ...any) string {
	var text string
	if err := w.db.QueryRow(context.Background(), sql, args...).Scan(&text); err != nil {
		return "error: " + err.Error()
	}
	return text
}

// explainWork logs what is left to do, and what Tandem says of the first of it.
func (w *world) explainWork() {
	rows, err := w.db.Query(context.Background(), `SELECT to_jsonb(w)::text || ' held by ' || l.holder || ' until ' || coalesce(l.lease_until::text, '-'), w.entity, coalesce(l.key, l.page) FROM tandem.work w JOIN tandem.link l ON l.id = w.link ORDER BY parked, first_seen LIMIT 5`)
	if err != nil {
		return // there is no ledger
	}
	defer rows.Close()
	for rows.Next() {
		var work, entity, key string
		if err := rows.Scan(&work, &entity, &key); err != nil {
			return
		}
		w.t.Logf("left: %s", work)
		_, out, errs := answer(w.t, "explain", entity, key, "--config", w.files["notion-sink"])
		w.t.Logf("%s%s", out, errs)
	}
}

// dump has every process that still runs say where its goroutines are, as SIGQUIT does, and writes the whole log to $TANDEM_LOG.
func (w *world) dump() {
	for _, p := range w.processes {
		if !p.ended() {
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it may have ended
			<-p.done
		}
	}
	if err := os.WriteFile(os.Getenv("TANDEM_LOG")+"-"+w.id, []byte(w.log.String()), 0o600); err != nil {
		w.t.Error(err)
	}
}

// front stands before the emulator: it counts requests, can be shut, and lets the test do things between two requests.
type front struct {
	notion *emulator.Emulator
	url    string

	mu       sync.Mutex
	shut     bool
	requests []string       // "POST /v1/pages", in order
	polls    map[string]int // path of a query → how many began at the first page
	before   func(r *http.Request, pageID string)
	reads    map[string]time.Time // page → begin of the newest GET of it that was answered
}

// ServeHTTP passes requests on, one at a time: what before sees is what the request meets.
func (f *front) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shut {
		if conn, _, err := http.NewResponseController(rw).Hijack(); err == nil {
			conn.Close()
		}
		return
	}
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.countPoll(r)
	id, ok := strings.CutPrefix(r.URL.Path, "/v1/pages/")
	if ok && f.before != nil {
		f.before(r, id)
	}
	began, answer := time.Now(), &answered{ResponseWriter: rw}
	f.notion.ServeHTTP(answer, r)
	if ok && r.Method == http.MethodGet && answer.status == http.StatusOK && f.reads != nil {
		f.reads[id] = began
	}
}

// answered notes the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// countPoll notes that a data source is asked from its beginning.
func (f *front) countPoll(r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/query") {
		return
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err == nil && !bytes.Contains(body, []byte(`"start_cursor"`)) {
		f.polls[r.URL.Path]++
	}
}

// close makes Notion unreachable, and open reachable again.
func (f *front) close() { f.set(true) }
func (f *front) open()  { f.set(false) }

func (f *front) set(shut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut = shut
}

// count gives how many requests there were, of a method and path prefix.
func (f *front) count(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}
