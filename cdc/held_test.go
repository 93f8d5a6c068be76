package cdc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/cdc/spill"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// processed is what differs between two that read the same: when they did.
var processed = regexp.MustCompile(`,"op":"(\w)","ts_ms":\d+,"ts_us":\d+,"ts_ns":\d+}$|^{"op":"(m)","ts_ms":\d+`)

// told gives records as text, without what differs.
func told(records []Record) []string {
	var out []string
	for _, r := range records {
		if strings.HasPrefix(string(r.Value), `{"status":`) && len(out) < 2 {
			continue // of the first transaction, whose place is not one
		}
		out = append(out, fmt.Sprintf("%s %s %s", r.Topic, r.Key, processed.ReplaceAll(r.Value, []byte(`"op":"$1$2"`))))
	}
	return out
}

// streamed makes the server send what runs: the smallest memory that it takes.
func streamed(t *testing.T, w *world) {
	t.Helper()
	w.exec(t, fmt.Sprintf(`ALTER DATABASE %s SET logical_decoding_work_mem = '64kB'`, pgx.Identifier{dsnName(w.dsn)}.Sanitize()))
}

const heldTables = `CREATE TABLE a (id int PRIMARY KEY, v text, big text); ALTER TABLE a ALTER big SET STORAGE EXTERNAL; CREATE TABLE b (x int, y int, v text, PRIMARY KEY (y, x)); ALTER TABLE b REPLICA IDENTITY FULL;
	CREATE TABLE c (id int PRIMARY KEY, v text)`

// What comes while transactions run is what comes after they committed: the same WAL, read with protocol 1 and with 2 and 3, gives the same records, byte for byte. There
// are large transactions side by side with small ones, rollbacks, savepoints within savepoints, tables that are altered in what is rolled back and in what is not.
func TestStreamedTransactionsAreTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), heldTables)
	w.config.Messages, w.config.TransactionInfo, w.config.Skipped = true, true, []string{"none"}
	streamed(t, w)
	worlds := []*world{w}
	for _, protocol := range []int{protocolStreaming, protocolTwoPhase} {
		other := *w
		other.kafka, other.offsets = newTopicLog(), &memoryOffsets{}
		other.config.Slot += fmt.Sprint("_", protocol)
		other.config.Protocol, other.config.SpillDir = protocol, t.TempDir()
		worlds = append(worlds, &other)
	}
	for _, w := range worlds {
		w.start(t)
	}
	w.exec(t, `INSERT INTO c VALUES (-2, 'first')`) // before it each has its own slot's place for the last commit
	busy(t, w)
	w.exec(t, `INSERT INTO c VALUES (-1, 'last')`)
	last := func(records []Record) bool {
		n := len(records)
		return n > 1 && strings.Contains(string(records[n-2].Value), `"last"`) && strings.Contains(string(records[n-1].Value), `"END"`)
	}
	want := told(w.kafka.await(t, "the last row, with protocol 1", last))[1:]
	for _, other := range worlds[1:] {
		got := told(other.kafka.await(t, fmt.Sprintf("the last row, with protocol %d", other.config.Protocol), last))[1:]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("protocol %d, %d records instead of %d (-want +got):\n%.4000s", other.config.Protocol, len(got), len(want), diff)
		}
		count := w.value(t, `SELECT stream_txns::text FROM pg_stat_replication_slots WHERE slot_name = $1`, other.config.Slot)
		if count == "0" {
			t.Errorf("protocol %d: the server streamed nothing, so this shows nothing", other.config.Protocol)
		}
		if left, _ := os.ReadDir(other.config.SpillDir); len(left) > 0 {
			t.Errorf("protocol %d left %v", other.config.Protocol, left)
		}
	}
}

