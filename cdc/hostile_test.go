package cdc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-sync/tandem/cdc/pgoutput"
	"github.com/tandem-sync/tandem/cdc/pgoutput/pgoutputtest"
	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/connector/postgres"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// A row has one key, whoever tells of it: the snapshot or the stream, before or after its table was altered.
func TestKeysAreTheSameInSnapshotAndStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `
		CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL UNIQUE); ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_code_key;
		CREATE TABLE reordered (b int, a int, v text, PRIMARY KEY (a, b)); ALTER TABLE reordered REPLICA IDENTITY FULL;
		CREATE TABLE uniq (n int UNIQUE, a int NOT NULL UNIQUE); ALTER TABLE uniq REPLICA IDENTITY FULL;
		CREATE TABLE whole (id int PRIMARY KEY, v text); ALTER TABLE whole REPLICA IDENTITY FULL;
		INSERT INTO indexed VALUES (1, 'x'); INSERT INTO reordered VALUES (1, 2); INSERT INTO uniq VALUES (NULL, 1); INSERT INTO whole VALUES (1)`)
	w.config.SnapshotThreads = 1 // table after table
	w.start(t)
	w.kafka.awaitCount(t, 4)
	w.exec(t, `UPDATE indexed SET id = 5; UPDATE reordered SET v = 'w'; UPDATE uniq SET n = 2; DELETE FROM uniq`)
	w.exec(t, `ALTER TABLE whole RENAME TO renamed; UPDATE renamed SET v = 'a'`)
	w.exec(t, `ALTER TABLE renamed RENAME id TO ident; UPDATE renamed SET v = 'b'`)
	w.exec(t, `ALTER TABLE renamed ADD other int NOT NULL DEFAULT 4; UPDATE renamed SET v = 'c'; ALTER TABLE renamed DROP CONSTRAINT whole_pkey, ADD PRIMARY KEY (other, ident)`)
	w.kafka.awaitCount(t, 12)
	w.exec(t, `ALTER TABLE renamed REPLICA IDENTITY NOTHING; INSERT INTO renamed VALUES (2, 'd', 5)`)
	records := wantRecords(t, w, `r {"code":"x"}`, `r {"a":2,"b":1}`, `r {"a":1}`, `r {"id":1}`, `u {"code":"x"}`, `u {"a":2,"b":1}`, `u {"a":1}`, `d {"a":1}`, `- {"a":1}`,
		`u {"id":1}`, `u {"ident":1}`, keyOf(t, w, 11), `c {"other":5,"ident":2}`)
	if got := records[9].Topic; got != "crm.public.renamed" {
		t.Errorf("topic: got %s", got)
	}
}

// A connection that was lost while a table got another key: the next session's catalog has only that one, and the stream still has rows of the former.
func TestAFormerKeyOutlivesASession(t *testing.T) {
	t.Parallel()
	s := &Source{config: Default()}
	columns := []pgoutputtest.Column{{Name: "id", Key: true, OID: 23, Modifier: -1}, {Name: "v", Key: true, OID: 25, Modifier: -1}}
	first := session{Source: s, facts: &facts{tables: []table{{oid: 1, key: []string{"id"}}}}, stored: &offset{}}
	first.newDecoder()
	second := session{Source: s, facts: &facts{tables: []table{{oid: 1, key: []string{"other", "ident"}}}}, stored: &offset{}, types: postgres.BuiltinTypes()}
	d := second.newDecoder()
	d.Includes = func(pgoutput.Table) bool { return true }
	var got change.Row
	for _, m := range []pgoutputtest.Message{pgoutputtest.Begin(1, 100), pgoutputtest.Describe(1, "t", 'f', columns...), pgoutputtest.Message{'I'}.U32(1).Values('N', "7", "x")} {
		step, err := d.Decode(m, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range step.Events {
			got = e.Key
		}
	}
	if len(got) != 1 || got[0].Name != "id" {
		t.Errorf("the key is %v", got)
	}
}

// keyOf is for the one record whose key depends on whether the catalog is ahead of the stream: both are a key of the row.
func keyOf(t *testing.T, w *world, at int) string {
	t.Helper()
	got := summary(t, w.kafka.awaitCount(t, at+1))[at]
	if got != `u {"ident":1}` && got != `u {"other":4,"ident":1}` {
		t.Errorf("a row whose key is about to change: got %s", got)
	}
	return got
}

// Our publication must not make PostgreSQL refuse what the CRM does.
func TestNothingIsRefusedBecauseOfThePublication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (extra int) INHERITS (parent); INSERT INTO child VALUES (1, 'c', 2);
		CREATE TABLE root (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k); CREATE TABLE leaf PARTITION OF root FOR VALUES IN (1);
		CREATE TABLE sub PARTITION OF root DEFAULT PARTITION BY LIST (id); CREATE TABLE blind PARTITION OF sub DEFAULT; ALTER TABLE blind REPLICA IDENTITY NOTHING`)
	w.config.Tables = []string{`public\.(parent|root)`}
	wantProblems(t, w, "run ALTER TABLE blind REPLICA IDENTITY FULL")
	w.exec(t, `ALTER TABLE blind REPLICA IDENTITY DEFAULT; INSERT INTO root VALUES (1, 1), (2, 2)`)
	wantProblems(t, w)
	w.start(t)
	w.exec(t, `UPDATE child SET v = 'x'; UPDATE root SET id = id + 10 WHERE k = 1; UPDATE root SET k = 3 - k WHERE k = 2; INSERT INTO parent VALUES (7)`)
	wantRecords(t, w, `r {"id":1,"k":1}`, `r {"id":2,"k":2}`, `d {"id":1,"k":1}`, `- {"id":1,"k":1}`, `c {"id":11,"k":1}`,
		`d {"id":2,"k":2}`, `- {"id":2,"k":2}`, `c {"id":2,"k":1}`, `c {"id":7}`)
}

// Values at the edges, names that need quoting: JSON that says what PostgreSQL said, the same from both paths.
func TestHostileValuesAndNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 31)
	w := newWorld(t, pgtest.Database(t), `CREATE TABLE "Weird ""T"" ünï.x😀" ("Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "tab	tab" text, "back\slash" text, "quo""te" text, "`+long+`" text,
		iv interval, tz timestamptz, ts timestamp[], n numeric(1000,500), neg numeric(5,-2), three int[], money money, bits bit(3)[], zone timetz, ctl text)`)
	insert := `INSERT INTO "Weird ""T"" ünï.x😀" ("tab	tab", "back\slash", "quo""te", "` + long + `", iv, tz, ts, n, neg, three, money, bits, zone, ctl) VALUES
		('\N', '\\', E'\r\n', '', '178000000 years', '294276-12-31 23:59:59.999999Z', '{infinity,294276-12-31 23:59:59.999999,4713-01-01 00:00:00 BC}', 1e-500, 12345,
		'{{{1},{2}},{{3},{NULL}}}', '-92233720368547758.08', ARRAY[B'001', B'100'], '00:00:00.5+15:59:59', E'\x01\x7f <>&\b\f')`
	w.exec(t, insert)
	w.config.Messages = true
	w.start(t)
	w.kafka.awaitCount(t, 1)
	w.exec(t, insert)
	w.exec(t, `SELECT pg_logical_emit_message(true, E'a\x01b"', 'x')`)
	records := w.kafka.awaitCount(t, 3)
	var told [2]string
	for i, r := range records {
		if !json.Valid(r.Key) || !json.Valid(r.Value) {
			t.Fatalf("not JSON: %s %s", r.Key, r.Value)
		}
		if i < 2 {
			value := string(r.Value)
			told[i] = value[strings.Index(value, `"tab`):strings.Index(value, `},"source"`)]
		}
	}
	want := `"tab\ttab":"\\N","back\\slash":"\\\\","quo\"te":"\r\n","` + long + `":"","iv":9223372036854775807,"tz":"294276-12-31 23:59:59.999999+00",` +
		`"ts":[9223372036825200000,"294276-12-31 23:59:59.999999",-210863520000000000],"n":"AQ==","neg":"ew==","three":[[[1],[2]],[[3],[null]]],` +
		`"money":"gAAAAAAAAAA=","bits":["AQ==","BA=="],"zone":"08:00:01.5Z","ctl":"\u0001` + "\x7f" + ` <>&\b\f"`
	if diff := cmp.Diff([2]string{want, want}, told); diff != "" {
		t.Errorf("snapshot and stream (-want +got):\n%s", diff)
	}
	if got := string(records[2].Key); got != `{"prefix":"a\u0001b\""}` {
		t.Errorf("a message's key: got %s", got)
	}
	if got := records[1].Topic; got != "crm.public.Weird__T___n_.x_" {
		t.Errorf("topic: got %s", got)
	}
}

