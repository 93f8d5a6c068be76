package cdc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// memorySignals is a channel of signals in memory. It remembers all, as a topic does, and begins again where it is told to.
type memorySignals struct {
	mu      sync.Mutex
	all     []SignalRecord
	next    int
	changed chan struct{} // closed and replaced at every signal
}

func newMemorySignals() *memorySignals { return &memorySignals{changed: make(chan struct{})} }

func (m *memorySignals) Begin(_ context.Context, position string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next, _ = strconv.Atoi(position) // "": the beginning
	return strconv.Itoa(m.next), nil
}

func (m *memorySignals) Next(ctx context.Context) (SignalRecord, error) {
	for {
		m.mu.Lock()
		changed := m.changed
		if m.next < len(m.all) {
			defer m.mu.Unlock()
			m.next++
			return m.all[m.next-1], nil
		}
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return SignalRecord{}, ctx.Err()
		}
	}
}

func (m *memorySignals) send(value string) { m.sendKeyed("crm", value) }

func (m *memorySignals) sendKeyed(key, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, SignalRecord{Key: []byte(key), Value: []byte(value), Position: strconv.Itoa(len(m.all) + 1)})
	close(m.changed)
	m.changed = make(chan struct{})
}

func executeSignal(tables ...string) string {
	return `{"type":"execute-snapshot","data":{"data-collections":["` + strings.Join(tables, `","`) + `"],"type":"INCREMENTAL"}}`
}

// startWith starts a source that listens.
func (w *world) startWith(t *testing.T, signals Signals) *Source {
	t.Helper()
	w.signals = signals
	return w.start(t)
}

// ended waits until so many tables have been read, or given up, since the beginning.
func (w *world) ended(t *testing.T, s *Source, n int) []TableEnd {
	t.Helper()
	eventually(t, fmt.Sprintf("the end of %d incremental snapshots", n), func() bool { return len(s.Incremental().Ended) >= n })
	return s.Incremental().Ended
}

