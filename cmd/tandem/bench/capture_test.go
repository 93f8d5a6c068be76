package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/apache"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest/debezium"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
)

// The table has rows of about 190 bytes, as facts of other sources were measured with.
const captureTable = `CREATE TABLE bench (id bigserial PRIMARY KEY, a int, b int, c int, n numeric(10,2), t text, at timestamptz); CREATE PUBLICATION tandem FOR TABLE bench`

const captureRows = `INSERT INTO bench (a, b, c, n, t, at) SELECT i, i, i, i / 7.0, repeat('t', 120), now() FROM generate_series(1, $1::int) i`

// captureRuns is how often two sides take turns: their best times are compared, since what else the machine does only makes a run slower.
const captureRuns = 3

// database is a server of its own, which nothing else uses.
type database struct {
	t      *testing.T
	server *pgserver.Server
	db     *pgx.Conn
	dsn    string
}

func captureDatabase(t *testing.T) *database {
	t.Helper()
	if !*capturing {
		t.Skip("a measurement: make bench-cdc")
	}
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	server, err := pgserver.Start(t.Context(), pgserver.Options{Settings: map[string]string{"max_wal_size": "16GB", "shared_buffers": "512MB", "max_replication_slots": "20"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	d := &database{t: t, server: server, dsn: server.DSN("postgres")}
	if d.db, err = pgx.Connect(t.Context(), d.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.db.Close(context.Background()) })
	d.exec(captureTable)
	return d
}

func (d *database) exec(sql string, args ...any) {
	d.t.Helper()
	if _, err := d.db.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

func (d *database) value(sql string, args ...any) (text string) {
	d.t.Helper()
	if err := d.db.QueryRow(d.t.Context(), sql, args...).Scan(&text); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

func (d *database) slot(name string) string {
	d.value(`SELECT slot_name::text FROM pg_create_logical_replication_slot($1, 'pgoutput')`, name)
	return name
}

// insert writes n rows, so many in a transaction.
func (d *database) insert(n, each int) {
	d.t.Helper()
	for ; n > 0; n -= each {
		d.exec(captureRows, min(n, each))
	}
}

// run has a source do c in a process of its own.
func (d *database) run(c capture) captured { return d.start(c)() }

// start is run that does not wait: the function that it returns does.
func (d *database) start(c capture) func() captured {
	d.t.Helper()
	c.DSN = d.dsn
	if c.Prefix == "" {
		c.Prefix = "crm"
	}
	what, err := json.Marshal(c)
	if err != nil {
		d.t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(d.t.Context(), os.Args[0])
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), childEnv+"="+string(what)), &out, &said
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	return func() captured {
		d.t.Helper()
		if err := cmd.Wait(); err != nil {
			d.t.Fatalf("%v: %s", err, said.Bytes())
		}
		var cost captured
		if err := json.Unmarshal(out.Bytes(), &cost); err != nil {
			d.t.Fatalf("%v: %s %s", err, out.Bytes(), said.Bytes())
		}
		return cost
	}
}

// until waits for what only the server knows.
func (d *database) until(what, sql string, args ...any) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); d.value(sql, args...) != "true"; time.Sleep(meterStep) {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: did not come true", what)
		}
	}
}

// recvlogical reads a slot up to end with PostgreSQL's own client and throws it away.
func (d *database) recvlogical(slot, end string) time.Duration {
	d.t.Helper()
	bin, err := pgserver.Find(d.t.Context(), "")
	if err != nil {
		d.t.Fatal(err)
	}
	began := time.Now()
	d.command(filepath.Join(bin, "pg_recvlogical"), "-d", d.dsn, "-S", slot, "--start", "--no-loop", "-o", "proto_version=1", "-o", "publication_names=tandem", "--endpos", end, "-f", "/dev/null")
	return time.Since(began)
}