// logBook is a log that can be read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// logged runs a source whose log can be read.
func (w *world) logged(t *testing.T) (*Source, *logBook) {
	t.Helper()
	var log logBook
	s, err := New(w.config, w.before(), w.offsets, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, &log
}

// A transaction that somebody forgot keeps the slot from being made; nobody should have to guess that.
func TestWaitingForOpenTransactionsIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	other := w.connect(t)
	if _, err := other.Exec(t.Context(), `BEGIN; INSERT INTO contact (name) VALUES ('not yet')`); err != nil {
		t.Fatal(err)
	}
	_, log := w.logged(t)
	pid := fmt.Sprint(other.PgConn().PID())
	eventually(t, "the sentence", func() bool { return log.has("transactions that are open must end first") && log.has(pid) })
	if _, err := other.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, w, `r {"id":1}`)
}

// A captured table that is dropped and made anew is published again; a publication that is not ours to mend is spoken of.
func TestTablesThatAreMadeAnewAreCapturedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	_, log := w.logged(t)
	eventually(t, "the stream", func() bool { return log.has("streaming") })
	w.exec(t, `BEGIN; INSERT INTO contact (name) VALUES ('old'); DROP TABLE contact; `+contacts+`; COMMIT`)
	eventually(t, "the publication", func() bool { return w.value(t, `SELECT count(*)::text FROM pg_publication_tables`) == "1" })
	w.exec(t, `INSERT INTO contact (id, name) VALUES (7, 'new')`)
	wantRecords(t, w, `c {"id":1}`, `c {"id":7}`)
	if !log.has(`not published any more`) {
		t.Errorf("nothing was said:\n%s", &log.text)
	}
	w.exec(t, `DROP TABLE contact`)
	eventually(t, "the sentence", func() bool { return log.has("table public.contact is gone") })
}

// missingTopic is Kafka's answer to a record for a topic that was deleted.
type missingTopic struct{}

func (missingTopic) Error() string      { return "no such topic" }
func (missingTopic) Retryable() bool    { return true }
func (missingTopic) TopicMissing() bool { return true }

// Topics are made when a connector starts: a source that waited for one would wait for ever.
func TestAMissingTopicEndsTheSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Database(t), contacts)
	w.atLeastOnce()
	s, log := w.logged(t)
	eventually(t, "the stream", func() bool { return log.has("streaming") })
	w.kafka.setRefuse(missingTopic{})
	w.exec(t, `INSERT INTO contact (name) VALUES ('x')`)
	select {
	case <-s.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the source goes on waiting")
	}
	if !errors.As(s.Err(), new(missingTopic)) {
		t.Errorf("got %v", s.Err())
	}
}
