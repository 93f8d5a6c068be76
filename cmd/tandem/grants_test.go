package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tandem-sync/tandem/connector/config"
)

// as makes roles by the SQL that grants prints, and gives their DSNs.
func (w *world) as(printed string, roles ...string) []string {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(w.t.Context())
	for range 2 { // it can be run again
		if _, err := conn.Exec(w.t.Context(), printed); err != nil {
			w.t.Fatalf("what grants prints: %v\n%s", err, printed)
		}
	}
	var dsns []string
	for _, role := range roles {
		if _, err := conn.Exec(w.t.Context(), "ALTER ROLE "+role+" PASSWORD 'secret'"); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() {
			w.exec("DROP PUBLICATION IF EXISTS tandem")
			w.exec("DROP OWNED BY " + role + " CASCADE")
			w.exec("DROP ROLE " + role)
		})
		u, err := url.Parse(w.dsn)
		if err != nil {
			w.t.Fatal(err)
		}
		u.User = url.UserPassword(role, "secret")
		dsns = append(dsns, u.String())
	}
	return dsns
}

// again writes the files anew, with other keys.
func (w *world) again(override map[string]string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, "mappings")); err != nil {
		w.t.Fatal(err)
	}
	w.files = nil
	w.writeFiles(override)
}

// The printed SQL makes roles with which check finds nothing wrong and the connectors do all of their work, and no more can be done with them.
func TestTheGrantedRolesDoTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := strings.ToLower(strings.ReplaceAll(t.Name()[:8], "_", "")) + strings.ToLower(w.dsn[strings.LastIndexByte(w.dsn, '/')+6:strings.LastIndexByte(w.dsn, '/')+12])
	role, capture := "sync_"+id, "cdc_"+id
	code, sql, errs := w.tandem("grants", "--role", role, "--cdc-role", capture, "--column-lists", "--dsn", w.dsn, w.files[0], w.files[1])
	if code != exitOK || strings.Contains(sql, "password_hash") || strings.Contains(sql, "doctrine") {
		t.Fatalf("%d\n%s%s", code, sql, errs)
	}
	w.exec(`DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$`) // as careful administrators do
	dsns := w.as(sql, role, capture)
	w.again(map[string]string{"database.dsn": dsns[0], "crm-source/database.dsn": dsns[1], "allow.overprivileged.role": "", "crm-source/publication.autocreate.mode": "disabled"})
	w.exec(`INSERT INTO company (id, name) VALUES (nextval('company_id_seq'), 'ACME'); INSERT INTO contact (id, company_id, full_name, email, created_at, updated_at) VALUES (nextval('contact_id_seq'), 1, 'Ada', 'ada@x.org', now(), now())`)
	if code, out, errs := w.tandem(append([]string{"check", "--timeout", "2m"}, w.files...)...); code != exitOK || !strings.Contains(out, "a forbidden write was tried and refused") {
		t.Fatalf("check: %d\n%s%s", code, out, errs)
	}
	r := w.start()
	w.waitShown("contact", "Ada", "Email", "ada@x.org")
	page := w.page("contact", "Ada")
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	edit := map[string]any{
		"Job title": map[string]any{"rich_text": []any{map[string]any{"text": map[string]any{"content": "Countess"}}}},
		"Company":   map[string]any{"select": map[string]any{"name": "Analytical Ltd"}},
		"Tags":      map[string]any{"multi_select": []any{map[string]any{"name": "poet's child"}}},
	}
	if err := ada.Edit(page.ID, edit); err != nil {
		t.Fatal(err)
	}
	w.waitRow("Countess Analytical Ltd poet's child", `SELECT c.job_title || ' ' || o.name || ' ' || t.label FROM contact c JOIN company o ON o.id = c.company_id
		JOIN contact_tag ct ON ct.contact_id = c.id JOIN tag t ON t.id = ct.tag_id WHERE c.id = 1`)
	w.exec(`UPDATE contact SET full_name = 'Ada King' WHERE id = 1`)
	w.waitShown("contact", "Ada King", "Job title", "Countess")

	// A column that goes away keeps back its field alone, and every command says so.
	w.exec(`ALTER TABLE contact RENAME COLUMN website TO homepage`)
	w.exec(`UPDATE contact SET full_name = 'Ada Byron' WHERE id = 1`)
	w.waitShown("contact", "Ada Byron", "Job title", "Countess")
	config := []string{"--config", w.files[1]}
	code, out, _ := w.tandem(append([]string{"drift"}, config...)...)
	if code != exitFailed || !strings.Contains(out, "contact.website  left out by crm") || !strings.Contains(out, "named homepage now") {
		t.Errorf("drift: %d %s", code, out)
	}
	if _, out, _ := w.tandem(append([]string{"status"}, config...)...); !strings.Contains(out, "contact.website: ") {
		t.Errorf("status: %s", out)
	}
	if code, out, _ := w.tandem(append([]string{"check", "--timeout", "2m"}, w.files[1])...); code != exitFailed || !strings.Contains(out, "named homepage now") {
		t.Errorf("check: %d %s", code, out)
	}
	w.exec(`ALTER TABLE contact RENAME COLUMN homepage TO website`)
	w.exec(`UPDATE contact SET website = 'https://ada.example' WHERE id = 1`)
	w.waitShown("contact", "Ada Byron", "Website", "https://ada.example")
	w.eventually("nothing is left out", time.Minute, func() string {
		_, out, _ := w.tandem(append([]string{"drift"}, config...)...)
		return strings.TrimPrefix(out, "nothing is left out\n")
	})
	if code := r.end(); code != exitOK && code != exitInterrupted {
		t.Errorf("run ended with %d", code)
	}
}

