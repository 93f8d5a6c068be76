package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// The flags of `make crash`.
var (
	crashKills = flag.Int("e2e.crash.kills", 4, "how often each of what is killed is killed")
	crashLarge = flag.Int("e2e.crash.rows", 20_000, "rows of a large transaction")
)

// tally is the CRM of the crash test: every change of a row has the row's next number, so a gap, a repeat and a wrong order each show in the
// records of one key; rows of the others are told once if they are there, and never if their transaction or savepoint was rolled back.
const tally = `
	CREATE TABLE tally (id int PRIMARY KEY, n bigint NOT NULL);
	INSERT INTO tally SELECT i, 0 FROM generate_series(1, 200) i;
	CREATE TABLE journal (id bigserial PRIMARY KEY, what text NOT NULL);
	CREATE TABLE bulk (id bigserial PRIMARY KEY, run int NOT NULL)`

// crashSite is the source by itself, under load, with its judge.
type crashSite struct {
	*world
	dice *rand.Rand
}

// Whatever is killed, and whenever: who reads committed sees every change once, in the order of commits.
func TestExactlyOnceUnderKills(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-e2e.seed=%d", seed)
	server := pgtest.Server(t)
	broker := kafkatest.OwnApache(t) // the embedded broker's own tests kill that one
	s := newCrashSite(t, server.DSN("postgres"), broker.Bootstrap, seed)
	p := s.run("crm-source")
	ctx, stop := context.WithCancel(context.Background())
	var load sync.WaitGroup
	for worker := range 3 {
		load.Go(func() { s.load(ctx, rand.New(rand.NewPCG(seed, uint64(worker)))) })
	}
	load.Go(func() { s.bulk(ctx, rand.New(rand.NewPCG(seed, 99))) })
	for i := range *crashKills {
		s.pause()
		if p.ended() {
			t.Fatal("the process ended by itself")
		}
		p.kill()
		p = s.run("crm-source")
		if i%4 == 1 {
			s.pause()
			broker.Kill()
			s.pause()
			broker.Resume()
		}
		if i%4 == 3 {
			s.pause()
			server.Kill()
			s.eventually("PostgreSQL is back", func() string {
				if err := server.Restart(t.Context()); err != nil {
					return err.Error()
				}
				return ""
			})
			s.db.Reset()
		}
	}
	stop()
	load.Wait()
	s.judge()
	if code := p.end(); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}
}

func newCrashSite(t *testing.T, dsn string, bootstrap []string, seed uint64) *crashSite {
	t.Helper()
	w := newWorld(t, options{dsn: dsn, kafka: bootstrap, noCRM: true, override: map[string]string{
		"crm-source/mapping.files": "", "crm-source/table.include.list": `public\.(tally|journal|bulk)`, "crm-source/exactly.once.support": "required",
		"crm-source/snapshot.mode": "no_data",
	}})
	w.exec(tally)
	s := &crashSite{world: w, dice: rand.New(rand.NewPCG(seed, 7))}
	first := s.run("crm-source") // the slot is made before there is load
	s.eventually("the stream", func() string {
		return s.one(`SELECT CASE WHEN count(*) > 0 THEN '' ELSE 'not yet' END FROM pg_replication_slots WHERE active`)
	})
	first.kill()
	return s
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
		sql := fmt.Sprintf(count+count, a, b)
		end := "COMMIT"
		switch dice.IntN(6) {
		case 0:
			end = "ROLLBACK"
		case 1:
			sql = fmt.Sprintf(count+"SAVEPOINT s; "+count+"INSERT INTO journal (what) VALUES ('never'); ROLLBACK TO SAVEPOINT s; ", a, b)
		case 2:
			sql = fmt.Sprintf(count+"SAVEPOINT s; "+count+"RELEASE SAVEPOINT s; ", a, b)
		}
		s.try("BEGIN; " + sql + "INSERT INTO journal (what) VALUES ('small'); " + end)
		time.Sleep(time.Duration(dice.IntN(10)) * time.Millisecond)
	}
}

