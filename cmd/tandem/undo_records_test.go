package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// unbraked lets the contact mapping write as much as it likes.
func (w *world) unbraked() {
	w.editMapping("contact", func(m map[string]any) {
		off := map[string]any{"share": 1}
		m["brakes"] = map[string]any{"updates": off, "creates": off, "transaction": off, "deletes": off}
	})
}

// A plan that nobody should have applied is undone: the pages that it made go to the trash and the row that it made is deleted, each if nobody has touched
// it since; what it changed is changed back. Nothing of that starts anew by itself.
func TestAnAppliedPlanIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.unbraked()
	w.editMapping("contact", func(m map[string]any) { m["match"] = []any{"email"} })
	for i := 1; i <= 4; i++ {
		w.contact(i, fmt.Sprint("Person ", i), fmt.Sprintf("p%d@example.com", i), "")
	}
	w.exec(`SELECT setval('contact_id_seq', 100)`)
	pages := w.people([3]string{"Person One", "p1@example.com", ""}, [3]string{"New There", "there@example.com", ""})
	plan := filepath.Join(w.dir, "plan.json")
	w.command(exitOK, append([]string{"plan", "--log-level", "error", "--out", plan}, w.files[:3]...)...)
	w.command(exitOK, append([]string{"apply", "--log-level", "error", plan}, w.files[:3]...)...)
	run := w.one(`SELECT run FROM tandem.write WHERE op = 'create' LIMIT 1`)
	if !strings.HasPrefix(run, "plan-") || len(w.contacts()) != 5 {
		t.Fatalf("run %q, %d pages", run, len(w.contacts()))
	}
	w.start()
	w.settled("the connectors agree", 5)
	made := w.page("contact", "Person 3").ID
	w.edit(made, personProperties([3]string{"Person 3 Edited"}))
	w.waitRow("Person 3 Edited", `SELECT full_name FROM contact WHERE id = 3`)
	w.settled("an edit", 5)
	trash := filepath.Join(w.dir, "undo.json")
	out := w.command(exitOK, "undo", "--config", w.files[1], "--run", run, "--records", "--out", trash)
	if !regexp.MustCompile(`(?s)1 records: delete the row.*2 records: put the page in the trash`).MatchString(out) || !strings.Contains(out, "edited since, kept") {
		t.Errorf("%s", out)
	}
	var done undoAnswer
	out = w.command(exitOK, "undo", "--config", w.files[1], "--plan", trash, "--apply", "--as", "ops", "--reason", "too early", "--json")
	if err := json.Unmarshal([]byte(out[:strings.LastIndex(out, "}")+1]), &done); err != nil || done.Records != 3 || len(done.Newer) != 1 || len(done.Left) != 0 {
		t.Fatalf("%v %s", err, out)
	}
	w.settled("undone", 2)
	w.eventually("held", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 3 THEN '' ELSE count(*)::text END FROM tandem.hold WHERE kind = 'restored' AND reason LIKE '%undo by ops: too early%'`)
	})
	// Events of all that, edits of the rows and a sweep change nothing of it.
	w.exec(`UPDATE contact SET job_title = 'still here' WHERE id IN (2, 4)`)
	w.command(exitOK, "sync", "--config", w.files[1], "--all")
	w.eventually("looked at again", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) >= 2 THEN '' ELSE 'not yet' END FROM tandem.link WHERE key IN ('2', '4') AND read_at > now() - interval '10 seconds'`)
	})
	w.settled("looked at again", 2)
	all := w.contacts()
	if len(all["Person 2"]) != 0 || len(all["Person 4"]) != 0 || len(all["Person 3 Edited"]) != 1 || len(all["New There"]) != 1 {
		t.Errorf("pages: %v", all)
	}
	if n := w.one(`SELECT string_agg(id::text, ' ' ORDER BY id) FROM contact WHERE deleted_at IS NULL`); n != "1 2 3 4" {
		t.Errorf("rows %s", n)
	}
	// Both sides have the value again that the plan overwrote.
	if got := w.one(`SELECT full_name FROM contact WHERE id = 1`); got != "Person One" || w.page("contact", "Person One").ID != pages[0] {
		t.Errorf("what the plan changed is %q", got)
	}
	// A person says what is to become of the other ends: this one gets its page again.
	w.command(exitOK, "reject", "--config", w.files[1], "--entity", "contact", "--kind", "restored", "--key", "2", "--by", "ops")
	w.eventually("its page is back", time.Minute, func() string { return fmt.Sprint(len(w.contacts()["Person 2"]))[1:] })
}