// A role that may do more is refused, with every reason and what to do, unless the configuration names it.
func TestARoleThatMayDoMoreIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"allow.overprivileged.role": ""})
	id := strings.ToLower(w.dsn[strings.LastIndexByte(w.dsn, '/')+6 : strings.LastIndexByte(w.dsn, '/')+14])
	role := "more_" + id
	_, sql, _ := w.tandem("grants", "--role", role, "--dsn", w.dsn, w.files[1])
	dsn := w.as(sql, role)[0]
	w.exec(`GRANT UPDATE ON contact TO ` + role + `; GRANT DELETE ON company TO ` + role + `; GRANT INSERT ON doctrine_migration_versions TO ` + role)
	check := func(override map[string]string, want int, says ...string) {
		t.Helper()
		w.again(override)
		code, out, errs := w.tandem("check", "--timeout", "2m", w.files[1])
		if code != want {
			t.Errorf("check: %d, want %d\n%s%s", code, want, out, errs)
		}
		for _, s := range says {
			if !strings.Contains(out, s) {
				t.Errorf("check does not say %q:\n%s", s, out)
			}
		}
	}
	check(map[string]string{"allow.overprivileged.role": ""}, exitFailed, "it is a superuser", "tandem grants")
	more := map[string]string{"database.dsn": dsn, "allow.overprivileged.role": ""}
	check(more, exitFailed, "it may change ", "password_hash", "it may delete rows of public.company", "doctrine_migration_versions, which no mapping names")
	r := w.start(w.files[1])
	w.eventually("it is refused", 2*time.Minute, func() string {
		if log := r.log.String(); !strings.Contains(log, "may do more than the mappings need") || !strings.Contains(log, "allow.overprivileged.role="+role) {
			return tail(log, 5)
		}
		return ""
	})
	r.end()
	more["allow.overprivileged.role"] = role
	check(more, exitOK, "warning")
}