// A synchronous standby that is away holds up commits. Those of the watermarks do not wait for it, or the stream would.
func TestIncrementalSnapshotWithoutTheSynchronousStandby(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	w := newWorld(t, server.DSN("postgres"), `CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 50); SET synchronous_commit = local`)
	w.config.SnapshotMode, w.config.ChunkSize = SnapshotNoData, 10
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	w.exec(t, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	w.exec(t, `SELECT pg_reload_conf()`)
	eventually(t, "the setting", func() bool { return ask(t, server, `SHOW synchronous_standby_names`) == "nobody" })
	w.exec(t, `BEGIN; INSERT INTO a SELECT generate_series(1001, 1500)`) // it is in the WAL, and nobody sends it, until a watermark has it written to disk
	signals.send(executeSignal("public.a"))
	if end := w.ended(t, s, 1)[0]; end.Why != "" || end.Rows != 50 {
		t.Errorf("what became of it: %+v", end)
	}
}

// The records of a chunk have the key that message.key.columns names, as those of the stream have, and a change of a row in the meantime stands behind it.
func TestIncrementalSnapshotWithAnotherKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY, mail text NOT NULL, n int); ALTER TABLE a REPLICA IDENTITY FULL; INSERT INTO a SELECT i, 'm' || i, 0 FROM generate_series(1, 30) i;
		CREATE TABLE keyless (mail text, n int); ALTER TABLE keyless REPLICA IDENTITY FULL; INSERT INTO keyless VALUES ('m1', 0), ('m2', 0)`)
	w.config.SnapshotMode, w.config.ChunkSize, w.config.MessageKeys = SnapshotNoData, 10, `public\.(a|keyless):mail`
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	signals.send(executeSignal("public.a", "public.keyless"))
	for i := range 30 {
		w.exec(t, fmt.Sprintf(`UPDATE a SET n = n + 1 WHERE id = %d`, i%10+20))
	}
	w.ended(t, s, 2)
	w.exec(t, `INSERT INTO a VALUES (100, 'last', 0)`)
	read, newest := 0, map[string]string{}
	for _, r := range w.kafka.await(t, "the stream", func(r []Record) bool { return string(r[len(r)-1].Key) == `{"mail":"last"}` }) {
		e := decoded(t, r)
		if e.Op == change.Read {
			read++
		}
		var mail, n string
		for _, c := range e.After {
			switch c.Name {
			case "mail":
				mail = string(c.JSON)
			case "n":
				n = string(c.JSON)
			}
		}
		if want := `{"mail":` + mail + `}`; string(r.Key) != want {
			t.Errorf("%s: key %s, want %s", e.Op, r.Key, want)
		}
		newest[r.Topic+" "+mail] = n
	}
	for id := range 10 {
		if n := newest[fmt.Sprintf(`crm.public.a "m%d"`, id+20)]; n != "3" {
			t.Errorf("the newest of row %d has n = %s, want 3", id+20, n)
		}
	}
	if read != 32 {
		t.Errorf("%d rows were read, want 32", read)
	}
}

// Rows that were there before the connector, and that it was told not to read, are read when somebody asks: in the order of their key, and the stream goes on.
func TestIncrementalSnapshotOfATable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT i, 'row ' || i FROM generate_series(1, 2500) i;
		CREATE TABLE b (x text, y int, v text, PRIMARY KEY (y, x)); INSERT INTO b SELECT 'x''\' || (i % 7), i / 7, 'v' FROM generate_series(0, 99) i;
		CREATE TABLE keyless (t text); ALTER TABLE keyless REPLICA IDENTITY FULL; INSERT INTO keyless SELECT repeat('k', 500) || (i % 50) FROM generate_series(1, 1500) i;
		CREATE TABLE empty (id int PRIMARY KEY)`)
	w.config.SnapshotMode, w.config.ChunkSize = SnapshotNoData, 100
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	signals.send(executeSignal(`public\\..*`))
	w.ended(t, s, 4)
	w.exec(t, `INSERT INTO a VALUES (9999, 'streamed')`)
	records := w.kafka.await(t, "the stream", func(r []Record) bool { return len(r) > 0 && strings.Contains(string(r[len(r)-1].Value), "streamed") })
	topics := map[string][]string{}
	for _, r := range records[:len(records)-1] {
		e := decoded(t, r)
		if e.Op != change.Read || e.Source.Snapshot != change.SnapshotIncremental || e.Source.TxID != 0 {
			t.Fatalf("%s is no row of an incremental snapshot", r.Value)
		}
		topics[r.Topic] = append(topics[r.Topic], string(r.Key))
	}
	for topic, want := range map[string]int{"crm.public.a": 2500, "crm.public.b": 100, "crm.public.keyless": 1500, "crm.public.empty": 0} {
		if got := len(topics[topic]); got != want {
			t.Errorf("%s: %d rows, want %d", topic, got, want)
		}
	}
	for i, key := range topics["crm.public.a"] {
		if want := fmt.Sprintf(`{"id":%d}`, i+1); key != want {
			t.Fatalf("row %d has key %s", i, key)
		}
	}
	if got := topics["crm.public.b"][8]; got != `{"y":1,"x":"x'\\1"}` {
		t.Errorf("the ninth key: %s", got)
	}
}

