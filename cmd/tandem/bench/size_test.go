package bench

import (
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
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/connector/ledger/pgledger"
	"github.com/tandem-sync/tandem/connector/notionapi"
	"github.com/tandem-sync/tandem/connector/notionapi/emulator"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
	"github.com/tandem-sync/tandem/sink"
	source "github.com/tandem-sync/tandem/source/notion"
)

// stopServers ends what the tests of this package share.
func stopServers() {
	pgtest.Stop()
	kafkatest.Stop()
}

// A quarter of a million linked rows: what the process holds in memory, and how soon after a restart the first live edit is in Notion. The binary that ships,
// PostgreSQL and Apache Kafka; rows, pages and links are put there by other means than Tandem's, for a first sync of so many takes a day.
func TestAQuarterMillionRows(t *testing.T) {
	needs(t)
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	n := scaled(250_000)
	s := newScene(t)
	s.exec(`INSERT INTO contact (id, full_name, email, phone, job_title, website, birthday, newsletter, notes, created_at, updated_at)
		SELECT i, 'Person ' || to_char(i, 'FM000000'), 'p' || to_char(i, 'FM000000') || '@example.com', '+336' || to_char(i, 'FM00000000'), 'Job ' || to_char(i, 'FM000000'),
		'https://example.com/' || to_char(i, 'FM000000'), '1980-02-29', true, 'Met at the fair in Lyon, wants a call back', '2026-01-01', '2026-01-01' FROM generate_series(1, $1::int) i`, n)
	s.exec(`SELECT setval('contact_id_seq', $1)`, n)
	p := s.run()
	s.streams()
	s.edit(1, "first")
	s.shown("first")
	s.until("the first sweep of pages is over", `SELECT EXISTS (SELECT FROM tandem.cursor WHERE name = $1 AND position->>'swept' IS NOT NULL)`, source.CursorName("crm", "contact"))
	s.end(p)
	s.link(n)
	s.exec(`VACUUM ANALYZE`)

	var starts []time.Duration
	for i := range 5 {
		word := fmt.Sprint("start ", i)
		began := time.Now()
		p = s.run()
		s.edit(2+i, word)
		s.shown(word)
		starts = append(starts, time.Since(began))
		say("restart to first live edit: %s", round(starts[i]))
		if i < 4 {
			s.end(p)
		}
	}
	for i := range 50 {
		s.edit(100+i*7%n, fmt.Sprint("edit ", i))
	}
	s.shown("edit 49")
	report(11, fmt.Sprintf("restart to first live edit, %d linked rows", n), "10 s", "2 s", "%s (p50 of 5; longest %s)", round(percentile(starts, 50)), round(percentile(starts, 100)))
	report(10, fmt.Sprintf("memory of the process, %d linked rows, after a restart and 55 edits", n), "256 MiB", "128 MiB", "%.0f MiB (most ever held)", s.memory(p, "VmHWM"))
	pace := s.sweepRows()
	report(12, "the same a minute into a sweep of all rows; rows found equal a second, without a request", "256 MiB", "128 MiB", "%.0f MiB (most ever held); %.0f", s.memory(p, "VmHWM"), pace)
	s.end(p)
}

// scene is the built binary with everything around it.
type scene struct {
	t      *testing.T
	id     string
	dir    string
	dsn    string
	db     *pgxpool.Pool
	store  *pgledger.Store
	notion *emulator.Emulator
	url    string
	files  []string
	log    *os.File

	mu    sync.Mutex
	past  time.Duration       // how far the emulator's clock is behind
	wrote map[string]struct{} // job titles that Tandem wrote to pages
	asked int
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, id: fmt.Sprint(time.Now().UnixNano()), dir: t.TempDir(), dsn: pgtest.Database(t), wrote: map[string]struct{}{}}
	pool, err := pgxpool.New(t.Context(), s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s.db, s.store = pool, pgledger.New(pool)
	schema, err := os.ReadFile("../../../deploy/examples/crm.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), string(schema)); err != nil {
		t.Fatal(err)
	}
	s.notion = emulator.New(emulator.Config{Token: token, Limit: -1, RowMax: 1_000_000, Now: s.now})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.log.Close()
		if text, err := os.ReadFile(s.log.Name()); err == nil && t.Failed() {
			t.Logf("the end of the log:\n%s", text[max(0, len(text)-4000):])
		}
	})
	s.configure(strings.Split(kafkatest.SharedApache(t)[0], ",")[0])
	return s
}

// now is the emulator's clock: pages that are there before Tandem are old.
func (s *scene) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(-s.past)
}

// ServeHTTP is Notion. It notes what Tandem writes.
func (s *scene) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	body := &spy{ReadCloser: r.Body}
	r.Body = body
	s.notion.ServeHTTP(rw, r)
	if r.Method == http.MethodPatch || r.Method == http.MethodPost {
		if found := jobs.FindSubmatch(body.text); found != nil {
			s.mu.Lock()
			s.wrote[string(found[1])] = struct{}{}
			s.mu.Unlock()
		}
	}
}

