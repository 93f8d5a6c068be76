package main

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/config"
)

// A source that cannot start says why, once and with every problem on a line of its own, and leaves no topic behind; only that PostgreSQL refuses us is exit code 3.
func TestARunThatCannotStartSaysWhyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.exec(`CREATE TABLE "a b" (id int PRIMARY KEY); CREATE TABLE "a_b" (id int PRIMARY KEY); CREATE TABLE nokey (what text)`)
	refused := func(override map[string]string) (code int, told string) {
		t.Helper()
		given := map[string]string{"connector.class": "cdc.PostgresSource", "bootstrap.servers": w.broker.Bootstrap(), "topic.prefix": "shop", "database.dsn": w.dsn,
			"table.include.list": `public.a.b,public.nokey,public.contact`, "slot.name": "never_made"}
		for key, value := range override {
			given[key] = value
		}
		code, _, errs := w.tandem("run", "--listen", "off", w.write("shop.json", config.Document{Name: "shop", Config: given}))
		_, told, _ = strings.Cut(errs, "tandem: ")
		return code, told
	}

	code, told := refused(nil)
	if code != exitFailed || strings.Count(told, "connector shop failed") != 1 || strings.Count(told, "also that of") != 1 || strings.Count(told, "\n  table public.") != 2 {
		t.Errorf("two problems of the database: %d\n%s", code, told)
	}
	before, _, _ := strings.Cut(w.dsn, "?")
	missing := before[:strings.LastIndexByte(before, '/')] + "/not_there" + strings.TrimPrefix(w.dsn, before)
	code, told = refused(map[string]string{"database.dsn": missing})
	if code != exitEnvironment || strings.Count(told, `database "not_there" does not exist`) != 1 {
		t.Errorf("no such database: %d\n%s", code, told)
	}
	if topics := w.topics(); len(topics) > 0 {
		t.Errorf("nothing started, and these topics were made: %v", topics)
	}
}

// topics are those that the broker has.
func (w *world) topics() []string {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.broker.Bootstrap()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListTopics(context.WithoutCancel(w.t.Context()))
	if err != nil {
		w.t.Fatal(err)
	}
	return listed.Names()
}
