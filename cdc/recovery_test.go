package cdc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

const counters = `CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter SELECT i, 0 FROM generate_series(1, 50) i`

// writers count rows up, each from a connection of its own, until stop is called.
func writers(t *testing.T, w *world) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range 4 {
		conn, err := pgx.Connect(ctx, w.dsn)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer conn.Close(context.Background())
			for n := i; ctx.Err() == nil; n += 7 {
				// Two rows a transaction, in key order; now and then it is rolled back.
				sql := fmt.Sprintf(`BEGIN; UPDATE counter SET n = n + 1 WHERE id = %d; UPDATE counter SET n = n + 1 WHERE id = %d; %s`,
					n%25+1, n%25+26, map[bool]string{true: "ROLLBACK", false: "COMMIT"}[n%10 == 3])
				if _, err := conn.Exec(context.Background(), sql); err != nil {
					if ctx.Err() == nil && !conn.IsClosed() {
						t.Errorf("write: %v", err)
					}
					return
				}
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); all.Wait() })
}

// story collects what was told of each row.
func story(t *testing.T, records []Record) map[string][]int {
	t.Helper()
	told := map[string][]int{}
	for _, r := range records {
		n, _ := decoded(t, r).After.Text("n")
		value, err := strconv.Atoi(n)
		if err != nil {
			t.Fatalf("record %s %s: %v", r.Key, r.Value, err)
		}
		told[string(r.Key)] = append(told[string(r.Key)], value)
	}
	return told
}

// whole waits until every row's last state was told.
func whole(t *testing.T, w *world) map[string][]int {
	t.Helper()
	want := map[string]int{}
	rows, _ := w.db.Query(t.Context(), `SELECT id, n FROM counter`)
	var id, n int
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error { want[fmt.Sprintf(`{"id":%d}`, id)] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return story(t, w.kafka.await(t, "the last state of every row", func(records []Record) bool {
		told := story(t, records)
		for key, n := range want {
			if len(told[key]) == 0 || told[key][len(told[key])-1] != n {
				return false
			}
		}
		return true
	}))
}

// The snapshot ends where the stream begins: of every row each number is told once, without a hole.
func TestHandoverHasNoGapAndNoRepeat(t *testing.T) {
	t.Parallel()
	for _, adopted := range []bool{false, true} {
		t.Run(fmt.Sprintf("adopted slot %t", adopted), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), counters)
			if adopted { // a careful owner made slot and publication, and much happened since
				w.exec(t, `CREATE PUBLICATION tandem FOR ALL TABLES`)
				w.value(t, `SELECT slot_name::text FROM pg_create_logical_replication_slot($1, 'pgoutput')`, w.config.Slot)
			}
			stop := writers(t, w)
			defer stop()
			eventually(t, "writes", func() bool { return w.value(t, `SELECT max(n)::text FROM counter`) > "5" })
			w.start(t)
			w.kafka.awaitCount(t, 400)
			stop()
			for key, numbers := range whole(t, w) {
				for i, n := range numbers {
					if n != numbers[0]+i {
						t.Fatalf("%s: told %v: a gap or a repeat at %d", key, numbers, i)
					}
				}
			}
		})
	}
}

// Connections are cut, the server restarts: repeats are allowed, holes are not, and order stays.
func TestNothingIsLostWhenConnectionsDie(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), counters)
	stop := writers(t, w)
	defer stop()
	w.start(t)
	for range 6 {
		before := w.kafka.len()
		w.kafka.awaitCount(t, before+100)
		w.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tandem' AND datname = current_database()`)
	}
	stop()
	noHoles(t, whole(t, w))
}

// noHoles accepts repeats: after one, everything since is repeated too.
func noHoles(t *testing.T, told map[string][]int) {
	t.Helper()
	for key, numbers := range told {
		most := numbers[0]
		for i, n := range numbers[1:] {
			if n > most+1 || n > numbers[i]+1 {
				t.Fatalf("%s: told %v: a hole before %d", key, numbers, n)
			}
			most = max(most, n)
		}
	}
}

func TestServerRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	w := newWorld(t, server.DSN("postgres"), counters)
	w.start(t)
	for i := range 3 {
		if i == 1 {
			server.Kill()
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.db = w.connect(t)
		w.exec(t, `UPDATE counter SET n = n + 1`)
		noHoles(t, whole(t, w))
	}
}

// Kafka refuses in the middle of a long transaction: what it took of it is not sent again, but for what was in flight.
func TestLongTransactionResumesInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, protocol := range []int{protocolWhole, protocolStreaming} {
		t.Run(fmt.Sprintf("protocol %d", protocol), func(t *testing.T) { t.Parallel(); resumesInTheMiddle(t, protocol) })
	}
}

