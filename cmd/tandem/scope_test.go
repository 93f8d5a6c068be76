package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A filter changes: the plan lists who would leave the mapping's scope, and who is back in it; nothing is deleted by it, and nothing by the connectors either.
func TestAPlanShowsWhoLeavesTheScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const rows = 8
	w.exec(`INSERT INTO contact (id, full_name, email, job_title, created_at, updated_at)
		SELECT n, 'Contact ' || n, 'c' || n || '@example.com', CASE WHEN n > 3 THEN 'Lead' ELSE 'Customer' END, now(), now() FROM generate_series(1, $1::int) n`, rows)
	live := func(want int) {
		t.Helper()
		w.eventually(fmt.Sprintf("%d are live", want), time.Minute, func() string {
			if n := w.one(`SELECT count(*)::text FROM tandem.link WHERE state = 'live'`); n != fmt.Sprint(want) {
				return n
			}
			return ""
		})
		w.idle()
	}
	r := w.start()
	live(rows)
	if code := r.end(); code != exitOK {
		t.Fatalf("run ended with %d", code)
	}
	filter := func(where string) {
		w.editMapping("contact", func(m map[string]any) { m["crm"].(map[string]any)["where"] = where })
	}
	before := len(w.requestsSince(0))
	file := filepath.Join(w.dir, "scope.plan")
	plan := func() planAnswer {
		t.Helper()
		var answer planAnswer
		out := w.command(exitOK, append([]string{"plan", "--json", "--log-level", "error", "--entity", "contact", "--out", file}, w.files[:3]...)...)
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatal(err, out)
		}
		return answer
	}
	filter("job_title = 'Customer'")
	leavers := plan().Entities[0]
	if leavers.Counts["leave scope"] != rows-3 || leavers.Counts["nothing to do"] != 3 || len(leavers.Counts) != 2 || len(leavers.Sample) != 3 || !strings.Contains(leavers.Sample[0].Name, "Contact ") ||
		!strings.Contains(strings.Join(leavers.Sample[0].Why, " "), "its page stays") {
		t.Errorf("leaving: %+v", leavers)
	}
	if out := w.command(exitOK, append([]string{"apply", "--log-level", "error", file}, w.files[:3]...)...); strings.Contains(out, "done  ") {
		t.Errorf("apply: %s", out)
	}
	r = w.start()
	w.exec(`UPDATE contact SET updated_at = now()`) // a sweep finds it too
	live(3)
	if code := r.end(); code != exitOK {
		t.Fatalf("run ended with %d", code)
	}
	filter("job_title <> 'nobody'")
	back := plan().Entities[0]
	if back.Counts["back in scope"] != rows-3 || back.Counts["nothing to do"] != 3 || len(back.Counts) != 2 {
		t.Errorf("coming back: %+v", back)
	}
	if writes := w.writtenSince(before); len(writes) != 0 {
		t.Errorf("written: %q", writes)
	}
	if pages, err := w.pages("contact"); err != nil || len(pages) != rows {
		t.Errorf("%d pages: %v", len(pages), err)
	}
	r = w.start()
	w.exec(`UPDATE contact SET updated_at = now()`) // a sweep finds it too
	live(rows)
	r.end()
}

// An apply that ends in the middle is run again, and does the rest: each page is made once.
func TestAnApplyThatEndsInTheMiddleGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.observe()
	const rows = 12
	w.exec(`INSERT INTO contact (id, full_name, email, created_at, updated_at)
		SELECT n, 'Contact ' || n, 'c' || n || '@example.com', now(), now() FROM generate_series(1, $1::int) n`, rows)
	file := filepath.Join(w.dir, "cut.plan")
	w.command(exitOK, append([]string{"plan", "--log-level", "error", "--out", file}, w.files[:3]...)...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var made atomic.Int32
	w.spy = func(r *http.Request, _ []byte) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/pages" && made.Add(1) == 5 {
			cancel()
		}
	}
	var out, errs bytes.Buffer
	code := run(ctx, append([]string{"apply", "--log-level", "error", file}, w.files[:3]...), nil, &out, &errs)
	w.spy = nil
	if code == exitOK || made.Load() >= rows {
		t.Fatalf("it was not cut off: exit code %d, %d pages\n%s%s", code, made.Load(), out.String(), errs.String())
	}
	got := w.command(exitOK, append([]string{"apply", "--log-level", "error", file}, w.files[:3]...)...)
	if !strings.Contains(got, "already so") {
		t.Errorf("the second run says nothing of what the first did:\n%s", got)
	}
	pages, err := w.pages("contact")
	if err != nil || len(pages) != rows {
		t.Errorf("%d pages: %v", len(pages), err)
	}
	for title, all := range pages {
		if len(all) != 1 {
			t.Errorf("%s has %d pages", title, len(all))
		}
	}
}