// Tables are read while they are written to, by sources that are stopped and started in between, exactly once or not, in every protocol: a consumer ends with the tables' rows, large values
// that updates leave alone included, although it knew none of them before.
func TestIncrementalSnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		protocol int
		exactly  bool
		starts   int
	}{{"protocol 1, once", 1, true, 3}, {"protocol 1", 1, false, 3}, {"protocol 2", 2, false, 2}, {"protocol 2, once, streamed", 2, true, 2}, {"protocol 3, once, prepared", 3, true, 3},
		{"protocol 4, prepared", 4, false, 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.protocol == protocolParallel {
				pgtest.Since(t, 16, "protocol 4")
			}
			w := largeWorld(t, c.protocol, strings.Contains(c.name, "streamed"))
			if !c.exactly {
				w.atLeastOnce()
			}
			w.config.SnapshotMode, w.config.ChunkSize, w.config.Protocol, w.config.ReadOnly = SnapshotNoData, 7, c.protocol, c.name == "protocol 2"
			stop := rewriters(t, w)
			defer stop()
			if strings.Contains(c.name, ", once, ") || c.protocol > 2 {
				small := stop
				w.config.ChunkSize = 20
				large := largeWriter(t, w, c.protocol > 2)
				stop = func() { small(); large() }
				defer large()
			}
			signals := newMemorySignals()
			signals.send(executeSignal("public.doc"))
			for range c.starts - 1 {
				s := w.startWith(t, signals)
				eventually(t, "some chunks", func() bool {
					p := s.Incremental()
					return len(p.Ended) > 0 || len(p.Tables) > 0 && p.Tables[0].Rows > 30
				})
				s.Stop()
			}
			s := w.startWith(t, signals)
			if end := w.ended(t, s, 1)[0]; end.Why != "" {
				t.Fatalf("it ended early: %s", end.Why)
			}
			stop()
			w.wantDocs(t)
		})
	}
}

// docs is the table as a consumer should know it.
func (w *world) docs(t *testing.T) image {
	t.Helper()
	rows, err := w.db.Query(t.Context(), `SELECT json_build_object('id', id, 'k', k)::text, k::text, to_json(id)::text, n::text, to_json(note)::text FROM doc`)
	if err != nil {
		t.Fatal(err)
	}
	want := image{}
	var key, k, id, n, note string
	if _, err := pgx.ForEachRow(rows, []any{&key, &k, &id, &n, &note}, func() error {
		want[strings.ReplaceAll(strings.ReplaceAll(key, " : ", ":"), ", ", ",")] = map[string]string{"k": k, "id": id, "n": n, "note": note}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return want
}

// rewriters change rows in every way until stop is called.
func rewriters(t *testing.T, w *world) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range 2 {
		conn, err := pgx.Connect(ctx, w.dsn)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer conn.Close(context.Background())
			for n := i; ctx.Err() == nil; n++ {
				id := (n*37+i*11)%300 + 1
				sql := fmt.Sprintf(`UPDATE doc SET n = n + 1 WHERE id = 'd%d'`, id)
				switch n % 8 {
				case 1:
					sql = fmt.Sprintf(`DELETE FROM doc WHERE id = 'd%d'`, id)
				case 3:
					sql = fmt.Sprintf(`INSERT INTO doc VALUES (9, 'd%d', 1, repeat('new%d', 700)) ON CONFLICT DO NOTHING`, id, n)
				case 5:
					sql = fmt.Sprintf(`BEGIN; UPDATE doc SET n = n + 1 WHERE id = 'd%d'; SAVEPOINT a; DELETE FROM doc WHERE id = 'd%d'; ROLLBACK TO a; COMMIT`, id, id)
				case 7:
					sql = fmt.Sprintf(`UPDATE doc SET note = repeat('changed%d', 500) WHERE id = 'd%d'`, n, id)
				}
				if _, err := conn.Exec(context.Background(), sql); err != nil && !deadlocked(err) {
					t.Errorf("write: %v", err)
					return
				}
				_, _ = conn.Exec(context.Background(), `SELECT pg_sleep(0.002)`) // other tests want the machine, too
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); all.Wait() })
}

func deadlocked(err error) bool {
	server := (*pgconn.PgError)(nil)
	return errors.As(err, &server) && server.Code == "40P01"
}

