package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// People see a conflict, put the losing value back, and see what else does not go on, with the programs running.
func TestPeopleSeeConflictsAndIssues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.editMapping("contact", func(m map[string]any) {
		m["notion"].(map[string]any)["comments"] = true
		m["notion"].(map[string]any)["status_property"] = "Tandem"
	})
	w.contact(1, "Zoë Müller", "zoe@example.com", "06 12 34 56 78")
	w.contact(2, "Phone Less", "p@example.com", "call me maybe")
	r := w.start()
	w.waitShown("contact", "Zoë Müller", "Phone", "+33612345678")
	w.waitShown("contact", "Zoë Müller", "Tandem", "In sync")
	w.eventually("only the bad phone waits", 4*time.Minute, func() string {
		return strings.TrimPrefix(w.one(`SELECT count(*)::text || ' ' || count(*) FILTER (WHERE parked <> '') FROM tandem.work`), "1 1")
	})
	if code := r.end(); code != exitOK {
		t.Fatalf("run ended with %d", code)
	}
	w.exec(`UPDATE contact SET phone = '06 00 00 00 01' WHERE id = 1`)
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	page := w.page("contact", "Zoë Müller").ID
	if err := ada.Edit(page, map[string]any{"Phone": map[string]any{"phone_number": "+33600000002"}}); err != nil {
		t.Fatal(err)
	}
	r = w.start()
	asks := func(want int, args ...string) string {
		t.Helper()
		code, out, stderr := w.tandem(append(args, "--config", w.files[1])...)
		if code != want {
			t.Errorf("tandem %s: %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, stderr)
		}
		t.Logf("$ tandem %s\n%s%s", strings.Join(args, " "), out, stderr)
		return out
	}
	says := func(out string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in:\n%s", want, out)
			}
		}
	}
	w.waitShown("contact", "Zoë Müller", "Phone", "+33600000001")
	w.eventually("the conflict is told on the page", 4*time.Minute, func() string {
		found, err := w.client.Comments(t.Context(), page)
		if err != nil || len(found) != 1 {
			return "no comment yet"
		}
		says(found[0].Text, "Ada Lovelace", "+33600000002", "tandem restore")
		return ""
	})
	says(asks(exitOK, "conflicts"), "contact 1", "phone", `"+33600000001" (CRM)`, `"+33600000002" (Notion, Ada Lovelace)`, "tie rule", "decided", "tandem restore ID")
	var answer conflictsAnswer
	if err := json.Unmarshal([]byte(asks(exitOK, "conflicts", "--open", "--entity", "contact", "--key", "1", "--json")), &answer); err != nil || len(answer.Conflicts) != 1 {
		t.Fatalf("%d conflicts, %v", len(answer.Conflicts), err)
	}
	id := answer.Conflicts[0].ID
	asks(exitUsage, "restore", id[:3])
	asks(exitFailed, "restore", "00000000")
	says(asks(exitOK, "restore", id[:8], "--by", "ops", "--reason", "she called"), `is "+33600000002" in the CRM again`, `in the place of "+33600000001"`)
	w.waitShown("contact", "Zoë Müller", "Phone", "+33600000002")
	says(asks(exitOK, "conflicts"), "restored by ops", "restored")
	says(asks(exitOK, "restore", id[:8]), "on both sides already")
	says(asks(exitOK, "issues"), "contact 2, parked", "call me maybe")
	asks(exitUsage, "issues", "--class", "bad luck")
	asks(exitUsage, "retry")
	says(asks(exitOK, "retry", "--all"), "one record")
	w.exec(`UPDATE contact SET phone = '06 12 34 56 79' WHERE id = 2`)
	w.waitShown("contact", "Phone Less", "Phone", "+33612345679")
	if err := ada.Edit(page, map[string]any{"Phone": map[string]any{"phone_number": "+33600000003"}}); err != nil {
		t.Fatal(err)
	}
	w.eventually("her next edit is in the CRM", time.Minute, func() string {
		return w.one(`SELECT CASE WHEN phone = '+33600000003' THEN '' ELSE phone END FROM contact WHERE id = 1`)
	})
	w.idle()
	says(asks(exitOK, "history"), "Ada Lovelace (Notion)")
	says(asks(exitOK, "issues"), "no issues")
	// The page says it too, once it lasts.
	w.exec(`UPDATE contact SET phone = 'not a number' WHERE id = 1`)
	w.eventually("the page says what keeps it back", 4*time.Minute, func() string {
		if text := w.shown("contact", "Zoë Müller", "Tandem"); !strings.HasPrefix(text, "Waiting: phone: ") {
			return "it says " + text
		}
		return ""
	})
	w.exec(`UPDATE contact SET phone = '06 12 34 56 70' WHERE id = 1`)
	w.waitShown("contact", "Zoë Müller", "Tandem", "In sync")
	says(asks(exitOK, "overwritten"), "no edit that may have been overwritten")
	if code := r.end(); code != exitOK {
		t.Errorf("run ended with %d", code)
	}
}
