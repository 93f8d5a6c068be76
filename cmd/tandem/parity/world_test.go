package parity

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/debezium"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/jvm"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	kafkatest.Stop()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// built is the binary, built once.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		//nolint:usetesting // it outlives the test that asks for it first
		if built.dir, built.err = os.MkdirTemp("", "tandem-parity-"); built.err != nil {
			return
		}
		if out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "tandem"), "github.com/tandem-sync/tandem/cmd/tandem").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal("build what is compared: ", built.err)
	}
	return filepath.Join(built.dir, "tandem")
}

// world is one database with both connectors on it.
type world struct {
	dsn       string
	bootstrap []string
	conn      *pgx.Conn
	theirs    *debezium.Worker
	ours      *tandem
	prefixes  [2]string // Debezium's, ours: of one length, so that sizes are alike
	topics    int       // that both have by now
}

func newWorld(t *testing.T, ctx context.Context) *world {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(kafkatest.Name(t)))
	w := &world{dsn: pgtest.Database(t), bootstrap: kafkatest.SharedApache(t), prefixes: [2]string{"d" + name, "t" + name}}
	var err error
	if w.conn, err = pgx.Connect(ctx, w.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.conn.Close(context.WithoutCancel(ctx)) })
	return w
}

func (w *world) exec(t *testing.T, ctx context.Context, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := w.conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
	}
}

// start brings up both with the same options, and returns when both stream.
func (w *world) start(t *testing.T, ctx context.Context, options map[string]string) {
	t.Helper()
	common := map[string]string{"name": "parity", "table.include.list": `.*`, "publication.autocreate.mode": "filtered"}
	maps.Copy(common, options)
	maps.DeleteFunc(common, func(_, value string) bool { return value == "" })
	theirs := map[string]string{"topic.prefix": w.prefixes[0], "slot.name": "theirs", "publication.name": "theirs", "publish.via.partition.root": "true",
		"errors.max.retries": "0"}
	ours := map[string]string{"topic.prefix": w.prefixes[1], "snapshot.max.threads": "1", "slot.name": "ours", "publication.name": "ours"}
	maps.Copy(theirs, common)
	maps.Copy(ours, common)
	var err error
	if w.theirs, err = debezium.Start(ctx, debezium.Config{Bootstrap: w.bootstrap[0], DSN: w.dsn, Connector: theirs}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.theirs.Stop)
	w.ours = startTandem(t, w.dsn, w.bootstrap, ours)
	if err := w.theirs.AwaitStreaming(ctx); err != nil {
		t.Fatal(err)
	}
	w.awaitOurs(t, ctx)
}