var jobs = regexp.MustCompile(`"content":"Job ([^"]+)"`)

// spy keeps what is read.
type spy struct {
	io.ReadCloser
	text []byte
}

// Read implements io.Reader.
func (s *spy) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.text = append(s.text, p[:n]...)
	return n, err
}

// configure writes the files of the four connectors, as in deploy/examples but for one entity without plugins.
func (s *scene) configure(broker string) {
	s.t.Helper()
	data, err := os.ReadFile("../../../deploy/examples/mappings/contact.json")
	if err != nil {
		s.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		s.t.Fatal(err)
	}
	for _, f := range m["fields"].([]any) {
		delete(f.(map[string]any), "function")
	}
	delete(m, "$schema")
	s.write("contact.json", m)
	for _, name := range []string{"crm-source", "notion-sink", "notion-source", "crm-sink"} {
		doc, err := config.ReadFile("../../../deploy/examples/" + name + ".json")
		if err != nil {
			s.t.Fatal(err)
		}
		doc.Name = name + "-" + s.id
		maps.Copy(doc.Config, s.keys(name, broker, doc.Name))
		maps.DeleteFunc(doc.Config, func(_, value string) bool { return value == "" })
		s.files = append(s.files, s.write(name+".json", doc))
	}
}

func (s *scene) keys(name, broker, connector string) map[string]string {
	keys := map[string]string{"name": connector, "bootstrap.servers": broker, "database.dsn": s.dsn}
	for _, key := range []string{"hostname", "port", "dbname", "user", "password"} {
		keys["database."+key] = ""
	}
	notion := map[string]string{"notion.token": token, "notion.base.url": s.url, "notion.rate.per.minute": "600000", "mapping.files": "contact.json"}
	const owner = "allow.overprivileged.role" // the tests' server has one role, which owns everything
	if name != "crm-source" {
		keys[owner] = "postgres"
	}
	sinks := map[string]string{"mapping.files": "contact.json", "plugins.file": "", "alerts.topic": "alerts-" + s.id, "errors.deadletterqueue.topic.name": "dlq-" + s.id}
	switch name {
	case "crm-source":
		maps.Copy(keys, map[string]string{"topic.prefix": "crm-" + s.id, "slot.name": "slot_" + s.id, "publication.name": "pub_" + s.id, "publication.autocreate.mode": "filtered",
			"offset.storage.topic": "offsets-" + s.id, "snapshot.mode": "no_data", "table.include.list": "public.company,public.contact,public.contact_tag,public.tag"})
	case "notion-sink":
		maps.Copy(keys, notion)
		maps.Copy(keys, sinks)
		maps.Copy(keys, map[string]string{"crm.topic.prefix": "crm-" + s.id, "notion.parent.page": s.notion.RootPageID(),
			"verify.interval.ms": "0"}) // it would read all pages, most of which are not there
	case "notion-source":
		maps.Copy(keys, notion)
		keys["topic.prefix"] = "notion-" + s.id
	case "crm-sink":
		maps.Copy(keys, sinks)
		keys["notion.topic.prefix"] = "notion-" + s.id
	}
	return keys
}

func (s *scene) write(name string, v any) string {
	s.t.Helper()
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *scene) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatalf("%.100s: %v", sql, err)
	}
}

var built struct {
	once sync.Once
	path string
	err  error
}

// binary builds what ships, as `make build` does.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		built.path = filepath.Join(t.TempDir(), "tandem")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built.path, "github.com/tandem-sync/tandem/cmd/tandem")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// run starts the binary with all four connectors.
func (s *scene) run() *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(binary(s.t), append([]string{"run", "--listen", "127.0.0.1:0"}, s.files...)...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, as a rule
	return cmd
}

func (s *scene) end(cmd *exec.Cmd) {
	s.t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	if err := cmd.Wait(); err != nil {
		s.t.Errorf("the process: %v", err)
	}
}

func (s *scene) edit(key int, word string) {
	s.exec(`UPDATE contact SET job_title = 'Job ' || $1 WHERE id = $2`, word, key)
}

// streams waits until the slot is read: what is committed before there is one is nobody's edit, but what was there.
func (s *scene) streams() {
	s.t.Helper()
	s.until("the slot is read", `SELECT EXISTS (SELECT FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
		WHERE slot_name = $1 AND state = 'streaming')`, "slot_"+s.id)
}

// until waits for a query to say yes.
func (s *scene) until(what, sql string, args ...any) {
	s.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var yes bool
		if err := s.db.QueryRow(context.Background(), sql, args...).Scan(&yes); err != nil || time.Now().After(end) {
			s.t.Fatalf("%s: not so: %v", what, err)
		}
		if yes {
			return
		}
	}
}

// shown waits until Tandem has written a job title to a page.
func (s *scene) shown(word string) {
	s.t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		_, ok := s.wrote[word]
		s.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(until) {
			var left string
			err := s.db.QueryRow(context.Background(), `SELECT coalesce(jsonb_agg(to_jsonb(w))::text, 'nothing') FROM (SELECT * FROM tandem.work LIMIT 3) w`).Scan(&left)
			s.t.Fatalf("%q is not in Notion; %d requests; left to do: %s %v", word, s.asked, left, err)
		}
	}
}

