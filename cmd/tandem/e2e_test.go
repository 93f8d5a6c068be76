package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/notionapi"
)

func (w *world) contact(id int, name, email, phone string) {
	w.t.Helper()
	w.exec(`INSERT INTO contact (id, full_name, email, phone, created_at, updated_at) VALUES ($1, $2, $3, $4, now(), now())`, id, name, email, phone)
}

// shown gives the text of a page's property by name, "no page" where there is none, and says where there are several.
func (w *world) shown(entity, title, property string) string {
	pages, err := w.pages(entity)
	if err != nil {
		return err.Error()
	}
	switch found := pages[title]; len(found) {
	case 0:
		return "no page"
	case 1:
		for _, p := range found[0].Properties {
			if p.Name == property {
				return p.Value.String()
			}
		}
		return "no property " + property
	default:
		return fmt.Sprint(len(found), " pages")
	}
}

func (w *world) waitShown(entity, title, property, want string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%s %q shows %s %q", entity, title, property, want), 30*time.Second, func() string {
		if got := w.shown(entity, title, property); got != want {
			return got
		}
		return ""
	})
}

func (w *world) waitRow(want, sql string, args ...any) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the CRM says %q", want), 30*time.Second, func() string {
		if got := w.one(sql, args...); got != want {
			return got
		}
		return ""
	})
}

// page gives the one page with a title.
func (w *world) page(entity, title string) notionapi.Page {
	w.t.Helper()
	pages, err := w.pages(entity)
	if err != nil || len(pages[title]) != 1 {
		w.t.Fatalf("page %q: %d found, %v", title, len(pages[title]), err)
	}
	return pages[title][0]
}

// idle waits until no work is left.
func (w *world) idle() {
	w.t.Helper()
	w.eventually("all work is done", 120*time.Second, func() string {
		if n := w.one(`SELECT coalesce(string_agg(DISTINCT entity || ' ' || side || ' ' || why || ' ' || parked, ', '), '') FROM tandem.work`); n != "" {
			return n
		}
		return ""
	})
}

func TestAContactTravelsAndAnEditComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for i := range 3 {
		w.contact(i+1, fmt.Sprintf("Person %d", i+1), fmt.Sprintf("p%d@example.com", i+1), "06 12 34 56 7"+fmt.Sprint(i))
	}
	r := w.start()
	w.waitShown("contact", "Person 2", "Phone", "+33612345671")
	w.idle()
	// An edit in the CRM shows on the page.
	w.exec(`UPDATE contact SET job_title = 'Captain' WHERE id = 2`)
	w.waitShown("contact", "Person 2", "Job title", "Captain")
	// An edit by a person shows in the row.
	ada := w.notion.Person(w.notion.PersonID("Ada Lovelace"))
	if err := ada.Edit(w.page("contact", "Person 3").ID, map[string]any{"Email": map[string]any{"email": "new@example.com"}}); err != nil {
		t.Fatal(err)
	}
	w.waitRow("new@example.com", `SELECT email FROM contact WHERE id = 3`)
	w.idle()
	if code := r.end(); code != exitOK {
		t.Errorf("run ended with %d, want 0", code)
	}
	if os.Getenv("TANDEM_LOG") != "" {
		t.Log(r.log.String())
		t.Log(strings.Join(w.requestsSince(0), "\n"))
	}
}
