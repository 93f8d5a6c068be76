package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi"
)

// people makes a database of contacts as it stood before Tandem, and pages in it: title, e-mail, phone.
func (w *world) people(pages ...[3]string) (ids []string) {
	w.t.Helper()
	w.behind.Store(int64(time.Hour)) // nobody touched them for a while
	defer w.behind.Store(0)
	db, err := w.client.CreateDatabase(w.t.Context(), notionapi.NewDatabase{ParentPageID: w.notion.RootPageID(), Title: "Contacts", Properties: []notionapi.PropertySpec{
		{Name: "Name", Type: notionapi.TypeTitle}, {Name: "Email", Type: notionapi.TypeEmail}, {Name: "Phone", Type: notionapi.TypePhoneNumber},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	for i, p := range pages {
		w.behind.Store(int64(time.Hour) - int64(min(i, 30))*int64(time.Minute))
		id, err := ada.Create(db.DataSources[0].ID, personProperties(p))
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func personProperties(p [3]string) map[string]any {
	props := map[string]any{"Name": map[string]any{"title": []any{map[string]any{"text": map[string]any{"content": p[0]}}}}}
	if p[1] != "" {
		props["Email"] = map[string]any{"email": p[1]}
	}
	if p[2] != "" {
		props["Phone"] = map[string]any{"phone_number": p[2]}
	}
	return props
}

// Two address books that grew apart for years become one: nothing is doubled, nothing is guessed, and a person is told what to look at.
func TestLinkWhatIsThereAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.editMapping("contact", func(m map[string]any) { m["match"] = []any{[]any{"email"}, []any{"phone"}} })
	w.contact(1, "Zoë Müller", "zoe@example.com", "06 12 34 56 78")
	w.contact(2, "Bob Martin", "bob@example.com", "06 12 34 56 79")
	w.contact(3, "Twin One", "one@example.com", "06 12 34 56 70")
	w.contact(4, "Twin Two", "two@example.com", "06 12 34 56 70")
	w.contact(5, "Only Here", "here@example.com", "06 12 34 56 71")
	w.exec(`SELECT setval('contact_id_seq', 100)`)
	pages := w.people([3]string{"Zoe Mueller", "zoe@example.com", ""}, [3]string{"Bob", "", "+33612345679"}, [3]string{"Twin", "", "+33612345670"}, [3]string{"Only There", "there@example.com", ""})

	code, out, stderr := w.tandem(append([]string{"link"}, w.files[:3]...)...)
	if code != exitOK {
		t.Fatalf("link: %d\n%s%s", code, out, stderr)
	}
	golden(t, "link-report", out)
	if got := strings.Join(w.requestsSince(0), " "); strings.Contains(got, "PATCH") || strings.Contains(got, "POST /v1/pages") {
		t.Errorf("the report has written: %s", got)
	}
	if n := w.one(`SELECT count(*)::text FROM pg_namespace WHERE nspname = 'tandem'`); n != "0" {
		t.Error("the report has made a ledger")
	}

	r := w.start()
	w.eventually("everything waits for tandem link", 40*time.Second, func() string {
		if n := w.one(`SELECT count(*)::text FROM tandem.work WHERE parked LIKE '%run tandem link%'`); n != "9" {
			return n
		}
		return ""
	})
	csv := filepath.Join(w.dir, "report.csv")
	code, out, stderr = w.tandem(append([]string{"link", "--apply", "--out", csv}, w.files[:3]...)...)
	if code != exitOK {
		t.Fatalf("link --apply: %d\n%s%s", code, out, stderr)
	}
	golden(t, "link-apply", strings.ReplaceAll(out, w.dir, "DIR"))
	w.waitShown("contact", "Zoë Müller", "Phone", "+33612345678")
	w.waitShown("contact", "Only Here", "Phone", "+33612345671")
	w.eventually("only the twins wait", 40*time.Second, func() string {
		if n := w.one(`SELECT count(*)::text || ' ' || count(*) FILTER (WHERE parked LIKE '%is not guessed') FROM tandem.work`); n != "3 3" {
			return n + ": " + w.one(`SELECT string_agg(side || ' ' || parked, E'\n') FROM tandem.work`)
		}
		return ""
	})
	if got, want := w.page("contact", "Zoë Müller").ID, pages[0]; got != want {
		t.Errorf("Zoë's page is %s, want %s", got, want)
	}
	all, err := w.pages("contact")
	if err != nil || len(all) != 5 {
		t.Errorf("%d pages: %v, %v", len(all), all, err)
	}
	if n := w.one(`SELECT count(*)::text || ' ' || string_agg(full_name, ',' ORDER BY id) FILTER (WHERE id > 5) FROM contact`); n != "6 Only There" {
		t.Error(n)
	}
	if n := w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live'`); n != "4" {
		t.Error(n, "live links")
	}
	data, err := os.ReadFile(csv)
	if err != nil || strings.Count(string(data), "\n") != 6 || !strings.Contains(string(data), "contact,ambiguous,phone,'+33612345670,3 4,"+pages[2]+",Twin One | Twin Two | Twin,") {
		t.Errorf("%v\n%s", err, data)
	}
	if code := r.end(); code != exitOK {
		t.Errorf("run ended with %d", code)
	}
	if code, _, stderr := w.tandem("link", "--entity", "task", w.files[1]); code != exitUsage || !strings.Contains(stderr, "has no match keys") {
		t.Errorf("%d %s", code, stderr)
	}
}