func (d *database) command(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.CommandContext(d.t.Context(), name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// A stream that is encoded and thrown away, against PostgreSQL's own client that throws away what it reads: how much of what one walsender can give we take.
func TestCaptureStreamDiscarded(t *testing.T) {
	d := captureDatabase(t)
	n := scaled(1_000_000)
	for i := range captureRuns {
		d.slot(fmt.Sprint("ours_", i))
		d.slot(fmt.Sprint("theirs_", i))
	}
	d.insert(n, 10_000)
	end := d.value(`SELECT pg_current_wal_lsn()::text`)
	var ours []captured
	var theirs []time.Duration
	for i := range captureRuns {
		theirs = append(theirs, d.recvlogical(fmt.Sprint("theirs_", i), end))
		ours = append(ours, d.run(capture{Slot: fmt.Sprint("ours_", i), Records: uint64(n)}))
		say("pg_recvlogical %s, ours %s, of which on a processor %s", round(theirs[i]), round(ours[i].Took), round(ours[i].Processor))
	}
	best, of := quickest(ours), slices.Min(theirs)
	report(21, fmt.Sprintf("stream of %d inserts, encoded, discarded, against `pg_recvlogical` to /dev/null", n), "0.6", "0.85", "%.2f: %.0f against %.0f a second; %.2f µs of processor an event",
		of.Seconds()/best.Took.Seconds(), float64(n)/best.Took.Seconds(), float64(n)/of.Seconds(), best.Processor.Seconds()*1e6/float64(n))
	report(26, "memory, streaming (discarded)", "64 MiB", "a tenth of Debezium's", "%.0f MiB", most(ours))
}

// A snapshot that is encoded and thrown away, against COPY of the same table.
func TestCaptureSnapshotDiscarded(t *testing.T) {
	d := captureDatabase(t)
	n := scaled(5_000_000)
	d.insert(n, 500_000)
	d.exec(`VACUUM (ANALYZE) bench`)
	var ours []captured
	var theirs []time.Duration
	bin, err := pgserver.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range captureRuns {
		began := time.Now()
		d.command(filepath.Join(bin, "psql"), "-X", "-d", d.dsn, "-c", `\copy bench TO /dev/null`)
		theirs = append(theirs, time.Since(began))
		ours = append(ours, d.run(capture{Slot: fmt.Sprint("ours_", i), Snapshot: true, Records: uint64(n)}))
		say("COPY %s, ours %s, of which on a processor %s", round(theirs[i]), round(ours[i].Took), round(ours[i].Processor))
	}
	best, of := quickest(ours), slices.Min(theirs)
	report(24, fmt.Sprintf("snapshot of %d rows, encoded, discarded, against `COPY … TO STDOUT`", n), "0.3", "0.5", "%.2f: %.0f against %.0f rows a second; %.2f µs of processor a row",
		of.Seconds()/best.Took.Seconds(), float64(n)/best.Took.Seconds(), float64(n)/of.Seconds(), best.Processor.Seconds()*1e6/float64(n))
	report(27, "memory, snapshot (discarded)", "96 MiB", "a tenth of Debezium's", "%.0f MiB", most(ours))
}

// One transaction of five million rows, with protocol 1, where the server keeps it until the commit, and with 2, where we do.
func TestCaptureLargeTransaction(t *testing.T) {
	d := captureDatabase(t)
	n := scaled(5_000_000)
	for i, protocol := range []string{"1", "2"} {
		slot := d.slot("ours_" + protocol)
		child := d.start(capture{Slot: slot, Records: uint64(n), Extra: map[string]string{"protocol.version": protocol}})
		d.until("the source streams", `SELECT active::text FROM pg_replication_slots WHERE slot_name = $1`, slot)
		began := time.Now()
		d.insert(n, n)
		committed := time.Now()
		cost := child()
		server := d.value(`SELECT pg_size_pretty(spill_bytes) || ' spilled, ' || pg_size_pretty(stream_bytes) || ' streamed' FROM pg_stat_replication_slots WHERE slot_name = $1`, slot)
		report(28+i, fmt.Sprintf("memory, one transaction of %d rows (discarded), protocol %s", n, protocol), "128 MiB", "a tenth of Debezium's",
			"%.0f MiB; all of it %s after its commit (the insert took %s); %s of processor; the server: %s", cost.MemoryMiB, round(time.Since(committed)), round(committed.Sub(began)), round(cost.Processor), server)
		d.value(`SELECT pg_drop_replication_slot($1)::text`, slot)
		d.exec(`TRUNCATE bench`)
	}
}

// The stream and the snapshot into Apache Kafka, ours and Debezium's, from the first record in the topic to the last.
func TestCaptureIntoKafka(t *testing.T) {
	d := captureDatabase(t)
	broker := kafkatest.SharedApache(t)[0]
	n, rows := scaled(1_000_000), scaled(5_000_000)
	peer := debezium.Missing() == nil
	ours := d.slot("ours")
	var worker *debezium.Worker
	if peer {
		worker = d.debezium(broker, "stream", "no_data")
		if err := worker.AwaitStreaming(t.Context()); err != nil {
			t.Fatal(err)
		}
		worker.Halt()
	}
	d.insert(n, 10_000)

	meter := newTopicMeter(t, broker)
	done := meter.watch("ours.public.bench", int64(n))
	cost := d.run(capture{Slot: ours, Prefix: "ours", Bootstrap: broker, Records: uint64(n)})
	pace := done()
	said := fmt.Sprintf("ours %.0f a second, %.0f MiB", pace, cost.MemoryMiB)
	if peer {
		done := meter.watch("stream.public.bench", int64(n))
		if err := worker.Resume(); err != nil {
			t.Fatal(err)
		}
		theirs := done()
		said = fmt.Sprintf("%.1f ×: ours %.0f a second, %.0f MiB; Debezium %.0f, %.0f MiB", pace/theirs, pace, cost.MemoryMiB, theirs, d.stop(worker))
	}
	report(22, fmt.Sprintf("stream of %d inserts into Apache Kafka, against Debezium", n), "3 ×", "5 ×", "%s", said)

	d.insert(rows-n, 500_000)
	d.exec(`VACUUM (ANALYZE) bench`)
	done = meter.watch("snap.public.bench", int64(rows))
	cost = d.run(capture{Slot: "snap", Prefix: "snap", Bootstrap: broker, Records: uint64(rows), Snapshot: true})
	pace = done()
	said = fmt.Sprintf("ours %.0f a second, %.0f MiB", pace, cost.MemoryMiB)
	if peer {
		done := meter.watch("dbzsnap.public.bench", int64(rows))
		worker := d.debezium(broker, "dbzsnap", "initial_only")
		theirs := done()
		said = fmt.Sprintf("%.1f ×: ours %.0f a second, %.0f MiB; Debezium %.0f, %.0f MiB", pace/theirs, pace, cost.MemoryMiB, theirs, d.stop(worker))
	}
	report(23, fmt.Sprintf("snapshot of %d rows into Apache Kafka, against Debezium", rows), "4 ×", "8 ×", "%s", said)
}

func (d *database) debezium(broker, prefix, mode string) *debezium.Worker {
	d.t.Helper()
	worker, err := debezium.Start(d.t.Context(), debezium.Config{Bootstrap: broker, DSN: d.dsn, Peak: true, Heap: "1g", Connector: map[string]string{
		"topic.prefix": prefix, "slot.name": prefix, "publication.name": "tandem", "publication.autocreate.mode": "disabled", "table.include.list": "public.bench", "snapshot.mode": mode,
	}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(worker.Stop)
	return worker
}

// stop ends a worker and says what it needed, in MiB.
func (d *database) stop(worker *debezium.Worker) float64 {
	d.t.Helper()
	used, err := worker.Usage()
	if err != nil {
		d.t.Fatal(err)
	}
	worker.Stop()
	return float64(used.Peak) / (1 << 20)
}

// topicMeter looks at how many records a topic has.
type topicMeter struct {
	t     *testing.T
	admin *kadm.Client
}

func newTopicMeter(t *testing.T, broker string) *topicMeter {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &topicMeter{t, kadm.NewClient(client)}
}

const meterStep = 20 * time.Millisecond

// watch begins to look; the function that it returns waits for the last record and gives the pace since the first.
func (m *topicMeter) watch(topic string, want int64) func() float64 {
	m.t.Helper()
	if _, err := m.admin.CreateTopic(m.t.Context(), 1, 1, nil, topic); err != nil {
		m.t.Fatal(err)
	}
	pace := make(chan float64, 1)
	go func() {
		defer close(pace)
		var first time.Time
		var had int64
		for m.t.Context().Err() == nil {
			ends, err := m.admin.ListCommittedOffsets(m.t.Context(), topic) // the ends of transactions count too: some dozens in a million
			end, ok := ends.Lookup(topic, 0)
			switch {
			case err != nil || !ok || end.Err != nil:
			case first.IsZero() && end.Offset > 0:
				first, had = time.Now(), end.Offset
			case end.Offset >= want:
				pace <- float64(want-had) / time.Since(first).Seconds()
				return
			}
			time.Sleep(meterStep)
		}
	}()
	return func() float64 { return <-pace }
}

func quickest(all []captured) captured {
	return slices.MinFunc(all, func(a, b captured) int { return int(a.Took - b.Took) })
}

func most(all []captured) (mib float64) {
	for _, c := range all {
		mib = max(mib, c.MemoryMiB)
	}
	return mib
}

// What the figures are of.
func TestCaptureMachine(t *testing.T) {
	d := captureDatabase(t)
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	load, _ := os.ReadFile("/proc/loadavg")
	_, model, _ := strings.Cut(string(cpu), "model name\t: ")
	model, _, _ = strings.Cut(model, "\n")
	info, _ := debug.ReadBuildInfo()
	say("%d cores of %s, load %s; PostgreSQL %s; Apache Kafka %s; Debezium %s; %s", runtime.NumCPU(), model, strings.TrimSpace(string(load)),
		d.value(`SHOW server_version`), apache.Version, debezium.Version, info.GoVersion)
}