// largeWorld is a world with the table doc. From protocol 2 on the server sends what runs, and from 3 on what is prepared.
func largeWorld(t *testing.T, protocol int, stream bool) *world {
	t.Helper()
	if protocol < protocolTwoPhase {
		w := newWorld(t, pgtest.Database(t), docTable)
		if stream {
			streamed(t, w)
		}
		w.config.SpillDir = t.TempDir()
		return w
	}
	server := pgtest.ServerOf(t, pgserver.Options{Settings: map[string]string{"max_prepared_transactions": "10", "logical_decoding_work_mem": "64kB"}})
	w := newWorld(t, server.DSN("postgres"), docTable+`; CREATE PUBLICATION tandem FOR TABLE doc`)
	w.value(t, `SELECT slot_name::text FROM pg_create_logical_replication_slot($1, 'pgoutput', false, true)`, w.config.Slot)
	w.config.SpillDir = t.TempDir()
	return w
}

// largeWriter writes transactions that are sent while they run, over many chunks, until stop is called. Some are rolled back, and some are prepared before they end.
func largeWriter(t *testing.T, w *world, prepare bool) (stop func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		defer conn.Close(context.Background())
		for n := 0; ctx.Err() == nil; n++ {
			for ctx.Err() == nil && behind(conn, w.config.Slot) { // else a slow machine never catches up
			}
			end := []string{`COMMIT`}
			switch {
			case n%5 == 3:
				end = []string{`ROLLBACK`}
			case prepare && n%5 == 4:
				end = []string{`PREPARE TRANSACTION 'p'`, other(n), other(n + 1), `ROLLBACK PREPARED 'p'`}
			case prepare:
				end = []string{`PREPARE TRANSACTION 'p'`, other(n), other(n + 1), `COMMIT PREPARED 'p'`}
			}
			for _, sql := range append([]string{`BEGIN`, fmt.Sprintf(`UPDATE doc SET n = n + 1 WHERE k = %d`, n%5), fmt.Sprintf(`UPDATE doc SET note = repeat('large%d', 500) WHERE k = %d`, n, (n+1)%5),
				`SAVEPOINT a`, `DELETE FROM doc WHERE k = 2`, `ROLLBACK TO a`, fmt.Sprintf(`UPDATE doc SET n = n + 1 WHERE k = %d`, (n+1)%5)}, end...) {
				if _, err := conn.Exec(context.Background(), sql); deadlocked(err) {
					_, _ = conn.Exec(context.Background(), `ROLLBACK`)
					break
				} else if err != nil {
					t.Errorf("%s: %v", sql, err)
					return
				}
			}
		}
	})
	return sync.OnceFunc(func() { cancel(); all.Wait() })
}

// behind waits a little, and reports that there is much that the slot's reader has not read.
func behind(conn *pgx.Conn, slot string) (much bool) {
	_ = conn.QueryRow(context.Background(), `SELECT pg_current_wal_lsn() - confirmed_flush_lsn > 4000000 FROM pg_replication_slots, pg_sleep(0.02) WHERE slot_name = $1`, slot).Scan(&much)
	return much
}

// other is written while something else is prepared.
func other(n int) string {
	return fmt.Sprintf(`INSERT INTO doc VALUES (77, 'other%d', 0, 'o') ON CONFLICT (id, k) DO UPDATE SET n = doc.n + 1`, n%10)
}