// What a role may do on the server, or as a member of another, is looked at as well as what it was granted.
func TestAPowerfulRoleIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"allow.overprivileged.role": ""})
	id := strings.ToLower(w.dsn[strings.LastIndexByte(w.dsn, '/')+6 : strings.LastIndexByte(w.dsn, '/')+14])
	role, other := "power_"+id, "other_"+id
	_, sql, _ := w.tandem("grants", "--role", role, "--dsn", w.dsn, w.files[1])
	dsn := w.as(sql, role)[0]
	database := dsn[strings.LastIndexByte(dsn, '/')+1:]
	if i := strings.IndexByte(database, '?'); i >= 0 {
		database = database[:i]
	}
	w.exec(`CREATE ROLE ` + other)
	t.Cleanup(func() { w.exec(`DROP OWNED BY ` + other + ` CASCADE`); w.exec(`DROP ROLE ` + other) })
	w.again(map[string]string{"database.dsn": dsn, "allow.overprivileged.role": ""})
	check := func() (int, string) {
		code, out, errs := w.tandem("check", "--timeout", "2m", w.files[1])
		return code, out + errs
	}
	if code, out := check(); code != exitOK {
		t.Fatalf("the role that grants prints is refused: %d\n%s", code, out)
	}
	for _, tt := range []struct{ give, take, says string }{
		{"ALTER ROLE " + role + " REPLICATION", "ALTER ROLE " + role + " NOREPLICATION", "it may replicate"},
		{"ALTER ROLE " + role + " BYPASSRLS CREATEDB", "ALTER ROLE " + role + " NOBYPASSRLS NOCREATEDB", "it bypasses row security"},
		{"ALTER ROLE " + role + " CREATEROLE", "ALTER ROLE " + role + " NOCREATEROLE", "it may make roles or databases"},
		{"GRANT CREATE ON DATABASE " + database + " TO " + role, "REVOKE CREATE ON DATABASE " + database + " FROM " + role, "it may make schemas in the database"},
		{"GRANT pg_write_all_data TO " + role, "REVOKE pg_write_all_data FROM " + role, "as a member of pg_write_all_data it may write every table"},
		{"GRANT pg_execute_server_program TO " + role, "REVOKE pg_execute_server_program FROM " + role, "it may run programs on the server"},
		{"ALTER ROLE " + other + " CREATEROLE; GRANT " + other + " TO " + role, "ALTER ROLE " + other + " NOCREATEROLE; REVOKE " + other + " FROM " + role, "as a member of " + other + " it may make roles"},
		{"ALTER ROLE " + role + " NOINHERIT; GRANT ALL ON contact TO " + other + "; GRANT " + other + " TO " + role, "REVOKE " + other + " FROM " + role + "; ALTER ROLE " + role + " INHERIT", "(SET ROLE)"},
	} {
		w.exec(tt.give)
		if code, out := check(); code != exitFailed || !strings.Contains(out, tt.says) {
			t.Errorf("%s: check ends with %d and does not say %q:\n%s", tt.give, code, tt.says, out)
		}
		w.exec(tt.take)
	}
	if code, out := check(); code != exitOK {
		t.Errorf("nothing is left of what it was given, and it is refused: %d\n%s", code, out)
	}
}

func TestOneRoleIsNotForBoth(t *testing.T) {
	t.Parallel()
	if code, out, errs := command(t, "grants", "--role", "tandem", "--cdc-role", "tandem", "../../deploy/examples/notion-sink.json"); code != exitUsage || out != "" || !strings.Contains(errs, "another role") {
		t.Errorf("%d %s%s", code, out, errs)
	}
}

// The script of the compose file gives what grants prints for the examples.
func TestTheExampleRoleIsWhatGrantsPrints(t *testing.T) {
	data, err := os.ReadFile("../../deploy/postgres/tandem.sql")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../../deploy/examples")
	_, printed, errs := command(t, "grants", "--role", "tandem", "notion-sink.json")
	if printed == "" {
		t.Fatal(errs)
	}
	for line := range strings.Lines(printed) {
		plain := strings.ReplaceAll(strings.ReplaceAll(line, `"`, ""), "TABLE public.", "")
		if (strings.HasPrefix(plain, "GRANT INSERT") || strings.HasPrefix(plain, "GRANT UPDATE") || strings.HasPrefix(plain, "GRANT DELETE")) && !strings.Contains(string(data), plain) {
			t.Errorf("deploy/postgres/tandem.sql lacks %s", plain)
		}
	}
}