// memory reads a line of /proc/…/status, in MiB.
func (s *scene) memory(cmd *exec.Cmd, line string) float64 {
	s.t.Helper()
	mib, err := memory(cmd.Process.Pid, line)
	if err != nil {
		s.t.Fatal(err)
	}
	return mib
}

func memory(pid int, line string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(line + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("no %s in %s", line, status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	return float64(kib) / 1024, err
}

// pagesMade is how many of the pages are really there: those of rows that are edited, and then some. The others are asked for by nobody, for neither a restart
// nor a sweep of rows that changed nothing reads a page.
const pagesMade = 1000

// link makes a page and a link for every row from the second on, as the first row's are: the link that Tandem made is the pattern.
func (s *scene) link(n int) {
	s.t.Helper()
	ctx := context.Background()
	schema, ok, err := s.store.Schema(ctx, "crm", "contact")
	if err != nil || !ok {
		s.t.Fatal("the schema: ", err)
	}
	var base string
	if err := s.db.QueryRow(ctx, `SELECT base::text FROM tandem.link WHERE key = '1'`).Scan(&base); err != nil {
		s.t.Fatal(err)
	}
	base = strings.ReplaceAll(base, "Job first", "Job 000001")
	s.setPast(30 * 24 * time.Hour)
	defer s.setPast(0)
	client, err := notionapi.New(notionapi.Config{Token: token, Transport: s.notion.Transport(), Logger: quiet(), Budget: plenty{}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	p := newProgress("pages and links", n)
	const batch = 25_000
	columns := []string{"sync", "entity", "key", "page", "external", "state", "seq", "base", "emitted"}
	for from := 2; from <= n; from += batch {
		var rows [][]any
		for key := from; key < min(from+batch, n+1); key++ {
			external := fmt.Sprintf("10000000-0000-4000-8000-%012x", key)
			page := notionapi.Page{ID: fmt.Sprintf("20000000-0000-4000-8000-%012x", key)}
			if key <= pagesMade {
				if page, err = client.CreatePage(ctx, notionapi.NewPage{DataSourceID: schema.DataSource, Properties: s.properties(schema, key, external)}); err != nil {
					s.t.Fatal(err)
				}
			}
			own := strings.NewReplacer("000001", fmt.Sprintf("%06d", key)).Replace(base)
			rows = append(rows, []any{"crm", "contact", strconv.Itoa(key), page.ID, external, "live", int64(1), json.RawMessage(own), notionapi.ContentHash(page, schema.IDs())})
		}
		if _, err := s.db.CopyFrom(ctx, pgx.Identifier{"tandem", "link"}, columns, pgx.CopyFromRows(rows)); err != nil {
			s.t.Fatal(err)
		}
		p.at(from - 1)
	}
}

func (s *scene) setPast(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = d
}

// properties are what the page of a row says.
func (s *scene) properties(schema ledger.Schema, key int, external string) map[string]notionapi.PropertyWrite {
	n := fmt.Sprintf("%06d", key)
	out := map[string]notionapi.PropertyWrite{}
	put := func(id, typ string, v change.Value) {
		w, err := notionapi.EncodeProperty(typ, v, notionapi.EncodeOptions{})
		if err != nil {
			s.t.Fatal(err)
		}
		out[id] = w
	}
	for field, text := range map[string][2]string{
		"name": {notionapi.TypeTitle, "Person " + n}, "email": {notionapi.TypeEmail, "p" + n + "@example.com"}, "phone": {notionapi.TypePhoneNumber, "+33600" + n},
		"job_title": {notionapi.TypeRichText, "Job " + n}, "website": {notionapi.TypeURL, "https://example.com/" + n}, "notes": {notionapi.TypeRichText, "Met at the fair in Lyon, wants a call back"},
	} {
		put(schema.Properties[field], text[0], change.TextValue(text[1]))
	}
	put(schema.External, notionapi.TypeRichText, change.TextValue(external))
	return out
}

// sweepFor is how long a sweep of all rows is watched.
const sweepFor = time.Minute

// sweepRows begins a sweep of all rows, and gives how many of them a second are looked at and found equal.
func (s *scene) sweepRows() float64 {
	s.t.Helper()
	ctx := context.Background()
	if err := sink.RequestSweep(ctx, s.store, sink.RowSweepName("crm"), "bench", time.Now(), "bench"); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(10 * time.Second) // the sweep looks every 5 s whether it is asked for
	before, began := s.lookedAt(), time.Now()
	time.Sleep(sweepFor)
	return float64(s.lookedAt()-before) / time.Since(began).Seconds()
}

// lookedAt counts the turns that links have had.
func (s *scene) lookedAt() (turns int64) {
	s.t.Helper()
	if err := s.db.QueryRow(context.Background(), `SELECT sum(epoch) FROM tandem.link`).Scan(&turns); err != nil {
		s.t.Fatal(err)
	}
	return turns
}
