package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// The flags of `make crash`.
var (
	crashKills   = flag.Int("e2e.crash.kills", 4, "how often the source is killed; the broker and PostgreSQL are with every fourth")
	crashLarge   = flag.Int("e2e.crash.rows", 20_000, "rows of a large transaction")
	crashSupport = flag.String("e2e.crash.support", "required", "exactly.once.support: with disabled the judge must find repeats")
)

// crashTables are the CRM of the crash test: every change of a row of tally has the row's next number; rows of the others are told once if they are
// there, and never if their transaction or savepoint was rolled back.
const crashTables = `
	CREATE TABLE tally (id int PRIMARY KEY, n bigint NOT NULL);
	INSERT INTO tally SELECT i, 0 FROM generate_series(1, 200) i;
	CREATE TABLE journal (id bigserial PRIMARY KEY, what text NOT NULL);
	CREATE TABLE bulk (id bigserial PRIMARY KEY, run int NOT NULL)`

// crashSite is the source by itself, under load, with what was done to it.
type crashSite struct {
	*world
	dice      *rand.Rand
	protocols map[string]int // starts of the source with each version of the protocol

	small, voided, savepoints atomic.Int64 // transactions: committed, rolled back, with a part rolled back
	large, largeVoided        atomic.Int64
	brokers, servers          int // kills
}

// Whatever is killed, and whenever: who reads committed sees every change once, in the order of commits.
func TestExactlyOnceUnderKills(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	server := pgtest.Server(t)
	broker := kafkatest.OwnApache(t)
	s := newCrashSite(t, server.DSN("postgres"), broker.Bootstrap, seed)
	p := s.begin()
	ctx, stop := context.WithCancel(context.Background())
	var load sync.WaitGroup
	for worker := range 3 {
		load.Go(func() { s.load(ctx, rand.New(rand.NewPCG(seed, uint64(worker)))) })
	}
	load.Go(func() { s.bulk(ctx, rand.New(rand.NewPCG(seed, 99))) })
	began := time.Now()
	for i := range *crashKills {
		s.pause()
		if p.ended() {
			t.Fatal("the process ended by itself")
		}
		p.kill()
		p = s.begin()
		if i%4 == 1 {
			s.pause()
			broker.Kill()
			s.brokers++
			s.pause()
			broker.Resume()
		}
		if i%4 == 3 {
			s.pause()
			server.Kill()
			s.servers++
			s.eventually("PostgreSQL is back", func() string {
				if err := server.Restart(t.Context()); err != nil {
					return err.Error()
				}
				return ""
			})
			s.db.Reset()
		}
		s.say("kill %d of %d: so far %d small and %d large transactions", i+1, *crashKills, s.small.Load(), s.large.Load())
	}
	under := time.Since(began)
	stop()
	load.Wait()
	found := s.judge()
	s.say(`%d kills of the source (its starts by protocol: %v), %d of Apache Kafka, %d of PostgreSQL, all kill -9, in %s under load; -e2e.seed=%d
     %d small transactions committed, %d rolled back, %d with a savepoint rolled back
     %d transactions of %d rows committed, %d rolled back
     %s`, *crashKills, s.protocols, s.brokers, s.servers, under.Round(time.Second), seed, s.small.Load(), s.voided.Load(), s.savepoints.Load(),
		s.large.Load(), *crashLarge, s.largeVoided.Load(), found)
	if found.wrong() {
		t.Error(found.first)
	}
	if code := p.end(); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}
}

func newCrashSite(t *testing.T, dsn string, bootstrap []string, seed uint64) *crashSite {
	t.Helper()
	w := newWorld(t, options{dsn: dsn, kafka: bootstrap, noCRM: true, override: map[string]string{
		"crm-source/mapping.files": "", "crm-source/table.include.list": `public\.(tally|journal|bulk)`, "crm-source/exactly.once.support": *crashSupport,
		"crm-source/snapshot.mode": "no_data",
	}})
	w.exec(crashTables)
	s := &crashSite{world: w, dice: rand.New(rand.NewPCG(seed, 7)), protocols: map[string]int{}}
	s.say("-e2e.seed=%d", seed)
	first := s.begin() // the slot is made before there is load
	s.eventually("the stream", func() string {
		return s.one(`SELECT CASE WHEN count(*) > 0 THEN '' ELSE 'not yet' END FROM pg_replication_slots WHERE active`)
	})
	first.kill()
	return s
}

// say tells who watches a long run; the test's own log comes at its end.
func (s *crashSite) say(format string, args ...any) {
	s.t.Logf(format, args...)
	if *crashKills > 4 {
		fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05")+" "+format+"\n", args...)
	}
}

// begin starts the source, with another version of the protocol each time: what was begun with one goes on with the other.
func (s *crashSite) begin() *process {
	s.t.Helper()
	version := fmt.Sprint(1 + s.dice.IntN(3))
	s.protocols[version]++
	doc, err := config.ReadFile(s.files["crm-source"])
	if err != nil {
		s.t.Fatal(err)
	}
	doc.Config["protocol.version"] = version
	s.write("crm-source.json", doc)
	return s.run("crm-source")
}

