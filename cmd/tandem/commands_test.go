package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka"
)

func TestExitCodesAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("it broke"), exitFailed},
		{errSaid, exitFailed},
		{usagef("no"), exitUsage},
		{fmt.Errorf("read: %w", config.Problems{{Summary: "wrong", Severity: config.SeverityError}}), exitUsage},
		{usageError{errSaid}, exitUsage},
		{unreachable("kafka", errors.New("away")), exitEnvironment},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, exitEnvironment},
		{errInterrupted, exitInterrupted},
		{context.Canceled, exitInterrupted},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
	var _, help, _ = command(t, "--help")
	for _, e := range exitCodes {
		if !strings.Contains(help, fmt.Sprintf("%3d  %s", e.code, e.text)) {
			t.Errorf("the help does not document exit code %d:\n%s", e.code, help)
		}
	}
}

// command runs the program without a world around it.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs lockedBuffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestCommandLinesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"frobnicate"}, `there is no command "frobnicate"`},
		{[]string{"run"}, "tandem run takes FILE…, and got 0 arguments\nusage: tandem run FILE… [flags]\n"},
		{[]string{"run", "--frob", "x.json"}, "unknown flag: --frob"},
		{[]string{"run", "--log-format", "xml", "x.json"}, "log format must be text or json"},
		{[]string{"run", "--log-level", "loud", "x.json"}, "log level must be"},
		{[]string{"run", "no-such-file.json"}, "there is no such file"},
		{[]string{"explain", "contact"}, "tandem explain takes ENTITY KEY --config FILE, and got one\nusage"},
		{[]string{"explain", "contact", "1"}, "--config is missing"},
		{[]string{"status", "--top", "-1", "--config", "x"}, "--top must not be negative"},
		{[]string{"sync", "contact", "--config", "x"}, "name an ENTITY and a KEY"},
		{[]string{"sync", "contact", "1", "--all"}, "--all goes with no KEY"},
		{[]string{"simulate", "--seeds", "0"}, "--seeds must be at least 1"},
		{[]string{"emulator", "--root-page-id", "x"}, "root page id"},
		{[]string{"emulator", "--listen", "here"}, "--listen must be host:port"},
		{[]string{"status", "sink.json"}, "tandem status takes --config FILE, and got one"},
		{[]string{"version", "1", "2"}, "tandem version takes no arguments, and got 2 arguments"},
		{[]string{"demo", "edit", "crm", "7", "phone"}, "tandem demo edit takes crm|notion KEY FIELD VALUE, and got 3 arguments"},
	} {
		code, stdout, stderr := command(t, c.args...)
		if code != exitUsage || !strings.Contains(stderr, c.want) || stdout != "" {
			t.Errorf("tandem %s: %d %q %q, want %d and %q", strings.Join(c.args, " "), code, stdout, stderr, exitUsage, c.want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if code, out, _ := command(t, "version"); code != exitOK || !strings.HasPrefix(out, "tandem "+version+" (go") {
		t.Errorf("%d %q", code, out)
	}
	code, out, _ := command(t, "version", "--json")
	var v map[string]string
	if err := json.Unmarshal([]byte(out), &v); code != exitOK || err != nil || v["version"] != version {
		t.Errorf("%d %q %v", code, out, err)
	}
}

func TestSimulateOneSeedTwice(t *testing.T) {
	t.Parallel()
	hash := regexp.MustCompile(`hash ([0-9a-f]+)`)
	_, first, errs := command(t, "simulate", "--seed", "7", "--steps", "5")
	_, second, _ := command(t, "simulate", "--seed", "7", "--steps", "5")
	a, b := hash.FindString(first), hash.FindString(second)
	if a == "" || a != b {
		t.Errorf("the same seed gave %q and %q (%s)", a, b, errs)
	}
}

// Everything that is wrong in four files comes in one answer, each problem with its file and path, what they share once.
func TestAllProblemsOfAllFilesAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("contact.json", `{"sync": "other", "entity": "contact", "crm": {"table": "contact", "key": "id"}, "notion": {"database": "Contacts"},
		"fields": [{"name": "name", "column": "full_name", "property": "Name", "type": "titel"}]}`)
	write("task.json", `{"sync": "other", "entity": "task", "crm": {"table": "public.task", "key": "id"}, "notion": {"database": "Tasks"},
		"fields": [{"name": "title", "column": "title", "property": "Task", "type": "title"}]}`)
	files := []string{
		write("source.json", `{"name": "source", "config": {"connector.class": "cdc.PostgresSource", "topic.prefix": "crm", "mapping.files": "contact.json",
			"bootstrap.servers": "127.0.0.1:1", "database.hostname": "localhost", "database.dbname": "crm", "slot.name": "Bad Slot", "snapshot.mode": "sometimes"}}`),
		write("sink.json", `{"name": "sink", "config": {"connector.class": "sink.NotionSink", "sync": "crm", "mapping.files": "contact.json, task.json, gone.json",
			"bootstrap.servers": "127.0.0.1:1", "database.hostname": "localhost", "database.dbname": "crm", "notion.token": "${env:NO_SUCH_VARIABLE_HERE}",
			"plugins.file": "plugins.json", "batch.max": "many"}}`),
		write("poll.json", `{"name": "sink", "config": {"connector.class": "source.NotionSource"}}`),
		write("odd.json", `{"name": "odd", "config": {"connector.class": "sink.ExcelSink"}}`),
		write("broken.json", `{"name": "broken", "config": {`),
	}
	code, stdout, stderr := command(t, append([]string{"run"}, files...)...)
	if code != exitUsage || stdout != "" {
		t.Errorf("code %d, stdout %q", code, stdout)
	}
	for _, want := range []string{
		`source.json: slot.name: must be lower-case`, `source.json: snapshot.mode: must be one of`,
		`task.json: sync: is "other", and the connector's is "crm"`, `contact.json: fields[0].type:`, `gone.json: no such file`,
		`sink.json: notion.token: cannot resolve ${env:NO_SUCH_VARIABLE_HERE}`, `sink.json: batch.max: must be a whole number`, `sink.json: plugins.file:`,
		`poll.json: name: is "sink", as in`, `odd.json: connector.class: there is no connector class "sink.ExcelSink"`, `broken.json: not valid JSON: it ends too early`,
	} {
		if strings.Count(stderr, want) != 1 {
			t.Errorf("%q stands %d times in\n%s", want, strings.Count(stderr, want), stderr)
		}
	}
	// check says the same, with the same code.
	if code, out, _ := command(t, append([]string{"check"}, files...)...); code != exitUsage || !strings.Contains(out, "slot.name") {
		t.Errorf("check: %d %s", code, out)
	}
}

// A key beside config hid everything that was wrong within it; and contradictions between keys of the database, of Kafka and of the topics came out
// one by one, at the start.
func TestContradictionsComeWithTheRestAndShowNoSecret(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sink.json")
	text := `{"name": "sink", "nam": 1, "config": {"connector.class": "sink.NotionSink", "mapping.files": "gone.json", "topics": "a,b", "topics.regex": "c.*",
		"errors.tolerance": "all", "security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI", "sasl.password": "sesame1", "bootstrap.servers": "broker",
		"database.dsn": "postgres://u:sesame2@h:notaport/crm", "database.hostname": "h", "database.sslmode": "sometimes", "notion.token": "sesame3",
		"database": {"port": 5432}, "consumer.override.max.poll.records": "sesame4"}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run", "check"} {
		code, stdout, stderr := command(t, name, file)
		if code != exitUsage {
			t.Errorf("%s: code %d", name, code)
		}
		for _, want := range []string{
			"sink.json: nam: stands beside config", "sink.json: config.database: is an object", "gone.json: no such file",
			"sink.json: topics.regex: cannot be given together with topics", "sink.json: errors.deadletterqueue.topic.name: missing: errors.tolerance is all",
			`sink.json: bootstrap.servers: "broker" is not host:port`, `sink.json: sasl.mechanism: "GSSAPI" is not one of`, "sink.json: sasl.username: must not be empty",
			"sink.json: database.dsn: holds host", "sink.json: database.sslmode:", "sink.json: consumer.override.max.poll.records:",
		} {
			if strings.Count(stdout+stderr, want) != 1 {
				t.Errorf("%s: %q stands %d times in\n%s", name, want, strings.Count(stdout+stderr, want), stdout+stderr)
			}
		}
		if strings.Contains(stdout+stderr, "sesame1") || strings.Contains(stdout+stderr, "sesame2") || strings.Contains(stdout+stderr, "sesame3") {
			t.Errorf("%s shows a secret:\n%s", name, stdout+stderr)
		}
	}
}

// Keys of Kafka Connect that can do nothing here were taken without a word, and people relied on them.
func TestKeysWithoutEffectAreSaid(t *testing.T) {
	t.Parallel()
	a := newApp(slog.New(slog.DiscardHandler))
	base := config.Map{"name": "x", "bootstrap.servers": "k:9092", "errors.retry.delay.max.ms": "5", "errors.retry.timeout": "0", "tasks.max": "3",
		"errors.log.include.messages": "true", "errors.deadletterqueue.topic.name": "dlq", "sasl.username": "me", "errors.log.enable": "true"}
	for _, c := range []struct {
		k    keys
		more config.Map
		want []string
	}{
		{&cdcKeys{}, nil, []string{"tasks.max", "errors.retry.timeout", "errors.retry.delay.max.ms", "errors.log.include.messages", "sasl.username", "errors.deadletterqueue.topic.name"}},
		{&pollKeys{}, config.Map{"alerts.topic": "mine"}, []string{"tasks.max", "errors.retry.timeout", "errors.retry.delay.max.ms", "errors.log.include.messages", "sasl.username", "alerts.topic"}},
		{&crmSinkKeys{}, nil, []string{"sasl.username", "tasks.max", "errors.deadletterqueue.topic.name", "errors.log.include.messages"}},
		{&notionSinkKeys{}, config.Map{"errors.tolerance": "all", "security.protocol": "SASL_PLAINTEXT", "ssl.ca.location": "ca.pem"}, []string{"ssl.ca.location", "tasks.max"}},
	} {
		m := maps.Clone(base)
		maps.Copy(m, c.more)
		a.decode(config.Document{Name: "x", Config: m}, c.k)
		var got []string
		for _, p := range ineffective(m, c.k) {
			got = append(got, p.Path)
			if p.Severity != config.SeverityWarning || !strings.HasPrefix(p.Summary, "has no effect here: ") {
				t.Errorf("%T: %v", c.k, p)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%T: want (-), got (+):\n%s", c.k, diff)
		}
	}
}

// The keys of Kafka Connect that can do something here do it.
func TestErrorKeysReachTheConsumer(t *testing.T) {
	t.Parallel()
	a := newApp(slog.New(slog.DiscardHandler))
	consumer := func(m config.Map) kafka.ConsumerConfig {
		k := &crmSinkKeys{}
		a.decode(config.Document{Name: "x", Config: m}, k)
		return k.consumer([]string{"t"})
	}
	got := consumer(config.Map{"errors.retry.timeout": "90000", "errors.retry.delay.max.ms": "500", "errors.log.enable": "false", "errors.log.include.messages": "true",
		"errors.deadletterqueue.topic.replication.factor": "2", "errors.deadletterqueue.context.headers.enable": "false", "topic.creation.default.replication.factor": "3"})
	if got.RetryFor != 90*time.Second || got.RetryMax != 500*time.Millisecond || !got.Errors.WithoutLog || !got.Errors.LogRecords || !got.Errors.WithoutHeaders ||
		got.Errors.DeadLetters.ReplicationFactor != 2 {
		t.Errorf("%+v", got)
	}
	got = consumer(config.Map{"topic.creation.default.replication.factor": "3"})
	if got.RetryFor != 0 || got.RetryMax != time.Minute || got.Errors.WithoutLog || got.Errors.LogRecords || got.Errors.WithoutHeaders || got.Errors.DeadLetters.ReplicationFactor != 3 {
		t.Errorf("the defaults: %+v", got)
	}
}

func TestAbsentSystemsAreExitCode3(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"bootstrap.servers": "127.0.0.1:1", "notion.base.url": "http://127.0.0.1:1"})
	code, out, stderr := w.tandem(append([]string{"check", "--timeout", "1s"}, w.files...)...)
	if code != exitEnvironment || strings.Count(out, "kafka 127.0.0.1:1: no broker answers") != 1 || !strings.Contains(out, "unreachable notion-sink: notion") {
		t.Errorf("check: %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := w.tandem("status", "--config", w.files[1]); code != exitEnvironment || !strings.Contains(stderr, "has a sync begun in this database?") {
		t.Errorf("status before anything ran: %d %s", code, stderr)
	}
}

func TestEmulatorServesUntilItIsToldToEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"emulator", "--listen", "127.0.0.1:0", "--token", "ntn_x", "--root-page-id", "0123456789abcdef0123456789abcdef", "--json"}, nil, in, in)
	}()
	var where struct{ URL, Token, Page string }
	if err := json.NewDecoder(out).Decode(&where); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	defer in.Close()
	if where.Token != "ntn_x" || where.Page != "01234567-89ab-cdef-0123-456789abcdef" || !strings.HasPrefix(where.URL, "http://127.0.0.1:") {
		t.Errorf("%+v", where)
	}
	cancel()
	if code := <-done; code != exitOK {
		t.Errorf("ended with %d", code)
	}
}

// masked makes what differs from run to run the same.
func masked(text string) string {
	for _, m := range []struct{ pattern, with string }{
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "ID"},
		{`\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?Z)?`, "TIME"},
		{`(?m)^slot slot_\w+: .* behind(?: \(.*\))?, .* kept by the server$`, "slot SLOT: SO MUCH behind, SO MUCH kept by the server"},
		{`link \d+`, "link N"}, {`seq \d+, epoch \d+`, "seq N, epoch N"}, {` +\n`, "\n"}, {`since (now|\d+s):`, "since AGO:"},
	} {
		text = regexp.MustCompile(m.pattern).ReplaceAllString(text, m.with)
	}
	return text
}

func TestPeopleAskWhatIsGoingOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.contact(1, "Zoë Müller", "zoe@example.com", "06 12 34 56 78")
	w.contact(2, "Phone Less", "p@example.com", "call me maybe")
	code, out, stderr := w.tandem(append([]string{"check", "--timeout", "2m"}, w.files...)...)
	if code != exitOK || !strings.Contains(out, `schema_filter: ~^(?!tandem\.)~`) || !strings.Contains(out, "the parent page is shared") {
		t.Errorf("check: %d\n%s\n%s", code, out, stderr)
	}
	r := w.start()
	w.waitShown("contact", "Zoë Müller", "Phone", "+33612345678")
	w.eventually("only the bad phone waits", 4*time.Minute, func() string {
		if n := w.one(`SELECT count(*)::text || ' ' || count(*) FILTER (WHERE parked <> '') || ' ' || (SELECT count(delivered_at) FROM tandem.alert) FROM tandem.work`); n != "1 1 1" {
			return n
		}
		return ""
	})
	config := []string{"--config", w.files[1]}
	asks := func(want int, args ...string) string {
		t.Helper()
		code, out, stderr := w.tandem(append(args, config...)...)
		if code != want {
			t.Errorf("tandem %s: %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, stderr)
		}
		return out
	}
	w.eventually("the poller's first look at what was made is over", 4*time.Minute, func() string {
		if out := asks(exitOK, "status"); strings.Contains(out, " live ") {
			return out
		}
		return ""
	})
	golden(t, "status", asks(exitOK, "status"))
	golden(t, "explain-parked", asks(exitOK, "explain", "contact", "2"))
	golden(t, "explain-equal", asks(exitOK, "explain", "contact", w.page("contact", "Zoë Müller").ID))
	golden(t, "sync-done", asks(exitOK, "sync", "contact", "1", "--wait", "--timeout", "4m"))
	golden(t, "sync-parked", asks(exitFailed, "sync", "contact", "2", "--wait", "--timeout", "4m"))
	asks(exitFailed, "explain", "contact", "99")
	asks(exitUsage, "explain", "company", "1")
	w.exec(`UPDATE contact SET phone = '06 12 34 56 79' WHERE id = 2`)
	w.waitShown("contact", "Phone Less", "Phone", "+33612345679")
	w.idle()
	if code := r.end(); code != exitOK {
		t.Errorf("run ended with %d", code)
	}
	// Nobody works now: both sides can be seen to differ.
	w.exec(`UPDATE contact SET phone = '06 00 00 00 01', job_title = 'Pilot' WHERE id = 1`)
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	edit := map[string]any{"Phone": map[string]any{"phone_number": "+33600000002"}, "Website": map[string]any{"url": "https://example.com"}}
	if err := ada.Edit(w.page("contact", "Zoë Müller").ID, edit); err != nil {
		t.Fatal(err)
	}
	golden(t, "explain-conflict", asks(exitOK, "explain", "contact", "1"))
	var answer struct {
		Fields []struct{ Name, Outcome string }
	}
	if err := json.Unmarshal([]byte(asks(exitOK, "explain", "contact", "1", "--json")), &answer); err != nil || len(answer.Fields) != 11 {
		t.Errorf("explain --json: %v, %d fields", err, len(answer.Fields))
	}
	if got := asks(exitFailed, "sync", "contact", "1", "--wait", "--timeout", "200ms"); !strings.Contains(got, "do both sinks run?") {
		t.Error(got)
	}
	asks(exitOK, "sync", "--all")
}

// golden compares with testdata/<name>.golden; TANDEM_UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = masked(got)
	path := filepath.Join("testdata", name+".golden")
	if os.Getenv("TANDEM_UPDATE") != "" {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestCheckSaysWhatTheCRMAndNotionLack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"notion-sink/notion.parent.page": "01234567-89ab-cdef-0123-456789abcdef", "notion-source/notion.token": "ntn_wrong"})
	w.exec(`ALTER TABLE opportunity_attribute REPLICA IDENTITY DEFAULT;
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER touch BEFORE UPDATE ON contact FOR EACH ROW EXECUTE FUNCTION touch();
		ALTER TABLE task ALTER COLUMN priority TYPE bigint`)
	files := []string{w.files[0], w.files[1], w.files[3]}
	code, out, stderr := w.tandem(append([]string{"check", "--timeout", "2m"}, files...)...)
	if code != exitFailed {
		t.Errorf("check: %d, want %d\n%s%s", code, exitFailed, out, stderr)
	}
	for _, want := range []string{
		"REPLICA IDENTITY USING INDEX", "run its triggers: touch", "can hold more digits than the 15 that a Notion number keeps",
		"page 01234567-89ab-cdef-0123-456789abcdef is not shared with the connection", "a broker answers",
	} {
		if strings.Count(out, want) != 1 {
			t.Errorf("%q stands %d times in\n%s", want, strings.Count(out, want), out)
		}
	}
	if n := w.one(`SELECT count(*)::text FROM pg_namespace WHERE nspname = 'tandem'`) + w.one(`SELECT count(*)::text FROM pg_publication`); n != "00" {
		t.Errorf("check has written: %s", n)
	}
	if got := w.requestsSince(0); strings.Contains(strings.Join(got, " "), "POST") || strings.Contains(strings.Join(got, " "), "PATCH") {
		t.Errorf("check has written to Notion: %v", got)
	}
	// A refused token is the environment's fault.
	code, out, _ = w.tandem("check", "--timeout", "2m", "--json", w.files[2])
	var answer struct{ Findings []finding }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != exitEnvironment || !strings.Contains(out, "Notion refuses the token") {
		t.Errorf("check of a wrong token: %d %v\n%s", code, err, out)
	}
	if strings.Contains(out, "ntn_wrong") {
		t.Error("the token stands in the answer")
	}
}