func resumesInTheMiddle(t *testing.T, protocol int) {
	const rows = 20_000
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE big (id int PRIMARY KEY)`)
	w.atLeastOnce()
	streamed(t, w)
	w.config.Protocol, w.config.SpillDir = protocol, t.TempDir()
	w.start(t)
	w.exec(t, `INSERT INTO big VALUES (0)`)
	w.kafka.awaitCount(t, 1)
	go func() {
		for w.kafka.len() < rows/2 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(150 * time.Millisecond) // more than the offset's interval
		w.kafka.setRefuse(retryableError{})
		time.Sleep(300 * time.Millisecond)
		w.kafka.setRefuse(nil)
	}()
	w.exec(t, `INSERT INTO big SELECT generate_series(1, $1)`, rows)
	records := w.kafka.await(t, "all rows", func(r []Record) bool { return len(r) > 0 && string(r[len(r)-1].Key) == fmt.Sprintf(`{"id":%d}`, rows) })
	next := 0
	for _, r := range records {
		var id int
		if _, err := fmt.Sscanf(string(r.Key), `{"id":%d}`, &id); err != nil {
			t.Fatal(err)
		}
		if id > next {
			t.Fatalf("row %d came where %d was due", id, next)
		}
		next = id + 1
	}
	if repeats := len(records) - rows - 1; repeats > rows/4 {
		t.Errorf("%d of %d rows were sent again", repeats, rows)
	}
}

type retryableError struct{}

func (retryableError) Error() string   { return "kafka is away" }
func (retryableError) Retryable() bool { return true }

// A transaction larger than memory must not be held in it: while Kafka does not answer, reading stops.
func TestTransactionsOfAnySizeAreBounded(t *testing.T) {
	t.Parallel()
	const rows = 30_000
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE big (id int PRIMARY KEY, filler text)`)
	w.atLeastOnce()
	w.config.InFlightBytesMax, w.config.RecordBytesMax = 1<<20, 1<<19
	w.start(t)
	w.kafka.setHold(true)
	w.exec(t, `INSERT INTO big SELECT i, repeat('x', 500) FROM generate_series(1, $1) i`, rows)
	w.kafka.await(t, "the budget to be used up", func(r []Record) bool {
		return len(r) >= 500
	})
	time.Sleep(1500 * time.Millisecond) // long enough for the reader to look up, and to go on if it did not stop
	if n := w.kafka.len(); n > 1<<20/500 {
		t.Errorf("%d records are in flight, of a budget of one MiB", n)
	}
	w.kafka.setHold(false)
	w.kafka.awaitCount(t, rows)
}

// PostgreSQL must not think that we are dead because Kafka is.
func TestKafkaAwayForLongerThanTheServersPatience(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	w := newWorld(t, dsn, `CREATE TABLE big (id int PRIMARY KEY, filler text); ALTER DATABASE `+dsnName(dsn)+` SET wal_sender_timeout = '3s'`)
	w.atLeastOnce()
	w.config.InFlightBytesMax, w.config.RecordBytesMax = 1<<20, 1<<19
	w.start(t)
	pid := func() string {
		return w.value(t, `SELECT coalesce(active_pid, 0)::text FROM pg_replication_slots WHERE slot_name = $1`, w.config.Slot)
	}
	eventually(t, "the stream", func() bool { return pid() != "0" }) // the tables are read before it begins
	before := pid()
	w.kafka.setHold(true)
	w.exec(t, `INSERT INTO big SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i`)
	time.Sleep(5 * time.Second)
	if after := pid(); after != before {
		t.Errorf("the stream was served by %s and is by %s: it was cut", before, after)
	}
	w.kafka.setHold(false)
	w.kafka.awaitCount(t, 20_000)
}

// Invariant 1: PostgreSQL keeps what Kafka has not acknowledged, whatever keepalives say.
func TestConfirmedIsNeverAheadOfKafka(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.atLeastOnce()
	s := w.start(t)
	confirmed := func() change.LSN {
		lsn, err := change.ParseLSN(w.value(t, `SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1`, w.config.Slot))
		if err != nil {
			t.Fatal(err)
		}
		return lsn
	}
	w.kafka.setHold(true)
	w.exec(t, `INSERT INTO contact (name) VALUES ('held')`)
	commit := decoded(t, w.kafka.awaitCount(t, 1)[0]).Source.LSN
	w.exec(t, `CREATE TABLE noise AS SELECT generate_series(1, 10000)`) // not published: makes keepalives
	time.Sleep(800 * time.Millisecond)
	if got := confirmed(); got > commit {
		t.Errorf("confirmed %s, but the change at %s is not acknowledged", got, commit)
	}
	w.kafka.setHold(false)
	end, _ := change.ParseLSN(w.value(t, `SELECT pg_current_wal_lsn()::text`))
	eventually(t, "the confirmed position to follow", func() bool { return confirmed() >= end })
	if got := s.Status(); got.Confirmed < end || got.Phase != "streaming" || got.Records != 1 || time.Since(got.Committed) > time.Minute || got.ServerEnd < end {
		t.Errorf("status: %+v", got)
	}
}