// What is asked for wrongly is refused with its reason, and counted; the stream goes on, and what was asked rightly is done.
func TestSignalsThatCannotBeObeyed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY, n int, t text); INSERT INTO a SELECT i, i % 10, 'x' FROM generate_series(1, 300) i; CREATE TABLE victim (id int PRIMARY KEY)`)
	w.config.SnapshotMode, w.config.ChunkSize = SnapshotNoData, 40
	signals := newMemorySignals()
	s := w.startWith(t, signals)
	where := func(filter string) string {
		text, _ := json.Marshal(filter)
		return `{"type":"execute-snapshot","data":{"data-collections":["public.a"],"additional-conditions":[{"data-collection":"public.a","filter":` + string(text) + `}]}}`
	}
	for _, bad := range []string{
		`nonsense`, `{"type":"make-coffee"}`, `{"type":"execute-snapshot","data":{}}`, executeSignal("public.absent"), `{"type":"stop-snapshot","data":{}}`,
		`{"type":"execute-snapshot","data":{"data-collections":["public.a"],"type":"STANDING"}}`, `{"type":"execute-snapshot","data":{"data-collections":["("]}}`,
		where(`n = 1; DROP TABLE victim`), where(`n = 1) OR (true`), where(`n = 1 -- `), where(`n = 'open`),
	} {
		signals.send(bad)
	}
	eventually(t, "the refusals", func() bool { return s.Refusals() == 11 })
	for i, bad := range []string{`no_such_column = 1`, `n = 'not a number'`, `(SELECT true FROM pg_terminate_backend(0)) AND no_such_function()`, `nextval('s') > 0`, `1 / (n - 3) > 100`} {
		if i == 3 {
			w.exec(t, `CREATE SEQUENCE s`)
		}
		signals.send(where(bad))
		if end := w.ended(t, s, i+1)[i]; end.Why == "" {
			t.Errorf("%s: read to its end", bad)
		}
	}
	if refused, came := s.Refusals(), s.Signalled(); refused != 16 || came != 16 {
		t.Errorf("%d refusals of %d signals", refused, came)
	}
	if got := w.value(t, `SELECT last_value::text || is_called::text FROM s`); got != "1false" {
		t.Errorf("a filter has written: %s", got)
	}
	before := w.kafka.len()
	signals.send(where(`n = 1 OR t = 'a;b--c' OR t = $$)$$`))
	if end := w.ended(t, s, 6)[5]; end.Why != "" || end.Rows != 30 {
		t.Errorf("the filter let through %+v", end)
	}
	eventually(t, "its rows", func() bool { return w.kafka.len()-before == 30 }) // they are committed after the end was noted
}