// What a run removed is put back: a page that went to the trash with its row, and a row that was deleted because its page was in the trash. The brake counts it.
func TestWhatARunRemovedIsPutBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.unbraked()
	for i := 1; i <= 3; i++ {
		w.contact(i, fmt.Sprint("Person ", i), fmt.Sprintf("p%d@example.com", i), "")
	}
	w.start()
	w.settled("first sync", 3)
	since := time.Now().UTC().Format(time.RFC3339Nano)
	two := w.page("contact", "Person 2").ID
	w.exec(`DELETE FROM contact WHERE id = 1`)
	if err := w.notion.Person(w.notion.PersonID("Ada Lovelace")).Trash(two); err != nil {
		t.Fatal(err)
	}
	w.command(exitOK, "sync", "--config", w.files[1], "--all") // no webhook tells of the trash here
	w.eventually("held", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 1 THEN '' ELSE 'no' END FROM tandem.hold WHERE kind = 'delete_row'`)
	})
	w.command(exitOK, "approve", "--config", w.files[1], "--entity", "contact", "--kind", "delete_row", "--by", "ops")
	w.eventually("removed", time.Minute, func() string {
		if n := len(w.contacts()); n != 1 {
			return fmt.Sprint(n, " pages")
		}
		return w.one(`SELECT CASE WHEN deleted_at IS NULL THEN 'there' ELSE '' END FROM contact WHERE id = 2`)
	})
	w.settled("removed", 1)
	run := w.one(`SELECT string_agg(DISTINCT run, ',') FROM tandem.write WHERE op = 'delete'`)
	undo := []string{"undo", "--config", w.files[1], "--run", run, "--since", since, "--records", "--apply", "--as", "ops"}
	w.exec(`INSERT INTO tandem.pause (sync, reason) VALUES ('crm', 'stop')`)
	code, out, errs := w.tandem(undo...)
	if n := w.one(`SELECT count(*)::text FROM tandem.write WHERE run LIKE 'undo-%'`); n != "0" {
		t.Errorf("%s writes while everything is paused: %d %s %s", n, code, out, errs)
	}
	if !strings.Contains(out, "tandem resume") {
		t.Errorf("what is paused is called something else: %d %s %s", code, out, errs)
	}
	w.exec(`DELETE FROM tandem.pause`)
	out = w.command(exitOK, undo...)
	if !strings.Contains(out, "2 whole records were taken or put back") {
		t.Fatal(out)
	}
	w.eventually("the row is back, and its page follows", time.Minute, func() string {
		if of := w.contacts()["Person 2"]; len(of) != 1 || of[0].ID != two {
			return fmt.Sprint(len(of), " pages")
		}
		return w.one(`SELECT CASE WHEN deleted_at IS NULL THEN '' ELSE 'deleted' END FROM contact WHERE id = 2`)
	})
	w.eventually("the page is back, its row is asked for", time.Minute, func() string {
		if n := len(w.contacts()["Person 1"]); n != 1 {
			return fmt.Sprint(n, " pages")
		}
		return w.one(`SELECT CASE WHEN count(*) = 1 THEN '' ELSE count(*)::text END FROM tandem.hold WHERE kind = 'restored' AND side = 'notion'`)
	})
	if n := w.one(`SELECT string_agg(side || ' ' || op, ', ' ORDER BY side) FROM tandem.write WHERE run LIKE 'undo-%' AND author = 'ops'`); n != "crm restore, notion restore" {
		t.Errorf("the audit has %s", n)
	}
}
