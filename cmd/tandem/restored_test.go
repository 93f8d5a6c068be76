package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-sync/tandem/connector/notionapi"
)

// admin runs a statement from another database of the same server.
func (w *world) admin(sql string) {
	w.t.Helper()
	u, err := url.Parse(w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	u.Path = "/postgres"
	conn, err := pgx.Connect(context.Background(), u.String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// backup copies the CRM's database as it is; nothing may be connected to it.
func (w *world) backup() (name string) {
	name = w.one(`SELECT current_database()`)
	w.db.Reset()
	w.freeSlots()
	w.admin(fmt.Sprintf(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'`, name))
	w.admin(fmt.Sprintf(`CREATE DATABASE %s_backup TEMPLATE %s`, name, name))
	w.t.Cleanup(func() { w.admin(`DROP DATABASE IF EXISTS ` + name + `_backup WITH (FORCE)`) })
	return name
}

// freeSlots drops the slots of the world's database, which a restore of it does not survive either.
func (w *world) freeSlots() {
	w.t.Helper()
	w.eventually("slots", time.Minute, func() string {
		return w.one(`SELECT coalesce(string_agg(slot_name, ' '), '') FROM pg_replication_slots WHERE database = current_database() AND active`)
	})
	w.exec(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()`)
}

// bringBack puts the backup in the place of the database.
func (w *world) bringBack(name string) {
	w.freeSlots()
	w.db.Reset()
	w.admin(fmt.Sprintf(`DROP DATABASE %s WITH (FORCE)`, name))
	w.admin(fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s_backup`, name, name))
}

// contacts gives the pages of contacts by title, trash left out.
func (w *world) contacts() map[string][]notionapi.Page {
	w.t.Helper()
	pages, err := w.pages("contact")
	if err != nil {
		w.t.Fatal(err)
	}
	return pages
}

// settled waits until nothing waits.
func (w *world) settled(what string, live int) {
	w.t.Helper()
	w.eventually(what, 2*time.Minute, func() string {
		return w.one(`SELECT CASE WHEN (SELECT count(*) FROM tandem.link WHERE entity = 'contact' AND state = 'live') >= $1
			AND NOT EXISTS (SELECT FROM tandem.work WHERE parked = '') THEN '' ELSE (SELECT count(*)::text FROM tandem.link WHERE entity = 'contact' AND state = 'live') || ' live; ' ||
			coalesce((SELECT string_agg(link || ' ' || side || ' ' || why || ' ' || trouble, '; ') FROM tandem.work WHERE parked = ''), 'no work') END`, live)
	})
}

// The database is restored from a backup while both sides have gone on. Nothing is written on either side before a plan was looked at and applied; then
// both are equal, nobody has two pages, and who was linked only after the backup is found again.
func TestAfterARestoreNothingIsWrittenBeforeAPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"crm-source/snapshot.mode": "when_needed"})
	w.editMapping("contact", func(m map[string]any) {
		off := map[string]any{"share": 1}
		m["brakes"] = map[string]any{"updates": off, "creates": off, "transaction": off, "deletes": off}
	})
	for i := 1; i <= 6; i++ {
		w.contact(i, fmt.Sprint("Person ", i), fmt.Sprintf("p%d@example.com", i), "")
	}
	w.exec(`SELECT setval('contact_id_seq', 100)`)
	r := w.start()
	w.settled("first sync", 6)
	r.end()
	w.contact(7, "Late Linked", "late@example.com", "") // in the backup as a row, and not yet as a page
	w.contact(8, "Twin One", "twin@example.com", "")
	name := w.backup()

	// Life goes on: edits on both sides, new records, a delete.
	r = w.start()
	w.settled("the late ones", 8)
	w.exec(`UPDATE contact SET full_name = 'Person 1 Newer' WHERE id = 1`)
	w.exec(`DELETE FROM contact WHERE id = 6`)
	w.contact(9, "After Backup", "after@example.com", "")
	w.edit(w.page("contact", "Person 2").ID, personProperties([3]string{"Person 2 In Notion"}))
	w.eventually("life on both sides", 2*time.Minute, func() string {
		p := w.contacts()
		if len(p["Person 1 Newer"]) != 1 || len(p["After Backup"]) != 1 || len(p["Person 6"]) != 0 {
			return fmt.Sprint(len(p), " pages")
		}
		return w.one(`SELECT CASE WHEN full_name = 'Person 2 In Notion' THEN '' ELSE full_name END FROM contact WHERE id = 2`)
	})
	w.settled("life", 8)
	r.end()
	w.bringBack(name)
	w.exec(`UPDATE contact SET email = 'somebody.else@example.com', full_name = 'Not The Twin' WHERE id = 8`)

	before := len(w.requestsSince(0))
	rows := w.one(`SELECT md5(string_agg(c::text, ';' ORDER BY id)) FROM contact c`)
	if got := w.command(exitFailed, "check", w.files[1]); !strings.Contains(got, "it was restored from a backup") {
		t.Errorf("check: %s", got)
	}
	r = w.start()
	w.eventually("paused", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 1 THEN '' ELSE count(*)::text END FROM tandem.pause WHERE kind = 'restored' AND reason LIKE '%restored from a backup%'`)
	})
	w.eventually("people are told", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 1 THEN '' ELSE count(*)::text END FROM tandem.alert WHERE kind = 'restored' AND (detail ->> 'critical')::bool AND delivered_at IS NOT NULL`)
	})
	// The tables are read again, and an edit comes: there is cause enough to write.
	w.exec(`UPDATE contact SET phone = '+4930901820' WHERE id = 3`)
	w.eventually("cause to write", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) >= 8 THEN '' ELSE count(*) || ' look' END FROM tandem.work WHERE side = 'notion' AND entity = 'contact'`)
	})
	if got := w.command(exitOK, "status", "--config", w.files[1]); !strings.Contains(got, "PAUSED") || !strings.Contains(got, "tandem plan shows what would be") {
		t.Errorf("status: %s", got)
	}
	if got := w.command(exitFailed, "resume", "--all", "--config", w.files[1]); !strings.Contains(got, "--after-restore") {
		t.Errorf("resume: %s", got)
	}
	plan := filepath.Join(w.dir, "plan.json")
	out := w.command(exitOK, append([]string{"plan", "--log-level", "error", "--out", plan}, w.files[:3]...)...)
	w.exec(`UPDATE contact SET phone = '' WHERE id = 3`)
	if now := w.one(`SELECT md5(string_agg(c::text, ';' ORDER BY id)) FROM contact c`); now != rows {
		t.Errorf("the CRM was written to before the plan was applied: %s", w.one(`SELECT string_agg(c::text, E'\n' ORDER BY id) FROM contact c`))
	}
	if writes := w.writtenSince(before); len(writes) != 0 {
		t.Errorf("Notion was written to before the plan was applied: %q", writes)
	}
	w.exec(`UPDATE contact SET phone = '+4930901820' WHERE id = 3`)
	if !strings.Contains(out, "the page was made for this row") || !strings.Contains(out, `"Person 1" → "Person 1 Newer"`) {
		t.Errorf("plan: %s", out)
	}
	out = w.command(exitOK, append([]string{"apply", "--log-level", "error", plan}, w.files[:3]...)...)
	if !strings.Contains(out, "the pause after the restore has ended") {
		t.Errorf("apply: %s", out)
	}
	w.settled("after the plan", 7)
	w.eventually("both are equal", 2*time.Minute, func() string { return w.namesDiffer() })
	p := w.contacts()
	for title, of := range p {
		if len(of) != 1 {
			t.Errorf("%s has %d pages", title, len(of))
		}
	}
	if len(p["Late Linked"]) != 1 || w.one(`SELECT page FROM tandem.link WHERE key = '7' AND entity = 'contact'`) != p["Late Linked"][0].ID {
		t.Error("who was linked after the backup was not found again")
	}
	// Row 8 is another person than the page says that was made for it: a person decides.
	if n := w.one(`SELECT count(*)::text FROM tandem.hold h JOIN tandem.link l ON l.id = h.link WHERE h.kind = 'match' AND (l.key = '8' OR l.page = $1)`, p["Twin One"][0].ID); n != "2" {
		t.Errorf("%s holds of the pair that is in doubt", n)
	}
	// Who was made after the backup is in Notion alone, and becomes a row again once the page has rested.
	w.eventually("the one who was made after the backup", 3*time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 1 THEN '' ELSE count(*)::text END FROM contact WHERE email = 'after@example.com'`)
	})
	if n := len(w.contacts()["After Backup"]); n != 1 {
		t.Errorf("%d pages of the one who was made after the backup", n)
	}
}

// unequal compares names of live contacts on both sides.
func (w *world) namesDiffer() string {
	p := w.contacts()
	rows, err := w.db.Query(w.t.Context(), `SELECT c.full_name, l.page FROM contact c JOIN tandem.link l ON l.entity = 'contact' AND l.key = c.id::text AND l.state = 'live'`)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	for rows.Next() {
		var name, page string
		if err := rows.Scan(&name, &page); err != nil {
			return err.Error()
		}
		if len(p[name]) != 1 || p[name][0].ID != page {
			return fmt.Sprintf("%s: %d pages", name, len(p[name]))
		}
	}
	return ""
}
