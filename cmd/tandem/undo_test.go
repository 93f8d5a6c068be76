package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A wrong rule has changed 500 rows and their pages. Undo takes it back everywhere but in three fields that people have edited since.
func TestAWrongMappingOf500RowsIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seldom) // nobody edits in Notion, and each poll reads 500 pages
	w.editMapping("contact", func(m map[string]any) {
		off := map[string]any{"share": 1}
		m["brakes"] = map[string]any{"updates": off, "creates": off, "transaction": off}
	})
	w.exec(`INSERT INTO contact (id, full_name, email, job_title, created_at, updated_at) SELECT 1000 + i, 'P N' || i, 'p' || i || '@x.org', 'Chief ' || i, now(), now() FROM generate_series(1, 500) i`)
	w.start()
	settled := func(what string) {
		w.eventually(what, 4*time.Minute, func() string {
			return w.one(`SELECT CASE WHEN (SELECT count(*) FROM tandem.link WHERE entity = 'contact' AND state = 'live') >= 500 AND
				NOT EXISTS (SELECT FROM tandem.work) THEN '' ELSE (SELECT count(*) FROM tandem.work) || ' wait' END`)
		})
	}
	settled("first sync")
	began := time.Now().UTC().Format(time.RFC3339Nano)
	w.exec(`SELECT pg_sleep(0.01)`)
	for i := range 5 { // an import in pieces: what one transaction may do is braked
		w.exec(`UPDATE contact SET job_title = upper(job_title) WHERE id % 5 = $1 AND id > 1000`, i)
	}
	w.eventually("the wrong values are in Notion", 4*time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) >= 500 THEN '' ELSE count(*) || ' written; ' || (SELECT count(*) FROM tandem.hold) || ' held' END
			FROM tandem.write WHERE op = 'update' AND side = 'notion' AND new ->> 'job_title' IS NOT NULL`)
	})
	settled("the wrong rule")
	w.exec(`UPDATE contact SET job_title = 'Newer ' || id WHERE id IN (1001, 1002, 1003)`)
	w.eventually("newer edits are in Notion", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN count(*) = 3 THEN '' ELSE count(*)::text END FROM tandem.history WHERE became LIKE '"Newer%'`)
	})
	settled("newer edits")
	plan := filepath.Join(w.dir, "undo.json")
	// The newer edits are writes of the sync themselves: what is undone is what was written until them.
	until := w.one(`SELECT to_char(min(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM tandem.history WHERE became LIKE '"Newer%'`)
	code, out, errs := w.tandem("undo", "--config", w.files[1], "--field", "job_title", "--since", began, "--until", until, "--out", plan)
	if code != exitOK || !strings.HasPrefix(out, "497 fields would be put back, 3 were edited since and are kept, 0 are as they were already") || !strings.Contains(out, "and 487 more") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, _, errs := w.tandem("undo", "--config", w.files[1]); code != exitUsage || !strings.Contains(errs, "say what is to be undone") {
		t.Errorf("%d %s", code, errs)
	}
	// The brakes count what undo writes, as they do everybody's; a person may pass over them.
	w.editMapping("contact", func(m map[string]any) {
		m["brakes"] = map[string]any{"updates": map[string]any{"max": 20, "share": 0.001}}
	})
	undo := []string{"undo", "--config", w.files[1], "--plan", plan, "--apply", "--as", "ops", "--reason", "wrong rule", "--json"}
	code, out, errs = w.tandem(undo...)
	var braked undoAnswer
	if err := json.Unmarshal([]byte(out), &braked); err != nil || code != exitOK || braked.Put != 20 || len(braked.Left) != 477 || !strings.Contains(braked.Left[0].Why, "--over-brakes") {
		t.Fatalf("%d %d put back: %s %s", code, braked.Put, short(out, 2000), errs)
	}
	code, out, errs = w.tandem(append(undo, "--over-brakes")...)
	var done undoAnswer
	if err := json.Unmarshal([]byte(out), &done); err != nil || code != exitOK || done.Put != 477 || done.Stands != 20 || len(done.Newer) != 3 || len(done.Left) != 0 {
		t.Fatalf("%d %s %s", code, short(out, 2000), errs)
	}
	settled("undone")
	if n := w.one(`SELECT count(*)::text FROM contact WHERE job_title LIKE 'Chief %' AND id > 1000`); n != "497" {
		t.Errorf("%s rows are as they were", n)
	}
	w.eventually("the pages are as they were", 2*time.Minute, func() string {
		pages, err := w.pages("contact")
		if err != nil {
			return err.Error()
		}
		old, newer := 0, 0
		for _, of := range pages {
			for _, p := range of {
				for _, v := range p.Properties {
					old += strings.Count(v.Value.String(), "Chief ")
					newer += strings.Count(v.Value.String(), "Newer ")
				}
			}
		}
		if old != 497 || newer != 3 {
			return fmt.Sprintf("%d as they were, %d newer", old, newer)
		}
		return ""
	})
	if code, out, _ := w.tandem("history", "--config", w.files[1], "--run", done.Run, "--top", "2"); code != exitOK || !strings.Contains(out, "undo by ops: wrong rule") || !strings.Contains(out, "CHIEF") || !strings.Contains(out, "there are more") {
		t.Errorf("%d %s", code, out)
	}
	w.eventually("chained", 20*time.Second, func() string {
		code, out, _ := w.tandem("history", "--config", w.files[1], "--verify")
		if code != exitOK || strings.Contains(out, "PROBLEM") || !strings.Contains(out, "; 0 of the last moments") {
			return out
		}
		return ""
	})
}