// bulk commits large transactions, and rolls every third back.
func (s *crashSite) bulk(ctx context.Context, dice *rand.Rand) {
	for run := 0; ctx.Err() == nil; run++ {
		end := map[bool]string{true: "ROLLBACK", false: "COMMIT"}[run%3 == 2]
		s.try(fmt.Sprintf("BEGIN; INSERT INTO bulk (run) SELECT %d FROM generate_series(1, %d); %s", run, *crashLarge, end))
		time.Sleep(time.Duration(dice.Int64N(int64(*gapMax))))
	}
}

func (s *crashSite) try(sql string) {
	conn, err := pgx.Connect(context.Background(), s.dsn)
	if err == nil {
		_, err = conn.Exec(context.Background(), sql)
		_ = conn.Close(context.Background())
	}
	if err != nil {
		time.Sleep(100 * time.Millisecond)
	}
}

// change is what a record tells.
type change struct {
	After *struct {
		ID, N int64
		Run   int64
	}
	Source struct {
		LSN      int64
		Sequence string
	}
}

// judge reads everything that is committed in Kafka, until the last change in the CRM is there, and compares.
func (s *crashSite) judge() {
	s.t.Helper()
	s.exec(`INSERT INTO journal (what) VALUES ('the end')`)
	last := s.one(`SELECT max(id)::text FROM journal`)
	prefix := "crm-" + s.id + ".public."
	s.eventually("the last change", func() string {
		records := s.records(prefix + "journal")
		if len(records) == 0 || !strings.Contains(string(records[len(records)-1].Key), ":"+last+"}") {
			return fmt.Sprintf("%d records of the journal", len(records))
		}
		return ""
	})
	s.count(prefix + "tally")
	for _, table := range []string{"journal", "bulk"} {
		told := s.inserted(prefix + table)
		there := s.list(fmt.Sprintf(`SELECT id::text FROM %s`, table))
		if len(there) != len(told) {
			s.t.Errorf("%s: %d rows, %d told", table, len(there), len(told))
		}
		for _, id := range there {
			if told[id] != 1 {
				s.t.Fatalf("%s: row %s was told %d times", table, id, told[id])
			}
		}
		s.t.Logf("%s: %d rows, each told once", table, len(there))
	}
}

// count demands of each row that its numbers come one after the other, up to the last, and of the topic that it is in the order of commits.
func (s *crashSite) count(topic string) {
	s.t.Helper()
	at := map[string]int64{}
	commit := int64(0)
	records := s.records(topic)
	for _, r := range records {
		c := s.parse(r)
		key := string(r.Key)
		if c.After.N != at[key]+1 {
			s.t.Fatalf("%s of %s after %d: a gap, a repeat or another order", r.Value, key, at[key])
		}
		at[key] = c.After.N
		var sequence []string
		if err := json.Unmarshal([]byte(c.Source.Sequence), &sequence); err == nil && len(sequence) == 2 {
			if n, _ := strconv.ParseInt(sequence[0], 10, 64); n < commit {
				s.t.Fatalf("%s: comes after a transaction that committed at %d", r.Value, commit)
			} else {
				commit = n
			}
		}
	}
	wrong := 0
	for key, n := range at {
		id := strings.TrimSuffix(strings.TrimPrefix(key, `{"id":`), "}")
		if now := s.one(`SELECT n::text FROM tally WHERE id = $1::int`, id); now != fmt.Sprint(n) {
			wrong++
			s.t.Errorf("row %s is at %s, and was told up to %d", id, now, n)
		}
	}
	if untold := s.one(`SELECT count(*)::text FROM tally WHERE n > 0`); untold != fmt.Sprint(len(at)) {
		s.t.Errorf("%s rows were counted up, %d were told of", untold, len(at))
	}
	s.t.Logf("%d changes of %d rows, each told once, in order", len(records), len(at))
}

func (s *crashSite) inserted(topic string) map[string]int {
	s.t.Helper()
	told := map[string]int{}
	for _, r := range s.records(topic) {
		told[fmt.Sprint(s.parse(r).After.ID)]++
	}
	return told
}

func (s *crashSite) parse(r *kgo.Record) change {
	s.t.Helper()
	var c change
	if err := json.Unmarshal(r.Value, &c); err != nil || c.After == nil {
		s.t.Fatalf("record %s %s: %v", r.Key, r.Value, err)
	}
	return c
}