// busy is what the test before reads.
func busy(t *testing.T, w *world) {
	t.Helper()
	rows := func(table, from, to string) string {
		return `INSERT INTO ` + table + ` (id, v) SELECT i, 'row ' || i FROM generate_series(` + from + `, ` + to + `) i;`
	}
	side := w.connect(t)
	other := func(sql string) {
		t.Helper()
		if _, err := side.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	w.exec(t, `BEGIN; `+rows("a", "1", "2000"))
	other(`BEGIN; ` + rows("c", "1", "2000"))
	other(`INSERT INTO b VALUES (1, 2, 'small and early')`)
	w.exec(t, `SAVEPOINT one; `+rows("a", "2001", "4000")+`SAVEPOINT two; INSERT INTO a SELECT i, 'x', repeat('y', 2500) FROM generate_series(4001, 4100) i; ROLLBACK TO two;
		`+rows("a", "5001", "7000")+`UPDATE a SET v = 'changed' WHERE id BETWEEN 100 AND 400; ROLLBACK TO one; SELECT pg_logical_emit_message(true, 'kept', 'm')`)
	other(`SAVEPOINT ddl; ALTER TABLE c ADD gone int DEFAULT 5; ` + rows("c", "2001", "4000") + `ROLLBACK TO ddl; ` + rows("c", "4001", "6000"))
	other(`COMMIT`)
	w.exec(t, `UPDATE a SET id = id + 100000, v = NULL WHERE id <= 900; DELETE FROM a WHERE id BETWEEN 1000 AND 1400; SAVEPOINT three; ALTER TABLE a RENAME v TO w; ALTER TABLE a ADD z int NOT NULL DEFAULT 7;
		INSERT INTO a (id, w) SELECT i, 'renamed' FROM generate_series(8001, 10000) i; RELEASE three; TRUNCATE b; CREATE TABLE made (id int PRIMARY KEY); COMMIT`)
	w.exec(t, `BEGIN; `+rows("c", "20000", "23000")+` ROLLBACK`)
	w.exec(t, `INSERT INTO a (id, w) VALUES (0, 'after'); INSERT INTO c VALUES (0, 'after'); UPDATE c SET v = 'more' WHERE id < 3000`)
	w.exec(t, `DO $$ BEGIN FOR i IN 30000..31000 LOOP BEGIN INSERT INTO c VALUES (i, 'sub'); IF i % 3 = 0 THEN RAISE 'no'; END IF; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$`)
}

// Where the limit is reached the source stops, and says what to do; with more room it goes on where it was, and nothing is missing.
func TestNoRoomForALargeTransaction(t *testing.T) {
	t.Parallel()
	for name, cramp := range map[string]func(*Config){
		"limit":  func(c *Config) { c.SpillBytesMax = 1 << 20 },
		"folder": func(c *Config) { c.SpillDir = "/proc/no/such/folder" },
		"disk":   func(c *Config) { c.spillFile = fullDisk(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgtest.Database(t), heldTables)
			streamed(t, w)
			w.config.Protocol, w.config.SpillDir = protocolStreaming, t.TempDir()
			enough := w.config
			cramp(&w.config)
			s := w.source(t)
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			w.exec(t, `INSERT INTO c VALUES (0, 'before')`)
			w.kafka.awaitCount(t, 1)
			eventually(t, "its position is stored", func() bool {
				return w.value(t, `SELECT (confirmed_flush_lsn >= pg_current_wal_lsn())::text FROM pg_replication_slots WHERE slot_name = $1`, w.config.Slot) == "true"
			})
			w.exec(t, `INSERT INTO c SELECT i, repeat('x', 300) FROM generate_series(1, 10000) i`)
			<-s.Done()
			full := (*spill.Error)(nil)
			if name == "disk" && !errors.Is(s.Err(), syscall.ENOSPC) {
				t.Errorf("got %v, want the system's word that the disk is full", s.Err())
			}
			if !errors.As(s.Err(), &full) || !strings.Contains(s.Err().Error(), "protocol.version=1") {
				t.Fatalf("got %v", s.Err())
			}
			w.config = enough
			w.start(t)
			records := w.kafka.awaitCount(t, 10_001)
			if len(records) != 10_001 || string(records[1].Key) != `{"id":1}` || string(records[10_000].Key) != `{"id":10000}` {
				t.Errorf("%d records, from %s to %s", len(records), records[1].Key, records[len(records)-1].Key)
			}
		})
	}
}

// fullDisk gives files that the system lets nobody write to: no space left on device. They have a name of their own, since whoever is given one removes it.
func fullDisk(t *testing.T) func(dir, pattern string) (*os.File, error) {
	t.Helper()
	return func(dir, pattern string) (*os.File, error) {
		fd, err := syscall.Open("/dev/full", syscall.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), filepath.Join(dir, pattern)), nil
	}
}

// A prepared transaction is told of when it is committed, once, also when the source was started again between the two.
func TestPreparedTransactions(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	w := newWorld(t, server.DSN("postgres"), heldTables+`; CREATE PUBLICATION tandem FOR ALL TABLES`)
	w.exec(t, `ALTER SYSTEM SET max_prepared_transactions = 10`)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.db = w.connect(t)
	streamed(t, w)
	w.value(t, `SELECT slot_name::text FROM pg_create_logical_replication_slot($1, 'pgoutput', false, true)`, w.config.Slot)
	w.config.SnapshotMode, w.config.Protocol, w.config.SpillDir = SnapshotNoData, protocolTwoPhase, t.TempDir()
	s := w.start(t)
	w.exec(t, `BEGIN; INSERT INTO c VALUES (1, 'first'); PREPARE TRANSACTION 'one'`)
	w.exec(t, `BEGIN; INSERT INTO a SELECT i, 'streamed' FROM generate_series(1, 3000) i; PREPARE TRANSACTION 'two'`)
	w.exec(t, `BEGIN; INSERT INTO c VALUES (2, 'never'); PREPARE TRANSACTION 'three'`)
	w.exec(t, `INSERT INTO c VALUES (3, 'beside')`)
	wantRecords(t, w, `c {"id":3}`)
	w.exec(t, `COMMIT PREPARED 'one'`)
	wantRecords(t, w, `c {"id":3}`, `c {"id":1}`)
	s.Stop()
	w.start(t)
	w.exec(t, `ROLLBACK PREPARED 'three'`)
	w.exec(t, `COMMIT PREPARED 'two'`)
	w.exec(t, `INSERT INTO c VALUES (4, 'last')`)
	records := w.kafka.await(t, "the last row", func(r []Record) bool { return len(r) > 0 && string(r[len(r)-1].Key) == `{"id":4}` })
	seen := map[string]int{}
	for _, r := range records {
		seen[r.Topic+string(r.Key)]++
	}
	if seen[`crm.public.c{"id":2}`] > 0 || seen[`crm.public.a{"id":1}`] != 1 || seen[`crm.public.a{"id":3000}`] != 1 || len(seen) != 3003 {
		t.Errorf("%d keys; rolled back: %d times", len(seen), seen[`crm.public.c{"id":2}`])
	}
	eventually(t, "the position moves again", func() bool {
		return w.value(t, `SELECT (confirmed_flush_lsn > (SELECT pg_current_wal_lsn() - 1000))::text FROM pg_replication_slots WHERE slot_name = $1`, w.config.Slot) == "true"
	})
}
