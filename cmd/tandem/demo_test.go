package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rivo/uniseg"

	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
)

// needServer skips loudly where the demo would have to fetch PostgreSQL, and fails there in CI.
func needServer(t *testing.T) {
	t.Helper()
	_, err := pgserver.Find(t.Context(), "")
	if missing := (*pgserver.ErrNotFound)(nil); errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip("SKIP: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// watched is an output that can be waited on.
type watched struct {
	text chan string
	all  bytes.Buffer // only for the goroutine that waits
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) { w.text <- string(p); return len(p), nil }

func (w *watched) until(t *testing.T, words string) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	for !strings.Contains(w.all.String(), words) {
		select {
		case text := <-w.text:
			w.all.WriteString(text)
		case <-deadline:
			t.Fatalf("%q was not printed:\n%s", words, w.all.String())
		}
	}
}

var fewRecords = []string{"--contacts", "30", "--opportunities", "8", "--tasks", "12"}

// The whole show: what a newcomer sees, at its end equal on both sides, and nothing left running.
func TestDemoOnce(t *testing.T) {
	t.Parallel()
	needServer(t)
	dir := filepath.Join(t.TempDir(), "demo")
	var out, errs bytes.Buffer
	code := run(t.Context(), append([]string{"demo", "--once", "--dir", dir}, fewRecords...), nil, &out, &errs)
	if code != exitOK || errs.Len() > 0 {
		log, _ := os.ReadFile(filepath.Join(dir, "tandem.log"))
		t.Fatalf("exit code %d: %s\n%s\n%s", code, errs.String(), out.String(), log)
	}
	text := out.String()
	for _, want := range []string{
		"PostgreSQL", "First sync: 50 records", "fsync off", "for\n  trying out only", " 0 different", "Phone = 06 12 34 56 78    +33612345678",
		"held, the row stays", "phone of contact 2 was changed in both places", "page in the trash", dir,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q was not printed", want)
		}
	}
	if strings.Contains(text, "NOT YET") || strings.Contains(text, "\x1b") || strings.Contains(text, "level=") {
		t.Error("an edit did not arrive, or colours or log lines were printed")
	}
	for line := range strings.Lines(text) {
		if width := uniseg.StringWidth(strings.TrimRight(line, "\n")); width > 80 && !strings.Contains(line, dir) {
			t.Errorf("%d columns, want 80 at most: %s", width, line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	alertsAre(t, dir, map[string]int{"conflict": 1, "hold": 1})
}

// alertsAre reads from the log which alerts there were. Every alert that nobody should have got hides one that somebody should see.
func alertsAre(t *testing.T, dir string, want map[string]int) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, "tandem.log"))
	if err != nil {
		t.Fatal(err)
	}
	got, seen := map[string]int{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`msg=alert .*?\bid=(\S+) kind=(\S+)`).FindAllStringSubmatch(string(log), -1) {
		if !seen[m[1]] {
			seen[m[1]] = true
			got[m[2]]++
		}
	}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%d alerts of kind %s, want %d", got[kind], kind, n)
		}
		delete(got, kind)
	}
	if len(got) > 0 {
		t.Errorf("alerts that nobody should have got: %v\n%s", got, log)
	}
}

// The demo that stays up can be played with from another terminal, and ends on Ctrl-C with everything that it started.
func TestDemoIsThereForPlaying(t *testing.T) {
	t.Parallel()
	needServer(t)
	dir := filepath.Join(t.TempDir(), "demo")
	ctx, interrupt := context.WithCancelCause(t.Context())
	out := &watched{text: make(chan string, 1000)}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"demo", "--dir", dir}, fewRecords...), nil, out, os.Stderr)
	}()
	out.until(t, "stays up until Ctrl-C")

	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"edit crm 7 job_title Boss", `contact/7 job_title is "Boss" on both sides`, exitOK},
		{"edit notion 7 Phone 0611223344", `contact/7 phone is "+33611223344" on both sides`, exitOK},
		{"edit notion task/9 status Done", `task/9 status is "Done" on both sides`, exitOK},
		{"show 7", "+33611223344                  +33611223344", exitOK},
		{"show contact/10", "the page was put in the trash", exitOK},
		{"edit crm 7 birthday 1990-02-30", "PostgreSQL refuses it", exitUsage},
		{"edit crm 7 shoe_size 43", `contact has no field "shoe_size"; there are name, email`, exitUsage},
		{"edit mars 7 name Ada", `"mars" is neither crm nor notion`, exitUsage},
		{"show 999", "there is no contact/999", exitUsage},
		{"show company/1", "names no record", exitUsage},
	} {
		var said bytes.Buffer
		args := append([]string{"demo"}, append(strings.Fields(c.args), "--dir", dir)...)
		if code := run(t.Context(), args, nil, &said, &said); code != c.code || !strings.Contains(said.String(), c.want) {
			t.Errorf("demo %s: code %d, want %d with %q: %s", c.args, code, c.code, c.want, said.String())
		}
	}
	var second bytes.Buffer
	if code := run(t.Context(), append([]string{"demo", "--dir", dir}, fewRecords...), nil, &second, &second); code != exitFailed || !strings.Contains(second.String(), "a demo is running already") {
		t.Errorf("a second demo in the same folder: code %d: %s", code, second.String())
	}

	var state struct{ CRM string }
	data, err := os.ReadFile(filepath.Join(dir, "demo.json"))
	if err != nil || json.Unmarshal(data, &state) != nil {
		t.Fatal(err, string(data))
	}
	interrupt(errInterrupted)
	select {
	case code := <-ended:
		if code != exitOK {
			t.Errorf("exit code %d after Ctrl-C, want %d", code, exitOK)
		}
	case <-time.After(3 * time.Minute):
		t.Fatal("the demo did not end")
	}
	if conn, err := pgx.Connect(t.Context(), state.CRM); err == nil {
		conn.Close(t.Context())
		t.Error("PostgreSQL still runs")
	}
	var after bytes.Buffer
	if code := run(t.Context(), []string{"demo", "show", "7", "--dir", dir}, nil, &after, &after); code != exitFailed || !strings.Contains(after.String(), "no demo runs in") {
		t.Errorf("show without a demo: code %d: %s", code, after.String())
	}
}

func TestDemoThatCannotBeSaysWhy(t *testing.T) {
	t.Parallel()
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.odt"), []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--dir", other}, "holds other files", exitFailed},
		{[]string{"--contacts", "3"}, "at least 20 contacts", exitUsage},
		{[]string{"--dir", filepath.Join(other, "new"), "--postgres", other}, "no PostgreSQL 14 or newer server found", exitFailed},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"demo"}, c.args...), nil, &out, &out); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: code %d, want %d with %q: %s", c.args, code, c.code, c.want, out.String())
		}
	}
	if _, err := os.Stat(filepath.Join(other, "thesis.odt")); err != nil {
		t.Error(err)
	}
}
