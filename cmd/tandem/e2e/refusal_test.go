package e2e

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// Everything that is wrong with four files and a mapping comes in one answer, each problem with its place, and exit code 2.
func TestEveryProblemOfTheConfigurationAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: []string{"127.0.0.1:1"}, override: map[string]string{
		"crm-source/slot.name": "Not A Slot", "crm-source/snapshot.mode": "perhaps", "notion-sink/batch.max": "many", "notion-sink/no.such.key": "x",
		"notion-source/poll.interval.min.ms": "99999999", "crm-sink/errors.tolerance": "some", "crm-sink/consumer.override.no.such": "1",
	}, mapping: func(entity string, m map[string]any) {
		if entity == "task" {
			m["fields"].([]any)[0].(map[string]any)["type"] = "titel"
		}
	}})
	for _, command := range []string{"run", "check"} {
		args := []string{command}
		for _, name := range connectors {
			args = append(args, w.files[name])
		}
		code, out, errs := answer(t, args...)
		if code != 2 {
			t.Errorf("%s: exit code %d, want 2", command, code)
		}
		for _, want := range []string{
			"crm-source.json: slot.name", "crm-source.json: snapshot.mode", "notion-sink.json: batch.max", "no.such.key", "poll.interval.min.ms",
			"crm-sink.json: errors.tolerance", "consumer.override.no.such", "task.json: fields[0].type",
		} {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%s does not say %q:\n%s%s", command, want, out, errs)
			}
		}
	}
}

// What is missing is said in one sentence, with what to do, and the exit code tells whose fault it is.
func TestCheckSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	kafka := kafkatest.SharedApache(t)
	for _, c := range []struct {
		name     string
		override map[string]string
		spoil    func(w *world)
		within   string // how long check waits; "" is as long as a busy machine may need
		code     int
		want     []string
	}{
		{name: "a wrong token", override: map[string]string{"notion.token": "ntn_other"}, code: 3, want: []string{"Notion refuses the token", "make a connection at"}},
		{name: "a page that is not shared", override: map[string]string{"notion-sink/notion.parent.page": "11111111-2222-3333-4444-555555555555"}, code: 1,
			want: []string{"page 11111111-2222-3333-4444-555555555555 is not shared", "menu, Connections"}},
		{name: "a missing table", spoil: func(w *world) { w.exec(`DROP TABLE contact_tag`) }, code: 1, want: []string{"contact_tag"}},
		{name: "Kafka is not there", within: "5s", override: map[string]string{"bootstrap.servers": "127.0.0.1:1"}, code: 3, want: []string{"no broker answers"}},
		{name: "PostgreSQL is not there", within: "5s", override: map[string]string{"database.dsn": "postgres://nobody@127.0.0.1:1/crm"}, code: 3, want: []string{"127.0.0.1"}},
		{name: "nothing", code: 0, want: []string{"0 errors"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafka, override: c.override})
			if c.spoil != nil {
				c.spoil(w)
			}
			code, out, errs := w.check("--timeout", cmp.Or(c.within, "2m"))
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("not said: %q", want)
				}
			}
			if strings.Contains(out+errs, token) || strings.Contains(out+errs, "goroutine ") {
				t.Error("a secret or a stack is printed")
			}
			if t.Failed() || testing.Verbose() {
				t.Log(out + errs)
			}
		})
	}
}

// hogSlot makes the slot and keeps it busy until free is called, as another copy would.
func hogSlot(w *world) (free func()) {
	w.exec(`CREATE PUBLICATION pub_` + w.id + ` FOR TABLE contact`)
	w.exec(`SELECT pg_create_logical_replication_slot('slot_` + w.id + `', 'pgoutput')`)
	conn, err := pgx.Connect(context.Background(), w.dsn+"&replication=database&wal_sender_timeout=0") // nobody reads what it is sent
	if err != nil {
		w.t.Fatal(err)
	}
	free = func() { conn.Close(context.Background()) }
	w.t.Cleanup(free)
	start := fmt.Sprintf(`START_REPLICATION SLOT slot_%s LOGICAL 0/0 (proto_version '1', publication_names 'pub_%s')`, w.id, w.id)
	conn.PgConn().Frontend().SendQuery(&pgproto3.Query{String: start})
	if err := conn.PgConn().Frontend().Flush(); err != nil {
		w.t.Fatal(err)
	}
	w.says("true", `SELECT active::text FROM pg_replication_slots WHERE slot_name = 'slot_`+w.id+`'`)
	return free
}

