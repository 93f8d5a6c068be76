package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// observe has all mappings only look.
func (w *world) observe() {
	w.t.Helper()
	for _, entity := range []string{"contact", "opportunity", "task"} {
		w.editMapping(entity, func(m map[string]any) { m["mode"] = map[string]any{"to_notion": "observe", "to_crm": "observe"} })
	}
}

// written gives the requests since the first n that change anything in Notion.
func (w *world) writtenSince(n int) []string {
	return slices.DeleteFunc(w.requestsSince(n), func(r string) bool {
		return strings.HasPrefix(r, "GET ") || strings.HasSuffix(r, "/query") || strings.HasSuffix(r, "/search")
	})
}

func (w *world) command(want int, args ...string) string {
	w.t.Helper()
	code, out, stderr := w.tandem(args...)
	if code != want {
		w.t.Fatalf("tandem %s: %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, stderr)
	}
	return out + progress.ReplaceAllString(stderr, "")
}

// progress are the lines of long work on standard error: how many there are is a matter of the machine.
var progress = regexp.MustCompile(`(?m)^  \S.*: \d.* a second.*\n`)

// A plan is made before anything ran, by mappings that only observe; what changes until it is applied is left out; the rest is done, once.
func TestPlanAndApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.observe()
	w.editMapping("contact", func(m map[string]any) { m["match"] = []any{"email", "phone"} })
	w.contact(1, "Zoë Müller", "zoe@example.com", "06 12 34 56 78")
	w.contact(2, "Bob Martin", "bob@example.com", "06 12 34 56 79")
	w.contact(3, "Cy Gone", "cy@example.com", "06 12 34 56 70")
	w.contact(4, "Di Moved", "di@example.com", "06 12 34 56 71")
	w.contact(5, "Phone Less", "p@example.com", "call me maybe")
	w.exec(`SELECT setval('contact_id_seq', 100);
		INSERT INTO opportunity (id, contact_id, name, created_at, updated_at) VALUES (1, 2, 'Big deal', now(), now());
		INSERT INTO opportunity (id, contact_id, name, created_at, updated_at) VALUES (2, 4, 'Small deal', now(), now())`)
	pages := w.people([3]string{"Zoe Mueller", "zoe@example.com", ""}, [3]string{"New There", "there@example.com", "+33612345600"}, [3]string{"Also There", "also@example.com", ""})
	before := len(w.requestsSince(0))
	file := filepath.Join(w.dir, "plan.json")
	out := w.command(exitOK, append([]string{"plan", "--log-level", "error", "--out", file}, w.files[:3]...)...)
	golden(t, "plan", strings.ReplaceAll(out, w.dir, "DIR"))
	if writes := w.writtenSince(before); len(writes) != 0 {
		t.Errorf("the plan has written to Notion: %q", writes)
	}
	if n := w.one(`SELECT count(*)::text FROM pg_namespace WHERE nspname = 'tandem'`); n != "0" {
		t.Error("the plan has made a ledger")
	}

	// Until it is applied, life goes on.
	w.exec(`DELETE FROM contact WHERE id = 3; UPDATE contact SET full_name = 'Di Newname' WHERE id = 4`)
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	if err := ada.Trash(pages[2]); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tampered := filepath.Join(w.dir, "tampered.json")
	if err := os.WriteFile(tampered, []byte(strings.Replace(string(data), "bob@example.com", "eve@example.com", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.command(exitFailed, append([]string{"apply", tampered}, w.files[:3]...)...); !strings.Contains(got, "changed or cut after it was made") {
		t.Error(got)
	}
	out = w.command(exitOK, append([]string{"apply", "--log-level", "error", file}, w.files[:3]...)...)
	golden(t, "apply", out)
	all, err := w.pages("contact")
	if err != nil || len(all["Zoë Müller"]) != 1 || len(all["Bob Martin"]) != 1 || len(all["New There"]) != 1 || len(all) != 3 {
		t.Errorf("%v %v", all, err)
	}
	if got := w.page("contact", "Zoë Müller").ID; got != pages[0] {
		t.Errorf("Zoë's page is %s, want %s", got, pages[0])
	}
	if got := w.shown("opportunity", "Big deal", "Contact"); got != w.page("contact", "Bob Martin").ID && !strings.Contains(got, w.page("contact", "Bob Martin").ID) {
		t.Errorf("the deal's contact is %s", got)
	}
	if got := w.shown("opportunity", "Small deal", "Contact"); got != "no page" {
		t.Errorf("a deal whose contact was left out: %s", got)
	}
	if n := w.one(`SELECT string_agg(full_name || ' ' || coalesce(email, '-'), ', ' ORDER BY id) FROM contact WHERE id > 100`); n != "New There there@example.com" {
		t.Error(n)
	}
	// Again: what is done is done.
	before = len(w.requestsSince(0))
	out = w.command(exitOK, append([]string{"apply", "--log-level", "error", file}, w.files[:3]...)...)
	golden(t, "apply-again", out)
	if writes := w.writtenSince(before); len(writes) != 0 {
		t.Errorf("applied again it has written: %q", writes)
	}
	w.editMapping("contact", func(m map[string]any) { m["match"] = []any{"email"} })
	if got := w.command(exitFailed, append([]string{"apply", file}, w.files[:3]...)...); !strings.Contains(got, "the mapping of contact was changed after the plan was made") {
		t.Error(got)
	}
}

// A plan of two thousand records costs twenty requests, and a few to find the databases.
func TestAPlanCostsAHundredPagesARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.editMapping("contact", func(m map[string]any) { m["match"] = []any{"email"} })
	const n = 500
	w.exec(`INSERT INTO contact (id, full_name, email, created_at, updated_at) SELECT n, 'Person ' || n, 'p' || n || '@example.com', now(), now() FROM generate_series(1, $1::int) n`, n)
	var people [][3]string
	for i := 1; i <= n; i++ {
		people = append(people, [3]string{fmt.Sprint("Person ", i), fmt.Sprintf("p%d@example.com", i), ""})
	}
	w.people(people...)
	before := len(w.requestsSince(0))
	out := w.command(exitOK, append([]string{"plan", "--json", "--log-level", "error", "--entity", "contact"}, w.files[:3]...)...)
	var answer planAnswer
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err, out)
	}
	spent := w.requestsSince(before)
	if len(spent) > n/100+6 || int(answer.Spent) != len(spent) || answer.Entities[0].Counts["link"] != n || answer.Requests != 3*n || len(answer.Entities[0].Sample) != 3 {
		t.Errorf("%d requests (%d said), %v, %d to apply", len(spent), answer.Spent, answer.Entities[0].Counts, answer.Requests)
	}
	if writes := w.writtenSince(before); len(writes) > 0 {
		t.Errorf("written: %q", writes)
	}
}
