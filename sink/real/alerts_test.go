package real

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tandem-sync/tandem/connector/kafka"
	"github.com/tandem-sync/tandem/connector/ledger"
	"github.com/tandem-sync/tandem/sink"
)

// told is whoever is told of alerts: a topic, or a chat that is away now and then.
type told struct {
	name  string
	fails int
	got   map[string]int // id → how often
	texts []string
}

func (c *told) Name() string { return c.name }

func (c *told) Send(_ context.Context, a ledger.Alert) error {
	if c.fails > 0 {
		c.fails--
		return errors.New("503 service unavailable")
	}
	c.got[a.ID]++
	c.texts = append(c.texts, a.Kind+": "+a.Summary)
	return nil
}

func (c *told) SendBatch(_ context.Context, records []kafka.Record) error {
	for _, r := range records {
		c.got[string(r.Key)]++
	}
	return nil
}

func (w *world) relay(topic, chat *told) *sink.Relay {
	return &sink.Relay{Sync: "real", Holder: "test", Outbox: w.store, Publisher: topic, Topic: "alerts", Targets: []sink.AlertTarget{chat}, Group: time.Minute, Now: w.now,
		Log: slog.New(slog.DiscardHandler), People: func(context.Context, []string) map[string]string {
			return map[string]string{w.emu.PersonID("Ada Lovelace"): "Ada Lovelace"}
		}}
}

// A hundred conflicts on a critical field, a process that dies in their midst, and a chat that is away: a hundred messages, none twice.
func TestAHundredConflictsAcrossACrash(t *testing.T) {
	t.Parallel()
	const n = 100
	w := newWorld(t, strings.Replace(leadSQL, "INSERT INTO lead", "CREATE TABLE none (id int); INSERT INTO lead", 1)+
		fmt.Sprintf(`; DELETE FROM lead; INSERT INTO lead (id, name, email) SELECT i, 'n' || i, 'e' || i || '@x.org' FROM generate_series(1, %d) i`, n),
		strings.Replace(lead, `"type": "email", "guard": {"email": true}`, `"type": "email", "typing_delay": "0s", "critical": true`, 1))
	w.sweep("lead")
	w.exec(`UPDATE lead SET email = 'crm' || id || '@x.org'`)
	for i := range n {
		page := w.page("lead", fmt.Sprint(i+1))
		w.edit(page, map[string]any{"Email": mail(fmt.Sprintf("notion%d@x.org", i+1))})
		w.add(ledger.Reason{Sync: "real", Entity: "lead", Side: ledger.Notion, Lane: ledger.LaneLive, Why: "cdc", Key: fmt.Sprint(i + 1)})
	}
	dying, die := context.WithCancelCause(t.Context())
	patches := 0
	w.before = func(r *http.Request) {
		if patches++; r.Method == http.MethodPatch && patches > 60 {
			die(errors.New("killed"))
			panic(http.ErrAbortHandler) // the request is not met, and nobody hears of it
		}
	}
	for dying.Err() == nil {
		_, _ = w.sinks[0].RunOnce(dying)
	}
	w.mu.Lock()
	w.before = nil
	w.mu.Unlock()
	topic, chat := &told{name: "topic", got: map[string]int{}}, &told{name: "chat", fails: 7, got: map[string]int{}}
	if _, err := w.relay(topic, chat).RunOnce(t.Context()); err != nil { // it is told while half of them are still to come
		t.Fatal(err)
	}
	w.pass(time.Hour) // the leases of the dead are over
	w.sinks[0].Holder, w.sinks[0].Run = "another", uuid.NewString()
	w.settle()
	relay := w.relay(topic, chat)
	for range 60 {
		if _, err := relay.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
	}
	w.is("conflicts", w.one(`SELECT count(*)::text || ' ' || count(DISTINCT link)::text FROM tandem.conflict`), "100 100")
	for _, who := range []*told{topic, chat} {
		twice := 0
		for _, times := range who.got {
			if times > 1 {
				twice++
			}
		}
		if len(who.got) != n || twice > 0 {
			t.Errorf("%s: %d messages, %d twice; want %d", who.name, len(who.got), twice, n)
		}
	}
	for _, text := range chat.texts {
		if !strings.HasPrefix(text, "conflict: ") || !strings.Contains(text, "edited last by Ada Lovelace") {
			t.Fatalf("told: %s", text)
		}
	}
}

// A relation is told by the titles of what it names, not by the ledger's numbers, wherever people read it.
func TestRelationsAreToldByTitles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodeSQL+`INSERT INTO node (name) VALUES ('Ada'), ('Bob'), ('Cy'), ('Di')`,
		strings.Replace(node, `"column": "next_id", "reverse": "Previous"}`, `"column": "next_id", "reverse": "Previous"}, "critical": true, "conflict": "hold"`, 1))
	w.sweep("node")
	w.exec(`UPDATE node SET next_id = 2 WHERE id = 1`)
	w.touch("node", "1")
	w.exec(`UPDATE node SET next_id = 3 WHERE id = 1`)
	w.edit(w.page("node", "1"), map[string]any{"Next": related(w.page("node", "4"))})
	w.poll("node", w.page("node", "1"))
	w.touch("node", "1")
	const want = `the CRM has "Cy", Notion has "Di"`
	w.says("parked", w.parked("node", "1"), want)
	w.says("held", w.one(`SELECT reason FROM tandem.hold`), want)
	topic, chat := &told{name: "topic", got: map[string]int{}}, &told{name: "chat", got: map[string]int{}}
	if _, err := w.relay(topic, chat).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.says("told", strings.Join(chat.texts, "\n"), want)
}