func (w *world) awaitOurs(t *testing.T, ctx context.Context) {
	t.Helper()
	for {
		var streams bool
		if err := w.conn.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
			WHERE s.slot_name = 'ours' AND r.state IN ('catchup', 'streaming')`).Scan(&streams); err != nil {
			t.Fatal(err)
		}
		if streams {
			return
		}
		select {
		case <-w.ours.process.Done():
			t.Fatalf("tandem has ended:\n%s", w.ours.log.String())
		case <-ctx.Done():
			t.Fatalf("tandem does not stream:\n%s", w.ours.log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// endTable is written to at last: who has written this has written all.
const endTable = "public.parity_end"

// finish waits until both have written the end, and stops both: then Kafka has everything.
func (w *world) finish(t *testing.T, ctx context.Context, also ...string) {
	t.Helper()
	w.exec(t, ctx, "INSERT INTO "+endTable+" VALUES (1)")
	for _, prefix := range w.prefixes {
		for _, suffix := range append(also, endTable) {
			w.awaitRecord(t, ctx, strings.ReplaceAll(suffix, "PREFIX", prefix), prefix)
		}
	}
	w.theirs.Halt()
	w.ours.process.End(syscall.SIGTERM, time.Minute)
}

// awaitRecord waits for a first record in a topic.
func (w *world) awaitRecord(t *testing.T, ctx context.Context, suffix, prefix string) {
	t.Helper()
	topic := prefix + "." + suffix
	if strings.Contains(suffix, prefix) {
		topic = suffix
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.bootstrap...), kgo.ConsumeTopics(topic), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for {
		turn, cancel := context.WithTimeout(ctx, time.Second)
		fetches := client.PollFetches(turn)
		cancel()
		if fetches.NumRecords() > 0 {
			return
		}
		ended := ctx.Err()
		select {
		case <-w.ours.process.Done():
			ended = errors.New("tandem has ended")
		default:
		}
		if ended != nil {
			t.Fatalf("no record in %s: %v\nDebezium:\n%s\nours:\n%s", topic, cmp.Or(context.Cause(ctx), ended), w.theirLog(), w.ours.log.String())
		}
	}
}

func (w *world) theirLog() string {
	log, _ := os.ReadFile(w.theirs.LogPath())
	return string(jvm.Tail(log, 30))
}

// collect reads everything that was written under a prefix: records by topic, the prefix cut off.
func (w *world) collect(t *testing.T, ctx context.Context, prefix string) map[string][]*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]*kgo.Record{}
	for topic := range ends {
		if name, ok := cutPrefix(topic, prefix); ok {
			all[name] = w.read(t, ctx, topic, ends[topic])
		}
	}
	return all
}

func cutPrefix(topic, prefix string) (string, bool) {
	if name, ok := strings.CutPrefix(topic, prefix+"."); ok {
		return name, true
	}
	if before, ok := strings.CutSuffix(topic, "."+prefix); ok {
		return before + ".PREFIX", true
	}
	return "", false
}

// read reads a topic to its end. Records of one partition come in their order, partitions one after the other.
func (w *world) read(t *testing.T, ctx context.Context, topic string, ends map[int32]kadm.ListedOffset) []*kgo.Record {
	t.Helper()
	var out []*kgo.Record
	for _, partition := range slices.Sorted(maps.Keys(ends)) {
		end := ends[partition].Offset
		if end == 0 {
			continue
		}
		client, err := kgo.NewClient(kgo.SeedBrokers(w.bootstrap...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(0)}}))
		if err != nil {
			t.Fatal(err)
		}
		for next := int64(0); next < end; {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			for _, r := range fetches.Records() {
				next = r.Offset + 1
				if !r.Attrs.IsControl() {
					out = append(out, r)
				}
			}
		}
		client.Close()
	}
	return out
}

// events takes records apart.
func (w *world) events(t *testing.T, records []*kgo.Record, prefix string) []event {
	t.Helper()
	out := make([]event, 0, len(records))
	for _, r := range records {
		e, err := takeApart(r, prefix)
		if err != nil {
			t.Errorf("%s at %d: %v", r.Topic, r.Offset, err)
		}
		out = append(out, e)
	}
	return out
}

// tandem is a run of our binary.
type tandem struct {
	process *jvm.Process
	log     *buffer
}

func startTandem(t *testing.T, dsn string, bootstrap []string, options map[string]string) *tandem {
	t.Helper()
	at, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"connector.class": "cdc.PostgresSource", "sync": "parity", "bootstrap.servers": strings.Join(bootstrap, ","),
		"database.hostname": at.Host, "database.port": fmt.Sprint(at.Port), "database.user": at.User, "database.password": at.Password, "database.dbname": at.Database,
		"offset.storage.topic": options["topic.prefix"] + "-offsets",
	}
	maps.Copy(all, options)
	name := all["name"]
	delete(all, "name")
	text, err := json.Marshal(map[string]any{"name": name, "config": all})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "parity.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out := &tandem{log: &buffer{}}
	cmd := exec.Command(binary(t), "run", file, "--listen", "off")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out.log, out.log, 5*time.Second
	if out.process, err = jvm.Begin(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.process.End(syscall.SIGKILL, time.Minute) })
	return out
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
