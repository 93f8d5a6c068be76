package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/kafka/kafkatest"
	"github.com/tandem-sync/tandem/connector/postgres/pgtest"
)

// awayFor is how long a system is away: some tries of everything that tries again.
const awayFor = 4 * time.Second

// linesMax is how many lines one outage may cost. Each try of everything that tries again would be some hundreds.
const linesMax = 100

// contact makes a row with a name of its own.
func (w *world) contact(name string) (key string) {
	w.t.Helper()
	key = w.one(`INSERT INTO contact (id, full_name, created_at, updated_at) VALUES (nextval('contact_id_seq'), $1, now(), now()) RETURNING id::text`, name)
	if strings.HasPrefix(key, "error") {
		w.t.Fatal(key)
	}
	return key
}

// shown waits until a row's page says something in a property.
func (w *world) shown(entity, key, property, want string) (page string) {
	w.t.Helper()
	person := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	w.eventually(fmt.Sprintf("%s/%s shows %s %q", entity, key, property, want), func() string {
		page = w.one(`SELECT coalesce((SELECT page FROM tandem.link WHERE entity = $1 AND key = $2 AND page IS NOT NULL), '')`, entity, key)
		now, err := person.Properties(page)
		if err != nil {
			return page + " " + err.Error()
		}
		if text, _ := textOf(now[property]); text != want {
			return fmt.Sprintf("%q; waiting: %s", text, w.waiting())
		}
		return ""
	})
	return page
}

// says waits until the CRM answers something.
func (w *world) says(want, sql string, args ...any) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the CRM says %q", want), func() string {
		if got := w.one(sql, args...); got != want {
			return fmt.Sprintf("%q; waiting: %s", got, w.waiting())
		}
		return ""
	})
}

// edit changes a page as a person does.
func (w *world) edit(page string, properties map[string]any) {
	w.t.Helper()
	if err := w.notion.Person(w.notion.PersonID("Ada Lovelace")).Edit(page, properties); err != nil {
		w.t.Fatal(err)
	}
}

// outage is a system that goes away under a running Tandem.
type outage struct {
	name       string
	away, back func()
	crm        bool // the CRM can be edited meanwhile
}

// survive lets a system go away and come back: what people did meanwhile arrives, nothing is doubled, and the log does not fill.
func (w *world) survive(o outage) {
	w.t.Helper()
	a, b := w.contact("Before "+o.name), w.contact("Twin of "+o.name)
	page := w.shown("contact", a, "Name", "Before "+o.name)
	w.shown("contact", b, "Name", "Twin of "+o.name)
	lines := len(w.log.lines())
	o.away()
	time.Sleep(awayFor / 2)
	var born string
	if o.crm {
		w.exec(`UPDATE contact SET job_title = 'meanwhile' WHERE id = $1::int`, a)
		born = w.contact("Meanwhile " + o.name)
	}
	w.edit(page, map[string]any{"Website": map[string]any{"url": "https://example.com/meanwhile"}})
	time.Sleep(awayFor / 2)
	o.back()
	if o.crm {
		w.shown("contact", a, "Job title", "meanwhile")
		w.shown("contact", born, "Name", "Meanwhile "+o.name) // only its own event tells of it: Kafka's clients take seconds to fetch again
	}
	w.says("https://example.com/meanwhile", `SELECT coalesce(website, '') FROM contact WHERE id = $1::int`, a)
	w.idle()
	demand(w.t, w.verdict(nil))
	said := len(w.log.lines()) - lines
	if w.t.Logf("%s: %d lines were logged for one outage", o.name, said); said > linesMax {
		w.t.Error("these are too many")
	}
}

func (w *world) stillRuns(p *process) {
	w.t.Helper()
	if p.ended() {
		w.t.Fatalf("the process ended with %d", p.cmd.ProcessState.ExitCode())
	}
}

func TestNotionGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), mapping: boldly})
	p := w.run()
	w.survive(outage{name: "Notion", away: w.front.close, back: w.front.open, crm: true})
	w.stillRuns(p)
	w.saidOnce()
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestPostgreSQLGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	w := newWorld(t, options{dsn: server.DSN("postgres"), kafka: kafkatest.SharedApache(t), mapping: boldly})
	p := w.run()
	w.survive(outage{name: "PostgreSQL", away: server.Kill, back: func() {
		w.eventually("PostgreSQL is back", func() string { // its port may be some connection's for a moment
			if err := server.Restart(t.Context()); err != nil {
				return err.Error()
			}
			return ""
		})
		w.db.Reset()
	}})
	w.stillRuns(p)
	w.saidOnce()
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestKafkaGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	kafkatest.EachOwn(t, func(t *testing.T, broker kafkatest.Own) {
		w := newWorld(t, options{dsn: pgtest.Database(t), kafka: broker.Bootstrap, mapping: boldly})
		p := w.run()
		w.survive(outage{name: "Kafka", away: broker.Halt, back: broker.Resume, crm: true})
		w.stillRuns(p)
		w.saidOnce()
		if code := p.end(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	})
}

// saidOnce demands that no connector says the same warning over and over.
func (w *world) saidOnce() {
	w.t.Helper()
	count := map[string]int{}
	for _, line := range w.log.lines("level=") {
		if !strings.Contains(line, "level=WARN") && !strings.Contains(line, "level=ERROR") || strings.Contains(line, "msg=alert") {
			continue
		}
		_, message, _ := strings.Cut(line, "level=")
		count[message]++
	}
	for message, n := range count {
		if n > 3 { // each of its parts may say it
			w.t.Errorf("%d times in the log: %s", n, message)
		}
	}
}

// Two copies of everything: what they do together is done once.
func TestTwoCopiesShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), mapping: boldly})
	people := newPeople(w, 7)
	people.fill(60, 20, 20)
	first, second := w.run(), w.run()
	w.settle(people.truth)
	for range 60 {
		people.act()
	}
	w.settle(people.truth)
	demand(t, w.verdict(people.truth))
	// Fewer than were meant is right: a copy whose lease ran out, or whose row was deleted, between its intent and its request sends none.
	created := w.front.count("POST /v1/pages")
	meant, err := strconv.Atoi(w.one(`SELECT count(*)::text FROM tandem.write WHERE side = 'notion' AND op = 'create'`))
	if err != nil || created > meant {
		t.Errorf("%d pages were asked for, %d were meant (%v)", created, meant, err)
	}
	// The one that holds the slot ends; the other takes over at once.
	if code := first.end(); code != 0 {
		t.Errorf("the first copy ended with %d", code)
	}
	key := w.contact("After the first")
	page := w.shown("contact", key, "Name", "After the first")
	w.edit(page, map[string]any{"Website": map[string]any{"url": "https://example.com/after"}})
	w.says("https://example.com/after", `SELECT coalesce(website, '') FROM contact WHERE id = $1::int`, key)
	if code := second.end(); code != 0 {
		t.Errorf("the second copy ended with %d", code)
	}
}

// SIGTERM in the midst of work: what is in flight is finished, the exit code is 0, and the next start goes on at once.
func TestSIGTERMDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{dsn: pgtest.Database(t), kafka: kafkatest.SharedApache(t), mapping: boldly, override: map[string]string{"lease.ms": "600000"}})
	people := newPeople(w, 8)
	people.fill(150, 5, 5)
	p := w.run()
	w.eventually("some pages", func() string {
		if n := w.front.count("POST /v1/pages"); n < 20 {
			return fmt.Sprint(n)
		}
		return ""
	})
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if left := w.list(`SELECT holder FROM tandem.link WHERE holder <> '' LIMIT 3`); len(left) > 0 {
		t.Errorf("leases are left: %v", left)
	}
	if left := w.list(`SELECT 'link ' || id FROM tandem.link WHERE intent IS NOT NULL LIMIT 3`); len(left) > 0 {
		t.Errorf("intents are left: %v", left)
	}
	p = w.run()
	w.settle(people.truth) // whose patience is shorter than a lease that the last one would have left
	demand(t, w.verdict(people.truth))
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
