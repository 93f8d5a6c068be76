package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// While both directions only observe the connectors look, decide, and write nothing; what they would have written is counted and shown. Once a plan was applied and
// writing is on, what was only observed arrives.
func TestShadow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.contact(1, "Zoë Müller", "zoe@example.com", "06 12 34 56 78")
	w.contact(2, "Bob Martin", "bob@example.com", "06 12 34 56 79")
	r := w.start()
	w.waitShown("contact", "Zoë Müller", "Phone", "+33612345678")
	w.waitShown("contact", "Bob Martin", "Phone", "+33612345679")
	w.idle()
	if code := r.end(); code != exitOK {
		t.Fatalf("run ended with %d", code)
	}
	w.observe()
	zoe := w.page("contact", "Zoë Müller").ID
	r = w.start()
	before := len(w.requestsSince(0))
	rows := func() string { return w.one(`SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM contact c`) }
	w.exec(`UPDATE contact SET job_title = 'Pilot' WHERE id = 1; UPDATE contact SET deleted_at = now() WHERE id = 2`)
	w.contact(3, "New Here", "new@example.com", "06 12 34 56 70")
	held := rows()
	w.edit(zoe, map[string]any{"Phone": map[string]any{"phone_number": "+33600000002"}})
	config := []string{"--config", w.files[1]}
	w.eventually("everything was looked at", time.Minute, func() string {
		out := w.command(exitOK, append([]string{"shadow"}, config...)...)
		for _, want := range []string{`notion create: - → "New Here"`, `notion update job_title: - → "Pilot"`, `crm update phone: "+33612345678" → "+33600000002"`, "notion trash"} {
			if !strings.Contains(out, want) {
				return want + " is not in\n" + out
			}
		}
		return ""
	})
	w.exec(`UPDATE contact SET job_title = 'Captain' WHERE id = 1`)
	held = rows()
	w.eventually("another value counts once more", time.Minute, func() string {
		out := w.command(exitOK, append([]string{"shadow", "--json"}, config...)...)
		var answer shadowAnswer
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			return err.Error()
		}
		for _, sum := range answer.Sums {
			if sum.Field == "job_title" && sum.Records == 1 && sum.Writes == 2 && len(answer.Observing["contact"]) == 2 {
				return ""
			}
		}
		return out
	})
	golden(t, "shadow", w.command(exitOK, append([]string{"shadow"}, config...)...))
	if writes := w.writtenSince(before); len(writes) != 0 || rows() != held {
		t.Errorf("written: %q, rows changed: %v", writes, rows() != held)
	}
	if code := r.end(); code != exitOK {
		t.Fatalf("run ended with %d", code)
	}
	for _, entity := range []string{"contact", "opportunity", "task"} {
		w.editMapping(entity, func(m map[string]any) { m["mode"] = map[string]any{"to_notion": "write", "to_crm": "write"} })
	}
	r = w.start()
	w.command(exitOK, append([]string{"sync", "--all"}, config...)...)
	w.waitShown("contact", "Zoë Müller", "Job title", "Captain")
	w.waitShown("contact", "New Here", "Phone", "+33612345670")
	w.waitRow("+33600000002", `SELECT phone FROM contact WHERE id = 1`)
	r.end()
}

// Links go out as they are, and come in all or not at all.
func TestLinksTravelAsCSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.editMapping("contact", func(m map[string]any) { m["match"] = []any{"email"} })
	w.contact(1, "Zoë Müller", "zoe@example.com", "06 12 34 56 78")
	w.contact(2, "Bob Martin", "bob@example.com", "06 12 34 56 79")
	pages := w.people([3]string{"Somebody", "", ""}, [3]string{"Else", "", ""})
	r := w.start()
	w.eventually("rows and pages wait", time.Minute, func() string {
		if n := w.one(`SELECT count(*)::text FROM tandem.work WHERE parked LIKE '%run tandem link%'`); n != "4" {
			return n
		}
		return ""
	})
	file := filepath.Join(w.dir, "links.csv")
	write := func(lines ...string) {
		if err := os.WriteFile(file, []byte("entity,key,page\n"+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := []string{"--config", w.files[1]}
	write("contact,1,"+pages[0], "contact,1,"+pages[1], "person,2,"+pages[1], "contact,2,nowhere", "contact,,"+pages[1])
	got := w.command(exitFailed, append([]string{"links", "import", file}, config...)...)
	for _, want := range []string{"3 lines cannot be", "line 3: row contact 1 stands in line 2 already", `line 4: there is no entity "person"`, `line 5: "nowhere" is no page id`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if n := w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live'`); n != "0" {
		t.Error("a refused file has made links: ", n)
	}
	write("contact,1,"+strings.ReplaceAll(pages[0], "-", ""), "contact,,"+pages[1])
	if got := w.command(exitOK, append([]string{"links", "import", file}, config...)...); !strings.Contains(got, "1 links imported, 0 were there already, 1 lines") {
		t.Error(got)
	}
	if got := w.command(exitOK, append([]string{"links", "import", file}, config...)...); !strings.Contains(got, "0 links imported, 1 were there already") {
		t.Error(got)
	}
	w.waitShown("contact", "Zoë Müller", "Phone", "+33612345678")
	write("contact,2," + pages[0])
	if got := w.command(exitFailed, append([]string{"links", "import", file}, config...)...); !strings.Contains(got, fmt.Sprintf("line 2: page %s is linked to contact 1", pages[0])) {
		t.Error(got)
	}
	out := w.command(exitOK, append([]string{"links", "export", "-"}, config...)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	i := slices.IndexFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "crm,contact,1,"+pages[0]+",") && strings.HasSuffix(line, ",live")
	})
	if len(lines) != 4 || lines[0] != "sync,entity,key,page,external,state" || i < 0 {
		t.Error(out)
	}
	if code := r.end(); code != exitOK {
		t.Errorf("run ended with %d", code)
	}
}