// Other databases write, ours does not: their WAL must not be kept for us.
func TestIdleDatabaseKeepsNoWAL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.start(t)
	busy := newWorld(t, pgtest.Database(t), `CREATE TABLE noise (x int)`)
	for range 3 {
		busy.exec(t, `INSERT INTO noise SELECT generate_series(1, 10000)`)
		end, _ := change.ParseLSN(w.value(t, `SELECT pg_current_wal_lsn()::text`))
		eventually(t, "the slot to follow", func() bool {
			at, _ := change.ParseLSN(w.value(t, `SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1`, w.config.Slot))
			return at >= end
		})
	}
}

// The second copy waits, also while the first reads tables, and takes over where the first stopped.
func TestSecondCopyWaitsItsTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), counters)
	w.atLeastOnce()
	w.kafka.setHold(true) // the first stays in its snapshot
	first := w.begin(t)
	w.kafka.awaitCount(t, 50)
	second := w.begin(t)
	time.Sleep(300 * time.Millisecond) // several looks
	if got := second.Status().Phase; got != "connecting" || w.kafka.len() != 50 {
		t.Fatalf("the second is in phase %s with %d records", got, w.kafka.len())
	}
	w.kafka.setHold(false)
	w.exec(t, `UPDATE counter SET n = n + 1`)
	w.kafka.awaitCount(t, 100)
	first.Stop()
	w.exec(t, `UPDATE counter SET n = n + 1`)
	if records := w.kafka.awaitCount(t, 150); len(records) != 150 {
		t.Errorf("got %d records, want 150: something doubled", len(records))
	}
	if got := second.Status().Phase; got != "streaming" {
		t.Errorf("the second is in phase %s", got)
	}
}

// A snapshot of which Kafka acknowledged nothing reads all again. It keeps the slot: rows of the first attempt may be in Kafka all the same, and what
// happened to them since must follow, also where the second attempt has seen it.
func TestSnapshotThatWasCutShortBeginsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), counters)
	w.atLeastOnce()
	w.config.DrainTimeout = 0
	w.kafka.setHold(true)
	s := w.begin(t)
	w.kafka.awaitCount(t, 50)
	s.Stop() // nothing was acknowledged: as a crash
	if w.offsets.get("snapshot") != snapshotRunning {
		t.Fatalf("stored offset: %v", w.offsets.entry)
	}
	w.exec(t, `UPDATE counter SET n = 1`)
	w.kafka.setHold(false)
	w.start(t)
	for _, r := range w.kafka.awaitCount(t, 100)[50:100] {
		if e := decoded(t, r); e.Op != change.Read || string(r.Key) == "" {
			t.Errorf("after the restart: %s %s", e.Op, r.Key)
		}
	}
	w.exec(t, `UPDATE counter SET n = 2`)
	for key, numbers := range whole(t, w) {
		if fmt.Sprint(numbers) != "[0 1 1 2]" {
			t.Errorf("%s: told %v", key, numbers)
		}
	}
}

// dropSlot drops the slot once its walsender has noticed that we are gone.
func (w *world) dropSlot(t *testing.T) {
	t.Helper()
	w.exec(t, `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active`, w.config.Slot)
	const drop = `SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active`
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if w.value(t, drop, w.config.Slot) == "1" {
			return
		}
	}
	t.Fatal("the slot is still in use")
}

// Going on over a hole would leave the topics wrong for ever, and nobody would know.
func TestLostChangesStopTheConnector(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), counters)
	s := w.start(t)
	s.Stop()
	w.dropSlot(t)
	w.exec(t, `UPDATE counter SET n = 1`)
	err := w.source(t).Start(t.Context())
	if lost := (*LostError)(nil); !errors.As(err, &lost) {
		t.Fatalf("got %v", err)
	}
	w.config.SnapshotMode = SnapshotWhenNeeded
	w.start(t)
	for _, r := range w.kafka.awaitCount(t, 100)[50:] {
		if n, _ := decoded(t, r).After.Text("n"); n != "1" {
			t.Errorf("%s: %s", r.Key, r.Value)
		}
	}
}