// Reading is paused, told to go on, and stopped; the stored position knows of it after a restart.
func TestIncrementalSnapshotsArePausedAndStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 500); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b SELECT generate_series(1, 5)`)
	w.config.SnapshotMode, w.config.ChunkSize = SnapshotNoData, 10
	signals := newMemorySignals()
	signals.send(`{"type":"pause-snapshot","data":{}}`)
	signals.send(executeSignal("public.a", "public.b"))
	s := w.startWith(t, signals)
	eventually(t, "the queue", func() bool { return len(s.Incremental().Tables) == 2 })
	s.Stop()
	s = w.startWith(t, signals)
	if p := s.Incremental(); !p.Paused || len(p.Tables) != 2 || p.Tables[0].Rows != 0 {
		t.Fatalf("after a restart: %+v", p)
	}
	signals.send(`{"type":"stop-snapshot","data":{"data-collections":["public.a"],"type":"incremental"}}`)
	signals.send(`{"type":"resume-snapshot"}`)
	ends := w.ended(t, s, 2)
	if ends[0].Table != "public.a" || ends[0].Why == "" || ends[1].Table != "public.b" || ends[1].Why != "" || ends[1].Rows != 5 {
		t.Errorf("what became of them: %+v", ends)
	}
}

// Tables change their shape while they are read.
func TestIncrementalSnapshotOfTablesThatChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT i, 't' FROM generate_series(1, 400) i;
		CREATE TABLE dropped (id int PRIMARY KEY); INSERT INTO dropped SELECT generate_series(1, 400);
		CREATE TABLE emptied (id int PRIMARY KEY); INSERT INTO emptied SELECT generate_series(1, 400);
		CREATE TABLE rekeyed (id int PRIMARY KEY, other int NOT NULL UNIQUE); INSERT INTO rekeyed SELECT i, -i FROM generate_series(1, 400) i;
		CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (20); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (20) TO (90);
		INSERT INTO parts SELECT generate_series(0, 49)`)
	w.config.SnapshotMode, w.config.ChunkSize = SnapshotNoData, 10
	signals := newMemorySignals()
	halfway := func(s *Source, table string) {
		signals.send(executeSignal("public." + table))
		eventually(t, "the middle of "+table, func() bool {
			p := s.Incremental()
			return len(p.Tables) == 1 && p.Tables[0].Rows >= 30 || len(p.Ended) > 0 && p.Ended[len(p.Ended)-1].Table == "public."+table
		})
		signals.send(`{"type":"pause-snapshot"}`)
		eventually(t, "the pause", func() bool { return s.Incremental().Paused })
	}
	s := w.startWith(t, signals)
	for i, c := range []struct{ table, sql string }{
		{"a", `ALTER TABLE a ADD c int DEFAULT 5; ALTER TABLE a DROP t; CREATE TYPE mood AS ENUM ('x'); ALTER TABLE a ADD m mood DEFAULT 'x'; UPDATE a SET c = 6 WHERE id = 400`},
		{"dropped", `DROP TABLE dropped`}, {"emptied", `TRUNCATE emptied; INSERT INTO emptied VALUES (7)`},
		{"rekeyed", `ALTER TABLE rekeyed DROP CONSTRAINT rekeyed_pkey; ALTER TABLE rekeyed ADD PRIMARY KEY (other)`}, {"parts", `UPDATE parts SET id = id + 50 WHERE id < 5`},
	} {
		halfway(s, c.table)
		for _, one := range strings.Split(c.sql, "; ") {
			w.exec(t, one)
		}
		signals.send(`{"type":"resume-snapshot"}`)
		if end := w.ended(t, s, i+1)[i]; (end.Why != "") != (c.table == "dropped") {
			t.Errorf("%s: %+v", c.table, end)
		}
		eventually(t, "going on", func() bool { return !s.Incremental().Paused })
	}
	w.exec(t, `INSERT INTO a VALUES (1000, 1)`)
	records := w.kafka.await(t, "the end", func(r []Record) bool { return len(r) > 0 && string(r[len(r)-1].Key) == `{"id":1000}` })
	last := map[string]string{}
	for _, r := range records {
		if e := decoded(t, r); e.Tombstone || e.Op == change.Delete {
			delete(last, r.Topic+string(r.Key))
		} else {
			last[r.Topic+string(r.Key)] = string(r.Value)
		}
	}
	for key, want := range map[string]string{`crm.public.a{"id":399}`: `"after":{"id":399,"c":5,"m":"x"}`, `crm.public.a{"id":400}`: `"c":6`, `crm.public.rekeyed{"other":-400}`: `"id":400`,
		`crm.public.rekeyed{"other":-1}`: `"id":1`, `crm.public.parts{"id":49}`: "", `crm.public.parts{"id":54}`: "", `crm.public.emptied{"id":7}`: ""} {
		if got, ok := last[key]; !ok || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", key, got, want)
		}
	}
	if _, stale := last[`crm.public.parts{"id":4}`]; stale {
		t.Error("a key that is gone has a row")
	}
}

// Who cannot write to Kafka asks by a table: its rows are signals, and no events unless the table is captured by itself.
func TestSignalsFromATable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1), (2); CREATE TABLE signals (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data text);
		INSERT INTO signals VALUES ('before', 'execute-snapshot', '{}')`)
	w.config.Tables, w.config.SignalTable = []string{`public\.a`}, "public.signals"
	s := w.start(t)
	w.exec(t, `INSERT INTO signals VALUES ('ad-hoc', 'execute-snapshot', '{"data-collections": ["public.a"], "type": "incremental"}'), ('bad', 'execute-snapshot', 'nonsense')`)
	w.ended(t, s, 1)
	wantRecords(t, w, `r {"id":1}`, `r {"id":2}`, `r {"id":1}`, `r {"id":2}`)
	if s.Refusals() != 1 {
		t.Errorf("%d refusals", s.Refusals())
	}
}