// A slot that somebody else holds: the connector says who, once, waits, and goes on by itself.
func TestASlotInUseIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), mapping: boldly, override: map[string]string{"crm-source/slot.retry.delay.ms": "500"}})
	free := hogSlot(w)
	p := w.run()
	said := func() []string {
		return w.log.lines("waiting for the replication slot", "slot_"+w.id, "server process")
	}
	w.eventually("it is said", func() string {
		if len(said()) == 0 {
			return "not yet"
		}
		return ""
	})
	time.Sleep(2 * time.Second) // some more looks at the slot
	if lines := said(); len(lines) != 1 {
		t.Errorf("said %d times: %q", len(lines), lines)
	}
	free()
	w.shown("contact", w.contact("After the slot"), "Name", "After the slot")
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A row that cannot be a page is parked with its reason, where status shows it, and everything else goes on.
func TestARowThatCannotBeAPageHurtsOnlyItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), mapping: boldly})
	w.exec(`INSERT INTO company VALUES (1, 'Comma, Inc.')`)
	for _, sql := range []string{
		`INSERT INTO contact (id, full_name, notes, created_at, updated_at) VALUES (1, 'Too long', repeat('x', 300000), now(), now())`,
		`INSERT INTO contact (id, full_name, company_id, created_at, updated_at) VALUES (2, 'Comma', 1, now(), now())`,
		`INSERT INTO contact (id, full_name, birthday, created_at, updated_at) VALUES (3, 'For ever', 'infinity', now(), now())`,
		`INSERT INTO contact (id, full_name, email, created_at, updated_at) VALUES (4, 'Well', 'well@example.com', now(), now())`,
		`SELECT setval('contact_id_seq', 4)`,
	} {
		w.exec(sql)
	}
	p := w.run()
	w.shown("contact", "4", "Email", "well@example.com")
	w.eventually("status shows the three", func() string {
		code, out, errs := answer(t, "status", "--config", w.files["notion-sink"])
		for _, want := range []string{"contact 1  parked", "notes", "contact 2  parked", "company", "contact 3  parked", "birthday"} {
			if code != 0 || !strings.Contains(out, want) {
				return fmt.Sprintf("exit code %d, and not said: %q\n%s%s", code, want, out, errs)
			}
		}
		return ""
	})
	// What is mended goes on by itself.
	w.exec(`UPDATE contact SET notes = 'short' WHERE id = 1`)
	w.exec(`UPDATE company SET name = 'No comma' WHERE id = 1`)
	w.exec(`UPDATE contact SET company_id = NULL WHERE id = 2`)
	w.exec(`UPDATE contact SET birthday = '2000-01-01' WHERE id = 3`)
	w.shown("contact", "1", "Notes", "short")
	w.shown("contact", "2", "Name", "Comma")
	w.shown("contact", "3", "Birthday", "2000-01-01")
	w.idle()
	demand(t, w.verdict(nil))
	w.stillRuns(p)
}

// A record that nobody can read goes to the dead-letter topic with where it came from, and the next one is read.
func TestABrokenRecordIsADeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), mapping: boldly})
	p := w.run()
	w.shown("contact", w.contact("First"), "Name", "First")
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, topic := range []string{"crm-" + w.id + ".public.contact", "notion-" + w.id + ".contact"} {
		broken := &kgo.Record{Topic: topic, Key: []byte(`{"id":`), Value: []byte("broken " + topic)}
		if err := client.ProduceSync(t.Context(), broken).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	page := w.shown("contact", w.contact("Second"), "Name", "Second")
	w.edit(page, map[string]any{"Website": map[string]any{"url": "https://example.com/after"}})
	w.says("https://example.com/after", `SELECT coalesce(website, '') FROM contact WHERE full_name = 'Second'`)
	found := map[string]bool{}
	w.eventually("both records are dead letters", func() string {
		for _, r := range w.records("dlq-" + w.id) {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			if string(r.Value) == "broken "+headers["__connect.errors.topic"] {
				found[headers["__connect.errors.topic"]] = true
			}
		}
		if len(found) != 2 {
			return fmt.Sprint(found)
		}
		return ""
	})
	w.stillRuns(p)
}

// A connector that is refused for good ends the process with a sentence, not with a stack.
func TestRunWithAWrongToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), override: map[string]string{"notion.token": "ntn_other"}})
	p := w.run("notion-sink")
	w.eventually("it is said", func() string {
		if len(w.log.lines("token")) == 0 {
			return "not yet"
		}
		return ""
	})
	if log := w.log.String(); strings.Contains(log, "ntn_other") || strings.Contains(log, "goroutine ") {
		t.Error("a secret or a stack is printed")
	}
	if p.ended() {
		t.Logf("it ended with %d", p.cmd.ProcessState.ExitCode())
	} else if code := p.end(); code != 0 && code != 1 && code != 3 {
		t.Errorf("exit code %d", code)
	}
	if t.Failed() || testing.Verbose() {
		t.Log(w.log.tail(20))
	}
}