// pause is a random while under load.
func (s *crashSite) pause() {
	time.Sleep(time.Duration(s.dice.Int64N(int64(*gapMax)/2)) + 50*time.Millisecond)
}

// load commits small transactions, some with savepoints, and rolls others back. One that fails because the server died may have been committed.
func (s *crashSite) load(ctx context.Context, dice *rand.Rand) {
	count := `UPDATE tally SET n = n + 1 WHERE id = %d; `
	for ctx.Err() == nil {
		a, b := 1+dice.IntN(100), 101+dice.IntN(100)
		sql, end, what := fmt.Sprintf(count+count, a, b), "COMMIT", &s.small
		switch dice.IntN(6) {
		case 0:
			end, what = "ROLLBACK", &s.voided
		case 1:
			sql = fmt.Sprintf(count+"SAVEPOINT s; "+count+"INSERT INTO journal (what) VALUES ('never'); ROLLBACK TO SAVEPOINT s; ", a, b)
			what = &s.savepoints
		case 2:
			sql = fmt.Sprintf(count+"SAVEPOINT s; "+count+"RELEASE SAVEPOINT s; ", a, b)
		}
		s.try("BEGIN; "+sql+"INSERT INTO journal (what) VALUES ('small'); "+end, what)
		time.Sleep(time.Duration(dice.IntN(10)) * time.Millisecond)
	}
}

// bulk commits large transactions, some with a part that is rolled back, and rolls every third back. The next comes when the last one is told, so that the
// source is within one when it is killed, and not ever further behind.
func (s *crashSite) bulk(ctx context.Context, dice *rand.Rand) {
	some := func(run, rows int) string {
		return fmt.Sprintf("INSERT INTO bulk (run) SELECT %d FROM generate_series(1, %d); ", run, rows)
	}
	for run := 0; ctx.Err() == nil; run++ {
		sql, end, what := some(run, *crashLarge), "COMMIT", &s.large
		switch run % 3 {
		case 1:
			sql = some(run, *crashLarge/2) + "SAVEPOINT s; " + some(run, *crashLarge/4) + "ROLLBACK TO SAVEPOINT s; " + some(run, *crashLarge/2)
		case 2:
			end, what = "ROLLBACK", &s.largeVoided
		}
		s.try("BEGIN; "+sql+end, what)
		at := s.one(`SELECT pg_current_wal_lsn()::text`)
		for ctx.Err() == nil && s.one(`SELECT (confirmed_flush_lsn >= $1::pg_lsn)::text FROM pg_replication_slots`, at) != "true" {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Duration(dice.Int64N(int64(*gapMax) / 4)))
	}
}

func (s *crashSite) try(sql string, done *atomic.Int64) {
	conn, err := pgx.Connect(context.Background(), s.dsn)
	if err == nil {
		_, err = conn.Exec(context.Background(), sql)
		_ = conn.Close(context.Background())
	}
	if err != nil {
		time.Sleep(100 * time.Millisecond)
		return
	}
	done.Add(1)
}

// judge reads everything that is committed in Kafka, when the last change in the CRM is there, and compares.
func (s *crashSite) judge() *account {
	s.t.Helper()
	s.exec(`INSERT INTO journal (what) VALUES ('the end')`)
	s.caughtUp(s.one(`SELECT pg_current_wal_lsn()::text`))
	a := newAccount()
	prefix := "crm-" + s.id + ".public."
	for _, table := range []string{"tally", "journal", "bulk"} {
		s.read(prefix+table, func(r *kgo.Record) { a.take(table, r.Partition, string(r.Key), r.Value) })
	}
	rows, err := s.db.Query(s.t.Context(), `SELECT 'tally', id::bigint, n FROM tally UNION ALL SELECT 'journal', id, 1 FROM journal UNION ALL SELECT 'bulk', id, 1 FROM bulk`)
	if err != nil {
		s.t.Fatal(err)
	}
	var table string
	var id, n int64
	if _, err := pgx.ForEachRow(rows, []any{&table, &id, &n}, func() error { a.compare(table, id, n); return nil }); err != nil {
		s.t.Fatal(err)
	}
	a.close()
	return a
}

// caughtUp waits until Kafka has everything before at, for as long as something moves.
func (s *crashSite) caughtUp(at string) {
	s.t.Helper()
	const still = 5 * time.Minute
	last, moved := "", time.Now()
	for {
		now := s.one(`SELECT confirmed_flush_lsn::text FROM pg_replication_slots`)
		if s.one(`SELECT ($1::pg_lsn >= $2::pg_lsn)::text`, now, at) == "true" {
			return
		}
		if now += s.ends(); now != last {
			last, moved = now, time.Now()
		} else if time.Since(moved) > still {
			s.t.Fatalf("nothing has moved for %s; the slot and the topics are at %s", still, now)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// ends are the topics' ends, open transactions included.
func (s *crashSite) ends() string {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka...))
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	ends, _ := kadm.NewClient(client).ListEndOffsets(s.t.Context(), "crm-"+s.id+".public.bulk", "crm-"+s.id+".public.journal")
	var b strings.Builder
	ends.Each(func(o kadm.ListedOffset) { fmt.Fprint(&b, " ", o.Offset) })
	return b.String()
}
