package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tandem-sync/tandem/connector/ledger"
)

// anyOf hides which records were held, and for how long: several are worked on at a time.
func anyOf(text string) string {
	for _, m := range []struct{ pattern, with string }{
		{`\d+: "Engineer \d+"`, `N: "Engineer N"`}, {`since (now|\d+[sm])`, "since AGO"}, {`(to notion +live +)\d +\d +(\d +)(now|\d+[sm])`, "${1}D  L  ${2}AGO"},
	} {
		text = regexp.MustCompile(m.pattern).ReplaceAllString(text, m.with)
	}
	return text
}

// A person's way through a mass change: the alert, what is held, an approval, a second that is taken back, a pause by SQL and by command.
func TestAPersonDecidesOnAMassChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const rows = 40
	w.exec(`INSERT INTO contact (id, full_name, email, job_title, website, created_at, updated_at)
		SELECT n, 'Contact ' || n, 'c' || n || '@example.com', 'Engineer ' || n, 'https://example.com/' || n, now(), now() FROM generate_series(1, $1) n`, rows)
	w.start()
	config := []string{"--config", w.files[1]}
	asks := func(want int, args ...string) string {
		t.Helper()
		code, out, stderr := w.tandem(append(args, config...)...)
		if code != want {
			t.Errorf("tandem %s: %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, stderr)
		}
		return out + stderr
	}
	shows := func(property string) (filled int) {
		t.Helper()
		pages, err := w.pages("contact")
		if err != nil {
			t.Fatal(err)
		}
		for n := range rows {
			if len(pages[fmt.Sprint("Contact ", n+1)]) == 1 && w.shown("contact", fmt.Sprint("Contact ", n+1), property) != "" {
				filled++
			}
		}
		return filled
	}
	w.eventually("all are there", 3*time.Minute, func() string {
		if n := w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live'`); n != fmt.Sprint(rows) {
			return n
		}
		return ""
	})
	w.idle()
	if out := asks(exitOK, "holds"); out != "nothing waits for a person\n" {
		t.Errorf("holds: %s", out)
	}
	held := func(want int) {
		t.Helper()
		w.eventually(fmt.Sprintf("%d are held", want), 2*time.Minute, func() string {
			got := w.one(`SELECT count(*) FILTER (WHERE keep = '')::text || ' ' || (SELECT count(*) FROM tandem.work WHERE parked = '') FROM tandem.hold`)
			if got != fmt.Sprint(want, " 0") {
				return got
			}
			return ""
		})
	}
	w.exec(`UPDATE contact SET job_title = NULL`)
	held(rows - 20)
	golden(t, "holds", anyOf(asks(exitOK, "holds", "--sample", "2")))
	if out := asks(exitOK, "status"); !strings.Contains(out, "20 of contact job_title  held since ") || strings.Count(out, "(tandem holds)") != 1 || strings.Contains(out, "--top") {
		t.Errorf("status says of 20 records what is to be said of one:\n%s", out)
	}
	var answer struct{ Holds []ledger.HoldGroup }
	if err := json.Unmarshal([]byte(asks(exitOK, "holds", "--json")), &answer); err != nil || len(answer.Holds) != 1 || answer.Holds[0].Count != rows-20 {
		t.Errorf("holds --json: %v %+v", err, answer)
	}
	if n := w.one(`SELECT count(*)::text FROM tandem.alert WHERE detail->>'kind' = 'brake'`); n != "1" || shows("Job title") != rows-20 {
		t.Errorf("%s alerts, %d titles are left", n, shows("Job title"))
	}
	asks(exitUsage, "approve")
	asks(exitUsage, "approve", "--key", "1")
	asks(exitFailed, "approve", "--kind", "conflict")
	asks(exitFailed, "reject", "--entity", "contact", "--key", "9999")
	golden(t, "approve", asks(exitOK, "approve", "--entity", "contact", "--field", "job_title", "--by", "ada", "--reason", "the titles were wrong"))
	held(0)
	w.idle()
	if n := shows("Job title"); n != 0 {
		t.Errorf("approved, and %d titles are left", n)
	}
	asks(exitFailed, "approve", "--entity", "contact", "--field", "job_title")

	w.exec(`UPDATE contact SET website = NULL`)
	held(rows - 20)
	golden(t, "reject", asks(exitOK, "reject", "--kind", "brake", "--by", "ada", "--for", "30m"))
	held(0)
	w.idle()
	if n := w.one(`SELECT count(website)::text FROM contact`); n != fmt.Sprint(rows-20) || shows("Website") != rows-20 {
		t.Errorf("taken back: %s rows have a website, %d pages", n, shows("Website"))
	}
	golden(t, "holds-history", asks(exitOK, "holds", "--history"))

	w.exec(`INSERT INTO tandem.pause (direction, by, reason) VALUES ('to_notion', 'dba', 'a bad import')`)
	w.exec(`UPDATE contact SET full_name = 'Paused 1' WHERE full_name = 'Contact 1'`)
	w.eventually("the work waits", time.Minute, func() string {
		if n := w.one(`SELECT count(*)::text FROM tandem.work`); n != "1" {
			return n
		}
		return ""
	})
	golden(t, "status-paused", anyOf(asks(exitOK, "status")))
	golden(t, "pause", asks(exitOK, "pause", "--entity", "contact", "--field", "notes", "--by", "ada"))
	asks(exitUsage, "pause", "--entity", "contact", "--field", "no_such")
	asks(exitUsage, "pause", "--key", "1")
	if code, _, stderr := w.tandem("pause", "--connector", "crm-source", "--config", w.files[0]); code != exitUsage || !strings.Contains(stderr, "keep all its WAL") {
		t.Errorf("pause of the CRM's reader: %d %s", code, stderr)
	}
	if out := asks(exitFailed, "resume"); !strings.Contains(out, "--id") {
		t.Errorf("resume: %s", out)
	}
	if w.shown("contact", "Paused 1", "Email") != "no page" {
		t.Error("written while it was paused")
	}
	asks(exitOK, "resume", "--all")
	w.waitShown("contact", "Paused 1", "Email", "c1@example.com")
	w.idle()
}