// A source that serves no mapping: what is printed for it makes a role under which check finds nothing wrong and every table comes, and other tables cannot be read.
func TestTheGrantedRoleCaptures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	role := "cap_" + strings.ToLower(w.dsn[strings.LastIndexByte(w.dsn, '/')+6:strings.LastIndexByte(w.dsn, '/')+14])
	w.exec(`CREATE SCHEMA shop; CREATE TABLE shop.item (id int PRIMARY KEY, name text); INSERT INTO shop.item VALUES (1, 'Lamp');
		CREATE TABLE shop."Odd name" (what text); CREATE TABLE shop.secret (id int PRIMARY KEY)`)
	given := map[string]string{
		"connector.class": debeziumClass, "bootstrap.servers": w.broker.Bootstrap(), "topic.prefix": "shop", "schema.include.list": "shop", "table.exclude.list": "shop.secret",
		"database.dsn": w.dsn, "database.password": "${env:NOBODY_SETS_THIS}", "slot.name": role,
	}
	file := w.write("capture.json", config.Document{Name: "shop-source", Config: given})
	sql := w.command(exitOK, "grants", "--cdc-role", role, "--dsn", w.dsn, file)
	if strings.Contains(sql, "secret") || !strings.Contains(sql, `ALTER TABLE "shop"."Odd name" REPLICA IDENTITY FULL`) {
		t.Fatalf("printed:\n%s", sql)
	}
	w.exec(`DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$`)
	given["database.dsn"] = w.as(sql, role)[0]
	given["publication.autocreate.mode"] = "disabled"
	delete(given, "database.password")
	file = w.write("capture.json", config.Document{Name: "shop-source", Config: given})
	if out := w.command(exitOK, "check", "--timeout", "2m", file); strings.Contains(out, "warning") && !strings.Contains(out, "it has no key") {
		t.Errorf("check: %s", out)
	}
	w.files = []string{file}
	r := w.start()
	w.exec(`INSERT INTO shop."Odd name" VALUES ('Chair')`)
	w.eventually("both tables are in Kafka", time.Minute, func() string {
		for topic, want := range map[string]string{"shop.shop.item": "Lamp", "shop.shop.Odd_name": "Chair"} {
			if found := w.firstOf(topic); !strings.Contains(found, want) {
				return topic + " has " + found
			}
		}
		return ""
	})
	// There is no ledger, and status has something to say all the same.
	if out := w.command(exitOK, "status", "--config", file); !strings.Contains(out, "shop-source, slot "+role+": ") || !strings.Contains(out, "kept by the server") {
		t.Errorf("status while it streams: %s", out)
	}
	if code := r.end(); code != exitOK && code != exitInterrupted {
		t.Errorf("run ended with %d", code)
	}
	w.exec(`SELECT pg_drop_replication_slot($1)`, role)
	if out := w.command(exitOK, "status", "--config", file); !strings.Contains(out, "shop-source, slot "+role+": there is none") {
		t.Errorf("status without its slot: %s", out)
	}
	if code, _, errs := w.tandem("grants", file); code != exitUsage || !strings.Contains(errs, "--dsn") {
		t.Errorf("without a database: %d %s", code, errs)
	}
}

// firstOf gives the values of a topic's first records, to who reads committed.
func (w *world) firstOf(topic string) string {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.broker.Bootstrap()), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
	defer cancel()
	var all strings.Builder
	client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { all.Write(r.Value) })
	return all.String()
}
